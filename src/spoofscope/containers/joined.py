"""Whether a second recording begins inside of a file: files that were put one behind the other."""

import re

from spoofscope.containers.source import Source
from spoofscope.errors import AudioError

_STEP = 1 << 18
# What the first bytes of a file are searched for, and the pattern that they then have. Long enough
# that samples have none of them by chance.
_BEGINNINGS: tuple[tuple[bytes, re.Pattern[bytes]], ...] = tuple(
    (magic, re.compile(pattern, re.DOTALL))
    for magic, pattern in (
        (b"fLaC\0\0\0\x22", b""),
        (b"OggS\0\x02", b""),
        (b"RIFF", b"RIFF....WAVEfmt |RIFF....WAVE[ -~]{4}...\0"),
        (b"RIFX", b"RIFX....WAVE"),
        (b"RF64", b"RF64....WAVE"),
        (b"BW64", b"BW64....WAVE"),
        (b"FORM", b"FORM....(AIF[FC]|8SVX|16SV)"),
        (b".snd\0\0", b"[.]snd\0\0......\0\0\0[\x01-\x1b]"),
        (b"caff\0\x01", b"caff\0\x01..desc"),
        (b"NIST_1A\n", b""),
        (b"Creative Voice File\x1a", b""),
        (b"#!AMR", b"#!AMR(-WB)?\n"),
        (b"wvpk", b"wvpk....[\x02-\x10]\x04"),
        (b"\x1a\x45\xdf\xa3", b".{5,40}(webm|matroska)"),
        (bytes.fromhex("3026b275 8e66cf11 a6d900aa 0062ce6c"), b""),
    )
)
_LONGEST = 64


def check_single(source: Source, place: int, only: bytes = b"") -> None:
    """Look for the beginning of another recording behind a byte.

    MP3 and raw AAC begin with nothing that samples could not be by chance; these are not found.

    Args:
        source: the file.
        place: where to begin.
        only: look for files that begin so, and no others.

    Raises:
        AudioError: there is one.
    """
    while place < source.size:
        piece = source.at(place, _STEP + _LONGEST)
        for magic, pattern in _BEGINNINGS:
            if not magic.startswith(only):
                continue
            at = -1
            while (at := piece.find(magic, at + 1)) >= 0:
                if pattern.match(piece, at):
                    raise joined(place + at)
        place += _STEP


def joined(place: int) -> AudioError:
    """What to raise where a second recording begins at a byte."""
    return AudioError(
        f"a second recording begins at byte {place}: two files were joined; split them"
    )
