"""A detector: front-end, back-end and input policy in one module, and the folder it is kept in.

A detector folder holds

* `detector.json`: front-end, back-end, input policy, names of the logits, score polarity,
  calibration, backbone with its hash, and what is known about the training;
* `model.safetensors`: every tensor except the frozen parameters of the front-end, which come
  from the backbone;
* `card.md`: the same in words.

Scores are log-odds of bona fide: higher = more bona fide.
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

from spoofscope import __version__, audio, quality
from spoofscope.audio import InputPolicy, Samples, Window
from spoofscope.backends import registry as backends
from spoofscope.errors import AudioError, DetectorError, SpoofscopeError
from spoofscope.files import atomic_folder, read_json, sha256_file, write_json
from spoofscope.frontends import registry as frontends
from spoofscope.frontends.base import Features
from spoofscope.identity import canonical_json
from spoofscope.inputs import Aggregation, Inputs, aggregate_windows, policy_of

POLARITY = "higher = bona fide"
DEFAULT_BAND = 0.1

_FORMAT = 1
_SETTINGS, _WEIGHTS, _CARD = "detector.json", "model.safetensors", "card.md"
_WINDOWS_AT_ONCE = 8
_BLOCK_SECONDS = 60.0
_REFERENCE = "reference."
# Enough to know a clip by, where clips are long.
_REFERENCE_WINDOWS = 2
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

    path: the file, or None. score: log-odds of bona fide, aggregated over windows.
    p_bonafide: its calibrated probability, or None without a calibration.
    decision: bonafide, spoof or inconclusive. reasons: why it is inconclusive.
    flags: what speaks against relying on the score, by the names of `quality.FLAGS`; None where it
    is not known. measures: what the flags were raised on, see `quality.Measures`, and `distance`
    from the training data in units of the largest that is usual, None where it is not known.
    duration_s: of the recording. n_windows: how many windows it has. logits: their mean over
    windows, in the order of `outputs`. window_scores, window_logits, window_starts_s: of each.
    detector: 12 digits that name the detector: weights, settings and calibration; None for one
    that was never saved. spoofscope: the version that judged.
    """

    path: str | None
    score: float
    p_bonafide: float | None
    decision: str
    reasons: list[str]
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
        calibration: `{"scale", "offset", "prior", "band"}` or None. Then scale * score + offset is
            a natural-log likelihood ratio, `prior` the prior probability of bona fide, and the
            decision is `inconclusive` where the posterior is within `band` of 0.5.
        meta: what is known about the training, JSON-able; `threshold` is the score at the equal
            error rate of the development set, or None.
        reference: what the training data look like to the front-end, or None.
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
        self.reference: quality.Reference | None = None
        self.identity: str | None = None
        self.calibration: dict[str, float] | None = None
        if calibration is not None:
            self.calibrate(calibration)

    def calibrate(self, calibration: Mapping[str, Any]) -> None:
        """Record how scores become log-likelihood ratios, see the attribute `calibration`.

        Raises:
            DetectorError: a number is missing, not finite or out of range.
        """
        self.calibration = _checked_calibration(calibration)

    # --- logits and scores -----------------------------------------------------------------

    def forward(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of waveforms (B, n_samples) with `lengths` (B,) samples each."""
        return self.backend_logits(*self.frontend(waveform, lengths))

    def backend_logits(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of normalised features (B, C, N, D) with `lengths` (B,) frames."""
        logits: Tensor = self.backend(values, lengths)
        return logits

    def log_odds(self, logits: Tensor) -> Tensor:
        """Log-odds of bona fide (B,) from logits (B, n_outputs)."""
        bonafide = logits[:, self.outputs.index("bonafide")]
        if len(self.outputs) == 1:
            return bonafide
        return bonafide - logits[:, self.outputs.index("spoof")]

    @property
    def device(self) -> torch.device:
        """Where the detector's tensors are."""
        return next(iter([*self.parameters(), *self.buffers()])).device

    def logits(self, windows: Sequence[npt.NDArray[np.float32]], batch_size: int) -> Logits:
        """Logits (n, n_outputs) of n windows, in their order, in evaluation mode.

        Args:
            windows: each a waveform (n_samples,) cut by the input policy, or its raw features
                (C, N, D).
            batch_size: at most so many windows at once, all of the same shape.

        Raises:
            DetectorError: a logit is NaN or infinite.
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
        if not np.isfinite(logits).all():
            raise DetectorError("the detector's logits are not finite")
        return logits

    def scores_of(self, logits: Logits) -> npt.NDArray[np.float64]:
        """Log-odds of bona fide (n,) from logits (n, n_outputs), as :meth:`log_odds`."""
        return self.log_odds(torch.from_numpy(logits.astype(np.float64))).numpy()

    # --- recordings ------------------------------------------------------------------------

    def score(self, waveform: Waveform, sample_rate: int) -> float:
        """Log-odds of bona fide of samples in memory; higher = more bona fide.

        Args:
            waveform: NumPy array or PyTorch tensor, (n,) or (channels, n), see `audio.as_mono`.
            sample_rate: Hz; the clip is resampled where the detector works at another rate.

        Raises:
            AudioError: the waveform is empty, not finite, or of another shape or type.
            DetectorError: a logit is not finite.
        """
        return self.predict((waveform, sample_rate))["score"]

    @overload
    def predict(self, recording: Recording) -> Judgement: ...

    @overload
    def predict(self, recording: list[Recording]) -> list[Judgement]: ...

    def predict(self, recording: Recording | list[Recording]) -> Judgement | list[Judgement]:
        """Judge a recording, or each of a list.

        A recording is decoded, resampled and cut into windows as a stream: unless the detector
        takes whole clips (`length: null`), hours need no more memory than a minute. Scores are
        those of the workflow; where the input policy normalises, those of clips beyond one minute
        may differ in the sixth digit.

        Args:
            recording: a file; or a pair of samples and their rate in Hz; or a list of such.

        Raises:
            AudioError: a recording cannot be read; a file is named.
            DetectorError: a logit is not finite.
        """
        if isinstance(recording, list):
            return [self._judge(single) for single in recording]
        return self._judge(recording)

    def windows(self, recording: Recording) -> Iterator[Window]:
        """The windows that :meth:`predict` judges, in their order, as a stream.

        Raises:
            AudioError: the recording cannot be read; perhaps only after some windows.
        """
        return self._windows(recording)[0]

    def _windows(self, recording: Recording) -> tuple[Iterator[Window], list[quality.Meter]]:
        """The windows, and meters, the last of which measures what has passed."""
        blocks = _opened(recording)
        rate = self.policy.sample_rate
        meters: list[quality.Meter] = []

        def heard() -> Iterator[Samples]:
            # A clip that is normalised is opened twice.
            meters.append(meter := quality.Meter(rate))
            first, stored_rate = next(decoded := blocks())
            stored = itertools.chain([first], (samples for samples, _ in decoded))
            return meter.heard(self.policy.resampled(meter.stored(stored), stored_rate))

        return self.policy.stream(heard), meters

    def _judge(self, recording: Recording) -> Judgement:
        windows, meters = self._windows(recording)
        rate = self.policy.sample_rate

        logits: list[Logits] = []
        starts: list[int] = []
        extended = False
        pooled: list[quality.Floats] = []
        with self._evaluating():
            while batch := list(itertools.islice(windows, _WINDOWS_AT_ONCE)):
                features = self._features(np.stack([window.values for window in batch]))
                logits.append(self._backend_logits(features))
                starts += [window.start for window in batch]
                extended |= batch[0].valid < batch[0].values.size
                if self.reference is not None:
                    pooled += _pooled(features)
        window_logits = np.concatenate(logits)
        scores = self.scores_of(window_logits)
        score = aggregate_windows(scores, self.aggregation)
        distance = None
        if self.reference is not None:
            distance = self.reference.distance(np.mean(pooled, axis=0))
        measures = meters[-1].measures()
        flags = quality.flags(measures, rate, extended, distance)
        reasons = [quality.FLAGS[name] for name in quality.DISQUALIFYING if flags[name]]
        decision = "inconclusive" if reasons else self.decide(score)
        if decision == "inconclusive" and not reasons:
            reasons = [self._undecided()]
        return {
            "path": None if isinstance(recording, tuple) else str(recording),
            "score": score,
            "p_bonafide": self.p_bonafide(score),
            "decision": decision,
            "reasons": reasons,
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
        if self.calibration is not None:
            return f"the probability is within {self.calibration['band']:g} of one half"
        return "the detector has neither a calibration nor a threshold"

    def learn_reference(self, train: Iterable[Inputs], dev: Iterable[Inputs]) -> None:
        """Keep what training clips look like, so that recordings unlike them can be told.

        The first windows of each clip are looked at. See `quality.fit_reference`: with too few
        clips there is no reference.

        Args:
            train: clips of the training set, both classes. dev: of the development set.
        """

        def pooled(clips: Iterable[Inputs]) -> quality.Floats:
            return np.array(
                [
                    np.mean(_pooled(self._features(np.stack(windows[:_REFERENCE_WINDOWS]))), axis=0)
                    for _, windows in clips
                ]
            )

        with self._evaluating():
            self.reference = quality.fit_reference(pooled(train), pooled(dev))

    def p_bonafide(self, score: float) -> float | None:
        """Posterior probability of bona fide at the calibration's prior; None without one."""
        if self.calibration is None:
            return None
        prior = self.calibration["prior"]
        llr = self.calibration["scale"] * score + self.calibration["offset"]
        log_odds = llr + math.log(prior / (1 - prior))
        # The two forms keep exp() from overflowing.
        if log_odds >= 0:
            return 1 / (1 + math.exp(-log_odds))
        return math.exp(log_odds) / (1 + math.exp(log_odds))

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
        if self.reference is not None:
            for name, array in self.reference.to_arrays().items():
                state[_REFERENCE + name] = torch.from_numpy(array.copy())
        safetensors.torch.save_file(state, folder / _WEIGHTS)
        settings = {
            "format": _FORMAT,
            "frontend": {"type": self.frontend.name, **self.frontend.config},
            "backend": {"type": self.backend.name, **self.backend.config},
            "input": self.policy.to_dict(),
            "aggregate": self.aggregation.to_dict(),
            "outputs": list(self.outputs),
            "polarity": POLARITY,
            "calibration": self.calibration,
            "backbone": _backbone(self.frontend.config),
            "reference": self.reference is not None,
            "weights_sha256": sha256_file(folder / _WEIGHTS),
            "meta": self.meta,
        }
        write_json(folder / _SETTINGS, settings)
        self.identity = _identity(folder)
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
        settings = _read_settings(folder)
        backbone = settings["backbone"]
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
                f"{folder / _WEIGHTS} is not the file that {_SETTINGS} describes; "
                "it was altered or damaged: copy the detector again"
            )
        detector = cls(
            settings["frontend"],
            settings["backend"],
            InputPolicy.from_dict(settings["input"]),
            settings["meta"],
            settings["calibration"],
            # Folders of before this was a choice took the mean.
            Aggregation.from_dict(settings.get("aggregate", {})),
        )
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
        if reference:
            detector.reference = quality.Reference.from_arrays(reference)
        detector.load_stored_state(state, str(folder / _WEIGHTS))
        detector.identity = _identity(folder)
        return detector.to(device).eval()


