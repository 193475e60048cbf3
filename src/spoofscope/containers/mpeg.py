"""MPEG audio (MP3, MP2, MP1): frames, one after the other, without a header of the file."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from spoofscope.containers.crc16 import crc16_of_mpeg
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
# Delay of a decoder, in samples.
_DECODER_DELAY = 529
_LARGEST_FREE_FRAME = 1 << 12
# Number of bytes of a frame that show whether it describes the frames after it.
_TAG_HEAD = 44
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
        n_samples: the remaining samples.
        tagged: the encoder wrote the number of frames, and the number of samples that it added.
        checksum: CRC-16 of its bytes, None if the encoder has not written it.
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
    """The description of all frames in the first frame (Xing, Info, LAME, VBRI)."""

    frames: int | None
    size: int | None
    delay: int
    padding: int
    trimmed: bool
    checksum: int | None


def frame_at(source: Source, place: int) -> Frame | None:
    """The frame that begins at a byte, or None."""
    form = _form(source.at(place, 4))
    return None if form is None else Frame(place, *form)


class _Form(NamedTuple):
    """The values of a frame's header, as in `Frame`."""

    size: int
    layer: int
    rate: int
    channels: int
    samples: int
    side: int


@functools.lru_cache(maxsize=1 << 12)
def _form(head: bytes) -> _Form | None:
    # Frames of a file have few different headers.
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbps, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or rate == 3 or kbps == 15:
        return None
    if kbps == 0:
        return None  # With a free bit rate the place of the next frame is unknown.
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
    return _Form(size, layer, hertz, channels, samples, side)


def has_free_rate(source: Source, place: int) -> bool:
    """Whether frames of a free bit rate begin at a byte: a header, and the same header again."""
    head = source.at(place, 4)
    if len(head) < 4 or head[2] >> 4 or _form(bytes((*head[:2], head[2] | 0x10, head[3]))) is None:
        return False
    return source.at(place + 4, _LARGEST_FREE_FRAME).count(head[:2]) > 0


def is_mpeg(source: Source) -> bool:
    """Whether a file begins with frames of MPEG audio, perhaps after tags."""
    place = after_tags(source, 0, source.size)
    first = frame_at(source, place)
    if first is None:
        return has_free_rate(source, place)
    following = place + first.size
    return following >= source.size or (
        frame_at(source, following) is not None or after_tags(source, following, source.size) > 0
    )


def segments(source: Source, *, check: bool) -> list[Segment]:
    """The encodings that follow each other in a file; several where files were joined.

    Args:
        source: the file.
        check: compare the encoders' checksums, if there are any.

    Raises:
        AudioError: frames are cut, missing or followed by other data, or their rate or channels
            change.
    """
    segments: list[Segment] = []
    places: list[int] = []
    tag: _Tag | None = None
    begin = 0
    for place, next_tag in _frames(source):
        if next_tag is not None:
            segments += _closed(source, begin, tag, places, check)
            tag, places, begin = next_tag, [], place
        else:
            places.append(place)
    return segments + _closed(source, begin, tag, places, check)


def frames(source: Source, segment: Segment) -> Iterator[bytes]:
    """The frames of a segment."""
    place = segment.start
    for _ in range(segment.n_frames):
        frame = frame_at(source, place)
        if frame is None:
            frame = _frame_there(source, after_tags(source, place, segment.end))
            place = frame.place
        yield source.at(place, frame.size)
        place += frame.size


def _frames(source: Source) -> Iterator[tuple[int, _Tag | None]]:
    """The places of frames, and the descriptions of other frames in frames without sound.

    All frames have one layer, rate and number of channels.
    """
    place, end = after_tags(source, 0, source.size), source.size
    kind: tuple[int, ...] | None = None
    while place < end:
        head = source.at(place, _TAG_HEAD)
        form = _form(head[:4])
        if form is None:
            following = after_tags(source, place, end)
            if following == place and has_free_rate(source, place):
                raise AudioError(
                    f"its frames from byte {place} on have a free bit rate, which is not read; "
                    "convert it to WAV"
                )
            if following == place:
                raise AudioError(
                    f"damaged or truncated: there is no MPEG frame at byte {place}; fetch the file "
                    "again"
                )
            place = following
            continue
        if place + form.size > end:
            raise AudioError(
                f"truncated: {place + form.size - end} bytes of its last frame are missing; "
                "fetch the file again"
            )
        if kind is None:
            kind = form[1:4]
        elif form[1:4] != kind:
            raise AudioError(
                f"damaged, or two files were joined: layer, rate or channels change at byte {place}"
            )
        tag = None
        if form.layer == 3 and (b"Xing" in head or b"Info" in head or b"VBRI" in head):
            tag = _tag(source, Frame(place, *form))
        yield place, tag
        place += form.size


def _tag(source: Source, frame: Frame) -> _Tag | None:
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
    if own_checksum and own_checksum not in (crc16_of_mpeg(before), crc16_of_mpeg(padded)):
        raise AudioError(
            f"damaged: the header at byte {frame.place} has another checksum; fetch the file again"
        )
    checksum = int.from_bytes(lame[32:34], "big") if own_checksum else None
    return _Tag(n_frames, n_bytes, delay >> 12, delay & 0xFFF, True, checksum)


def _closed(
    source: Source, begin: int, tag: _Tag | None, places: list[int], check: bool
) -> list[Segment]:
    """The frames that were found since the last tag, as segments."""
    n = len(places)
    if tag is not None and tag.frames is not None and tag.frames > n:
        last = _end_of(source, places[-1]) if places else begin
        if tag.frames > n + 1 or tag.size is None or last - begin < tag.size:
            raise AudioError(
                f"truncated: its header promises {tag.frames} frames, and {n} are there; fetch the "
                "file again"
            )
    if not places:
        return []
    tagged, others = places, []
    if tag is not None and tag.frames is not None and 0 < tag.frames < n:
        tagged, others = places[: tag.frames], places[tag.frames :]
    first = _segment(source, tagged, tag, tagged[0] if tag is None else begin)
    if check and first.checksum not in (None, _checksum(source, first.start, first.end)):
        raise AudioError(
            "damaged, or edited after it was encoded: its frames have another checksum than its "
            "header says; fetch the file again, or encode it anew"
        )
    return [first] + ([_segment(source, others, None, others[0])] if others else [])


def _frame_there(source: Source, place: int) -> Frame:
    frame = frame_at(source, place)
    if frame is None:
        raise AudioError(f"damaged: there is no frame at byte {place}; it changed meanwhile")
    return frame


def _end_of(source: Source, place: int) -> int:
    return place + _frame_there(source, place).size


def _segment(source: Source, places: list[int], tag: _Tag | None, header: int) -> Segment:
    first = _frame_there(source, places[0])
    total = len(places) * first.samples
    skip, end = 0, total
    if tag is not None and tag.trimmed:
        skip = tag.delay + _DECODER_DELAY
        end = min(total, total - tag.padding + _DECODER_DELAY)
    return Segment(
        header,
        first.place,
        _end_of(source, places[-1]),
        first,
        len(places),
        skip,
        max(0, end - skip),
        tag is not None and tag.trimmed and tag.frames == len(places),
        None if tag is None else tag.checksum,
    )


def _checksum(source: Source, start: int, end: int) -> int:
    value, step = 0, 1 << 16
    for place in range(start, end, step):
        value = crc16_of_mpeg(source.at(place, min(step, end - place)), value)
    return value
