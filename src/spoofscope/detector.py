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

import hashlib
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict, final, overload

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from spoofscope import __version__, audio, likeness, quality
from spoofscope.audio import Samples
from spoofscope.backends import registry as backends
from spoofscope.errors import AudioError, DetectorError, SpoofscopeError
from spoofscope.files import atomic_folder, sha256_file
from spoofscope.frontends import registry as frontends
from spoofscope.frontends.base import Features
from spoofscope.identity import canonical_json
from spoofscope.inputs import Aggregation, aggregate_windows, policy_of
from spoofscope.selection.calibration import (
    log_likelihood_ratios,
    posterior,
    probability_text,
    supported_text,
)
from spoofscope.settings import (
    POLARITY,
    SETTINGS_FILE,
    checked_calibration,
    read_settings,
    write_settings,
)
from spoofscope.windows import InputPolicy, Window

LONGEST_SECONDS = 4 * 3600.0
"""Longer recordings are refused, unless :meth:`Detector.predict` is told otherwise."""
LONGEST_WHOLE_SECONDS = 3600.0
"""The same of detectors that take a recording as one window, and hold it in memory."""

_WEIGHTS, _CARD = "model.safetensors", "card.md"
_WINDOWS_AT_ONCE = 8
_BLOCK_SECONDS = 60.0
_REFERENCE = "reference."
_OVER_WINDOWS = {
    "mean": "the mean over windows",
    "median": "the median over windows",
    "max": "that of the window with the most evidence for spoof",
    "top_k": "the mean of the {k} windows with the most evidence for spoof",
}

Logits = npt.NDArray[np.float32]


Waveform = npt.NDArray[Any] | Tensor
Recording = str | os.PathLike[str] | tuple[Waveform, int]
"""A file, or samples (n,) or (channels, n) with their rate in Hz, see `audio.as_mono`."""


@final
class Judgement(TypedDict):
    """What a detector says about one recording; JSON-able.

    path: the file, or None. decision: bonafide, spoof or inconclusive. reasons: why it is
    inconclusive, the first of them first. score: aggregated over windows, without a unit.
    llr: the calibrated natural-log likelihood ratio, bona fide over spoof, within the bounds that
    the development set supports; log10_llr: the same to base 10. p_bonafide: the posterior of `llr`
    at the calibration's prior. The three are None without a calibration, and where the recording is
    none that the detector can judge. calibration: see `Detector.calibration`.
    flags: what speaks against relying on the score, by the names of `quality.FLAGS`; None where it
    is not known. measures: what the flags were raised on, see `quality.Measures`, and `distance`
    from the training data in units of the largest that is usual, None where it is not known.
    duration_s: of the recording. n_windows: how many windows it has. logits: their mean over
    windows, in the order of `outputs`. window_scores, window_logits, window_starts_s: of each.
    detector: 12 digits that name the detector: weights, settings and calibration; None for one
    that was never saved. spoofscope: the version that judged.
    """

    path: str | None
    decision: str
    reasons: list[str]
    score: float
    llr: float | None
    log10_llr: float | None
    p_bonafide: float | None
    calibration: dict[str, Any] | None
    flags: dict[str, bool | None]
    measures: dict[str, float | None]
    duration_s: float
    n_windows: int
    logits: list[float]
    window_scores: list[float]
    window_logits: list[list[float]]
    window_starts_s: list[float]
    detector: str | None
    spoofscope: str


@final
class Failure(TypedDict):
    """Why a file could not be judged."""

    path: str
    error: str