def _opened(recording: Recording) -> Callable[[], Iterator[tuple[Samples, int]]]:
    """A function that opens a recording as `audio.decode` does."""
    if isinstance(recording, str | os.PathLike):
        path = Path(recording)
        return lambda: audio.decode(path, _BLOCK_SECONDS)
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


def _pooled(features: Features) -> list[quality.Floats]:
    """`quality.pool` of each row of a batch."""
    return [
        quality.pool(values[:, :length].float().cpu().numpy())
        for values, length in zip(features.values, features.lengths.tolist(), strict=True)
    ]


def _identity(folder: Path) -> str:
    # The settings hold the hash of the weights.
    return sha256_file(folder / _SETTINGS)[:12]


def _read_settings(folder: Path) -> dict[str, Any]:
    for name in (_SETTINGS, _WEIGHTS):
        if not (folder / name).is_file():
            raise DetectorError(f"{folder} is no detector folder: it has no {name}")
    settings = read_json(folder / _SETTINGS)
    keys = ("frontend", "backend", "input", "outputs", "calibration", "backbone", "meta")
    missing = [key for key in (*keys, "weights_sha256", "polarity") if key not in settings]
    if missing:
        raise DetectorError(f"{folder / _SETTINGS} lacks the key {missing[0]!r}")
    if settings.get("format") != _FORMAT:
        raise DetectorError(
            f"{folder / _SETTINGS}: format {settings.get('format')!r} cannot be read by this "
            f"version, which reads format {_FORMAT}"
        )
    if settings["polarity"] != POLARITY:
        raise DetectorError(
            f"{folder / _SETTINGS}: polarity is {settings['polarity']!r}, not {POLARITY!r}"
        )
    return dict(settings)


