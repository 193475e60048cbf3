"""What stages share that change recordings and let a detector score them again."""

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import torch

from spoofscope.audio import Samples
from spoofscope.augmentation.chain import Chain
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.inputs import Inputs, aggregate_windows
from spoofscope.judging import logits_of_clips
from spoofscope.shards.journal import Done
from spoofscope.shards.parts import shard_slice
from spoofscope.windows import InputPolicy

Form = TypeVar("Form", bound=Hashable)

# Half-precision features and other devices move a score by about 0.1 %; more is another score.
_SAME_SCORE = 0.01

_LEAST_SHIFT = 0.1

_LOGGER = logging.getLogger(__name__)


def left_of(rows: pl.DataFrame, done: Done, shard: tuple[int, int]) -> pl.DataFrame:
    """The rows of a shard, see `shards.parts.shard_slice`, that have no result yet."""
    left = rows[shard_slice(rows["duration"].to_list(), *shard)]
    return left.filter([utt_id not in done for utt_id in left["utt_id"]])


def score_again(
    detector: Detector,
    left: pl.DataFrame,
    done: Done,
    scores: Callable[[dict[str, Any], Samples], dict[str, Any]],
    original: str,
) -> None:
    """Score utterances and their changed forms. Each is decoded once.

    Args:
        detector: is put into evaluation mode.
        left: manifest rows with the column `score`, see `selection.utterances`.
        done: gets their results.
        scores: the result of a row and its samples.
        original: under which key a result has the score of the unchanged recording.

    Raises:
        AudioError: a file cannot be read.
        DetectorError: a score differs from the score file.
    """
    detector.eval()
    for number, (row, samples) in enumerate(decoded(left, detector.policy), start=1):
        result = scores(row, samples)
        check_score(row["utt_id"], result[original], row["score"])
        done[row["utt_id"]] = result
        if number % 10 == 0 or number == left.height:
            _LOGGER.info("%d of %d utterances are scored again", number, left.height)


def decoded(rows: pl.DataFrame, policy: InputPolicy) -> Iterator[tuple[dict[str, Any], Samples]]:
    """Rows of a manifest with their samples; the next clip is decoded while the caller works.

    Args:
        rows: with the column `path`.
        policy: how files are read.

    Raises:
        AudioError: a file cannot be read.
    """
    left = list(rows.iter_rows(named=True))
    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = [pool.submit(policy.read, row["path"]) for row in left[:1]]
        for i, row in enumerate(left):
            samples = ahead.pop().result()
            ahead = [pool.submit(policy.read, r["path"]) for r in left[i + 1 : i + 2]]
            yield row, samples


def scores_of_forms(
    detector: Detector,
    utt_id: str,
    samples: Samples,
    forms: Iterable[tuple[Form, Samples]],
    batch_size: int,
) -> tuple[float, dict[Form, float]]:
    """The score of an utterance, and those of all its changed forms.

    A form whose windows are those of the utterance has the very score of the utterance.

    Args:
        detector: in evaluation mode.
        utt_id: for messages.
        samples: (n,) as the input policy reads a file.
        forms: what a form is, and its samples (m,).
        batch_size: windows that the detector sees at once.

    Returns:
        The score of the utterance, and the scores of the forms, in their order.

    Raises:
        DetectorError: a logit is not finite.
    """
    windows = detector.policy.windows(samples).values
    scores: dict[Form, float | None] = {}
    waiting: list[Form] = []

    def inputs() -> Iterator[Inputs]:
        yield utt_id, list(windows)
        for form, changed in forms:
            scores[form] = None
            values = detector.policy.windows(changed).values
            if not np.array_equal(values, windows):
                waiting.append(form)
                yield utt_id, list(values)

    with torch.inference_mode():
        judged = [
            aggregate_windows(detector.scores_of(logits), detector.aggregation)
            for _, logits in logits_of_clips(detector, inputs(), batch_size)
        ]
    own, *others = judged
    scores.update(zip(waiting, others, strict=True))
    return own, {form: own if score is None else score for form, score in scores.items()}


def chains_of(
    chains: Mapping[str, Mapping[str, Any]], noise: Mapping[str, str], sample_rate: int
) -> dict[str, Chain]:
    """Chains of the study file, ready to apply.

    Args:
        chains: by name, each with its `steps`.
        noise: `musan` and `rirs` to folders, as far as a chain needs them.
        sample_rate: Hz of the signals.

    Raises:
        ConfigError: an effect that cannot be used; the chain is named.
    """
    sources = {kind: Path(path) for kind, path in noise.items()}
    built = {}
    for name, chain in chains.items():
        try:
            built[name] = Chain(chain["steps"], sources, sample_rate)
        except ConfigError as error:
            raise ConfigError(f"chains.{name}: {error}") from error
    return built


def check_score(utt_id: str, score: float, scored: float) -> None:
    """Refuse to go on where an unchanged recording has another score than before.

    Args:
        utt_id: of the recording.
        score: now.
        scored: in the score file.

    Raises:
        DetectorError: they differ by more than 1 %.
    """
    if abs(score - scored) > _SAME_SCORE * max(1.0, abs(scored)):
        raise DetectorError(
            f"utterance {utt_id!r}: its score file says {scored:.6g}, the score of the unchanged "
            f"recording is {score:.6g}; are detector, audio and scores of one run?"
        )


def random_shift(n: int, rng: np.random.Generator) -> int:
    """By how many of n samples something is moved: a random tenth to nine tenths of them."""
    least = max(1, round(_LEAST_SHIFT * n))
    return int(rng.integers(least, max(least + 1, n - least)))
