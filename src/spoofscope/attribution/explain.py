"""Explaining the scores of chosen utterances: maps, regions, and a summary of checks."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import polars as pl
from torch import Tensor

from spoofscope.attribution.faithfulness import (
    FRACTIONS,
    block_edges,
    gradient_times_input,
    masking_curves,
    occlusion,
    randomised_backend,
)
from spoofscope.attribution.integrated import (
    SMALLEST_DIFFERENCE,
    Attribution,
    recurrent_safe,
    score_function,
)
from spoofscope.attribution.methods import ONE_ROW, Windowed
from spoofscope.attribution.regions import odd_frames, smooth, top_regions
from spoofscope.attribution.store import (
    MASKINGS,
    SCALARS,
    Explanation,
    Settings,
    write_attributions,
)
from spoofscope.attribution_methods import ADDS_UP, ATTRIBUTION_METHODS
from spoofscope.backends.base import BackEnd
from spoofscope.baselines import (
    baseline_features,
    window_features,
)
from spoofscope.detector import Detector
from spoofscope.errors import DetectorError, TableError
from spoofscope.frames import frame_indices
from spoofscope.frontends.base import FrontEnd
from spoofscope.identity import rng_of
from spoofscope.inputs import decoded_windows
from spoofscope.metrics.correlation import spearman
from spoofscope.options.attribution import PATH_INTEGRAL, TARGETS, ExplainOptions
from spoofscope.selection.utterances import sampled
from spoofscope.shards.journal import Done
from spoofscope.shards.parts import shard_slice
from spoofscope.tables import write_table
from spoofscope.windows import Windows

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

# Half-precision features and other devices move a score by about 0.1 %; more is another score.
_SAME_SCORE = 0.01

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


def reduce_map(frontend: FrontEnd, values: Tensor) -> Floats:
    """Attribution (C, N, D) to a map (rows, frames): layers, or bands and cepstral coefficients.

    The embedding dimensions of an SSL model have no meaning of their own and are summed; so are the
    channels (magnitude and sign) of spectral front-ends.
    """
    doubles = values.double().cpu()
    if frontend.dim_axis == "embedding":
        return doubles.sum(dim=2).numpy()
    return doubles.sum(dim=0).T.numpy()


def row_axis(frontend: FrontEnd, method: str) -> tuple[str, int]:
    """What the rows of :func:`reduce_map` are, and how many there are."""
    if method in ONE_ROW:
        return "all", 1
    if frontend.dim_axis == "embedding":
        return frontend.channel_axis, frontend.n_channels
    return frontend.dim_axis, frontend.dim


class _Attributed(NamedTuple):
    """An explanation without masking curves, and of each window what it was made from."""

    explanation: Explanation
    features: list[Tensor]
    baselines: list[Tensor]
    maps: list[Floats]
    weights: Floats


@dataclass(frozen=True)
class _Checked:
    explanation: Explanation
    n_windows: int
    gradient_spearman: float | None
    occlusion_spearman: float | None


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


def _settings(detector: Detector, options: ExplainOptions, method: str) -> Settings:
    axis, n_rows = row_axis(detector.frontend, method)
    frontend = detector.frontend
    return Settings(
        target=options.target,
        baseline=options.baseline,
        row_axis=axis,
        n_rows=n_rows,
        band_edges=tuple(frontend.band_edges() or ()),
        sample_rate=detector.policy.sample_rate,
        hop_seconds=frontend.hop_seconds,
        first_centre_seconds=frontend.first_centre_seconds,
        smoothing_frames=odd_frames(options.smoothing_seconds, frontend.hop_seconds),
        fractions=FRACTIONS,
        tolerance=options.tolerance,
        method=method,
    )


class _Explainer:
    """One detector with options, ready to explain windows by a method."""

    def __init__(
        self,
        detector: Detector,
        options: ExplainOptions,
        method: str,
        centroid: Tensor | None,
        seed: int,
    ) -> None:
        self.detector, self.options = detector, options
        self.centroid, self.seed = centroid, seed
        self.method = method
        self._attribute = ATTRIBUTION_METHODS.member(method)
        self.function = score_function(detector, options.target)
        self.sign = 1.0 if options.target == "bonafide" else -1.0
        self.settings = _settings(detector, options, method)
        self.block = max(1, round(options.block_seconds / detector.frontend.hop_seconds))

    def inputs(self, utt_id: str, windows: Windows) -> tuple[list[Tensor], list[Tensor]]:
        """Features and baseline of each window."""
        features = window_features(self.detector, list(windows.values))
        baselines = baseline_features(
            self.options.baseline,
            self.detector,
            windows.values,
            features,
            centroid=self.centroid,
            seed_parts=(self.seed, utt_id),
        )
        return features, baselines

    def attribute(
        self, features: Sequence[Tensor], baselines: Sequence[Tensor], options: ExplainOptions
    ) -> list[Attribution]:
        windows = Windowed(self.detector, self.function, features, baselines, options, self.block)
        attributions: list[Attribution] = self._attribute(windows)
        return attributions

    def attributed(self, row: Mapping[str, Any], windows: Windows) -> _Attributed:
        features, baselines = self.inputs(row["utt_id"], windows)
        attributions = self.attribute(features, baselines, self.options)
        maps = [reduce_map(self.detector.frontend, item.values) for item in attributions]
        weights = self._weights([item.output for item in attributions])
        total, coverage, outside = self._stitched(windows, maps, weights)
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
        return _Attributed(explanation, features, baselines, maps, weights)

    def explain(self, row: Mapping[str, Any], windows: Windows) -> _Checked:
        explanation, features, baselines, maps, weights = self.attributed(row, windows)
        maskings = self._maskings(row["utt_id"], features, baselines, maps, weights)
        gradient, occluded = self._cross_checks(features, baselines, maps)
        return _Checked(replace(explanation, maskings=maskings), len(maps), gradient, occluded)

    def _weights(self, outputs: Sequence[float]) -> Floats:
        """What each window counts in the clip's score; the path to the baseline keeps it."""
        return self.detector.aggregation.weights(self.sign * np.asarray(outputs))

    def _stitched(
        self, windows: Windows, maps: Sequence[Floats], weights: Floats
    ) -> tuple[Floats, npt.NDArray[np.int64], float]:
        counts = [values.shape[1] for values in maps]
        indices = frame_indices(self.detector.frontend, self.detector.policy, windows, counts)
        return _stitch(maps, indices, weights)

    def _cross_checks(
        self,
        features: Sequence[Tensor],
        baselines: Sequence[Tensor],
        maps: Sequence[Floats],
    ) -> tuple[float | None, float | None]:
        """Spearman of the method with gradient x input (frames) and with occlusion (blocks of
        frames); None where it is the method itself.
        """
        frames, gradients, blocks, occlusions = [], [], [], []
        for x, b, values in zip(features, baselines, maps, strict=True):
            curve = values.sum(axis=0)
            frames.append(curve)
            gradient = gradient_times_input(self.function, x, b)
            gradients.append(reduce_map(self.detector.frontend, gradient).sum(axis=0))
            edges = block_edges(curve.size, self.block)
            blocks.append(np.array([curve[start:end].sum() for start, end in edges]))
            occlusions.append(
                occlusion(self.function, x, b, self.block, self.options.internal_batch)
            )
        return (
            None
            if self.method == "gradient_x_input"
            else spearman(np.concatenate(frames), np.concatenate(gradients)),
            None
            if self.method == "occlusion_time"
            else spearman(np.concatenate(blocks), np.concatenate(occlusions)),
        )

    def _maskings(
        self,
        utt_id: str,
        features: Sequence[Tensor],
        baselines: Sequence[Tensor],
        maps: Sequence[Floats],
        weights: Floats,
    ) -> dict[str, Floats]:
        """Masking curves, averaged over windows with the weights of the score."""
        curves = [
            masking_curves(
                self.function,
                x,
                b,
                values.sum(axis=0),
                controls=self.options.controls,
                rng=rng_of("masking controls", self.seed, utt_id, number),
                internal_batch=self.options.internal_batch,
            )
            for number, (x, b, values) in enumerate(zip(features, baselines, maps, strict=True))
        ]
        return {
            name: np.average([getattr(curve, name) for curve in curves], axis=0, weights=weights)
            for name in MASKINGS
        }

    def randomised_spearman(
        self, explanation: Explanation, windows: Windows, backend: BackEnd
    ) -> float | None:
        """Spearman of an explanation's map with that of another back-end, by absolute value.

        Layers that neither back-end looks at are left out: their zeros agree whatever it learned.
        """
        trained = self.detector.backend
        features, baselines = self.inputs(explanation.utt_id, windows)
        self.detector.backend = backend
        try:
            # Completeness matters little for a rank correlation: one attempt is enough.
            one_attempt = replace(self.options, max_steps=self.options.steps)
            attributions = self.attribute(features, baselines, one_attempt)
        finally:
            self.detector.backend = trained
        maps = [reduce_map(self.detector.frontend, item.values) for item in attributions]
        weights = self._weights([item.output for item in attributions])
        magnitude, other_magnitude = (
            np.abs(explanation.map),
            np.abs(self._stitched(windows, maps, weights)[0]),
        )
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


