"""The report's part on source tracing, in sentences, and reasons to doubt it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.metrics.paired import ALPHA
from spoofscope.metrics.slices import OVERALL, WITHOUT
from spoofscope.names import NONE
from spoofscope.p_values import p_is
from spoofscope.report.audits import attention, listed, read_audit
from spoofscope.report.first import Point
from spoofscope.summaries.traced import UNCHECKED
from spoofscope.tables import read_table
from spoofscope.tracing.systems import KNOWN, with_source_text

FEW_ATTACKS = 20
"""Unknown attacks below which an interval says more about these than about others."""

_MOST_OF_ONE = 0.5
# Of attacks that are alike in something, a sentence names so many.
_NAMED = 3
"""Share of the unknown clips above which an attack counts as deciding the rates."""

_COUNTS = (
    *("n_classes", "n_seeds", "n_known_attacks", "n_unknown_attacks", "n_unknown_in_dev"),
    *("n_known", "n_unknown"),
)


def tracing_section(
    tables: Mapping[str, str],
    manifests: Mapping[str, pl.DataFrame],
    ambiguous: Sequence[str],
    unit: str,
) -> list[dict[str, Any]]:
    """For each traced eval set its sentences, its rows and its doubts; none without tracers.

    Args:
        tables: `tracing`, `pairs`, `attacks` and, where decisions are made, `decisions`: the
            tables `tracing`, `tracing.pairs`, `tracing_attacks` and `tracing_decisions`; empty
            without tracers.
        manifests: of every corpus.
        ambiguous, unit: of the section `tracing`.

    Returns:
        corpus, split, sentences, rows (of `tracing`, over all attacks; those of the task that most
        tracers have first, of each task the highest balanced accuracy first) and doubts.

    Raises:
        TableError: a table is damaged.
    """
    if not tables:
        return []
    whole = _read(tables["tracing"], ("name", "attacks", "polarity"), ("decides",))
    pairs = _read(tables["pairs"], ("metric", "first", "second"), ())
    attacks = _read(tables["attacks"], ("name", "attack"), ("known", "family", "mistaken_for"))
    decided = None
    if "decisions" in tables:
        decided = _read(tables["decisions"], ("name", "bonafide_by"), ())
    sections: list[dict[str, Any]] = []
    sets = whole.filter(split="eval").select("corpus", "split").unique(maintain_order=True)
    for corpus, split in sets.rows():
        place = {"corpus": corpus, "split": split}
        rows = _by_task(whole.filter(attacks=OVERALL, **place))
        best = rows.row(0, named=True)
        of_best = attacks.filter(name=best["name"], **place)
        of_best = of_best.filter(seed=of_best["seed"][0])
        others = [name for name in ambiguous if name in of_best["attack"]]
        without = whole.filter(attacks=WITHOUT, name=best["name"], **place)
        sections.append(
            {
                **place,
                "rows": list(rows.iter_rows(named=True)),
                "sentences": [
                    *_protocol(best, "bonafide" in of_best["attack"], others),
                    *_without(without),
                    *_best(rows, pairs.filter(**place)),
                    *_unknown(best, of_best),
                    *(() if decided is None else _decided(decided.filter(**place))),
                ],
                "doubts": [
                    *_absent(attacks, ambiguous, bool(sections)),
                    *_unlike(rows, corpus, split),
                    *_met(best, corpus, split),
                    *_unchecked(rows, corpus, split),
                    *_few(best, corpus, split, unit),
                    *_chance(rows, corpus, split),
                    *_of_one(of_best, corpus, split),
                    *_shared_texts(manifests[corpus], corpus, split),
                ],
            }
        )
    return sections


def published_numbers(tables: Mapping[str, str]) -> dict[str, Any] | None:
    """The published numbers that stand beside those of the study, and why others do not.

    Args:
        tables: `references`: the table `tracing_references`; empty without tracers.

    Returns:
        rows (of the table, with numbers) and others (reason to number of published values); None
        without tracers.

    Raises:
        TableError: the table is damaged.
    """
    if not tables:
        return None
    texts = ("published", "system", "corpus", "split", "decides", "metric", "value", "source")
    required = dict.fromkeys((*texts, "tracer", "verdict", "why"), pl.String())
    numbers = dict.fromkeys(("ours", "ours_low", "ours_high"), pl.Float64())
    table = read_table(tables["references"], required, numbers)
    beside = pl.col("ours").is_not_null()
    others = table.filter(~beside)["why"].value_counts(sort=True)
    return {
        "rows": list(table.filter(beside).iter_rows(named=True)),
        "others": list(others.iter_rows()),
    }


def tracing_audits(paths: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the audits of source tracing warn of.

    Args:
        paths: of the audit of every corpus whose attacks are traced.

    Returns:
        corpus, checks (their number) and findings (sentences) of each.

    Raises:
        TableError: a table is damaged.
    """
    audits = []
    for corpus, path in paths.items():
        table = read_audit(path)
        rows = attention(table)
        findings = [_finding(row) for row in rows.iter_rows(named=True)]
        audits.append({"corpus": corpus, "checks": table.height, "findings": findings})
    return audits


