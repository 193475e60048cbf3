"""What people hear where detectors find evidence."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from spoofscope.attribution.groups import Evidence, by_sound
from spoofscope.attribution.store import Attributions
from spoofscope.exhibits import Table
from spoofscope.identity import rng_of
from spoofscope.labelling.labels import Label, Labels, read_labels
from spoofscope.labelling.pack import Pack
from spoofscope.labelling.questions import CUES
from spoofscope.labelling.regions import chance_iou, iou, joined, share_inside
from spoofscope.metrics.agreement import Scale, Units, alpha, chi_squared, dependence, units_of
from spoofscope.metrics.correlation import holm, mean_interval
from spoofscope.metrics.limits import (
    LEAST_CLIPS,
    hull,
    percentile_interval,
    standard_error,
    student_interval,
    within,
)
from spoofscope.metrics.tables import clusters_of, resampled_by
from spoofscope.names import ALL
from spoofscope.tables import read_manifest, read_segments, read_table, write_table

TABLE = Table(
    title="Labels of people",
    shows="What people hear where detectors find evidence: cues, regions and agreement.",
    caption=(
        "One row per measure and detector, or pair of detectors. locality: mean, 1 spread to 5 a "
        "spike. audible: share of labels whose cue can be heard. regions, width_mean, "
        "width_median: number of marked regions of a label, and seconds of each. "
        "density_in_regions: share of the magnitude of the evidence in marked regions, over their"
        " share of the time. alpha_*: Krippendorff's alpha between people (cue and audible "
        "nominal, locality ordinal), 1 for perfect agreement and 0 for that of chance; its n "
        "counts explanations with two answers or more. iou_people, iou_detectors: intersection "
        "over union of what is marked, between people and between detectors, with the mean over "
        "circular shifts as chance; 0 where only one marks something. same_cue: share of clips on"
        " which an annotator gives two detectors the same cue. Intervals hold 95 %, over speakers"
        " where they are known and over clips otherwise. The table .cues counts cues; .tests has "
        "chi-squared tests of detector against cue: p takes labels for independent, which those "
        "of one clip are not, so p_permuted exchanges detectors within speakers (or clips); "
        ".evidence compares with sounds of an aligner: where the evidence of explanations lies "
        "that people gave a cue."
    ),
    needs="annotated",
    place=68,
    more=("cues", "tests", "evidence"),
)

_PERMUTATIONS = 9999
_BLOCK = 500
"""Exchanges that are looked at together."""
_PAIR = " / "

_MEASURES: dict[str, pl.DataType] = {
    **dict.fromkeys(("measure", "detector"), pl.String()),
    **dict.fromkeys(("value", "ci_low", "ci_high", "chance"), pl.Float64()),
    **dict.fromkeys(("n", "clusters"), pl.Int64()),
}
_CUES: dict[str, pl.DataType] = {
    **dict.fromkeys(("annotator", "detector", "cue"), pl.String()),
    "n": pl.Int64(),
    "share": pl.Float64(),
}
_TESTS: dict[str, pl.DataType] = {
    **dict.fromkeys(("annotator", "detector"), pl.String()),
    "chi_squared": pl.Float64(),
    "dof": pl.Int64(),
    **dict.fromkeys(("cramers_v", "p", "p_permuted", "p_holm"), pl.Float64()),
    **dict.fromkeys(("n", "clusters"), pl.Int64()),
}
_EVIDENCE: dict[str, pl.DataType] = {
    **dict.fromkeys(("detector", "cue", "sound"), pl.String()),
    **dict.fromkeys(("magnitude_share", "time_share", "density"), pl.Float64()),
    **dict.fromkeys(("ci_low", "ci_high"), pl.Float64()),
    **dict.fromkeys(("n", "clusters"), pl.Int64()),
}


class _Summary:
    """Labels with what they are resampled by.

    Args:
        labels: of all annotators.
        pack: that they are about.
        clusters: utt_id to what is resampled as a whole.
        resamples, seed: of the bootstrap.
    """

    def __init__(
        self,
        labels: Labels,
        pack: Pack,
        clusters: Mapping[str, str],
        resamples: int,
        seed: int,
    ) -> None:
        self.labels = labels.labels
        self.pack = pack
        self.clusters = clusters
        self._resamples = resamples
        self._seed = seed
        self._clips = {clip.utt_id: clip for clip in pack.clips.values()}
        self.annotators = sorted({label.annotator for label in self.labels})

    def of(self, detector: str) -> list[Label]:
        """The labels of a detector, or of all."""
        return [label for label in self.labels if detector in (ALL, label.detector)]

    # --- measures ------------------------------------------------------------------------------

    def mean(
        self,
        measure: str,
        detector: str,
        values: Sequence[tuple[str, float]],
        *,
        share: bool = False,
        chance: float | None = None,
    ) -> dict[str, Any]:
        """The row of a mean over (utt_id, value)."""
        clusters = [self.clusters[utt_id] for utt_id, _ in values]
        numbers = [value for _, value in values]
        interval = None
        if values:
            rng = rng_of(self._seed, "labels", measure, detector)
            interval = mean_interval(numbers, self._resamples, rng, clusters, share=share)
        return {
            "measure": measure,
            "detector": detector,
            "value": float(np.mean(numbers)) if values else None,
            "ci_low": None if interval is None else interval.low,
            "ci_high": None if interval is None else interval.high,
            "chance": chance,
            "n": len(values),
            "clusters": len(set(clusters)),
        }

    def answers(self, detector: str, field: str) -> list[tuple[str, Any]]:
        """(utt_id, answer) of all labels that have one."""
        labels = self.of(detector)
        return [(label.utt_id, label.answers[field]) for label in labels if field in label.answers]

    def of_detector(self, detector: str) -> Iterable[dict[str, Any]]:
        """The measures of a detector, or of all."""
        locality = [(utt_id, float(value)) for utt_id, value in self.answers(detector, "locality")]
        yield self.mean("locality", detector, locality)
        audible = [(utt_id, float(value)) for utt_id, value in self.answers(detector, "audible")]
        yield self.mean("audible", detector, audible, share=True)
        marked = self.answers(detector, "regions")
        yield self.mean("regions", detector, [(utt_id, float(len(r))) for utt_id, r in marked])
        widths = [(utt_id, r["end"] - r["start"]) for utt_id, regions in marked for r in regions]
        yield self.mean("width_mean", detector, widths)
        median = self.mean("width_median", detector, widths) | {"ci_low": None, "ci_high": None}
        yield median | {"value": float(np.median([w for _, w in widths])) if widths else None}
        yield self.mean("density_in_regions", detector, self._densities(detector))
        yield self._alpha("cue", detector, tuple(CUES), "nominal")
        yield self._alpha("locality", detector, (1, 2, 3, 4, 5), "ordinal")
        yield self._alpha("audible", detector, (False, True), "nominal")
        of_clips: dict[tuple[str, str], list[Label]] = {}
        for label in self.of(detector):
            of_clips.setdefault((label.utt_id, label.detector), []).append(label)
        pairs = [pair for labels in of_clips.values() for pair in itertools.combinations(labels, 2)]
        yield self._iou("iou_people", detector, pairs)

    def of_pairs(self) -> Iterable[dict[str, Any]]:
        """The measures of pairs of detectors."""
        for one, other in itertools.combinations(self.pack.names, 2):
            found = {(label.annotator, label.utt_id): label for label in self.of(other)}
            pairs = [
                (label, found[label.annotator, label.utt_id])
                for label in self.of(one)
                if (label.annotator, label.utt_id) in found
            ]
            name = f"{one}{_PAIR}{other}"
            yield self._iou("iou_detectors", name, pairs)
            same = [
                (a.utt_id, float(a.answers["cue"] == b.answers["cue"]))
                for a, b in pairs
                if "cue" in a.answers and "cue" in b.answers
            ]
            yield self.mean("same_cue", name, same, share=True)

    def _densities(self, detector: str) -> list[tuple[str, float]]:
        detectors = {each.name: each for each in self.pack.detectors}
        densities = []
        for label in self.of(detector):
            if "regions" not in label.answers:
                continue
            regions = joined(label.answers["regions"])
            values = self.pack.evidence(self._clips[label.utt_id].key, label.detector)
            about = detectors[label.detector]
            steps = np.arange(values.size, dtype=np.float64)
            times = about.first_centre_seconds + about.hop_seconds * steps
            inside = share_inside(times, values.astype(np.float64), regions)
            if inside is not None:
                densities.append((label.utt_id, inside[0] / inside[1]))
        return densities

    def _iou(self, measure: str, name: str, pairs: Iterable[tuple[Label, Label]]) -> dict[str, Any]:
        values, chances = [], []
        for pair in pairs:
            if not all("regions" in label.answers for label in pair):
                continue
            one, other = (joined(label.answers["regions"]) for label in pair)
            if not one.size and not other.size:
                continue
            utt_id = pair[0].utt_id
            values.append((utt_id, iou(one, other)))
            chances.append(chance_iou(one, other, self._clips[utt_id].duration))
        chance = float(np.mean(chances)) if chances else None
        return self.mean(measure, name, values, share=True, chance=chance)

    def _alpha(
        self, field: str, detector: str, scale_values: Sequence[Any], scale: Scale
    ) -> dict[str, Any]:
        given: dict[tuple[str, str], list[int]] = {}
        for label in self.of(detector):
            if field in label.answers:
                place = (label.utt_id, label.detector)
                given.setdefault(place, []).append(scale_values.index(label.answers[field]))
        several = {place: values for place, values in given.items() if len(values) > 1}
        units = units_of(list(several.values()), len(scale_values), scale)
        names = [self.clusters[utt_id] for utt_id, _ in several]
        row: dict[str, Any] = {
            "measure": f"alpha_{field}",
            "detector": detector,
            "value": alpha(units),
            "n": len(several),
            "clusters": len(set(names)),
        }
        return row | self._alpha_interval(units, names, field, detector)

    def _alpha_interval(
        self, units: Units, names: Sequence[str], field: str, detector: str
    ) -> dict[str, float]:
        distinct, of_unit = np.unique(np.asarray(names), return_inverse=True)
        value = alpha(units)
        if value is None or distinct.size < LEAST_CLIPS or not self._resamples:
            return {}
        rng = rng_of(self._seed, "labels", "alpha", field, detector)
        drawn = rng.integers(0, distinct.size, (self._resamples, distinct.size))
        resampled = []
        for draw in drawn:
            times = np.bincount(draw, minlength=distinct.size).astype(np.float64)
            drawn_value = alpha(units, times[of_unit])
            resampled.append(math.nan if drawn_value is None else drawn_value)
        values = np.array(resampled)
        if not np.isfinite(values).all() or standard_error(values, distinct.size) == 0:
            return {}
        student = within(student_interval(value, values, distinct.size), -1.0, 1.0)
        low, high = hull(percentile_interval(values), student)
        return {"ci_low": low, "ci_high": high}

    # --- cues against detectors ----------------------------------------------------------------

    def cues(self) -> Iterable[dict[str, Any]]:
        """How often each detector gets each cue, by everybody and by each."""
        for annotator in (ALL, *self.annotators):
            for detector in self.pack.names:
                counts = self._counts(annotator, [detector]).sum(axis=(0, 1))
                for cue, n in zip(CUES, counts.tolist(), strict=True):
                    share = n / counts.sum() if counts.any() else None
                    yield {
                        "annotator": annotator,
                        "detector": detector,
                        "cue": cue,
                        "n": n,
                        "share": share,
                    }

    def tests(self) -> list[dict[str, Any]]:
        """Tests of detector against cue: all detectors, pairs of them, and by each annotator."""
        names = self.pack.names
        rows = [self._test(ALL, names, ALL)]
        pairs = [
            self._test(ALL, pair, _PAIR.join(pair))
            for pair in (itertools.combinations(names, 2) if len(names) > 2 else ())
        ]
        tested = [row for row in pairs if row["p_permuted"] is not None]
        for row, p in zip(tested, holm([row["p_permuted"] for row in tested]), strict=True):
            row["p_holm"] = float(p)
        each = [self._test(annotator, names, ALL) for annotator in self.annotators]
        return [*rows, *pairs, *(each if len(each) > 1 else [])]

    def _counts(self, annotator: str, detectors: Sequence[str]) -> "np.ndarray[Any, Any]":
        """Labels by cluster, detector and cue."""
        names = sorted({self.clusters[label.utt_id] for label in self.labels})
        cues = list(CUES)
        counts = np.zeros((len(names), len(detectors), len(cues)), np.int64)
        place = {name: i for i, name in enumerate(names)}
        for label in self.labels:
            wanted = label.detector in detectors and annotator in (ALL, label.annotator)
            if wanted and "cue" in label.answers:
                where = (place[self.clusters[label.utt_id]], detectors.index(label.detector))
                counts[(*where, cues.index(label.answers["cue"]))] += 1
        return counts

    def _test(self, annotator: str, detectors: Sequence[str], name: str) -> dict[str, Any]:
        counts = self._counts(annotator, list(detectors))
        counts = counts[counts.any(axis=(1, 2))]
        found = dependence(counts.sum(axis=0))
        row: dict[str, Any] = {
            "annotator": annotator,
            "detector": name,
            "n": int(counts.sum()),
            "clusters": len(counts),
            "p_permuted": None,
        }
        if found is None:
            return row
        rng = rng_of(self._seed, "labels", "cues", annotator, name)
        return {
            **row,
            **found._asdict(),
            "p_permuted": permuted_p(counts, found.chi_squared, rng),
        }

    # --- automatic cues ------------------------------------------------------------------------

    def evidence(self, sounds: Mapping[str, Mapping[str, Mapping[str, Evidence]]]) -> Any:
        """Where the evidence lies of explanations with a cue.

        Args:
            sounds: detector to kind of sound to utt_id to evidence.
        """
        for detector, kinds in sounds.items():
            cued = self.answers(detector, "cue")
            for cue in (ALL, *CUES):
                of_cue = [utt_id for utt_id, given in cued if cue in (ALL, given)]
                for kind, of_clips in kinds.items():
                    found = [(u, of_clips[u]) for u in of_cue if u in of_clips]
                    found = [(u, e) for u, e in found if math.isfinite(e.magnitude_share)]
                    if not found:
                        continue
                    row = self.mean("density", detector, [(u, e.density) for u, e in found])
                    yield {
                        "detector": detector,
                        "cue": cue,
                        "sound": kind,
                        "magnitude_share": float(np.mean([e.magnitude_share for _, e in found])),
                        "time_share": float(np.mean([e.time_share for _, e in found])),
                        "density": row["value"],
                        **{key: row[key] for key in ("ci_low", "ci_high", "n", "clusters")},
                    }


def permuted_p(counts: "np.ndarray[Any, Any]", observed: float, rng: np.random.Generator) -> float:
    """Share of exchanges of detectors within clusters with a statistic as large as the observed.

    Args:
        counts: labels by cluster, detector and cue, (clusters, detectors, cues).
        observed: Pearson's statistic of the sum over clusters.
        rng: decides the exchanges.

    Returns:
        Above 0 and at most 1: the observed order counts as one of the exchanges.
    """
    counts = counts[:, :, counts.any(axis=(0, 1))].astype(np.float64)
    clusters, detectors, _ = counts.shape
    least = observed * (1 - 1e-9)
    reached = 1
    for start in range(0, _PERMUTATIONS, _BLOCK):
        block = min(_BLOCK, _PERMUTATIONS - start)
        order = np.argsort(rng.random((block, clusters, detectors)), axis=2)
        tables = np.take_along_axis(counts[None], order[..., None], axis=2).sum(axis=1)
        reached += int(np.count_nonzero(chi_squared(tables) >= least))
    return reached / (_PERMUTATIONS + 1)


def make(
    pack: str,
    files: Sequence[str],
    labels: Sequence[str],
    manifest: str,
    alignment: str | Sequence[str],
    explained: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write all tables.

    Args:
        pack: the list of clips of the study's pack; `files` are its others.
        labels: tables of `spoofscope label --export`.
        manifest: of the corpus.
        alignment: segments of the split by an aligner; empty where none has aligned it.
        explained: name and `attributions` of every detector in the pack.
        outputs: `table`, `cues`, `tests` and `evidence`.
        resamples, bootstrap_seed, cluster: as in `attribution.checks.check_means`.

    Raises:
        TableError: as `labelling.labels.read_labels`.
    """
    opened = Pack(Path(pack).parent)
    read = read_labels(labels, opened)
    clips = read_manifest(manifest).filter(
        pl.col("utt_id").is_in([clip.utt_id for clip in opened.clips.values()])
    )
    column = resampled_by(clips, cluster)
    units = clips["utt_id"] if column is None else clusters_of(clips, column)
    clusters = dict(zip(clips["utt_id"], units, strict=True))
    summary = _Summary(read, opened, clusters, resamples, bootstrap_seed)
    rows = [*_overview(summary, read)]
    for detector in (ALL, *opened.names):
        rows += summary.of_detector(detector)
    rows += summary.of_pairs()
    write_table(outputs["table"], pl.DataFrame(rows, schema=_MEASURES))
    write_table(outputs["cues"], pl.DataFrame([*summary.cues()], schema=_CUES))
    write_table(outputs["tests"], pl.DataFrame(summary.tests(), schema=_TESTS))
    sounds: dict[str, Mapping[str, Mapping[str, Evidence]]] = {}
    if alignment:
        segments = read_segments(str(alignment))
        seconds: dict[str, float] = dict(clips.select("utt_id", "duration").rows())
        labelled = {label.utt_id for label in read.labels}
        for entry in explained:
            attributions = Attributions(entry["attributions"])
            wanted = [attributions[u] for u in attributions.utt_ids if u in labelled]
            sounds[entry["name"]] = by_sound(wanted, segments, seconds)
    write_table(outputs["evidence"], pl.DataFrame([*summary.evidence(sounds)], schema=_EVIDENCE))


