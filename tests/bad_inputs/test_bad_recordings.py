"""Recordings as they come: each is heard whole or refused by name; never cut, no traceback."""

import functools
import io
import os
import re
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import polars as pl
import pytest
import soundfile

from spoofscope import audio
from spoofscope.commands.arguments import aligned
from spoofscope.containers import flac, ogg
from spoofscope.containers.crc16 import crc16_of_flac, crc16_of_mpeg
from spoofscope.corpora.audit import audit
from spoofscope.corpora.manifest import build_manifest, read_problems, write_problems
from spoofscope.corpora.registry import build
from spoofscope.errors import AudioError, CorpusError
from spoofscope.tables import write_manifest

RATE = 16000
N = 6000


def clip(rate: int = RATE, n: int = N) -> np.ndarray:
    """A tone that glides, in noise; of other rates it is the same sound."""
    times = np.arange(n) / rate
    tone = 0.4 * np.sin(2 * np.pi * (300 * times + 200 * times**2))
    noise = np.interp(times, np.arange(N) / RATE, np.random.default_rng(5).standard_normal(N))
    return (tone + 0.02 * noise).astype(np.float32)


CLIP = clip()
PCM = np.round(CLIP * 32767).astype("<i2")


# --- makers ---------------------------------------------------------------------------------------


def wav(
    data: bytes = PCM.tobytes(),
    *,
    codec: int = 1,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    length: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    block = channels * bits // 8
    form = struct.pack(
        "<HHIIHH", codec, channels & 0xFFFF, rate, rate * block % 2**32, block & 0xFFFF, bits
    )
    body = b"fmt " + struct.pack("<I", len(form)) + form + before
    body += b"data" + struct.pack("<I", len(data) if length is None else length) + data + after
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def stored(form: str, subtype: str = "PCM_16", samples: np.ndarray = CLIP) -> bytes:
    """What libsndfile writes."""
    target = io.BytesIO()
    soundfile.write(target, samples, RATE, format=form, subtype=subtype)
    return target.getvalue()


class Pipe(io.RawIOBase):
    """What cannot go back."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.content += bytes(data)
        return len(data)


@functools.cache
def encoded(
    codec: str, form: str, rate: int = RATE, live: bool = False, kind: str = "", **options: str
) -> bytes:
    """What FFmpeg writes; `live`: into a pipe; `kind`: of samples, where a codec takes several."""
    pipe = Pipe()
    muxing = {key: value for key, value in options.items() if key in _MUXING}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        with av.open(pipe if live else str(path), "w", format=form, options=muxing) as container:
            stream = container.add_stream(codec, rate=rate, layout="mono")
            stream.options = {key: value for key, value in options.items() if key not in _MUXING}
            if kind:
                stream.codec_context.format = kind
            samples = clip(rate, N * rate // RATE)
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate = rate
            size = stream.codec_context.frame_size or 1024
            resampler = av.AudioResampler(
                stream.codec_context.format, "mono", rate, frame_size=size
            )
            for block in [*resampler.resample(frame), *resampler.resample(None), None]:
                container.mux(stream.encode(block))
        return pipe.content if live else path.read_bytes()


_MUXING = ("write_xing", "id3v2_version", "movflags", "live", "write_apetag", "rf64")


def film(form: str, picture: str, sound: str, tracks: int = 1) -> bytes:
    """Grey pictures, with some tracks of sound."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        with av.open(str(path), "w", format=form) as container:
            pictures = container.add_stream(picture, rate=25)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
            streams = [
                container.add_stream(sound, rate=48000, layout="mono") for _ in range(tracks)
            ]
            for _ in range(10):
                grey = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8))
                container.mux(pictures.encode(grey.reformat(format="yuv420p")))
            container.mux(pictures.encode(None))
            for stream in streams:
                frame = av.AudioFrame.from_ndarray(clip(48000, 3 * N)[None], "fltp", "mono")
                frame.sample_rate = 48000
                kind, size = stream.codec_context.format, stream.codec_context.frame_size or 960
                resampler = av.AudioResampler(kind, "mono", 48000, frame_size=size)
                for block in [*resampler.resample(frame), *resampler.resample(None), None]:
                    container.mux(stream.encode(block))
        return path.read_bytes()


def with_times(content: bytes, change: Callable[[int, int], int]) -> bytes:
    """An Ogg file whose pages have other times, and checksums that fit."""
    result = b""
    for number, page in enumerate(pages(content)):
        (time,) = struct.unpack("<q", page[6:14])
        page = (
            page[:6] + struct.pack("<q", change(number, time)) + page[14:22] + bytes(4) + page[26:]
        )
        checksum = bitwise(page, 0x04C11DB7, 32).to_bytes(4, "little")
        result += page[:22] + checksum + page[26:]
    return result


