"""The report's part on causal masking, in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from spoofscope.metrics.masked import UNMASKED
from spoofscope.metrics.paired import ALPHA
from spoofscope.names import BOTH, ENERGY, NONE, SIZE
from spoofscope.p_values import p_is, p_number
from spoofscope.report.audits import listed
from spoofscope.summaries.masking import read_masking

_RATES = {"bonafide_rejected": "bona fide rejected", "spoof_accepted": "spoof accepted"}

_CONTROLS = {SIZE: "size", ENERGY: "energy", BOTH: "size and energy"}
# By how much the energy of random masks may differ from that of the mask, over the latter, and by
# what factor their size, before it is said.
_CLOSE, _AS_LARGE = 0.1, 2.0

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
    strongest = rows.filter(pl.col("strength") == pl.col("strength").max().over("mask"))
    forms = strongest.unique(["mask", "variant", "against"], maintain_order=True)
    loud = forms.filter(
        pl.col("against").is_in([ENERGY, BOTH]),
        (pl.col("control_energy") - pl.col("energy")).abs() > _CLOSE * pl.col("energy"),
    )
    if loud.height:
        yield (
            "no random masks were found that hold as much energy as those of "
            f"{listed(_against(loud, 'energy'))}, in shares of the energy of a clip; what is "
            "beyond them may be due to the energy."
        )
    ratio = pl.col("control_share") / pl.col("share")
    large = forms.filter(
        pl.col("share") > 0,
        (ratio >= _AS_LARGE) | (ratio <= 1 / _AS_LARGE),
        against=ENERGY,
    )
    if large.height:
        yield (
            "random masks that hold as much energy are not of the size of the mask for "
            f"{listed(_against(large, 'share'))}, in shares of the frames, or of the spectrum."
        )


def _against(rows: pl.DataFrame, size: str) -> list[str]:
    """What masks change, and what random ones do."""
    return [
        f"{_named(row['mask'], row['variant'])} ({row[f'control_{size}']:.2g} against "
        f"{row[size]:.2g})"
        for row in rows.iter_rows(named=True)
    ]


def _conclusions(name: str, rows: pl.DataFrame) -> Iterable[str]:
    """What the detector is shown to hear, and what it is not."""
    # Below two units there is no p, whatever changes.
    untested = rows.filter(pl.col("p").is_null(), pl.col("n_units") > 1)
    idle = untested.unique(["mask", "variant"], maintain_order=True)
    if idle.height:
        names = [_named(row["mask"], row["variant"]) for row in idle.iter_rows(named=True)]
        yield f"Nothing is masked by {listed(names)}: every score is as it was."
    rows = rows.filter(pl.col("p").is_not_null())
    effects = []
    for _, of_one in rows.group_by("mask", "variant", "metric", maintain_order=True):
        controls = of_one.filter(pl.col("against") != UNMASKED).to_dicts()
        if controls:
            effects.append(_Effect(of_one.row(0, named=True), controls))
    if not effects:
        yield "No mask can be held against random masks, so nothing shows what is heard."
        return
    effects.sort(key=lambda effect: -effect.beyond)
    known = [effect for effect in effects if effect.changes and not effect.lacks]
    for effect in known:
        yield (
            f"{name} hears what {_form(effect.row)} masks: {_RATES[effect.row['metric']]} is "
            f"{_change(effect.row)} with it than without, and {effect.said()}."
        )
    changed: dict[tuple[str, ...], list[str]] = {}
    named = {effect.form for effect in known}
    for effect in sorted(effects, key=lambda effect: len(effect.lacks)):
        if effect.changes and effect.form not in named:
            changed.setdefault(effect.lacks, []).append(_form(effect.row))
            named.add(effect.form)
    for lacks, forms in changed.items():
        yield (
            f"{listed(forms)} {'changes' if len(forms) == 1 else 'change'} its "
            "decisions, and no more is shown than that any mask of the same "
            f"{' or '.join(_CONTROLS[matched] for matched in lacks)} does so."
        )
    if not known:
        yield (
            f"No mask is shown to change the decisions of {name} more than random masks of the "
            f"same size and energy. The largest difference is that of {_form(effects[0].row)}: "
            f"{_RATES[effects[0].row['metric']]} is {effects[0].said()}. "
            "What is not significant does not prove that it does not hear it."
        )


@dataclass(frozen=True)
class _Effect:
    """What a mask does to one error rate, and what is beyond its random masks.

    row: of the table, against unmasked clips. controls: against random masks.
    """

    row: Mapping[str, Any]
    controls: Sequence[Mapping[str, Any]]

    @property
    def form(self) -> tuple[str, str]:
        """Mask and variant."""
        return self.row["mask"], self.row["variant"]

    @property
    def changes(self) -> bool:
        """Whether it changes decisions."""
        return bool(self.row["p_holm"] < ALPHA)

    @property
    def beyond(self) -> float:
        """The least that it changes more than random masks, in its own direction."""
        sign = np.sign(self.row["difference"])
        return float(min(sign * control["difference"] for control in self.controls))

    @property
    def lacks(self) -> tuple[str, ...]:
        """What random masks have in common with it that are not shown to change less."""
        return tuple(
            control["against"]
            for control in self.controls
            if control["p_holm"] >= ALPHA or control["difference"] * self.row["difference"] <= 0
        )

    def said(self) -> str:
        """The differences from random masks, in words."""
        return " and ".join(
            f"{_change(row)} beyond random masks of the same {_CONTROLS[row['against']]}"
            f"{_interval(row)}, {p_is(row['p_holm'])} after correction)"
            for row in self.controls
        )


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
    for matched, words in _CONTROLS.items():
        if rows.filter(against=matched).height:
            text += f", {_both(rows, matched)} beyond random masks of the same {words}"
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
