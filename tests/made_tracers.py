"""A small tracer of noises, in the folder in which a training keeps one."""

from pathlib import Path

import numpy as np
import torch

from spoofscope import audio
from spoofscope.files import read_json
from spoofscope.ood.base import Outputs
from spoofscope.settings import NETWORK_FILE
from spoofscope.tracer import Tracer
from spoofscope.tracing.fitted import Clips, fit
from spoofscope.windows import InputPolicy

FAMILIES = {"bonafide": "-", "A": "vits", "B": "vits", "C": "xtts"}
UNKNOWN = "X"
_FILTERS = {
    "bonafide": (1.0, 0.0, -0.9),
    "A": (1.0,),
    "B": (1.0, 0.9),
    "C": (1.0, -0.9),
    UNKNOWN: (1.0, 0, 0, 0, 0, 0, 0.95),
}


def sound(attack: str, number: int, seconds: float = 1.0) -> np.ndarray:
    """Noise (n,) at 16 kHz, filtered as this attack does."""
    rng = np.random.default_rng(number)
    noise = 0.05 * rng.standard_normal(round(seconds * 16000))
    return np.convolve(noise, _FILTERS[attack])[: noise.size].astype(np.float32)


def make_tracer(
    folder: Path, classes: tuple[str, ...] = ("A", "B", "C"), n_dev: int = 8, hostile: str = ""
) -> Path:
    """Write a tracer, and its training clips below `clips` beside it.

    Args:
        folder: of the tracer.
        classes: a part of `FAMILIES`.
        n_dev: development clips of each class.
        hostile: begins the ids of training clips.
    """
    trained = [(name, number) for name in classes for number in range(8)]
    numbers = np.array([classes.index(name) for name, _ in trained])
    network = Tracer(
        {"type": "lfcc"},
        {"type": "linear", "layer": "last"},
        InputPolicy(length=8000),
        classes,
        {"type": "nearest", "k": 3},
        {"n_clips": len(trained)},
    )

    def outputs(clips: list[tuple[str, int]]) -> Outputs:
        windows = [sound(*clip)[:8000] for clip in clips]
        return Outputs(*network.split(network.logits(windows, 8)))

    vectors = torch.from_numpy(outputs(trained).vectors.copy())
    network.backend.head.fit(vectors, torch.from_numpy(numbers))
    dev = [(name, 100 + i) for name in classes for i in range(n_dev)]
    unknown = [(UNKNOWN, 100 + i) for i in range(8)]
    paths = []
    for name, number in trained:
        paths.append(f"clips/{name}{number}.wav")
        (folder.parent / "clips").mkdir(parents=True, exist_ok=True)
        audio.write(folder.parent / paths[-1], sound(name, number), 16000)
    fitted = fit(
        Clips(
            [f"{hostile}{name}{number}" for name, number in trained],
            paths,
            numbers,
            outputs(trained),
        ),
        outputs(dev + unknown),
        np.array([classes.index(name) for name, _ in dev] + [-1] * len(unknown)),
        dev_unknown=[UNKNOWN],
        classes=classes,
        families=[FAMILIES[name] for name in classes],
        languages=["-"],
        ood={"knn": {"type": "knn", "k": 1}, "msp": {"type": "msp", "as_published": False}},
        decide_by="knn",
        threshold="eer",
        accept_known=0.95,
        where="dev",
        name="t",
    )
    (folder / "network").mkdir(parents=True)
    network.write_into(folder / "network")
    fitted.write_into(folder, read_json(folder / "network" / NETWORK_FILE)["settings_sha256"])
    return folder
