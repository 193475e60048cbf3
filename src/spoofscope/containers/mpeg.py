"""MPEG audio (MP3, MP2, MP1): frames, one behind the other, without a header for them all."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.containers.source import Source
from spoofscope.containers.tags import after_tags
from spoofscope.errors import AudioError

# fmt: off
_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# fmt: on
_RATES = (44100, 48000, 32000)
# Samples by which a decoder is late.
_DECODER_DELAY = 529
_LANE = 64
_NAMES = (b"LAME", b"Lavf", b"Lavc")


class Frame(NamedTuple):
    """A frame's header: place and size in bytes, layer 1 to 3, rate in Hz, channels, samples."""

    place: int
    size: int
    layer: int
    rate: int
    channels: int
    samples: int
    side: int


@dataclass(frozen=True)
class Segment:
    """Frames of one encoding.

    Attributes:
        header: byte of its first frame. start: of its first frame with sound. end: behind its last.
        first: the header of its first frame.
        n_frames: frames with sound.
        skip: samples at its start that the encoder added.
        n_samples: what remains behind them.
        tagged: the encoder said how many frames it has, and how many samples it added.
        checksum: CRC-16 of its bytes, None where the encoder has not written it.
    """

    header: int
    start: int
    end: int
    first: Frame
    n_frames: int
    skip: int
    n_samples: int
    tagged: bool
    checksum: int | None


class _Tag(NamedTuple):
    """What the first frame says of those that follow (Xing, Info, LAME, VBRI)."""

    frames: int | None
    size: int | None
    delay: int
    padding: int
    trimmed: bool
    checksum: int | None


