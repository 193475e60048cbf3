"""Audio of every kind is read or refused by name; windows follow their closed forms."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofscope import audio
from spoofscope.errors import AudioError, ConfigError
from spoofscope.windows import InputPolicy


def tone(rate: int, seconds: float = 0.5, frequency: float = 440.0) -> np.ndarray:
    times = np.arange(round(rate * seconds)) / rate
    return 0.5 * np.sin(2 * np.pi * frequency * times).astype(np.float32)


def frequency_of(samples: np.ndarray, rate: int) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum)) * rate / samples.size


def encode(path: Path, samples: np.ndarray, rate: int, codec: str) -> None:
    """Write (n,) samples with an encoder of FFmpeg."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or None
        )
        for block in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_what_is_written_is_read_back_to_half_a_step(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    x = np.random.default_rng(1).uniform(-1, 1, 1000)
    x[:2] = 1.0, -1.0
    audio.write(path, x, 22050)
    back, rate = audio.read(path)
    assert rate == 22050
    assert back.dtype == np.float32
    # +1 is the one value without its own 16-bit code.
    assert back[0] == 32767 / 32768
    assert np.abs(back[1:] - x[1:]).max() <= 0.5 / 32768 + 1e-7
    assert audio.info(path) == audio.AudioInfo(22050, 1000, 1)
    assert audio.info(path).duration == 1000 / 22050
    audio.write(tmp_path / f"y.{suffix}", back, rate)
    assert np.array_equal(audio.read(tmp_path / f"y.{suffix}")[0], back)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
def test_any_rate_becomes_the_one_asked_for(tmp_path, rate):
    path = tmp_path / "x.wav"
    audio.write(path, tone(rate), rate)
    samples, result = audio.read(path, 16000)
    assert result == 16000
    assert abs(samples.size - 8000) <= 1
    assert frequency_of(samples, 16000) == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    high = audio.resample(tone(44100, frequency=12000.0), 44100, 16000)
    assert np.sqrt(np.mean(high[200:-200] ** 2)) < 1e-3
    same = tone(16000)
    assert audio.resample(same, 16000, 16000) is same


def test_channels_are_averaged(tmp_path):
    left, right = tone(16000), tone(16000, frequency=1000.0)
    soundfile.write(tmp_path / "x.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    samples, _ = audio.read(tmp_path / "x.wav")
    assert samples == pytest.approx((left + right) / 2, abs=1e-7)
    assert audio.info(tmp_path / "x.wav").channels == 2


@pytest.mark.parametrize(
    ("subtype", "step"), [("PCM_U8", 2**-7), ("PCM_24", 2**-23), ("ULAW", 2**-5), ("DOUBLE", 1e-7)]
)
def test_other_sample_formats(tmp_path, subtype, step):
    soundfile.write(tmp_path / "x.wav", tone(8000), 8000, subtype=subtype)
    samples, rate = audio.read(tmp_path / "x.wav")
    assert rate == 8000
    assert np.abs(samples - tone(8000)).max() <= step


@pytest.mark.parametrize(
    ("suffix", "codec"), [("m4a", "aac"), ("mp4", "aac"), ("mp3", "libmp3lame"), ("ogg", "libopus")]
)
def test_compressed_formats(tmp_path, suffix, codec):
    path = tmp_path / f"x.{suffix}"
    encode(path, tone(48000, seconds=1.0), 48000, codec)
    samples, rate = audio.read(path)
    assert rate == 48000
    assert samples.size == pytest.approx(48000, abs=4000)  # encoders add a start and an end
    assert frequency_of(samples, rate) == pytest.approx(440, abs=2)
    header = audio.info(path)
    assert (header.sample_rate, header.channels) == (48000, 1)
    assert header.n_samples == samples.size


def test_no_file_and_no_audio(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no audio " * 100)
    (tmp_path / "text.m4a").write_text("this is no audio " * 100)
    (tmp_path / "folder.wav").mkdir()
    for name, message in (
        ("none.wav", "no such audio file"),
        ("folder.wav", "this is a folder"),
        ("empty.wav", "the file is empty"),
        ("text.wav", "cannot be decoded"),
        ("text.m4a", "cannot be decoded"),
    ):
        for function in (audio.read, audio.info):
            with pytest.raises(AudioError, match=f"{name}: {message}"):
                function(tmp_path / name)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFF000])
def test_wav_files_written_into_a_pipe_have_all_there_is(tmp_path, length):
    audio.write(tmp_path / "x.wav", tone(16000), 16000)
    content = (tmp_path / "x.wav").read_bytes()
    place = content.index(b"data") + 4
    piped = content[:place] + length.to_bytes(4, "little") + content[place + 4 :]
    (tmp_path / "piped.wav").write_bytes(piped)
    np.testing.assert_array_equal(
        audio.read(tmp_path / "piped.wav")[0], audio.read(tmp_path / "x.wav")[0]
    )


def test_a_file_without_permission(locked_file):
    for function in (audio.read, audio.info):
        with pytest.raises(AudioError, match=r"locked.wav: cannot be read: Permission denied"):
            function(locked_file)


def test_a_header_without_samples(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.zeros(0), 16000)
    for function in (audio.read, audio.info):
        with pytest.raises(AudioError, match=r"x.wav: the file holds no samples"):
            function(tmp_path / "x.wav")


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_truncated_wav_files_are_refused_already_by_their_header(tmp_path, share):
    path = tmp_path / "x.wav"
    audio.write(path, tone(16000), 16000)
    cut(path, share)
    for function in (audio.read, audio.info):
        with pytest.raises(AudioError, match=r"x.wav: truncated: \d+ bytes .*fetch the file again"):
            function(path)


def test_wav_files_with_more_than_samples_are_whole(tmp_path):
    path = tmp_path / "x.wav"
    audio.write(path, tone(16000), 16000)
    content = path.read_bytes()
    extra = b"LIST" + (5).to_bytes(4, "little") + b"abcde\0"
    for riff in (content + extra, content[:12] + extra + content[12:]):
        path.write_bytes(riff)
        assert audio.read(path)[0].size == 8000
    # Programs that write to a pipe cannot know the length beforehand.
    at = content.index(b"data") + 4
    path.write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :])
    assert audio.read(path)[0].size == 8000


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_flac_files_are_refused(tmp_path, share):
    path = tmp_path / "x.flac"
    audio.write(path, np.random.default_rng(2).uniform(-1, 1, 30_000), 16000)
    cut(path, share)
    with pytest.raises(AudioError, match=r"x.flac: (truncated|cannot be decoded)"):
        audio.read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, value):
    soundfile.write(tmp_path / "x.wav", np.array([0.0, value]), 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN or infinite"):
        audio.read(tmp_path / "x.wav")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "expected mono samples"),
        (np.zeros((2, 5)), r"expected mono samples, got shape \(2, 5\)"),
        (np.array([0.0, 1.001]), "samples reach 1.001; scale"),
        (np.array([0.0, np.nan]), "samples reach nan"),
        (np.array([0.0, -np.inf]), "samples reach inf"),
    ],
)
def test_what_no_file_can_hold_is_not_written(tmp_path, samples, message):
    with pytest.raises(AudioError, match=message):
        audio.write(tmp_path / "x.wav", samples, 16000)
    assert not any(tmp_path.iterdir())


