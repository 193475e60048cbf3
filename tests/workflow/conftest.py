"""Finished studies that the workflow's tests share: look at them, but work on copies."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import checkout
import pytest
from checkout import TINY_STUDY, WIDE_STUDY, WIDE_TARGETS, Checkout


def made_once(
    factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], Checkout]
) -> Checkout:
    """A study that one of the processes that share the tests makes, and each has a copy of."""
    own = factory.mktemp(name) / "checkout"
    if worker == "master":
        return make(own)
    shared = factory.getbasetemp().parent / name
    with open(f"{shared}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            make(own).folder.rename(shared)
        return Checkout(shared).copy(own)


@pytest.fixture(scope="session")
def mini(tmp_path_factory, worker_id) -> Checkout:
    """The mini study, made from nothing."""
    return made_once(tmp_path_factory, worker_id, "mini", checkout.run_mini)


def run_tiny(folder: Path) -> Checkout:
    made = checkout.clone(folder)
    study = ("--configfile", made.write_study(TINY_STUDY))
    # From the corpus to a figure and a table each job starts as a user's does.
    made.make("figure_det_curves", "table_headline", *study, start=True)
    made.make(*study)
    return made


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, worker_id) -> Checkout:
    """A study with one small detector, made from nothing; its study file is study.yaml."""
    return made_once(tmp_path_factory, worker_id, "tiny", run_tiny)


@pytest.fixture
def tiny_copy(tiny, tmp_path) -> Checkout:
    return tiny.copy(tmp_path / "checkout")


def run_wide(folder: Path) -> Checkout:
    made = checkout.clone(folder)
    made.make(*WIDE_TARGETS, "--notemp", "--configfile", made.write_study(WIDE_STUDY))
    return made


@pytest.fixture(scope="session")
def wide(tmp_path_factory, worker_id) -> Checkout:
    """A study with a job of every rule that a cluster is given; its study file is study.yaml, and
    its temporary files are kept."""
    return made_once(tmp_path_factory, worker_id, "wide", run_wide)
