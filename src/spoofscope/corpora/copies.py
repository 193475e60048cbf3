"""What an augmentation chain did to the clips of a corpus: each copy against its original."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.corpora.cues import CUES, WORDS, in_words
from spoofscope.names import ALL
from spoofscope.tables import LABELS, SPLITS

Row = tuple[str, str, str, str, float | None, str, str]

CHECK = "copies"
"""The name of these findings."""

_OF_COPIES = ("source_utt", "augmentation")
_ORIGINAL = "original of "
# Parameters of effects that have a few values, where one has two of them the first; the room of a
# stacked copy is one file of thousands.
_KINDS = ("copy", "codec", "room", "category")
_NOT_TAKEN = "not taken"
# Beyond the rounding of a length to another sample rate.
_LONGER_SECONDS = 0.01
# A chain that scales its peaks leaves single samples at full scale.
_CLIPPED_SHARE = 0.001


def originals_of(copies: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """The originals of copies, in their order, as a manifest.

    Args:
        copies: as `augmentation.copies.make_copies` lists them.
        sources: the manifest of the corpus.

    Returns:
        The columns of `sources`; `utt_id` is "original of " and the id of the copy, which is the
        id of no copy, because those begin with the name of their set.
    """
    named = copies.select(pl.col("utt_id").alias("_copy"), pl.col("source_utt").alias("utt_id"))
    return (
        named.join(sources, on="utt_id", how="inner", maintain_order="left")
        .with_columns(utt_id=pl.format("{}{}", pl.lit(_ORIGINAL), pl.col("_copy")))
        .drop("_copy")
    )


def with_steps(copies: pl.DataFrame) -> pl.DataFrame:
    """The manifest of copies with what each effect of the chain did to a clip, as conditions.

    An effect that a clip went through twice, such as a codec after a codec, has two.
    """
    taken = [_taken(json.loads(text)) for text in copies["augmentation"]]
    conditions = dict.fromkeys(condition for steps in taken for condition in steps)
    series = [
        pl.Series(step_of(*condition), [steps.get(condition, _NOT_TAKEN) for steps in taken])
        for condition in sorted(conditions, key=lambda condition: condition[1])
    ]
    return copies.drop(_OF_COPIES).with_columns(series)


def _taken(entries: Sequence[Mapping[str, str]]) -> dict[tuple[str, int], str]:
    """By effect, and the how-manieth of its kind that the clip went through, what it did."""
    steps: dict[tuple[str, int], str] = {}
    times: Counter[str] = Counter()
    for entry in entries:
        times[entry["effect"]] += 1
        steps[entry["effect"], times[entry["effect"]]] = _kind(entry)
    return steps


def step_of(effect: str, time: int = 1) -> str:
    """The condition that says what an effect did, the first or another time."""
    return f"{effect} of the chain" if time == 1 else f"{effect} no. {time} of the chain"


def is_step(condition: str) -> bool:
    """Whether a condition is one of :func:`with_steps`."""
    return condition.endswith(step_of(""))


def _kind(entry: Mapping[str, str]) -> str:
    """The codec, the room or the category of noise."""
    if "skipped" in entry:
        return _NOT_TAKEN
    return next((entry[key] for key in _KINDS if key in entry), "taken")


def of_original(cue: str) -> str:
    """The column of :func:`pairs_of` that has a cue of the original."""
    return f"{cue}_of_original"


def spoofs(attack: str) -> str:
    """The spoofs of an attack, or all of them, in a sentence."""
    return "all spoofs" if attack == ALL else f"the spoofs of {attack}"


def pairs_of(measured: pl.DataFrame, originals: pl.DataFrame) -> pl.DataFrame:
    """Copies and originals side by side.

    Args:
        measured: of the copies, utt_id, label, split and `cues.CUES` among the columns.
        originals: the same of :func:`originals_of`.

    Returns:
        A row per copy whose original could be decoded, too: the columns of `measured`, and every
        cue of the original, named by :func:`of_original`.
    """
    there = originals.select(
        pl.col("utt_id").str.strip_prefix(_ORIGINAL),
        *(pl.col(cue).alias(of_original(cue)) for cue in CUES),
    )
    return measured.join(there, on="utt_id", how="inner", maintain_order="left")


def findings(
    pairs: pl.DataFrame, copies: pl.DataFrame, brought: Mapping[tuple[str, str], tuple[str, str]]
) -> Iterator[Row]:
    """Rows of the audit: what the chain did to the clips of each split.

    Args:
        pairs: from :func:`pairs_of`.
        copies: their manifest.
        brought: by split and cue the status and the words about a cue that the chain brought in.
    """
    present = set(copies["split"])
    for split in (split for split in SPLITS if split in present):
        of_split = copies.filter(pl.col("split") == split)
        own = pairs.filter(pl.col("split") == split)
        yield from _unchanged(split, of_split)
        if own.is_empty():
            note = "no copy could be compared with its original"
            yield CHECK, split, "-", "pairs", 0.0, "warn", note
            continue
        if own.height < of_split.height:
            note = (
                f"{of_split.height - own.height} of {of_split.height} copies could not be compared "
                "with their originals, because one of the two cannot be decoded"
            )
            yield CHECK, split, "-", "pairs", float(own.height), "warn", note
        yield from _damaged(split, own)
        for cue in CUES:
            status, words = brought.get((split, cue), ("ok", ""))
            change = (own[cue] - own[of_original(cue)]).to_numpy()
            note = f"{_in_words(cue, own, change)}{words}"
            yield CHECK, split, "-", cue, float(np.median(change)), status, note


def _unchanged(split: str, copies: pl.DataFrame) -> Iterator[Row]:
    untouched = int((copies["augmentation"] == "[]").sum())
    note = f"the chain took no step with {untouched} of {copies.height} clips"
    status = "warn" if untouched == copies.height else "ok"
    yield CHECK, split, "-", "untouched", float(untouched), status, note


def _damaged(split: str, pairs: pl.DataFrame) -> Iterator[Row]:
    """What no chain should do to any clip."""
    before = {cue: pl.col(of_original(cue)) for cue in CUES}
    silent = pairs.filter((pl.col("zeros") == 1) & (before["zeros"] < 1))
    clipped = pairs.filter(pl.col("clipping") - before["clipping"] > _CLIPPED_SHARE)
    longer = (pl.col("duration") - before["duration"]).abs() > _LONGER_SECONDS
    other = pairs.filter(longer).height
    for item, found, what in (
        ("silenced", silent, "have no signal any more"),
        (
            "clipped",
            clipped,
            "are clipped by the chain: the share of their samples at full scale "
            f"rises by more than {100 * _CLIPPED_SHARE:g} %",
        ),
    ):
        ids = found["utt_id"].to_list()
        names = f": {', '.join(ids[:5])}{', ...' if len(ids) > 5 else ''}" if ids else ""
        status = "warn" if ids else "ok"
        note = f"{len(ids)} of {pairs.height} copies {what}{names}"
        yield CHECK, split, "-", item, float(len(ids)), status, note
    note = f"{other} of {pairs.height} copies have another length than their originals"
    yield CHECK, split, "-", "other length", float(other), "ok", note


def _in_words(cue: str, pairs: pl.DataFrame, change: npt.NDArray[np.float64]) -> str:
    if not change.any():
        return f"the {WORDS[cue][0]} is that of the original in all {change.size} clips"
    low, middle, high = np.quantile(change, (0.05, 0.5, 0.95)).tolist()
    medians = {
        label: float(np.median(change[(pairs["label"] == label).to_numpy()]))
        for label in LABELS
        if (pairs["label"] == label).any()
    }
    named = {"bonafide": "bona fide clips", "spoof": "spoofs"}
    of_classes = ", ".join(
        f"{in_words(cue, value)} of {named[label]}" for label, value in medians.items()
    )
    return (
        f"the {WORDS[cue][0]} changes by {in_words(cue, middle)} (median; "
        f"{in_words(cue, low)} to {in_words(cue, high)} in 90 % of {change.size} clips): "
        f"{of_classes}"
    )
