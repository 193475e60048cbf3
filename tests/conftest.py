"""What holds for all tests."""

import gc
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from spoofscope.memory import keep_freed_memory

# Whoever starts the tests in the background of a script has them inherit that Ctrl-C is ignored;
# Snakemake would inherit it, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Set before NumPy and torch are imported: the tests compute little, and threads that wait for each
# other cost more than they bring.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# As in every job.
keep_freed_memory()

# How long an example takes says how busy the machine is.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for three processes that take one file after the other.

    What takes longest comes first: a file that makes the mini study for all, the cluster, the type
    check, whose cache others use, and the faults. The machine has one cluster: its second file
    comes when the first is done with it, and before those that wait for the mini study, of which
    the longest is the first. Fast tests come last, so that all processes end together.
    """
    first = ("mini_study", "slurm", "style", "faults")
    places = {f"test_{name}": place for place, name in enumerate(first)}
    waiting = {item.path for item in items if "mini" in getattr(item, "fixturenames", ())}

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("slow") is None:
            return len(first) + 3
        if item.path.stem in ("test_slurm_faults", "test_worked_examples"):
            return len(first) + 1
        return places.get(item.path.stem, len(first) + 2 * (item.path in waiting))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """What was imported stays: no collection of garbage goes through all of it again."""
    gc.freeze()


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def locked_file(tmp_path) -> Iterator[Path]:
    """A file that may not be read, `locked.wav`, while the test runs."""
    path = tmp_path / "locked.wav"
    path.write_text("something")
    path.chmod(0)
    root = os.geteuid() == 0
    if root:  # who may read everything; the fixture's folder belongs to root alone
        os.seteuid(65534)
    yield path
    if root:
        os.seteuid(0)
