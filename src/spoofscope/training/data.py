"""The training and development sets: rows, audio in memory, items and batches."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor
from torch.utils.data import Dataset

from spoofscope.audio import Samples
from spoofscope.augmentation.chain import Chain, utterance_rng
from spoofscope.errors import TrainingError
from spoofscope.files import sha256_file
from spoofscope.identity import rng_of
from spoofscope.inputs import FeatureSource
from spoofscope.tables import LABELS, read_manifest, rows_of_source
from spoofscope.windows import InputPolicy

_LOGGER = logging.getLogger(__name__)
_DESCRIBED_CLIPS = 100


@dataclass(frozen=True)
class Source:
    """One part of a training or development set.

    Attributes:
        manifest: the table.
        split: the rows of this split.
        attacks: only spoofs of these attacks; bona fide rows always stay. None takes all.
        exclude_attacks: no spoofs of these attacks.
    """

    manifest: Path
    split: str
    attacks: tuple[str, ...] | None = None
    exclude_attacks: tuple[str, ...] = ()

    def rows(self) -> pl.DataFrame:
        """The rows that belong to this source.

        Raises:
            TableError: the manifest is broken, or an attack is not in it.
            TrainingError: the split is empty.
        """
        manifest = read_manifest(self.manifest)
        if self.split not in manifest["split"]:
            raise TrainingError(f"{self.manifest} has no utterances in split {self.split!r}")
        return rows_of_source(
            manifest, self.split, str(self.manifest), self.attacks, self.exclude_attacks
        )

    def describe(self) -> dict[str, Any]:
        """What the detector records about this source."""
        labels = self.rows()["label"]
        return {
            "manifest": str(self.manifest),
            "sha256": sha256_file(self.manifest),
            "split": self.split,
            "attacks": None if self.attacks is None else list(self.attacks),
            "exclude_attacks": list(self.exclude_attacks),
            "n_bonafide": int((labels == "bonafide").sum()),
            "n_spoof": int((labels == "spoof").sum()),
        }


def named(sources: Sequence[Source]) -> str:
    """Manifests and splits of sources, for messages."""
    return ", ".join(f"{source.manifest} ({source.split})" for source in sources)


def load_rows(sources: Sequence[Source], purpose: str) -> pl.DataFrame:
    """utt_id, path, label, attack, speaker, duration (s) and is_copy of all sources in turn.

    Raises:
        TrainingError: there is no source, or an id is in two of them.
    """
    if not sources:
        raise TrainingError(f"the {purpose} set has no source")
    columns = ["utt_id", "path", "label", "attack", "speaker", "duration"]
    rows = pl.concat(
        [
            # Copies that augmentation made say which recording they are of.
            rows.select(*columns, pl.lit("source_utt" in rows.columns).alias("is_copy"))
            for rows in (source.rows() for source in sources)
        ]
    )
    names = named(sources)
    twice = rows.filter(pl.col("utt_id").is_duplicated())
    if not twice.is_empty():
        first = twice.filter(pl.col("utt_id") == twice["utt_id"][0])
        raise TrainingError(
            f"{names}: utterance {first['utt_id'][0]!r} is in two of them "
            f"({', '.join(first['path'].unique(maintain_order=True))}); name a source once, or, "
            "where corpora name their files alike, put those of one into a subfolder of its class "
            "folders (its name becomes a part of the ids), or give a table with a column utt_id"
        )
    return rows


def described_rows(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """At most 100 rows of each class, drawn by the seed: enough to say what a set looks like.

    Of copies that augmentation made there are none, unless a class has nothing else: noise that
    was added to hide what does not matter would hide strangers, too.
    """
    chosen: list[str] = []
    for label in LABELS:
        of_class = rows.filter(pl.col("label") == label)
        originals = of_class.filter(~pl.col("is_copy"))
        ids = (of_class if originals.is_empty() else originals)["utt_id"].sort()
        places = rng_of("described", seed, label).permutation(ids.len())[:_DESCRIBED_CLIPS]
        chosen += ids[places.tolist()].to_list()
    return rows.filter(pl.col("utt_id").is_in(chosen))


def load_audio_cache(
    rows: pl.DataFrame, policy: InputPolicy, limit_mb: float, threads: int
) -> dict[str, Samples]:
    """Decode all clips of a manifest into memory, if they fit.

    Args:
        rows: with utt_id, path and duration (s).
        policy: the detector's input policy.
        limit_mb: the most that the samples may take, in 10^6 bytes.
        threads: decoders at once.

    Returns:
        utt_id to samples (n,), or an empty dict where they do not fit.

    Raises:
        AudioError: a file cannot be read, or the policy refuses it.
    """
    needed = float(rows["duration"].sum()) * policy.sample_rate * 4 / 1e6
    if needed > limit_mb:
        _LOGGER.info(
            "decoded audio would take %.0f MB, more than cache_audio_mb (%.0f): files are decoded "
            "each time they are needed",
            needed,
            limit_mb,
        )
        return {}
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        clips = pool.map(policy.read, rows["path"])
        return dict(zip(rows["utt_id"], clips, strict=True))


def training_window(
    clip: Samples, policy: InputPolicy, crop: str, rng: np.random.Generator
) -> Samples:
    """The window of a clip that a training step sees.

    Args:
        clip: (n,) at the policy's rate.
        policy: the detector's input policy.
        crop: "start" takes the policy's first window; "random" lets it start anywhere.
        rng: for the start.

    Returns:
        A window (length,), or the whole clip for a policy without length.
    """
    if crop == "start" or policy.length is None or clip.size <= policy.length:
        return policy.windows(clip).values[0]
    if policy.normalize:
        # The policy normalises whole clips, before they are cut.
        clip = replace(policy, length=None, hop=None, min_samples=1).windows(clip).values[0]
    start = int(rng.integers(clip.size - policy.length + 1))
    return clip[start : start + policy.length]


class Item(NamedTuple):
    """One training example: a waveform (n,) or raw features (C, N, D), the number of its class,
    and whose it is."""

    values: npt.NDArray[np.float32]
    target: int
    utt_id: str


class Batch(NamedTuple):
    """Examples in one tensor.

    values: (B, n_samples) or (B, C, N, D), zero-padded. lengths: (B,) int64 samples or frames.
    targets: (B,) int64, numbers of classes. utt_ids: B names.
    """

    values: Tensor
    lengths: Tensor
    targets: Tensor
    utt_ids: list[str]


def collate(items: list[Item]) -> Batch:
    """Pad examples to the longest of them along samples or frames."""
    is_waveform = items[0].values.ndim == 1
    axis = 0 if is_waveform else 1
    lengths = [item.values.shape[axis] for item in items]
    shape = list(items[0].values.shape)
    shape[axis] = max(lengths)
    values = np.zeros((len(items), *shape), dtype=np.float32)
    for row, item, length in zip(values, items, lengths, strict=True):
        if is_waveform:
            row[:length] = item.values
        else:
            row[:, :length] = item.values
    return Batch(
        torch.from_numpy(values),
        torch.tensor(lengths, dtype=torch.int64),
        torch.tensor([item.target for item in items], dtype=torch.int64),
        [item.utt_id for item in items],
    )


@dataclass(frozen=True)
class Augmentation:
    """On-the-fly augmentation: the steps of a chain, its noise folders, its seed, and the classes
    whose clips go through it."""

    steps: Sequence[Mapping[str, Any]]
    sources: Mapping[str, Path]
    seed: int
    classes: tuple[str, ...] = LABELS


class TrainingItems(Dataset[Item]):
    """The training examples of one epoch, by row number.

    What an example looks like depends on the seed, the epoch and its utt_id, and on nothing else.
    """

    def __init__(
        self,
        rows: pl.DataFrame,
        policy: InputPolicy,
        crop: str,
        seed: int,
        *,
        targets: npt.NDArray[np.int64],
        features: FeatureSource | None = None,
        clips: Mapping[str, Samples] | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        self._utt_ids = rows["utt_id"].to_list()
        self._paths = rows["path"].to_list()
        self._targets = targets.tolist()
        self._policy, self._crop, self._seed = policy, crop, seed
        self._features, self._clips = features, clips or {}
        self._chain: Chain | None = None
        if augmentation is not None:
            self._chain = Chain(augmentation.steps, augmentation.sources, policy.sample_rate)
            self._chain_seed = augmentation.seed
            self._changed = rows["label"].is_in(augmentation.classes).to_list()
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._utt_ids)

    def __getitem__(self, index: int) -> Item:
        utt_id = self._utt_ids[index]
        rng = rng_of("crop", self._seed, self.epoch, utt_id)
        if self._features is not None:
            windows = self._features[utt_id]
            number = int(rng.integers(len(windows))) if self._crop == "random" else 0
            return Item(windows[number], self._targets[index], utt_id)
        clip = self._clips.get(utt_id)
        if clip is None:
            clip = self._policy.read(self._paths[index])
        if self._chain is not None and self._changed[index]:
            clip, _ = self._chain(clip, utterance_rng(self._chain_seed, self.epoch, utt_id))
        window = training_window(clip, self._policy, self._crop, rng)
        return Item(window, self._targets[index], utt_id)


def plan_steps(
    order: npt.NDArray[np.int64], batch_size: int, accumulate: int, process: int, n_processes: int
) -> list[list[list[int]]]:
    """The optimiser steps of an epoch: for each, this process's batches of row numbers.

    Every process follows the same order and takes its share of every step, so a sampler balances
    the classes over all processes together. Rows beyond the last full step are left out (they are
    others in every epoch), unless there is no full step: then one step takes all rows.

    Raises:
        TrainingError: there are fewer rows than processes.
    """
    if order.size < n_processes:
        raise TrainingError(f"{order.size} training utterances for {n_processes} processes")
    step_size = batch_size * accumulate * n_processes
    if order.size < step_size:
        step_size = order.size - order.size % n_processes
    steps = []
    for start in range(0, order.size - step_size + 1, step_size):
        row_numbers = order[start + process : start + step_size : n_processes].tolist()
        batches = range(0, len(row_numbers), batch_size)
        steps.append([row_numbers[i : i + batch_size] for i in batches])
    return steps
