"""Training curves in programs that show runs: what they are given, and what is refused."""

import sys
import tomllib
from pathlib import Path

import pytest

from detector_folders import write_detector
from spoofscope import trackers
from spoofscope.cli import main
from spoofscope.files import write_json
from spoofscope.options.trackers import PACKAGES
from spoofscope.trackers import TRACKERS, Sending, Sent, Training, trainings

ROOT = Path(__file__).resolve().parents[1]
HEADER = "stage\tepoch\tstep\ttrain_loss\tdev_eer\tlr\n"
HISTORY = f"{HEADER}1\t1\t9\t0.7\t0.4\t0.1\n2\t2\t18\t0.6\t0.25\t0.2\n"
FITTED = f"{HEADER}1\t1\t0\t\t0.3\t0.0\n"
NETWORK_RUN, FITTED_RUN = "cnn-00000000 seed1 34827591", "gmm-11111111 seed1 0155ae24"


@pytest.fixture
def results(tmp_path) -> Path:
    for run, history in (("cnn-00000000/seed1", HISTORY), ("gmm-11111111/seed1", FITTED)):
        folder = tmp_path / "own/detectors" / run
        write_detector(folder, meta={"seed": 1, "recipe": {"lr": 0.1}})
        (folder / "history.tsv").write_text(history)
    return tmp_path / "own"


def test_a_training_is_its_settings_and_its_epochs(results):
    network, fitted = trainings(results)
    assert (network.name, fitted.name) == (NETWORK_RUN, FITTED_RUN)
    assert network.settings["recipe"] == '{"lr": 0.1}'
    assert network.points[1] == (
        18,
        {"stage": 2, "epoch": 2, "train_loss": 0.6, "dev_eer": 0.25, "lr": 0.2},
    )
    assert fitted.points == [(0, {"stage": 1, "epoch": 1, "dev_eer": 0.3, "lr": 0.0})]


def test_a_folder_without_trainings_is_refused(tmp_path, capsys):
    assert main(["track", str(tmp_path), "--to", "trackio"]) == 2
    assert "has no finished training; name the folder of a study" in capsys.readouterr().err
    # A typing error would be waited for in vain.
    assert main(["track", str(tmp_path / "mimi"), "--to", "trackio", "--follow"]) == 2
    assert "mimi: there is no such folder" in capsys.readouterr().err


class Notebook:
    """A tracker that keeps what it is given."""

    def __init__(self) -> None:
        self.steps: dict[str, list[int]] = {}
        self.closed: list[tuple[str, bool]] = []

    def begin(self, training: Training) -> int:
        return max(self.steps.setdefault(training.name, []), default=-1)

    def add(self, name: str, step: int, values: dict[str, float]) -> None:
        self.steps[name].append(step)

    def end(self, name: str, finished: bool) -> None:
        self.closed.append((name, finished))


def test_epochs_are_sent_once_while_they_come_also_after_a_kill(results, monkeypatch):
    notebook = Notebook()
    monkeypatch.setattr(trackers, "tracker_of", lambda name, project: notebook)
    made, work = results / "detectors/cnn-00000000/seed1", results / "work/cnn-00000000/seed1"
    network = made.rename(results / "later")
    work.mkdir(parents=True)
    (work / "history.tsv").write_text(HEADER)
    settings = {"type": "any"}
    meta = {"seed": 1, "recipe": {"lr": 0.1}}
    described = {**dict.fromkeys(("frontend", "backend", "input"), settings), "meta": meta}
    write_json(work / "training.json", described)

    assert len(trainings(results)) == 1
    (work / "history.tsv").write_text(HISTORY[: HISTORY.index("2\t2")])
    sending = Sending("trackio", "own")
    name, fitted = NETWORK_RUN, FITTED_RUN
    assert sending.send(trainings(results)) == [Sent(fitted, 1, True), Sent(name, 1, False)]
    assert sending.send(trainings(results)) == []
    # The next one starts after a kill: nothing was closed.
    sending = Sending("trackio", "own")
    assert sending.send(trainings(results)) == [Sent(fitted, 0, True)]
    sending.close()
    assert notebook.closed[-1] == (name, False)
    # Begun anew under the same run and seed, such as after an edit of the code.
    sending = Sending("trackio", "own")
    (work / "history.tsv").write_text(HISTORY.replace("0.7", "0.9"))
    anew = sending.send(trainings(results))[1]
    assert anew == Sent(anew.name, 2, False)
    assert anew.name.startswith("cnn-00000000 seed1 ")
    assert anew.name != name
    assert notebook.steps.pop(anew.name) == [9, 18]
    (work / "history.tsv").write_text(HISTORY[: HISTORY.index("2\t2")])
    network.rename(made)
    sending = Sending("trackio", "own")
    assert sending.send(trainings(results)) == [Sent(name, 1, True), Sent(fitted, 0, True)]
    assert notebook.steps == {name: [9, 18], fitted: [0]}
    assert notebook.closed[-2:] == [(name, True), (fitted, True)]
    assert sending.send(trainings(results)) == []


@pytest.mark.parametrize("name", TRACKERS.available())
def test_what_is_not_installed_is_named_with_the_way_out(name, results, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["track", str(results), "--to", name]) == 2
    assert f"{name} is not installed: `.venv/bin/python -m pip install {PACKAGES[name]}`" in (
        capsys.readouterr().err
    )


def test_trackers_are_the_extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert TRACKERS.available() == sorted(PACKAGES)
    assert {name: extras[name] for name in PACKAGES} == {k: [v] for k, v in PACKAGES.items()}


def test_trackio_has_what_it_was_given_once(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio")
    assert main(["track", str(results), "--to", "trackio"]) == 0
    assert capsys.readouterr().out.endswith(
        f"{NETWORK_RUN}: 2 epochs added\n{FITTED_RUN}: 1 epoch added\n"
    )
    assert main(["track", str(results), "--to", "trackio"]) == 0
    assert capsys.readouterr().out.count(": there already\n") == 2
    runs = {run.name: run for run in trackio.Api().runs("own")}
    assert runs[NETWORK_RUN].config["recipe"] == '{"lr": 0.1}'
    from trackio.sqlite_storage import SQLiteStorage

    rows = SQLiteStorage.get_logs("own", NETWORK_RUN)
    assert [(row["step"], row["dev_eer"]) for row in rows] == [(9, 0.4), (18, 0.25)]
