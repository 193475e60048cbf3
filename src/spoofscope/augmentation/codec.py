"""Round trips through speech and audio codecs, in memory and in time with the input.

FFmpeg's codecs come with PyAV; GSM 06.10 and Vorbis, for which its builds have no usable encoder,
go through libsndfile. `docs/augmentation.md` says which implementation stands behind which name.
"""

import functools
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import soundfile
from scipy.signal import correlate, lfilter

from spoofscope.audio import Samples, resample
from spoofscope.augmentation.base import Effect
from spoofscope.errors import ConfigError
from spoofscope.options import check_keys, nearest
from spoofscope.options.effects.codec import CodecChoice, CodecOptions

_BLOCK = 4096
_MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True)
class _Codec:
    """What stands behind a name: FFmpeg's encoder and decoder, or libsndfile's container/subtype.

    `sample_rates` and `bit_rates` list what is possible (bit_rates None: any), the defaults first;
    an empty `bit_rates` means that the codec has one rate only.
    """

    library: str
    encoder: str
    decoder: str
    sample_rates: tuple[int, ...]
    bit_rate: int | None = None
    bit_rates: tuple[int, ...] | None = ()


_CODECS = {
    "aac": _Codec("ffmpeg", "aac", "aac", (16000, *_MPEG_RATES), 32000, None),
    "alaw": _Codec("ffmpeg", "pcm_alaw", "pcm_alaw", (8000, 16000)),
    "amr_nb": _Codec(
        "ffmpeg",
        "libopencore_amrnb",
        "amrnb",
        (8000,),
        12200,
        (4750, 5150, 5900, 6700, 7400, 7950, 10200, 12200),
    ),
    "amr_wb": _Codec(
        "ffmpeg",
        "libvo_amrwbenc",
        "amrwb",
        (16000,),
        23850,
        (6600, 8850, 12650, 14250, 15850, 18250, 19850, 23050, 23850),
    ),
    "g722": _Codec("ffmpeg", "g722", "g722", (16000,)),
    "gsm": _Codec("libsndfile", "WAV", "GSM610", (8000,)),
    "mp3": _Codec("ffmpeg", "libmp3lame", "mp3float", (16000, *_MPEG_RATES), 32000, None),
    "mulaw": _Codec("ffmpeg", "pcm_mulaw", "pcm_mulaw", (8000, 16000)),
    "opus": _Codec("ffmpeg", "libopus", "libopus", (16000, 8000, 12000, 24000, 48000), 16000, None),
    "speex": _Codec("ffmpeg", "libspeex", "speex", (16000, 8000, 32000), 24600, None),
    "vorbis": _Codec("libsndfile", "OGG", "VORBIS", (16000, *_MPEG_RATES)),
}


def codecs_available() -> list[str]:
    """Names of the codecs that this installation can encode and decode, sorted."""
    return sorted(name for name, codec in _CODECS.items() if _is_built(codec))


def _is_built(codec: _Codec) -> bool:
    if codec.library == "libsndfile":
        return codec.decoder in soundfile.available_subtypes(codec.encoder)
    for name, mode in ((codec.encoder, "w"), (codec.decoder, "r")):
        try:
            av.codec.Codec(name, mode)
        except av.codec.codec.UnknownCodecError:
            return False
    return True


@dataclass(frozen=True)
class Setting:
    """One codec as a study file asks for it.

    Attributes:
        codec: its name.
        sample_rate: Hz at which it works.
        bit_rate: bit/s, None where the codec has no choice.
        quality: of Vorbis, from 0 (smallest) to 1 (best); None elsewhere.
    """

    codec: str
    sample_rate: int
    bit_rate: int | None = None
    quality: float | None = None

    @classmethod
    def from_options(cls, choice: CodecChoice) -> "Setting":
        """Check one entry of `codecs`.

        Raises:
            ConfigError: an unknown codec or key, a rate that the codec does not have, or a codec
                that this installation cannot encode; the message lists what it offers.
        """
        where = "effect codec: codecs"
        options = choice.to_dict()
        name = choice.name
        if name not in _CODECS:
            raise ConfigError(f"{where}: no codec {name!r}; {nearest(name, _CODECS)}")
        codec = _CODECS[name]
        keys = ["name", "sample_rate"]
        if codec.bit_rate is not None:
            keys.append("bit_rate")
        if name == "vorbis":
            keys.append("quality")
        check_keys(options, keys, f"{where}: {name}")
        if not _is_built(codec):
            raise ConfigError(
                f"{where}: {name}: the installed {codec.library} has no {codec.encoder}; "
                f"it offers {', '.join(codecs_available())}"
            )
        sample_rate = options.get("sample_rate", codec.sample_rates[0])
        if sample_rate not in codec.sample_rates:
            raise ConfigError(
                f"{where}: {name}: sample_rate {sample_rate!r}; possible are "
                f"{', '.join(map(str, sorted(set(codec.sample_rates))))}"
            )
        bit_rate = options.get("bit_rate", codec.bit_rate)
        if codec.bit_rates and bit_rate not in codec.bit_rates:
            raise ConfigError(
                f"{where}: {name}: bit_rate {bit_rate!r}; possible are "
                f"{', '.join(map(str, codec.bit_rates))}"
            )
        quality = options.get("quality", 0.4 if name == "vorbis" else None)
        return cls(name, sample_rate, bit_rate, quality)