def ogg_page(packets: list[bytes], time: int, number: int, flags: int) -> bytes:
    lacing = b"".join(bytes([255] * (len(p) // 255) + [len(p) % 255]) for p in packets)
    page = b"OggS\0" + bytes([flags]) + struct.pack("<qIII", time, 7, number, 0)
    page += bytes([len(lacing)]) + lacing + b"".join(packets)
    checksum = bitwise(page, 0x04C11DB7, 32).to_bytes(4, "little")
    return page[:22] + checksum + page[26:]


def flac_in_ogg(last: int = N, n: int = N) -> bytes:
    """FLAC frames of 4096 and 1904 samples in Ogg (the mapping of xiph.org), and a last time."""
    info = FLAC[4:42]
    frames = [
        m.start() for m in re.finditer(rb"\xff\xf8", FLAC) if flac.frame(FLAC[m.start() :], 4096)
    ]
    first, second = FLAC[frames[0] : frames[1]], FLAC[frames[1] :]
    head = b"\x7fFLAC\x01\0\0\x01fLaC" + info
    comment = b"\x84\0\0\x08" + bytes(8)
    return (
        ogg_page([head], 0, 0, 2)
        + ogg_page([comment], 0, 1, 0)
        + ogg_page([first], 4096, 2, 0)
        + ogg_page([second], last, 3, 4)
    )


def mp3(**options: str) -> bytes:
    return encoded("libmp3lame", "mp3", **options)


FLAC = stored("FLAC")
LONG_VORBIS, LONG_OPUS = (stored("OGG", kind, np.tile(CLIP, 9)) for kind in ("VORBIS", "OPUS"))
SHORT_OPUS = stored("OGG", "OPUS")


def flac_header(
    *, total: int | None = None, rate: int = RATE, channels: int = 1, md5: bytes | None = None
) -> bytes:
    """The FLAC file with another header."""
    content = bytearray(FLAC)
    packed = int.from_bytes(content[18:26], "big")
    known = packed & (1 << 36) - 1
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | (known if total is None else total)
    content[18:26] = packed.to_bytes(8, "big")
    if md5 is not None:
        content[26:42] = md5
    return bytes(content)


def flac_bomb(hours: float) -> bytes:
    """Silence in frames of 13 bytes, each of 65,535 samples."""
    n = int(hours * 3600 * RATE) // 65535 + 1
    info = struct.pack(">HH", 65535, 65535) + b"\0" * 6
    info += (RATE << 44 | 15 << 36 | n * 65535).to_bytes(8, "big") + b"\0" * 16
    frames = []
    for number in range(n):
        # As UTF-8 writes a number.
        head = b"\xff\xf8\x70\x08" + chr(number).encode() + (65534).to_bytes(2, "big")
        head += bytes([bitwise(head, 0x07, 8)])
        body = head + b"\0\0\0"
        frames.append(body + bitwise(body, 0x8005, 16).to_bytes(2, "big"))
    return b"fLaC\x80" + len(info).to_bytes(3, "big") + info + b"".join(frames)


def bitwise(data: bytes, polynomial: int, width: int) -> int:
    """A CRC by its definition: division of polynomials, bit by bit."""
    value, top = 0, 1 << width - 1
    for byte in data:
        for bit in range(7, -1, -1):
            over = bool(value & top) ^ (byte >> bit & 1)
            value = (value << 1 & (1 << width) - 1) ^ (polynomial if over else 0)
    return value


def sphere() -> bytes:
    head = "NIST_1A\n   1024\nsample_count -i {}\nsample_n_bytes -i 2\nchannel_count -i 1\n"
    head += "sample_byte_format -s2 01\nsample_rate -i 16000\nsample_coding -s3 pcm\nend_head\n"
    return head.format(N).ljust(1024).encode() + PCM.tobytes()


def with_length(content: bytes, name: bytes, length: bytes, width: int = 4) -> bytes:
    """A file of chunks, in which the one of this name has another length."""
    place = content.rindex(name) + width
    return content[:place] + length + content[place + len(length) :]


def write(folder: Path, content: bytes, name: str = "x.bin") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def samples_of(path: Path) -> np.ndarray:
    """What is read, whichever way, and the length that `info` says."""
    whole, rate = audio.read(path)
    blocks = list(audio.decode(path, 0.05))
    assert {found for _, found in blocks} == {rate}
    np.testing.assert_array_equal(np.concatenate([block for block, _ in blocks]), whole)
    assert audio.info(path).n_samples == whole.size
    assert audio.info(path).sample_rate == rate
    return whole


# --- heard whole ----------------------------------------------------------------------------------

PCM24 = (CLIP * 8388607).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
SIX = np.repeat(PCM[:, None], 6, axis=1).tobytes()
APE_ITEM = struct.pack("<II", 40, 0) + b"Title\0" + b"x" * 40
OLD_APE = APE_ITEM + b"APETAGEX" + struct.pack("<IIII8x", 1000, len(APE_ITEM) + 32, 1, 0)
APE = b"APETAGEX" + struct.pack("<IIII8x", 2000, len(APE_ITEM) + 32, 1, 0xA0000000) + OLD_APE
ID3 = b"ID3\x03\0\0\0\0\x02\0" + b"\0" * 256
EXACT: dict[str, Callable[[], bytes]] = {
    "plain.wav": wav,
    # Lengths that SoX, arecord, FFmpeg and others write into a pipe, or had no time to write.
    **{
        f"length_{length:x}.wav": functools.partial(wav, length=length)
        for length in (0, 0x7FFFF000, 0x7FFFFFFF, 0x7FFFFFFF - 36, 0x80000000, 0xFFFFFFFF - 36)
    },
    "length_ffffffff.wav": lambda: wav(length=0xFFFFFFFF),
    "length_fffffffe.wav": lambda: wav(length=0xFFFFFFFE),
    # Of chunks and tags behind such samples none is heard as sound.
    **{
        f"length_{length:x}_{name}_after.wav": functools.partial(wav, length=length, after=after)
        for length in (0, 0x7FFFF000, 0xFFFFFFFF)
        for name, after in (
            ("list", chunk(b"LIST", b"INFOISFT" + struct.pack("<I", 4) + b"abcd")),
            ("two", chunk(b"LIST", b"INFOISFT") + chunk(b"id3 ", b"ID3" + b"x" * 90)),
            ("tag", chunk(b"LIST", b"INFOISFT") + b"TAG" + b"x" * 125),
        )
    },
    **{
        f"length_{size.hex()}{after[:4].decode()}.aiff": functools.partial(
            lambda size, after: with_length(stored("AIFF"), b"SSND", size) + after, size, after
        )
        for size in (bytes(4), b"\xff" * 4)
        for after in (b"", b"NAME\0\0\0\x04abcd")
    },
    "sox_24_bits.wav": lambda: wav(PCM24, bits=24, length=0x7FFFF000 // 3 * 3),
    "sox_six_channels.wav": lambda: wav(SIX, channels=6, length=0x7FFFF000 // 12 * 12),
    "list_before.wav": lambda: wav(before=chunk(b"LIST", b"INFO\0")),
    "list_after.wav": lambda: wav(after=chunk(b"LIST", b"INFOISFT")),
    "list_after_cut.wav": lambda: wav(after=chunk(b"LIST", b"INFOISFT" * 9)[:40]),
    "id3_after.wav": lambda: wav(after=b"TAG" + b"x" * 125),
    "zeros_after.wav": lambda: wav(after=b"\0" * 512),
    "odd_without_filling.wav": lambda: wav(PCM.tobytes() + b"\0", after=chunk(b"LIST", b"ab")),
    "extensible.wav": lambda: stored("WAVEX"),
    "float.wav": lambda: wav((PCM / np.float32(32768)).astype("<f4").tobytes(), codec=3, bits=32),
    "double.wav": lambda: wav((PCM / 32768).astype("<f8").tobytes(), codec=3, bits=64),
    "32_bits.wav": lambda: wav((PCM.astype("<i4") << 16).tobytes(), bits=32),
    "x.rf64": lambda: stored("RF64"),
    "x.w64": lambda: stored("W64"),
    "x.aiff": lambda: stored("AIFF"),
    "x.caf": lambda: stored("CAF"),
    "alac.caf": lambda: stored("CAF", "ALAC_16"),
    "x.au": lambda: stored("AU"),
    "unknown_length.au": lambda: stored("AU")[:8] + b"\xff" * 4 + stored("AU")[12:],
    "length_0.au": lambda: stored("AU")[:8] + bytes(4) + stored("AU")[12:],
    "unknown_length_after.au": lambda: (
        stored("AU")[:8] + b"\xff" * 4 + stored("AU")[12:] + chunk(b"LIST", b"INFO")
    ),
    "unknown_length.caf": lambda: with_length(stored("CAF"), b"data", b"\xff" * 8),
    "length_0.w64": lambda: with_length(stored("W64"), b"data", struct.pack("<Q", 24), 16),
    "x.svx": lambda: stored("SVX"),
    "x.voc": lambda: stored("VOC"),
    "x.sph": sphere,
    "x.flac": lambda: FLAC,
    "24_bits.flac": lambda: stored("FLAC", "PCM_24"),
    "unknown_length.flac": lambda: flac_header(total=0),
    "no_md5.flac": lambda: flac_header(md5=bytes(16)),
    "no_md5_unknown_length.flac": lambda: flac_header(total=0, md5=bytes(16)),
    "id3.flac": lambda: ID3 + FLAC,
    "id3_at_end.flac": lambda: FLAC + b"TAG" + b"x" * 125,
    "unknown_length_id3_at_end.flac": lambda: flac_header(total=0) + b"TAG" + b"x" * 125,
    "unknown_length_ape_at_end.flac": lambda: flac_header(total=0, md5=bytes(16)) + APE,
    "flac.oga": lambda: flac_in_ogg(),
    "x.wv": lambda: encoded("wavpack", "wv", kind="s16p"),
    "x.tta": lambda: encoded("tta", "tta", kind="s16"),
    "x.mka": lambda: encoded("pcm_s16le", "matroska"),
    "x.mov": lambda: encoded("pcm_s16le", "mov"),
    "alac.m4a": lambda: encoded("alac", "ipod"),
    "pipe.wav": lambda: encoded("pcm_s16le", "wav", live=True),
    "pipe.rf64": lambda: encoded("pcm_s16le", "wav", live=True, rf64="always"),
    "endless.rf64": lambda: with_length(stored("RF64"), b"ds64", b"\xff" * 8, 16),
    "pipe.w64": lambda: encoded("pcm_s16le", "w64", live=True),
    "pipe.aiff": lambda: encoded("pcm_s16be", "aiff", live=True),
    "pipe.caf": lambda: encoded("pcm_s16be", "caf", live=True),
    "blocks.voc": lambda: encoded("pcm_s16le", "voc"),
    "id3.tta": lambda: ID3 + encoded("tta", "tta", kind="s16") + APE,
    "tagged.wv": lambda: encoded("wavpack", "wv", kind="s16p") + APE,
    "old_tag.wv": lambda: encoded("wavpack", "wv", kind="s16p") + OLD_APE,
}


@pytest.mark.parametrize("name", EXACT)
def test_what_loses_nothing_is_heard_to_the_sample(tmp_path, name):
    found = samples_of(write(tmp_path, EXACT[name](), name))
    assert found.size == N
    np.testing.assert_allclose(found, PCM / np.float32(32768), atol=2.1 / 32768)


# Bytes and the samples that belong to them. Without a header nobody says how many samples an
# encoder put before and after the clip.
COMPRESSED: dict[str, tuple[Callable[[], bytes], int]] = {
    "x.ogg": (lambda: stored("OGG", "VORBIS"), N),
    "x.opus": (lambda: stored("OGG", "OPUS"), N),
    "chained.ogg": (lambda: stored("OGG", "VORBIS") + stored("OGG", "VORBIS", CLIP[:999]), N + 999),
    "chained.opus": (lambda: stored("OGG", "OPUS") * 3, 3 * N),
    # Cut out of a longer stream, as those of radio stations are.
    "late.ogg": (lambda: with_times(LONG_VORBIS, lambda n, t: t and t + 10**6), 9 * N),
    "late.opus": (lambda: with_times(LONG_OPUS, lambda n, t: t and t + 10**6), 9 * N),
    "lame.mp3": (lambda: stored("MP3", "MPEG_LAYER_III"), N),
    "joined.mp3": (lambda: stored("MP3", "MPEG_LAYER_III") * 3, 3 * N),
    "ffmpeg.mp3": (mp3, N),
    "vbr.mp3": (lambda: mp3(q="4"), N),
    "id3_twice.mp3": (lambda: ID3 + ID3 + mp3(), N),
    "tags_at_end.mp3": (lambda: mp3() + b"\0" * 99 + b"TAG" + b"x" * 125, N),
    "joined_with_tags.mp3": (lambda: ID3 + mp3() + b"TAG" + b"x" * 125 + ID3 + mp3(), 2 * N),
    "no_header.mp3": (lambda: mp3(write_xing="0"), 576 * 13),
    "no_header_id3.mp3": (lambda: mp3(write_xing="0", id3v2_version="4"), 576 * 13),
    "abr.mp3": (lambda: mp3(write_xing="0", abr="1"), 576 * 13),
    "joined_no_header.mp3": (lambda: mp3(write_xing="0") * 2, 576 * 26),
    "header_then_none.mp3": (lambda: mp3() + mp3(write_xing="0"), N + 576 * 13),
    "x.mp2": (lambda: encoded("mp2", "mp2"), 1152 * 6),
    "x.aac": (lambda: encoded("aac", "adts"), 1024 * 7),
    "x.m4a": (lambda: encoded("aac", "ipod"), N),
    "first.m4a": (lambda: encoded("aac", "ipod", movflags="faststart"), N),
    "pieces.mp4": (lambda: encoded("aac", "mp4", movflags="frag_keyframe+empty_moov"), N),
    "x.3gp": (lambda: encoded("aac", "3gp"), N),
    "x.webm": (lambda: encoded("libopus", "webm", rate=48000), 3 * N),
    "live.webm": (lambda: encoded("libopus", "webm", rate=48000, live=True), 3 * N),
    "aac.mka": (lambda: encoded("aac", "matroska"), N),
    "x.ac3": (lambda: encoded("ac3", "ac3", rate=32000), 2 * N),
    "x.eac3": (lambda: encoded("eac3", "eac3", rate=32000), 2 * N),
    "opus_of_ffmpeg.ogg": (lambda: encoded("libopus", "ogg", rate=48000), 3 * N),
    # Whole blocks of 512 and 2048 samples, and one that the encoder holds back at the start.
    "x.wma": (lambda: encoded("wmav2", "asf", b="32000"), 512 * 13),
    "version_1.wma": (lambda: encoded("wmav1", "asf", rate=44100, b="64000"), 2048 * 10),
    "pipe.wma": (lambda: encoded("wmav2", "asf", live=True, b="32000"), 512 * 13),
    "old_tag_after.mp3": (lambda: mp3() + OLD_APE + b"TAG" + b"x" * 125, N),
    "tag_after.mp3": (lambda: mp3() + APE, N),
    "mp3.wav": (lambda: encoded("libmp3lame", "wav"), 576 * 13),
    # 19 blocks of 320 samples; their 1,235 bytes and one that fills up.
    "gsm.wav": (lambda: stored("WAV", "GSM610"), 320 * 19),
    "gsm_even.wav": (lambda: stored("WAV", "GSM610", CLIP[: 320 * 18]), 320 * 18),
    "film.webm": (lambda: film("webm", "libvpx", "libopus"), 3 * N),
    "film.mkv": (lambda: film("matroska", "mpeg4", "aac"), 3 * N),
    "film.mp4": (lambda: film("mp4", "mpeg4", "aac"), 3 * N),
}
# Frames of these formats, in samples: what an encoder may add, or its container not cut off.
ROOM = {".aac": 0, ".mp2": 0, ".mp3": 0, ".ogg": 700, ".wma": 0}


@pytest.mark.parametrize("name", COMPRESSED)
def test_what_is_compressed_is_heard_whole(tmp_path, name):
    make, expected = COMPRESSED[name]
    path = write(tmp_path, make(), name)
    found = samples_of(path)
    room = 0 if name in ("x.ogg", "chained.ogg", "late.ogg") else ROOM.get(path.suffix, 3200)
    assert expected <= found.size <= expected + room
    # The clip is in there, from its start to its end.
    rate = audio.info(path).sample_rate
    heard = audio.resample(found, rate, RATE).astype(np.float64)
    for part in (CLIP[300:1500], CLIP[-1500:-300]):
        if heard.size >= part.size:
            assert likeness(heard, part) > 0.8, name


def likeness(heard: np.ndarray, part: np.ndarray) -> float:
    """Largest correlation of a part with any stretch of what was heard."""
    products = np.correlate(heard, part, mode="valid")
    energies = np.convolve(heard**2, np.ones(part.size), mode="valid")
    return float(np.max(products / np.sqrt(energies * np.sum(part.astype(np.float64) ** 2) + 1e-9)))


def test_joined_files_sound_as_one_after_the_other(tmp_path):
    for form, subtype, name in (("MP3", "MPEG_LAYER_III", "x.mp3"), ("OGG", "VORBIS", "x.ogg")):
        one = stored(form, subtype)
        alone = samples_of(write(tmp_path, one, name))
        np.testing.assert_allclose(
            samples_of(write(tmp_path, one + one, name)), np.tile(alone, 2), atol=1e-4
        )


def test_every_suffix_is_one_that_folders_are_searched_for(tmp_path):
    for name in (*EXACT, *COMPRESSED):
        assert audio.has_suffix(name), name
        assert audio.has_suffix(name.upper()), name


def test_every_suffix_is_documented():
    page = Path(__file__).resolve().parents[2].joinpath("docs/recordings.md").read_text()
    named = set(re.findall(r"\.[a-z0-9]+", "".join(re.findall(r"^\|.*", page, re.MULTILINE))))
    assert named >= audio.SUFFIXES


# --- refused --------------------------------------------------------------------------------------

NOTHING = "holds no samples"
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.wav": (lambda: b"", "0 bytes"),
    "text.wav": (lambda: b"this is no audio " * 99, "no kind of audio"),
    "page.flac": (lambda: b"<!DOCTYPE html><html><body>404</body></html>", "no kind of audio"),
    "pointer.wav": (
        lambda: b"version https://git-lfs.github.com/spec/v1\nsize 9\n",
        "no kind of audio",
    ),
    "zeros.mp3": (lambda: bytes(99_999), "no kind of audio"),
    "utf16.mp3": (lambda: "\ufeffein Text".encode("utf-16-le") * 99, "no kind of audio|damaged"),
    # Formats of lists, which make FFmpeg open what they name.
    "list.m4a": (lambda: b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "no kind of audio"),
    "list.mp3": (lambda: b"ffconcat version 1.0\nfile /etc/hostname\n", "no kind of audio"),
    "list.webm": (lambda: b"<?xml version='1.0'?><MPD></MPD>", "no kind of audio"),
    "no_data.wav": (lambda: wav(b""), NOTHING),
    "no_data_chunk.wav": (
        lambda: b"RIFF\xff\xff\xff\xffWAVE" + chunk(b"junk", b"") * 50_000,
        "data",
    ),
    "chunk_beyond.wav": (lambda: wav(before=b"LIST\xf0\xff\xff\xff"), "no data chunk"),
    "too_long.wav": (lambda: wav(length=2 * N + 16), "truncated: 16 bytes"),
    "too_short.wav": (lambda: wav(length=1000), "length is wrong"),
    "joined.wav": (lambda: wav() + wav(), "second recording"),
    "two_data.wav": (lambda: wav(after=chunk(b"data", PCM.tobytes())), "second recording"),
    **{
        f"joined_unknown_{form}.wav": (
            functools.partial(lambda a, b: a + b, first, second),
            "second",
        )
        for form, first, second in (
            ("wav", wav(length=0), wav()),
            ("both", wav(length=0xFFFFFFFF), wav(length=0xFFFFFFFF)),
            ("flac", wav(length=0x7FFFF000), FLAC),
            ("data", wav(length=0), chunk(b"data", PCM.tobytes()[:800])),
            ("au", with_length(stored("AU"), b".snd", b"\0\0\0\x18" + b"\xff" * 4), stored("AU")),
            ("caf", with_length(stored("CAF"), b"data", b"\xff" * 8), stored("CAF")),
        )
    },
    "rate_0.wav": (lambda: wav(rate=0), "sample rate of 0 Hz"),
    "rate_1.wav": (lambda: wav(rate=1), "sample rate of 1 Hz"),
    "rate_999.wav": (lambda: wav(rate=999), "sample rate of 999 Hz"),
    "rate_655m.wav": (lambda: wav(rate=655_350_000), "sample rate of 655350000 Hz"),
    "rate_2g.wav": (lambda: wav(rate=2**31 - 1), "sample rate"),
    "rate_4g.wav": (lambda: wav(rate=2**32 - 1), "sample rate"),
    "channels_0.wav": (lambda: wav(channels=0), "0 channels"),
    "channels_255.wav": (lambda: wav(channels=255), "255 channels"),
    "channels_65535.wav": (lambda: wav(channels=65535), "65535 channels"),
    "codec_99.wav": (lambda: wav(codec=99), "no decoder"),
    "bits_0.wav": (lambda: wav(bits=0), "no decoder|cannot be decoded"),
    "promises_all.flac": (lambda: flac_header(total=2**36 - 1), "promises 68719476735 samples"),
    "promises_10m.flac": (lambda: flac_header(total=10**7), "10000000 samples"),
    "promises_one_more.flac": (lambda: flac_header(total=N + 1), "1 fewer"),
    "promises_fewer.flac": (lambda: flac_header(total=N - 800), "800 more"),
    "fewer_no_md5.flac": (lambda: flac_header(total=4096, md5=bytes(16)), "more"),
    "rate_655350.aiff": (lambda: stored("AIFF")[:4] + b"\0" * 4 + b"AIFF", "no sound chunk"),
    "ogg_behind.flac": (lambda: FLAC + stored("OGG", "VORBIS"), "second recording"),
    "long_ogg_behind.flac": (lambda: FLAC + LONG_VORBIS * 20, "second recording"),
    "wav_behind.flac": (lambda: flac_header(total=0) + wav(), "second recording"),
    "mp3_behind.flac": (lambda: FLAC + mp3() * 5, "something follows"),
    "noise_behind.flac": (lambda: FLAC + b"noise" * 200_000, "something else follows"),
    "junk_after.ogg": (lambda: stored("OGG", "VORBIS") + b"junk" * 9, "no page"),
    "page_lost.ogg": (lambda: without_page(stored("OGG", "OPUS", np.tile(CLIP, 9)), 3), "missing"),
    "no_end.ogg": (lambda: without_page(stored("OGG", "VORBIS"), -1), "truncated"),
    "other_rates.mp3": (lambda: mp3() + mp3(rate=24000), "joined"),
    "begins_inside.mp3": (lambda: mp3()[300:], "no kind of audio|no MPEG frame"),
    "junk_inside.mp3": (lambda: mp3()[:1008] + b"junk" * 30 + mp3()[1008:], "no MPEG frame"),
    "pipe_g722.wav": (lambda: encoded("g722", "wav", live=True), "does not say how long"),
    "pipe_mp3.wav": (lambda: encoded("libmp3lame", "wav", live=True), "does not say how long"),
    "free_rate.mp3": (
        lambda: with_free_rate(mp3(write_xing="0", id3v2_version="0")),
        "free bit rate",
    ),
    "lost_frames.mp3": (lambda: without_frames(mp3()), "truncated"),
    "joined.m4a": (lambda: encoded("aac", "ipod") * 2, "second recording"),
    "joined.3gp": (lambda: encoded("aac", "3gp") * 2, "second recording"),
    "joined.amr": (lambda: encoded("libopencore_amrnb", "amr", rate=8000) * 2, "second recording"),
    "joined.caf": (lambda: stored("CAF") * 2, "second recording"),
    "joined.w64": (lambda: stored("W64") * 2, "second recording"),
    "joined.tta": (lambda: encoded("tta", "tta", kind="s16") * 2, "something follows"),
    "joined.voc": (lambda: stored("VOC") * 2, "something follows"),
    "two_tracks.mkv": (lambda: film("matroska", "mpeg4", "aac", 2), "several recordings"),
    "two_tracks.mp4": (lambda: film("mp4", "mpeg4", "aac", 2), "several recordings"),
    "time_runs_back.ogg": (
        lambda: with_times(
            stored("OGG", "VORBIS", np.tile(CLIP, 9)), lambda n, t: 20_000 if t == 9 * N else t
        ),
        "by its packets",
    ),
    **{
        f"{name}.{suffix}": (functools.partial(with_times, content, change), "by its packets")
        for suffix, content in (("ogg", LONG_VORBIS), ("opus", LONG_OPUS), ("oga", SHORT_OPUS))
        for name, change in (
            ("half_times", lambda n, t: t // 2),
            ("double_times", lambda n, t: 2 * t),
            ("no_times", lambda n, t: 0),
            ("ends_early", lambda n, t: t - 9000 if t > 17_999 else t),
        )
        if (name, suffix) != ("double_times", "oga")
    },
    "half_times_flac.oga": (lambda: flac_in_ogg(N // 2), "by its packets"),
    "unfinished.m4a": (lambda: without_moov(encoded("aac", "ipod")), "moov"),
}
# What only decoding can tell.
READ_REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "int16.wav": (lambda: wav(PCM.astype("<f4").tobytes(), codec=3, bits=32), "times full scale"),
    "huge.wav": (lambda: wav(np.full(N, 3e38, "<f4").tobytes(), codec=3, bits=32), "full scale"),
    "nan.wav": (lambda: wav(with_value(np.nan), codec=3, bits=32), "NaN or infinite"),
    "inf.wav": (lambda: wav(with_value(-np.inf), codec=3, bits=32), "NaN or infinite"),
    "double.wav": (lambda: wav(np.full(N, 1e300, "<f8").tobytes(), codec=3, bits=64), "infinite"),
    "joined.flac": (lambda: FLAC + FLAC, "second recording"),
    "short_mp3_behind.flac": (lambda: FLAC + mp3()[:999], "something follows"),
    "other_md5.flac": (lambda: flac_header(md5=b"0123456789abcdef"), "MD5"),
}


def with_value(value: float) -> bytes:
    samples = CLIP.astype("<f4")
    samples[4321] = value
    return samples.tobytes()


def pages(content: bytes) -> list[bytes]:
    return [b"OggS" + page for page in content.split(b"OggS")[1:]]


def without_page(content: bytes, number: int) -> bytes:
    found = pages(content)
    del found[number]
    return b"".join(found)


def with_free_rate(content: bytes) -> bytes:
    """An MP3 file of constant bit rate whose frames do not say it, as `lame --freeformat` does."""
    result, place = bytearray(content), 0
    kbps = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    while place < len(content):
        code = content[place + 2]
        result[place + 2] &= 0x0F
        place += 72_000 * kbps[code >> 4] // RATE + (code >> 1 & 1)
    return bytes(result)


def without_frames(content: bytes) -> bytes:
    """An MP3 file of which the last frames were never written: cut where a frame ends."""
    place = content.index(b"Info") - 13
    sizes = [144, 180, 216, 252, 288]
    ends = [
        at
        for at in range(place, len(content))
        if content[at : at + 2] == content[place : place + 2] and at - place > sizes[-1]
    ]
    return content[: ends[len(ends) // 2]]


def without_moov(content: bytes) -> bytes:
    return content[: content.rindex(b"moov") - 4]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_broken_is_refused_before_it_is_decoded(tmp_path, name):
    make, word = REFUSED[name]
    path = write(tmp_path, make(), name)
    for function in (audio.info, audio.read):
        with pytest.raises(AudioError, match=f"{name}: .*({word})"):
            function(path)


@pytest.mark.parametrize("name", READ_REFUSED)
def test_what_only_decoding_tells_is_refused_by_reading(tmp_path, name):
    make, word = READ_REFUSED[name]
    path = write(tmp_path, make(), name)
    assert audio.info(path).n_samples == N
    with pytest.raises(AudioError, match=f"{name}: .*{word}"):
        audio.read(path)
    with pytest.raises(AudioError, match=f"{name}: .*{word}"):
        list(audio.decode(path, 0.1))


ALL = {**EXACT, **{name: make for name, (make, _) in COMPRESSED.items()}}
# Their length is in no header (AAC, MP3 without a header), it is none (WAV into a pipe), or an end
# that is not needed is missing: whole frames may be lost unseen, parts of them not.
UNKNOWN = (
    "length_",
    "sox_",
    "pipe",
    "endless",
    "no_header",
    "abr",
    "header_then",
    "unknown_length.au",
    "unknown_length_after.au",
    "unknown_length.caf",
    "x.aac",
    "mp3.wav",
)
FREE_END = (
    "after",
    "end",
    "tag",
    ".voc",
    ".tta",
    ".wv",
    "gsm",
    "zeros",
    "odd",
    "x.mp2",
    "x.ac3",
    "x.eac3",
)


@pytest.mark.parametrize(
    "name", [name for name in ALL if not any(word in name for word in UNKNOWN + FREE_END)]
)
def test_what_is_cut_is_refused(tmp_path, name):
    content = ALL[name]()
    n = len(content)
    for left in (n - 1, n - 2, n - 57, n * 9 // 10, n // 2, n // 7):
        path = write(tmp_path, content[:left], name)
        # The header of FLAC's last frame says where it ends, but not whether it is whole.
        inside = name.endswith(".flac") and left > n // 2
        for function in (audio.read,) if inside else (audio.info, audio.read):
            with pytest.raises(AudioError, match=f"{name}: "):
                function(path)


# A chunk behind samples of unknown number that is itself cut sounds like samples.
CUT_CHUNK = re.compile(r"(length_\w+_(list|tag)_after\.wav|length_\w+NAME\.aiff|length_after\.au)$")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in ALL
        if any(word in name for word in UNKNOWN + FREE_END) and not CUT_CHUNK.search(name)
    ],
)
def test_where_nobody_knows_the_length_no_part_of_a_frame_is_lost(tmp_path, name):
    content = ALL[name]()
    whole = samples_of(write(tmp_path, content, name))
    for left in (len(content) - 1, len(content) * 2 // 3):
        path = write(tmp_path, content[:left], name)
        try:
            found = samples_of(path)
        except AudioError:
            continue
        np.testing.assert_allclose(found, whole[: found.size], atol=1e-4)


# --- flipped bits ---------------------------------------------------------------------------------

CHECKED = (
    *("x.flac", "24_bits.flac", "unknown_length.flac", "x.ogg", "x.opus", "chained.ogg"),
    *("lame.mp3", "ffmpeg.mp3", "vbr.mp3", "joined.mp3", "x.mka", "aac.mka", "x.wv", "x.tta"),
    *("x.ac3", "opus_of_ffmpeg.ogg"),
)


def flipped(content: bytes, count: int) -> list[bytes]:
    rng = np.random.default_rng(len(content))
    results = []
    for place in rng.integers(len(content), size=count):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        results.append(bytes(damaged))
    return results


@pytest.mark.parametrize("name", CHECKED)
def test_where_there_is_a_checksum_a_flipped_bit_is_refused_or_changes_nothing(tmp_path, name):
    content = ALL[name]()
    whole = audio.read(write(tmp_path, content, name))[0]
    refused = 0
    for damaged in flipped(content, 40):
        path = write(tmp_path, damaged, name)
        try:
            found = audio.read(path)[0]
        except AudioError:
            refused += 1
        else:
            np.testing.assert_array_equal(found, whole)
    assert refused >= 30


@pytest.mark.parametrize("name", ["plain.wav", "float.wav", "no_header.mp3", "x.m4a", "x.webm"])
def test_where_there_is_none_nothing_absurd_is_heard(tmp_path, name):
    content = ALL[name]()
    for damaged in flipped(content, 40):
        path = write(tmp_path, damaged, name)
        try:
            found = samples_of(path)
        except AudioError:
            continue
        assert np.abs(found).max() <= 16


def test_checksums_are_those_of_their_definitions():
    data = np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8).tobytes()
    # The check values of the catalogue of parametrised CRC algorithms (SMBUS, UMTS, ARC).
    assert flac._crc8(b"123456789") == 0xF4
    assert crc16_of_flac(b"123456789") == 0xFEE8
    assert crc16_of_mpeg(b"123456789") == 0xBB3D
    for end in (0, 1, 255, 256, 257, 511, 1000, 2048, 3000):
        part = data[:end]
        assert flac._crc8(part) == bitwise(part, 0x07, 8)
        assert crc16_of_flac(part) == bitwise(part, 0x8005, 16)
        assert crc16_of_mpeg(data[end:], crc16_of_mpeg(part)) == crc16_of_mpeg(data)
        assert ogg._checksum(part) == bitwise(part, 0x04C11DB7, 32).to_bytes(4, "little")


# --- altered at random ----------------------------------------------------------------------------

PIECES = (
    *(b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"),
    *(b"RIFF", b"OggS", b"fLaC", b"ID3\x03", b"TAG" + b"x" * 125, b"LIST\4\0\0\0INFO"),
)


def altered(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A file with bytes set, lost, put in, or replaced by those of another one."""
    place = int(rng.integers(len(content)))
    head = int(rng.integers(min(len(content), 256)))
    piece = PIECES[int(rng.integers(len(PIECES)))]
    return [
        content[:head] + piece[:1] + content[head + 1 :],
        content[:head] + piece[:4] + content[head + 4 :],
        content[:place] + content[place + int(rng.integers(1, 500)) :],
        content[:place] + piece + content[place:],
        content[:place] + other[int(rng.integers(len(other))) :],
        content + other,
        content[:place],
    ][int(rng.integers(7))]


@pytest.mark.parametrize("name", ALL)
def test_what_is_altered_is_refused_or_has_one_length(tmp_path, name):
    rng = np.random.default_rng(list(ALL).index(name))
    content, others = ALL[name](), list(ALL)
    for _ in range(6):
        damaged = altered(content, ALL[others[int(rng.integers(len(others)))]](), rng)
        path = write(tmp_path, damaged, name)
        try:
            n_samples = audio.info(path).n_samples
            found = audio.read(path)[0]
        except AudioError as error:
            message = str(error)
            assert message.isprintable()
            assert len(message) < 1000
            # Faults of the reader itself would be named so.
            assert not re.search(r"(Type|Value|Index|Key|Attribute|Overflow)Error:", message)
        else:
            assert found.size == n_samples


# --- channels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "taken"), [(0.0, 0), (0.099, 0), (0.101, None), (0.5, None), (1.0, None)]
)
def test_channels_that_cancel_are_not_averaged(tmp_path, mean, taken):
    """Two channels x and (2 m - 1) x have the mean m x: below a tenth, the louder one is taken."""
    stereo = np.stack([CLIP, (2 * mean - 1) * CLIP], axis=1).astype(np.float32)
    path = tmp_path / "x.wav"
    soundfile.write(path, stereo, RATE, subtype="FLOAT")
    expected = CLIP if taken == 0 else mean * CLIP
    np.testing.assert_allclose(samples_of(path), expected, atol=1e-6)
    assert audio.Clip(path).channel == taken
    np.testing.assert_allclose(audio.as_mono(stereo.T), expected, atol=1e-6)


def test_of_channels_that_cancel_the_loudest_is_taken(tmp_path):
    path = tmp_path / "x.flac"
    others = [np.zeros(N), -0.5 * CLIP, CLIP, -0.5 * CLIP]
    soundfile.write(path, np.stack(others, axis=1), RATE, subtype="PCM_16")
    np.testing.assert_allclose(samples_of(path), CLIP, atol=1e-4)
    assert audio.Clip(path).channel == 2
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros((N, 2)), RATE)
    assert audio.Clip(silent).channel is None


# --- names ----------------------------------------------------------------------------------------

NAMES = [
    *(b"a b.wav", b"-", b"-rf.wav", b"x.raw", b"no_suffix", b"UPPER.WAV", b"$(touch x) `y`.wav"),
    *(b"[1]*?.wav", b"~", b"~root.wav", b"%03d.wav", b"%d", b"new\nline.wav", b"tab\tx.wav"),
    *(b"http:x.wav", b"file:x.wav", b"pipe:0", b"concat:a|b.wav", b"subfile,,start,0,:x.wav"),
    *(b"caf\xe9.wav", "ü ж 語 🎙.wav".encode(), b"\x1b[31mred.wav", b"x" * 251 + b".wav"),
    *(b"\xff\xfe", b"a\\b.wav", b"'\".wav", b" .wav ", b"{x}.wav", b"#h;&.wav"),
]


@pytest.mark.parametrize("made", ["plain.wav", "x.flac", "lame.mp3", "x.m4a", "chained.ogg"])
def test_any_name_is_the_name_of_one_file(tmp_path, monkeypatch, made):
    monkeypatch.chdir(tmp_path)
    content = ALL[made]()
    expected = samples_of(write(tmp_path, content, "expected"))
    (tmp_path / "expected").unlink()
    for name in map(os.fsdecode, NAMES):
        Path(name).write_bytes(content)
        np.testing.assert_array_equal(samples_of(Path(name)), expected)
        Path(name).unlink()
        with pytest.raises(AudioError, match="no such audio file") as caught:
            audio.read(name)
        str(caught.value).encode("utf-8")
        assert str(caught.value).isprintable()


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path, word in (
        (tmp_path, "a folder"),
        (tmp_path / "pipe.wav", "no regular file"),
        (Path("/dev/zero"), "no regular file"),
        (tmp_path / "x" / "y.wav", "no such audio file"),
        (tmp_path / ("x" * 300), "too long"),
        (Path("nul\0.wav"), "null|nul"),
    ):
        for function in (audio.info, audio.read):
            with pytest.raises(AudioError, match=word):
                function(path)


def test_the_table_of_predict_has_a_line_per_file():
    names = [os.fsdecode(name) for name in NAMES]
    lines = aligned([["file", "score"], *([name, "1"] for name in names)]).splitlines()
    assert len(lines) == 1 + len(names)
    assert all(line.isprintable() for line in lines)


# --- explosions -----------------------------------------------------------------------------------


def test_a_recording_that_explodes_is_refused_at_the_longest_duration(tmp_path):
    path = write(tmp_path, flac_bomb(3), "bomb.flac")
    assert path.stat().st_size < 50_000
    assert audio.info(path).duration > 3 * 3600
    heard = []
    with pytest.raises(AudioError, match=r"bomb\.flac: longer than 60 s"):
        heard.extend(block.size for block, _ in audio.decode(path, 10, longest=60))
    assert 50 * RATE <= sum(heard) <= 60 * RATE


# --- corpora --------------------------------------------------------------------------------------


def corpus_of(folder: Path, names: list[bytes]) -> Path:
    for name in names:
        path = Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav())
    return folder


def made(folder: Path, **options: Any) -> tuple[pl.DataFrame, list[Any]]:
    return build_manifest(build({"type": "folder", **options}, folder, key="own"))


def test_files_that_are_passed_over_are_counted(tmp_path, caplog):
    names = [b"bonafide/a.wav", b"spoof/x/b.WAV", b"spoof/x/b.txt", b"spoof/x/c.TXT"]
    corpus_of(tmp_path, [*names, b"spoof/x/d.ape", b"spoof/README", b"bonafide/.hidden"])
    manifest, problems = made(tmp_path)
    assert manifest["utt_id"].to_list() == ["bonafide-a", "spoof-x-b"]
    assert [(p.utt_id, p.reason.split(": ")[1]) for p in problems] == [
        ("*", "1 without any"),
        ("*.ape", "1 of suffix .ape"),
        ("*.txt", "2 of suffix .txt"),
    ]
    assert "2 of suffix .txt" in caplog.text
    write_problems(tmp_path / "p.tsv", problems)
    assert read_problems(tmp_path / "p.tsv") == problems
    rows = audit(manifest, problems, None, {}).rows.filter(pl.col("check") == "audio")
    assert rows["item"].to_list() == ["*", "*.ape", "*.txt", "files"]
    assert rows["status"].to_list() == ["warn", "warn", "warn", "ok"]


@pytest.mark.parametrize("options", [{}, {"fractions": {"eval": 1}, "speaker": "(.)/"}])
def test_names_that_no_table_holds_are_a_failure_of_that_file_alone(tmp_path, options):
    bad = [b"bonafide/caf\xe9.wav", b"spoof/x/new\nline.wav", b"spoof/tab\t.wav"]
    good = [b"bonafide/a.wav", b"spoof/x/[b] $~*?.wav", "spoof/x/語.wav".encode()]
    corpus_of(tmp_path, bad + good)
    with pytest.raises(CorpusError, match=r'1 audio files .*"caf\\xe9.wav".*on_bad_audio'):
        made(tmp_path, **options)
    manifest, problems = made(tmp_path, on_bad_audio="exclude", **options)
    assert manifest.height == 3
    assert [p.utt_id for p in problems] == [
        '"caf\\xe9.wav"',
        '"tab\\t.wav"',
        '"new\\nline.wav"',
    ]
    write_manifest(tmp_path / "m.tsv", manifest)
    write_problems(tmp_path / "p.tsv", problems)
    assert read_problems(tmp_path / "p.tsv") == problems
    for path in manifest["path"]:
        assert audio.read(path)[0].size == N


@pytest.mark.parametrize("name", ["Spoof", "SPOOF", "bona-fide", "Bona Fide", "Train", "eval_"])
def test_folders_that_are_meant_for_others_are_not_passed_over(tmp_path, name):
    corpus_of(tmp_path, [b"bonafide/a.wav", f"{name}/x/b.wav".encode()])
    meant = re.sub("[^a-z]", "", name.lower())
    with pytest.raises(CorpusError, match=f"{name}: rename this folder to '{meant}'"):
        made(tmp_path)


def test_folders_beside_the_classes_are_listed(tmp_path):
    corpus_of(tmp_path, [b"bonafide/a.wav", b"spoof/x/b.wav", b"noise/c.wav", b"genuine/d/e.wav"])
    manifest, problems = made(tmp_path)
    assert manifest["utt_id"].to_list() == ["bonafide-a", "spoof-x-b"]
    assert [(p.utt_id, p.reason) for p in problems] == [
        (f"*{name}/", "1 audio files in a folder that is none of bonafide, spoof: left out")
        for name in ("genuine", "noise")
    ]
    corpus_of(tmp_path, [b"train/bonafide/a.wav", b"train/spoof/x/b.wav", b"dev/other/c.wav"])
    corpus_of(tmp_path, [b"dev/bonafide/a.wav", b"dev/spoof/x/b.wav"])
    assert [p.utt_id for p in made(tmp_path)[1]] == [
        *("*bonafide/", "*genuine/", "*noise/", "*spoof/"),
        "*dev/other/",
    ]


def test_links_that_lead_to_themselves_are_a_failure_of_that_file_alone(tmp_path):
    corpus_of(tmp_path, [b"bonafide/a.wav", b"spoof/x/b.wav"])
    (tmp_path / "spoof/x/loop.wav").symlink_to("loop.wav")
    with pytest.raises(CorpusError, match=r"loop\.wav: cannot be read"):
        made(tmp_path)
    manifest, problems = made(tmp_path, on_bad_audio="exclude")
    assert manifest.height == 2
    assert [p.utt_id for p in problems] == ["spoof-x-loop"]