# --- arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int8, np.uint8, np.float32, np.float64])
def test_arrays_are_scaled_by_their_type(dtype):
    values = np.array([0.5, -1.0, 0.0, 0.25])
    scale, zero = {np.int16: (2**15, 0), np.int32: (2**31, 0), np.int8: (128, 0)}.get(dtype, (1, 0))
    if dtype is np.uint8:
        scale, zero = 128, 128
    stored = (values * scale + zero).astype(dtype)
    for waveform in (stored, np.stack([stored, stored]), torch.from_numpy(stored)):
        mono = audio.as_mono(waveform)
        assert mono.dtype == np.float32
        assert np.array_equal(mono, values)


def test_channels_of_arrays_are_averaged():
    stereo = np.array([[0.5, 0.0, 0.1], [-0.5, 1.0, 0.3]])
    assert audio.as_mono(stereo) == pytest.approx([0.0, 0.5, 0.2])
    assert audio.as_mono(torch.tensor(stereo).bfloat16()) == pytest.approx([0, 0.5, 0.2], abs=1e-3)
    assert audio.as_mono(torch.tensor(stereo[0], requires_grad=True))[0] == 0.5


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros((2, 0)), "channels, samples"),
        (np.zeros((100, 2)), r"\(channels, samples\), not \(100, 2\); transpose"),
        (np.zeros((1, 1, 100)), "not \\(1, 1, 100\\)"),
        (np.zeros(()), "not \\(\\)"),
        (np.array([0.0, np.nan]), "NaN or infinite"),
        (np.array([0.0, -np.inf]), "NaN or infinite"),
        (np.array([0.0, 20000.0]), "reach 20000; .* int16"),
        (np.zeros(5, np.complex64), "not complex64"),
        (np.zeros(5, np.uint16), "not uint16"),
        (np.zeros(5, bool), "not bool"),
        ([0.0, 0.1], "not list"),
    ],
)
def test_arrays_that_are_no_audio(waveform, message):
    with pytest.raises(AudioError, match=message):
        audio.as_mono(waveform)