def round_trip(x: Samples, sample_rate: int, setting: Setting) -> Samples:
    """Encode and decode a signal, in time with the original.

    Args:
        x: (n,) float32 in [-1, 1].
        sample_rate: Hz of `x`; the codec works at `setting.sample_rate`.
        setting: the codec.

    Returns:
        (n,) float32 whose delay against `x` is below 1 ms.

    Raises:
        ConfigError: the codec refuses the setting.
    """
    delay = _delay(setting)
    # Silence at the end keeps the last samples that delay and the codec's block length push out.
    source = np.pad(resample(x, sample_rate, setting.sample_rate), (0, setting.sample_rate // 5))
    decoded, rate = _code(source, setting)
    y = resample(decoded[delay:], rate, sample_rate)
    return y[: x.size].astype(np.float32)


def _code(x: Samples, setting: Setting) -> tuple[Samples, int]:
    """Encode and decode (m,) samples at `setting.sample_rate`, delay and all; decoder's rate."""
    try:
        if _CODECS[setting.codec].library == "libsndfile":
            return _code_with_libsndfile(x, setting)
        return _code_with_ffmpeg(x, setting)
    except (av.FFmpegError, soundfile.SoundFileError, ValueError) as error:
        raise ConfigError(
            f"effect codec: {setting.codec} refuses sample_rate {setting.sample_rate}, bit_rate "
            f"{setting.bit_rate}: {error}"
        ) from error


def _code_with_libsndfile(x: Samples, setting: Setting) -> tuple[Samples, int]:
    codec = _CODECS[setting.codec]
    file = io.BytesIO()
    level = None if setting.quality is None else 1.0 - setting.quality
    with soundfile.SoundFile(
        file,
        "w",
        samplerate=setting.sample_rate,
        channels=1,
        format=codec.encoder,
        subtype=codec.decoder,
        compression_level=level,
    ) as encoder:
        # libsndfile puts a whole block on the stack for Vorbis: a long one would crash.
        for start in range(0, x.size, _BLOCK):
            encoder.write(x[start : start + _BLOCK])
    file.seek(0)
    decoded, rate = soundfile.read(file, dtype="float32")
    return decoded, int(rate)


def _code_with_ffmpeg(x: Samples, setting: Setting) -> tuple[Samples, int]:
    codec = _CODECS[setting.codec]
    encoder = av.CodecContext.create(codec.encoder, "w")
    encoder.sample_rate = setting.sample_rate
    encoder.layout = "mono"
    encoder.format = encoder.codec.audio_formats[0]
    encoder.time_base = Fraction(1, setting.sample_rate)
    if setting.bit_rate is not None:
        encoder.bit_rate = setting.bit_rate
    frame = av.AudioFrame.from_ndarray(x[None], format="fltp", layout="mono")
    frame.sample_rate = setting.sample_rate
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]

    decoder = av.CodecContext.create(codec.decoder, "r")
    decoder.sample_rate = setting.sample_rate
    decoder.layout = "mono"
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames.extend(decoder.decode(None))
    rate = int(frames[0].sample_rate)
    # At the decoder's own rate, the resampler only converts the sample format.
    to_float = av.AudioResampler(format="fltp", layout="mono", rate=rate)
    blocks = [block for frame in frames for block in to_float.resample(frame)]
    blocks.extend(to_float.resample(None))
    return np.concatenate([block.to_ndarray()[0] for block in blocks]), rate


def _probe(sample_rate: int) -> Samples:
    """One second of irregular pulses through formants: speech-like, but without a period.

    Codecs made for speech keep its waveform, and its correlation has one peak only.
    """
    rng = np.random.default_rng(1)
    x = np.zeros(sample_rate)
    times = np.cumsum(rng.uniform(0.004, 0.014, 300))
    x[(times[times < 1.0] * sample_rate).astype(int)] = 1.0
    for frequency, bandwidth in ((500.0, 80.0), (1400.0, 120.0), (2500.0, 160.0)):
        radius = np.exp(-np.pi * bandwidth / sample_rate)
        turn = 2.0 * np.cos(2.0 * np.pi * frequency / sample_rate)
        x = lfilter([1.0], [1.0, -radius * turn, radius * radius], x)
    return (0.5 * x / np.max(np.abs(x))).astype(np.float32)


@functools.lru_cache
def _delay(setting: Setting) -> int:
    """Delay of a codec, in samples at its decoder's rate, by correlation with a known signal.

    FFmpeg takes some codecs' priming out by itself and others' not, and releases differ; the delay
    is a constant of the setting, so it is measured once and not guessed from the speech at hand.
    """
    probe = _probe(setting.sample_rate)
    decoded, rate = _code(np.pad(probe, (0, setting.sample_rate // 5)), setting)
    reference = resample(probe, setting.sample_rate, rate)
    lags = correlate(decoded, reference, mode="full", method="fft")[reference.size - 1 :]
    return int(np.argmax(lags[: rate // 5]))


class CodecRoundTrip(Effect):
    """Encode and decode with one codec, drawn out of a list."""

    name: ClassVar[str] = "codec"
    declared = CodecOptions
    options: CodecOptions

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        super().__init__(options, sources, sample_rate)
        self._settings = [Setting.from_options(choice) for choice in self.options.codecs]
        for setting in self._settings:
            _delay(setting)  # a setting that the codec refuses shows now, not hours later

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Send (n,) samples through a codec.

        Returns:
            The decoded signal, and codec, sample_rate (Hz), bit_rate (bit/s) or quality.
        """
        setting = self._settings[rng.integers(len(self._settings))]
        used = {key: value for key, value in asdict(setting).items() if value is not None}
        return round_trip(x, self._sample_rate, setting), used