def check_target(folder: str | Path) -> None:
    """Refuse to replace a folder that holds anything but a detector.

    Raises:
        DetectorError: it does.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise DetectorError(f"{folder} is a file; a detector needs a folder")
    known = {_SETTINGS, _WEIGHTS, _CARD, "history.tsv"}
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


def _checked_calibration(calibration: Mapping[str, Any]) -> dict[str, float]:
    values = {"band": DEFAULT_BAND, **calibration}
    if set(values) != {"scale", "offset", "prior", "band"} or not all(
        isinstance(value, int | float) and math.isfinite(value) for value in values.values()
    ):
        raise DetectorError(
            "a calibration has the numbers scale, offset and prior, and optionally band; "
            f"got {dict(calibration)}"
        )
    if not 0 < values["prior"] < 1 or not 0 <= values["band"] < 0.5:
        raise DetectorError("calibration: prior must be between 0 and 1, band from 0 to below 0.5")
    return {key: float(value) for key, value in values.items()}


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
        f"- Score: log-odds of bona fide, {settings['polarity']}.",
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
    flagged = "flagged" if settings["reference"] else "not recognised as such"
    calibrated = "calibrated" if settings["calibration"] else "not calibrated: no probability"
    lines += [
        f"- Calibration: {calibrated}.",
        f"- Recordings unlike the training data are {flagged}.",
        "",
        "A score says how the clip compares with the training data. It is no proof: speech from",
        "other systems, channels or codecs than those of the training may be judged wrongly.",
        "",
    ]
    return "\n".join(lines)


def predict_files(
    folder: str | Path, files: Iterable[str | Path]
) -> tuple[list[Judgement | Failure], bool]:
    """Judge several recordings with one detector.

    Returns:
        One entry per file in the given order, a failure for a file that cannot be judged; and
        whether all could be.

    Raises:
        DetectorError: the detector itself cannot be loaded.
    """
    detector = Detector.load(folder)
    results: list[Judgement | Failure] = []
    ok = True
    for path in files:
        try:
            results.append(detector.predict(path))
        except SpoofscopeError as error:
            results.append({"path": str(path), "error": str(error)})
            ok = False
    return results, ok
