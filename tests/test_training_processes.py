"""Training in two real processes on the CPU, with gloo between them."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
import torch

from noise_and_tones import write_corpus
from spoofscope import tables
from spoofscope.detector import Detector
from spoofscope.errors import AudioError, ConfigError, TrainingError
from spoofscope.features import FeatureReader, extract
from spoofscope.files import read_json, write_json
from spoofscope.frontends import registry
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.objectives.detection import Detection
from spoofscope.training.data import Source
from spoofscope.training.loop import HISTORY_COLUMNS, TrainingJob, train
from spoofscope.training.processes import train_in_processes
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy

pytestmark = pytest.mark.slow

torch.set_num_threads(1)

POLICY = InputPolicy(length=4000)
MHFA = {"type": "mhfa", "heads": 2, "compression": 8}
# Each process sees what it draws of both classes: the weights of a step differ between the two.
SHARED = {
    "sampler": "balanced",
    "class_weights": {"bonafide": 3.0, "spoof": 0.5},
    "accumulate": 2,
    "lr": 1.0e-3,
    "lr_frontend": 1.0e-4,
    "epochs": 2,
}
RECIPES: dict[str, dict[str, Any]] = {
    "joint": SHARED,
    # Frozen, and then not.
    "warm_up": {**SHARED, "stages": [{"freeze_frontend": True}, {}]},
}
# Batch normalisation and dropout: equal for the same number of processes only. Some of this one's
# parameters never get a gradient, which the other process must not wait for.
RAW: dict[str, Any] = {
    "frontend": {"type": "raw"},
    "backend": {"type": "raw_aasist", "variant": "light"},
}
KILLED = {"epochs": 4, "batch_size": 4, "checkpoint_minutes": 1e-9, "processes": 2, "lr": 1e-3}


def make_job(manifest: Path, recipe: dict[str, Any], **changes: Any) -> TrainingJob:
    settings: dict[str, Any] = {
        "frontend": {"type": "lfcc", "normalise": "global"},
        "backend": {"type": "linear"},
        "policy": POLICY,
        "recipe": resolve_recipe(recipe),
        "train": [Source(manifest, "train")],
        "dev": [Source(manifest, "dev")],
        "seed": 1,
    }
    return TrainingJob(objective=Detection, **{**settings, **changes})


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # An odd number on dev: a process that would fill up its half would count a trial twice.
    folder = tmp_path_factory.mktemp("corpus")
    return write_corpus(folder, {"train": 16, "dev": 5}, samples=(4000, 5000))


@pytest.fixture(scope="module")
def frontend(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny WavLM without dropout, whose draws would differ from process to process."""
    folder = tmp_path_factory.mktemp("backbone") / "wavlm"
    options = {"hidden_size": 16, "layers": 2, "heads": 2, "intermediate_size": 16, "conv_dim": 8}
    write_tiny_backbone(folder, "wavlm", options, 1)
    config = read_json(folder / "config.json")
    rates = {key: 0.0 for key in config if key.endswith("dropout")}
    write_json(folder / "config.json", {**config, **rates})
    return {
        "type": "ssl",
        "backbone": {"family": "wavlm", "folder": str(folder)},
        "fine_tune": "all",
    }


SCRIPT = """
import pickle, sys
import torch
from spoofscope.training.loop import train

torch.set_num_threads(1)
with open(sys.argv[1], "rb") as stream:
    for arguments in pickle.load(stream):
        train(*arguments)
"""


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, manifest: Path, frontend: dict[str, Any]
) -> Path:
    """Folders: of each recipe `one` (process) and `two` with half the batch; and `undisturbed`."""
    folder = tmp_path_factory.mktemp("trained")
    orders = []
    for name, recipe in RECIPES.items():
        ssl = {"frontend": frontend, "backend": MHFA}
        one = make_job(manifest, {**recipe, "batch_size": 4}, **ssl)
        train(one, folder / name / "one", folder / name / "work-one")
        two = make_job(manifest, {**recipe, "batch_size": 2, "processes": 2}, **ssl)
        orders.append((two, folder / name / "two", folder / name / "work-two"))
    raw = make_job(manifest, KILLED, **RAW)
    orders.append((raw, folder / "undisturbed", folder / "work"))
    (folder / "train.py").write_text(SCRIPT)
    (folder / "orders").write_bytes(pickle.dumps(orders))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [sys.executable, *torchrun, str(folder / "train.py"), str(folder / "orders")]
    subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    return folder