def _finding(row: Mapping[str, Any]) -> str:
    note = row["note"]
    if row["check"] == "texts":
        first, second = row["split"].split("+")
        texts = "1 text is" if row["value"] == 1 else f"{row['value']:.0f} texts are"
        return f"{texts} in {first} and in {second}; {note}."
    if row["check"] in ("families", "misplaced"):
        return f"In {row['split']}, {note}."
    return f"{note[:1].upper()}{note[1:]}."


def tracing_points(sections: Sequence[Mapping[str, Any]]) -> list[Point]:
    """The doubts of all sections, for the list at the top of the report."""
    return [
        Point(text, lambda row: False, "#tracing")
        for section in sections
        for text in section["doubts"]
    ]


def _read(path: str, texts: Sequence[str], empty: Sequence[str]) -> pl.DataFrame:
    """A table with `texts`, and `empty` ones that may be so; all other columns are numbers."""
    required = dict.fromkeys(("corpus", "split", *texts), pl.String())
    table = read_table(path, required, dict.fromkeys(empty, pl.String()), rest=pl.Float64())
    return table.with_columns(pl.col(name).cast(pl.Int64) for name in _COUNTS if name in table)


_TASK = ("n_known", "n_unknown")
"""Tracers that know different classes, such as bona fide speech, have different clips."""


def _by_task(rows: pl.DataFrame) -> pl.DataFrame:
    """Tracers that are judged on the same clips together, the best of each task first."""
    return (
        rows.with_columns(alike=pl.len().over(_TASK))
        .sort(
            ["alike", *_TASK, "balanced_accuracy"],
            descending=True,
            nulls_last=True,
            maintain_order=True,
        )
        .drop("alike")
    )


def _of_task(rows: pl.DataFrame) -> pl.DataFrame:
    """The tracers of the first row's task."""
    return rows.filter(**{name: rows[name][0] for name in _TASK})


def _protocol(best: Mapping[str, Any], bonafide: bool, ambiguous: Sequence[str]) -> Iterable[str]:
    known, unknown = best["n_known_attacks"], best["n_unknown_attacks"]
    clips = f"{best['n_known']} clips are of {_many(known, 'attack')}"
    yield (
        f"{clips if best['n_known'] else 'No clip is of an attack'} in the training data of "
        f"{best['name']}{', and of bona fide speech, which counts as known' if bonafide else ''}. "
        f"{best['n_unknown']} clips are of {_many(unknown, 'attack')} that it never met, for which "
        "the right answer is unknown."
    )
    if ambiguous:
        one = len(ambiguous) == 1
        yield (
            f"{listed(ambiguous)} {'is' if one else 'are'} ambiguous: the name does not say "
            "whether the attack is another version of a known one."
        )


