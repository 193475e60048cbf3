"""A search for a second recording inside a file: files that were joined one after the other."""

import re

from spoofscope.containers.source import Source
from spoofscope.errors import AudioError

_STEP = 1 << 18
# Bytes to search for, and the pattern of a file that begins with them. The patterns are so long
# that samples do not match them by chance.
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
    """Search for the beginning of another recording after a byte.

    The first bytes of MP3 and raw AAC also occur in samples by chance, so these are not found.

    Args:
        source: the file.
        place: where to begin.
        only: search only for files that begin with these bytes.

    Raises:
        AudioError: another recording begins there.
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
    """The error for a second recording that begins at a byte."""
    return AudioError(
        f"a second recording begins at byte {place}: two files were joined; split them"
    )
