"""Time-pooled hidden states, the input of linear probes of layers.

A shard is two files with the same stem: `.safetensors` with one tensor `values` (layers,
utterances, 2, D), float32: mean and standard deviation over all frames of an utterance; and `.tsv`
with the column utt_id, in the order of the tensor. That is 8 D bytes per utterance and layer, some
tens of kB for a base model, where the frames themselves take megabytes. Layers come first, so that
a probe reads only its own.
"""

import json
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import safetensors
import torch

from spoofscope.errors import ConfigError, DetectorError, TableError
from spoofscope.files import atomic_path
from spoofscope.frontends.base import FrontEnd
from spoofscope.identity import canonical_json
from spoofscope.inputs import (
    FeatureSource,
    Inputs,
    check_features,
    detector_inputs,
    feature_settings,
    policy_of,
)
from spoofscope.tables import read_table, write_table
from spoofscope.windows import InputPolicy

Floats = npt.NDArray[np.float32]

# Number of utterances that are read at once.
_BLOCK = 4096


def pool_shard(
    frontend: FrontEnd,
    policy: InputPolicy,
    rows: pl.DataFrame,
    shard: str | Path,
    *,
    features: FeatureSource | None = None,
    batch_size: int = 8,
    device: str = "cpu",
) -> None:
    """Pool every layer of every row over time, and write a shard and its index.

    The windows of an utterance are pooled together, a frame that two windows cover counting twice.
    The standard deviation is that of the frames (divided by their number). Memory holds
    `batch_size` utterances at a time, whatever the size of the corpus.

    Args:
        frontend: a frozen SSL front-end; it is moved to `device` and put into evaluation mode.
        policy: how clips become windows; the front-end's own normalisation is added.
        rows: a manifest, or a part of one.
        shard: the `.safetensors` file; the index is written beside it as `.tsv`.
        features: cached features of the rows, or None to run the backbone.
        batch_size: utterances, and at most so many windows at once, all of one length.
        device: "cpu" or "cuda".

    Raises:
        ConfigError: the front-end is trained, or the policy does not fit it.
        AudioError: a file cannot be read. TableError: there are no rows, or the features lack one.
        DetectorError: the features were made with other settings.
    """
    if not frontend.frozen:
        raise ConfigError(f"front-end {frontend.name} is trained; only frozen layers are probed")
    if rows.is_empty():
        raise TableError(f"{shard}: no utterances to pool")
    shard = Path(shard)
    policy = policy_of(frontend, policy)
    if features is not None:
        check_features(features, frontend, policy)
    frontend.to(device).eval()
    shape = (frontend.n_channels, rows.height, 2, frontend.dim)
    settings = canonical_json(feature_settings(frontend, policy))
    with atomic_path(shard) as temporary:
        offset = _write_header(temporary, shape, settings)
        values = np.memmap(temporary, np.dtype("<f4"), "r+", offset, shape)
        done = 0
        for group in _groups(detector_inputs(rows, policy, features), batch_size):
            for pooled in _pool(frontend, [w for _, w in group], batch_size, device):
                values[:, done] = pooled
                done += 1
        values.flush()
    write_table(shard.with_suffix(".tsv"), rows.select("utt_id"))


