"""Explaining the scores of chosen utterances: maps, regions, and a summary of checks."""

import logging
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import polars as pl
from torch import Tensor

from spoofscope.attribution.domains import DOMAINS, Cached, Domain
from spoofscope.attribution.faithfulness import (
    FRACTIONS,
    MaskingCurves,
    block_edges,
    gradient_times_input,
    masking_curves,
    occlusion,
)
from spoofscope.attribution.integrated import (
    SMALLEST_DIFFERENCE,
    Attribution,
    Function,
    Passes,
    recurrent_safe,
)
from spoofscope.attribution.methods import Windowed
from spoofscope.attribution.regions import odd_frames, smooth, top_regions
from spoofscope.attribution.store import (
    MASKINGS,
    SCALARS,
    Explanation,
    Settings,
    write_attributions,
)
from spoofscope.attribution_methods import (
    ADDS_UP,
    ATTRIBUTION_METHODS,
    BASELINE_CHECKS,
    NOISE_CHECK,
    ONE_ROW,
    OWN_CHECK,
    WITHOUT_BASELINE,
    asked_checks,
)
from spoofscope.backends.base import BackEnd
from spoofscope.baselines import BonafideFrames, noise_like
from spoofscope.detector import Detector
from spoofscope.errors import DetectorError, TableError
from spoofscope.frames import frame_indices
from spoofscope.identity import rng_of
from spoofscope.inputs import FeatureSource, check_features, decoded_windows
from spoofscope.metrics.correlation import spearman
from spoofscope.options.attribution import PATH_INTEGRAL, TARGETS, Baseline, ExplainOptions
from spoofscope.randomised import randomised_backend
from spoofscope.selection.utterances import sampled
from spoofscope.shards.journal import Done
from spoofscope.shards.parts import shard_slice
from spoofscope.tables import write_table
from spoofscope.windows import Windows

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

# Half-precision features and other devices move a score by about 0.1 %; more is another score.
_SAME_SCORE = 0.01

# Utterances that are worked on together. A batch of them is always the same, whatever of it was
# finished before a kill, and in whatever shard it is, so that float rounding is the same, too.
_TOGETHER = 4

# What is held of each feature value: input, baselines, and the sums of several attempts.
_HELD = 4

_SUMMARY: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "label": pl.String(),
    "attack": pl.String(),
    "chosen_by": pl.String(),
    "score": pl.Float64(),
    "baseline_score": pl.Float64(),
    "delta": pl.Float64(),
    "relative_error": pl.Float64(),
    "steps": pl.Int64(),
    "converged": pl.Boolean(),
    "n_windows": pl.Int64(),
    "n_frames": pl.Int64(),
    "outside": pl.Float64(),
    "gradient_spearman": pl.Float64(),
    "occlusion_spearman": pl.Float64(),
    "deletion": pl.Float64(),
    "deletion_control": pl.Float64(),
    "insertion": pl.Float64(),
    "insertion_control": pl.Float64(),
    "randomised_spearman": pl.Float64(),
}
_REGIONS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "evidence": pl.String(),
    "rank": pl.Int64(),
    "start": pl.Float64(),
    "end": pl.Float64(),
    "mean_attribution": pl.Float64(),
    "share": pl.Float64(),
}


_RegionRow = tuple[str, str, int, float, float, float, float]


class Clip(NamedTuple):
    """A clip to explain.

    Attributes:
        row: of the manifest.
        windows: as the input policy cuts them.
        features: cached raw features of each window; None where there are none.
    """

    row: Mapping[str, Any]
    windows: Windows
    features: Cached | None = None


class Attributed(NamedTuple):
    """An explanation without masking curves, and of each window what it was made from.

    weights: what each window counts in the clip's score. passes: how much goes through the function
    at once.
    """

    explanation: Explanation
    clip: Clip
    function: Function
    inputs: list[Tensor]
    baselines: list[Tensor]
    maps: list[Floats]
    weights: Floats
    passes: Passes


