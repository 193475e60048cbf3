"""The report's part on source verification, in sentences, and reasons to doubt it."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from spoofscope.names import ALL
from spoofscope.report.audits import listed
from spoofscope.tables import read_table
from spoofscope.tracing.verification import BY_CLAIM, BY_TEST

FEW_CLAIMS = 20
"""Claims below which an interval says more about these sources than about others."""

_TEXTS = dict.fromkeys(("name", "corpus", "split", "level", "trials"), pl.String())
_COUNTS = ("n_seeds", "n_claims", "n_target", "n_nontarget")


def verification_section(table: str | None) -> list[dict[str, Any]]:
    """For each corpus its sentences, its rows and its doubts; none without verification.

    Args:
        table: the file of the table `verification`, see `summaries.verification`.

    Returns:
        corpus, split, sentences, rows (those with claims) and doubts.

    Raises:
        TableError: the table is damaged.
    """
    if table is None:
        return []
    rows = read_table(table, _TEXTS, {"reason": pl.String()}, rest=pl.Float64())
    rows = rows.with_columns(pl.col(name).cast(pl.Int64) for name in _COUNTS)
    sections = []
    for corpus, split in rows.select("corpus", "split").unique(maintain_order=True).rows():
        of_set = rows.filter(pl.col("n_claims") > 0, corpus=corpus, split=split)
        levels = of_set["level"].unique(maintain_order=True)
        place = f"{corpus}, {split}"
        sections.append(
            {
                "corpus": corpus,
                "split": split,
                "rows": list(of_set.iter_rows(named=True)),
                "sentences": [text for level in levels for text in _sentences(of_set, level)],
                "doubts": [text for level in levels for text in _doubts(of_set, level, place)],
            }
        )
    return sections


def _sentences(rows: pl.DataFrame, level: str) -> Iterable[str]:
    """What the best tracer makes of claims of a level."""
    every = rows.filter(level=level, trials=ALL).sort("eer", nulls_last=True, maintain_order=True)
    best = every.row(0, named=True)
    source = _source(level)
    if best["eer"] is None:
        yield f"Claims of the same {source} are not judged: {best['reason']}."
        return
    many = every.height > 1
    lead = f" with the lowest EER of {every.height} tracers on these very trials" * many
    yield (
        f"{best['name']} verifies the {source}{lead}: over {_claims(best['n_claims'])}, EER "
        f"{100 * best['eer']:.1f} %{_interval(best, 'eer', 100, ' %')}. Its likelihood ratios have "
        f"a Cllr of {best['cllr']:.2f}{_interval(best, 'cllr', 1, '')}, where 1 is no information."
    )
    words = ("of known sources", "of unknown sources")
    if (by_claim := _of_parts(rows, level, best["name"], BY_CLAIM, words)) is not None:
        yield f"Its EER is {by_claim}; unknown ones were in none of its training."
    words = ("with tests of enrolled attacks", "with tests of attacks without references")
    if (by_test := _of_parts(rows, level, best["name"], BY_TEST, words)) is not None:
        yield f"Its EER is {by_test}, where right claims are the same in both."


def _of_parts(
    rows: pl.DataFrame, level: str, name: str, parts: Iterable[str], words: Iterable[str]
) -> str | None:
    """The EER of two parts of the trials; None where one has none."""
    texts = []
    for part, word in zip(parts, words, strict=True):
        of_part = rows.filter(level=level, trials=part, name=name)
        if of_part.is_empty() or of_part["eer"][0] is None:
            return None
        row = of_part.row(0, named=True)
        texts.append(
            f"{100 * row['eer']:.1f} %{_interval(row, 'eer', 100, ' %')} over "
            f"{_claims(row['n_claims'])} {word}"
        )
    return " and ".join(texts)


def _doubts(rows: pl.DataFrame, level: str, where: str) -> Iterable[str]:
    every = rows.filter(level=level, trials=ALL)
    n = every["n_claims"][0]
    source = _source(level)
    if n < FEW_CLAIMS:
        yield (
            f"On {where}, verification of the {source} rests on {_claims(n)}: its intervals are "
            "wide, and say little about other sources."
            if n > 1
            else f"On {where}, verification of the {source} rests on a single claim, so there is "
            "no interval, and nothing is known about other sources."
        )
    useless = _useless(every)
    # Ratios of all claims may be good by those of known sources alone.
    of_unknown = _useless(rows.filter(level=level, trials=BY_CLAIM[1]))
    others = {name: cllr for name, cllr in of_unknown.items() if name not in useless}
    for named, whose in ((useless, ""), (others, " of sources out of the training")):
        if named:
            texts = [f"{name} ({cllr:.2f})" for name, cllr in named.items()]
            yield (
                f"On {where}, likelihood ratios about the {source}{whose} are no better than a "
                f"ratio of 1 for every clip (Cllr 1), or mislead: {listed(texts)}."
            )
    unsure = [
        f"{row['name']} {row['cllr']:.2f}{_interval(row, 'cllr', 1, '')}"
        for row in every.iter_rows(named=True)
        if row["name"] not in useless and row["cllr"] is not None
        if row["cllr_high"] is not None and row["cllr_high"] >= 1
    ]
    if unsure:
        yield (
            f"On {where}, likelihood ratios about the {source} are not shown to be better than a "
            f"ratio of 1 for every clip (Cllr 1): {listed(unsure)}."
        )


def _useless(rows: pl.DataFrame) -> dict[str, float]:
    """The tracers whose ratios are no better than none, and their Cllr."""
    return {
        row["name"]: row["cllr"]
        for row in rows.iter_rows(named=True)
        if row["cllr"] is not None and round(row["cllr"], 2) >= 1
    }


def _source(level: str) -> str:
    return level.replace("_", " ")


def _claims(n: int) -> str:
    return f"{n} claim{'' if n == 1 else 's'}"


def _interval(row: Mapping[str, Any], metric: str, times: float, unit: str) -> str:
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    if low is None:
        return " (no interval)"
    digits = 1 if times == 100 else 2
    return f" ({times * low:.{digits}f} to {times * high:.{digits}f}{unit})"
