"""What a detector is fed, the windows of whole utterances, and how their scores become one."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.errors import ConfigError, DetectorError
from spoofscope.frontends.base import FrontEnd
from spoofscope.identity import canonical_json
from spoofscope.options import check_keys, nearest
from spoofscope.windows import InputPolicy, Windows

Inputs = tuple[str, Sequence[npt.NDArray[np.float32]]]
"""An utt_id and what `Detector.logits` takes: its windows as waveforms or as raw features."""


AggregationMethod = Literal["mean", "max", "top_k", "median"]


@dataclass(frozen=True)
class Aggregation:
    """How the scores of a clip's windows become the clip's; stored with the detector.

    Attributes:
        method: `mean`; `median`; `max`, the window with the most evidence for spoof, which is the
            lowest score; `top_k`, the mean of the k windows with the most, for clips of which
            only a part is spoofed.
        k: for `top_k`, how many windows; a shorter clip counts with all of its windows.

    Raises:
        ConfigError: an unknown method, or `k` missing, below 1 or with another method.
    """

    method: AggregationMethod = "mean"
    k: int | None = None

    def __post_init__(self) -> None:
        methods = get_args(AggregationMethod)
        if self.method not in methods:
            raise ConfigError(
                f"aggregate: unknown method {self.method!r}; {nearest(str(self.method), methods)}"
            )
        if (self.method == "top_k") != (self.k is not None):
            raise ConfigError("aggregate: method top_k needs k, and the others have none")
        if self.k is not None and (type(self.k) is not int or self.k < 1):
            raise ConfigError(f"aggregate: k must be at least 1, not {self.k!r}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values; :meth:`from_dict` is the inverse."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Aggregation":
        """From the key `aggregate` of a study file or of `detector.json`."""
        check_keys(values, ("method", "k"), "aggregate")
        return cls(**values)

    def weights(self, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """What each window counts (n,), summing to 1: the clip's score is the weighted sum.

        Args:
            scores: of a clip's windows, (n,), n >= 1. Of equal ones the
                earlier counts first.
        """
        values = np.asarray(scores, dtype=np.float64)
        n = values.size
        if self.method == "mean":
            chosen = np.arange(n)
        elif self.method == "median":
            chosen = np.argsort(values, kind="stable")[(n - 1) // 2 : n // 2 + 1]
        else:
            chosen = np.argsort(values, kind="stable")[: self.k or 1]
        weights = np.zeros(n)
        weights[chosen] = 1 / chosen.size
        return weights


def aggregate_windows(scores: npt.ArrayLike, aggregation: Aggregation) -> float:
    """One score of a clip from those of its windows (n,), n >= 1."""
    values = np.asarray(scores, dtype=np.float64)
    if aggregation.method == "mean":
        return float(values.mean())
    return float(values[aggregation.weights(values) > 0].mean())


class FeatureSource(Protocol):
    """Cached raw features of whole utterances.

    `settings` is what :func:`feature_settings` gave when they were computed. Indexing with an
    utt_id gives one float32 array (C, N, D) per window of the input policy, N valid frames each.
    """

    settings: dict[str, Any]

    def __getitem__(self, utt_id: str) -> list[npt.NDArray[np.float32]]: ...


def policy_of(frontend: FrontEnd, policy: InputPolicy) -> InputPolicy:
    """The policy with the normalisation that the front-end's backbone was trained with.

    Raises:
        ConfigError: the sample rates differ, or a window is too short for one frame.
    """
    if policy.sample_rate != frontend.sample_rate:
        raise ConfigError(
            f"input: sample_rate is {policy.sample_rate} Hz, front-end {frontend.name} "
            f"needs {frontend.sample_rate} Hz"
        )
    key = "min_samples" if policy.length is None else "length"
    shortest = policy.min_samples if policy.length is None else policy.length
    if frontend.n_frames(shortest) < 1:
        raise ConfigError(
            f"input: {key} {shortest} is too short for one frame of front-end {frontend.name}"
        )
    return replace(policy, normalize=policy.normalize or getattr(frontend, "normalize", False))


def feature_settings(frontend: FrontEnd, policy: InputPolicy) -> dict[str, Any]:
    """What raw features depend on, apart from the audio: front-end and input policy.

    The way in which a front-end normalises (its option `normalise`) is no part of it: that happens
    after the raw features.
    """
    config = {key: value for key, value in frontend.config.items() if key != "normalise"}
    return {"frontend": {"type": frontend.name, **config}, "input": policy.to_dict()}


def check_features(features: FeatureSource, frontend: FrontEnd, policy: InputPolicy) -> None:
    """Refuse cached features that another front-end or input policy made.

    Raises:
        DetectorError: they did.
    """
    expected = feature_settings(frontend, policy)
    if canonical_json(features.settings) != canonical_json(expected):
        raise DetectorError(
            "the cached features were made with other settings than the detector has: "
            f"{canonical_json(features.settings)} instead of {canonical_json(expected)}; "
            "extract them again"
        )


def decoded_windows(rows: pl.DataFrame, policy: InputPolicy) -> Iterator[tuple[str, Windows]]:
    """Utterance id and windows of each row of a manifest, in its order; every file is read once.

    The next clip is decoded while the caller works on this one.

    Raises:
        AudioError: a file cannot be read, or the policy refuses it; it is named.
    """

    def decode(path: str) -> Windows:
        return policy.windows(policy.read(path))

    items = list(rows.select("utt_id", "path").iter_rows())
    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = pool.submit(decode, items[0][1]) if items else None
        for i, (utt_id, _) in enumerate(items):
            assert ahead is not None
            windows = ahead.result()
            if i + 1 < len(items):
                ahead = pool.submit(decode, items[i + 1][1])
            yield utt_id, windows


def detector_inputs(
    rows: pl.DataFrame, policy: InputPolicy, features: FeatureSource | None
) -> Iterator[Inputs]:
    """The windows of each row of a manifest, in its order, from the cache or the audio files.

    Raises:
        AudioError: a file cannot be read. TableError: the features lack an utterance.
    """
    if features is not None:
        for utt_id in rows["utt_id"]:
            yield utt_id, features[utt_id]
    else:
        for utt_id, windows in decoded_windows(rows, policy):
            yield utt_id, list(windows.values)
