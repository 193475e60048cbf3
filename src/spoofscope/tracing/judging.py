"""What a tracer says about one recording: which attack made it, or none that it knows."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, final

import numpy as np
import numpy.typing as npt
import torch

from spoofscope import __version__
from spoofscope.errors import DetectorError, SpoofscopeError
from spoofscope.files import sha256_file
from spoofscope.judging import Heard, Judge, Recording, hear, judge
from spoofscope.names import BONAFIDE, INCONCLUSIVE, NONE, SPOOF, UNKNOWN
from spoofscope.ood.base import Outputs, class_means, unit_rows
from spoofscope.ood.gate import Gate
from spoofscope.selection.calibration import posterior, probability_text
from spoofscope.settings import DEFAULT_BAND, NETWORK_FILE, SETTINGS_FILE, TRACER_FILE
from spoofscope.support import Validation, doubts_of
from spoofscope.tracer import Tracer
from spoofscope.tracing.enrolment import Enrolment, rank
from spoofscope.tracing.fitted import FittedTracer, read_tracer
from spoofscope.tracing.validation import TracedSets, TracerValidation, said_of
from spoofscope.tracing.verification import unit_vectors

SHOWN = 5
"""Attacks and training clips that an answer lists, unless it is told otherwise."""

FEWEST_CLIPS = 20
"""With fewer development clips of known attacks, a tracer gives no probabilities: the temperature
is fitted to these clips."""

SPOOFS_ALONE = (
    "this tracer was trained on spoofs alone: it cannot tell bona fide speech, and may name an "
    "attack for it"
)
AMONG_KNOWN = (
    "the probabilities hold if the recording is of one of the known classes, and the answer is "
    "that it is of none"
)
COLUMNS = (
    "file",
    "decision",
    "answer",
    "reasons",
    "likeliest",
    "p_likeliest",
    "family",
    "p_family",
    "ood_score",
    "threshold",
    "nearest",
    "enrolled",
    "cosine_enrolled",
    "llr_enrolled",
    "flags",
    "notes",
    "validation",
    "duration_s",
    "sha256",
    "tracer",
    "spoofscope",
    "detector",
    "detector_score",
    "detector_log10_llr",
    "detector_doubts",
    "error",
)
"""Of a table of traces: one row per recording."""

_NETWORK = "network"
_HALF = 0.5


@final
class Candidate(TypedDict):
    """A class or a family, and how probable it is if a known class made the recording.

    probability: no nearer to 0 or 1 than one clip among the development clips; None where they are
    too few. said: the same with the digits that these clips support, such as "at least 128 in 129".
    """

    name: str
    probability: float | None
    said: str


@final
class Neighbour(TypedDict):
    """A training clip; path: None where the file is no longer there."""

    utt_id: str
    attack: str
    path: str | None
    cosine: float


@final
class Enrolled(TypedDict):
    """An enrolled source. cosine: of the recording with the mean of its references. llr: the
    natural-log likelihood ratio of this source over another one, None without a calibration.
    """

    name: str
    n_references: int
    cosine: float
    llr: float | None


@final
class OodScore(TypedDict):
    """What a detector of unknown attacks says: unknown where the score reaches the threshold."""

    score: float
    threshold: float
    unknown: bool


@final
class FirstJudgement(TypedDict):
    """What a detector says before the tracer; see `judging.Judgement`."""

    decision: str
    score: float
    log10_llr: float | None
    validation: Validation | None
    reasons: list[str]
    detector: str | None


@final
class Trace(TypedDict):
    """What a tracer says about one recording; JSON-able.

    path, sha256: of the file, or None. decision: the name of an attack, known or enrolled,
    `bonafide`, `unknown` or `inconclusive`. answer: the same in words. reasons: why it is
    inconclusive, the first of them first. family: where no attack is named, the family that has a
    probability above one half, else None. ranked: the likeliest classes, the first of them first.
    ood: of every detector of unknown attacks. decided_by: the one that decides. nearest: the
    training clips that are most alike. enrolled: sources that the tracer was shown, the most alike
    first. bonafide_by: what a detector said that was asked first, None without one. ranked, nearest
    and enrolled are empty where the recording is none that can be judged. notes: what this
    tracer cannot tell, and what its numbers do not mean. n_dev: development clips of known classes.
    flags, measures, duration_s, n_windows: see `judging.Judgement`. logits: of `classes`, means
    over windows. validation: how often this tracer is wrong on the sets of its study; None where
    nobody asked, see `LoadedTracer`. tracer: 12 digits that name weights, thresholds and training
    clips. spoofscope: the version that judged.
    """

    path: str | None
    sha256: str | None
    decision: str
    answer: str
    reasons: list[str]
    family: Candidate | None
    ranked: list[Candidate]
    ood: dict[str, OodScore]
    decided_by: str
    nearest: list[Neighbour]
    enrolled: list[Enrolled]
    bonafide_by: FirstJudgement | None
    notes: list[str]
    n_dev: int
    flags: dict[str, bool | None]
    measures: dict[str, float | None]
    duration_s: float
    n_windows: int
    classes: list[str]
    logits: list[float]
    validation: TracerValidation | None
    tracer: str
    spoofscope: str


@final
class Untraced(TypedDict):
    """Why a file could not be traced; the tracer that was asked, and the version: see `Trace`."""

    path: str
    error: str
    tracer: str
    spoofscope: str


@dataclass(frozen=True)
class LoadedTracer:
    """A network, what a decision needs, their folder, and 12 digits that name them all.

    traced: its errors on the sets of its study, as `cases.traced_sets.load_validated` finds them;
    None where nobody asked.
    """

    network: Tracer
    fitted: FittedTracer
    folder: Path
    identity: str
    traced: TracedSets | None = None

    @property
    def notes(self) -> list[str]:
        """What it cannot tell, whatever the recording is."""
        notes = [] if BONAFIDE in self.fitted.classes else [SPOOFS_ALONE]
        if not self.supports_probabilities:
            notes.append(
                f"the development set had {self.n_dev} clips of known attacks; fewer than "
                f"{FEWEST_CLIPS} support no probabilities"
            )
        return notes

    @property
    def doubt(self) -> str:
        """Why a known class that it names may be wrong, as far as dev says."""
        meta, decides = self.fitted.meta, self.fitted.decide_by
        n_attacks, n_clips = len(meta["dev_unknown"]), meta["n_dev_unknown"]
        told = (
            f"dev had none, so how often is not known, nor whether a higher score of {decides} "
            "means more unknown"
        )
        if n_clips:
            clips = f"{n_clips} clip{'s' if n_clips != 1 else ''}"
            told = (
                f"of {n_attacks} in dev, {decides} tells {clips} from those of known ones with an "
                f"AUROC of {meta['dev_auroc'][decides]:.2f}"
            )
            if meta["threshold"] == "eer" or isinstance(self.fitted.detectors[decides], Gate):
                told += ", and was adjusted to them"
        return f"an attack that this tracer never met may pass as a known class: {told}"

    @property
    def unknown_notes(self) -> list[str]:
        """What an answer that the attack is unknown does not mean."""
        notes = [AMONG_KNOWN] if self.supports_probabilities else []
        if not self.fitted.meta["n_dev_unknown"]:
            notes.append(
                "a known attack may be called unknown, and not by chance: dev had no unknown "
                f"attack, so nobody has checked whether a higher score of {self.fitted.decide_by} "
                "means more unknown"
            )
        return notes

    @property
    def n_dev(self) -> int:
        """Development clips of known classes."""
        return int(self.fitted.meta["n_dev_known"])

    @property
    def supports_probabilities(self) -> bool:
        """Whether there were enough of them for probabilities."""
        return self.n_dev >= FEWEST_CLIPS

    def candidate(self, name: str, probability: float) -> Candidate:
        """A class or family with what can be said of its probability."""
        if not self.supports_probabilities:
            return {"name": name, "probability": None, "said": "no probability"}
        # As the bounds of a detector: n clips support no odds beyond n.
        odds = math.log(self.n_dev)
        bounds = {"prior": 0.5, "lower": -odds, "upper": odds}
        least = 1 / (self.n_dev + 1)
        return {
            "name": name,
            "probability": min(max(probability, least), 1 - least),
            "said": probability_text(probability, bounds),
        }


def load_tracer(folder: str | Path, device: str | torch.device = "cpu") -> LoadedTracer:
    """Load a tracer's folder with its network.

    Raises:
        DetectorError: it is the folder of something else, a file is missing, damaged or altered, or
            the network is another one than the rest was fitted to.
    """
    folder = Path(folder)
    if not (folder / TRACER_FILE).is_file():
        if (folder / SETTINGS_FILE).is_file():
            raise DetectorError(
                f"{folder} is the folder of a detector, which tells spoofs and names no attack; "
                "judge with `spoofscope predict`, or give a folder with a tracer.json"
            )
        if (folder / NETWORK_FILE).is_file():
            raise DetectorError(
                f"{folder} is the network of a tracer alone; give the folder above it"
            )
    fitted = FittedTracer.load(folder)
    settings = read_tracer(folder)
    network = Tracer.load(folder / _NETWORK, device)
    identity = str(settings["settings_sha256"])[:12]
    if str(settings["network"])[:12] != network.identity or network.classes != fitted.classes:
        raise DetectorError(
            f"{folder / TRACER_FILE} was fitted to another network than that in "
            f"{folder / _NETWORK}; copy the tracer again, or fit it anew"
        )
    return LoadedTracer(network, fitted, folder, identity)


def trace_recording(
    tracer: LoadedTracer,
    recording: Recording,
    *,
    shown: int = SHOWN,
    longest: float | None = None,
    enrolment: Enrolment | None = None,
    detector: Judge | None = None,
) -> Trace:
    """Say which attack made a recording.

    The recording is heard as by a detector, see `Detector.predict`. Vectors and logits are the
    means over its windows, as in the workflow.

    Args:
        tracer: of :func:`load_tracer`.
        recording, longest: see `Detector.predict`.
        shown: at most so many classes, training clips and enrolled sources are listed.
        enrolment: sources that the tracer was shown and not trained on, see
            `references.enrol_recordings`. The answer is one of them where its likelihood ratio is
            at least 1.5, a probability of 0.6 at equal odds as a detector needs it, and either no
            known class is named or the recording is more like its references than like the
            training clips of any class. Where another enrolled source is about as likely, nothing
            is decided. Ratios that are no better than none on eval, for sources that the tracer was
            not trained on, decide nothing.
        detector: decides first, as `tracing.bonafide_by` of a study: where it says bona fide, no
            attack is named, and where it does not decide, neither does the tracer.

    Raises:
        AudioError: the recording cannot be read, or is too long; a file is named.
        DetectorError: an output of the network is not finite; a file is named. The sources were
            enrolled with another tracer.
    """
    heard, outputs = heard_outputs(tracer, recording, longest)
    fitted = tracer.fitted
    shares = fitted.probabilities(outputs)[0]
    ood = _ood_scores(fitted, outputs)
    family, ranked, nearest = None, [], []
    enrolled: list[Enrolled] = []
    reasons = heard.reasons
    if reasons:
        decision = answer = INCONCLUSIVE
    else:
        order = np.argsort(-shares, kind="stable")
        ranked = [tracer.candidate(fitted.classes[i], float(shares[i])) for i in order[:shown]]
        nearest = _nearest(tracer, outputs, shown)
        decision = fitted.classes[order[0]]
        if ood[fitted.decide_by]["unknown"]:
            decision = UNKNOWN
        elif shares[order[0]] < _HALF:
            decision = INCONCLUSIVE
            reasons = ["no class has a probability of one half"]
        if decision in (UNKNOWN, INCONCLUSIVE):
            family = _family(tracer, shares)
        answer = _in_words(decision, family, fitted.classes)
        if enrolment is not None:
            enrolled = _enrolled(tracer, outputs, enrolment)
            first = enrolled[0]
            says_something = not _is_worthless(enrolment.calibration)
            if first["llr"] is not None and says_something and _is_shown(first["llr"]):
                open_answer = decision in (UNKNOWN, INCONCLUSIVE)
                if open_answer or first["cosine"] > _likest_class(fitted, outputs):
                    decision, reasons, family = first["name"], [], None
                    answer = f"made by {decision}, enrolled by {_references(first)}"
                    if alike := _as_likely(first, enrolled[1:]):
                        decision = answer = INCONCLUSIVE
                        names = " and ".join((first["name"], *alike))
                        reasons = [f"the enrolled {names} are about as likely as each other"]
    named = decision in fitted.classes
    first_judgement = None if detector is None else _first_judgement(detector, recording, longest)
    if first_judgement is not None and first_judgement["decision"] != SPOOF and not heard.reasons:
        decision, family, named = first_judgement["decision"], None, False
        answer = decision
        reasons = [f"the detector: {reason}" for reason in first_judgement["reasons"]]
        if decision == BONAFIDE:
            answer, reasons = "bona fide, as the detector decides", []
    return {
        "path": heard.path,
        "sha256": None if heard.path is None else sha256_file(heard.path),
        "decision": decision,
        "answer": answer,
        "reasons": reasons,
        "family": family,
        "ranked": ranked,
        "ood": ood,
        "decided_by": fitted.decide_by,
        "nearest": nearest,
        "enrolled": enrolled[:shown],
        "bonafide_by": first_judgement,
        "notes": [
            # A detector tells what such a tracer cannot.
            *(note for note in tracer.notes if detector is None or note != SPOOFS_ALONE),
            *([tracer.doubt] if named else ()),
            *(tracer.unknown_notes if decision == UNKNOWN else ()),
            *_enrolment_notes(enrolment),
        ],
        "n_dev": tracer.n_dev,
        "flags": heard.flags,
        "measures": heard.measures,
        "duration_s": heard.duration_s,
        "n_windows": len(heard.starts_s),
        "classes": list(fitted.classes),
        "logits": outputs.logits[0].astype(np.float64).tolist(),
        "validation": None if tracer.traced is None else tracer.traced.validation(),
        "tracer": tracer.identity,
        "spoofscope": __version__,
    }


def trace_files(
    tracer: LoadedTracer,
    files: Iterable[str | Path],
    shown: int = SHOWN,
    enrolment: Enrolment | None = None,
    detector: Judge | None = None,
) -> Iterator[Trace | Untraced]:
    """Trace several recordings, one after the other; arguments as for :func:`trace_recording`.

    Yields:
        One entry per file in the given order, as soon as it is traced; a failure for a file that
        cannot be traced.
    """
    for path in files:
        try:
            yield trace_recording(tracer, path, shown=shown, enrolment=enrolment, detector=detector)
        except SpoofscopeError as error:
            yield {
                "path": str(path),
                "error": str(error),
                "tracer": tracer.identity,
                "spoofscope": __version__,
            }


def _first_judgement(
    detector: Judge, recording: Recording, longest: float | None
) -> FirstJudgement:
    judgement = judge(detector, recording, longest)
    return {
        "decision": judgement["decision"],
        "score": judgement["score"],
        "log10_llr": judgement["log10_llr"],
        "validation": judgement["validation"],
        "reasons": judgement["reasons"],
        "detector": judgement["detector"],
    }


def heard_outputs(
    tracer: LoadedTracer, recording: Recording, longest: float | None = None
) -> tuple[Heard, Outputs]:
    """What the tracer hears, and the means of vectors and logits over the windows, one row.

    Raises:
        AudioError, DetectorError: as :func:`trace_recording`.
    """
    heard = hear(tracer.network, recording, longest)
    mean = heard.outputs.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)
    return heard, Outputs(*tracer.network.split(mean))


def _ood_scores(fitted: FittedTracer, outputs: Outputs) -> dict[str, OodScore]:
    scores: dict[str, OodScore] = {}
    for name in sorted(fitted.detectors):
        score = float(fitted.detectors[name].ood_scores(outputs)[0])
        threshold = float(fitted.thresholds[name])
        scores[name] = {"score": score, "threshold": threshold, "unknown": score >= threshold}
    return scores


def _family(tracer: LoadedTracer, shares: npt.NDArray[np.float64]) -> Candidate | None:
    """The family whose classes have a probability above one half together."""
    sums: dict[str, float] = {}
    for family, share in zip(tracer.fitted.families, shares, strict=True):
        sums[family] = sums.get(family, 0.0) + float(share)
    # Classes of unknown families have nothing in common.
    sums.pop(NONE, None)
    if not tracer.supports_probabilities or not sums:
        return None
    name = max(sums, key=lambda family: sums[family])
    return tracer.candidate(name, sums[name]) if sums[name] > _HALF else None


def _enrolled(tracer: LoadedTracer, outputs: Outputs, enrolment: Enrolment) -> list[Enrolled]:
    vectors = unit_vectors([(["clip"], outputs)])
    ranked = rank(enrolment, vectors, ["clip"], str(tracer.network.identity))
    counts = dict(zip(enrolment.sources, enrolment.references, strict=True))
    return [
        {
            "name": row["source"],
            "n_references": counts[row["source"]],
            "cosine": row["cosine"],
            "llr": row["llr"],
        }
        for row in ranked.iter_rows(named=True)
    ]


def _is_shown(llr: float) -> bool:
    """Whether a natural-log likelihood ratio is enough for an answer: 1.5."""
    return posterior(llr, _HALF) >= _HALF + DEFAULT_BAND


def _as_likely(first: Enrolled, others: Iterable[Enrolled]) -> list[str]:
    """The names of enrolled sources that the ratio of the first one does not exceed by enough.

    Where ratios are at the bound that dev supports, they are the same whatever the cosines are.
    """
    return [
        other["name"]
        for other in others
        if first["llr"] is not None
        and other["llr"] is not None
        and not _is_shown(first["llr"] - other["llr"])
    ]


def _likest_class(fitted: FittedTracer, outputs: Outputs) -> float:
    """The largest cosine with the mean vector of a class's training clips."""
    means = class_means(unit_rows(fitted.reference.outputs.vectors), fitted.reference.classes)
    return float((unit_rows(means) @ unit_rows(outputs.vectors)[0]).max())