# --- block by block ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.mp3", "x.m4a"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_blocks_are_the_whole_file(tmp_path, name, rate):
    path = tmp_path / name
    noise = (0.1 * np.random.default_rng(2).standard_normal(2 * rate + 77)).astype(np.float32)
    if path.suffix in (".wav", ".flac"):
        soundfile.write(path, np.stack([noise, noise[::-1]], axis=1), rate, subtype="PCM_16")
    else:
        encode(path, noise, rate, "aac" if path.suffix == ".m4a" else "libmp3lame")
    whole, _ = audio.read(path, 16000)
    blocks = [samples for samples, found in audio.decode(path, 0.3) if found == rate]
    assert len(blocks) > 5
    resampled = list(audio.resample_blocks(iter(blocks), rate, 16000))
    assert len(resampled) > 5
    assert np.array_equal(np.concatenate(resampled), whole)


def test_faults_are_found_block_by_block(tmp_path):
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, 32000).astype(np.float32)
    soundfile.write(tmp_path / "cut.flac", noise, 16000, subtype="PCM_16")
    cut(tmp_path / "cut.flac", 0.7)
    noise[20000] = np.inf
    soundfile.write(tmp_path / "inf.wav", noise, 16000, subtype="FLOAT")
    (tmp_path / "empty.wav").touch()
    for name, message in (
        ("cut.flac", "truncated|cannot be decoded"),
        ("inf.wav", "NaN or infinite"),
        ("empty.wav", "0 bytes"),
    ):
        with pytest.raises(AudioError, match=message):
            list(audio.decode(tmp_path / name, 0.5))


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg", "x.m4a"])
def test_the_longest_recording_is_measured_while_decoding(tmp_path, name):
    path = tmp_path / name
    noise = (0.1 * np.random.default_rng(4).standard_normal(3 * 16000)).astype(np.float32)
    if name == "x.m4a":
        encode(path, noise, 16000, "aac")
    else:
        soundfile.write(path, noise, 16000)
    heard: list[np.ndarray] = []
    with pytest.raises(AudioError, match=rf"{name}: longer than 1\.5 s"):
        heard.extend(samples for samples, _ in audio.decode(path, 0.25, longest=1.5))
    assert 16000 <= np.concatenate(heard).size <= 24000
    with pytest.raises(AudioError, match="longer than"):
        audio.read(path, longest=1.5)
    seconds = audio.info(path).duration
    whole, _ = audio.read(path)
    np.testing.assert_array_equal(audio.read(path, longest=seconds)[0], whole)


@settings(deadline=None, max_examples=200)
@given(
    n=st.integers(1, 60),
    length=st.one_of(st.none(), st.integers(1, 20)),
    hop_share=st.floats(0.1, 1),
    long=st.sampled_from(["window", "crop"]),
    tail=st.sampled_from(["align", "drop"]),
    normalize=st.booleans(),
    block=st.integers(1, 70),
)
def test_windows_of_a_stream_are_those_of_the_clip(
    n, length, hop_share, long, tail, normalize, block
):
    clip = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    hop = None if length is None else max(1, round(length * hop_share))
    policy = InputPolicy(
        length=length, hop=hop, long=long, tail=tail, normalize=normalize, min_samples=10
    )
    whole = policy.windows(clip)
    stream = list(policy.stream(lambda: (clip[i : i + block] for i in range(0, n, block))))
    assert [window.start for window in stream] == whole.starts.tolist()
    assert [window.valid for window in stream] == whole.valid.tolist()
    values = np.stack([window.values for window in stream])
    if normalize and block < n:
        assert values == pytest.approx(whole.values, abs=1e-5)
    else:
        assert np.array_equal(values, whole.values)


