"""Random access to a file's bytes."""

import os
from types import TracebackType
from typing import Self

_SMALLEST, _WINDOW = 1 << 12, 1 << 18


class Source:
    """Reads a file at any place, through a window, so that small steps are cheap.

    The window grows while it moves through the file, so a reader of the header alone reads little.

    Attributes:
        size: bytes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._descriptor).st_size
        self._start = 0
        self._window = b""
        self._next = _SMALLEST

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def at(self, place: int, n: int) -> bytes:
        """`n` bytes from `place`; fewer at the end of the file."""
        start = place - self._start
        if start < 0 or start + n > len(self._window):
            goes_on = 0 <= start <= len(self._window)
            self._next = min(2 * self._next, _WINDOW) if goes_on else _SMALLEST
            self._start, start = place, 0
            self._window = self._whole(place, max(n, self._next))
        return self._window[start : start + n]

    def _whole(self, place: int, n: int) -> bytes:
        pieces = []
        while n > 0 and (piece := os.pread(self._descriptor, n, place)):
            pieces.append(piece)
            place += len(piece)
            n -= len(piece)
        return b"".join(pieces)

    def only_zeros(self, start: int, end: int) -> bool:
        """Whether the bytes there are all zero."""
        while start < end:
            piece = self.at(start, min(end - start, _WINDOW))
            if not piece or piece.strip(b"\0"):
                return False
            start += len(piece)
        return True