@dataclass(frozen=True)
class _Checked:
    explanation: Explanation
    checks: dict[str, Any]


def _stitch(
    maps: Sequence[Floats], indices: Sequence[npt.NDArray[np.int64]], weights: Floats
) -> tuple[Floats, npt.NDArray[np.int64], float]:
    """Map and coverage on the clip's frames, and what fell outside, as shares of the clip's score,
    to which the windows contribute with `weights`."""
    n_frames = max(int(places.max()) for places in indices) + 1
    total = np.zeros((maps[0].shape[0], max(n_frames, 1)))
    coverage = np.zeros(total.shape[1], dtype=np.int64)
    outside = 0.0
    for values, places, weight in zip(maps, indices, weights, strict=True):
        on_clip = places >= 0
        # add.at sums where several frames of a window fall on one frame of the clip.
        np.add.at(total.T, places[on_clip], weight * values.T[on_clip])
        np.add.at(coverage, places[on_clip], 1)
        outside += float(weight * values[:, ~on_clip].sum())
    return total, coverage, outside


def _weighted(values: Sequence[float], weights: Floats) -> float:
    return math.fsum(np.asarray(values) * weights)


def _settings(domain: Domain, options: ExplainOptions, method: str) -> Settings:
    axis, n_rows = ("all", 1) if method in ONE_ROW else domain.rows()
    return Settings(
        target=options.target,
        baseline=options.baseline,
        row_axis=axis,
        n_rows=n_rows,
        band_edges=() if axis == "all" else tuple(domain.detector.frontend.band_edges() or ()),
        sample_rate=domain.detector.policy.sample_rate,
        hop_seconds=domain.hop_seconds,
        first_centre_seconds=domain.first_centre_seconds,
        smoothing_frames=odd_frames(options.smoothing_seconds, domain.hop_seconds),
        fractions=FRACTIONS,
        tolerance=options.tolerance,
        method=method,
        wrt=options.wrt,
    )


