"""The parts of an archive that was cut, read as one file."""

import bisect
import io
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Joined(io.RawIOBase):
    """Several files, and an ending, one behind the other, for reading."""

    def __init__(
        self, parts: Sequence[Path], n_bytes: int | None = None, ending: bytes = b""
    ) -> None:
        """The first `n_bytes` of the parts count; None: all."""
        self._streams = [open(part, "rb") for part in parts]  # noqa: SIM115
        self._starts = starts_of(parts)
        self._n_bytes = sum(part.stat().st_size for part in parts) if n_bytes is None else n_bytes
        self._ending, self._place = ending, 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def seekable(self) -> bool:
        """Any place can be read."""
        return True

    def tell(self) -> int:
        """The place that is read next."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, counted in bytes of all parts.

        Raises:
            ValueError: it would be before the beginning.
        """
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._place}.get(
            whence, self._n_bytes + len(self._ending)
        )
        if origin + offset < 0:
            raise ValueError("a place before the beginning")
        self._place = origin + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read at most to the end of a part; how many bytes."""
        if self._place >= self._n_bytes:
            block = self._ending[self._place - self._n_bytes :][: len(buffer)]
        else:
            i = bisect.bisect_right(self._starts, self._place) - 1
            end = min([self._n_bytes, *self._starts[i + 1 : i + 2]])
            self._streams[i].seek(self._place - self._starts[i])
            block = self._streams[i].read(min(len(buffer), end - self._place))
        buffer[: len(block)] = block
        self._place += len(block)
        return len(block)

    def close(self) -> None:
        """Close all parts."""
        for stream in self._streams:
            stream.close()
        super().close()


def starts_of(parts: Sequence[Path]) -> list[int]:
    """Where each part begins, in bytes, in all of them."""
    sizes = [part.stat().st_size for part in parts]
    return [0, *itertools.accumulate(sizes[:-1])]
