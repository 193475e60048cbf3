"""Durations of the packets of an Ogg stream, by their first bytes."""

from spoofscope.containers import flac
from spoofscope.errors import AudioError

CODECS = {b"\x01vorbis": "vorbis", b"OpusHead": "opus", b"\x7fFLAC": "flac", b"Speex   ": "speex"}
"""Names of codecs by the first bytes of their streams."""

# Number of bytes of a header that are kept; of other packets, those that give the duration.
_HEADER_BYTES = 1 << 20
_HEAD_BYTES = 16
# A mode of Vorbis is a bit for the block's size, two numbers that are 0, and a mapping.
_MODE_BITS = 41


class Packets:
    """The packets of one stream, counted and measured in their order.

    Args:
        codec: a value of `CODECS`.
        head: the stream's first packet.

    Attributes:
        rate: Hz, in which samples are counted.
        skip: samples at the start that the encoder added.
        count: packets that ended.
        audio: whether one of them held sound.
        n_samples: their duration; None for Speex.
        longest: samples of the longest packet.
    """

    def __init__(self, codec: str, head: bytes) -> None:
        self.rate, self.skip = 48_000, 0
        self.count, self.longest = 0, 0
        self.audio = False
        self.n_samples: int | None = None if codec == "speex" else 0
        self._codec = codec
        self._n_headers = {"vorbis": 3, "opus": 2, "flac": 1, "speex": 2}[codec]
        self._pending = b""
        self._block = self._before = 0
        self._sizes: tuple[int, ...] = ()
        head = head.ljust(64, b"\0")
        if codec == "vorbis":
            self.rate = int.from_bytes(head[12:16], "little")
            self._sizes = (1 << (head[28] & 15), 1 << (head[28] >> 4))
        elif codec == "opus":
            self.skip = int.from_bytes(head[10:12], "little")
        elif codec == "flac":
            self.rate = int.from_bytes(head[27:30], "big") >> 4
            self._block = int.from_bytes(head[17:19], "big")

    @property
    def most_trimmed(self) -> int:
        """Most samples that may be added at the end: none for FLAC.

        Encoders pad their last packet, and some add a packet to flush their buffer.
        """
        return 0 if self._codec == "flac" else 2 * self.longest

    def add(self, lacing: bytes, body: bytes) -> None:
        """A page's table of pieces (255 bytes: the packet goes on), and its content."""
        place = begin = 0
        for size in lacing:
            place += size
            if size < 255:
                self._ended(self._joined(body, begin, place))
                self._pending, begin = b"", place
        if begin < place:
            self._pending = self._joined(body, begin, place)

    def _joined(self, body: bytes, begin: int, end: int) -> bytes:
        most = _HEADER_BYTES if self.count < self._n_headers else _HEAD_BYTES
        return self._pending + body[begin : min(end, begin + most - len(self._pending))]

    def _ended(self, packet: bytes) -> None:
        self.count += 1
        if self.count <= self._n_headers:
            if self._codec == "vorbis" and self.count == 3:
                self._sizes = _vorbis_modes(packet, self._sizes)
            return
        samples = self._samples(packet)
        if samples is not None and self.n_samples is not None:
            self.audio = True
            self.n_samples += samples
            self.longest = max(self.longest, samples)

    def _samples(self, packet: bytes) -> int | None:
        """The duration of a packet; None for a header."""
        if not packet:
            return 0
        if self._codec == "opus":
            return _opus_samples(packet)
        if self._codec == "flac":
            frame = flac.frame(packet, self._block)
            return None if frame is None else frame[1]
        if self._codec == "speex" or packet[0] & 1:
            return None
        # Halves of two blocks overlap; the first gives nothing.
        number = packet[0] >> 1 & (1 << (len(self._sizes) - 1).bit_length()) - 1
        size = self._sizes[number] if number < len(self._sizes) else 0
        samples = (self._before + size) // 4 if self._before else 0
        self._before = size
        return samples


def _opus_samples(packet: bytes) -> int:
    """Samples of a packet at 48 kHz (RFC 6716, 3.1 and 3.2)."""
    kind, code = packet[0] >> 3, packet[0] & 3
    if kind < 12:
        size = (480, 960, 1920, 2880)[kind & 3]
    elif kind < 16:
        size = (480, 960)[kind & 1]
    else:
        size = (120, 240, 480, 960)[kind & 3]
    if code == 3:
        return size * (packet[1] & 63 if len(packet) > 1 else 0)
    return size * (1 if code == 0 else 2)


def _vorbis_modes(setup: bytes, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The block size of every mode, from the end of the third header (Vorbis I, 4.2.4).

    The data before the modes need not be read: the fields of modes that are always 0 and the number
    of modes before them show where the modes begin.
    """
    bits = int.from_bytes(setup, "little")
    end = bits.bit_length() - 1
    n_modes = 0
    for count in range(1, 65):
        place = end - _MODE_BITS * count
        if place < 6 or bits >> place + 1 & (1 << 32) - 1 or bits >> place + 33 & 0xFF > 63:
            break
        if bits >> place - 6 & 63 == count - 1:
            n_modes = count
    if not n_modes:
        raise AudioError("damaged: its setup header has no modes; fetch the file again")
    first = end - _MODE_BITS * n_modes
    return tuple(sizes[bits >> first + _MODE_BITS * number & 1] for number in range(n_modes))
