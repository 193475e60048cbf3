"""Audio in the report: what a player holds is the start of the clip."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile
from markupsafe import Markup

from spoofscope import audio
from spoofscope.errors import AudioError, SpoofscopeError
from spoofscope.report.audio_player import MOST_PLAYERS, Clip, audio_players, data_uri


def embedded(uri: str) -> tuple[np.ndarray, int]:
    kind, content = uri.split(",", 1)
    assert kind == "data:audio/flac;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32")


def tone(path, rate, seconds):
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)
    audio.write(path, samples, rate)
    return path


@pytest.mark.parametrize(
    ("rate", "seconds", "kept", "held"), [(16000, 3.0, 2.0, 16000), (22050, 1.0, 1.0, 22050)]
)
def test_the_start_of_a_clip_is_held_without_loss(tmp_path, rate, seconds, kept, held):
    path = tone(tmp_path / "a.wav", rate, seconds)
    samples, found = embedded(data_uri(path, 2.0))
    assert found == held
    np.testing.assert_array_equal(samples, audio.read(path)[0][: round(kept * rate)])
    assert data_uri(path, 2.0) == data_uri(path, 2.0)


def test_high_rates_are_brought_down(tmp_path):
    samples, rate = embedded(data_uri(tone(tmp_path / "a.flac", 48000, 2.0), 1.0))
    assert (rate, samples.size) == (24000, 24000)
    peak = np.abs(np.fft.rfft(samples)).argmax()
    assert peak == 440


def test_players_are_html_with_escaped_captions(tmp_path):
    path = tone(tmp_path / "a.wav", 8000, 0.1)
    html = audio_players([Clip(path, "<b> & more"), Clip(path, "second")])
    assert isinstance(html, Markup)
    assert "&lt;b&gt; &amp; more" in html
    sources = re.findall(r'<audio controls preload="metadata" src="([^"]+)"></audio>', html)
    assert sources == [data_uri(path)] * 2


def test_a_page_is_not_flooded(tmp_path):
    clips = [Clip(tmp_path / "none.wav", "-")] * (MOST_PLAYERS + 1)
    with pytest.raises(SpoofscopeError, match="more than a page can hold"):
        audio_players(clips)
    with pytest.raises(AudioError, match=r"none\.wav"):
        audio_players(clips[:1])
