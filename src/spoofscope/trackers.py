"""Training curves of a study in programs that show runs of many projects.

Each training becomes a run: its settings, and the rows of its history.tsv, one per epoch. What a
program has is asked of the program, so nothing is sent twice, however a sending ended. The numbers
go where the program's own environment variables say, such as `TRACKIO_DIR`, `MLFLOW_TRACKING_URI`
and `WANDB_MODE`. Nothing of a study depends on them.
"""

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import polars as pl

from spoofscope.errors import ConfigError, SpoofscopeError, TableError, TrackerError
from spoofscope.files import read_json, shown
from spoofscope.identity import hash8
from spoofscope.options.trackers import PACKAGES
from spoofscope.registry import Registry
from spoofscope.settings import NETWORK_FILE, SETTINGS_FILE
from spoofscope.tables import read_table
from spoofscope.training import HISTORY, RUNNING

_SETTINGS = ("frontend", "backend", "input")
_POSITION: dict[str, pl.DataType] = {"stage": pl.Int64(), "epoch": pl.Int64(), "step": pl.Int64()}
_NOTHING = -1
"""The last step of a run without any; what is fitted in one go has step 0."""


class Training(NamedTuple):
    """A training.

    name: run, seed and 8 digits of what its first epoch measured, so a training that was begun
    anew is another one. settings: of the network, as JSON by key. points: of every epoch the number
    of optimiser steps so far, and what was measured then. finished: whether these are all.
    """

    name: str
    settings: dict[str, str]
    points: list[tuple[int, dict[str, float]]]
    finished: bool


def trainings(results: Path) -> list[Training]:
    """The trainings of a study: finished ones, detectors first, then those that run.

    A training that was killed counts as one that runs, because it goes on with the next run. One
    whose first epoch has not ended is left out.

    Args:
        results: the study's folder below results/.

    Raises:
        TableError: this is no folder of a study, or a table is damaged.
        SpoofscopeError: the settings of a network are damaged.
    """
    if not results.is_dir():
        raise TableError(f"{shown(results)}: there is no such folder")
    made = {
        SETTINGS_FILE: "detectors/*/*",
        NETWORK_FILE: "tracers/*/*/network",
        RUNNING: "work/*/*",
    }
    found: dict[str, Training] = {}
    for settings, pattern in made.items():
        for folder in sorted(results.glob(pattern)):
            read = (folder / HISTORY, folder / settings)
            if not all(path.is_file() for path in read):
                continue
            try:
                training = _training(folder, settings, results)
            except SpoofscopeError:
                if all(path.is_file() for path in read):
                    raise
                # It has ended just now; its result is found the next time.
                continue
            if training is not None:
                found.setdefault(training.name, training)
    return list(found.values())


def _training(folder: Path, settings_file: str, results: Path) -> Training | None:
    settings = read_json(folder / settings_file)
    table = read_table(folder / HISTORY, _POSITION, rest=pl.Float64())
    if table.is_empty():
        return None
    described = {**{key: settings[key] for key in _SETTINGS}, "seed": settings["meta"].get("seed")}
    described["recipe"] = settings["meta"].get("recipe")
    name = (*folder.relative_to(results).parts[1:3], hash8(str(table.row(0))))
    return Training(
        " ".join(name),
        {key: json.dumps(value, sort_keys=True) for key, value in described.items()},
        [
            # What is fitted in one go has no loss of a training.
            (row.pop("step"), {name: value for name, value in row.items() if value is not None})
            for row in table.iter_rows(named=True)
        ],
        settings_file != RUNNING,
    )


class Tracker(Protocol):
    """A program that shows runs, of one project."""

    def __init__(self, package: Any, project: str) -> None: ...

    def begin(self, training: Training) -> int:
        """Open a run, a new one or the one that is there; the last step that it has, or -1."""
        ...

    def add(self, name: str, step: int, values: dict[str, float]) -> None:
        """Give an open run what was measured after an epoch."""
        ...

    def end(self, name: str, finished: bool) -> None:
        """Close an open run; it is `finished`, or goes on another time."""
        ...


