"""Silence by Silero VAD, a small network whose weights are in its package (MIT licence)."""

import threading

from spoofscope import audio
from spoofscope.alignment.base import Aligned, Aligner, Clip, Given
from spoofscope.alignment.pauses import silences
from spoofscope.errors import ConfigError
from spoofscope.options.aligners import Vad
from spoofscope.packages import SILERO_VAD

_RATE = 16000


class VadAligner(Aligner):
    """Silence is where the network hears no speech, so that music and noise are silence, too.

    It was trained for turns of talk: pauses of a tenth of a second are often missed. Edges lie on a
    grid of 32 ms. It runs on the CPU.

    Raises:
        ConfigError: the package is not installed.
    """

    options_type = Vad

    def __init__(self, options: Vad, given: Given) -> None:
        try:
            import silero_vad
        except ImportError as error:
            raise ConfigError(
                f"aligners of type vad need the package silero-vad: `{SILERO_VAD.install}`; the "
                "type energy needs no package"
            ) from error
        self._options = options
        self._speech = silero_vad.get_speech_timestamps
        self._network = silero_vad.load_silero_vad()
        # The network remembers what it heard before, within a clip.
        self._lock = threading.Lock()

    def align(self, clip: Clip) -> Aligned:
        """The silences of one clip."""
        import torch

        samples, _ = audio.read(clip.path, _RATE)
        options = self._options
        with self._lock, torch.inference_mode():
            speech = self._speech(
                torch.from_numpy(samples),
                self._network,
                threshold=options.threshold,
                sampling_rate=_RATE,
                min_speech_duration_ms=round(1000 * options.shortest_speech),
                min_silence_duration_ms=round(1000 * options.shortest_silence),
                speech_pad_ms=round(1000 * options.padding),
            )
        duration = samples.size / _RATE
        edges = [0.0]
        for stretch in speech:
            edges += [stretch["start"] / _RATE, stretch["end"] / _RATE]
        edges.append(duration)
        spans = [
            (start, end)
            for start, end in zip(edges[::2], edges[1::2], strict=True)
            if end > start and (end - start >= options.shortest_silence or not speech)
        ]
        return Aligned(silences(spans, duration))
