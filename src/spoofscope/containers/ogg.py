"""Ogg: pages with checksums and running numbers, in one stream after another."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from spoofscope.containers.source import Source
from spoofscope.errors import AudioError

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_CODECS = {b"\x01vorbis": "vorbis", b"OpusHead": "opus", b"\x7fFLAC": "flac", b"Speex   ": "speex"}


class Link(NamedTuple):
    """One recording of a chain: bytes from `start` to `end`, `codec`, packets it has."""

    start: int
    end: int
    codec: str
    packets: int


class _Page(NamedTuple):
    start: int
    flags: int
    granule: int
    serial: int
    number: int
    packets: int
    body: bytes

    @property
    def end(self) -> int:
        return self.start + 27 + self.segments + len(self.body)

    segments: int = 0


def links(source: Source) -> list[Link]:
    """The recordings that follow each other in an Ogg file; usually one.

    Every page's checksum (RFC 3533) is compared.

    Raises:
        AudioError: a page is damaged, missing or cut, there is no end, or something else than
            pages follows.
    """
    found: list[Link] = []
    opened: dict[int, int] = {}
    times: dict[int, int] = {}
    start, packets, end = 0, 0, 0
    codec: str | None = None
    fresh = True
    for page in _pages(source):
        if page.flags & 2:
            if not opened:
                if not fresh:
                    found.append(_link(start, end, codec, packets))
                start, packets, codec, fresh = page.start, 0, None, False
            name = next(
                (name for mark, name in _CODECS.items() if page.body.startswith(mark)), None
            )
            if codec is not None and name is not None:
                raise AudioError("it holds several recordings at once; take them apart")
            codec = codec or name
        elif page.serial not in opened:
            raise AudioError(f"damaged: the page at byte {page.start} belongs to no stream")
        elif page.number != opened[page.serial] + 1:
            raise AudioError(
                f"damaged: pages are missing before byte {page.start}; fetch the file again"
            )
        # Where no packet ends on a page, its time is -1.
        if page.granule != -1:
            if not page.flags & 2 and page.granule < times.get(page.serial, -1):
                raise AudioError(
                    f"damaged: time runs backwards at the page at byte {page.start}; fetch the "
                    "file again"
                )
            times[page.serial] = page.granule
        opened[page.serial] = page.number
        packets += page.packets
        if page.flags & 4:
            del opened[page.serial]
        end = page.end
    if opened:
        raise AudioError("truncated: the page that ends it is missing; fetch the file again")
    return [*found, _link(start, end, codec, packets)]


def _link(start: int, end: int, codec: str | None, packets: int) -> Link:
    if codec is None:
        raise AudioError(
            f"its stream is none of {', '.join(sorted(_CODECS.values()))}; convert it to WAV"
        )
    return Link(start, end, codec, packets)


def _pages(source: Source) -> Iterator[_Page]:
    place = 0
    while place < source.size:
        head = source.at(place, 27)
        if head[:4] != b"OggS" and source.only_zeros(place, source.size):
            return
        if len(head) == 27 and (head[:4] != b"OggS" or head[4] != 0):
            raise AudioError(f"damaged: there is no page at byte {place}; fetch the file again")
        lacing = source.at(place + 27, head[26]) if len(head) == 27 else b""
        length = sum(lacing)
        body = source.at(place + 27 + len(lacing), length)
        if len(head) < 27 or len(lacing) < head[26] or len(body) < length:
            raise AudioError("truncated: its last page is not whole; fetch the file again")
        if _checksum(head[:22] + b"\0\0\0\0" + head[26:] + lacing + body) != head[22:26]:
            raise AudioError(
                f"damaged: the page at byte {place} has another checksum; fetch the file again"
            )
        yield _Page(
            place,
            head[5],
            int.from_bytes(head[6:14], "little", signed=True),
            int.from_bytes(head[14:18], "little"),
            int.from_bytes(head[18:22], "little"),
            sum(byte < 255 for byte in lacing),
            body,
            len(lacing),
        )
        place += 27 + len(lacing) + length


def _checksum(page: bytes) -> bytes:
    # Ogg's CRC-32 is zlib's polynomial from the other end, with 0 before and after.
    value = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2).to_bytes(4, "little")
