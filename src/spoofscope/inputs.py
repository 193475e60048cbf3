"""What a detector is fed: the windows of whole utterances, from audio files or from a cache."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope import audio
from spoofscope.audio import InputPolicy, Windows
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.frontends.base import FrontEnd
from spoofscope.identity import canonical_json

Inputs = tuple[str, Sequence[npt.NDArray[np.float32]]]
"""An utt_id and what `Detector.logits` takes: its windows as waveforms or as raw features."""


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
        AudioError: a file cannot be read; it is named.
    """

    def decode(path: str) -> Windows:
        return policy.windows(audio.read(path, policy.sample_rate)[0])

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