def _references(source: Enrolled) -> str:
    n = source["n_references"]
    return f"{n} reference{'' if n == 1 else 's'}"


def _enrolment_notes(enrolment: Enrolment | None) -> list[str]:
    if enrolment is None:
        return []
    if enrolment.calibration is None:
        return [
            "the enrolled sources have no calibration, so their cosines are listed and decide "
            "nothing"
        ]
    n, usual = (enrolment.calibration[key] for key in ("n_claims", "n_references"))
    known = enrolment.calibration.get("n_known_claims")
    trained = f" ({known} of them in the tracer's training)" if known else ""
    notes = [
        f"likelihood ratios of enrolled sources were calibrated on {n} sources of dev{trained}, "
        f"with {usual:g} references of each",
        _of_unknown_sources(enrolment.calibration),
    ]
    # The mean of more vectors is nearer to every clip of the source.
    counts = list(zip(enrolment.sources, enrolment.references, strict=True))
    fewer = [name for name, count in counts if count < usual]
    more = [name for name, count in counts if count > usual]
    for amount, names, ratio in (("fewer", fewer, "low"), ("more", more, "high")):
        if names:
            notes.append(f"ratios with {amount} references are too {ratio}: {', '.join(names)}")
    return notes


def _is_worthless(calibration: Mapping[str, Any] | None) -> bool:
    """Whether eval says that ratios are no better than none for sources out of the training."""
    bits = None if calibration is None else calibration.get("cllr_unknown")
    return bits is not None and bits >= 1


