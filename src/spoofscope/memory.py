"""How a process treats the memory that it has freed."""

import ctypes

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# The most that glibc takes for each.
_LARGEST_TRIM = 2**31 - 1
_LARGEST_MMAP = 32 * 2**20


def keep_freed_memory() -> None:
    """Keep freed memory for what is asked for next, instead of giving it back to the system.

    A step of a network frees what the next step asks for again. By default glibc gives memory at
    the end of its heap back at once, and the system clears every page anew: a fifth of the time
    that small networks take to train on a CPU (`benchmarks/freed_memory.py`). Blocks above 32 MiB
    are given back all the same. The process keeps what it has once needed until it ends. On systems
    without glibc nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST_TRIM)
