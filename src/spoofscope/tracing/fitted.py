"""A tracer with all that a decision needs, and the folder that it is kept in.

Besides the folder `network` (see `tracer`) it has `tracer.json` (classes, families, detectors of
unknown attacks with their thresholds, temperature, and the hash of all that) and
`reference.safetensors` (vectors of the training clips, and what was fitted to them).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import safetensors
import safetensors.numpy

from spoofscope.errors import DetectorError, TrainingError
from spoofscope.files import atomic_path, sha256_file, write_json
from spoofscope.names import UNKNOWN
from spoofscope.ood.base import OodDetector, Outputs
from spoofscope.ood.gate import Gate
from spoofscope.ood.registry import build, restore
from spoofscope.ood.thresholds import check_kinds, check_polarity, dev_auroc, dev_threshold
from spoofscope.settings import TRACER_FILE, read_sealed, settings_hash

REFERENCE_FILE = "reference.safetensors"
_FORMAT = 1
_KEYS = (
    "format",
    "classes",
    "families",
    "ood",
    "decide_by",
    "temperature",
    "network",
    "reference_sha256",
    "meta",
    "settings_sha256",
)


@dataclass(frozen=True)
class Clips:
    """Training clips: ids, paths, numbers of their classes (n,), and what the network gives."""

    utt_ids: Sequence[str]
    paths: Sequence[str]
    classes: npt.NDArray[np.int64]
    outputs: Outputs


@dataclass(frozen=True)
class FittedTracer:
    """What a decision needs.

    Attributes:
        classes: names of the K classes, in the order of the logits.
        families: of each class, "-" where it is not known.
        detectors: name to fitted detector of unknown attacks.
        thresholds: name to the ood_score from which a clip counts as of an unknown attack.
        decide_by: the name of the one that decides.
        temperature: logits are divided by it before they become probabilities; fitted on dev.
        reference: the training clips.
        configs: name to the detector's settings.
        meta: what is known about the fit, JSON-able.
    """

    classes: tuple[str, ...]
    families: tuple[str, ...]
    detectors: Mapping[str, OodDetector[Any]]
    thresholds: Mapping[str, float]
    decide_by: str
    temperature: float
    reference: Clips
    configs: Mapping[str, Mapping[str, Any]]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def probabilities(self, outputs: Outputs) -> npt.NDArray[np.float64]:
        """Probabilities (n, K) of the classes, if one of them made the clip."""
        return calibrated(outputs.logits, self.temperature, self.meta["n_dev_known"])

    def answers(self, outputs: Outputs) -> pl.DataFrame:
        """What the tracer says of n clips, in their order.

        Returns:
            predicted (number of the likeliest class), predicted_attack, p_max, predicted_family
            ("-" where the families of the likely classes are not known) and p_family (the sum over
            its classes), `ood_{name}` of every detector (higher = more unknown), and answer: the
            name of a class, or `unknown`.
        """
        shares = self.probabilities(outputs)
        best = shares.argmax(axis=1)
        named = sorted(set(self.families))
        in_family = np.array([[one == name for name in named] for one in self.families])
        of_family = shares @ in_family.astype(np.float64)
        likeliest = of_family.argmax(axis=1)
        scores = {name: self.detectors[name].ood_scores(outputs) for name in sorted(self.detectors)}
        unknown = scores[self.decide_by] >= self.thresholds[self.decide_by]
        rows = np.arange(len(best))
        predicted = [self.classes[i] for i in best]
        return pl.DataFrame(
            {
                "predicted": best.astype(np.int64),
                "predicted_attack": predicted,
                "p_max": shares[rows, best],
                "predicted_family": [named[i] for i in likeliest],
                "p_family": of_family[rows, likeliest],
                **{f"ood_{name}": values for name, values in scores.items()},
                "answer": np.where(unknown, UNKNOWN, predicted),
            }
        )

    def nearest(
        self, outputs: Outputs, count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The training clips that are most alike, the most alike first.

        Returns:
            Their places in `reference` and their cosines, (n, count) each; fewer where training had
            fewer clips.
        """
        cosines = _unit(outputs.vectors) @ _unit(self.reference.outputs.vectors).T
        order: npt.NDArray[np.int64] = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return order, np.take_along_axis(cosines, order, axis=1)

    def write_into(self, folder: Path, network: str) -> None:
        """Write both files into an existing folder; `network` is the hash of network.json."""
        clips = self.reference
        lines = [f"{a}\t{b}" for a, b in zip(clips.utt_ids, clips.paths, strict=True)]
        arrays: dict[str, npt.NDArray[Any]] = {
            "clips": np.frombuffer("\n".join(lines).encode(), dtype=np.uint8),
            "classes": clips.classes,
            "vectors": clips.outputs.vectors,
            "logits": clips.outputs.logits,
        }
        for name, detector in self.detectors.items():
            for key, values in detector.arrays().items():
                arrays[f"ood.{name}.{key}"] = np.ascontiguousarray(values)
        with atomic_path(folder / REFERENCE_FILE) as temporary:
            safetensors.numpy.save_file(
                {key: np.ascontiguousarray(value) for key, value in arrays.items()}, temporary
            )
        content: dict[str, Any] = {
            "format": _FORMAT,
            "classes": list(self.classes),
            "families": list(self.families),
            "ood": {
                name: {"settings": dict(self.configs[name]), "threshold": self.thresholds[name]}
                for name in self.detectors
            },
            "decide_by": self.decide_by,
            "temperature": self.temperature,
            "network": network,
            "reference_sha256": sha256_file(folder / REFERENCE_FILE),
            "meta": dict(self.meta),
        }
        content["settings_sha256"] = settings_hash(content)
        write_json(folder / TRACER_FILE, content)

    @classmethod
    def load(cls, folder: str | Path) -> "FittedTracer":
        """Load a tracer's folder, without its network.

        Raises:
            DetectorError: a file is missing, damaged, or belongs to another tracer.
        """
        folder = Path(folder)
        settings = read_tracer(folder)
        path = folder / REFERENCE_FILE
        if sha256_file(path) != settings["reference_sha256"]:
            raise DetectorError(
                f"{path} is not the file that {TRACER_FILE} describes; it was altered or damaged: "
                "copy the tracer again"
            )
        try:
            arrays = safetensors.numpy.load_file(path)
        except safetensors.SafetensorError as error:
            raise DetectorError(f"{path} is damaged: {error}") from error
        lines = [line.split("\t") for line in arrays["clips"].tobytes().decode().split("\n")]
        reference = Clips(
            [line[0] for line in lines],
            [line[1] for line in lines],
            arrays["classes"],
            Outputs(arrays["vectors"], arrays["logits"]),
        )
        configs = {name: entry["settings"] for name, entry in settings["ood"].items()}
        detectors = {}
        for name, config in configs.items():
            start = f"ood.{name}."
            own = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
            detectors[name] = restore(config, own)
        return cls(
            tuple(settings["classes"]),
            tuple(settings["families"]),
            detectors,
            {name: entry["threshold"] for name, entry in settings["ood"].items()},
            settings["decide_by"],
            settings["temperature"],
            reference,
            configs,
            settings["meta"],
        )


