"""Tags that programs write before, between and after the audio: ID3, APE, Lyrics3."""

from spoofscope.containers.source import Source

_LONGEST_APE = 1 << 20


def after_tags(source: Source, place: int, end: int) -> int:
    """The place after the tags and zeros that begin at `place`; `place` if there are none."""
    while place < end:
        following = _after_tag(source, place, end)
        if following is None:
            break
        place = min(following, end)
    return place


def _after_tag(source: Source, place: int, end: int) -> int | None:
    head = source.at(place, 32)
    if head[:3] == b"ID3" and len(head) >= 10:
        size = 0
        for byte in head[6:10]:
            if byte > 127:
                return None
            size = size << 7 | byte
        return place + 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:8] == b"APETAGEX" and len(head) == 32:
        is_header = int.from_bytes(head[20:24], "little") >> 29 & 1
        size = int.from_bytes(head[12:16], "little")
        return place + 32 + (size if is_header else 0)
    if head[:4] == b"TAG+" and end - place >= 227:
        return place + 227
    if head[:3] == b"TAG" and end - place >= 128:
        return place + 128
    if head[:11] == b"LYRICSBEGIN":
        text = source.at(place, min(end - place, 1 << 20))
        for mark in (b"LYRICS200", b"LYRICSEND"):
            if mark in text:
                return place + text.index(mark) + len(mark)
    if head[:1] == b"\0":
        zeros = len(head) - len(head.lstrip(b"\0"))
        return place + zeros
    # An APE tag without a header (as in the first version) has a mark only at its end. This mark
    # stands at the end of a file, so no other place is searched.
    if place > 0 and end - place <= _LONGEST_APE:
        text = source.at(place, end - place)
        at = text.find(b"APETAGEX")
        if at >= 0 and int.from_bytes(text[at + 12 : at + 16], "little") == at + 32 <= len(text):
            return place + at + 32
    return None
