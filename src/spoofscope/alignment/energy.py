"""Silence by level alone."""

from spoofscope import audio
from spoofscope.alignment.base import Aligned, Aligner, Clip, Given
from spoofscope.alignment.pauses import runs, silences, smoothed
from spoofscope.corpora.cues import FRAME_SECONDS, frame_size, silent_frames
from spoofscope.options.aligners import Energy


class EnergyAligner(Aligner):
    """Frames far below the clip's loud ones are silent, as in the audits of corpora.

    A level says nothing about speech: breath, and the noise of a loud room, count as sound, and the
    quiet ends of words as silence. Edges lie on a grid of 10 ms.
    """

    options_type = Energy

    def __init__(self, options: Energy, given: Given) -> None:
        self._options = options

    def align(self, clip: Clip) -> Aligned:
        """The silences of one clip."""
        samples, rate = audio.read(clip.path)
        silent = silent_frames(samples, rate, self._options.below_db)
        kept = smoothed(
            silent,
            round(self._options.shortest_silence / FRAME_SECONDS),
            round(self._options.shortest_speech / FRAME_SECONDS),
        )
        size = frame_size(rate)
        spans = [
            (start * size / rate, min(end * size, samples.size) / rate) for start, end in runs(kept)
        ]
        return Aligned(silences(spans, samples.size / rate))
