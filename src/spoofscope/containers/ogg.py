"""Ogg: pages with checksums and sequence numbers, in one stream after another."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from spoofscope.containers.ogg_packets import CODECS, Packets
from spoofscope.containers.source import Source
from spoofscope.errors import AudioError

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# Largest error of a page's time in seconds: programs that copy packets from containers with times
# in milliseconds round them.
_JITTER = 0.01


class Link(NamedTuple):
    """One recording of a chain.

    start, end: bytes. n_samples: its length by its packets and pages, at `rate` in Hz; None for
    Speex.
    """

    start: int
    end: int
    n_samples: int | None
    rate: int


class _Page(NamedTuple):
    start: int
    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes
    body: bytes

    @property
    def end(self) -> int:
        return self.start + 27 + len(self.lacing) + len(self.body)


class _Stream:
    """The audio of a link, page by page: whether the pages' times are those of their packets."""

    def __init__(self, page: _Page, codec: str) -> None:
        self.serial = page.serial
        self._packets = Packets(codec, page.body)
        self._begin: int | None = None
        self._end = 0
        self.add(page)

    def add(self, page: _Page) -> None:
        """The next page of this stream."""
        before = self._packets.n_samples
        self._packets.add(page.lacing, page.body)
        # Where no packet ends on a page, its time is -1; headers have the time 0.
        after = self._packets.n_samples
        if after is None or page.granule == -1 or not self._packets.audio:
            return
        last, room = bool(page.flags & 4), round(_JITTER * self._packets.rate)
        if self._begin is None:
            # Recordings that were cut out of others begin later than at 0.
            self._begin = page.granule - after
            if last and -self._packets.most_trimmed <= self._begin < 0:
                self._begin = 0
        expected = self._begin + after
        least = expected - (max(room, self._packets.most_trimmed) if last else room)
        if self._begin < -room or not least <= page.granule <= expected + room:
            raise AudioError(
                f"the page at byte {page.start} ends at sample {page.granule} by its header, and "
                f"at {max(expected, after)} by its packets: pages are lost, or the times of this "
                "file are wrong; fetch the file again, or decode it to WAV with FFmpeg"
            )
        self._end = max(before or 0, page.granule - self._begin)

    def link(self, start: int, end: int) -> Link:
        packets = self._packets
        n_samples = None if packets.n_samples is None else max(0, self._end - packets.skip)
        return Link(start, end, n_samples, packets.rate)


def links(source: Source) -> list[Link]:
    """The recordings that follow each other in an Ogg file; usually one.

    Every page's checksum (RFC 3533) is compared.

    Raises:
        AudioError: a page is damaged, missing or cut, there is no end, or other data than pages
            follow.
    """
    links: list[Link] = []
    opened: dict[int, int] = {}
    start, end = 0, 0
    audio: _Stream | None = None
    for page in _pages(source):
        if page.flags & 2:
            if not opened and end:
                links.append(_link(start, end, audio))
                start, audio = page.start, None
            name = next((name for mark, name in CODECS.items() if page.body.startswith(mark)), None)
            if audio is not None and name is not None:
                raise AudioError("it holds several recordings at once; take them apart")
            audio = _Stream(page, name) if name else audio
        elif page.serial not in opened:
            raise AudioError(f"damaged: the page at byte {page.start} belongs to no stream")
        elif page.number != opened[page.serial] + 1:
            raise AudioError(
                f"damaged: pages are missing before byte {page.start}; fetch the file again"
            )
        elif audio is not None and page.serial == audio.serial:
            audio.add(page)
        opened[page.serial] = page.number
        if page.flags & 4:
            del opened[page.serial]
        end = page.end
    if opened:
        raise AudioError("truncated: the page that ends it is missing; fetch the file again")
    return [*links, _link(start, end, audio)]


def _link(start: int, end: int, audio: _Stream | None) -> Link:
    if audio is None:
        raise AudioError(
            f"its stream is none of {', '.join(sorted(CODECS.values()))}; convert it to WAV"
        )
    return audio.link(start, end)


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
            lacing,
            body,
        )
        place += 27 + len(lacing) + length


def _checksum(page: bytes) -> bytes:
    # Ogg's CRC-32 is zlib's polynomial from the other end, with 0 before and after.
    value = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2).to_bytes(4, "little")
