"""What holds for all tests."""

import os

import pytest

# Set before NumPy and torch are imported: the tests compute little, and threads that wait for each
# other cost more than they bring.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for two processes that take one file after the other.

    The cluster takes longest, and makes the mini study for all; who needs that comes last.
    """
    waiting = {item.path for item in items if "mini" in getattr(item, "fixturenames", ())}

    def turn(item: pytest.Item) -> int:
        return 0 if item.path.stem == "test_slurm" else 1 + (item.path in waiting)

    items.sort(key=turn)
