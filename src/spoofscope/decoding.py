"""Decoders behind `audio`: libsndfile, FFmpeg (PyAV), and what a whole file must give.

A file is opened by what it is, not by what it is called. Its structure is checked first
(`containers`). libsndfile decodes what it can open, and FFmpeg the rest; what one of them finds
broken is never handed to the other. No name reaches FFmpeg: it gets an open file and the format,
so that nothing in a name or a file makes it open another one.
"""

import functools
import hashlib
import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from spoofscope.containers import boxes, chunks, flac, frames, mpeg, ogg
from spoofscope.containers.kinds import kind_of
from spoofscope.containers.source import Source
from spoofscope.errors import AudioError

Blocks = Iterator[npt.NDArray[np.float32]]

SLOWEST, FASTEST = 1_000, 1_000_000
"""Sample rates in Hz that are plausible."""

MOST_CHANNELS = 64

# Read at once where nobody knows how many samples follow.
_UNKNOWN_SAMPLES = 1 << 16

# The names of FFmpeg's readers.
_FFMPEG = {
    "wav": "wav",
    "aiff": "aiff",
    "caf": "caf",
    "au": "au",
    "voc": "voc",
    "flac": "flac",
    "ogg": "ogg",
    "adts": "aac",
    "mp4": "mov",
    "matroska": "matroska",
    "amr": "amr",
    "ac3": "ac3",
    "wavpack": "wv",
    "tta": "tta",
    "asf": "asf",
}
_TIMED_ROOM = 0.1
# Kinds whose structure counts the packets that FFmpeg gives.
_COUNTED: dict[str, Callable[[Source], int]] = {
    "adts": frames.adts,
    "amr": frames.amr,
    "ac3": frames.ac3,
    "matroska": boxes.matroska,
}
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}
# FFmpeg's decoder of WMA leaves out two blocks, whether the encoder added two or fewer.
_UNTRIMMED = {**_STRICT, "flags2": "+skip_manual"}


class Recording(NamedTuple):
    """A file whose structure is whole.

    rate: Hz. channels. n_samples: per channel; None where only decoding tells. blocks: decodes it
    from its start to its end, in blocks (n, channels) of about so many samples. part: decodes
    (n, channels) from a first sample, without what stands before; None where that cannot be done.
    """

    rate: int
    channels: int
    n_samples: int | None
    blocks: Callable[[int], Blocks]
    part: Callable[[int, int], npt.NDArray[np.float32]] | None = None


def recording(path: Path, *, check: bool) -> Recording:
    """Look at a file's structure, and find out who decodes it.

    Args:
        path: the file, which exists and is not empty.
        check: compare checksums that need the whole file to be read.

    Raises:
        AudioError: it is not of a known kind, cut, damaged, or its header is implausible. The
            message does not name the file.
    """
    with Source(path) as source:
        kind = kind_of(source)
        if kind is None:
            raise AudioError(
                "cannot be decoded: its content is of no kind of audio that is read (WAV, FLAC, "
                "MP3, Ogg, Opus, M4A, WebM and others); fetch the file again, or convert it to WAV"
            )
        recording = _RECORDINGS.get(kind, _framed)(path, source, kind, check)
    _check_header(recording.rate, recording.channels)
    if recording.n_samples == 0:
        raise AudioError("the file holds no samples")
    return recording


