"""A training as the plan describes it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spoofscope.inputs import FeatureSource
from spoofscope.objectives.base import Objective
from spoofscope.tables import LABELS
from spoofscope.training.data import Augmentation, Source
from spoofscope.training.loop import TrainingJob
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy


def planned_job(
    cfg: Mapping[str, Any],
    objective: type[Objective],
    options: Mapping[str, Any],
    device: str,
    reader: Callable[[Sequence[str]], FeatureSource],
) -> TrainingJob:
    """The training that the settings of a job describe, see `plan.training.Training.work`.

    Args:
        cfg: the job's settings.
        objective: what the network is trained for.
        options: of the objective.
        device: "cpu" or "cuda".
        reader: opens cached features.
    """
    settings = cfg["settings"]
    augmentation = None
    if "chain" in settings:
        folders = {kind: Path(folder) for kind, folder in cfg["noise"].items()}
        chain = settings["chain"]
        augmentation = Augmentation(
            chain["steps"], folders, chain["seed"], tuple(chain.get("classes", LABELS))
        )
    return TrainingJob(
        objective=objective,
        frontend=settings["frontend"],
        backend=settings["backend"],
        policy=InputPolicy.from_dict(settings["input"]),
        recipe=resolve_recipe(settings["recipe"]),
        train=_sources(cfg, "train"),
        dev=_sources(cfg, "dev"),
        seed=cfg["seed"],
        device=device,
        train_features=_cached(cfg, "train", reader),
        dev_features=_cached(cfg, "dev", reader),
        augmentation=augmentation,
        code=cfg["code"],
        options=options,
    )


def _sources(cfg: Mapping[str, Any], split: str) -> list[Source]:
    return [
        Source(
            Path(cfg["manifests"][entry["corpus"]]),
            split,
            tuple(entry["attacks"]) if "attacks" in entry else None,
            tuple(entry.get("exclude_attacks", ())),
        )
        for entry in cfg[split]
    ]


def _cached(
    cfg: Mapping[str, Any], split: str, reader: Callable[[Sequence[str]], FeatureSource]
) -> FeatureSource | None:
    shards = cfg["features"].get(split)
    if not shards:
        return None
    return reader([path for paths in shards.values() for path in paths])
