"""The list at the top of the report: reasons to doubt its numbers, which readers need first."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from spoofscope.attribution.verdicts import CONTROLS, TITLES
from spoofscope.display import DisplayNames
from spoofscope.metrics.paired import ALPHA
from spoofscope.metrics.tables import (
    ONE_BY_ONE,
    SPEAKER,
    UNKNOWN,
    clusters_of,
    resampled_by,
)
from spoofscope.p_values import p_number
from spoofscope.report.audits import attention, listed, sentences, strongest_cue
from spoofscope.summaries.comparisons import within_reach
from spoofscope.tables import LABELS, rows_of_source

LEAST_DEV = 20
"""Development trials of a class below which a threshold and a calibration are unreliable."""

FEW_SPEAKERS = 20
"""Speakers below which an interval describes these speakers more than other speakers."""

_JUMP = 0.10
"""Difference of two EERs, one of them at least twice the other, that the list mentions."""

LOOKED_FOR = (
    f"operating points from fewer than {LEAST_DEV} development trials of a class, detectors whose "
    "development and evaluation differ strongly, findings of the corpus audits, detectors that are "
    "no better than chance, differences and fingerprints that cannot become significant, "
    "explanations that do not pass their controls, source tracing that rests on few attacks, on "
    "shared texts or on chance, intervals "
    f"from fewer than {FEW_SPEAKERS} speakers or from unknown speakers, names for attacks that no "
    "corpus has, and caveats of the study"
)

Row = Mapping[str, Any]


class Point(NamedTuple):
    """An entry of the list. concerns: whether it affects a row of the headline table. link: to the
    part of the report with details, or None.
    """

    text: str
    concerns: Callable[[Row], bool]
    link: str | None = None


def read_first(
    *,
    caveats: Sequence[str],
    headline: Sequence[Row],
    manifests: Mapping[str, pl.DataFrame],
    dev: Mapping[str, Sequence[Mapping[str, Any]]],
    audits: Mapping[str, pl.DataFrame],
    people: DisplayNames,
    comparisons: pl.DataFrame | None,
    agreement: Sequence[Mapping[str, Any]],
    explained: Sequence[Mapping[str, Any]],
    cluster: str | None,
) -> list[Point]:
    """All entries of the list, see :data:`LOOKED_FOR`; the study's own caveats come first.

    Args:
        caveats: of the study file.
        headline: rows of `summaries.headline.headline`.
        manifests: of every corpus and copy.
        dev: for every detector and fusion whose operating point this study chose, the sources of
            the choice: corpus, split and, if given, attacks and exclude_attacks.
        audits: of every corpus, as `report.audits.read_audit` reads them.
        people: the names of corpora that other arguments have; audits have those of files.
        comparisons: as `summaries.comparisons.read_comparisons` reads them.
        agreement: of fingerprints, see `report.fingerprints.fingerprint_section`.
        explained: per explained run its name, `by_check` and `controls`, the verdict on all of
            them; see `attribution.verdicts`.
        cluster: the column by which the study resamples, see `metrics.tables.resampled_by`.
    """
    return [
        *(Point(text, lambda row: False) for text in caveats),
        *_operating_points(dev, manifests),
        *_jumps(headline),
        *_audited(audits, people),
        *_chance(headline),
        *_unreachable(comparisons, agreement),
        *_unfaithful(explained),
        *_few_speakers(headline, manifests, cluster),
        *_names_of_nothing(people, manifests),
    ]


def _operating_points(
    dev: Mapping[str, Sequence[Mapping[str, Any]]], manifests: Mapping[str, pl.DataFrame]
) -> Iterable[Point]:
    small: dict[tuple[int, int], list[str]] = {}
    for name, sources in dev.items():
        counts = [0, 0]
        for source in sources:
            corpus, chosen = (
                source["corpus"],
                (source.get("attacks"), source.get("exclude_attacks", ())),
            )
            rows = rows_of_source(manifests[corpus], source["split"], corpus, *chosen)
            for i, label in enumerate(LABELS):
                counts[i] += int((rows["label"] == label).sum())
        if min(counts) < LEAST_DEV:
            small.setdefault((counts[0], counts[1]), []).append(name)
    for (n_bonafide, n_spoof), names in small.items():
        yield Point(
            f"Threshold and calibration of {listed(names)} come from {n_bonafide} bona fide and "
            f"{n_spoof} spoofed development trials; with fewer than {LEAST_DEV} of a class, HTER, "
            "actDCF and calibrated Cllr may differ strongly from those with other development "
            "data.",
            _of(names),
        )


def _jumps(headline: Sequence[Row]) -> Iterable[Point]:
    jumps: dict[tuple[str, bool], dict[str, str]] = {}
    unsure: set[str] = set()
    for row in headline:
        if row["split"] != "eval" or row["eer"] is None:
            continue
        for other in headline:
            same = other["name"] == row["name"] and other["corpus"] == row["corpus"]
            if not same or other["split"] != "dev" or other["eer"] is None:
                continue
            low, high = sorted((row["eer"], other["eer"]))
            if high - low < _JUMP or high < 2 * low:
                continue
            rates = f"{row['name']} ({_percent(other['eer'])}, {_percent(row['eer'])})"
            if not _apart(row, other):
                unsure.add(rates)
            key = row["corpus"], row["eer"] > other["eer"]
            jumps.setdefault(key, {})[row["name"]] = rates
    for (corpus, is_worse), said in jumps.items():
        perhaps = [name for name, rates in said.items() if rates in unsure]
        each = "Each"
        if perhaps:
            each = f"Unless it is chance, which the intervals allow for {listed(perhaps)}, each"
        why = (
            "was chosen and calibrated on development data that are easier than the evaluation "
            "data, or fits them too closely."
            if is_worse
            else "finds the evaluation data far easier than its development data."
        )
        yield Point(
            f"On {corpus}, these have far {'higher' if is_worse else 'lower'} EERs on evaluation "
            f"data than on development data (dev, eval): {listed(said.values())}. "
            f"{each} {why}",
            _of(list(said), corpus),
        )


def _apart(row: Row, other: Row) -> bool:
    """Whether the intervals of two EERs have nothing in common."""
    ends = [(each["eer_low"], each["eer_high"]) for each in (row, other)]
    if any(end is None for pair in ends for end in pair):
        return False
    return max(low for low, _ in ends) > min(high for _, high in ends)


def _audited(audits: Mapping[str, pl.DataFrame], people: DisplayNames) -> Iterable[Point]:
    for name, audit in audits.items():
        findings = attention(audit)
        corpus, link = people.corpus(name), f"../audits/{name}.html"
        cue = strongest_cue(findings)
        if cue is not None:
            n = findings.filter(pl.col("check") == "cue").select("split", "item").n_unique()
            others = "" if n == 1 else f" The list below has {n - 1} more such cues."
            yield Point(
                f"Corpus {corpus}: a cue that is unrelated to speech separates its classes, so a "
                f"detector may score well without detecting a deepfake. In {cue}{others}",
                _of(None, corpus),
                link,
            )
        rest = findings.filter(pl.col("check") != "cue")
        for (check,), rows in rest.group_by("check", maintain_order=True):
            texts = sentences(rows)
            n = len(texts) - 1
            more = f" The list below has {n} more of this kind." if n else ""
            yield Point(
                f"Corpus {corpus}, {_CHECKS.get(str(check), check)}: {texts[0]}{more}",
                _of(None, corpus),
                link,
            )


_CHECKS = {
    "counts": "number of clips",
    "classes": "classes",
    "audio": "unusable files",
    "duplicates": "identical audio",
    "leakage": "splits that share speakers or sentences",
    "few_trials": "small development set",
    "attack_in_one_split": "attacks that are in one split only",
    "copies": "what its chain did to clips",
}


def _chance(headline: Sequence[Row]) -> Iterable[Point]:
    sets: dict[tuple[str, str], list[Row]] = {}
    for row in headline:
        if row["split"] == "eval" and row["eer_low"] is not None and row["eer_high"] >= 0.5:
            sets.setdefault((row["corpus"], row["split"]), []).append(row)
    for (corpus, split), rows in sets.items():
        detectors = [
            f"{row['name']} ({_percent(row['eer'])}, {100 * row['eer_low']:.0f} to "
            f"{_percent(row['eer_high'], 0)})"
            for row in rows
        ]
        yield Point(
            f"On {corpus}, {split}, these detectors are not shown to be better than chance, an EER "
            f"of 50 %: {listed(detectors)}.",
            _of([row["name"] for row in rows], corpus, split),
        )


def _unreachable(
    comparisons: pl.DataFrame | None, agreement: Sequence[Mapping[str, Any]]
) -> Iterable[Point]:
    if comparisons is not None:
        for (corpus, split), of_set in comparisons.group_by("corpus", "split", maintain_order=True):
            why = within_reach(of_set)
            if why is not None:
                yield Point(
                    f"In the comparisons on {corpus}, {split}, {why}.",
                    lambda row: False,
                    "#figure-comparisons",
                )
    smallest = [
        row["whole"]["p_smallest"] for row in agreement if row["whole"]["p_smallest"] is not None
    ]
    if smallest and min(smallest) >= ALPHA:
        yield Point(
            "No fingerprint can be significant: with so few permutations or groups of clips, and "
            f"{len(smallest)} generators, p is at least {p_number(min(smallest))} after "
            "correction. The keys fingerprints.permutations and fingerprints.group of the study "
            "file change this.",
            lambda row: False,
            "#fingerprints",
        )


def _unfaithful(explained: Sequence[Mapping[str, Any]]) -> Iterable[Point]:
    words = {
        "fails": "The explanations of {} fail their controls: {}. Do not rely on them.",
        "undecided": "It is undecided whether the explanations of {} pass their controls: {}.",
    }
    for verdict, text in words.items():
        found = [each for each in explained if each["controls"] == verdict]
        checks = {
            TITLES[check]: [
                each["name"]
                for each in found
                if check in each["by_check"] and each["by_check"][check].verdict == verdict
            ]
            for check in CONTROLS
        }
        said = [
            f"{title} ({listed(names)})" if len(found) > 1 else title
            for title, names in checks.items()
            if names
        ]
        if found:
            names = listed(each["name"] for each in found)
            yield Point(text.format(names, ", ".join(said)), lambda row: False, "#faithful")


def said_once(what: str, sections: Iterable[Mapping[str, Any]], link: str) -> list[Point]:
    """The doubts of sections, each said once, with all detectors that it is about.

    Args:
        what: was done to the detectors.
        sections: name, corpus, split and doubts, which name neither.
        link: to the part of the report with these sections.
    """
    about: dict[str, dict[str, list[str]]] = {}
    for section in sections:
        place = f"{section['corpus']}, {section['split']}"
        for text in section["doubts"]:
            about.setdefault(text, {}).setdefault(place, []).append(section["name"])
    return [
        Point(
            f"{what} of "
            + "; ".join(f"{listed(names)} on {place}" for place, names in places.items())
            + f": {text}",
            lambda row: False,
            link,
        )
        for text, places in about.items()
    ]


def _few_speakers(
    headline: Sequence[Row], manifests: Mapping[str, pl.DataFrame], cluster: str | None
) -> Iterable[Point]:
    sets = dict.fromkeys((row["corpus"], row["split"]) for row in headline)
    for corpus, split in sets:
        trials = manifests[corpus].filter(pl.col("split") == split)
        column = resampled_by(trials, cluster)
        names = trials["utt_id"] if column is None else clusters_of(trials, column)
        units = trials.select("label", names.alias("unit")).group_by("label").n_unique()
        label, n = units.sort("unit", "label").row(0)
        concerns = _of(None, corpus, split)
        if n < 2:
            what = "clip" if column is None else column
            yield Point(
                f"On {corpus}, {split}, there is a single {what} of {_CLASSES[label]}: a rate of "
                f"that class has no interval, and says nothing about another {what}.",
                concerns,
            )
        elif split != "eval":
            # Numbers on other splits are optimistic anyway.
            continue
        elif column is None:
            yield Point(
                f"Intervals on {corpus}, {split}, treat every clip as independent, because "
                f"{_why_alone(trials, cluster)}; clips of one speaker are alike, so they may be "
                "too narrow.",
                concerns,
            )
        elif n < FEW_SPEAKERS:
            what = f"{n} speakers" if column == SPEAKER else f"{n} values of {column}"
            yield Point(
                f"Intervals on {corpus}, {split}, come from {what} of the class that has fewer; "
                "they say little about others.",
                concerns,
            )


def _names_of_nothing(
    people: DisplayNames, manifests: Mapping[str, pl.DataFrame]
) -> Iterable[Point]:
    known = {attack for table in manifests.values() for attack in table["attack"].unique()}
    if unknown := people.attacks_without(known):
        yield Point(
            f"The study file has names for people (names.attacks) of {listed(unknown)}, which no "
            "corpus has: a mistyped attack keeps the name of its corpus.",
            lambda row: False,
        )


_CLASSES = {"bonafide": "bona fide speech", "spoof": "spoofed speech"}


def _why_alone(trials: pl.DataFrame, cluster: str | None) -> str:
    """Why trials are drawn one by one."""
    if cluster == ONE_BY_ONE:
        return "the study file says so"
    column = cluster or SPEAKER
    if (trials[column].cast(pl.String) == UNKNOWN).all():
        return (
            "its speakers are not known"
            if column == SPEAKER
            else f"its column {column} is {UNKNOWN!r} throughout, which means unknown"
        )
    return "all clips are of one speaker"


def _of(
    names: Sequence[str] | None, corpus: str | None = None, split: str | None = None
) -> Callable[[Row], bool]:
    """Whether a row belongs to one of the detectors, the corpus and the split; None means any."""
    return lambda row: (
        (names is None or row["name"] in names)
        and corpus in (None, row["corpus"])
        and split in (None, row["split"])
    )


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"