def _check_header(rate: int, channels: int) -> None:
    if not SLOWEST <= rate <= FASTEST:
        raise AudioError(
            f"its header gives a sample rate of {rate} Hz, and recordings have {SLOWEST} to "
            f"{FASTEST} Hz: it is damaged; write the file again"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(
            f"its header gives {channels} channels, and recordings have 1 to {MOST_CHANNELS}: it "
            "is damaged; write the file again"
        )


# --- libsndfile ----------------------------------------------------------------------------------


class _Sequential(soundfile.SoundFile):
    """A file that is read from its start to its end; soundfile else seeks after every read."""

    def seekable(self) -> bool:
        return False


def _opened(path: Path) -> _Sequential:
    # A descriptor has no name that libsndfile could give a meaning ("-", "x.raw").
    # It closes the descriptor itself, also where it refuses.
    return _Sequential(os.open(path, os.O_RDONLY), closefd=True)


def _chunked(path: Path, source: Source, kind: str, check: bool) -> Recording:
    sound = _CHUNKED[kind](source)
    if sound.length == 0:
        raise AudioError("the file holds no samples")
    if sound.rate is not None and sound.channels is not None:
        _check_header(sound.rate, sound.channels)

    def opened() -> AbstractContextManager[soundfile.SoundFile]:
        if sound.patch is None:
            return _opened(path)
        return _in_part(_Part(path, 0, sound.start + sound.length, sound.patch))

    try:
        with opened() as file:
            rate, channels, n_samples = int(file.samplerate), int(file.channels), int(file.frames)
    except soundfile.SoundFileError as error:
        _check_length_known(sound)
        return _foreign(path, kind, error, samples=sound.n_samples)
    if sound.foreign:
        _check_length_known(sound)
        return _foreign(path, kind, None)
    if sound.n_samples not in (None, n_samples):
        raise AudioError(
            f"its header promises {sound.n_samples} samples, {n_samples} can be decoded; convert "
            "it to WAV"
        )
    if sound.frame and n_samples != sound.length // sound.frame:
        raise AudioError(
            f"its header contradicts itself: {sound.length} bytes in blocks of {sound.frame} are "
            f"not {n_samples} samples; write the file again"
        )

    def blocks(size: int) -> Blocks:
        with opened() as file:
            yield from _counted(file, size, n_samples)

    part = functools.partial(_part, path) if sound.patch is None else None
    return Recording(rate, channels, n_samples, blocks, part)


def _check_length_known(sound: chunks.Sound) -> None:
    """FFmpeg's decoders make something up where the last block of such a file is cut."""
    if sound.patch is not None:
        raise AudioError(
            "its header does not say how long it is, and its samples are compressed: whether it is "
            "whole cannot be told; write it into a file instead of a pipe, or convert it to WAV"
        )


def _part(path: Path, start: int, n_samples: int) -> npt.NDArray[np.float32]:
    with soundfile.SoundFile(os.open(path, os.O_RDONLY), closefd=True) as file:
        try:
            file.seek(start)
        except soundfile.SoundFileError as error:
            raise AudioError(f"damaged: {_reason(error)}; fetch the file again") from error
        samples = _samples(file, n_samples, "float32")
    if samples.shape[0] != n_samples:
        raise AudioError(
            f"truncated: {n_samples} samples from {start} on are not there; fetch the file again"
        )
    return samples


def _counted(file: soundfile.SoundFile, size: int, expected: int) -> Blocks:
    done = 0
    while done < expected:
        # No more than there is: what is asked for is cleared, which costs more than decoding.
        samples = _samples(file, min(size, expected - done), "float32")
        if not samples.size:
            break
        done += samples.shape[0]
        yield samples
    if done != expected:
        raise AudioError(
            f"truncated: the header promises {expected} samples, {done} could be decoded; fetch "
            "the file again"
        )


def _samples(file: soundfile.SoundFile, size: int, dtype: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(file.read(size, dtype=dtype, always_2d=True))
    except soundfile.SoundFileError as error:
        raise AudioError(f"damaged: {_reason(error)}; fetch the file again") from error


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(text).rstrip(" .")


# --- FLAC ----------------------------------------------------------------------------------------


def _flac(path: Path, source: Source, kind: str, check: bool) -> Recording:
    info = flac.stream_info(source, check=check)
    known = info.n_samples or None

    def opened() -> AbstractContextManager[soundfile.SoundFile]:
        # Without a length libsndfile reads on into the tags behind the last frame.
        if known is None and info.end < source.size:
            return _in_part(_Part(path, 0, info.end))
        return _opened(path)

    def blocks(size: int) -> Blocks:
        digest, done = hashlib.md5(usedforsecurity=False), 0
        with opened() as file:
            wide = info.bits > 16
            while known is None or done < known:
                left = _UNKNOWN_SAMPLES if known is None else known - done
                samples = _samples(file, min(size, left), "int32" if wide else "int16")
                if not samples.size:
                    break
                done += samples.shape[0]
                if info.md5 is not None:
                    digest.update(_as_in_flac(samples, info.bits))
                yield samples.astype(np.float32) / np.float32(2**31 if wide else 2**15)
        _check_flac(info, done, digest.digest())

    try:
        _opened(path).close()
    except soundfile.SoundFileError as error:
        foreign = _foreign(path, kind, error, flac_info=info)
        return foreign._replace(rate=info.rate, channels=info.channels, n_samples=known)
    part = None if known is None else functools.partial(_part, path)
    return Recording(info.rate, info.channels, known, blocks, part)


def _as_in_flac(samples: npt.NDArray[Any], bits: int) -> bytes:
    """Whole numbers from the top of their type as FLAC's MD5 takes them (RFC 9639, 8.2)."""
    n_bytes, width = -(-bits // 8), samples.dtype.itemsize
    values = samples if bits == 8 * width else samples >> (8 * width - bits)
    little = np.ascontiguousarray(values, dtype=f"<i{width}")
    if n_bytes == width:
        return little.tobytes()
    return little.view(np.uint8).reshape(-1, width)[:, :n_bytes].tobytes()


def _check_flac(info: flac.StreamInfo, done: int, md5: bytes) -> None:
    if info.n_samples not in (0, done):
        raise AudioError(
            f"truncated: the header promises {info.n_samples} samples, {done} could be decoded; "
            "fetch the file again"
        )
    if info.md5 is not None and info.md5 != md5:
        raise AudioError(
            "truncated or damaged: its samples have another MD5 than its header says; fetch the "
            "file again"
        )


# --- Ogg -----------------------------------------------------------------------------------------


class _Part(io.RawIOBase):
    """Some bytes of a file as a file of their own; `patch`: a place in it with other bytes."""

    def __init__(
        self, path: Path, start: int, end: int, patch: tuple[int, bytes] | None = None
    ) -> None:
        self._patch = patch
        self._file = open(path, "rb")  # noqa: SIM115 (closed in close)
        self._start, self._size, self._place = start, end - start, 0

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        place = {0: 0, 1: self._place, 2: self._size}[whence] + offset
        # Libraries that follow damaged pointers ask for it, and print what is raised.
        if place < 0:
            return -1
        self._place = place
        return place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        n = max(0, min(len(view), self._size - self._place))
        if not n:
            return 0
        self._file.seek(self._start + self._place)
        n = self._file.readinto(view[:n])
        if self._patch is not None:
            at, content = self._patch
            for place in range(max(at, self._place), min(at + len(content), self._place + n)):
                view[place - self._place] = content[place - at]
        self._place += n
        return n


@contextmanager
def _in_part(part: _Part) -> Iterator[soundfile.SoundFile]:
    with part, _Sequential(part) as file:
        yield file


def _up_to(path: Path, end: int | None) -> _Part:
    return _Part(path, 0, path.stat().st_size if end is None else end)


def _ogg(path: Path, source: Source, kind: str, check: bool) -> Recording:
    links = ogg.links(source)
    try:
        parts = [_link(path, link, alone=len(links) == 1) for link in links]
    except soundfile.SoundFileError as error:
        if len(links) > 1:
            raise AudioError(f"cannot be decoded: {_reason(error)}; convert it to WAV") from error
        return _foreign(path, kind, error)
    first = parts[0]
    if any(part[:2] != first[:2] for part in parts):
        raise AudioError("recordings of different rates or channels follow each other; split them")

    def blocks(size: int) -> Blocks:
        for part in parts:
            yield from part.blocks(size)

    return first._replace(n_samples=sum(part.n_samples or 0 for part in parts), blocks=blocks)


def _link(path: Path, link: ogg.Link, *, alone: bool) -> Recording:
    """One recording of a chain; `alone`: it is the whole file."""

    def opened() -> AbstractContextManager[soundfile.SoundFile]:
        return _opened(path) if alone else _in_part(_Part(path, link.start, link.end))

    with opened() as file:
        rate, channels, n_samples = int(file.samplerate), int(file.channels), int(file.frames)
    expected = n_samples if link.n_samples is None else link.n_samples * rate / link.rate
    if abs(n_samples - expected) > 1:
        raise AudioError(
            f"its header promises {n_samples} samples, and its pages hold {expected:.0f}: it is "
            "damaged; fetch the file again, or decode it to WAV with FFmpeg"
        )

    def blocks(size: int) -> Blocks:
        with opened() as file:
            yield from _counted(file, size, n_samples)

    return Recording(rate, channels, n_samples, blocks)


# --- MPEG ----------------------------------------------------------------------------------------


def _mpeg(path: Path, source: Source, kind: str, check: bool) -> Recording:
    segments = mpeg.segments(source, check=check)
    if not segments:
        raise AudioError("the file holds no samples")
    first = segments[0].first
    total = sum(segment.n_samples for segment in segments)
    if len(segments) == 1 and segments[0].tagged:
        # Without the tags before and behind, which libsndfile would read, and complain of.
        only = functools.partial(_Part, path, segments[0].header, segments[0].end)
        if _sndfile_agrees(only, first, total):

            def at_once(size: int) -> Blocks:
                with _in_part(only()) as file:
                    yield from _counted(file, size, total)

            return Recording(first.rate, first.channels, total, at_once)

    def blocks(size: int) -> Blocks:
        with Source(path) as source:
            for segment in segments:
                yield from _gathered(_trimmed(_mpeg_frames(source, segment), segment), size)

    return Recording(first.rate, first.channels, total, blocks)


def _sndfile_agrees(part: Callable[[], _Part], first: mpeg.Frame, total: int) -> bool:
    """Whether libsndfile, which is faster but believes headers, sees the frames that are there."""
    try:
        with _in_part(part()) as file:
            seen = file.samplerate, file.channels, file.frames
    except soundfile.SoundFileError:
        return False
    return seen == (first.rate, first.channels, total)


def _mpeg_frames(source: Source, segment: mpeg.Segment) -> Blocks:
    import av

    codec = {1: "mp1float", 2: "mp2float", 3: "mp3float"}[segment.first.layer]
    context = av.CodecContext.create(codec, "r")
    context.options = _STRICT
    expected = segment.first.samples
    for data in mpeg.frames(source, segment):
        try:
            decoded = context.decode(av.Packet(data))
        except av.FFmpegError as error:
            raise AudioError(f"damaged: {_reason(error)}; fetch the file again") from error
        n = 0
        for frame in decoded:
            samples = frame.to_ndarray().T
            n += samples.shape[0]
            yield samples.astype(np.float32, copy=False)
        if n != expected:
            raise AudioError(
                f"damaged: a frame gives {n} samples instead of {expected}; fetch the file again"
            )


def _trimmed(blocks: Blocks, segment: mpeg.Segment) -> Blocks:
    place = 0
    end = segment.skip + segment.n_samples
    for block in blocks:
        kept = block[max(0, segment.skip - place) : max(0, end - place)]
        place += block.shape[0]
        if kept.size:
            yield kept


def _gathered(blocks: Blocks, size: int) -> Blocks:
    """Small blocks as larger ones, of `size` samples or a little more."""
    pending: list[npt.NDArray[np.float32]] = []
    n = 0
    for block in blocks:
        pending.append(block)
        n += block.shape[0]
        if n >= size:
            yield np.concatenate(pending)
            pending, n = [], 0
    if pending:
        yield np.concatenate(pending)


# --- FFmpeg --------------------------------------------------------------------------------------


def _framed(path: Path, source: Source, kind: str, check: bool) -> Recording:
    samples: int | None = None
    packets: int | None = None
    end: int | None = None
    timed = kind == "mp4"
    if kind == "wavpack":
        # FFmpeg takes the tag behind the last block for a damaged one.
        samples, end = frames.wavpack(source)
    elif kind == "tta":
        samples = frames.true_audio(source)
    elif kind in _COUNTED:
        packets = _COUNTED[kind](source)
    elif kind == "mp4":
        boxes.mp4(source)
    else:
        timed = boxes.asf(source)
    name = None
    if kind == "ac3":
        name = "eac3" if source.at(5, 1)[0] >> 3 > 10 else "ac3"
    return _foreign(
        path, kind, None, name=name, samples=samples, packets=packets, end=end, timed=timed
    )


def _foreign(
    path: Path,
    kind: str,
    reason: Exception | None,
    *,
    name: str | None = None,
    samples: int | None = None,
    packets: int | None = None,
    flac_info: flac.StreamInfo | None = None,
    end: int | None = None,
    timed: bool = False,
) -> Recording:
    """A file, or what stands before `end`, through FFmpeg.

    `reason`: why libsndfile does not. `timed`: what the file says of its duration is no estimate.
    """
    import av

    why = "" if reason is None else f"{_reason(reason)}; FFmpeg: "
    form = name or _FFMPEG.get(kind)
    if form is None:
        raise AudioError(f"cannot be decoded: {why or 'there is no decoder'}")
    with open(path, "rb") as start:
        if start.read(4) == b"riff":
            form = "w64"
    try:
        with _up_to(path, end) as file, av.open(file, format=form) as container:
            stream = _audio_stream(container)
            rate, channels = int(stream.rate or 0), int(stream.channels or 0)
            duration = stream.duration
            seconds = None
            if timed and duration is not None and stream.time_base is not None:
                seconds = float(duration * stream.time_base)
            # Of samples that are not compressed it counts each, and reads many at once.
            pcm = stream.codec_context.name.startswith("pcm_")
            if kind == "mp4" and stream.frames and not pcm:
                packets = int(stream.frames)
    except (av.FFmpegError, ValueError, AttributeError) as error:
        raise AudioError(f"cannot be decoded: {why}{_reason(error)}") from error

    def blocks(size: int) -> Blocks:
        part = functools.partial(_up_to, path, end)
        decoded = _ffmpeg_frames(part, form, why, rate, channels, packets, flac_info)
        done = 0
        for block in _gathered(decoded, size):
            done += block.shape[0]
            yield block
        if samples is not None and done != samples:
            raise AudioError(
                f"truncated: the header promises {samples} samples, {done} could be decoded; fetch "
                "the file again"
            )
        if seconds is not None and done < (seconds - _TIMED_ROOM) * rate:
            raise AudioError(
                f"truncated: the header promises {seconds:.2f} s, {done / rate:.2f} s could be "
                "decoded; fetch the file again"
            )
        if not done:
            raise AudioError(f"no samples could be decoded ({why.rstrip('; ')})")

    return Recording(rate, channels, samples, blocks)


def _audio_stream(container: Any) -> Any:
    if not container.streams.audio:
        raise AudioError("the file has no audio stream")
    if len(container.streams.audio) > 1:
        raise AudioError("it holds several recordings at once; take them apart")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise AudioError("cannot be decoded: there is no decoder for its samples")
    return stream


def _ffmpeg_frames(
    part: Callable[[], _Part],
    form: str,
    why: str,
    rate: int,
    channels: int,
    packets: int | None,
    flac_info: flac.StreamInfo | None,
) -> Blocks:
    import av

    digest, done, taken = hashlib.md5(usedforsecurity=False), 0, 0
    try:
        with part() as file, av.open(file, format=form, options=_STRICT) as container:
            stream = _audio_stream(container)
            stream.codec_context.options = _UNTRIMMED if form == "asf" else _STRICT
            for packet in container.demux(stream):
                taken += packet.size > 0
                if packet.is_corrupt:
                    raise AudioError("truncated or damaged: a packet is not whole; fetch it again")
                for frame in packet.decode():
                    if frame.sample_rate != rate or frame.layout.nb_channels != channels:
                        raise AudioError(
                            "its sample rate or its channels change in the middle; convert it to "
                            "WAV"
                        )
                    values = _values(frame)
                    if flac_info is not None:
                        digest.update(_as_in_flac(values, flac_info.bits))
                    done += values.shape[0]
                    yield _as_floats(values)
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise AudioError(f"cannot be decoded: {why}{_reason(error)}") from error
    if packets is not None and taken != packets:
        raise AudioError(
            f"truncated: its structure has {packets} packets, {taken} could be read; fetch the "
            "file again"
        )
    if flac_info is not None:
        _check_flac(flac_info, done, digest.digest())


def _values(frame: Any) -> npt.NDArray[Any]:
    """A frame's samples (n, channels), in the type that its decoder gives."""
    values = frame.to_ndarray()
    if frame.format.is_planar:
        return np.ascontiguousarray(values.T)
    return np.asarray(values).reshape(-1, frame.layout.nb_channels)


def _as_floats(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    zero, scale = 0.0, 1.0
    if values.dtype == np.uint8:
        zero, scale = 128.0, 1 / 128
    elif np.issubdtype(values.dtype, np.signedinteger):
        scale = math.ldexp(1.0, 1 - 8 * values.dtype.itemsize)
    if scale == 1.0:
        return np.asarray(values, dtype=np.float32)
    return ((values - np.float64(zero)) * scale).astype(np.float32)


_CHUNKED: dict[str, Callable[[Source], chunks.Sound]] = {
    "wav": chunks.wav,
    "aiff": chunks.aiff,
    "caf": chunks.caf,
    "au": chunks.au,
    "sphere": chunks.sphere,
    "voc": chunks.voc,
}
_RECORDINGS: dict[str, Callable[[Path, Source, str, bool], Recording]] = {
    **dict.fromkeys(_CHUNKED, _chunked),
    "flac": _flac,
    "ogg": _ogg,
    "mpeg": _mpeg,
}