def _without(rows: pl.DataFrame) -> Iterable[str]:
    for row in rows.iter_rows(named=True):
        if row["auroc"] is not None:
            yield (
                f"Without the ambiguous attacks, {row['name']} has a balanced accuracy of "
                f"{_rate(row, 'balanced_accuracy')} and an AUROC of {_decimal(row, 'auroc')}."
            )


def _best(rows: pl.DataFrame, pairs: pl.DataFrame) -> Iterable[str]:
    best = rows.row(0, named=True)
    if best["balanced_accuracy"] is None:
        return
    alike = _of_task(rows)
    many = alike.height > 1
    among = ""
    if many and alike.height < rows.height:
        among = f"Of the {alike.height} tracers that are judged on the same clips, "
    yield (
        f"{among}{best['name']} names known attacks{' best' * many}: balanced "
        f"accuracy {_rate(best, 'balanced_accuracy')}, mean F1 {_rate(best, 'macro_f1')}."
        + (" The ranking is of these very clips, so other clips may give another one." * many)
    )
    if not many:
        return
    second = alike["name"][1]
    names = [best["name"], second]
    found = pairs.filter(
        pl.col("first").is_in(names), pl.col("second").is_in(names), metric="balanced_accuracy"
    )
    if found.is_empty() or found["p_holm"][0] is None:
        yield f"Whether it is better than {second} is not known: there is no interval."
        return
    row = found.row(0, named=True)
    sign = 1 if row["first"] == best["name"] else -1
    ends = sorted(100 * sign * row[end] for end in ("low", "high"))
    shown = row["p_holm"] < ALPHA
    yield (
        f"{'It is better than' if shown else 'It is not shown to be better than'} the next, "
        f"{second}: the difference of the first seeds is {100 * sign * row['difference']:+.1f} "
        f"percentage points ({ends[0]:+.1f} to {ends[1]:+.1f}, {p_is(row['p_holm'])} after "
        "correction)."
    )


def _unknown(best: Mapping[str, Any], attacks: pl.DataFrame) -> Iterable[str]:
    if best["known_rejected"] is not None and best["unknown_accepted"] is None:
        yield (
            "Without clips of unknown attacks, nothing is said about how these are told. At the "
            f"threshold chosen on dev, {_rate(best, 'known_rejected')} of the known clips are "
            "called unknown."
        )
        return
    if best["auroc"] is None:
        yield (
            "Without clips of known attacks, nothing is said about how these are named or told "
            f"from unknown ones. In {best['name']}, {best['decides']} decides: at the threshold "
            f"chosen on dev, {_rate(best, 'unknown_accepted')} of the clips of unknown attacks "
            "pass as known."
        )
        yield from _passes(attacks)
        return
    inverted = ""
    if best["eer"] > 0.5:
        inverted = f", or {100 * (1 - best['eer']):.1f} % with the other sign of its score"
    if best["polarity"] == UNCHECKED:
        inverted += f" (polarity {UNCHECKED})"
    yield (
        f"In {best['name']}, {best['decides']} decides whether an attack is unknown: AUROC "
        f"{_decimal(best, 'auroc')}, EER {_rate(best, 'eer')}{inverted}. At the threshold chosen "
        f"on dev, {_rate(best, 'unknown_accepted')} of the clips of unknown attacks pass as known, "
        f"and {_rate(best, 'known_rejected')} of the known clips are called unknown."
    )
    yield from _told_worst(best, attacks)
    yield from _passes(attacks)


def _told_worst(best: Mapping[str, Any], attacks: pl.DataFrame) -> Iterable[str]:
    """The unknown attack that the score tells worst, whatever the threshold is."""
    unknown = attacks.filter(known=KNOWN[1]).sort("auroc", "attack")
    if unknown.height > 1:
        worst = unknown.row(0, named=True)
        yield (
            f"Of {unknown.height} unknown attacks, {best['decides']} tells {worst['attack']} "
            f"worst: AUROC {_decimal(worst, 'auroc')} against all known clips. Other clips may "
            "give another attack; the interval is too narrow where clips of an attack are alike."
        )