# --- resampling window by window -----------------------------------------------------------------


def noise(n: int) -> np.ndarray:
    return (0.2 * np.random.default_rng(n).standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "target", "n"),
    [
        (44100, 22050, 44100),
        (48000, 22050, 48000),
        (24000, 22050, 24000),
        (32000, 22050, 12345),
        (16000, 22050, 5001),
        (48000, 16000, 100),
        (8000, 48000, 7),
        (22050, 22050, 50),
    ],
)
def test_sinc_resampling_is_a_windowed_sinc(rate, target, n):
    clip = noise(n)
    result = audio.resample_sinc(clip, rate, target)
    assert result.dtype == np.float32
    assert result.size == -(-n * target // rate)
    if rate == target:
        assert np.array_equal(result, clip)
        return
    # In double precision, for some outputs from all inputs.
    cutoff = 0.99 * min(rate, target)
    for i in np.linspace(0, result.size - 1, 50).astype(int):
        zeros = cutoff * (np.arange(n) / rate - i / target)
        window = np.where(np.abs(zeros) < 6, np.cos(np.pi * zeros / 12) ** 2, 0)
        expected = (clip * np.sinc(zeros) * window).sum() * cutoff / rate
        assert result[i] == pytest.approx(expected, abs=5e-5)


BY_WINDOW = InputPolicy(
    sample_rate=22050, length=22050, tail="drop", short="refuse", resample="window"
)


@pytest.mark.parametrize("rate", [22050, 24000, 44100, 48000])
@pytest.mark.parametrize("rest", [0, 1, -1])
def test_windows_are_cut_at_the_rate_of_the_file_and_resampled_by_themselves(rate, rest, tmp_path):
    clip = noise(2 * rate + rest)
    audio.write(tmp_path / "clip.wav", clip, rate)
    heard, _ = audio.read(tmp_path / "clip.wav")
    windows = BY_WINDOW.windows(BY_WINDOW.read(tmp_path / "clip.wav"))
    n = 2 if rest >= 0 else 1  # of almost 2 s there is one window, though its rest is rounded up
    assert windows.values.shape == (n, 22050)
    assert windows.starts.tolist() == [22050 * i for i in range(n)]
    for i, window in enumerate(windows.values):
        own = torch.from_numpy(heard[i * rate : (i + 1) * rate])
        expected = torchaudio.functional.resample(own, rate, 22050).numpy()
        np.testing.assert_allclose(window, expected, rtol=0, atol=1e-6)
    blocks = (heard[i : i + 7001] for i in range(0, heard.size, 7001))
    stream = np.concatenate(list(BY_WINDOW.resampled(blocks, rate)))
    np.testing.assert_array_equal(stream[: n * 22050], windows.values.ravel())
    assert abs(stream.size - clip.size * 22050 / rate) <= 1  # the rest counts as heard


def test_recordings_that_are_too_short_or_too_coarse_are_refused_by_name(tmp_path):
    audio.write(tmp_path / "brief.wav", noise(47999), 48000)
    with pytest.raises(AudioError, match=r"brief\.wav: .* too short: 22049 samples"):
        BY_WINDOW.read(tmp_path / "brief.wav")
    with pytest.raises(
        AudioError, match=r"22049 samples at 22050 Hz, and the detector needs 22050"
    ):
        BY_WINDOW.windows(noise(22049))
    audio.write(tmp_path / "coarse.wav", noise(32000), 16000)
    with pytest.raises(AudioError, match=r"coarse\.wav: the recording has 16000 Hz"):
        BY_WINDOW.read(tmp_path / "coarse.wav")
    with pytest.raises(AudioError, match="the detector needs 5"):
        InputPolicy(length=None, min_samples=5, short="refuse").windows(noise(4))


# --- windows -------------------------------------------------------------------------------------


def ramp(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.float32)


@pytest.mark.parametrize(
    ("options", "n", "starts"),
    [
        ({}, 4, [0]),
        ({}, 8, [0, 4]),
        ({}, 10, [0, 4, 6]),
        ({"tail": "drop"}, 10, [0, 4]),
        ({"hop": 2}, 9, [0, 2, 4, 5]),
        ({"hop": 2, "tail": "drop"}, 9, [0, 2, 4]),
        ({"hop": 3}, 10, [0, 3, 6]),
        ({"long": "crop"}, 10, [0]),
        ({"long": "crop", "hop": 1}, 5, [0]),
    ],
)
def test_long_clips(options, n, starts):
    windows = InputPolicy(length=4, **options).windows(ramp(n))
    assert windows.starts.tolist() == starts
    assert windows.valid.tolist() == [4] * len(starts)
    assert windows.values.tolist() == [[s, s + 1, s + 2, s + 3] for s in starts]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"length": 7}, [0, 1, 2, 0, 1, 2, 0]),
        ({"length": 7, "short": "zero"}, [0, 1, 2, 0, 0, 0, 0]),
        ({"length": None, "min_samples": 5}, [0, 1, 2, 0, 1]),
        ({"length": None, "min_samples": 5, "short": "zero"}, [0, 1, 2, 0, 0]),
        ({"length": None, "min_samples": 2}, [0, 1, 2]),
    ],
)
def test_short_clips(options, expected):
    windows = InputPolicy(**options).windows(ramp(3))
    assert windows.values.tolist() == [expected]
    assert windows.starts.tolist() == [0]
    assert windows.valid.tolist() == [3]


