"""FLAC: a header with length and MD5 of the samples, then frames with checksums."""

import functools
from typing import NamedTuple

from spoofscope.containers.crc16 import crc16_of_flac
from spoofscope.containers.joined import check_single
from spoofscope.containers.source import Source
from spoofscope.containers.tags import after_tags
from spoofscope.errors import AudioError

# A frame has a header of 6 bytes or more, a subframe of 1 or more, and 2 bytes of checksum.
_SMALLEST_FRAME = 9
_LARGEST_HEADER = 16


class StreamInfo(NamedTuple):
    """The header of a FLAC file (RFC 9639, 8.2).

    start: of the marker `fLaC`. rate: Hz. bits: per sample. n_samples: per channel, 0 if unknown.
    md5: of all samples, None if it was not written. end: of the last frame, or of the file; only
    tags may follow.
    """

    start: int
    rate: int
    channels: int
    bits: int
    n_samples: int
    md5: bytes | None
    end: int


def stream_info(source: Source, *, check: bool) -> StreamInfo:
    """The header of a FLAC file, checked against the file's size and its last frame.

    Args:
        source: the file.
        check: search all of it for the start of another file, and compare the checksum of the last
            frame.

    Raises:
        AudioError: the header gives more samples than the file can hold, another file follows, or
            the file is cut.
    """
    start = after_tags(source, 0, source.size)
    head = source.at(start, 42)
    if len(head) < 42 or head[4] & 0x7F or head[5:8] != b"\0\0\x22":
        raise AudioError("truncated or damaged: its header is not whole; fetch the file again")
    block = int.from_bytes(head[10:12], "big")
    packed = int.from_bytes(head[18:26], "big")
    info = StreamInfo(
        start,
        packed >> 44,
        (packed >> 41 & 7) + 1,
        (packed >> 36 & 31) + 1,
        packed & (1 << 36) - 1,
        head[26:42] if any(head[26:42]) else None,
        source.size,
    )
    place = start + 4
    while True:
        kind, length = source.at(place, 1), int.from_bytes(source.at(place + 1, 3), "big")
        place += 4 + length
        if place > source.size or not kind:
            raise AudioError("truncated: it ends in its header; fetch the file again")
        if kind[0] & 0x80:
            break
    most = ((source.size - place) // _SMALLEST_FRAME + 1) * max(block, 16)
    if info.n_samples > most:
        raise AudioError(
            f"truncated or damaged: its header promises {info.n_samples} samples, and its "
            f"{source.size} bytes can hold {most} at most; fetch the file again"
        )
    if check:
        # The check of the last frame finds other files after it.
        check_single(source, place, b"fLaC")
    largest = int.from_bytes(head[15:18], "big")
    return info._replace(end=_end(source, place, info, block, None if check else largest))


def _end(source: Source, first: int, info: StreamInfo, block: int, largest: int | None) -> int:
    """The end of the last frame; only tags follow.

    Args:
        source: the file.
        first: byte of the first frame.
        info: the header.
        block: samples of a frame, if all frames have the same number.
        largest: bytes of the largest frame by the header, 0 if the header does not say: a last
            frame of known length that is no larger is accepted; None compares its checksum, too.

    Raises:
        AudioError: the last frame does not end with the last sample of the header, is damaged, or
            other data follow it.
    """
    # Frames are rarely larger than the first, and never than the second.
    for span in (1 << 14, 1 << 19):
        start = max(first, source.size - span)
        tail = source.at(start, source.size - start)
        place = len(tail)
        while (place := tail.rfind(b"\xff", 0, place)) >= 0:
            header = frame(tail[place : place + _LARGEST_HEADER], block)
            if header is None:
                continue
            begins, samples = header
            more = begins + samples - info.n_samples
            if info.n_samples and more == 0:
                if largest is not None and len(tail) - place <= largest:
                    return source.size
                return _end_of_frame(source, start + place, tail[place:])
            # The frame behind the last one, or the last one, which its checksum tells.
            if begins == info.n_samples > 0 or crc16_of_flac(tail[place:]) == 0:
                if not info.n_samples:
                    return source.size
                raise AudioError(
                    f"its header promises {info.n_samples} samples, and its frames hold "
                    f"{abs(more)} {'more' if more > 0 else 'fewer'}: it is truncated or damaged; "
                    "fetch the file again"
                )
            if not info.n_samples:
                try:
                    return _end_of_frame(source, start + place, tail[place:])
                except AudioError:
                    continue
    check_single(source, first)
    raise AudioError(
        "truncated, or something else follows it: its last frame is not at its end; fetch the file "
        "again"
    )


def _end_of_frame(source: Source, place: int, tail: bytes) -> int:
    """The end of the frame that begins at a byte, by its checksum; tags alone may follow."""
    if crc16_of_flac(tail) == 0:
        return place + len(tail)
    ends, value = [], 0
    for n, byte in enumerate(tail, 1):
        value = crc16_of_flac.after(value, byte)
        if value == 0 and n >= _SMALLEST_FRAME:
            if after_tags(source, place + n, source.size) == source.size:
                return place + n
            ends.append(place + n)
    if not ends:
        raise AudioError("truncated or damaged: its last frame is not whole; fetch the file again")
    check_single(source, ends[0])
    raise AudioError(
        f"damaged, or something follows the end of the recording at byte {ends[0]}; fetch the file "
        "again, or split it off"
    )


def frame(head: bytes, block: int) -> tuple[int, int] | None:
    """First sample and number of samples of a frame, from its header; None if there is no frame.

    Args:
        head: its first bytes, 16 are enough.
        block: samples of a frame, if all frames have the same number.
    """
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    n_bytes = 8 - (head[4] ^ 0xFF).bit_length() if head[4] & 0x80 else 1
    if size_code == 0 or rate_code == 15 or (head[4] & 0x80 and not 2 <= n_bytes <= 7):
        return None
    number = head[4] & (0x7F if n_bytes == 1 else 0x7F >> n_bytes)
    for byte in head[5 : 4 + n_bytes]:
        number = number << 6 | byte & 0x3F
    place = 4 + n_bytes
    if size_code in (6, 7):
        width = size_code - 5
        samples = int.from_bytes(head[place : place + width], "big") + 1
        place += width
    elif size_code < 6:
        samples = 192 if size_code == 1 else 576 << size_code - 2
    else:
        samples = 1 << size_code
    place += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(head) <= place or _crc8(head[: place + 1]) != 0:
        return None
    variable = head[1] & 1
    return (number if variable else number * block), samples


@functools.cache
def _crc8_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value << 1 ^ (0x07 if value & 0x80 else 0)) & 0xFF
        table.append(value)
    return tuple(table)


def _crc8(data: bytes) -> int:
    table, value = _crc8_table(), 0
    for byte in data:
        value = table[value ^ byte]
    return value
