"""A detector: front-end, back-end and input policy in one module, and the folder it is kept in.

A detector folder holds

* `detector.json`: front-end, back-end, input policy, names of the logits, score polarity,
  calibration, backbone with its hash, what is known about the training, and the hash of all that
  (see `settings`);
* `model.safetensors`: every tensor except the frozen parameters of the front-end, which come
  from the backbone, and what the training recordings are like (see `likeness`);
* `card.md`: the same in words.

A score is a number without a unit: higher = more bona fide. What it is worth, the calibration says.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spoofscope.backends import registry as backends
from spoofscope.backends.base import BackEnd
from spoofscope.backends.prototype import Prototype
from spoofscope.detector_folder import (
    CARD,
    WEIGHTS,
    backbone_entry,
    backbone_place,
    card,
    check_is_detector,
    check_target,
)
from spoofscope.errors import DetectorError, SpoofscopeError
from spoofscope.files import atomic_folder, sha256_file
from spoofscope.inputs import Aggregation
from spoofscope.judging import (
    Failure,
    Judgement,
    Logits,
    Recording,
    Waveform,
    failure,
    judge,
    listen,
)
from spoofscope.network import Network
from spoofscope.selection.calibration import (
    log_likelihood_ratios,
    posterior,
)
from spoofscope.settings import (
    POLARITY,
    SETTINGS_FILE,
    checked_calibration,
    read_settings,
    write_settings,
)
from spoofscope.support import Support
from spoofscope.windows import InputPolicy, Window


class Detector(Network):
    """A network whose logits say how much speaks for bona fide speech.

    Attributes:
        frontend, backend, policy, likeness: see `network.Network`.
        aggregation: how the scores of windows become that of a clip.
        outputs: names of the logits.
        calibration: None, or what `selection.calibration.Calibration` holds and `band`: the
            decision is `inconclusive` where the posterior is within it of 0.5; and `n_speakers` of
            the development set, None where they are not known.
        meta: what is known about the training, JSON-able; `threshold` is the score at the equal
            error rate of the development set, or None.
        identity: 12 digits that name the detector as it was loaded or saved, or None.
        support: what the eval sets of its study support, as `cases.scored_sets.load_supported`
            finds it; None where nobody asked.
    """

    def __init__(
        self,
        frontend_config: Mapping[str, Any],
        backend_config: Mapping[str, Any],
        policy: InputPolicy,
        meta: Mapping[str, Any] | None = None,
        calibration: Mapping[str, Any] | None = None,
        aggregation: Aggregation | None = None,
    ) -> None:

        def build(**axes: Any) -> BackEnd:
            backend = backends.build(backend_config, **axes)
            return backend if backend.outputs else Prototype(backend)

        super().__init__(frontend_config, policy, build)
        self.aggregation = aggregation or Aggregation()
        if self.outputs != ("bonafide",) and set(self.outputs) != {"bonafide", "spoof"}:
            raise DetectorError(
                f"back-end {self.backend.name} has the outputs {', '.join(self.outputs)}; "
                "a detector needs bonafide, or bonafide and spoof"
            )
        self.meta: dict[str, Any] = {"threshold": None, **(meta or {})}
        self.identity: str | None = None
        self.calibration: dict[str, Any] | None = None
        self.support: Support | None = None
        if calibration is not None:
            self.calibrate(calibration)

    def calibrate(self, calibration: Mapping[str, Any]) -> None:
        """Record how scores become log-likelihood ratios, see the attribute `calibration`.

        Raises:
            DetectorError: a number is missing, not finite or out of range.
        """
        self.calibration = checked_calibration(calibration)
        # Of the ratios before.
        self.support = None

    # --- logits and scores -----------------------------------------------------------------

    def score_tensor(self, logits: Tensor) -> Tensor:
        """Scores (B,) from logits (B, n_outputs): that of bona fide, less that of spoof."""
        bonafide = logits[:, self.outputs.index("bonafide")]
        if len(self.outputs) == 1:
            return bonafide
        return bonafide - logits[:, self.outputs.index("spoof")]

    def scores_of(self, logits: Logits) -> npt.NDArray[np.float64]:
        """Scores (n,) from logits (n, n_outputs), as :meth:`score_tensor`."""
        return self.score_tensor(torch.from_numpy(logits.astype(np.float64))).numpy()

    # --- recordings ------------------------------------------------------------------------

    def score(self, waveform: Waveform, sample_rate: int) -> float:
        """The score of samples in memory; higher = more bona fide.

        Args:
            waveform: NumPy array or PyTorch tensor, (n,) or (channels, n), see `audio.as_mono`.
            sample_rate: Hz; the clip is resampled where the detector works at another rate.

        Raises:
            AudioError: the waveform is empty, not finite, or of another shape or type.
            DetectorError: a logit is not finite.
        """
        return self.predict((waveform, sample_rate))["score"]

    @overload
    def predict(self, recording: Recording, *, longest: float | None = None) -> Judgement: ...

    @overload
    def predict(
        self, recording: list[Recording], *, longest: float | None = None
    ) -> list[Judgement]: ...

    def predict(
        self, recording: Recording | list[Recording], *, longest: float | None = None
    ) -> Judgement | list[Judgement]:
        """Judge a recording, or each of a list.

        A recording is decoded, resampled and cut into windows as a stream: unless the detector
        takes whole clips (`length: null`), hours need no more memory than a minute. Scores are
        those of the workflow; where the input policy normalises, those of clips beyond one minute
        may differ in the sixth digit.

        Args:
            recording: a file; or a pair of samples and their rate in Hz; or a list of such.
            longest: seconds; a longer file is refused as soon as so much of it is decoded. By
                default `LONGEST_SECONDS`, or `LONGEST_WHOLE_SECONDS` of a detector that takes
                whole clips.

        Raises:
            AudioError: a recording cannot be read, or is too long; a file is named.
            DetectorError: a logit is not finite; a file is named.
        """
        if isinstance(recording, list):
            return [judge(self, single, longest) for single in recording]
        return judge(self, recording, longest)

    def windows(self, recording: Recording) -> Iterator[Window]:
        """The windows that :meth:`predict` judges, in their order, as a stream.

        Raises:
            AudioError: the recording cannot be read; perhaps only after some windows.
        """
        return listen(self, recording, None)[0]

    def llr(self, score: float) -> float | None:
        """Natural-log likelihood ratio of a score, bona fide over spoof; None uncalibrated.

        It stays within the bounds that the development set supports.
        """
        if self.calibration is None:
            return None
        return float(log_likelihood_ratios(score, self.calibration))

    def p_bonafide(self, score: float) -> float | None:
        """Posterior probability of bona fide at the calibration's prior; None without one."""
        llr = self.llr(score)
        if llr is None or self.calibration is None:
            return None
        return posterior(llr, self.calibration["prior"])

    def decide(self, score: float) -> str:
        """`bonafide`, `spoof` or `inconclusive`.

        With a calibration, by the posterior and its band; without, by the threshold at the
        development set's equal error rate; without either, always inconclusive.
        """
        probability = self.p_bonafide(score)
        if probability is not None and self.calibration is not None:
            band = self.calibration["band"]
            if probability >= 0.5 + band:
                return "bonafide"
            return "spoof" if probability <= 0.5 - band else "inconclusive"
        threshold = self.meta["threshold"]
        if threshold is None:
            return "inconclusive"
        return "bonafide" if score >= threshold else "spoof"

    # --- folders ---------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write the detector's folder, whole or not at all; an older detector there is replaced.

        Raises:
            DetectorError: the folder holds something else, which would be lost.
        """
        check_target(folder)
        with atomic_folder(folder) as temporary:
            self.write_into(temporary)

    def write_into(self, folder: Path) -> None:
        """Write the three files into an existing folder (see :meth:`save`)."""
        self.write_weights(folder / WEIGHTS)
        content = {
            "frontend": {"type": self.frontend.name, **self.frontend.config},
            "backend": {"type": self.backend.name, **self.backend.config},
            "input": self.policy.to_dict(),
            "aggregate": self.aggregation.to_dict(),
            "outputs": list(self.outputs),
            "polarity": POLARITY,
            "calibration": self.calibration,
            "backbone": backbone_entry(self.frontend.config),
            "reference": self.likeness is not None,
            "weights_sha256": sha256_file(folder / WEIGHTS),
            "meta": self.meta,
        }
        settings = write_settings(folder, content)
        self.identity = settings["settings_sha256"][:12]
        (folder / CARD).write_text(card(settings), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> "Detector":
        """Load a detector folder, in evaluation mode.

        A backbone that the detector names by a relative path is looked for below the working
        directory, then below the folders that hold the detector: in the checkout that it is from.

        Raises:
            DetectorError: a file is missing or damaged, the folder is a tracer's, the backbone is
                not the one that the detector was trained with, or tensors are missing, unexpected
                or of other shapes.
        """
        folder = Path(folder)
        check_is_detector(folder)
        settings = read_settings(folder / SETTINGS_FILE)
        backbone = settings["backbone"]
        if (backbone is None) != (settings["frontend"].get("backbone") is None):
            raise DetectorError(
                f"{folder / SETTINGS_FILE}: backbone and frontend.backbone do not belong together"
            )
        if backbone is not None and "folder" in backbone:
            place = {"folder": backbone_place(backbone["folder"], folder)}
            backbone = {**backbone, **place}
            frontend_backbone = {**settings["frontend"]["backbone"], **place}
            settings["frontend"] = {**settings["frontend"], "backbone": frontend_backbone}
        if backbone != backbone_entry(settings["frontend"]):
            raise DetectorError(
                f"{folder}: the backbone in {backbone['folder']} is not the one that this detector "
                "was trained with: its files have another hash; put the original files there"
            )
        if sha256_file(folder / WEIGHTS) != settings["weights_sha256"]:
            raise DetectorError(
                f"{folder / WEIGHTS} is not the file that {SETTINGS_FILE} describes; "
                "it was altered or damaged: copy the detector again"
            )
        detector = _built(cls, settings, folder)
        if list(detector.outputs) != settings["outputs"]:
            raise DetectorError(
                f"{folder}: the outputs are recorded as {settings['outputs']}, "
                f"the back-end has {list(detector.outputs)}"
            )
        detector.read_weights(folder / WEIGHTS, settings["reference"])
        detector.identity = settings["settings_sha256"][:12]
        return detector.to(device).eval()


_UNBUILT = (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError, MemoryError)


def _built(cls: type[Detector], settings: Mapping[str, Any], folder: Path) -> Detector:
    """The detector that checked settings describe, with its weights still to come."""
    try:
        return cls(
            settings["frontend"],
            settings["backend"],
            InputPolicy.from_dict(settings["input"]),
            settings["meta"],
            settings["calibration"],
            Aggregation.from_dict(settings["aggregate"]),
        )
    except SpoofscopeError as error:
        raise DetectorError(f"{folder / SETTINGS_FILE}: {error}") from error
    except _UNBUILT as error:
        # Options that no study file lets through: PyTorch says what it cannot build of them.
        raise DetectorError(
            f"{folder / SETTINGS_FILE}: no detector can be built from these settings: "
            f"{type(error).__name__}: {error}"
        ) from error


def predict_files(detector: Detector, files: Iterable[str | Path]) -> Iterator[Judgement | Failure]:
    """Judge several recordings with one detector, one after the other.

    Yields:
        One entry per file in the given order, as soon as it is judged; a failure for a file that
        cannot be judged.
    """
    for path in files:
        try:
            yield detector.predict(path)
        except SpoofscopeError as error:
            yield failure(detector, path, error)
