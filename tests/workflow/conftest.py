"""Finished studies that the workflow's tests share: look at them, but work on copies."""

import checkout
import pytest
from checkout import TINY_STUDY, Checkout


@pytest.fixture(scope="session")
def mini(tmp_path_factory) -> Checkout:
    """The mini study, made from nothing."""
    return checkout.run_mini(tmp_path_factory.mktemp("mini") / "checkout")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Checkout:
    """A study with one small detector, made from nothing; its study file is study.yaml."""
    made = checkout.clone(tmp_path_factory.mktemp("tiny") / "checkout")
    made.make("--configfile", made.write_study(TINY_STUDY))
    return made


@pytest.fixture
def tiny_copy(tiny, tmp_path) -> Checkout:
    return tiny.copy(tmp_path / "checkout")