class Explainer:
    """One detector with options, ready to explain windows by a method."""

    def __init__(
        self,
        detector: Detector,
        options: ExplainOptions,
        method: str,
        centroid: Tensor | None,
        seed: int,
        frames: BonafideFrames | None = None,
    ) -> None:
        self.detector, self.options = detector, options
        self.centroid, self.frames, self.seed = centroid, frames, seed
        self.method = method
        self._attribute = ATTRIBUTION_METHODS.member(method)
        self.domain = DOMAINS[options.wrt](detector, options.target)
        self.sign = 1.0 if options.target == "bonafide" else -1.0
        self.settings = _settings(self.domain, options, method)
        self.block = max(1, round(options.block_seconds / self.domain.hop_seconds))

    def windowed(self, clips: Sequence[Clip], baseline: Baseline) -> Windowed:
        """What the windows of clips are attributed from; windows are all of one length.

        Args:
            clips: in their order, with all of their windows.
            baseline: the first of the baselines.
        """
        options = self.options
        kinds = (baseline, *(kind for kind in options.other_baselines if kind != baseline))
        n_samples = clips[0].windows.values.shape[1]
        inputs: list[Tensor] = []
        sets: list[list[Tensor]] = [[] for _ in kinds]
        for clip in clips:
            own = self.domain.inputs(clip.windows.values, clip.features)
            inputs += own
            for kind, baselines in zip(kinds, sets, strict=True):
                parts = (self.seed, clip.row["utt_id"])
                baselines += self.domain.baselines(
                    kind, clip.windows.values, own, self.centroid, self.frames, parts
                )
        return Windowed(
            detector=self.detector,
            function=self.domain.function(n_samples),
            target=options.target,
            waveforms=[values for clip in clips for values in clip.windows.values],
            inputs=inputs,
            baseline_sets=sets,
            seeds=[
                (self.seed, clip.row["utt_id"], number)
                for clip in clips
                for number in range(len(clip.windows.values))
            ],
            options=options,
            block=self.block,
            grading=self.domain.grading(baseline),
            passes=Passes(
                options.internal_batch,
                options.largest_pass,
                self.domain.values_per_input(n_samples),
            ),
        )

    def attributed(self, clips: Sequence[Clip]) -> list[Attributed]:
        """Explanations of clips whose windows have one length."""
        windowed = self.windowed(clips, self.options.baseline)
        attributions: list[Attribution] = self._attribute(windowed)
        results, first = [], 0
        for clip in clips:
            last = first + len(clip.windows.values)
            results.append(
                self._of_clip(
                    clip,
                    windowed.function,
                    windowed.inputs[first:last],
                    windowed.baselines[first:last],
                    attributions[first:last],
                    windowed.passes,
                )
            )
            first = last
        return results

    def _of_clip(
        self,
        clip: Clip,
        function: Function,
        inputs: Sequence[Tensor],
        baselines: Sequence[Tensor],
        attributions: Sequence[Attribution],
        passes: Passes,
    ) -> Attributed:
        row = clip.row
        maps = [self._reduced(item.values) for item in attributions]
        weights = self._weights([item.output for item in attributions])
        total, coverage, outside = self._stitched(clip.windows, maps, weights)
        output = _weighted([item.output for item in attributions], weights)
        baseline_output = _weighted([item.baseline_output for item in attributions], weights)
        delta = float(total.sum()) + outside - (output - baseline_output)
        explanation = Explanation(
            utt_id=row["utt_id"],
            label=row["label"],
            attack=row["attack"],
            score=self.sign * output,
            baseline_score=self.sign * baseline_output,
            delta=delta,
            relative_error=abs(delta) / max(abs(output - baseline_output), SMALLEST_DIFFERENCE),
            steps=max(item.steps for item in attributions),
            # Errors of opposite sign may cancel in the mean; every window has to be right.
            converged=all(item.converged for item in attributions),
            outside=outside,
            map=total.astype(np.float32),
            coverage=coverage,
            maskings={},
            settings=self.settings,
        )
        return Attributed(
            explanation, clip, function, list(inputs), list(baselines), maps, weights, passes
        )

    def explain(self, clips: Sequence[Clip], of_randomised: Container[str]) -> list[_Checked]:
        """Explanations of clips with all checks; windows are all of one length.

        Args:
            clips: what to explain.
            of_randomised: utterances whose maps are compared with those of a randomised back-end.
        """
        attributed = self.attributed(clips)
        compared = self._compared(clips, [item.explanation for item in attributed])
        results = []
        for item, comparisons in zip(attributed, compared, strict=True):
            utt_id = item.explanation.utt_id
            gradient, occluded = self._cross_checks(item)
            against_random = None
            if utt_id in of_randomised:
                against_random = self.against(item, self._randomised)
            results.append(
                _Checked(
                    replace(item.explanation, maskings=self._maskings(item)),
                    {
                        "n_windows": len(item.maps),
                        "gradient_spearman": gradient,
                        "occlusion_spearman": occluded,
                        "randomised_spearman": against_random,
                        **comparisons,
                    },
                )
            )
        return results

    @cached_property
    def _one_attempt(self) -> ExplainOptions:
        """Completeness matters little for a rank correlation."""
        return replace(self.options, max_steps=self.options.steps)

    def _compared(
        self, clips: Sequence[Clip], explanations: Sequence[Explanation]
    ) -> list[dict[str, float | None]]:
        """Spearman of each map with those by other baselines, and with that of the noisy clip."""
        results: list[dict[str, float | None]] = [{} for _ in clips]
        others: dict[str, tuple[Sequence[Clip], Baseline]] = {}
        if self.method not in WITHOUT_BASELINE:
            for kind in self.options.other_baselines:
                others[BASELINE_CHECKS[kind]] = (clips, kind)
        if self.options.noise_snr_db is not None:
            noisy = [self._noisy(clip, self.options.noise_snr_db) for clip in clips]
            others[NOISE_CHECK] = (noisy, self.options.baseline)
        for check, (changed, kind) in others.items():
            windowed = replace(self.windowed(changed, kind), options=self._one_attempt)
            attributions = self._attribute(windowed)
            for result, clip, explanation in zip(results, changed, explanations, strict=True):
                own = attributions[: len(clip.windows.values)]
                attributions = attributions[len(own) :]
                other = self._map(clip, own)
                result[check] = spearman(explanation.map.ravel(), other.ravel())
        return results

    def _noisy(self, clip: Clip, snr_db: float) -> Clip:
        """The clip with white noise; it has no cached features."""
        values = clip.windows.values
        rng = rng_of("inaudible noise", self.seed, clip.row["utt_id"])
        noise = noise_like(values, rng) * np.float32(10 ** (-snr_db / 20))
        return Clip(clip.row, clip.windows._replace(values=values + noise))

    def _map(self, clip: Clip, attributions: Sequence[Attribution]) -> Floats:
        maps = [self._reduced(item.values) for item in attributions]
        weights = self._weights([item.output for item in attributions])
        return self._stitched(clip.windows, maps, weights)[0]

    def _reduced(self, values: Tensor) -> Floats:
        if self.method in ONE_ROW:
            return values.double().cpu().sum(dim=(0, 2))[None].numpy()
        return self.domain.reduced(values)

    def _weights(self, outputs: Sequence[float]) -> Floats:
        """What each window counts in the clip's score; the path to the baseline keeps it."""
        return self.detector.aggregation.weights(self.sign * np.asarray(outputs))

    def _stitched(
        self, windows: Windows, maps: Sequence[Floats], weights: Floats
    ) -> tuple[Floats, npt.NDArray[np.int64], float]:
        counts = [values.shape[1] for values in maps]
        indices = frame_indices(self.domain, self.detector.policy, windows, counts)
        return _stitch(maps, indices, weights)

    def _cross_checks(self, item: Attributed) -> tuple[float | None, float | None]:
        """Spearman of the method with gradient x input (frames) and with occlusion (blocks of
        frames); None where it is the method itself.
        """
        frames, gradients, blocks, occlusions = [], [], [], []
        for x, b, values in zip(item.inputs, item.baselines, item.maps, strict=True):
            curve = values.sum(axis=0)
            frames.append(curve)
            gradient = gradient_times_input(item.function, x, b)
            gradients.append(self.domain.reduced(gradient).sum(axis=0))
            edges = block_edges(curve.size, self.block)
            blocks.append(np.array([curve[start:end].sum() for start, end in edges]))
            occlusions.append(occlusion(item.function, x, b, self.block, item.passes.size(x)))
        return (
            None
            if OWN_CHECK.get(self.method) == "gradient_spearman"
            else spearman(np.concatenate(frames), np.concatenate(gradients)),
            None
            if OWN_CHECK.get(self.method) == "occlusion_spearman"
            else spearman(np.concatenate(blocks), np.concatenate(occlusions)),
        )

    def curves(self, item: Attributed) -> list[MaskingCurves]:
        """Masking curves of each window."""
        utt_id = item.explanation.utt_id
        windows = zip(item.inputs, item.baselines, item.maps, strict=True)
        return [
            masking_curves(
                item.function,
                x,
                b,
                values.sum(axis=0),
                controls=self.options.controls,
                rng=rng_of("masking controls", self.seed, utt_id, number),
                internal_batch=item.passes.size(x),
            )
            for number, (x, b, values) in enumerate(windows)
        ]

    def _maskings(self, item: Attributed) -> dict[str, Floats]:
        """Masking curves, averaged over windows with the weights of the score."""
        curves = self.curves(item)
        return {
            name: np.average(
                [getattr(curve, name) for curve in curves], axis=0, weights=item.weights
            )
            for name in MASKINGS
        }

    @cached_property
    def _randomised(self) -> BackEnd:
        return randomised_backend(self.detector.backend, self.seed)

    def against(self, item: Attributed, randomised: BackEnd) -> float | None:
        """Spearman of an explanation's map with that of a back-end with shuffled weights, by
        absolute value.

        Layers that neither back-end looks at are left out: their zeros agree whatever it learned.
        """
        trained = self.detector.backend
        windowed = replace(
            self.windowed([item.clip], self.options.baseline), options=self._one_attempt
        )
        self.detector.backend = randomised
        try:
            attributions = self._attribute(windowed)
        finally:
            self.detector.backend = trained
        magnitude = np.abs(item.explanation.map)
        other_magnitude = np.abs(self._map(item.clip, attributions))
        rows = (magnitude > 0).any(axis=1) | (other_magnitude > 0).any(axis=1)
        return spearman(magnitude[rows].ravel(), other_magnitude[rows].ravel())


