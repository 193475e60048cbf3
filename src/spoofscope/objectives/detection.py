"""Telling bona fide speech from spoofs."""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, TrainingError
from spoofscope.inputs import Aggregation, Inputs, aggregate_windows
from spoofscope.names import BONAFIDE, SPOOF
from spoofscope.objectives.base import DevResult, Objective, Task, Values
from spoofscope.options.objectives import DETECTION, OcSoftmax
from spoofscope.selection.calibration import fit_calibration
from spoofscope.selection.operating_points import eer, min_dcf
from spoofscope.settings import DEFAULT_BAND

_LOGGER = logging.getLogger(__name__)


def detection_loss(
    logits: Tensor,
    is_bonafide: Tensor,
    outputs: tuple[str, ...],
    weights: Mapping[str, float],
    total: float | None = None,
) -> Tensor:
    """Weighted mean of the cross-entropy between logits and labels, a scalar.

    Args:
        logits: (B, n_outputs); with one output it is the logit of bona fide.
        is_bonafide: (B,) bool.
        outputs: names of the logits.
        weights: label to weight.
        total: what the sum of the weighted losses is divided by, by default the sum of the batch's
            weights.
    """
    if len(outputs) == 1:
        losses = nn.functional.binary_cross_entropy_with_logits(
            logits[:, 0], is_bonafide.to(logits.dtype), reduction="none"
        )
    else:
        target = torch.where(is_bonafide, outputs.index("bonafide"), outputs.index("spoof"))
        losses = nn.functional.cross_entropy(logits, target, reduction="none")
    weight = torch.where(is_bonafide, weights["bonafide"], weights["spoof"]).to(logits.dtype)
    return (losses * weight).sum() / (weight.sum() if total is None else total)


def one_class_loss(
    cosines: Tensor,
    is_bonafide: Tensor,
    options: OcSoftmax,
    weights: Mapping[str, float],
    total: float | None = None,
) -> Tensor:
    """OC-softmax (Zhang et al., IEEE Signal Processing Letters 2021), a scalar: the weighted mean
    of softplus(alpha (m - s)) over bona fide clips and softplus(alpha (s - m)) over spoofs, with
    the margin m of either.

    Args:
        cosines: (B,) s, of the read-out vectors to the prototype.
        is_bonafide, weights, total: see :func:`detection_loss`.
        options: margins and alpha.
    """
    excess = torch.where(
        is_bonafide, options.bonafide_margin - cosines, cosines - options.spoof_margin
    )
    losses = nn.functional.softplus(options.alpha * excess)
    weight = torch.where(is_bonafide, weights["bonafide"], weights["spoof"]).to(cosines.dtype)
    return (losses * weight).sum() / (weight.sum() if total is None else total)