def _groups(inputs: Iterator[Inputs], size: int) -> Iterator[list[Inputs]]:
    group: list[Inputs] = []
    for entry in inputs:
        group.append(entry)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _write_header(path: Path, shape: Sequence[int], settings: str) -> int:
    """Lay out a safetensors file whose data are zero; returns the offset of its data in bytes."""
    n_bytes = 4 * int(np.prod(shape))
    header = json.dumps(
        {
            "__metadata__": {"settings": settings},
            "values": {"dtype": "F32", "shape": list(shape), "data_offsets": [0, n_bytes]},
        },
        sort_keys=True,
    ).encode()
    header = header.ljust(-(-len(header) // 8) * 8)
    with open(path, "wb") as stream:
        stream.write(struct.pack("<Q", len(header)) + header)
        stream.flush()
        # Allocate all of the file: on a full disk, writing to a map of it would kill the process.
        os.posix_fallocate(stream.fileno(), 0, 8 + len(header) + n_bytes)
    return 8 + len(header)


@torch.inference_mode()
def _pool(
    frontend: FrontEnd, clips: Sequence[Sequence[Floats]], batch_size: int, device: str
) -> Iterator[Floats]:
    """Mean and standard deviation (C, 2, D) of each clip, given as its windows."""
    windows = [(i, window) for i, clip in enumerate(clips) for window in clip]
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for number, (_, window) in enumerate(windows):
        by_shape.setdefault(window.shape, []).append(number)
    # Of each clip: frames, mean and variance of each of its windows.
    moments: list[list[tuple[int, Any, Any]]] = [[] for _ in clips]
    for members in by_shape.values():
        for start in range(0, len(members), batch_size):
            batch = members[start : start + batch_size]
            values = torch.from_numpy(np.stack([windows[i][1] for i in batch])).to(device)
            if values.dim() == 2:
                lengths = torch.full((len(batch),), values.shape[1], device=device)
                values = frontend.raw(values, lengths).values
            variance, mean = torch.var_mean(values, dim=2, correction=0)
            for i, m, v in zip(batch, mean.double(), variance.double(), strict=True):
                moments[windows[i][0]].append((values.shape[2], m, v))
    for parts in moments:
        n = sum(frames for frames, _, _ in parts)
        mean = sum(frames / n * m for frames, m, _ in parts)
        variance = sum(frames / n * (v + (m - mean) ** 2) for frames, m, v in parts)
        yield torch.stack([mean, variance.sqrt()], dim=1).float().cpu().numpy()


class Pooled:
    """The pooled layers of the utterances in some shards, read from disk block by block.

    Attributes:
        utt_ids: the utterances, in the order of the shards.
        layers: index of each hidden state; 0 is the input of the first transformer layer.
        dim: numbers per utterance and layer, 2 D: means, then standard deviations.
        settings: front-end and input policy that made them.
    """

    def __init__(self, shards: Iterable[str | Path]) -> None:
        """Open shards; only their indices are read.

        Raises:
            TableError: an index is missing or does not fit its shard.
            DetectorError: a shard is damaged, or the shards were made by different front-ends.
        """
        self.utt_ids: list[str] = []
        self.settings: dict[str, Any] = {}
        self._shards: list[Any] = []
        for shard in map(Path, shards):
            values, settings = _open(shard)
            if self._shards and settings != self.settings:
                raise DetectorError(f"{shard} was made by another front-end than those before it")
            index = read_table(shard.with_suffix(".tsv"), {"utt_id": pl.String()})["utt_id"]
            if index.len() != values.get_shape()[1]:
                raise TableError(f"{shard.with_suffix('.tsv')} is not the index of {shard}")
            self.settings = settings
            self.utt_ids += index.to_list()
            self._shards.append(values)
        if not self._shards:
            raise DetectorError("pooled layers are in at least one shard")
        n_layers, _, parts, dim = self._shards[0].get_shape()
        first = 0 if self.settings["frontend"]["embedding"] else 1
        self.layers = range(first, first + n_layers)
        self.dim = parts * dim

    def blocks(self, layer: int) -> Iterator[Floats]:
        """The utterances in their order, (n, dim) at a time, of the hidden state `layer`."""
        index = layer - self.layers.start
        for values in self._shards:
            n = values.get_shape()[1]
            for start in range(0, n, _BLOCK):
                block = values[index : index + 1, start : min(start + _BLOCK, n)]
                yield np.asarray(block, dtype=np.float32).reshape(-1, self.dim)


def _open(shard: Path) -> tuple[Any, dict[str, Any]]:
    try:
        file: Any = safetensors.safe_open(shard, framework="numpy")
        return file.get_slice("values"), json.loads(file.metadata()["settings"])
    except FileNotFoundError:
        raise DetectorError(f"{shard}: no such file of pooled layers") from None
    except (safetensors.SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise DetectorError(f"{shard} holds no pooled layers, or is damaged: {error}") from error
