"""Formats that are frames with their own lengths: AAC (ADTS), AMR, AC-3, WavPack, True Audio."""

import struct
from collections.abc import Callable

from spoofscope.containers.source import Source
from spoofscope.containers.tags import after_tags
from spoofscope.errors import AudioError

# fmt: off
_AC3_KBPS = (
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
)
_AMR_NARROW = (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1)
_AMR_WIDE = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1)
# fmt: on


def _count(source: Source, place: int, size_at: Callable[[int], int]) -> int:
    return _followed(source, place, size_at)[0]


def _followed(source: Source, place: int, size_at: Callable[[int], int]) -> tuple[int, int]:
    """Number of frames from `place` to the end of the file, and the end of the last.

    Args:
        source: the file.
        place: of the first frame.
        size_at: bytes of the frame at a place, 0 if there is none.
    """
    n = 0
    end = place
    while place < source.size:
        size = size_at(place)
        if size <= 0:
            following = after_tags(source, place, source.size)
            if following == place:
                raise AudioError(
                    f"damaged or truncated: there is no frame at byte {place}; fetch the file again"
                )
            place = following
            continue
        if place + size > source.size:
            raise AudioError(
                f"truncated: {place + size - source.size} bytes of its last frame are missing; "
                "fetch the file again"
            )
        place = end = place + size
        n += 1
    return n, end


def adts(source: Source) -> int:
    """Number of AAC frames of 1024 samples (2048 with SBR)."""

    def size_at(place: int) -> int:
        head = source.at(place, 7)
        if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
            return 0
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return size if size > 7 else 0

    return _count(source, after_tags(source, 0, source.size), size_at)


def amr(source: Source) -> int:
    """Number of AMR frames of 20 ms."""
    wide = source.at(0, 9) == b"#!AMR-WB\n"
    sizes = _AMR_WIDE if wide else _AMR_NARROW

    def size_at(place: int) -> int:
        if source.at(place, 5) == b"#!AMR":
            raise AudioError(
                f"a second recording begins at byte {place}: two files were joined; split them"
            )
        return sizes[source.at(place, 1)[0] >> 3 & 15]

    return _count(source, 9 if wide else 6, size_at)


def ac3(source: Source) -> int:
    """Number of AC-3 or E-AC-3 frames."""

    def size_at(place: int) -> int:
        head = source.at(place, 6)
        if len(head) < 6 or head[:2] != b"\x0b\x77":
            return 0
        if head[5] >> 3 > 10:
            return 2 * ((int.from_bytes(head[2:4], "big") & 0x7FF) + 1)
        rate, code = head[4] >> 6, head[4] & 63
        if rate == 3 or code // 2 >= len(_AC3_KBPS):
            return 0
        kbps = _AC3_KBPS[code // 2]
        return 2 * (2 * kbps, 320 * kbps // 147 + code % 2, 3 * kbps)[rate]

    return _count(source, 0, size_at)


def wavpack(source: Source) -> tuple[int, int]:
    """Number of samples of a WavPack file by its blocks, and the end of the blocks."""
    n_samples = 0

    def size_at(place: int) -> int:
        nonlocal n_samples
        head = source.at(place, 32)
        if len(head) < 32 or head[:4] != b"wvpk":
            return 0
        if int.from_bytes(head[24:28], "little") & 0x800:
            n_samples += int.from_bytes(head[20:24], "little")
        return int.from_bytes(head[4:8], "little") + 8

    _, end = _followed(source, 0, size_at)
    total = int.from_bytes(source.at(12, 4), "little")
    if total not in (n_samples, 0xFFFFFFFF):
        raise AudioError(
            f"truncated or damaged: its header promises {total} samples, its blocks hold "
            f"{n_samples}; fetch the file again"
        )
    return n_samples, end


def true_audio(source: Source) -> int:
    """Number of samples of a True Audio file by its header; checks that no frame is missing."""
    start = after_tags(source, 0, source.size)
    head = source.at(start, 22)
    if len(head) < 22:
        raise AudioError("truncated: it ends in its header; fetch the file again")
    _, _, _, rate, total, _ = struct.unpack("<HHHIII", head[4:])
    per_frame = 256 * rate // 245
    if not per_frame:
        raise AudioError("its header gives a sample rate of 0 Hz; write the file again")
    n_frames = -(-total // per_frame)
    start += 22
    if start + 4 * n_frames > source.size:
        raise AudioError("truncated: it ends in its header; fetch the file again")
    sizes = struct.unpack(f"<{n_frames}I", source.at(start, 4 * n_frames))
    end = start + 4 * n_frames + 4 + sum(sizes)
    if end > source.size:
        raise AudioError(
            f"truncated: {end - source.size} bytes of it are missing; fetch the file again"
        )
    if after_tags(source, end, source.size) < source.size:
        raise AudioError(f"something follows the end of the recording at byte {end}; split it off")
    return total
