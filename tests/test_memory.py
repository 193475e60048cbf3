"""Freed memory is kept where it is asked for."""

import ctypes
import subprocess
import sys

import pytest

# Two blocks of 30 MB at once, again and again: the end of the heap is free in between.
BLOCKS = """
import resource, sys
import numpy as np
from spoofscope.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        blocks = [np.ones(30_000_000, np.uint8) for _ in range(2)]
        del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(name: str) -> int:
    command = [sys.executable, "-c", BLOCKS, name]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_pages_are_asked_for_once():
    assert faults("kept") < 100 < faults("given back")
