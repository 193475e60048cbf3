"""Files of chunks with a name and a length: WAV, RF64, Wave64, AIFF, CAF, 8SVX; and AU, SPHERE."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from spoofscope.containers.joined import check_single, joined
from spoofscope.containers.source import Source
from spoofscope.containers.tags import after_tags
from spoofscope.errors import AudioError

# Programs that write into a pipe cannot seek back to write the length. They write 2 or 4 GiB there
# (SoX: 0x7FFFF000, arecord: 0x80000000, FFmpeg: 0xFFFFFFFF), often less the header before it, and
# rounded down to whole frames.
_STREAMED = (1 << 31, 1 << 32)
_STREAMED_ROOM = 1 << 13
# For lengths of 64 bits, FFmpeg writes 2 ** 63 - 1 less some bytes.
_ENDLESS = 1 << 62
# Bytes per sample frame are the block's size for these: PCM, float, A-law, mu-law, extensible.
_FIXED = (1, 3, 6, 7, 0xFFFE)
_SOUND = frozenset(
    (
        *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"data", b"SSND", b"BODY", b"wavl"),
        *(b"caff", b"riff", b".snd", b"fLaC", b"OggS"),
    )
)
# libsndfile estimates the length of MP3 in WAV files, and decodes one block too many in GSM of odd
# length.
_FOREIGN = (0x31, 0x50, 0x55)
_VOC_SOUND = (1, 2, 9)
_ID3V1 = 128
# Number of bytes that are searched for chunks after samples of unknown number.
_LONGEST_TAIL = 1 << 20


class Sound(NamedTuple):
    """The place of the samples in a file.

    start: first byte. length: bytes in the file. frame: bytes of a sample of all channels; None if
    the samples are compressed. n_samples: per channel, if they are compressed and the header counts
    them. rate, channels: as in the header of a WAV file. patch: a place and the bytes that would be
    right there, if the header gives no length. foreign: libsndfile opens the file, but decodes it
    wrongly.
    """

    start: int
    length: int
    frame: int | None
    n_samples: int | None = None
    rate: int | None = None
    channels: int | None = None
    patch: tuple[int, bytes] | None = None
    foreign: bool = False


class _Form(NamedTuple):
    """The form of chunks in a format.

    order: of bytes. name, width: bytes of a chunk's name and length. counted: bytes that the length
    counts besides the content. align: chunks begin at its multiples. first: place of the first
    chunk.
    """

    order: str
    name: int
    width: int
    counted: int
    align: int
    first: int


_RIFF = _Form("<", 4, 4, 0, 2, 12)
_RIFX = _Form(">", 4, 4, 0, 2, 12)
_CAF = _Form(">", 4, 8, 0, 1, 8)
_W64 = _Form("<", 16, 8, 24, 8, 40)
W64_RIFF = bytes.fromhex("72696666 2e91cf11 a5d628db 04c10000")


class _Chunk(NamedTuple):
    name: bytes
    start: int
    length: int


def _chunks(source: Source, form: _Form) -> Iterator[_Chunk]:
    place, head = form.first, form.name + form.width
    while place + head <= source.size:
        text = source.at(place, head)
        kind = {4: "I", 8: "Q"}[form.width]
        (length,) = struct.unpack(form.order + kind, text[form.name :])
        length -= form.counted
        if length < 0:
            raise AudioError(f"damaged: its header gives a chunk at byte {place} no length")
        yield _Chunk(text[:4], place + head, length)
        place += head + length + -length % form.align


def wav(source: Source) -> Sound:
    """The samples of RIFF, RIFX, RF64, BW64 and Wave64 files."""
    magic = source.at(0, 4)
    form = {b"riff": _W64, b"RIFX": _RIFX}.get(magic, _RIFF)
    long_length: int | None = None
    long_place = 0
    frame: int | None = None
    codec = rate = channels = 0
    for chunk in _chunks(source, form):
        if chunk.name == b"ds64" and magic in (b"RF64", b"BW64"):
            long_place = chunk.start + 8
            long_length = int.from_bytes(source.at(long_place, 8), "little")
        elif chunk.name == b"fmt ":
            text = source.at(chunk.start, 14).ljust(14, b"\0")
            codec, channels, rate, _, block = struct.unpack(form.order + "HHIIH", text)
            frame = block if codec in _FIXED and block else None
        elif chunk.name == b"data":
            length = chunk.length
            if long_length is not None and length == 0xFFFFFFFF:
                length = long_length
            if long_length is not None and (long_length == 0 or long_length >= _ENDLESS):
                sound = _sound(source, chunk, 0, frame, form)
                known = struct.pack("<Q", sound.length)
                sound = sound._replace(patch=(long_place, known))
            else:
                sound = _sound(source, chunk, length, frame, form)
            return sound._replace(rate=rate, channels=channels, foreign=codec in _FOREIGN)
        elif chunk.start + chunk.length > source.size:
            break
    raise AudioError("truncated or damaged: it has no data chunk; fetch the file again")


def _sound(
    source: Source, chunk: _Chunk, length: int, frame: int | None, form: _Form, offset: int = 0
) -> Sound:
    """The samples of a chunk of so many bytes, which begin `offset` bytes behind its head."""
    there = source.size - chunk.start
    start, end = chunk.start + offset, chunk.start + length
    room = start + (frame or 0) + _STREAMED_ROOM
    streamed = any(top - room <= length <= top for top in _STREAMED)
    if form.width == 8:
        streamed = length >= _ENDLESS
    unknown = length == 0 and not _is_tail(source, start, form)
    if there > offset and (unknown or (length > there and streamed)):
        end = _end_of_samples(source, start, form)
        # libsndfile goes on to the end of the file where the length is beyond it, FFmpeg does not.
        if not unknown and end == source.size and frame and form.width == 4:
            return Sound(start, end - start, frame)
        patch = _length(chunk, end - chunk.start, form)
        return Sound(start, end - start, frame, patch=patch)
    if length > there:
        raise AudioError(
            f"truncated: {length - there} bytes of its data are missing; fetch the file again"
        )
    if not _is_tail(source, end, form):
        raise AudioError(
            f"its header gives the data {length} bytes, but {there - length} more follow that are "
            "no chunk: its length is wrong; write the file again"
        )
    return Sound(start, max(0, length - offset), frame)


def _length(chunk: _Chunk, length: int, form: _Form) -> tuple[int, bytes]:
    """The place of a chunk's length, and the bytes of another length for this place."""
    kind = form.order + ("I" if form.width == 4 else "Q")
    most = (1 << 8 * form.width) - 1
    return chunk.start - form.width, struct.pack(kind, min(length + form.counted, most))


