"""Backbones on disk, and the cached output of frozen front-ends."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from spoofscope.errors import ConfigError
from spoofscope.feature_store import FeatureStore
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, OutsideFiles, Product, Stage, Work, rule, target
from spoofscope.plan.modules import component_modules
from spoofscope.study import Config, Study

NO_BACKBONES = "no front-end has a backbone that a job puts on disk (section `backbones`)"

_FILES = ("config.json", "model.safetensors")
# Says whether the samples are normalised.
_PREPROCESSOR = "preprocessor_config.json"


class Features(Stage):
    """What front-ends need, and what is kept of them."""

    def __init__(self, context: Context, data: Augmentation) -> None:
        super().__init__(context)
        self._data = data
        self._folders: dict[str, OutsideFiles] = {}

    @staticmethod
    def check(study: Study) -> None:
        """The folder of features that studies share."""
        place = study.config.get("feature_store")
        if place is not None and (not place.strip() or set("{}\n\r\t") & set(place)):
            raise ConfigError(
                f"feature_store: {place!r} is blank, or holds braces, which stand for wildcards in "
                "rules, a tab or a line break"
            )

    @cached_property
    def store(self) -> FeatureStore | None:
        """Where studies share features; None where this one does not."""
        place = self.study.config.get("feature_store")
        return None if place is None else FeatureStore(place)

    @cached_property
    def made_backbones(self) -> dict[str, Config]:
        """Id of every backbone of front-ends that a job puts on disk, to what determines it."""
        return {
            self.study.backbone_id(name): self.study.backbone_source(name)
            for name, entry in self.study.config["backbones"].items()
            if "folder" not in entry and "head" not in entry
        }

    @cached_property
    def ids(self) -> list[str]:
        """Ids of all features that are kept."""
        models = [*self.study.runs, *self.study.tracers]
        cached = (run for run in models if self.study.is_cached(run))
        return sorted({self.study.features_id(run) for run in cached})

    @rule()
    def backbone(self, backbone: str) -> Work:
        """Put a backbone on disk."""
        return Work(settings={"entry": self.made_backbones[backbone]})

    @target(absent=NO_BACKBONES)
    def backbones(self) -> list[Product]:
        """All models that front-ends run, on disk: from the model hub, or random ones."""
        return [
            self.backbone(name).product(f"{self.layout.backbone(name)}/{file}")
            for name in self.made_backbones
            for file in _FILES
        ]

    def of_backbone(self, frontend: Config, names: tuple[str, ...] = ()) -> list[Product]:
        """The files that a front-end's backbone is loaded from; none where it has none.

        Args:
            names: of the files; by default configuration and weights.
        """
        folder = frontend.get("backbone", {}).get("folder")
        if folder is None:
            return []
        paths = [f"{folder}/{name}" for name in names or _FILES]
        name_of = {self.layout.backbone(name): name for name in self.made_backbones}
        if folder in name_of:
            job = self.backbone(name_of[folder])
            return [job.product(path) for path in paths]
        if folder not in self._folders:
            files = sorted({*Path(folder).glob("*.json"), *Path(folder).glob("*.safetensors")})
            self._folders[folder] = OutsideFiles(self.outside, map(str, files))
        return [Product(path, self._folders[folder]) for path in paths]

    @rule()
    def extract_features(self, features: str, corpus: str, split: str, shard: str) -> Work:
        """Run a frozen front-end over one shard of a split."""
        settings = self.study.features(features)
        return Work(
            inputs={
                "backbone": self.of_backbone(settings["frontend"], (*_FILES, _PREPROCESSOR)),
                "manifest": self._data.manifest(corpus),
            },
            settings={"settings": settings, "shard": shard, "split": split},
            modules=component_modules(settings),
        )

    def stored(self, wildcards: Mapping[str, str]) -> dict[str, str | list[str]]:
        """Snakemake's inputs of the rule `reuse_features`: those of `extract_features`, where the
        store is likely to have what that would make; else a file that is not there, so that
        Snakemake takes the other rule.

        Features that the study has had before are of `extract_features`: something about them has
        changed if they are made again.
        """
        assert self.store is not None
        job = self.extract_features.job(dict(wildcards.items()))
        features, corpus, split, shard = job.values
        values = self.layout.features(features, corpus, split, shard, "safetensors")
        if os.path.lexists(values) or not self.store.expects(job.origin):
            return {"manifest": self.store.plan_file(f"{job.origin}.none")}
        return self.extract_features.inputs(wildcards)

    def shard(self, features: str, corpus: str, split: str, shard: str) -> list[Product]:
        """One shard of kept features: values and index."""
        job = self.extract_features(features, corpus, split, shard)
        return [
            job.product(self.layout.features(features, corpus, split, shard, suffix))
            for suffix in ("safetensors", "tsv")
        ]

    def shards(self, features: str, corpus: str, split: str) -> list[Product]:
        """Values and index of all shards of a split, the values first."""
        shards = [
            self.shard(features, corpus, split, shard) for shard in self.study.shard_names(split)
        ]
        return [values for values, _ in shards] + [index for _, index in shards]

    def values(self, features: str, corpus: str, split: str) -> list[str]:
        """The paths of the values of all shards of a split."""
        return [
            self.layout.features(features, corpus, split, shard, "safetensors")
            for shard in self.study.shard_names(split)
        ]