@settings(deadline=None)
@given(
    n=st.integers(1, 300),
    length=st.integers(1, 64),
    hop_share=st.floats(0.01, 1),
    tail=st.sampled_from(["align", "drop"]),
    short=st.sampled_from(["tile", "zero"]),
)
def test_windows_hold_the_clip_where_they_say(n, length, hop_share, tail, short):
    hop = max(1, round(length * hop_share))
    clip = ramp(n) + 1
    values, starts, valid = InputPolicy(length=length, hop=hop, tail=tail, short=short).windows(
        clip
    )
    assert values.shape == (starts.size, length)
    assert values.dtype == np.float32
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= hop).all()
    covered = np.zeros(n, dtype=bool)
    for window, start, inside in zip(values, starts, valid, strict=True):
        assert np.array_equal(window[:inside], clip[start : start + inside])
        covered[start : start + inside] = True
    if tail == "align":
        assert covered.all()
    else:
        assert n - covered.sum() < hop


def test_normalisation_is_of_the_clip_and_not_of_the_window():
    clip = np.concatenate([np.full(4, 2.0), np.full(4, 6.0)]).astype(np.float32)
    windows = InputPolicy(length=4, normalize=True).windows(clip)
    # Mean 4, variance 4.
    assert windows.values == pytest.approx(np.array([[-1.0] * 4, [1.0] * 4]), abs=1e-6)
    silence = InputPolicy(length=4, normalize=True).windows(np.full(4, 0.5, np.float32))
    assert np.array_equal(silence.values, np.zeros((1, 4)))


def test_an_empty_clip_has_no_windows():
    with pytest.raises(AudioError, match="empty clip"):
        InputPolicy().windows(np.zeros(0, np.float32))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lenght": 5}, r"input: unknown key 'lenght'; did you mean 'length'\?"),
        ({"length": 0}, "length must be an integer or null of at least 1"),
        ({"sample_rate": 0}, "sample_rate must be an integer of at least 1000"),
        ({"length": 10, "hop": 11}, "hop must be between 1 and length"),
        ({"length": 10, "hop": 0}, "hop must be an integer or null of at least 1"),
        ({"length": None, "hop": 5}, "hop must be between 1 and length"),
        ({"long": "cut"}, "long must be one of 'window', 'crop'"),
        ({"tail": "keep"}, "tail must be one of 'align', 'drop'"),
        ({"short": "mirror"}, "short must be one of 'tile', 'zero', 'refuse'"),
        ({"resample": "frame"}, "resample must be one of 'clip', 'window'"),
        ({"resample": "window"}, "needs a length, no hop, and tail: drop"),
        ({"resample": "window", "tail": "drop", "hop": 9}, "needs a length, no hop"),
        ({"resample": "window", "tail": "drop", "length": None}, "needs a length, no hop"),
    ],
)
def test_policies_that_mean_nothing(values, message):
    with pytest.raises(ConfigError, match=message):
        InputPolicy.from_dict(values)


def test_policies_survive_a_round_trip():
    policy = InputPolicy(length=None, normalize=True, short="zero")
    values: dict[str, Any] = policy.to_dict()
    assert InputPolicy.from_dict(values) == policy
    assert InputPolicy.from_dict({}) == InputPolicy()