def _of_unknown_sources(calibration: Mapping[str, Any]) -> str:
    """How good ratios are for sources that the tracer was not trained on, as far as eval says."""
    bits, n = (calibration.get(key) for key in ("cllr_unknown", "n_unknown_evaluated"))
    if bits is None:
        return "how good ratios of sources are that this tracer was not trained on is not known"
    on = f"on the eval trials of {n} source{'' if n == 1 else 's'} not in its training"
    if _is_worthless(calibration):
        return (
            f"these ratios decide nothing: {on}, they are no better than none (Cllr {bits:.3f}, "
            "and 1 is no information)"
        )
    return f"{on}, the ratios have a Cllr of {bits:.3f} (0 is perfect, 1 is no information)"


def _nearest(tracer: LoadedTracer, outputs: Outputs, count: int) -> list[Neighbour]:
    fitted = tracer.fitted
    places, cosines = fitted.nearest(outputs, count)
    return [
        {
            "utt_id": fitted.reference.utt_ids[place],
            "attack": fitted.classes[fitted.reference.classes[place]],
            "path": _found(fitted.reference.paths[place], tracer.folder),
            "cosine": float(cosine),
        }
        for place, cosine in zip(places[0], cosines[0], strict=True)
    ]


def _found(path: str, folder: Path) -> str | None:
    """A training clip's file, looked for below the working directory and those above the tracer."""
    for above in (Path(), *folder.resolve().parents):
        if (above / path).is_file():
            return str(above / path)
    return None