def _end_of_samples(source: Source, start: int, form: _Form) -> int:
    """The end of samples whose number is not in the header.

    A tag, or chunks, may stand at the end of the file. Each chunk ends where the next one begins,
    and the last one ends with the file: samples look like this once in a million files.

    Raises:
        AudioError: another recording begins after them.
    """
    check_single(source, start)
    end = source.size
    if end - start >= _ID3V1 and source.at(end - _ID3V1, 3) == b"TAG":
        end -= _ID3V1
    if form.width != 4:
        return end
    first = max(start, end - _LONGEST_TAIL)
    tail = np.frombuffer(source.at(first, end - first), np.uint8)
    # Names are four printable characters.
    printable = (tail >= 32) & (tail < 127)
    named = printable[:-7] & printable[1:-6] & printable[2:-5] & printable[3:-4]
    places = np.flatnonzero(named)
    heads = tail[places[:, None] + np.arange(4, 8)].astype(np.int64)
    weights = 256 ** np.arange(4) if form.order == "<" else 256 ** np.arange(3, -1, -1)
    lengths = heads @ weights
    ends = first + places + 8 + lengths
    while True:
        reaching = places[(ends == end) | (ends + lengths % 2 == end)]
        if not reaching.size:
            return end
        end = first + int(reaching[0])
        if tail[end - first :][:4].tobytes() in _SOUND:
            raise joined(end)


def _is_tail(source: Source, place: int, form: _Form) -> bool:
    """Whether only chunks without sound, tags or zeros follow."""
    # Not every program writes the padding byte after an odd length.
    return any(_only_chunks(source, start, form) for start in {place + -place % form.align, place})


def _only_chunks(source: Source, place: int, form: _Form) -> bool:
    head = form.name + form.width
    for chunk in _chunks(source, form._replace(first=place)):
        place = chunk.start - head
        if not all(32 <= byte < 127 for byte in chunk.name):
            break
        if chunk.name in _SOUND:
            raise joined(place)
        place = chunk.start + chunk.length
        place += -place % form.align
    return source.size - place < head or after_tags(source, place, source.size) == source.size


