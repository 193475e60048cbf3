"""The report's part on causal masking, in sentences."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from spoofscope.metrics.paired import ALPHA
from spoofscope.names import NONE
from spoofscope.p_values import p_is, p_number
from spoofscope.report.audits import listed
from spoofscope.summaries.masking import read_masking

_RATES = {"bonafide_rejected": "bona fide rejected", "spoof_accepted": "spoof accepted"}

# Random masks with less of the energy of the mask than this are no match for it.
_AS_LOUD = 0.5

CORRECTIONS = {
    "silence": (
        "as published, frames that a CTC recogniser calls blank count as silence, and most frames "
        "of speech are blank, too; corrected, silent frames are masked"
    ),
    "phones": (
        "as published, the loudest quarter of the frames counts as phones; corrected, the frames "
        "of phones are masked"
    ),
    "word_boundaries": (
        "as published, frames beside a blank of a CTC recogniser count as word boundaries, which "
        "are the middles of characters; corrected, the begins and ends of words are masked"
    ),
    "band": (
        "as published in the code, the band is 600-1200 Hz; corrected, it is that of the text, "
        "1000-1600 Hz, or those of the study file, each against other bands of its width"
    ),
    "gain": "the form is the same, and its random masks are what the correction adds",
    "compressor": (
        "as published, every sample is compressed by itself, which distorts the waveform; "
        "corrected, the gain follows the level with attack and release"
    ),
}
"""What the correction of every published mask is, by its type."""


def masking_section(table: str | None) -> list[dict[str, Any]]:
    """For each detector and set its sentences and its doubts; none without masks.

    Args:
        table: the table `masking`.

    Returns:
        name, corpus, split, sentences, published (sentences on the published forms) and doubts.

    Raises:
        TableError: the table is damaged.
    """
    if table is None:
        return []
    whole = read_masking(table)
    tests = whole.filter(pl.col("p").is_not_null()).height
    sections = []
    sets = whole.select("name", "corpus", "split").unique(maintain_order=True)
    for name, corpus, split in sets.rows():
        rows = whole.filter(name=name, corpus=corpus, split=split)
        strongest = rows.filter(
            pl.col("strength") == pl.col("strength").max().over("mask"),
            pl.col("metric").is_in(list(_RATES)),
        )
        own = strongest.filter(as_published="no")
        sections.append(
            {
                "name": name,
                "corpus": corpus,
                "split": split,
                "sentences": [_trials(rows, tests), *_conclusions(name, own)],
                "published": list(_published(strongest)),
                "doubts": list(_doubts(rows, tests)),
            }
        )
    return sections


def _trials(rows: pl.DataFrame, tests: int) -> str:
    row = rows.row(0, named=True)
    n = row["n_clusters"]
    clusters = "" if n is None else f" of {n} speakers (or other resampled units)"
    return (
        f"{row['n_bonafide']} bona fide and {row['n_spoof']} spoofed clips{clusters} were masked; "
        f"the correction is for all {tests} tests of the study."
    )


def _doubts(rows: pl.DataFrame, tests: int) -> Iterable[str]:
    smallest = rows["p_smallest"].drop_nulls()
    reachable = (smallest < ALPHA).any()
    if not reachable:
        lowest: Any = smallest.min()
        least = "there is no p value" if lowest is None else f"p is at least {p_number(lowest)}"
        yield (
            "no difference can be significant, because there are too few clips or speakers for "
            f"{tests} tests; {least} after correction. The sizes of the differences say what to "
            "look at in a larger study, and prove nothing."
        )
    quiet = rows.filter(pl.col("control_energy") < _AS_LOUD * pl.col("energy"))
    if quiet.height:
        forms = quiet.unique(["mask", "variant"], maintain_order=True)
        names = [_named(row["mask"], row["variant"]) for row in forms.iter_rows(named=True)]
        yield (
            f"nothing of the size is as loud as what {listed(names)} "
            f"{'masks' if len(names) == 1 else 'mask'}: random masks change less than half of the "
            "energy (columns energy and control_energy), so what is beyond them may be due to the "
            "energy alone."
        )


def _conclusions(name: str, rows: pl.DataFrame) -> Iterable[str]:
    """What the detector is shown to hear, and what it is not."""
    # Below two units there is no p, whatever changes.
    untested = rows.filter(pl.col("p").is_null(), pl.col("n_units") > 1)
    idle = untested.unique(["mask", "variant"], maintain_order=True)
    if idle.height:
        names = [_named(row["mask"], row["variant"]) for row in idle.iter_rows(named=True)]
        yield f"Nothing is masked by {listed(names)}: every score is as it was."
    rows = rows.filter(pl.col("p").is_not_null())
    against = rows.filter(against="control")
    if against.is_empty():
        yield "No mask can be held against random masks, so nothing shows what is heard."
        return
    shown = against.filter(pl.col("p_holm") < ALPHA)
    for row in shown.sort("difference", descending=True).iter_rows(named=True):
        yield (
            f"{name} hears what {_form(row)} masks: {_RATES[row['metric']]} is "
            f"{_change(row)} beyond random masks of the same size{_interval(row)}, "
            f"{p_is(row['p_holm'])} after correction)."
        )
    known = {(row["mask"], row["variant"]) for row in shown.iter_rows(named=True)}
    unmasked = rows.filter(pl.col("p_holm") < ALPHA, against="unmasked")
    changed = [
        _form(row)
        for row in unmasked.unique(["mask", "variant"], maintain_order=True).iter_rows(named=True)
        if (row["mask"], row["variant"]) not in known
    ]
    if changed:
        yield (
            f"{listed(changed)} {'changes' if len(changed) == 1 else 'change'} its decisions, and "
            "no more is shown than that any mask of the size does so."
        )
    if not known:
        largest = against.sort(pl.col("difference").abs(), descending=True).row(0, named=True)
        yield (
            f"No mask is shown to change the decisions of {name} more than random masks of the "
            f"same size. The largest difference is that of {_form(largest)}: "
            f"{_RATES[largest['metric']]} is {_change(largest)} beyond random "
            f"masks{_interval(largest)}{_unproven(largest)})."
        )


def _unproven(row: Mapping[str, Any]) -> str:
    """What a difference without significance means."""
    if row["ci_low"] is not None and not row["ci_low"] <= 0 <= row["ci_high"]:
        return f"; {p_is(row['p_holm'])} after correction"
    return "; an interval around 0 does not prove that it does not hear it"


def _published(rows: pl.DataFrame) -> Iterable[str]:
    """For every published form one sentence: what it is, and what the correction changes."""
    published = rows.filter(as_published="yes")
    for mask in published["mask"].unique(maintain_order=True):
        of_mask = published.filter(mask=mask)
        kind = of_mask["type"][0]
        corrected = rows.filter(type=kind, as_published="no")
        text = f"{mask}: {CORRECTIONS[kind]}. As published, {_changes(of_mask)}"
        others = corrected["mask"].unique(maintain_order=True).to_list()
        for name in others:
            own = corrected.filter(mask=name)
            variant, count = _strongest(own)
            many = f", the strongest of {count}" if count > 1 else ""
            changes = _changes(own.filter(variant=variant))
            text += f"; by {_named(name, variant)}{many}, {changes}"
        yield f"{text}{'' if others else '; the study has no corrected form beside it'}."


def _strongest(rows: pl.DataFrame) -> tuple[str, int]:
    """The variant of a mask that changes a rate most, and how many variants there are."""
    unmasked = rows.filter(against="unmasked")
    largest = unmasked.sort(pl.col("difference").abs(), descending=True, maintain_order=True)
    return largest["variant"][0], rows["variant"].n_unique()


def _changes(rows: pl.DataFrame) -> str:
    """What one form changes, and how much of it beyond its random masks."""
    text = _both(rows, "unmasked")
    if rows.filter(against="control").height:
        text += f", of which {_both(rows, 'control')} beyond random masks"
    return text


def _both(rows: pl.DataFrame, against: str) -> str:
    """The changes of both error rates of one form."""
    changes = []
    for metric, words in _RATES.items():
        row = rows.filter(metric=metric, against=against).row(0, named=True)
        changes.append(f"{words} {100 * row['difference']:+.1f}")
    return " and ".join(changes) + " points"


def _named(mask: str, variant: str) -> str:
    return mask if variant == NONE else f"{mask} ({variant})"


def _form(row: Mapping[str, Any]) -> str:
    """A mask at its strength, in words."""
    return f"{_named(row['mask'], row['variant'])} at {row['strength']:g} {row['unit']}"


def _change(row: Mapping[str, Any]) -> str:
    return f"{100 * row['difference']:+.1f} points"


def _interval(row: Mapping[str, Any]) -> str:
    """What begins the bracket behind a difference."""
    if row["ci_low"] is None:
        return " (no interval"
    return f" ({100 * row['ci_low']:+.1f} to {100 * row['ci_high']:+.1f}"