def _check_score(explanation: Explanation, scored: float) -> None:
    if abs(explanation.score - scored) > _SAME_SCORE * max(1.0, abs(scored)):
        raise DetectorError(
            f"utterance {explanation.utt_id!r}: its score file says {scored:.6g}, the logit to "
            f"explain is {explanation.score:.6g}; are detector, audio and scores of one run?"
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
    explainer = _Explainer(detector, options, PATH_INTEGRAL, None, seed=0)
    with recurrent_safe(detector.backend):
        row = {"utt_id": "-", "label": "-", "attack": "-"}
        return explainer.attributed(row, windows).explanation


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
    shard: tuple[int, int] = (0, 1),
    centroid: Tensor | None = None,
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
        shard: which of the rows are explained here, see `shards.parts.shard_slice`. Those that are
            compared with a randomised back-end are chosen from all rows.
        centroid: (C, D), where the baseline is `centroid`.
        seed: of all random choices: noise baseline, control masks, randomised back-end.

    Raises:
        AudioError: a file cannot be read.
        DetectorError: a logit differs from the score file, or an attribution is not finite.
    """
    left = rows[shard_slice(rows["duration"].to_list(), *shard)]
    left = left.filter([utt_id not in done for utt_id in left["utt_id"]])
    if left.is_empty():
        return
    detector.eval()
    explainer = _Explainer(detector, options, method, centroid, seed)
    of_randomised = compared_with_randomised(sampled(rows), options.randomised, seed)
    randomised = randomised_backend(detector.backend, seed) if of_randomised else None
    with recurrent_safe(detector.backend):
        inputs = decoded_windows(left, detector.policy)
        for number, (row, (utt_id, windows)) in enumerate(
            zip(left.iter_rows(named=True), inputs, strict=True), start=1
        ):
            checked = explainer.explain(row, windows)
            explanation = checked.explanation
            _check_score(explanation, row["score"])
            against_random = None
            if randomised is not None and utt_id in of_randomised:
                against_random = explainer.randomised_spearman(explanation, windows, randomised)
            result: _Result = {
                "scalars": {name: getattr(explanation, name) for name in SCALARS},
                "map": explanation.map,
                "coverage": explanation.coverage,
                "maskings": explanation.maskings,
                "checks": {
                    "n_windows": checked.n_windows,
                    "gradient_spearman": checked.gradient_spearman,
                    "occlusion_spearman": checked.occlusion_spearman,
                    "randomised_spearman": against_random,
                },
            }
            done[utt_id] = result
            if number % 10 == 0 or number == left.height:
                logger.info("explained %d of %d utterances", number, left.height)


def explain(
    detector: Detector,
    rows: pl.DataFrame,
    attributions: str | Path,
    regions: str | Path,
    summary: str | Path,
    options: ExplainOptions,
    *,
    method: str = PATH_INTEGRAL,
    centroid: Tensor | None = None,
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
      where not asked for). A correlation with a constant is empty, too.

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
        centroid: (C, D), where the baseline is `centroid`.
        seed: of all random choices: noise baseline, control masks, randomised back-end.
        done: the explanations of utterances that are finished; the others are added.

    Raises:
        TableError: there are no rows. AudioError: a file cannot be read.
        DetectorError: a logit differs from the score file, or an attribution is not finite.
    """
    if rows.is_empty():
        raise TableError("no utterances to explain")
    done = {} if done is None else done
    explain_utterances(detector, rows, options, done, method=method, centroid=centroid, seed=seed)
    settings = _settings(detector, options, method)
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
    write_table(summary, pl.DataFrame(summary_rows, schema=_SUMMARY))
