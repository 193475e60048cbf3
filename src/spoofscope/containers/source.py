"""A file's bytes, wherever they are needed."""

import os
from types import TracebackType
from typing import Self

_WINDOW = 1 << 18


class Source:
    """Reads a file at any place, through a window, so that small steps are cheap.

    Attributes:
        size: bytes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._descriptor).st_size
        self._start = 0
        self._window = b""

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
            self._start, start = place, 0
            self._window = self._whole(place, max(n, _WINDOW))
        return self._window[start : start + n]

    def _whole(self, place: int, n: int) -> bytes:
        pieces = []
        while n > 0 and (piece := os.pread(self._descriptor, n, place)):
            pieces.append(piece)
            place += len(piece)
            n -= len(piece)
        return b"".join(pieces)

    def only_zeros(self, start: int, end: int) -> bool:
        """Whether nothing but zeros is there."""
        while start < end:
            piece = self.at(start, min(end - start, _WINDOW))
            if not piece or piece.strip(b"\0"):
                return False
            start += len(piece)
        return True
