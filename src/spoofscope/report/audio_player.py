"""Audio players inside a page, which need no other file."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from markupsafe import Markup

from spoofscope import audio
from spoofscope.errors import SpoofscopeError

MOST_PLAYERS = 20
"""Most players in a list; with more, the page would be too large to load and to send."""

SECONDS = 4.0
"""Seconds that a player plays from the start of a clip, unless the caller gives another number."""

SAMPLE_RATE = 24000
"""Hz; clips at higher rates are resampled to this one, others stay as they are."""


class Clip(NamedTuple):
    """The file to play, and the text beside the player."""

    path: str | Path
    caption: str


def data_uri(path: str | Path, seconds: float = SECONDS) -> str:
    """The start of a recording as a `data:` URI: mono FLAC, 16 bits, at most `SAMPLE_RATE`.

    FLAC loses nothing, every current browser plays it, and the same clip gives the same bytes: a
    second of speech has some 20 kB.

    Args:
        path: a file that `audio.decode` reads. Samples beyond full scale are clipped.
        seconds: length of the start.

    Raises:
        AudioError: the file cannot be read.
    """
    samples, rate = audio.read_start(path, seconds)
    if rate > SAMPLE_RATE:
        samples, rate = audio.resample(samples, rate, SAMPLE_RATE), SAMPLE_RATE
    pcm = np.round(np.clip(samples * 32768.0, -32768, 32767)).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, rate, format="FLAC", subtype="PCM_16")
    return f"data:audio/flac;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def audio_players(clips: Sequence[Clip], seconds: float = SECONDS) -> Markup:
    """A list of players for a page that Jinja renders, one below the other.

    Args:
        clips: the files to play; captions are escaped.
        seconds: of each, see :func:`data_uri`.

    Raises:
        SpoofscopeError: there are more than `MOST_PLAYERS`.
        AudioError: a file cannot be read.
    """
    if len(clips) > MOST_PLAYERS:
        raise SpoofscopeError(
            f"{len(clips)} players are more than a page can hold ({MOST_PLAYERS}); choose some"
        )
    players = Markup("\n").join(
        Markup(
            '<li><audio controls preload="metadata" src="{}"></audio><span>{}</span></li>'
        ).format(data_uri(clip.path, seconds), clip.caption)
        for clip in clips
    )
    return Markup('<ul class="players">\n{}\n</ul>').format(players)
