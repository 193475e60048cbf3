"""Training curves of a study in programs that show runs of many projects.

Each finished training becomes a run: its settings, and the rows of its history.tsv, one per epoch.
The numbers go where the program's own environment variables say, such as `TRACKIO_DIR`,
`MLFLOW_TRACKING_URI` and `WANDB_MODE`. Nothing of a study depends on them.
"""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import polars as pl

from spoofscope.errors import ConfigError, TableError, TrackerError
from spoofscope.files import read_json, shown
from spoofscope.options.trackers import PACKAGES
from spoofscope.registry import Registry
from spoofscope.settings import NETWORK_FILE, SETTINGS_FILE
from spoofscope.tables import read_table

_HISTORY = "history.tsv"
_SETTINGS = ("frontend", "backend", "input")
_POSITION: dict[str, pl.DataType] = {"stage": pl.Int64(), "epoch": pl.Int64(), "step": pl.Int64()}


class Training(NamedTuple):
    """A finished training.

    name: run and seed. settings: of the network, as JSON by key. points: of every epoch the number
    of optimiser steps so far, and what was measured then.
    """

    name: str
    settings: dict[str, str]
    points: list[tuple[int, dict[str, float]]]


def trainings(results: Path) -> list[Training]:
    """The finished trainings of a study, detectors first.

    Args:
        results: the study's folder below results/.

    Raises:
        TableError: there are none, or a table is damaged.
        SpoofscopeError: the settings of a network are damaged.
    """
    folders = [*sorted(results.glob("detectors/*/*")), *sorted(results.glob("tracers/*/*/network"))]
    histories = [folder / _HISTORY for folder in folders if (folder / _HISTORY).is_file()]
    if not histories:
        raise TableError(
            f"{shown(results)} has no finished training; name the folder of a study, such as "
            "results/mini"
        )
    return [_training(history, results) for history in histories]


def _training(history: Path, results: Path) -> Training:
    tracer = history.parent.name == "network"
    settings = read_json(history.parent / (NETWORK_FILE if tracer else SETTINGS_FILE))
    table = read_table(history, _POSITION, rest=pl.Float64())
    described = {**{key: settings[key] for key in _SETTINGS}, "seed": settings["meta"].get("seed")}
    described["recipe"] = settings["meta"].get("recipe")
    return Training(
        " ".join(history.parent.relative_to(results).parts[1:]),
        {key: json.dumps(value, sort_keys=True) for key, value in described.items()},
        [
            # What is fitted in one go has no loss of a training.
            (row.pop("step"), {name: value for name, value in row.items() if value is not None})
            for row in table.iter_rows(named=True)
        ],
    )


class Tracker(Protocol):
    """A program that shows runs, of one project."""

    def __init__(self, package: Any, project: str) -> None: ...

    def known(self) -> set[str]:
        """Names of the runs that the project has."""
        ...

    def add(self, training: Training) -> None:
        """Add a run."""
        ...


class Trackio:
    """Runs in a database of this machine, or on a server: `trackio show`."""

    def __init__(self, package: Any, project: str) -> None:
        self._trackio, self._project = package, project

    def known(self) -> set[str]:
        """Names of the runs that the project has."""
        try:
            return {run.name for run in self._trackio.Api().runs(self._project)}
        except ValueError:
            # There is no such project yet.
            return set()

    def add(self, training: Training) -> None:
        """Add a run."""
        self._trackio.init(
            project=self._project,
            name=training.name,
            config=training.settings,
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        for step, values in training.points:
            self._trackio.log(values, step=step)
        self._trackio.finish()


class Mlflow:
    """Runs in a folder, a database or on a server: `mlflow ui`."""

    def __init__(self, package: Any, project: str) -> None:
        self._mlflow = package
        self._experiment = package.set_experiment(project).experiment_id

    def known(self) -> set[str]:
        """Names of the runs that the project has."""
        runs = self._mlflow.MlflowClient().search_runs([self._experiment])
        return {run.info.run_name for run in runs}

    def add(self, training: Training) -> None:
        """Add a run."""
        with self._mlflow.start_run(run_name=training.name):
            self._mlflow.log_params(training.settings)
            for step, values in training.points:
                self._mlflow.log_metrics(values, step=step)


class Wandb:
    """Runs of Weights & Biases, online or, with `WANDB_MODE=offline`, in a folder."""

    def __init__(self, package: Any, project: str) -> None:
        self._wandb, self._project = package, project

    def known(self) -> set[str]:
        """None: offline nothing can be asked. A run that is there keeps its id and its points."""
        return set()

    def add(self, training: Training) -> None:
        """Add a run."""
        with self._wandb.init(
            project=self._project,
            name=training.name,
            id=training.name.replace(" ", "-").replace("/", "-"),
            resume="allow",
            config=training.settings,
        ) as run:
            for step, values in training.points:
                run.log(values, step=step)


TRACKERS: Registry[type[Tracker]] = Registry(
    "tracker",
    {
        "mlflow": "spoofscope.trackers:Mlflow",
        "trackio": "spoofscope.trackers:Trackio",
        "wandb": "spoofscope.trackers:Wandb",
    },
)


def tracker_of(name: str, project: str) -> Tracker:
    """A tracker, opened for one project.

    Raises:
        ConfigError: its package is not installed; the message says how to install it.
        TrackerError: the package refuses, such as a place for its runs.
    """
    try:
        package = import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{name} is not installed: `.venv/bin/python -m pip install {PACKAGES[name]}`. Without "
            "it, TensorBoard shows the trainings: `.venv/bin/tensorboard --logdir results`"
        ) from error
    with _foreign(name):
        return TRACKERS.member(name)(package, project)


@contextlib.contextmanager
def _foreign(name: str) -> Iterator[None]:
    """What goes wrong inside a tracker's package, such as on the way to its server, in one line.

    Raises:
        TrackerError: whatever the package raises.
    """
    try:
        # What it prints is no result of a command.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except Exception as error:
        raise TrackerError(f"{name} refuses: {error}") from error


def add_trainings(
    name: str, project: str, found: Sequence[Training]
) -> tuple[list[str], list[str]]:
    """Add the trainings that a project of a tracker does not have.

    Args:
        name: of the tracker.
        project: its name for what the runs belong to.
        found: the trainings.

    Returns:
        Names of those that were added, and of those that were there.

    Raises:
        ConfigError: as `tracker_of`.
        TrackerError: the package fails; what it has got so far stays there.
    """
    tracker = tracker_of(name, project)
    with _foreign(name):
        there = tracker.known()
        new = [training for training in found if training.name not in there]
        for training in new:
            tracker.add(training)
    old = [training for training in found if training.name in there]
    return [training.name for training in new], [training.name for training in old]