def history(folder: Path) -> pl.DataFrame:
    return tables.read_table(folder / "history.tsv", HISTORY_COLUMNS)


@pytest.mark.parametrize("name", RECIPES)
def test_two_processes_train_as_one_with_twice_the_batch(trained: Path, name: str) -> None:
    one, two = trained / name / "one", trained / name / "two"
    a, b = history(one), history(two)
    assert a["step"].to_list() == b["step"].to_list()
    for column in ("train_loss", "dev_loss", "dev_eer"):
        assert b[column].to_list() == pytest.approx(a[column].to_list(), abs=2e-6)
    states = [Detector.load(folder).state_dict() for folder in (one, two)]
    # The loss does not see these, so Adam moves them by the sign of rounding errors.
    blind = ("key.bias", "k_proj.bias")
    for key, tensor in states[0].items():
        if key.endswith(blind):
            continue
        torch.testing.assert_close(states[1][key], tensor, atol=1e-6, rtol=1e-5, msg=key)
    assert read_json(two / "detector.json")["meta"]["recipe"]["processes"] == 2


# --- the processes that a recipe asks for --------------------------------------------------------


def same_files(a: Path, b: Path) -> bool:
    names = sorted(path.name for path in a.iterdir())
    return names == sorted(path.name for path in b.iterdir()) and all(
        (a / name).read_bytes() == (b / name).read_bytes() for name in names
    )


def finished_epochs(work: Path) -> int:
    resume = work / "resume.pt"
    return int(torch.load(resume)["progress"]["epochs"]) if resume.exists() else 0


def test_kill_9_ends_all_processes_and_the_rerun_resumes(
    tmp_path: Path, manifest: Path, trained: Path
) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    job = make_job(manifest, KILLED, **RAW)
    (tmp_path / "job").write_bytes(pickle.dumps((job, out, work)))
    code = "import pickle, sys; from spoofscope.training.processes import train_in_processes; "
    code += "train_in_processes(*pickle.load(open(sys.argv[1], 'rb')))"
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "job")])
    while finished_epochs(work) == 0:
        assert parent.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(parent.pid).children()
    assert len(workers) == 2
    parent.send_signal(signal.SIGKILL)
    assert parent.wait() == -signal.SIGKILL
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
    assert not out.exists()
    assert finished_epochs(work) < KILLED["epochs"]

    train_in_processes(job, out, work)
    assert same_files(out, trained / "undisturbed")
    assert not [path for path in work.iterdir() if path.suffix in (".pt", ".safetensors", ".tmp")]


def test_a_process_that_fails_ends_the_training_with_its_message(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path / "c", {"train": 8, "dev": 4}, samples=(4000, 6000))
    features = tmp_path / "f.safetensors"
    extract(registry.build({"type": "lfcc"}), POLICY, tables.read_manifest(manifest), features)
    # One of the two meets the file; the other waits for its gradients.
    (tmp_path / "c" / "train5.wav").unlink()
    recipe = {"epochs": 1, "batch_size": 4, "processes": 2, "cache_audio_mb": 0}
    job = make_job(
        manifest, recipe, frontend={"type": "lfcc"}, dev_features=FeatureReader([features])
    )
    before = psutil.Process().children()
    with pytest.raises(AudioError, match=r"train5\.wav"):
        train_in_processes(job, tmp_path / "out", tmp_path / "work")
    assert not (tmp_path / "out").exists()
    assert psutil.Process().children() == before


def test_processes_that_do_not_fit_are_refused(tmp_path: Path, manifest: Path) -> None:
    job = make_job(manifest, {"processes": 2})
    with pytest.raises(ConfigError, match="processes is 2, but 1 were started"):
        train(job, tmp_path / "d", tmp_path / "w")
    many = make_job(manifest, {"processes": 99}, device="cuda")
    with pytest.raises(TrainingError, match=r"processes is 99, but PyTorch sees \d GPU"):
        train_in_processes(many, tmp_path / "d", tmp_path / "w")