def _region_rows(explanation: Explanation, duration: float, count: int) -> list[_RegionRow]:
    half = explanation.settings.hop_seconds / 2
    times = explanation.times
    rows: list[_RegionRow] = []
    for label in TARGETS:
        evidence = smooth(explanation.evidence(label), explanation.settings.smoothing_frames)
        whole = float(evidence[evidence > 0].sum())
        regions = top_regions(evidence, count)
        for rank, region in enumerate(regions, start=1):
            start = max(0.0, float(times[region.first]) - half)
            end = min(duration, float(times[region.last]) + half)
            share = region.total / whole
            rows.append((explanation.utt_id, label, rank, start, end, region.mean, share))
    return rows


def _check_score(utt_id: str, explained: float, scored: float) -> None:
    if abs(explained - scored) > _SAME_SCORE * max(1.0, abs(scored)):
        raise DetectorError(
            f"utterance {utt_id!r}: its score file says {scored:.6g}, the logit to explain is "
            f"{explained:.6g}; are detector, audio and scores of one run?"
        )


def explain_windows(detector: Detector, windows: Windows, options: ExplainOptions) -> Explanation:
    """Integrated Gradients of windows of one clip, without checks of :func:`explain_utterances`.

    Args:
        detector: it is put into evaluation mode.
        windows: as its input policy cuts them; the score that is explained is that of these.
        options: the baseline cannot be `centroid`.

    Raises:
        DetectorError: an attribution is not finite.
    """
    detector.eval()
    explainer = Explainer(detector, options, PATH_INTEGRAL, None, seed=0)
    with recurrent_safe(detector):
        clip = Clip({"utt_id": "-", "label": "-", "attack": "-"}, windows)
        return explainer.attributed([clip])[0].explanation