def _in_words(decision: str, family: Candidate | None, classes: tuple[str, ...]) -> str:
    if family is not None:
        return f"{decision}, {family['name']}-like"
    if decision == INCONCLUSIVE:
        return decision
    if decision == BONAFIDE:
        return "bona fide, not made by any known system"
    if decision != UNKNOWN:
        return f"made by {decision}"
    attacks = len(classes) - (BONAFIDE in classes)
    none = f"made by none of the {attacks} known attacks"
    return f"{none}, nor bona fide speech as in the training" if BONAFIDE in classes else none


def row_of(result: Trace | Untraced) -> dict[str, Any]:
    """A trace as one row of a table, with the columns `COLUMNS`; an inapplicable field is empty."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    row["file"] = str(result["path"])
    row |= {"tracer": result["tracer"], "spoofscope": result["spoofscope"]}
    if "error" in result:
        row["error"] = result["error"]
        return row
    ood = result["ood"][result["decided_by"]]
    row |= {
        "decision": result["decision"],
        "answer": result["answer"],
        "reasons": "; ".join(result["reasons"]),
        "ood_score": f"{ood['score']:.6g}",
        "threshold": f"{ood['threshold']:.6g}",
        "flags": ",".join(name for name, flag in result["flags"].items() if flag),
        "notes": "; ".join(result["notes"]),
        "validation": " ".join(said_of(result["validation"])),
        "duration_s": f"{result['duration_s']:.3f}",
        "sha256": result["sha256"] or "",
    }
    if result["bonafide_by"] is not None:
        said = result["bonafide_by"]
        row |= {"detector": said["detector"] or "", "detector_score": f"{said['score']:.6g}"}
        if said["log10_llr"] is not None:
            row["detector_log10_llr"] = f"{said['log10_llr']:.6g}"
            row["detector_doubts"] = " ".join(doubts_of(said["validation"]))
    if result["family"] is not None:
        row |= {"family": result["family"]["name"], "p_family": result["family"]["said"]}
    if result["ranked"]:
        first = result["ranked"][0]
        row |= {"likeliest": first["name"], "p_likeliest": first["said"]}
    if result["nearest"]:
        row |= {"nearest": result["nearest"][0]["utt_id"]}
    if result["enrolled"]:
        source = result["enrolled"][0]
        row |= {"enrolled": source["name"], "cosine_enrolled": f"{source['cosine']:.6g}"}
        if source["llr"] is not None:
            row["llr_enrolled"] = f"{source['llr']:.6g}"
    return row
