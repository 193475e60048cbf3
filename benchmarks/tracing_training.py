"""How many steps per second tracers are trained with, against a plain PyTorch loop.

    python benchmarks/tracing_training.py [--clips 1200] [--epochs 2] [--only REFD]

Both train the same back-end and head on the same kept features of noise: an AASIST head with
RegMixup (REFD) and a projection with GE2E. Ours goes through `training.loop`: seeded order,
history, checkpoints, an evaluation per epoch. The plain loop has the features in memory and does
nothing but steps. Two trainings of ours of different length are compared, so that the start
cancels. Files lie in a temporary folder. Run it on an idle machine.

On a busy machine with one thread it printed, with `--only REFD --clips 128 --epochs 1`, 0.23 steps
per CPU second, plain loop 0.26, ratio 1.14; with `--only GE2E --clips 1600 --epochs 3`, 89.52,
plain loop 199.92, ratio 2.23.
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from spoofscope import audio
from spoofscope.features import FeatureReader, extract
from spoofscope.frontends import registry as frontends
from spoofscope.identity import rng_of
from spoofscope.objectives.base import Step, Task
from spoofscope.objectives.heads import block_order
from spoofscope.objectives.tracing import Tracing
from spoofscope.tables import MANIFEST_COLUMNS, read_manifest, write_manifest
from spoofscope.training.data import Source
from spoofscope.training.loop import TrainingJob, train
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy

ATTACKS = 12
POLICY = InputPolicy(length=16000)
FRONTEND = {"type": "lfcc"}
SETTINGS: dict[str, dict[str, Any]] = {
    "REFD": {
        "backend": {"type": "aasist"},
        "objective": {"type": "cross_entropy", "regmixup": 0.5},
        "batch_size": 64,
    },
    "GE2E": {
        "backend": {"type": "projection"},
        "objective": {"type": "ge2e", "classes": 10, "clips": 4},
        "batch_size": 40,
    },
}


def write_clips(folder: Path, clips: int) -> Path:
    """Noise of one second; its manifest has a dev split of a tenth as many clips."""
    rng = np.random.default_rng(1)
    rows = []
    for split, n in (("train", clips), ("dev", max(ATTACKS, clips // 10))):
        for i in range(n):
            path = folder / f"{split}{i}.wav"
            audio.write(path, 0.1 * rng.standard_normal(16000).clip(-3, 3), 16000)
            row = (f"{split}{i}", str(path), split, "spoof", f"A{i % ATTACKS:02}", f"s{i % 9}", 1.0)
            rows.append((*row, 16000))
    manifest = folder / "manifest.tsv"
    write_manifest(manifest, pl.DataFrame(rows, MANIFEST_COLUMNS, orient="row"))
    return manifest


def ours(name: str, manifest: Path, readers: dict[str, FeatureReader], epochs: int) -> float:
    """CPU seconds of a training."""
    setting = SETTINGS[name]
    recipe = {"epochs": epochs, "batch_size": setting["batch_size"], "optimizer": "adam"}
    job = TrainingJob(
        objective=Tracing,
        frontend=FRONTEND,
        backend=setting["backend"],
        policy=POLICY,
        recipe=resolve_recipe(recipe),
        train=[Source(manifest, "train")],
        dev=[Source(manifest, "dev")],
        seed=1,
        train_features=readers["train"],
        dev_features=readers["dev"],
        options=setting["objective"],
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        train(job, Path(folder) / "network", Path(folder) / "work")
        return time.process_time() - start


def plain(name: str, manifest: Path, readers: dict[str, FeatureReader], epochs: int) -> float:
    """CPU seconds of as many epochs of steps, with all features in memory."""
    setting = SETTINGS[name]
    rows = read_manifest(manifest)
    split = {kind: rows.filter(pl.col("split") == kind) for kind in ("train", "dev")}
    objective = Tracing(
        Task(
            frontend=FRONTEND,
            backend=setting["backend"],
            policy=POLICY,
            train=split["train"],
            dev=split["dev"],
            train_from="train",
            dev_from="dev",
            class_weights="none",
            seed=1,
            options=setting["objective"],
        )
    )
    values = np.stack([readers["train"][utt_id][0] for utt_id in split["train"]["utt_id"]])
    features, targets = torch.from_numpy(values), torch.from_numpy(objective.targets)
    backend = objective.network.backend.train()
    optimizer = torch.optim.Adam(backend.parameters(), lr=1e-3)
    size = setting["batch_size"]
    start = time.process_time()
    for epoch in range(epochs):
        if name == "GE2E":
            order = block_order(objective.targets, (10, 4), rng_of("plain", epoch))
        else:
            order = rng_of("plain", epoch).permutation(len(features))
        for first in range(0, len(order) - size + 1, size):
            batch = torch.from_numpy(order[first : first + size])
            lengths = torch.full((size,), features.shape[2])
            step = objective.prepare(Step(features[batch], lengths, targets[batch]))
            loss = objective.loss(backend(step.values, step.lengths), step.targets, size)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.process_time() - start


def main() -> None:
    """Print steps per CPU second of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1200)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", choices=SETTINGS, help="one of the two trainings")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_clips(Path(folder), arguments.clips)
        readers = {}
        for split in ("train", "dev"):
            path = Path(folder) / f"{split}.safetensors"
            rows = read_manifest(manifest).filter(pl.col("split") == split)
            extract(frontends.build(FRONTEND), POLICY, rows, path)
            readers[split] = FeatureReader([path])
        for name in [arguments.only] if arguments.only else SETTINGS:
            setting = SETTINGS[name]
            steps = arguments.clips // setting["batch_size"] * arguments.epochs
            # The first training of a process loads what the others find loaded.
            ours(name, manifest, readers, 1)
            short = ours(name, manifest, readers, 1)
            mine = ours(name, manifest, readers, 1 + arguments.epochs) - short
            theirs = plain(name, manifest, readers, arguments.epochs)
            print(
                f"{name}: {steps / mine:.2f} steps per CPU second, plain loop "
                f"{steps / theirs:.2f}; ratio of CPU times {mine / theirs:.2f}"
            )


if __name__ == "__main__":
    main()
