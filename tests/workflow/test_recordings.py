"""Recordings are inputs: what is added, replaced or deleted makes stale what was made from it."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from checkout import TINY_STUDY, Checkout, clone

from spoofscope.identity import rng_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STUDY: dict[str, Any] = {
    **TINY_STUDY,
    "corpora": {
        "own": {"type": "folder", "path": "data/own"},
        "other": {"type": "folder", "path": "data/other"},
    },
    "noise": {"musan": {"path": "data/noise"}},
    "chains": {
        "street": [{"effect": "musan", "probability": 1, "categories": {"noise": [5, 15]}}]
    },
    "augmented": {"noisy": {"corpus": "other", "chain": "street", "splits": ["train"]}},
    "score": [{"corpus": "own", "splits": ["dev"]}],
    "detectors": {
        "lfcc_linear": {
            **TINY_STUDY["detectors"]["lfcc_linear"],
            "train": {
                "data": [{"corpus": "own"}],
                "recipe": {"epochs": 1, "lr": 1.0e-2, "batch_size": 8},
            },
        },
        "others": {
            "scores": [
                {
                    "corpus": "own",
                    "split": "dev",
                    "path": "data/scores.tsv",
                    "format": "tsv",
                    "higher": "bonafide",
                }
            ]
        },
    },
}
NAMES = [
    f"{split}/{place}/{name}.wav"
    for split in ("train", "dev", "eval")
    for place in ("bonafide", "spoof/synth")
    for name in ("a", "b")
]


def recording(path: Path, *seed: str) -> Path:
    """Noise of half a second; all files are of the same size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rng_of(*seed).uniform(-0.5, 0.5, 8000).astype(np.float32), 16000)
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Checkout:
    study = clone(tmp_path_factory.mktemp("recordings") / "checkout")
    for corpus in ("own", "other"):
        for name in NAMES:
            recording(study.folder / "data" / corpus / name, corpus, name)
    for name in ("street", "rain"):
        recording(study.folder / f"data/noise/musan/noise/free/{name}.wav", name)
    scores = [f"dev-{p}-{n}\t{i}.5" for i, (p, n) in enumerate(pairs())]
    (study.folder / "data/scores.tsv").write_text("utt_id\tscore\n" + "\n".join(scores) + "\n")
    study.write_study(STUDY)
    study.make("--configfile", "study.yaml", "--", "manifests", "scores", "audits")
    assert study.plan("--configfile", "study.yaml", "--", "manifests", "scores", "audits") == []
    return study


def pairs() -> list[tuple[str, str]]:
    return [(place, name) for place in ("bonafide", "spoof-synth") for name in ("a", "b")]


def stale(study: Checkout) -> tuple[set[str], str]:
    """Rules of a dry run with their corpora, and what was printed."""
    done = study.snakemake("-n", "--configfile", "study.yaml", "--", "manifests", "scores")
    assert done.returncode == 0, done.stdout[-4000:]
    from checkout import parse_plan

    jobs = parse_plan(done.stdout)
    return {f"{job.rule} {' '.join(job.wildcards.values())}".strip() for job in jobs}, done.stdout