def frame_at(source: Source, place: int) -> Frame | None:
    """The frame that begins at a byte; None where none does."""
    head = source.at(place, 4)
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbps, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or rate == 3 or kbps == 15:
        return None
    if kbps == 0:
        return None  # A free bit rate: nobody knows where the next frame is.
    first = version == 3
    hertz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits = 1000 * _KBPS[1 if first else 2, layer if first else min(layer, 2)][kbps - 1]
    if layer == 1:
        size, samples = (12 * bits // hertz + padding) * 4, 384
    else:
        samples = 576 if layer == 3 and not first else 1152
        size = samples // 8 * bits // hertz + padding
    channels = 1 if head[3] >> 6 == 3 else 2
    side = {(True, 1): 17, (True, 2): 32, (False, 1): 9, (False, 2): 17}[first, channels]
    return Frame(place, size, layer, hertz, channels, samples, side)


def is_mpeg(source: Source) -> bool:
    """Whether a file begins with frames of MPEG audio, perhaps behind tags."""
    place = after_tags(source, 0, source.size)
    first = frame_at(source, place)
    if first is None:
        return False
    following = place + first.size
    return following >= source.size or (
        frame_at(source, following) is not None or after_tags(source, following, source.size) > 0
    )


def segments(source: Source, *, check: bool) -> list[Segment]:
    """The encodings that follow each other in a file; several where files were joined.

    Args:
        source: the file.
        check: compare the encoders' checksums, where there are any.

    Raises:
        AudioError: frames are cut, missing or followed by something else, or their rate or
            channels change.
    """
    found: list[Segment] = []
    frames: list[Frame] = []
    tag: _Tag | None = None
    begin = 0
    for frame in _frames(source):
        own = _tag(source, frame)
        if own is not None:
            found += _closed(source, begin, tag, frames, check)
            tag, frames, begin = own, [], frame.place
        else:
            frames.append(frame)
    found += _closed(source, begin, tag, frames, check)
    first = found[0].first if found else None
    for segment in found:
        if first is not None and segment.first[2:5] != first[2:5]:
            raise AudioError(
                f"its layer, rate or channels change at byte {segment.start}; two files were "
                "joined: split them"
            )
    return found


def frames(source: Source, segment: Segment) -> Iterator[bytes]:
    """The frames of a segment."""
    place = segment.start
    for _ in range(segment.n_frames):
        frame = frame_at(source, place)
        if frame is None:
            place = after_tags(source, place, segment.end)
            frame = frame_at(source, place)
        if frame is None:
            raise AudioError(f"damaged: there is no frame at byte {place}; it changed meanwhile")
        yield source.at(place, frame.size)
        place += frame.size


def _frames(source: Source) -> Iterator[Frame]:
    place, end = after_tags(source, 0, source.size), source.size
    before: Frame | None = None
    while place < end:
        frame = frame_at(source, place)
        if frame is None:
            following = after_tags(source, place, end)
            if following == place:
                raise AudioError(
                    f"damaged or truncated: there is no MPEG frame at byte {place} (or one of "
                    "free bit rate, which is not read); fetch the file again"
                )
            place = following
            continue
        if place + frame.size > end:
            raise AudioError(
                f"truncated: {place + frame.size - end} bytes of its last frame are missing; "
                "fetch the file again"
            )
        if before is not None and frame[2:5] != before[2:5]:
            raise AudioError(
                f"damaged, or two files were joined: layer, rate or channels change at byte {place}"
            )
        before = frame
        yield frame
        place += frame.size


def _tag(source: Source, frame: Frame) -> _Tag | None:
    if frame.layer != 3:
        return None
    data = source.at(frame.place, frame.size)
    if data[36:40] == b"VBRI":
        size, number = (int.from_bytes(data[at : at + 4], "big") for at in (46, 50))
        return _Tag(number, size, 0, 0, False, None)
    protected = not data[1] & 1
    for at in {4 + frame.side, 4 + frame.side + 2 * protected}:
        if data[at : at + 4] in (b"Xing", b"Info"):
            break
    else:
        return None
    flags = int.from_bytes(data[at + 4 : at + 8], "big")
    place, values = at + 8, []
    for flag, width in ((1, 4), (2, 4), (4, 100), (8, 4)):
        present = bool(flags & flag)
        values.append(int.from_bytes(data[place : place + width], "big") if present else None)
        place += width * present
    n_frames, n_bytes = values[:2]
    lame = data[place : place + 36].ljust(36, b"\0")
    delay = int.from_bytes(lame[21:24], "big")
    # LAME's part is known by its name, or by its repeating the size.
    is_lame = lame[:4] in _NAMES or (
        bool(n_bytes) and int.from_bytes(lame[28:32], "big") == n_bytes
    )
    if not is_lame:
        return _Tag(n_frames, n_bytes, 0, 0, False, None)
    own_checksum = int.from_bytes(lame[34:36], "big")
    # LAME's checksum is of what stands before it, FFmpeg's of 190 bytes among which it still was 0.
    before = data[: place + 34]
    padded = (before + b"\0\0" + data[place + 36 :])[:190].ljust(190, b"\0")
    if own_checksum and own_checksum not in (crc16(before), crc16(padded)):
        raise AudioError(
            f"damaged: the header at byte {frame.place} has another checksum; fetch the file again"
        )
    checksum = int.from_bytes(lame[32:34], "big") if own_checksum else None
    return _Tag(n_frames, n_bytes, delay >> 12, delay & 0xFFF, True, checksum)


def _closed(
    source: Source, begin: int, tag: _Tag | None, found: list[Frame], check: bool
) -> list[Segment]:
    """What was found since the last tag, as segments."""
    if tag is not None and tag.frames is not None and tag.frames > len(found):
        last = found[-1].place + found[-1].size if found else begin
        if tag.frames > len(found) + 1 or tag.size is None or last - begin < tag.size:
            raise AudioError(
                f"truncated: its header promises {tag.frames} frames, and {len(found)} are there; "
                "fetch the file again"
            )
    if not found:
        return []
    own = found
    others: list[Frame] = []
    if tag is not None and tag.frames is not None and 0 < tag.frames < len(found):
        own, others = found[: tag.frames], found[tag.frames :]
    result = [_segment(own, tag, own[0].place if tag is None else begin)]
    first = result[0]
    if check and first.checksum not in (None, _checksum(source, first.start, first.end)):
        raise AudioError(
            "damaged, or edited after it was encoded: its frames have another checksum than its "
            "header says; fetch the file again, or encode it anew"
        )
    return result + ([_segment(others, None, others[0].place)] if others else [])


def _segment(found: list[Frame], tag: _Tag | None, header: int) -> Segment:
    first, last = found[0], found[-1]
    total = sum(frame.samples for frame in found)
    skip, end = 0, total
    if tag is not None and tag.trimmed:
        skip = tag.delay + _DECODER_DELAY
        end = min(total, total - tag.padding + _DECODER_DELAY)
    return Segment(
        header,
        first.place,
        last.place + last.size,
        first,
        len(found),
        skip,
        max(0, end - skip),
        tag is not None and tag.trimmed and tag.frames == len(found),
        None if tag is None else tag.checksum,
    )


def _checksum(source: Source, start: int, end: int) -> int:
    value, step = 0, 1 << 16
    for place in range(start, end, step):
        value = crc16(source.at(place, min(step, end - place)), value)
    return value


@functools.cache
def _table() -> npt.NDArray[np.uint16]:
    """What a byte leaves behind in an empty CRC-16."""
    values = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        values.append(value)
    return np.array(values, dtype=np.uint16)


def _after_bytes(
    values: npt.NDArray[np.uint16], columns: Iterable[npt.NDArray[np.uint8]]
) -> npt.NDArray[np.uint16]:
    table = _table()
    for column in columns:
        values = table[(values ^ column) & 0xFF] ^ values >> 8
    return values


@functools.cache
def _after_zeros() -> tuple[list[int], list[int]]:
    """What the low and the high byte of a CRC become after a lane of zeros."""
    zeros = [np.zeros(1, np.uint8)] * _LANE
    low, high = (
        _after_bytes(np.arange(0, 256 * step, step, dtype=np.uint16), zeros).tolist()
        for step in (1, 256)
    )
    return low, high


def crc16(data: bytes, value: int = 0) -> int:
    """CRC-16 (polynomial 0x8005 from the low bit, 0 at the start), as LAME writes it.

    CRCs are linear: lanes of bytes are worked on side by side, and put together at the end.
    """
    n_lanes = len(data) // _LANE
    lanes = np.frombuffer(data, np.uint8, n_lanes * _LANE).reshape(n_lanes, _LANE)
    low, high = _after_zeros()
    for own in _after_bytes(np.zeros(n_lanes, np.uint16), np.ascontiguousarray(lanes.T)).tolist():
        value = low[value & 0xFF] ^ high[value >> 8] ^ own
    table = _table()
    for byte in data[n_lanes * _LANE :]:
        value = int(table[(value ^ byte) & 0xFF]) ^ value >> 8
    return value
