"""Linear probes: how well each layer alone separates bona fide from spoof.

A probe is one logistic regression per layer on time-pooled features (Alain and Bengio,
"Understanding intermediate layers using linear classifier probes", 2016). Unlike the weights of a
learned mix, a probe's error rate measures the information in a layer independently of the others.
"""

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.layers.pooling import Pooled
from spoofscope.metrics.rates import eer
from spoofscope.metrics.tables import evaluate
from spoofscope.names import MACRO
from spoofscope.options.layers import ProbeOptions
from spoofscope.tables import LABELS, read_manifest, rows_of_source

_LOGGER = logging.getLogger(__name__)

COLUMNS: dict[str, pl.DataType] = {
    "probe": pl.String(),
    "layer": pl.Int64(),
    "corpus": pl.String(),
    "split": pl.String(),
    "condition": pl.String(),
    "level": pl.String(),
    "eer": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    "c": pl.Float64(),
    "dev_eer": pl.Float64(),
    "n_train": pl.Int64(),
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trials:
    """A set of trials and the pooled layers of its corpus and split.

    trials: utt_id, label and the columns of conditions and clusters; some of the utterances in
    `pooled`, in any order.
    """

    corpus: str
    split: str
    trials: pl.DataFrame
    pooled: Pooled

    @functools.cached_property
    def positions(self) -> npt.NDArray[np.int64]:
        """The position of each trial in `pooled`.

        Raises:
            TableError: a trial is not in `pooled`.
        """
        place = {utt_id: i for i, utt_id in enumerate(self.pooled.utt_ids)}
        missing = [utt_id for utt_id in self.trials["utt_id"] if utt_id not in place]
        if missing:
            raise TableError(
                f"{self.corpus}, {self.split}: {len(missing)} utterances have no pooled layers, "
                f"e.g. {missing[0]!r}"
            )
        return np.array([place[utt_id] for utt_id in self.trials["utt_id"]], dtype=np.int64)

    @functools.cached_property
    def bonafide(self) -> npt.NDArray[np.bool_]:
        """Whether each trial is bona fide."""
        return (self.trials["label"] == "bonafide").to_numpy()


def read_trials(
    corpus: str,
    split: str,
    manifest: str,
    pooled: Sequence[str],
    attacks: Sequence[str] | None = None,
    exclude_attacks: Sequence[str] = (),
) -> Trials:
    """The trials of a split, or those of some attacks and all of its bona fide.

    Args:
        corpus: its name.
        split: one of its splits.
        manifest: its manifest.
        pooled: shards of the split's pooled layers.
        attacks: spoofs of these alone; None takes all.
        exclude_attacks: no spoofs of these.

    Raises:
        TableError: an attack is none of the split's; as `tables.read_manifest` and `Pooled`.
    """
    rows = rows_of_source(read_manifest(manifest), split, manifest, attacks, exclude_attacks)
    return Trials(corpus, split, rows, Pooled(pooled))


class _Intervals(NamedTuple):
    resamples: int
    seed: int
    cluster: str | None


def probe_layers(
    name: str,
    train: Sequence[Trials],
    dev: Sequence[Trials],
    tests: Sequence[Trials],
    options: ProbeOptions,
    *,
    seed: int,
    conditions: Sequence[str] = (),
    resamples: int = 1000,
    cluster: str | None = None,
) -> pl.DataFrame:
    """Fit one logistic regression per layer on train, choose its C on dev, test it.

    Features are standardised with mean and standard deviation of the training utterances. Both
    classes weigh the same. The optimisation (L-BFGS) starts from zero and is deterministic: the
    seed only draws the training utterances, where there are more than `options.utterances`, and
    the resamples behind the intervals.

    Args:
        name: of the probe.
        train: the training trials, with both classes.
        dev: the trials on which C is chosen.
        tests: the trials of the EERs; sets of one class have no EER and are left out.
        options: see :class:`ProbeOptions`.
        seed: the study's.
        conditions: columns by which the EERs are broken down, as `metrics.tables.evaluate` does;
            sets without such a column are not.
        resamples: behind the 95 % intervals; 0 leaves them empty.
        cluster: column whose values are resampled as wholes, as in `metrics.tables.evaluate`.

    Returns:
        probe, layer, corpus, split, condition, level, eer, ci_low, ci_high, n_bonafide, n_spoof,
        c, dev_eer, n_train; pooled EERs have the condition "pooled" and the level "-".

    Raises:
        TableError: no utterance, or none of a class, is trained on, in dev or in all tests; an
            utterance has no pooled layers.
    """
    tests = [entry for entry in tests if entry.trials["label"].n_unique() == len(LABELS)]
    for sets, purpose in ((train, "train"), (dev, "dev"), (tests, "test")):
        labels = {label for entry in sets for label in entry.trials["label"].unique()}
        if labels != set(LABELS):
            raise TableError(f"probe {name}: its {purpose} set needs utterances of both classes")
    picked = _pick(train, options.utterances, seed, name)
    chosen = list(zip(train, picked, strict=True))
    bonafide = np.concatenate([entry.bonafide[members] for entry, members in chosen])
    intervals = _Intervals(resamples, seed, cluster)
    rows: list[dict[str, Any]] = []
    for layer in train[0].pooled.layers:
        values = np.concatenate(
            [_rows(entry.pooled, layer, entry.positions[members]) for entry, members in chosen]
        )
        weights, bias, c, dev_eer = _fit(values, bonafide, layer, dev, options)
        _LOGGER.info("layer %d: C = %g, EER on dev %.4f", layer, c, dev_eer)
        fitted = {"layer": layer, "c": c, "dev_eer": dev_eer, "n_train": len(bonafide)}
        for entry in tests:
            scored = entry.trials.with_columns(score=_scores(entry, layer, weights, bias))
            of_set = {"probe": name, "corpus": entry.corpus, "split": entry.split, **fitted}
            available = [by for by in conditions if set(by.split("+")) <= set(scored.columns)]
            rows += [{**of_set, **row} for row in _error_rates(scored, available, intervals)]
    return pl.DataFrame(rows, schema=COLUMNS)


def _pick(sets: Sequence[Trials], limit: int, seed: int, name: str) -> list[npt.NDArray[np.int64]]:
    """The rows of each set for training: all, or `limit`, with half of them of each class if there
    are enough.
    """
    labels = np.concatenate([entry.bonafide for entry in sets])
    classes = [np.flatnonzero(labels), np.flatnonzero(~labels)]
    if labels.size > limit:
        rng = rng_of(seed, "probe", name)
        sizes = [max(limit // 2, limit - other.size) for other in reversed(classes)]
        classes = [
            members if members.size <= size else rng.choice(members, size, replace=False)
            for members, size in zip(classes, sizes, strict=True)
        ]
    chosen = np.sort(np.concatenate(classes))
    ends = np.cumsum([entry.trials.height for entry in sets])
    parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    return [part - (end - e.trials.height) for part, end, e in zip(parts, ends, sets, strict=True)]


def _rows(pooled: Pooled, layer: int, positions: npt.NDArray[np.int64]) -> Floats:
    """Pooled features (n, dim) of the utterances at `positions`."""
    values = np.empty((positions.size, pooled.dim))
    start = 0
    for block in pooled.blocks(layer):
        inside = (positions >= start) & (positions < start + len(block))
        values[inside] = block[positions[inside] - start]
        start += len(block)
    return values


def _fit(
    values: Floats,
    bonafide: npt.NDArray[np.bool_],
    layer: int,
    dev: Sequence[Trials],
    options: ProbeOptions,
) -> tuple[Floats, float, float, float]:
    """Weights and bias for unscaled features, C, and the EER on dev; `values` is overwritten."""
    from sklearn.linear_model import LogisticRegression

    mean, sd = values.mean(axis=0), values.std(axis=0)
    # A constant dimension has no information; standardised, it is zero throughout.
    sd[sd == 0] = 1.0
    values -= mean
    values /= sd
    dev_bonafide = np.concatenate([entry.bonafide for entry in dev])
    # Each strength starts from the solution of the one before, the strongest penalty from zero.
    model = LogisticRegression(class_weight="balanced", warm_start=True, max_iter=5000)
    best: tuple[Floats, float, float, float] | None = None
    for c in sorted(options.regularisation):
        model.set_params(C=c).fit(values, bonafide)
        weights = model.coef_[0] / sd
        bias = float(model.intercept_[0] - mean @ weights)
        scores = np.concatenate([_scores(entry, layer, weights, bias) for entry in dev])
        error = eer(scores[dev_bonafide], scores[~dev_bonafide]).value
        if best is None or error < best[3]:
            best = (weights, bias, c, error)
    assert best is not None
    return best


def _scores(entry: Trials, layer: int, weights: Floats, bias: float) -> Floats:
    """The probe's score (n,) of each trial, higher = more bona fide."""
    scores = np.concatenate([block @ weights for block in entry.pooled.blocks(layer)]) + bias
    return np.asarray(scores[entry.positions])


def _error_rates(
    scored: pl.DataFrame, conditions: Sequence[str], intervals: _Intervals
) -> list[dict[str, Any]]:
    """EER with interval, pooled and of every level that has both classes."""
    table = evaluate(
        scored,
        list(conditions),
        intervals.resamples,
        intervals.seed,
        intervals.cluster,
        only=("eer",),
    )
    shown = table.filter(pl.col("value").is_not_null() & (pl.col("level") != MACRO))
    return list(shown.rename({"value": "eer"}).drop("metric").iter_rows(named=True))
