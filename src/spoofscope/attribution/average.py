"""Attributions averaged over many windows: at which frequencies a detector listens.

After Gasenzer and Wolter (TMLR 2024), who average Integrated Gradients of wavelet packet images
over thousands of one-second frames. Other than theirs, the detector is in evaluation mode, the
explained output is named and the same for all windows, and windows are drawn by lot, evenly over
generators.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from spoofscope.attribution.domains import reduce_map
from spoofscope.attribution.integrated import (
    SMALLEST_DIFFERENCE,
    Attribution,
    Function,
    Passes,
    integrated_gradients,
    recurrent_safe,
    score_function,
)
from spoofscope.attribution.mean_store import (
    Floats,
    Group,
    MeanAttribution,
    MeanSettings,
    write_means,
)
from spoofscope.baselines import baseline_features, window_features
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, TableError
from spoofscope.identity import rng_of
from spoofscope.inputs import decoded_windows
from spoofscope.options.attribution import TARGETS, AverageOptions, Explained, Target
from spoofscope.shards.journal import Done
from spoofscope.shards.parts import shard_slice
from spoofscope.tables import write_table
from spoofscope.windows import InputPolicy, Windows

logger = logging.getLogger(__name__)


SMALLEST_PROBABILITY = 0.02
"""Where features and baseline have probabilities that are nearer to each other than this, the
completeness error is stated relative to this value: within a tolerance of 5 % the attribution then
misses a probability by at most 0.001."""


# --- which windows -------------------------------------------------------------------------------


def n_windows(policy: InputPolicy, duration: float) -> int:
    """How many windows the policy cuts from a clip of `duration` seconds.

    Exact for clips at the policy's sample rate; resampling may lose or win a sample, and with it a
    window at the end.

    Raises:
        ConfigError: the policy takes whole clips.
    """
    if policy.length is None:
        raise ConfigError(
            "attribution.averages: the detector takes whole clips (`length: null`), which differ "
            "in length: there is no mean over them"
        )
    n = round(duration * policy.sample_rate)
    if policy.long == "crop" or n <= policy.length:
        return 1
    hop = policy.hop or policy.length
    last = (n - policy.length) // hop
    return 1 + last + int(policy.tail == "align" and last * hop + policy.length < n)


def shares(available: Sequence[int], total: int) -> list[int]:
    """How many to take of each group: as equal as possible, `total` together, or all there are.

    Args:
        available: how many each group has.
        total: how many are wanted.
    """
    result = [0] * len(available)
    smallest_first = sorted(range(len(available)), key=lambda i: available[i])
    for place, i in enumerate(smallest_first):
        result[i] = min(available[i], total // (len(available) - place))
        total -= result[i]
    return result


def choose_windows(
    rows: pl.DataFrame, policy: InputPolicy, per_class: int, seed: int
) -> dict[str, list[int]]:
    """A random choice of windows, as many of bona fide speech as of spoofs, evenly over attacks.

    Args:
        rows: manifest rows; their order does not matter.
        policy: how they are cut.
        per_class: windows of a class; all where it has fewer.
        seed: decides the choice.

    Returns:
        utt_id to the numbers of its chosen windows, ascending; clips by attack and utt_id.
    """
    chosen: dict[str, list[int]] = {}
    for label in TARGETS:
        clips = rows.filter(pl.col("label") == label).sort("attack", "utt_id")
        counted = clips.select(
            "utt_id",
            "attack",
            count=pl.Series([n_windows(policy, s) for s in clips["duration"]], dtype=pl.Int64),
        )
        groups = counted.partition_by("attack", maintain_order=True)
        wanted = shares([int(group["count"].sum()) for group in groups], per_class)
        for group, n in zip(groups, wanted, strict=True):
            ends = group["count"].cum_sum().to_numpy()
            rng = rng_of("windows to average", seed, group["attack"][0])
            drawn = np.sort(rng.choice(int(ends[-1]), n, replace=False))
            numbers = np.searchsorted(ends, drawn, side="right")
            firsts = ends - group["count"].to_numpy()
            for clip, place in zip(numbers, drawn - firsts[numbers], strict=True):
                chosen.setdefault(group["utt_id"][int(clip)], []).append(int(place))
    return chosen


# --- the mean ------------------------------------------------------------------------------------


class _Kept(TypedDict):
    """What is kept of one explained window: its attribution (C, N, D), and normalised features
    (N, D).
    """

    values: npt.NDArray[np.float32]
    image: npt.NDArray[np.float32]
    scalars: dict[str, Any]


class _Window(NamedTuple):
    """One explained window: its attribution and normalised features, (bands, frames)."""

    attribution: Floats
    image: Floats
    result: Attribution


class _Sums:
    """Sums over windows of one group, whatever their number."""

    def __init__(self, group: Group, attack: str, shape: tuple[int, int]) -> None:
        self.group: Group = group
        self.attack = attack
        self.n_windows = self.n_utterances = self.beyond = self.steps = 0
        self.output = self.baseline_output = self.delta = 0.0
        self.attribution, self.absolute, self.image = (np.zeros(shape) for _ in range(3))
        self.frequency, self.squares = np.zeros(shape[0]), np.zeros(shape[0])

    def add(self, windows: Sequence[_Window]) -> None:
        """Add the windows of one clip."""
        self.n_utterances += 1
        for window in windows:
            result = window.result
            self.n_windows += 1
            self.beyond += int(not result.converged)
            self.steps = max(self.steps, result.steps)
            self.output += result.output
            self.baseline_output += result.baseline_output
            self.delta += result.delta
            self.attribution += window.attribution
            self.absolute += np.abs(window.attribution)
            self.image += window.image
            curve = window.attribution.sum(axis=1)
            self.frequency += curve
            self.squares += curve**2

    def mean(self) -> MeanAttribution:
        n = self.n_windows
        frequency = self.frequency / n
        variance = np.maximum(self.squares / n - frequency**2, 0.0)
        return MeanAttribution(
            group=self.group,
            attack=self.attack,
            n_windows=n,
            n_utterances=self.n_utterances,
            output=self.output / n,
            baseline_output=self.baseline_output / n,
            delta=self.delta / n,
            beyond=self.beyond,
            steps=self.steps,
            attribution=self.attribution / n,
            absolute=self.absolute / n,
            image=self.image / n,
            frequency=frequency,
            frequency_error=np.sqrt(variance / (n - 1))
            if n > 1
            else np.full_like(frequency, np.nan),
        )


def explained_function(detector: Detector, function: Explained, target: Target) -> Function:
    """From features (B, C, N, D) without padding to (B,): probability or score of the target.

    Raises:
        DetectorError: the detector is in training mode.
    """
    score = score_function(detector, target)
    if function == "score":
        return score
    # Of two classes, the softmax is the sigmoid of the difference.
    return lambda values: torch.sigmoid(score(values))


class _Averager:
    def __init__(
        self, detector: Detector, options: AverageOptions, centroid: Tensor | None
    ) -> None:
        edges = detector.frontend.band_edges()
        if edges is None:
            raise ConfigError(
                f"attribution.averages: front-end {detector.frontend.name} has no frequency axis, "
                "so a mean over windows would have no meaning; fbank, stft and wavelet_packets have"
            )
        self.detector, self.options, self.centroid = detector, options, centroid
        self.function = explained_function(detector, options.function, options.target)
        policy, frontend = detector.policy, detector.frontend
        assert policy.length is not None
        self.shape = (frontend.dim, frontend.n_frames(policy.length))
        self.settings = MeanSettings(
            function=options.function,
            target=options.target,
            baseline=options.baseline,
            band_edges=tuple(edges),
            hop_seconds=frontend.hop_seconds,
            first_centre_seconds=frontend.first_centre_seconds,
            window_seconds=policy.length / policy.sample_rate,
            tolerance=options.tolerance,
        )

    def explain(self, windows: Windows) -> Iterator[_Kept]:
        """Attribution and normalised features of windows of one clip."""
        options = self.options
        features = window_features(self.detector, list(windows.values))
        baselines = baseline_features(
            options.baseline,
            self.detector,
            windows.values,
            features,
            centroid=self.centroid,
            seed_parts=(),
        )
        probability = options.function == "probability"
        attributions = integrated_gradients(
            self.function,
            features,
            baselines,
            steps=options.steps,
            max_steps=options.max_steps,
            tolerance=options.tolerance,
            passes=Passes(options.internal_batch, options.largest_pass),
            smallest_difference=SMALLEST_PROBABILITY if probability else SMALLEST_DIFFERENCE,
        )
        for values, result in zip(features, attributions, strict=True):
            scalars = result._asdict()
            del scalars["values"]
            # Of magnitude and sign, the image is the magnitude.
            image = values[0].cpu().numpy()
            yield {"values": result.values.cpu().numpy(), "image": image, "scalars": scalars}

    def window(self, kept: _Kept) -> _Window:
        """A window as its sums need it."""
        result = Attribution(torch.from_numpy(kept["values"]), **kept["scalars"])
        attribution = reduce_map(self.detector.frontend, result.values)
        return _Window(attribution, kept["image"].astype(np.float64).T, result)


def explain_chosen(
    detector: Detector,
    rows: pl.DataFrame,
    options: AverageOptions,
    done: Done,
    *,
    shard: tuple[int, int] = (0, 1),
    centroid: Tensor | None = None,
    seed: int,
) -> None:
    """Attribute windows that are drawn by lot, see :func:`choose_windows`.

    Args:
        detector, rows, options, centroid, seed: as of :func:`average`.
        done: the attributions of clips that are finished; the others are added.
        shard: which of the chosen clips are worked on here, see `shards.parts.shard_slice`.

    Raises:
        As :func:`average`.
    """
    chosen, ordered = _chosen(detector, rows, options, seed)
    ordered = ordered[shard_slice(ordered["duration"].to_list(), *shard)]
    ordered = ordered.filter([utt_id not in done for utt_id in ordered["utt_id"]])
    detector.eval()
    averager = _Averager(detector, options, centroid)
    with recurrent_safe(detector):
        clips = decoded_windows(ordered, detector.policy)
        for number, (utt_id, windows) in enumerate(clips, start=1):
            places = [k for k in chosen[utt_id] if k < len(windows.starts)]
            kept = Windows(windows.values[places], windows.starts[places], windows.valid[places])
            done[utt_id] = list(averager.explain(kept)) if places else []
            if number % 100 == 0 or number == ordered.height:
                logger.info("explained windows of %d of %d clips", number, ordered.height)


def _chosen(
    detector: Detector, rows: pl.DataFrame, options: AverageOptions, seed: int
) -> tuple[dict[str, list[int]], pl.DataFrame]:
    """The chosen windows, and the rows of their clips by attack and utt_id."""
    if rows.is_empty():
        raise TableError("no utterances to average attributions of")
    chosen = choose_windows(rows, detector.policy, options.windows_per_class, seed)
    return chosen, rows.sort("attack", "utt_id").filter(pl.col("utt_id").is_in(list(chosen)))


def average(
    detector: Detector,
    rows: pl.DataFrame,
    options: AverageOptions,
    *,
    centroid: Tensor | None = None,
    seed: int,
    done: Done | None = None,
) -> tuple[MeanSettings, list[MeanAttribution]]:
    """Mean attribution of windows that are drawn by lot, see :func:`choose_windows`.

    Where `done` is a journal, memory does not grow with the number of windows.

    Args:
        detector: on the device where it shall run; it is put into evaluation mode. Its front-end
            has a frequency axis, and its windows a fixed length.
        rows: manifest rows of the split to choose from.
        options: what to do.
        centroid: (C, D), where the baseline is `centroid`.
        seed: of the choice.
        done: the attributions of clips that are finished; the others are added.

    Returns:
        The means of bona fide windows, of spoofed ones, of both, and of each attack by
        name. A class without clips has no mean.

    Raises:
        ConfigError: the front-end has no frequency axis, or the detector takes whole clips.
        TableError: there are no rows. AudioError: a file cannot be read.
        DetectorError: an attribution is not finite.
    """
    done = {} if done is None else done
    explain_chosen(detector, rows, options, done, centroid=centroid, seed=seed)
    chosen, ordered = _chosen(detector, rows, options, seed)
    averager = _Averager(detector, options, centroid)
    attacks = ordered.filter(pl.col("label") == "spoof")["attack"].unique().sort().to_list()
    sums = {
        (group, attack): _Sums(group, attack, averager.shape)
        for group, attack in _groups(ordered["label"].to_list(), attacks)
    }
    missing = 0
    for utt_id, label, attack in ordered.select("utt_id", "label", "attack").iter_rows():
        explained = [averager.window(kept) for kept in done[utt_id]]
        missing += len(chosen[utt_id]) - len(explained)
        if not explained:
            continue
        sums["both", "-"].add(explained)
        sums[label, "-"].add(explained)
        if label == "spoof":
            sums["attack", attack].add(explained)
    if missing:
        logger.warning("%d of the chosen windows do not exist: resampling lost a sample", missing)
    means = [group.mean() for group in sums.values() if group.n_windows]
    whole = next(mean for mean in means if mean.group == "both")
    if whole.beyond:
        logger.warning(
            "completeness error not below %g for %d of %d windows",
            options.tolerance,
            whole.beyond,
            whole.n_windows,
        )
    return averager.settings, means


def _groups(labels: Sequence[str], attacks: Sequence[str]) -> list[tuple[Group, str]]:
    classes: list[tuple[Group, str]] = [(label, "-") for label in TARGETS if label in labels]
    of_attacks: list[tuple[Group, str]] = [("attack", attack) for attack in attacks]
    return [*classes, ("both", "-"), *of_attacks]


# --- tables --------------------------------------------------------------------------------------


def summary_table(means: Sequence[MeanAttribution]) -> pl.DataFrame:
    """One row per group: group, attack, n_windows, n_utterances, output, baseline_output, delta,
    beyond (windows beyond the tolerance), beyond_share, steps; see `mean_store.MeanAttribution`.
    """
    names = ("group", "attack", "n_windows", "n_utterances", "output", "baseline_output", "delta")
    return pl.DataFrame(
        [
            {
                **{name: getattr(mean, name) for name in names},
                "beyond": mean.beyond,
                "beyond_share": mean.beyond / mean.n_windows,
                "steps": mean.steps,
            }
            for mean in means
        ]
    )


def bands_table(settings: MeanSettings, means: Sequence[MeanAttribution]) -> pl.DataFrame:
    """One row per group and band, lowest first: group, attack, band, low, high and centre (Hz),
    attribution (mean over windows of the sum over time), standard_error (over windows; empty for a
    single one), absolute (mean magnitude, summed over time).
    """
    edges = np.array(settings.band_edges)
    return pl.concat(
        pl.DataFrame(
            {
                "group": [mean.group] * (edges.size - 1),
                "attack": [mean.attack] * (edges.size - 1),
                "band": np.arange(edges.size - 1),
                "low": edges[:-1],
                "high": edges[1:],
                "centre": (edges[:-1] + edges[1:]) / 2,
                "attribution": mean.frequency,
                "standard_error": mean.frequency_error,
                "absolute": mean.absolute.sum(axis=1),
            }
        )
        for mean in means
    ).with_columns(pl.col("standard_error").fill_nan(None))


def write_averages(
    settings: MeanSettings,
    means: Sequence[MeanAttribution],
    maps: str | Path,
    bands: str | Path,
    summary: str | Path,
) -> None:
    """Write the maps as safetensors, and both tables."""
    write_means(maps, settings, means)
    write_table(bands, bands_table(settings, means))
    write_table(summary, summary_table(means))
