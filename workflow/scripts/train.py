"""Train one detector with one seed."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    import torch

    from spoofscope.features import FeatureReader
    from spoofscope.objectives.detection import Detection
    from spoofscope.training.data import Augmentation, Source
    from spoofscope.training.loop import TrainingJob
    from spoofscope.training.processes import train_in_processes
    from spoofscope.training.recipe import resolve_recipe
    from spoofscope.windows import InputPolicy

    torch.set_num_threads(snakemake.threads)

    def sources(entries, split):
        return [
            Source(
                Path(cfg["manifests"][entry["corpus"]]),
                split,
                tuple(entry["attacks"]) if "attacks" in entry else None,
                tuple(entry.get("exclude_attacks", ())),
            )
            for entry in entries
        ]

    def cached(split):
        shards = cfg["features"].get(split)
        return (
            FeatureReader([path for paths in shards.values() for path in paths]) if shards else None
        )

    settings = cfg["settings"]
    augmentation = None
    if "chain" in settings:
        folders = {kind: Path(folder) for kind, folder in cfg["noise"].items()}
        augmentation = Augmentation(settings["chain"]["steps"], folders, settings["chain"]["seed"])
    train_in_processes(
        TrainingJob(
            objective=Detection,
            frontend=settings["frontend"],
            backend=settings["backend"],
            policy=InputPolicy.from_dict(settings["input"]),
            recipe=resolve_recipe(settings["recipe"]),
            train=sources(cfg["train"], "train"),
            dev=sources(cfg["dev"], "dev"),
            seed=cfg["seed"],
            device="cuda" if torch.cuda.is_available() else "cpu",
            train_features=cached("train"),
            dev_features=cached("dev"),
            augmentation=augmentation,
            code=cfg["code"],
            options={key: settings[key] for key in ("aggregate", "abstain") if key in settings},
        ),
        cfg["folder"],
        cfg["work"],
    )