def _overview(summary: _Summary, read: Labels) -> Iterable[dict[str, Any]]:
    clips = {label.utt_id for label in read.labels}
    counted = {
        "annotators": len(summary.annotators),
        "clips": len(clips),
        "labels": len(read.labels),
        "skipped": read.skipped,
        "outdated_answers": read.outdated,
        "answers_not_blind": read.not_blind,
    }
    for measure, n in counted.items():
        yield {"measure": measure, "detector": ALL, "value": float(n), "n": n}
    seconds = [s for (_, utt_id), s in read.seconds.items() if utt_id in clips]
    median = float(np.median(seconds)) if seconds else None
    yield {"measure": "seconds_per_clip", "detector": ALL, "value": median, "n": len(seconds)}


def read_measures(path: str) -> pl.DataFrame:
    """The table `annotation`."""
    texts = {name: _MEASURES[name] for name in ("measure", "detector")}
    return read_table(path, texts, {n: t for n, t in _MEASURES.items() if n not in texts})


def read_cues(path: str) -> pl.DataFrame:
    """Its part `cues`."""
    return read_table(
        path, {n: t for n, t in _CUES.items() if n != "share"}, {"share": pl.Float64()}
    )


def read_tests(path: str) -> pl.DataFrame:
    """Its part `tests`."""
    texts = {name: _TESTS[name] for name in ("annotator", "detector")}
    return read_table(path, texts, {n: t for n, t in _TESTS.items() if n not in texts})
