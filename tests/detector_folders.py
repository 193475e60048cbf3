"""Folders with a `detector.json` as a training writes it, and nothing else."""

from pathlib import Path
from typing import Any

from spoofscope.settings import POLARITY, write_settings

DETECTOR: dict[str, Any] = {
    "aggregate": {"method": "mean"},
    "backbone": None,
    "backend": {"type": "linear"},
    "calibration": None,
    "frontend": {"type": "lfcc"},
    "input": {"length": 16000},
    "meta": {"trained_on": [{"manifest": "results/else/manifests/la.tsv"}]},
    "outputs": ["bonafide"],
    "polarity": POLARITY,
    "reference": False,
    "weights_sha256": "0" * 64,
}


def write_detector(folder: Path, **told: Any) -> Path:
    """Write `DETECTOR`, with other values of some keys; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(folder, {**DETECTOR, **told})
    return folder / "detector.json"