def _passes(attacks: pl.DataFrame) -> Iterable[str]:
    """The unknown attack that is least often called unknown, or those that are as seldom."""
    unknown = attacks.filter(known=KNOWN[1]).sort("called_unknown", "attack")
    worst = unknown.row(0, named=True)
    if worst["called_unknown"] == 1:
        return
    alike = unknown.filter(called_unknown=worst["called_unknown"])
    if alike.height > 1:
        which = f"{alike.height} of {unknown.height} unknown attacks pass most often"
        if alike.height == unknown.height:
            which = f"All {alike.height} unknown attacks pass equally often"
        yield (
            f"{which}: "
            f"{100 * (1 - worst['called_unknown']):.1f} % of the clips of "
            f"{'each' if alike.height > _NAMED else listed(alike['attack'])}."
        )
        return
    passed = {"passed": 1 - worst["called_unknown"]}
    passed |= {"passed_low": 1 - worst["called_unknown_high"]}
    passed |= {"passed_high": 1 - worst["called_unknown_low"]}
    which = "The unknown attack that passes most often is"
    if unknown.height == 1:
        which = "The only unknown attack is"
    yield (
        f"{which} {worst['attack']}: "
        f"{_rate(passed, 'passed')} of its {worst['n']:.0f} clips pass, most often as "
        f"{_speech(worst['mistaken_for'])}."
        + (" Other clips may give another attack." if unknown.height > 1 else "")
    )


def _decided(rows: pl.DataFrame) -> Iterable[str]:
    """What the detector and the tracer with the highest mean F1 decide together."""
    if rows.is_empty():
        return
    best = rows.sort("macro_f1", "name", descending=[True, False]).row(0, named=True)
    n = rows["name"].n_unique()
    among = f", the highest of {n} tracers on these very clips" if n > 1 else ""
    yield (
        f"Where {best['bonafide_by']} decides what is bona fide, and {best['name']} names the "
        "attack of the other clips or calls it unknown, the mean F1 of the "
        f"{best['n_classes']} classes is {_rate(best, 'macro_f1')}{among}."
    )
    if best["bonafide_rejected"] is None:
        yield "The set has no bona fide clip, so how many would be rejected is not known."
    else:
        yield (
            f"Together they reject {_rate(best, 'bonafide_rejected')} of the bona fide clips, and "
            f"{_rate(best, 'spoof_accepted')} of the spoofs pass as bona fide."
        )


def _absent(attacks: pl.DataFrame, ambiguous: Sequence[str], said: bool) -> Iterable[str]:
    """A name that no traced clip has, such as a misspelt one; said once."""
    absent = [name for name in ambiguous if name not in attacks["attack"]]
    if absent and not said:
        one = len(absent) == 1
        yield (
            f"No traced set has {listed(absent)}, which the study calls ambiguous "
            f"(tracing.ambiguous), so there is no result without {'it' if one else 'them'}: check "
            f"the {'name' if one else 'names'}."
        )


def _unlike(rows: pl.DataFrame, corpus: str, split: str) -> Iterable[str]:
    tasks = rows.group_by(_TASK, maintain_order=True).agg("name")
    if tasks.height > 1:
        texts = [
            f"{row['n_known']} + {row['n_unknown']} for {listed(row['name'])}"
            for row in tasks.iter_rows(named=True)
        ]
        yield (
            f"On {corpus}, {split}, tracers were trained on different classes, so their known and "
            f"unknown clips differ: {'; '.join(texts)}. These are different tasks: compare no "
            "tracer of one with a tracer of another."
        )


def _met(best: Mapping[str, Any], corpus: str, split: str) -> Iterable[str]:
    n, met = best["n_unknown_attacks"], best["n_unknown_in_dev"]
    if met:
        yield (
            f"On {corpus}, {split}, {met} of {_many(n, 'unknown attack')} {_are(met)} in the dev "
            f"set of {best['name']}, too, where what tells unknown attacks was chosen or checked: "
            "attacks that nobody has met may be told worse."
        )