class _Result(TypedDict):
    """What is kept of an utterance that was explained."""

    scalars: dict[str, Any]
    map: npt.NDArray[np.float32]
    coverage: npt.NDArray[np.int64]
    maskings: dict[str, Floats]
    checks: dict[str, Any]


def compared_with_randomised(rows: pl.DataFrame, count: int, seed: int) -> set[str]:
    """Utterances whose maps are compared with those of a randomised back-end.

    Args:
        rows: utt_id and speaker; their order decides nothing.
        count: how many; all where there are fewer. They are drawn evenly over speakers, because
            an interval over speakers needs many.
        seed: decides which.
    """
    ordered = rows.sort("utt_id")
    drawn = rng_of("compared with randomised", seed).permutation(ordered.height)
    shuffled = ordered[drawn.tolist()].select(
        "utt_id", pl.int_range(pl.len()).over("speaker").alias("turn")
    )
    return set(shuffled.sort("turn", maintain_order=True)["utt_id"].head(count))


def explain_utterances(
    detector: Detector,
    rows: pl.DataFrame,
    options: ExplainOptions,
    done: Done,
    *,
    method: str = PATH_INTEGRAL,
    features: FeatureSource | None = None,
    shard: tuple[int, int] = (0, 1),
    centroid: Tensor | None = None,
    frames: BonafideFrames | None = None,
    seed: int,
) -> None:
    """Explain the scores of utterances, on the very windows that were scored.

    Args:
        detector: on the device where it shall run; it is put into evaluation mode.
        rows: manifest rows with the columns `score` and `chosen_by`, see
            `selection.utterances.utterances_to_explain`.
        options: what to do.
        done: the explanations of utterances that are finished; the others are added.
        method: of attribution, see `attribution_methods`.
        features: cached raw features of the utterances; None computes them.
        shard: which batches of rows are explained here, see `shards.parts.shard_slice`. Those that
            are compared with a randomised back-end are chosen from all rows.
        centroid: (C, D), where the baseline is `centroid`.
        frames: of bona fide training data, where the baseline is `bonafide`.
        seed: of all random choices: drawn baselines, control masks, randomised back-end.

    Raises:
        AudioError: a file cannot be read.
        DetectorError: a logit differs from the score file, or an attribution is not finite.
    """
    batches = list(rows.iter_slices(_TOGETHER))
    durations = [float(batch["duration"].sum()) for batch in batches]
    batches = batches[shard_slice(durations, *shard)]
    n_rows = sum(batch.height for batch in batches)
    batches = [batch for batch in batches if not all(utt_id in done for utt_id in batch["utt_id"])]
    if not batches:
        return
    detector.eval()
    if features is not None:
        check_features(features, detector.frontend, detector.policy)
    explainer = Explainer(detector, options, method, centroid, seed, frames)
    of_randomised = compared_with_randomised(sampled(rows), options.randomised, seed)
    decoded = decoded_windows(pl.concat(batches), detector.policy)
    n_explained = n_rows - sum(batch.height for batch in batches)
    with recurrent_safe(detector):
        for batch in batches:
            clips = [
                Clip(row, next(decoded)[1], None if features is None else features[row["utt_id"]])
                for row in batch.iter_rows(named=True)
            ]
            results: dict[str, _Result] = {}
            for group in _groups(clips, explainer):
                for checked in explainer.explain(group, of_randomised):
                    results[checked.explanation.utt_id] = _result(checked)
            for clip in clips:
                result = results[clip.row["utt_id"]]
                _check_score(clip.row["utt_id"], result["scalars"]["score"], clip.row["score"])
                # Of a batch that a kill has cut, some are there already.
                if clip.row["utt_id"] not in done:
                    done[clip.row["utt_id"]] = result
            n_explained += batch.height
            logger.info("explained %d of %d utterances", n_explained, n_rows)


