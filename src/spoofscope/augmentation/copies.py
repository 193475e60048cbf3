"""Augmented copies of a corpus, stored as FLAC files with a manifest."""

import hashlib
import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import soundfile

from spoofscope.audio import read
from spoofscope.augmentation.chain import Chain, utterance_rng
from spoofscope.errors import AudioError, ConfigError, TableError
from spoofscope.files import atomic_path, file_stem, sha256_file
from spoofscope.identity import canonical_json, hash8
from spoofscope.recordings import portable_path
from spoofscope.tables import LABELS

_NEW_COLUMNS = ("source_utt", "augmentation")


class _Copy(NamedTuple):
    n_samples: int
    applied: str
    sha256: str


def make_copies(
    manifest: pl.DataFrame,
    chain: Chain,
    out_dir: Path,
    name: str,
    seed: int,
    workers: int = 1,
    segments: pl.DataFrame | None = None,
    made_by: str = "",
    classes: Sequence[str] = LABELS,
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Write an augmented copy of every utterance of a manifest.

    The copies depend on the sources, the chain, the name and the seed, and not on the number of
    workers. Every file carries what was done to it (and a key of what it was made from) in its
    comment field, so a run that was interrupted goes on where it stopped: a file that has the right
    key, and decodes to the very samples that were written, is kept.

    Args:
        manifest: the source utterances.
        chain: what to do with them; its sample rate is that of the copies.
        out_dir: folder of the copies, `{name}-{utt_id}.flac`.
        name: prefix of the new utterance ids.
        seed: of all random choices.
        workers: threads; decoding, filtering and codecs run outside the interpreter lock.
        segments: time labels of the sources, which stay valid.
        made_by: digest of what the arguments do not show: the code and the content of the noise.
            A copy that another one made is made again.
        classes: labels of the utterances that go through the chain; copies of others are the same
            signal, at the rate of the chain.

    Returns:
        The manifest of the copies in the order of the sources: all source columns, with new
        utt_id, path, duration (s), sample_rate and, where the sources have one, sha256, plus
        `source_utt` and `augmentation` (JSON list of the steps taken); and the segments with the
        new ids, or None.

    Raises:
        ConfigError: workers below 1, or segments with a chain that does not keep time.
        TableError: the manifest is empty or is already one of copies.
        AudioError: a source cannot be read, or the disk is full.
    """
    if workers < 1:
        raise ConfigError(f"copies {name}: workers must be 1 or more, got {workers}")
    if segments is not None and not segments.is_empty() and not chain.keeps_time:
        raise ConfigError(
            f"copies {name}: the corpus has segments, and the chain has an effect that changes "
            "their length, such as trim_silence; augment on the fly, or leave that effect out"
        )
    if manifest.is_empty():
        raise TableError(f"copies {name}: the manifest has no utterances")
    for column in _NEW_COLUMNS:
        if column in manifest.columns:
            raise TableError(
                f"copies {name}: the manifest already has a column {column!r}; "
                "copy the original corpus instead, with a longer chain"
            )
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    for leftover in out_dir.glob(".*.tmp.flac"):
        leftover.unlink()

    sources = manifest["utt_id"].to_list()
    ids = [f"{name}-{utt_id}" for utt_id in sources]
    paths = [out_dir / f"{file_stem(utt_id)}.flac" for utt_id in ids]
    changed = manifest["label"].is_in(list(classes)).to_list()
    one = partial(_make_copy, chain=chain, name=name, seed=seed, made_by=made_by)
    with ThreadPoolExecutor(workers) as pool:
        copies = list(pool.map(one, sources, manifest["path"].to_list(), paths, changed))

    rate = chain.sample_rate
    copied = manifest.with_columns(
        pl.Series("utt_id", ids),
        pl.Series("path", [portable_path(path) for path in paths]),
        pl.Series("duration", [copy.n_samples / rate for copy in copies], dtype=pl.Float64),
        pl.lit(rate, dtype=pl.Int64).alias("sample_rate"),
        pl.Series("source_utt", sources),
        pl.Series("augmentation", [copy.applied for copy in copies]),
    )
    if "sha256" in manifest.columns:
        copied = copied.with_columns(pl.Series("sha256", [copy.sha256 for copy in copies]))
    if segments is None:
        return copied, None
    own = segments.filter(pl.col("utt_id").is_in(sources))
    return copied, own.with_columns(
        pl.format("{}-{}", pl.lit(name), pl.col("utt_id")).alias("utt_id")
    )


def _make_copy(
    utt_id: str,
    source: str,
    path: Path,
    changed: bool,
    *,
    chain: Chain,
    name: str,
    seed: int,
    made_by: str,
) -> _Copy:
    recipe = [chain.steps if changed else [], chain.sample_rate, seed, name, utt_id, made_by]
    if not Path(source).is_file():
        raise AudioError(f"{source}: no such audio file")
    key = hash8([*recipe, sha256_file(source)])
    finished = _finished_copy(path, key)
    if finished is not None:
        return finished
    x, _ = read(source, chain.sample_rate)
    y, applied = chain(x, utterance_rng(seed, 0, f"{name}-{utt_id}")) if changed else (x, [])
    pcm = np.round(np.clip(y.astype(np.float64) * 32768.0, -32768, 32767)).astype(np.int16)
    content = _encoded(pcm, chain.sample_rate, key, applied)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return _Copy(y.size, canonical_json(applied), hashlib.sha256(content).hexdigest())


def _finished_copy(path: Path, key: str) -> _Copy | None:
    """A copy from an earlier run, or None when there is none, it was made from other things, or it
    is not what was written.
    """
    if not path.is_file():
        return None
    content = path.read_bytes()
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            made: dict[str, Any] = json.loads(file.comment)
            pcm = file.read(dtype="int16")
            rate = file.samplerate
        if made["key"] != key or made["samples"] != _hash(pcm):
            return None
        # Whatever else is damaged: the same samples and words give the same bytes.
        if content != _encoded(pcm, rate, key, made["applied"]):
            return None
    except (soundfile.SoundFileError, ValueError, KeyError, TypeError):
        return None
    applied = canonical_json(made["applied"])
    return _Copy(pcm.size, applied, hashlib.sha256(content).hexdigest())


def _hash(pcm: npt.NDArray[np.int16]) -> str:
    return hashlib.sha256(pcm.tobytes()).hexdigest()


def _encoded(pcm: npt.NDArray[np.int16], sample_rate: int, key: str, applied: Any) -> bytes:
    """A FLAC file that says what it was made from, what was done, and which samples it holds."""
    content = io.BytesIO()
    with soundfile.SoundFile(
        content, "w", samplerate=sample_rate, channels=1, subtype="PCM_16", format="FLAC"
    ) as file:
        file.comment = canonical_json({"key": key, "applied": applied, "samples": _hash(pcm)})
        file.write(pcm)
    return content.getvalue()
