"""Requests that no page of ours makes."""

from collections.abc import Mapping
from urllib.parse import urlsplit


class Refused(Exception):
    """A refused request.

    Args:
        status: of HTTP.
        reason: one line.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuse requests that another site's page sends through a visitor's browser.

    Browsers always name the origin of a request. Other programs do not, but they do not act for
    another user either.
    """
    origin = headers.get("origin") or headers.get("referer")
    try:
        foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
    except ValueError:
        foreign = True
    if foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refused(403, "this page takes nothing from other pages")


def body_length(headers: Mapping[str, str]) -> int:
    """Bytes of a request's body, as it says itself.

    Raises:
        Refused: it does not say so.
    """
    length = headers.get("content-length", "")
    if not length.isascii() or not length.isdigit():
        raise Refused(411, "the request has to say how long it is")
    return int(length)