def read_tracer(folder: str | Path) -> dict[str, Any]:
    """Read `tracer.json`.

    Raises:
        DetectorError: a file is missing, damaged or altered.
    """
    folder = Path(folder)
    for name in (TRACER_FILE, REFERENCE_FILE):
        if not (folder / name).is_file():
            raise DetectorError(f"{folder} is no folder of a tracer: it has no {name}")
    path = folder / TRACER_FILE
    return read_sealed(path, _FORMAT, _KEYS, "tracer")


def calibrated(
    logits: npt.NDArray[np.float32], temperature: float, n_dev: int
) -> npt.NDArray[np.float64]:
    """Probabilities (n, K) of logits (n, K), no surer than the development clips allow.

    Beside n_dev clips stands one that is as likely of every class: the softmax p at the temperature
    becomes (n_dev p + 1 / K) / (n_dev + 1). Without it, dev clips that are all named rightly would
    make every answer certain.

    Args:
        logits: of the network.
        temperature: they are divided by it.
        n_dev: how many dev clips of known attacks it was fitted on.
    """
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return (n_dev * shares + 1 / shares.shape[1]) / (n_dev + 1)


def fit_temperature(logits: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> float:
    """The temperature under which the classes (n,) of dev clips are most likely, from 0.05 to 50
    (Guo et al., ICML 2017); their probabilities are those of :func:`calibrated`."""
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(logits))

    def loss(log_temperature: float) -> float:
        shares = calibrated(logits, float(np.exp(log_temperature)), len(logits))
        return float(-np.log(shares[rows, classes]).mean())

    bounds = (np.log(0.05), np.log(50.0))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def fit(
    train: Clips,
    dev: Outputs,
    dev_classes: npt.NDArray[np.int64],
    *,
    dev_unknown: Sequence[str],
    classes: Sequence[str],
    families: Sequence[str],
    languages: Sequence[str],
    ood: Mapping[str, Mapping[str, Any]],
    decide_by: str,
    threshold: str,
    accept_known: float,
    where: str,
    name: str,
) -> FittedTracer:
    """Fit the detectors of unknown attacks on train, and thresholds and temperature on dev.

    Args:
        train: the clips that the network was trained on.
        dev: outputs for the development clips.
        dev_classes: (n,) numbers of their classes, -1 of unknown attacks.
        dev_unknown: which unknown attacks these are.
        classes, families: of the logits.
        languages: of the spoofs among the training clips, "-" where it is not known.
        ood: name to settings of a detector.
        decide_by: the name of the one that decides.
        threshold: "eer", or "known" for the share `accept_known` of the known dev clips.
        accept_known: see `threshold`.
        where: what dev is, for messages.
        name: of the tracer, for messages.

    Raises:
        TrainingError: dev has no known clip.
        DetectorError: dev has no unknown clip where one is needed, or detectors take known
            attacks for unknown ones.
    """
    known = dev_classes >= 0
    if not known.any():
        raise TrainingError(
            f"{where}: no clip is of a known attack, so no threshold can be chosen; add some"
        )
    detectors: dict[str, OodDetector[Any]] = {}
    thresholds: dict[str, float] = {}
    measures: dict[str, Any] = {}
    needs_unknown = threshold == "eer" or any(entry["type"] == "gate" for entry in ood.values())
    try:
        if needs_unknown:
            check_kinds(known, f"{where}: dev")
    except DetectorError as error:
        raise DetectorError(
            f"{error}, or set `tracing.threshold_by: known` and leave out gates"
        ) from None
    for key, config in ood.items():
        detector = build(config).fit(train.outputs, train.classes)
        if isinstance(detector, Gate):
            detector.fit_on_dev(dev, known)
        scores = detector.ood_scores(dev)
        if (~known).any():
            measures[key] = dev_auroc(scores, known)
        if threshold == "eer":
            thresholds[key] = dev_threshold(scores, known)
        else:
            # The smallest threshold below which the share lies; unknown is what reaches it.
            least = float(np.quantile(scores[known], accept_known, method="higher"))
            thresholds[key] = float(np.nextafter(least, np.inf))
        detectors[key] = detector
    meant = {key: auroc for key, auroc in measures.items() if not detectors[key].as_published}
    gates = [key for key, detector in detectors.items() if isinstance(detector, Gate)]
    check_polarity(meant, name, ood, decide_by, gates)
    return FittedTracer(
        tuple(classes),
        tuple(families),
        detectors,
        thresholds,
        decide_by,
        fit_temperature(dev.logits[known], dev_classes[known]),
        train,
        ood,
        {
            "dev_auroc": measures,
            "languages": list(languages),
            "dev_unknown": list(dev_unknown),
            "n_dev_known": int(known.sum()),
            "n_dev_unknown": int((~known).sum()),
            "threshold": threshold if threshold == "eer" else accept_known,
        },
    )


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12)
    return unit
