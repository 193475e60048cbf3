"""The output of frozen front-ends, computed once and kept.

A shard is two files with the same stem:

* `.safetensors`: one tensor `values` (frames of all windows one after the other, C, D), and in the
  header's metadata, under `settings`, the front-end and the input policy that made it;
* `.tsv`: one row per window with the columns utt_id, window (0, 1, ...), start and valid (first
  sample in the clip and samples that are the clip's own), n_frames, offset (first frame in
  `values`).

The features are raw: what a front-end learns from a training set (`FrontEnd.fit`) is applied when
they are read, so one cache serves every training.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import safetensors
import torch

from spoofscope.errors import ConfigError, DetectorError, TableError
from spoofscope.files import atomic_path
from spoofscope.frontends.base import FrontEnd
from spoofscope.identity import canonical_json
from spoofscope.inputs import decoded_windows, feature_settings, policy_of
from spoofscope.tables import read_table, write_table
from spoofscope.windows import InputPolicy

_INDEX_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "window": pl.Int64(),
    "start": pl.Int64(),
    "valid": pl.Int64(),
    "n_frames": pl.Int64(),
    "offset": pl.Int64(),
}

# Room for the header of a shard, which is written last, when the number of frames is known.
_HEADER_BYTES = 1 << 14

_DTYPES: dict[str, tuple[str, type[np.floating[Any]]]] = {
    "single": ("F32", np.float32),
    "half": ("F16", np.float16),
}


class _Window(NamedTuple):
    utt_id: str
    number: int
    start: int
    valid: int
    values: npt.NDArray[np.float32]


def _batches(rows: pl.DataFrame, policy: InputPolicy, size: int) -> Iterator[list[_Window]]:
    """Consecutive windows of equal length, at most `size` at once."""
    batch: list[_Window] = []
    for utt_id, windows in decoded_windows(rows, policy):
        for number, values in enumerate(windows.values):
            if batch and (len(batch) == size or batch[0].values.size != values.size):
                yield batch
                batch = []
            start, valid = int(windows.starts[number]), int(windows.valid[number])
            batch.append(_Window(utt_id, number, start, valid, values))
    if batch:
        yield batch


def _write_header(
    stream: IO[bytes], tag: str, shape: list[int], n_bytes: int, settings: str
) -> None:
    # The safetensors format: header length (8 bytes, little endian), JSON padded with spaces, data.
    header = json.dumps(
        {
            "__metadata__": {"settings": settings},
            "values": {"dtype": tag, "shape": shape, "data_offsets": [0, n_bytes]},
        },
        sort_keys=True,
    ).encode()
    if len(header) > _HEADER_BYTES:
        raise ConfigError("the settings of the front-end are too long for a feature file's header")
    stream.seek(0)
    stream.write(struct.pack("<Q", _HEADER_BYTES) + header.ljust(_HEADER_BYTES))


def bytes_of_windows(frontend: FrontEnd, policy: InputPolicy, durations: Sequence[float]) -> int:
    """How much disc the kept features of clips need.

    Args:
        frontend, policy: as of :func:`extract`.
        durations: of the clips, seconds.
    """
    n_frames = sum(
        frontend.n_frames(length)
        for seconds in durations
        for length in policy.window_lengths(round(seconds * policy.sample_rate))
    )
    size = np.dtype(_DTYPES[frontend.options.precision][1]).itemsize
    return n_frames * frontend.n_channels * frontend.dim * size


def extract(
    frontend: FrontEnd,
    policy: InputPolicy,
    rows: pl.DataFrame,
    shard: str | Path,
    batch_size: int = 8,
    device: str = "cpu",
) -> None:
    """Run a frozen front-end over every window of every row and write a shard and its index.

    Memory holds one batch at a time, whatever the size of the corpus.

    Args:
        frontend: it is moved to `device` and put into evaluation mode. Its option `precision` is
            that of the stored values.
        policy: the detector's input policy; the front-end's own normalisation is added.
        rows: a manifest, or a part of one.
        shard: the `.safetensors` file; the index is written beside it as `.tsv`.
        batch_size: windows at once, all of one length.
        device: "cpu" or "cuda".

    Raises:
        ConfigError: the front-end is trained, or the policy does not fit it.
        AudioError: a file cannot be read.
    """
    if not frontend.frozen:
        raise ConfigError(
            f"front-end {frontend.name} has trained parameters, so its output cannot be cached; "
            "set fine_tune: none, or cache: none"
        )
    if rows.is_empty():
        raise TableError(f"{shard}: no utterances to extract features of")
    shard = Path(shard)
    policy = policy_of(frontend, policy)
    frontend.to(device).eval()
    tag, numpy_type = _DTYPES[frontend.options.precision]
    index: list[tuple[Any, ...]] = []
    offset = 0
    with atomic_path(shard) as temporary, open(temporary, "wb") as stream:
        stream.seek(8 + _HEADER_BYTES)
        for batch in _batches(rows, policy, batch_size):
            waveform = torch.from_numpy(np.stack([window.values for window in batch])).to(device)
            lengths = torch.full((len(batch),), waveform.shape[1], device=device)
            with torch.inference_mode():
                features = frontend.raw(waveform, lengths)
            frames = features.values.transpose(1, 2).contiguous().cpu().numpy()
            n_frames = int(features.lengths[0])
            for window, values in zip(batch, frames, strict=True):
                stream.write(values[:n_frames].astype(numpy_type).tobytes())
                index.append((*window[:4], n_frames, offset))
                offset += n_frames
        shape = [offset, frontend.n_channels, frontend.dim]
        n_bytes = stream.tell() - 8 - _HEADER_BYTES
        _write_header(
            stream, tag, shape, n_bytes, canonical_json(feature_settings(frontend, policy))
        )
    columns = pl.DataFrame(index, schema=_INDEX_COLUMNS, orient="row")
    write_table(shard.with_suffix(".tsv"), columns)


class FeatureReader:
    """Cached raw features of the utterances in some shards, read from disk when asked for.

    Attributes:
        settings: front-end and input policy that made them, see `detector.feature_settings`.
    """

    def __init__(self, shards: Iterable[str | Path]) -> None:
        """Open shards; only their indices are read.

        Raises:
            TableError: an index is missing or damaged, or an utterance is there twice.
            DetectorError: a shard is damaged, or the shards were made by different front-ends.
        """
        self.settings: dict[str, Any] = {}
        self._shards = [Path(shard) for shard in shards]
        self._windows: dict[str, tuple[Any, list[tuple[int, int]]]] = {}
        first: Path | None = None
        for shard in self._shards:
            values, settings = self._open(shard)
            if first is None:
                first, self.settings = shard, settings
            elif settings != self.settings:
                raise DetectorError(f"{first} and {shard} were made by different front-ends")
            self._add(shard, values)
        if first is None:
            raise DetectorError("a feature reader needs at least one shard")

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process opens the shards for itself.
        return FeatureReader, (self._shards,)

    @staticmethod
    def _open(shard: Path) -> tuple[Any, dict[str, Any]]:
        try:
            file: Any = safetensors.safe_open(shard, framework="numpy")
            return file.get_slice("values"), json.loads(file.metadata()["settings"])
        except FileNotFoundError:
            raise DetectorError(f"{shard}: no such feature file") from None
        except (safetensors.SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise DetectorError(f"{shard} is no feature file, or damaged: {error}") from error

    def _add(self, shard: Path, values: Any) -> None:
        index = read_table(shard.with_suffix(".tsv"), _INDEX_COLUMNS)
        n_frames = values.get_shape()[0]
        if index.is_empty() or index["offset"][-1] + index["n_frames"][-1] != n_frames:
            raise TableError(f"{shard.with_suffix('.tsv')} is not the index of {shard}")
        added: dict[str, list[tuple[int, int]]] = {}
        for row in index.iter_rows(named=True):
            window = (row["offset"], row["offset"] + row["n_frames"])
            added.setdefault(row["utt_id"], []).append(window)
        for utt_id, windows in added.items():
            if utt_id in self._windows:
                raise TableError(
                    f"{shard}: {utt_id!r} is in another feature shard, too; corpora that are used "
                    "together need different ids"
                )
            self._windows[utt_id] = (values, windows)

    def __getitem__(self, utt_id: str) -> list[npt.NDArray[np.float32]]:
        """The windows of one utterance, each float32 (C, N, D).

        Raises:
            TableError: it is in none of the shards.
        """
        if utt_id not in self._windows:
            raise TableError(f"utterance {utt_id!r} is in none of the feature shards")
        values, windows = self._windows[utt_id]
        return [
            np.ascontiguousarray(values[start:end].swapaxes(0, 1), dtype=np.float32)
            for start, end in windows
        ]
