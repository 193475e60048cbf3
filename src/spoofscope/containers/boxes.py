"""Multimedia containers: MP4 and related formats, Matroska and WebM, ASF (WMA)."""

import struct
import zlib
from collections import Counter

from spoofscope.containers.source import Source
from spoofscope.errors import AudioError

_SEGMENT, _CLUSTER, _GROUP = 0x18538067, 0x1F43B675, 0xA0
_TRACKS, _TRACK, _TRACK_NUMBER, _TRACK_TYPE = 0x1654AE6B, 0xAE, 0xD7, 0x83
_AUDIO = 2
_BLOCKS = (0xA3, 0xA1)
_CHECKSUM = b"\xbf\x84"
# Largest element that is read to compare its checksum; larger elements are not compared.
_CHECKED_BYTES = 1 << 24
ASF = bytes.fromhex("3026b275 8e66cf11 a6d900aa 0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c 47a9cf11 8ee400c0 0c205365")


def mp4(source: Source) -> None:
    """Follow the boxes of an MP4, M4A, 3GP or QuickTime file.

    Raises:
        AudioError: a box is cut, or the index (`moov`) is missing.
    """
    place, names = 0, set()
    while place < source.size:
        head = source.at(place, 16)
        if len(head) < 8:
            break
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1 and len(head) == 16:
            size = int.from_bytes(head[8:], "big")
        elif size == 0:
            if source.only_zeros(place, source.size):
                break
            size = source.size - place
        if size < 8 or not all(32 <= byte < 127 or byte == 0xA9 for byte in name):
            raise AudioError(f"damaged: there is no box at byte {place}; fetch the file again")
        if place + size > source.size:
            raise AudioError(
                f"truncated: {place + size - source.size} bytes of its box {name.decode('latin1')} "
                "are missing; fetch the file again"
            )
        if name == b"moov" and name in names:
            raise AudioError(
                f"a second recording begins before byte {place}: two files were joined; split them"
            )
        names.add(name)
        place += size
    if b"moov" not in names:
        raise AudioError(
            "truncated, or its recording was never finished: its index (moov) is missing; fetch "
            "the file again"
        )


def matroska(source: Source) -> int:
    """Follow the elements of a Matroska or WebM file.

    Returns:
        Number of frames of the audio track.

    Raises:
        AudioError: an element is cut, or its checksum is wrong; there are several audio tracks.
    """
    place = 0
    frames: Counter[int] = Counter()
    kinds: dict[int, int] = {}
    entry: dict[int, int] = {}
    while place < source.size:
        number, width = _number(source, place, keep_mark=True)
        size, more = _number(source, place + width, keep_mark=False)
        if not width or not more:
            if source.only_zeros(place, source.size):
                break
            raise AudioError(f"damaged or truncated at byte {place}; fetch the file again")
        content = place + width + more
        unknown = size == (1 << 7 * more) - 1
        # Of these the parts are looked at, others are stepped over.
        inside = number in (_SEGMENT, _CLUSTER, _GROUP, _TRACKS, _TRACK)
        if unknown and not inside:
            raise AudioError(f"damaged: an element at byte {place} has no length")
        if not unknown and content + size > source.size:
            raise AudioError(
                f"truncated: {content + size - source.size} bytes of it are missing; fetch the "
                "file again"
            )
        if number != _SEGMENT and not unknown and 6 <= size <= _CHECKED_BYTES:
            _compare(source, content, size)
        if number in _BLOCKS:
            track, width = _number(source, content, keep_mark=False)
            flags, more_frames = source.at(content + width + 2, 2).ljust(2, b"\0")
            # Blocks with lacing hold several frames.
            frames[track] += 1 + (more_frames if flags & 6 else 0)
        elif number == _TRACK:
            entry = {}
        elif number in (_TRACK_NUMBER, _TRACK_TYPE):
            entry[number] = int.from_bytes(source.at(content, size), "big")
            if len(entry) == 2:
                kinds[entry[_TRACK_NUMBER]] = entry[_TRACK_TYPE]
        place = content if inside else content + size
    audio = [track for track, kind in kinds.items() if kind == _AUDIO]
    if len(audio) > 1:
        raise AudioError("it holds several recordings at once; take them apart")
    return frames[audio[0]] if audio else 0


def _compare(source: Source, content: int, size: int) -> None:
    if source.at(content, 2) != _CHECKSUM:
        return
    data = source.at(content, size)
    if zlib.crc32(data[6:]) != int.from_bytes(data[2:6], "little"):
        raise AudioError(
            f"damaged: the element at byte {content} has another checksum; fetch the file again"
        )


def _number(source: Source, place: int, *, keep_mark: bool) -> tuple[int, int]:
    """A number of EBML and its length in bytes; 0 bytes if there is no number."""
    first = source.at(place, 1)
    if not first or not first[0]:
        return 0, 0
    width = 9 - first[0].bit_length()
    data = source.at(place, width)
    if len(data) < width:
        return 0, 0
    value = int.from_bytes(data, "big")
    return (value if keep_mark else value & (1 << 7 * width) - 1), width


def asf(source: Source) -> bool:
    """Compare the size in the header of an ASF file (WMA) with the file.

    Returns:
        Whether the header has the size; the header of a file that was written into a pipe has not.

    Raises:
        AudioError: the size in the header exceeds the file.
    """
    length = int.from_bytes(source.at(16, 8), "little")
    header = source.at(0, min(length, 1 << 16))
    at = header.find(_ASF_FILE)
    if at < 0 or len(header) < at + 92:
        raise AudioError("truncated or damaged: its header is not whole; fetch the file again")
    (size,) = struct.unpack("<Q", header[at + 40 : at + 48])
    streamed = header[at + 88] & 1
    if not streamed and size > source.size:
        raise AudioError(
            f"truncated: {size - source.size} bytes of it are missing; fetch the file again"
        )
    return not streamed
