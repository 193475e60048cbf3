"""The kinds of files that are read, by their first bytes; the only list of suffixes."""

from spoofscope.containers import boxes, chunks, mpeg
from spoofscope.containers.source import Source
from spoofscope.containers.tags import after_tags

# fmt: off
SUFFIXES_OF: dict[str, tuple[str, ...]] = {
    "wav": (".wav", ".wave", ".rf64", ".bwf", ".w64"),
    "aiff": (".aif", ".aiff", ".aifc", ".8svx", ".svx"),
    "caf": (".caf",),
    "au": (".au", ".snd"),
    "sphere": (".sph", ".nist"),
    "voc": (".voc",),
    "flac": (".flac",),
    "ogg": (".oga", ".ogg", ".opus"),
    "mpeg": (".mp1", ".mp2", ".mp3", ".mpga"),
    "adts": (".aac", ".adts"),
    "mp4": (".3g2", ".3gp", ".m4a", ".m4b", ".mov", ".mp4"),
    "matroska": (".mka", ".mkv", ".weba", ".webm"),
    "amr": (".amr", ".awb"),
    "ac3": (".ac3", ".eac3"),
    "wavpack": (".wv",),
    "tta": (".tta",),
    "asf": (".asf", ".wma"),
}
# fmt: on
SUFFIXES = frozenset(suffix for suffixes in SUFFIXES_OF.values() for suffix in suffixes)
"""Suffixes of the files to read below a folder; the content decides the kind of a file."""


def kind_of(source: Source) -> str | None:
    """A key of `SUFFIXES_OF`, by the file's first bytes; None for other files."""
    head = source.at(0, 40)
    start = after_tags(source, 0, source.size)
    inner = source.at(start, 12)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:16] == chunks.W64_RIFF:
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        return "aiff"
    if head[:16] == boxes.ASF:
        return "asf"
    for magic, kind in (
        (b"caff", "caf"),
        (b".snd", "au"),
        (b"dns.", "au"),
        (b"NIST_1A", "sphere"),
        (b"Creative Voice File\x1a", "voc"),
        (b"OggS", "ogg"),
        (b"\x1a\x45\xdf\xa3", "matroska"),
        (b"#!AMR\n", "amr"),
        (b"#!AMR-WB\n", "amr"),
        (b"\x0b\x77", "ac3"),
        (b"wvpk", "wavpack"),
    ):
        if head.startswith(magic):
            return kind
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return "mp4"
    if inner[:4] == b"fLaC":
        return "flac"
    if inner[:4] == b"TTA1":
        return "tta"
    if inner[:1] == b"\xff" and len(inner) > 1 and inner[1] & 0xF6 == 0xF0:
        return "adts"
    return "mpeg" if mpeg.is_mpeg(source) else None