class Detector(nn.Module):
    """Front-end and back-end under one input policy.

    Every window has the length that the policy gives it: what the policy appends to a short clip
    is input like any other, so `lengths` below marks only the padding of a batch.

    Attributes:
        frontend, backend, policy: the parts.
        aggregation: how the scores of windows become that of a clip.
        outputs: names of the logits.
        calibration: None, or what `selection.calibration.Calibration` holds and `band`: the
            decision is `inconclusive` where the posterior is within it of 0.5; and `n_speakers` of
            the development set, None where they are not known.
        meta: what is known about the training, JSON-able; `threshold` is the score at the equal
            error rate of the development set, or None.
        likeness: what the training recordings are like, or None.
        identity: 12 digits that name the detector as it was loaded or saved, or None.
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
        super().__init__()
        self.frontend = frontends.build(frontend_config)
        # As the configuration says; a training may freeze more for a while.
        self._from_backbone = {
            f"frontend.{name}"
            for name, parameter in self.frontend.named_parameters()
            if not parameter.requires_grad
        }
        self.policy = policy_of(self.frontend, policy)
        length = self.policy.length
        self.backend = backends.build(
            backend_config,
            n_channels=self.frontend.n_channels,
            dim=self.frontend.dim,
            n_frames=None if length is None else self.frontend.n_frames(length),
        )
        self.aggregation = aggregation or Aggregation()
        self.outputs = self.backend.outputs
        if self.outputs != ("bonafide",) and set(self.outputs) != {"bonafide", "spoof"}:
            raise DetectorError(
                f"back-end {self.backend.name} has the outputs {', '.join(self.outputs)}; "
                "a detector needs bonafide, or bonafide and spoof"
            )
        self.meta: dict[str, Any] = {"threshold": None, **(meta or {})}
        self.likeness: likeness.Likeness | None = None
        self.identity: str | None = None
        self.calibration: dict[str, Any] | None = None
        if calibration is not None:
            self.calibrate(calibration)

    def calibrate(self, calibration: Mapping[str, Any]) -> None:
        """Record how scores become log-likelihood ratios, see the attribute `calibration`.

        Raises:
            DetectorError: a number is missing, not finite or out of range.
        """
        self.calibration = checked_calibration(calibration)

    # --- logits and scores -----------------------------------------------------------------

    def forward(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of waveforms (B, n_samples) with `lengths` (B,) samples each."""
        return self.backend_logits(*self.frontend(waveform, lengths))

    def backend_logits(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of normalised features (B, C, N, D) with `lengths` (B,) frames."""
        logits: Tensor = self.backend(values, lengths)
        return logits

    def score_tensor(self, logits: Tensor) -> Tensor:
        """Scores (B,) from logits (B, n_outputs): that of bona fide, less that of spoof."""
        bonafide = logits[:, self.outputs.index("bonafide")]
        if len(self.outputs) == 1:
            return bonafide
        return bonafide - logits[:, self.outputs.index("spoof")]

    @property
    def device(self) -> torch.device:
        """Where the detector's tensors are."""
        return next(iter([*self.parameters(), *self.buffers()])).device

    def logits(
        self,
        windows: Sequence[npt.NDArray[np.float32]],
        batch_size: int,
        names: Sequence[str] | None = None,
    ) -> Logits:
        """Logits (n, n_outputs) of n windows, in their order, in evaluation mode.

        Args:
            windows: each a waveform (n_samples,) cut by the input policy, or its raw features
                (C, N, D).
            batch_size: at most so many windows at once, all of the same shape.
            names: of the utterance that each window is of, for messages.

        Raises:
            DetectorError: a logit is NaN or infinite; the utterance is named.
        """
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, window in enumerate(windows):
            by_shape.setdefault(window.shape, []).append(i)
        result = np.empty((len(windows), len(self.outputs)), dtype=np.float32)
        with self._evaluating():
            for members in by_shape.values():
                for start in range(0, len(members), batch_size):
                    batch = members[start : start + batch_size]
                    features = self._features(np.stack([windows[i] for i in batch]))
                    result[batch] = self._backend_logits(features)
        bad = np.flatnonzero(~np.isfinite(result).all(axis=1))
        if bad.size:
            whose = "" if names is None else f"utterance {names[bad[0]]!r}: "
            raise DetectorError(f"{whose}the detector's logits are not finite")
        return result

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients inside; afterwards the mode of before."""
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.train(training)

    def _features(self, windows: npt.NDArray[np.float32]) -> Features:
        """Normalised features of windows of one shape: waveforms (B, n) or raw (B, C, N, D)."""
        values = torch.from_numpy(windows).to(self.device)
        is_waveform = values.ndim == 2
        size = values.shape[1 if is_waveform else 2]
        lengths = torch.full((len(values),), size, device=self.device)
        if is_waveform:
            features: Features = self.frontend(values, lengths)
            return features
        return self.frontend.normalise(Features(values, lengths))

    def _backend_logits(self, features: Features) -> Logits:
        logits: Logits = self.backend_logits(*features).float().cpu().numpy()
        return logits

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
        if longest is None:
            longest = LONGEST_SECONDS if self.policy.length else LONGEST_WHOLE_SECONDS
        if isinstance(recording, list):
            return [self._judge(single, longest) for single in recording]
        return self._judge(recording, longest)

    def windows(self, recording: Recording) -> Iterator[Window]:
        """The windows that :meth:`predict` judges, in their order, as a stream.

        Raises:
            AudioError: the recording cannot be read; perhaps only after some windows.
        """
        return self._windows(recording, None)[0]

    def _windows(
        self, recording: Recording | audio.Clip, longest: float | None
    ) -> tuple[Iterator[Window], list[tuple[quality.Meter, likeness.Describer | None]]]:
        """The windows, and what listens to them, the last of which has heard what has passed."""
        blocks = _opened(recording, longest)
        rate = self.policy.sample_rate
        listeners: list[tuple[quality.Meter, likeness.Describer | None]] = []
        passes = 2 if self.policy.normalize else 1

        def heard() -> Iterator[Samples]:
            # A clip that is normalised is opened twice, the first time for its mean and variance.
            last = len(listeners) + 1 == passes
            describer = likeness.Describer(rate) if self.likeness is not None and last else None
            listeners.append((meter := quality.Meter(rate), describer))
            first, stored_rate = next(decoded := blocks())
            stored = itertools.chain([first], (samples for samples, _ in decoded))
            samples = meter.heard(self.policy.resampled(meter.stored(stored), stored_rate))
            return samples if describer is None else describer.heard(samples)

        return self.policy.stream(heard), listeners

    def _judge(self, recording: Recording, longest: float) -> Judgement:
        clip = None
        if isinstance(recording, str | os.PathLike):
            # Opened once, so that what its channels do is found out once.
            clip = audio.Clip(Path(recording), longest=longest)
        windows, listeners = self._windows(clip or recording, longest)
        rate = self.policy.sample_rate

        logits: list[Logits] = []
        starts: list[int] = []
        extended = False
        with self._evaluating():
            while batch := list(itertools.islice(windows, _WINDOWS_AT_ONCE)):
                features = self._features(np.stack([window.values for window in batch]))
                logits.append(self._backend_logits(features))
                starts += [window.start for window in batch]
                extended |= batch[0].valid < batch[0].values.size
        window_logits = np.concatenate(logits)
        path = None if isinstance(recording, tuple) else str(recording)
        if not np.isfinite(window_logits).all():
            raise DetectorError(f"{path or 'the samples'}: the detector's logits are not finite")
        scores = self.scores_of(window_logits)
        score = aggregate_windows(scores, self.aggregation)
        meter, describer = listeners[-1]
        distance = None
        if self.likeness is not None and describer is not None:
            distance = self.likeness.distance(describer.description())
        measures = meter.measures()
        one_channel = None if clip is None else clip.one_channel
        flags = quality.flags(measures, rate, extended, distance, one_channel)
        reasons = [quality.FLAGS[name] for name in quality.DISQUALIFYING if flags[name]]
        # Of a recording that it cannot judge, a detector's ratio says nothing.
        llr = None if reasons else self.llr(score)
        decision = "inconclusive" if reasons else self.decide(score)
        if decision == "inconclusive" and not reasons:
            reasons = [self._undecided()]
        return {
            "path": path,
            "decision": decision,
            "reasons": reasons,
            "score": score,
            "llr": llr,
            "log10_llr": None if llr is None else llr / math.log(10),
            "p_bonafide": None if llr is None else self.p_bonafide(score),
            "calibration": None if self.calibration is None else dict(self.calibration),
            "flags": flags,
            "measures": {**measures._asdict(), "distance": distance},
            "duration_s": measures.duration_s,
            "n_windows": len(scores),
            "logits": window_logits.mean(axis=0, dtype=np.float64).tolist(),
            "window_scores": scores.tolist(),
            "window_logits": window_logits.astype(np.float64).tolist(),
            "window_starts_s": [start / rate for start in starts],
            "detector": self.identity,
            "spoofscope": __version__,
        }

    def _undecided(self) -> str:
        if self.calibration is None:
            return "the detector has neither a calibration nor a threshold"
        band = self.calibration["band"]
        near = f"the probability is within {band:g} of one half"
        prior = self.calibration["prior"]
        extremes = (posterior(self.calibration[end], prior) for end in ("lower", "upper"))
        if all(abs(extreme - 0.5) < band for extreme in extremes):
            return f"{near}, as that of every recording: {supported_text(self.calibration)}"
        return near

    def learn_likeness(
        self, recordings: Iterable[tuple[Samples, str]], longest: float = 8.0
    ) -> None:
        """Keep what training recordings are like, so that those unlike them can be told.

        See `likeness.fit_likeness`: with too few recordings nothing is kept.

        Args:
            recordings: samples (n,) of both classes at the policy's rate, not normalised, and
                their speakers ("-" where unknown).
            longest: seconds from the start of each that are looked at; enough to know it by.
        """
        rate = self.policy.sample_rate
        second, speakers = round(likeness.PIECES["seconds"] * rate), []
        described: list[dict[str, Sequence[likeness.Piece]]] = []
        for samples, speaker in recordings:
            start = samples[: round(longest * rate)]
            describer = likeness.Describer(rate)
            for _ in describer.heard([start]):
                pass
            kind, pieces = describer.description()
            middle = max(0, (start.size - second) // 2)
            described.append(
                {
                    # Of a recording below a second there is no more than its halves.
                    "seconds": pieces if kind == "seconds" else [likeness.describe(start, rate)],
                    "halves": likeness.halves(start[middle : middle + second], rate),
                }
            )
            speakers.append(speaker)
        self.likeness = likeness.fit_likeness(described, speakers)

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

    def stored_state(self) -> dict[str, Tensor]:
        """The tensors that `model.safetensors` holds, on the CPU, by name."""
        return {
            name: tensor.detach().to("cpu", copy=True).contiguous()
            for name, tensor in self.state_dict().items()
            if name not in self._from_backbone
        }

    def load_stored_state(self, state: Mapping[str, Tensor], source: str) -> None:
        """Take the tensors of :meth:`stored_state`.

        Raises:
            DetectorError: names or shapes differ; `source` is named.
        """
        expected = self.stored_state()
        problems = [
            f"{len(names)} {kind} ({', '.join(names[:5])})"
            for kind, names in (
                ("missing", sorted(expected.keys() - state.keys())),
                ("unexpected", sorted(state.keys() - expected.keys())),
                (
                    "of another shape",
                    sorted(
                        name
                        for name in expected.keys() & state.keys()
                        if expected[name].shape != state[name].shape
                    ),
                ),
            )
            if names
        ]
        if problems:
            raise DetectorError(f"{source}: the tensors do not fit: {'; '.join(problems)}")
        self.load_state_dict(dict(state), strict=False)

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
        state = self.stored_state()
        if self.likeness is not None:
            for name, array in self.likeness.to_arrays().items():
                state[_REFERENCE + name] = torch.from_numpy(array.copy())
        safetensors.torch.save_file(state, folder / _WEIGHTS)
        content = {
            "frontend": {"type": self.frontend.name, **self.frontend.config},
            "backend": {"type": self.backend.name, **self.backend.config},
            "input": self.policy.to_dict(),
            "aggregate": self.aggregation.to_dict(),
            "outputs": list(self.outputs),
            "polarity": POLARITY,
            "calibration": self.calibration,
            "backbone": _backbone(self.frontend.config),
            "reference": self.likeness is not None,
            "weights_sha256": sha256_file(folder / _WEIGHTS),
            "meta": self.meta,
        }
        settings = write_settings(folder, content)
        self.identity = settings["settings_sha256"][:12]
        (folder / _CARD).write_text(_card(settings), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> "Detector":
        """Load a detector folder, in evaluation mode.

        A backbone that the detector names by a relative path is looked for below the working
        directory, then below the folders that hold the detector: in the checkout that it is from.

        Raises:
            DetectorError: a file is missing or damaged, the backbone is not the one that the
                detector was trained with, or tensors are missing, unexpected or of other shapes.
        """
        folder = Path(folder)
        for name in (SETTINGS_FILE, _WEIGHTS):
            if not (folder / name).is_file():
                raise DetectorError(f"{folder} is no detector folder: it has no {name}")
        settings = read_settings(folder / SETTINGS_FILE)
        backbone = settings["backbone"]
        if (backbone is None) != (settings["frontend"].get("backbone") is None):
            raise DetectorError(
                f"{folder / SETTINGS_FILE}: backbone and frontend.backbone do not belong together"
            )
        if backbone is not None and "folder" in backbone:
            place = {"folder": _backbone_place(backbone["folder"], folder)}
            backbone = {**backbone, **place}
            own = {**settings["frontend"]["backbone"], **place}
            settings["frontend"] = {**settings["frontend"], "backbone": own}
        if backbone != _backbone(settings["frontend"]):
            raise DetectorError(
                f"{folder}: the backbone in {backbone['folder']} is not the one that this detector "
                "was trained with: its files have another hash; put the original files there"
            )
        if sha256_file(folder / _WEIGHTS) != settings["weights_sha256"]:
            raise DetectorError(
                f"{folder / _WEIGHTS} is not the file that {SETTINGS_FILE} describes; "
                "it was altered or damaged: copy the detector again"
            )
        detector = _built(cls, settings, folder)
        if list(detector.outputs) != settings["outputs"]:
            raise DetectorError(
                f"{folder}: the outputs are recorded as {settings['outputs']}, "
                f"the back-end has {list(detector.outputs)}"
            )
        try:
            state = safetensors.torch.load_file(folder / _WEIGHTS)
        except safetensors.SafetensorError as error:
            raise DetectorError(f"{folder / _WEIGHTS} is damaged: {error}") from error
        reference = {
            name.removeprefix(_REFERENCE): state.pop(name).numpy()
            for name in sorted(state)
            if name.startswith(_REFERENCE)
        }
        if bool(reference) != settings["reference"]:
            raise DetectorError(
                f"{folder}: {SETTINGS_FILE} and {_WEIGHTS} disagree on whether the training data "
                "are described; copy the detector again"
            )
        if reference:
            rate = detector.policy.sample_rate
            try:
                detector.likeness = likeness.Likeness.from_arrays(reference, rate)
            except DetectorError as error:
                raise DetectorError(f"{folder / _WEIGHTS}: {error}") from None
        detector.load_stored_state(state, str(folder / _WEIGHTS))
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


def _opened(
    recording: Recording | audio.Clip, longest: float | None
) -> Callable[[], Iterator[tuple[Samples, int]]]:
    """A function that opens a recording as `audio.decode` does."""
    if isinstance(recording, str | os.PathLike):
        recording = audio.Clip(Path(recording), longest=longest)
    if isinstance(recording, audio.Clip):
        clip = recording
        return lambda: ((block, clip.rate) for block in clip.blocks(_BLOCK_SECONDS))
    if not isinstance(recording, tuple) or len(recording) != 2:
        raise AudioError(
            "a recording is a path, or a pair of samples and their rate in Hz; "
            f"got {type(recording).__name__}"
        )
    waveform, rate = recording
    if isinstance(rate, bool) or rate != int(rate) or rate <= 0:
        raise AudioError(f"a sample rate is a positive whole number of Hz, not {rate!r}")
    samples, whole_rate = audio.as_mono(waveform), int(rate)
    size = round(_BLOCK_SECONDS * whole_rate)
    return lambda: (
        (samples[start : start + size], whole_rate) for start in range(0, samples.size, size)
    )


def check_target(folder: str | Path) -> None:
    """Refuse to replace a folder that holds anything but a detector.

    Raises:
        DetectorError: it does.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise DetectorError(f"{folder} is a file; a detector needs a folder")
    known = {SETTINGS_FILE, _WEIGHTS, _CARD, "history.tsv"}
    others = [
        path.name
        for path in (sorted(folder.iterdir()) if folder.exists() else [])
        if path.name not in known and not path.name.endswith(".origin.json")
    ]
    if others:
        raise DetectorError(
            f"{folder} holds other files ({', '.join(others[:5])}), which a detector written "
            "there would replace; choose another folder"
        )


def _backbone_place(relative: str, detector: Path) -> str:
    """Where a backbone's folder is, see :meth:`Detector.load`; `relative` where it is nowhere."""
    if not Path(relative).is_dir():
        for above in detector.resolve().parents:
            if (above / relative).is_dir():
                return str(above / relative)
    return relative


def _backbone(frontend_config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The backbone entry of a front-end with the hash of its folder, or None without one."""
    entry = frontend_config.get("backbone")
    if entry is None:
        return None
    if "folder" not in entry:
        return dict(entry)
    if not Path(entry["folder"]).is_dir():
        raise DetectorError(
            f"the backbone folder {entry['folder']} does not exist; run from the folder where the "
            "study was run, or put the backbone there"
        )
    # Only what is loaded: notes that others keep in the folder are no part of the backbone.
    files = [
        *Path(entry["folder"]).glob("*.safetensors"),
        *Path(entry["folder"]).glob("*config.json"),
    ]
    hashes = {file.name: sha256_file(file) for file in files}
    return {**entry, "sha256": hashlib.sha256(canonical_json(hashes).encode()).hexdigest()}


def _card(settings: Mapping[str, Any]) -> str:
    policy, meta = settings["input"], settings["meta"]
    length, aggregate = policy["length"], settings["aggregate"]
    over_windows = _OVER_WINDOWS[aggregate["method"]].format(**aggregate)
    window = "whole clips" if length is None else f"{length / policy['sample_rate']:g} s windows"
    lines = [
        f"# Speech-deepfake detector: {settings['frontend']['type']} + "
        f"{settings['backend']['type']}",
        "",
        f"- Input: mono, {policy['sample_rate']} Hz, {window}; the score is {over_windows}.",
        f"- Score: a number without a unit, {settings['polarity']}.",
        f"- Logits: {', '.join(settings['outputs'])}.",
    ]
    backbone = settings["backbone"]
    if backbone is not None and "architecture" in backbone:
        lines.append(f"- Backbone: {backbone['family']}, all of its weights in this folder.")
    elif backbone is not None:
        source = backbone.get("hub") or backbone.get("folder")
        pin = backbone.get("revision") or backbone.get("sha256")
        lines.append(f"- Backbone: {source} ({pin}).")
    if meta["threshold"] is not None:
        lines.append(
            f"- Threshold at the development set's equal error rate: {meta['threshold']:.6g}."
        )
    if "dev_eer" in meta:
        lines.append(f"- Equal error rate on the development set: {100 * meta['dev_eer']:.2f} %.")
    if "imported" in meta:
        imported = meta["imported"]
        lines.append(
            f"- Published weights of format {imported['format']}, from {imported['file']} "
            f"(SHA-256 {imported['sha256']})."
        )
    for source in meta.get("trained_on", []):
        lines.append(
            f"- Trained on {source['manifest']}, split {source['split']}: "
            f"{source['n_bonafide']} bona fide, {source['n_spoof']} spoof."
        )
    judged = "not judged" if settings["reference"] else "not recognised as such"
    calibration = settings["calibration"]
    if calibration is None:
        lines.append("- Calibration: none, so there is no likelihood ratio and no probability.")
    else:
        lines.append(f"- Calibration: {supported_text(calibration)}.")
    lines += [
        f"- Recordings unlike the training data are {judged}.",
        "",
        "A likelihood ratio says how much more often development clips of one class than of the",
        "other scored like this clip. It is no proof: speech from other attacks, channels or",
        "codecs than those of the training may be judged wrongly.",
        "",
    ]
    return "\n".join(lines)


def calibrated_cells(judgement: Judgement, absent: str) -> dict[str, str]:
    """What the calibration says, with the digits that it supports: llr, log10_llr, p_bonafide.

    Args:
        judgement: of a recording.
        absent: what stands where nothing is said.
    """
    calibration, probability = judgement["calibration"], judgement["p_bonafide"]
    if calibration is None or probability is None:
        return dict.fromkeys(("llr", "log10_llr", "p_bonafide"), absent)
    return {
        "llr": f"{judgement['llr']:.2f}",
        "log10_llr": f"{judgement['log10_llr']:.2f}",
        "p_bonafide": probability_text(probability, calibration),
    }


def predict_files(folder: str | Path, files: Iterable[str | Path]) -> Iterator[Judgement | Failure]:
    """Judge several recordings with one detector, one after the other.

    Yields:
        One entry per file in the given order, as soon as it is judged; a failure for a file that
        cannot be judged.

    Raises:
        DetectorError: the detector itself cannot be loaded; before the first entry.
    """
    detector = Detector.load(folder)

    def judged() -> Iterator[Judgement | Failure]:
        for path in files:
            try:
                yield detector.predict(path)
            except SpoofscopeError as error:
                yield {"path": str(path), "error": str(error)}

    return judged()