class Trackio:
    """Runs in a database of this machine, or on a server: `trackio show`."""

    def __init__(self, package: Any, project: str) -> None:
        self._trackio, self._project = package, project
        self._runs: dict[str, Any] = {}

    def begin(self, training: Training) -> int:
        """Open a run."""
        run = self._runs[training.name] = self._trackio.init(
            project=self._project,
            name=training.name,
            config=training.settings,
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        # Of the database or of the server; the package has no other word for it that both answer.
        return int(run._next_step) - 1

    def add(self, name: str, step: int, values: dict[str, float]) -> None:
        """Give an open run an epoch."""
        self._runs[name].log(values, step=step)

    def end(self, name: str, finished: bool) -> None:
        """Close an open run; trackio does not distinguish runs that go on."""
        self._runs.pop(name).finish()


class Mlflow:
    """Runs in a folder, a database or on a server: `mlflow ui`."""

    def __init__(self, package: Any, project: str) -> None:
        self._client = package.MlflowClient()
        self._entities = package.entities
        self._experiment = package.set_experiment(project).experiment_id
        self._runs: dict[str, str] = {}

    def begin(self, training: Training) -> int:
        """Open a run."""
        there = self._client.search_runs(
            [self._experiment], f"attributes.run_name = '{training.name}'", max_results=1
        )
        if there:
            run = there[0]
            self._client.update_run(run.info.run_id, status="RUNNING")
        else:
            run = self._client.create_run(self._experiment, run_name=training.name)
            parameters = [self._entities.Param(*item) for item in training.settings.items()]
            self._client.log_batch(run.info.run_id, params=parameters)
        self._runs[training.name] = run.info.run_id
        epochs = self._client.get_metric_history(run.info.run_id, "epoch")
        return max((point.step for point in epochs), default=_NOTHING)

    def add(self, name: str, step: int, values: dict[str, float]) -> None:
        """Give an open run an epoch."""
        now = int(time.time() * 1000)
        # The epoch comes last, so an epoch that is there is there as a whole.
        ordered = sorted(values.items(), key=lambda item: item[0] == "epoch")
        metrics = [self._entities.Metric(key, value, now, step) for key, value in ordered]
        self._client.log_batch(self._runs[name], metrics=metrics)

    def end(self, name: str, finished: bool) -> None:
        """Close an open run; one that goes on stays as it is."""
        run = self._runs.pop(name)
        if finished:
            self._client.set_terminated(run)


class Wandb:
    """Runs of Weights & Biases, online or, with `WANDB_MODE=offline`, in a folder.

    Offline nothing can be asked: each start writes a folder with all epochs.
    """

    def __init__(self, package: Any, project: str) -> None:
        self._wandb, self._project = package, project
        self._runs: dict[str, Any] = {}

    def begin(self, training: Training) -> int:
        """Open a run."""
        run = self._runs[training.name] = self._wandb.init(
            project=self._project,
            name=training.name,
            id=training.name.replace(" ", "-"),
            resume="allow",
            reinit="create_new",
            config=training.settings,
        )
        return int(run.starting_step) - 1

    def add(self, name: str, step: int, values: dict[str, float]) -> None:
        """Give an open run an epoch."""
        self._runs[name].log(values, step=step)

    def end(self, name: str, finished: bool) -> None:
        """Close an open run; the program lets a run go on that was closed."""
        self._runs.pop(name).finish()


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


class Sent(NamedTuple):
    """What was sent of a training: the number of epochs, and whether it is finished."""

    name: str
    epochs: int
    finished: bool


class Sending:
    """Sends a tracker the epochs that it does not have.

    Args:
        name: of the tracker.
        project: its name for what the runs belong to.

    Raises:
        ConfigError: as `tracker_of`.
        TrackerError: the package fails.
    """

    def __init__(self, name: str, project: str) -> None:
        self._name = name
        self._tracker = tracker_of(name, project)
        self._last: dict[str, int] = {}
        self._ended: set[str] = set()

    def send(self, found: Sequence[Training]) -> list[Sent]:
        """Send what is new in trainings; returns those that were finished now or have grown.

        Raises:
            TrackerError: the package fails; what it has got so far stays there.
        """
        sent = []
        with _foreign(self._name):
            for training in found:
                if training.name in self._ended:
                    continue
                if training.name not in self._last:
                    self._last[training.name] = self._tracker.begin(training)
                new = [point for point in training.points if point[0] > self._last[training.name]]
                for step, values in new:
                    self._tracker.add(training.name, step, values)
                    self._last[training.name] = step
                if training.finished:
                    self._end(training.name, finished=True)
                if new or training.finished:
                    sent.append(Sent(training.name, len(new), training.finished))
        return sent

    def _end(self, name: str, finished: bool) -> None:
        self._tracker.end(name, finished)
        del self._last[name]
        if finished:
            self._ended.add(name)

    def close(self) -> None:
        """Close the runs of trainings that are not finished; another sending goes on with them.

        Raises:
            TrackerError: the package fails.
        """
        with _foreign(self._name):
            for name in list(self._last):
                self._end(name, finished=False)