class Detection(Objective):
    """Bona fide or spoof: class 1 or 0, cross-entropy or OC-softmax, EER and minDCF on development
    data.

    Options:
        objective: None for cross-entropy, or the `type` of `options.objectives.DETECTION` and its
            options.
        aggregate: how the scores of windows become that of a clip.
        abstain: the decision is inconclusive where the calibrated probability is within this of
            one half.
    """

    name = "detection"
    measures = ("loss", "eer", "min_dcf")
    select_by = None
    network: Detector

    def __init__(self, task: Task) -> None:
        for purpose, rows, source in (
            ("training", task.train, task.train_from),
            ("development", task.dev, task.dev_from),
        ):
            for label in (BONAFIDE, SPOOF):
                if not (rows["label"] == label).any():
                    raise TrainingError(
                        f"{source}: the {purpose} set has no {label} utterance; both classes "
                        "are needed"
                    )
        aggregation = Aggregation.from_dict(task.options.get("aggregate", {}))
        self._one_class = _one_class_options(task.options.get("objective"))
        backend = dict(task.backend)
        if self._one_class is not None:
            backend["n_outputs"] = 0
        self.network = Detector(task.frontend, backend, task.policy, aggregation=aggregation)
        self.train, self.dev = task.train, task.dev
        self._band = task.options.get("abstain", DEFAULT_BAND)
        labels = task.train["label"]
        is_bonafide = (labels == BONAFIDE).to_numpy()
        self.targets = is_bonafide.astype(np.int64)
        self.class_weights = self._weights_by_label(task)
        by_label = (self.class_weights[BONAFIDE], self.class_weights[SPOOF])
        self.weights = np.where(is_bonafide, *by_label)

    def _weights_by_label(self, task: Task) -> dict[str, float]:
        if isinstance(task.class_weights, Mapping):
            return dict(task.class_weights)
        if task.class_weights == "none":
            return {BONAFIDE: 1.0, SPOOF: 1.0}
        labels = task.train["label"]
        return {
            label: labels.len() / (2 * int((labels == label).sum())) for label in (BONAFIDE, SPOOF)
        }

    def check(self, recipe: Any) -> None:
        """Refuse a loss that does not fit the back-end's logits."""
        detector = self.network
        if self._one_class is not None:
            if recipe.loss is not None:
                raise ConfigError("recipe: loss: it is that of `objective`; leave it out")
            return
        needed = "bce" if len(detector.outputs) == 1 else "cross_entropy"
        if recipe.loss not in (None, needed):
            raise ConfigError(
                f"recipe: loss {recipe.loss} does not fit back-end {detector.backend.name} "
                f"with {len(detector.outputs)} logits, which needs {needed}"
            )

    @property
    def fitted_labels(self) -> dict[str, str]:
        """utt_id to label or attack, as the back-end asks for it."""
        column = self.network.backend.fitted_to
        return dict(self.train.select("utt_id", column).iter_rows())

    def loss(self, output: Tensor, targets: Tensor, total: float) -> Tensor:
        """Weighted cross-entropy, see :func:`detection_loss`, or :func:`one_class_loss`."""
        return self._loss(output, targets.bool(), total)

    def _loss(self, logits: Tensor, is_bonafide: Tensor, total: float | None = None) -> Tensor:
        weights = self.class_weights
        if self._one_class is None:
            return detection_loss(logits, is_bonafide, self.network.outputs, weights, total)
        return one_class_loss(logits[:, 0], is_bonafide, self._one_class, weights, total)

    def refit(self, inputs: Callable[[], Iterator[Inputs]], batch_size: int) -> None:
        """Nothing of a detector follows from its training clips but what is trained."""

    def clip(self, outputs: npt.NDArray[np.float32]) -> list[float]:
        """Mean logits over windows, for the loss, and the score."""
        mean = outputs.mean(axis=0, dtype=np.float64).tolist()
        scores = self.network.scores_of(outputs)
        return [*mean, aggregate_windows(scores, self.network.aggregation)]

    def dev_result(self, values: Values) -> DevResult:
        """Loss, EER and minDCF (ASVspoof 5) of the development set."""
        is_bonafide = (self.dev["label"] == BONAFIDE).to_numpy()
        logits = torch.from_numpy(values[:, :-1].astype(np.float32))
        loss = self._loss(logits, torch.from_numpy(is_bonafide))
        bonafide, spoof = self._scores(values)
        measures = {
            "loss": float(loss),
            "eer": eer(bonafide, spoof).value,
            "min_dcf": min_dcf(bonafide, spoof),
        }
        return DevResult(measures, values)

    def _scores(self, values: Values) -> tuple[Values, Values]:
        is_bonafide = (self.dev["label"] == BONAFIDE).to_numpy()
        scores = values[:, -1]
        return scores[is_bonafide], scores[~is_bonafide]

    def conclude(self, result: DevResult, settings: Mapping[str, Any]) -> None:
        """Keep threshold, EER and calibration."""
        detector = self.network
        bonafide, spoof = self._scores(result.values)
        detector.meta.update(settings)
        detector.meta["threshold"] = eer(bonafide, spoof).threshold
        detector.meta["dev_eer"] = result.measures["eer"]
        calibration = fit_calibration(bonafide, spoof)
        if calibration["scale"] > 0:
            speakers = self.dev["speaker"]
            n_speakers = None if (speakers == "-").any() else speakers.n_unique()
            detector.calibrate({**calibration, "band": self._band, "n_speakers": n_speakers})
        else:
            # A negative scale would turn the scores round, and hide that they are wrong.
            _LOGGER.warning(
                "on the development set spoof scores higher than bona fide (EER %.1f %%): the "
                "detector stays uncalibrated",
                100 * result.measures["eer"],
            )

    def write_into(self, folder: Path) -> None:
        """Write the detector's files, see `detector`."""
        self.network.write_into(folder)


def _one_class_options(objective: Mapping[str, Any] | None) -> OcSoftmax | None:
    if objective is None:
        return None
    values = dict(objective)
    kind = values.pop("type", None)
    if kind not in DETECTION:
        raise ConfigError(f"objective: no {kind!r}; there are {', '.join(DETECTION)}")
    return OcSoftmax.from_dict(values, "objective")
