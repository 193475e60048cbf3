"""What holds for all tests."""

import os

import pytest

# Set before NumPy and torch are imported: the tests compute little, and threads that wait for each
# other cost more than they bring.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


# First, for the plugin that shares the tests reads the marks in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Share the tests among processes file by file, those of the one Slurm cluster together.

    They go first: they take longest, and mostly wait.
    """
    items.sort(key=lambda item: not item.path.stem.startswith("test_slurm"))
    for item in items:
        cluster = item.path.stem.startswith("test_slurm")
        item.add_marker(pytest.mark.xdist_group("cluster" if cluster else str(item.path)))