def _groups(clips: Sequence[Clip], explainer: Explainer) -> Iterator[list[Clip]]:
    """Clips that are explained together: of one length of windows, and not too large together."""
    by_length: dict[int, list[Clip]] = {}
    for clip in clips:
        by_length.setdefault(clip.windows.values.shape[1], []).append(clip)
    for n_samples, members in by_length.items():
        per_window = explainer.domain.values_per_input(n_samples) * n_samples
        group: list[Clip] = []
        held = 0.0
        for clip in members:
            values = per_window * len(clip.windows.values)
            if group and held + values > explainer.options.largest_pass / _HELD:
                yield group
                group, held = [], 0.0
            group.append(clip)
            held += values
        yield group


def _result(checked: _Checked) -> _Result:
    explanation = checked.explanation
    return {
        "scalars": {name: getattr(explanation, name) for name in SCALARS},
        "map": explanation.map,
        "coverage": explanation.coverage,
        "maskings": explanation.maskings,
        "checks": checked.checks,
    }


def explain(
    detector: Detector,
    rows: pl.DataFrame,
    attributions: str | Path,
    regions: str | Path,
    summary: str | Path,
    options: ExplainOptions,
    *,
    method: str = PATH_INTEGRAL,
    features: FeatureSource | None = None,
    centroid: Tensor | None = None,
    frames: BonafideFrames | None = None,
    seed: int,
    done: Done | None = None,
) -> None:
    """Explain the scores of some utterances, on the very windows that were scored.

    Writes three files:

    * `attributions`: maps and curves, see `store.Explanation`;
    * `regions`: of the smoothed curve: utt_id, evidence (bonafide or spoof), rank (1 = strongest
      peak), start and end (s), mean_attribution (score per frame, positive = for that class),
      share (of all evidence for that class);
    * `summary`: one row per utterance: why it was chosen; score, baseline score and completeness;
      n_windows, n_frames, outside; Spearman correlation of the frame curve with gradient x input
      and, in blocks, with occlusion; means of the deletion and insertion curves and of their
      controls (of the score; see `faithfulness.MaskingCurves`), where a faithful attribution is
      above its control; Spearman correlation of the map with that of a randomised back-end (empty
      where not asked for); where asked for, with maps by other baselines, and with that of the
      clip with noise. A correlation with a constant is empty, too.

    Utterances whose completeness error stays above the tolerance are explained all the same, and
    marked in the summary; where the method is one that adds up, they are named in the log.

    Args:
        detector: on the device where it shall run; it is put into evaluation mode.
        rows: manifest rows with the columns `score` and `chosen_by`, see
            `selection.utterances.utterances_to_explain`.
        attributions: safetensors file to write.
        regions: table to write.
        summary: table to write.
        options: what to do.
        method: of attribution, see `attribution_methods`.
        features: cached raw features of the utterances; None computes them.
        centroid: (C, D), where the baseline is `centroid`.
        frames: of bona fide training data, where the baseline is `bonafide`.
        seed: of all random choices: drawn baselines, control masks, randomised back-end.
        done: the explanations of utterances that are finished; the others are added.

    Raises:
        TableError: there are no rows. AudioError: a file cannot be read.
        DetectorError: a logit differs from the score file, or an attribution is not finite.
    """
    if rows.is_empty():
        raise TableError("no utterances to explain")
    done = {} if done is None else done
    explain_utterances(
        detector,
        rows,
        options,
        done,
        method=method,
        features=features,
        centroid=centroid,
        frames=frames,
        seed=seed,
    )
    settings = _settings(DOMAINS[options.wrt](detector, options.target), options, method)
    explanations: list[Explanation] = []
    summary_rows: list[dict[str, Any]] = []
    region_rows: list[_RegionRow] = []
    for utt_id, duration, chosen_by in rows.select("utt_id", "duration", "chosen_by").iter_rows():
        result: _Result = done[utt_id]
        explanation = Explanation(
            **result["scalars"],
            map=result["map"],
            coverage=result["coverage"],
            maskings=result["maskings"],
            settings=settings,
        )
        explanations.append(explanation)
        region_rows += _region_rows(explanation, duration, options.regions)
        summary_rows.append(
            {
                **result["scalars"],
                **result["checks"],
                "chosen_by": chosen_by,
                "n_frames": explanation.map.shape[1],
                **{name: float(curve.mean()) for name, curve in explanation.maskings.items()},
            }
        )
    failed = [item.utt_id for item in explanations if not item.converged]
    if failed and method in ADDS_UP:
        logger.warning(
            "completeness error not below %g for %d of %d utterances: %s",
            options.tolerance,
            len(failed),
            len(explanations),
            ", ".join(failed),
        )
    write_attributions(attributions, settings, explanations)
    write_table(regions, pl.DataFrame(region_rows, schema=_REGIONS, orient="row"))
    asked = asked_checks(options.other_baselines, options.noise_snr_db, method)
    columns = _SUMMARY | dict.fromkeys(asked, pl.Float64())
    write_table(summary, pl.DataFrame(summary_rows, schema=columns))