def aiff(source: Source) -> Sound:
    """The samples of AIFF, AIFF-C and 8SVX files."""
    frame: int | None = None
    for chunk in _chunks(source, _RIFX):
        if chunk.name == b"COMM":
            channels, _, bits = struct.unpack(">hIh", source.at(chunk.start, 8).ljust(8, b"\0"))
            plain = source.at(8, 4) == b"AIFF"
            frame = channels * -(-bits // 8) if plain and channels > 0 and bits > 0 else None
        elif chunk.name == b"SSND":
            # Two numbers stand before the samples; the first of them moves their start.
            offset = int.from_bytes(source.at(chunk.start, 4), "big") + 8
            return _sound(source, chunk, chunk.length, frame, _RIFX, offset)
        elif chunk.name == b"BODY":
            return _sound(source, chunk, chunk.length, None, _RIFX)
        elif chunk.start + chunk.length > source.size:
            break
    raise AudioError("truncated or damaged: it has no sound chunk; fetch the file again")


def caf(source: Source) -> Sound:
    """The samples of Core Audio files."""
    frame, counted, sound = None, None, None
    for chunk in _chunks(source, _CAF):
        if chunk.name == b"desc":
            description = source.at(chunk.start + 8, 16).ljust(16, b"\0")
            codec, _, size, packet = struct.unpack(">4sIII", description)
            frame = size if codec == b"lpcm" and packet == 1 and size else None
        elif chunk.name == b"pakt":
            counted = int.from_bytes(source.at(chunk.start + 8, 8), "big")
        elif chunk.name == b"data":
            # A length of -1 is allowed in the last chunk: to the end of the file.
            if chunk.length == (1 << 64) - 1:
                check_single(source, chunk.start)
                length = source.size - chunk.start
                patch = _length(chunk, length, _CAF)
                sound = Sound(chunk.start + 4, length - 4, frame, patch=patch)
                break
            sound = _sound(source, chunk, chunk.length, frame, _CAF, 4)
        elif chunk.start + chunk.length > source.size:
            break
    if sound is None:
        raise AudioError("truncated or damaged: it has no data chunk; fetch the file again")
    return sound if frame else sound._replace(n_samples=counted or None)


def au(source: Source) -> Sound:
    """The samples of Sun and NeXT files; the length 0xFFFFFFFF, or 0, stands for an unknown one."""
    order = ">" if source.at(0, 4) == b".snd" else "<"
    start, length = struct.unpack(order + "II", source.at(4, 8).ljust(8, b"\0"))
    there = source.size - start
    if there > 0 and length in (0, 0xFFFFFFFF):
        end = _end_of_samples(source, start, _RIFF)
        if length == 0xFFFFFFFF and end == source.size:
            return Sound(start, there, None)
        known = struct.pack(order + "I", min(end - start, 0xFFFFFFFE))
        return Sound(start, end - start, None, patch=(8, known))
    if length > there:
        raise AudioError(
            f"truncated: {length - there} bytes of its data are missing; fetch the file again"
        )
    if length < there and not source.only_zeros(start + length, source.size):
        check_single(source, start + length)
        raise AudioError(
            f"its header gives the data {length} bytes, but {there - length} more follow; its "
            "length is wrong: write the file again"
        )
    return Sound(start, min(length, there), None)


def sphere(source: Source) -> Sound:
    """The samples of NIST SPHERE files, whose header is text."""
    text = source.at(0, 16).split()
    start = int(text[1]) if len(text) > 1 and text[1].isdigit() else 0
    fields = dict(
        line.split(b" ", 2)[::2]
        for line in source.at(0, min(start, 1 << 16)).split(b"\n")
        if line.count(b" ") >= 2
    )
    numbers = {}
    for key in (b"sample_count", b"channel_count", b"sample_n_bytes"):
        value = fields.get(key, b"").strip()
        if not value.isdigit():
            raise AudioError(f"damaged: its header lacks {key.decode()}; fetch the file again")
        numbers[key] = int(value)
    frame = numbers[b"channel_count"] * numbers[b"sample_n_bytes"]
    length, there = numbers[b"sample_count"] * frame, source.size - start
    if fields.get(b"sample_coding", b"pcm").startswith((b"pcm,emb", b"ulaw,emb", b"alaw,emb")):
        raise AudioError("its samples are compressed inside of SPHERE; unpack them with sph2pipe")
    if length > there:
        raise AudioError(
            f"truncated: {length - there} bytes of its data are missing; fetch the file again"
        )
    if length < there and not source.only_zeros(start + length, source.size):
        raise AudioError(
            f"its header gives the data {length} bytes, but {there - length} more follow; its "
            "length is wrong: write the file again"
        )
    return Sound(start, length, frame)


def voc(source: Source) -> Sound:
    """The blocks of Creative Voice files: a byte for the kind and three for the length."""
    start = place = int.from_bytes(source.at(20, 2), "little")
    n_sounds = 0
    while place < source.size:
        head = source.at(place, 4)
        if head[0] == 0:
            if after_tags(source, place, source.size) < source.size:
                raise AudioError(
                    f"something follows the end of the recording at byte {place}; split it off"
                )
            break
        n_sounds += head[0] in _VOC_SOUND
        place += 4 + int.from_bytes(head[1:], "little")
    if place > source.size:
        raise AudioError(
            f"truncated: {place - source.size} bytes of its data are missing; fetch the file again"
        )
    # Of several blocks libsndfile hears the headers of all but the first.
    return Sound(start, place - start, None, foreign=n_sounds > 1)