def _unchecked(rows: pl.DataFrame, corpus: str, split: str) -> Iterable[str]:
    """Without unknown attacks in dev, the sign of a score is taken on trust."""
    names = rows.filter(polarity=UNCHECKED)["name"].to_list()
    if names:
        whose = f"the dev set of {listed(names)} has" if len(names) < rows.height else "dev has"
        yield (
            f"On {corpus}, {split}, polarity not checked: {whose} no unknown attack, so nothing "
            "shows that a higher score means more unknown. A detector with the wrong sign calls "
            "known attacks unknown and lets unknown ones pass; choosing the sign on these clips "
            "would be choosing by the answers."
        )


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _few(best: Mapping[str, Any], corpus: str, split: str, unit: str) -> Iterable[str]:
    n = best["n_unknown_attacks"]
    if 0 < n < FEW_ATTACKS:
        why = (
            "how well others are told is not known"
            if n == 1 and unit == "attack"
            else "intervals are wide, and say little about others"
            if unit == "attack"
            else "intervals draw texts, and say nothing about other attacks"
        )
        yield (
            f"On {corpus}, {split}, tracers are judged on {_many(n, 'unknown attack')}: {why}. "
            "How well unknown attacks are told depends on which ones are left out."
        )


def _chance(rows: pl.DataFrame, corpus: str, split: str) -> Iterable[str]:
    by_chance: list[str] = []
    inverted: list[str] = []
    for row in rows.iter_rows(named=True):
        if row["auroc"] is not None and row["auroc_low"] is not None and row["auroc_low"] <= 0.5:
            names = inverted if row["auroc_high"] < 0.5 else by_chance
            names.append(f"{row['name']} {_decimal(row, 'auroc')}")
    if by_chance:
        yield (
            f"On {corpus}, {split}, these tracers are not shown to tell unknown attacks better "
            f"than chance, an AUROC of 0.5: {listed(by_chance)}."
        )
    if inverted:
        yield (
            f"On {corpus}, {split}, these tracers tell unknown attacks worse than chance, so they "
            f"call known ones unknown before them: {listed(inverted)} (AUROC)."
        )


def _of_one(attacks: pl.DataFrame, corpus: str, split: str) -> Iterable[str]:
    unknown = attacks.filter(known=KNOWN[1])
    if unknown.height < 2:
        return
    largest = unknown.sort("n", "attack", descending=[True, False]).row(0, named=True)
    share = largest["n"] / unknown["n"].sum()
    if share > _MOST_OF_ONE:
        yield (
            f"On {corpus}, {split}, {100 * share:.0f} % of the clips of unknown attacks are of "
            f"{largest['attack']}: rates over these clips say how well this attack is told, and "
            "little about the others."
        )


def _shared_texts(manifest: pl.DataFrame, corpus: str, split: str) -> Iterable[str]:
    told = with_source_text(manifest).filter(pl.col("source_text") != NONE)
    train, tested = (set(told.filter(split=part)["source_text"]) for part in ("train", split))
    shared = len(train & tested)
    if shared:
        yield (
            f"On {corpus}, {split}, {shared} of {len(tested)} source texts are also in train: a "
            "tracer may know a clip by its text."
        )


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _speech(attack: str) -> str:
    return "bona fide speech" if attack == "bonafide" else attack


def _rate(row: Mapping[str, Any], metric: str) -> str:
    text = f"{100 * row[metric]:.1f} %"
    if row[f"{metric}_low"] is None:
        return f"{text} (no interval)"
    return f"{text} ({100 * row[f'{metric}_low']:.1f} to {100 * row[f'{metric}_high']:.1f} %)"


def _decimal(row: Mapping[str, Any], metric: str) -> str:
    text = f"{row[metric]:.2f}"
    if row[f"{metric}_low"] is None:
        return f"{text} (no interval)"
    return f"{text} ({row[f'{metric}_low']:.2f} to {row[f'{metric}_high']:.2f})"
