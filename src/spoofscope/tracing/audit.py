"""What misleads who traces attacks: what is known where, shared texts, families of unknown ones."""

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from spoofscope.corpora.audit import AUDIT_COLUMNS, Row, shared_values
from spoofscope.corpora.base import Misplaced
from spoofscope.names import NONE, UNKNOWN, is_answer
from spoofscope.tables import SPLITS
from spoofscope.tracing.systems import SEEN, TEXT_COLUMNS, quadrants

CHECKS = {
    "attacks": "Known and unknown attacks",
    "families": "Families of unknown attacks",
    "languages": "Languages",
    "quadrants": "Seen and unseen languages and attacks",
    "texts": "Texts in more than one split",
    "misplaced": "Clips where the protocol has others",
}
"""Name of a check to its heading."""

_SHOWN = 8


def audit_tracing(
    manifest: pl.DataFrame, systems: pl.DataFrame, misplaced: Sequence[Misplaced] = ()
) -> pl.DataFrame:
    """Look for what makes results of source tracing misleading.

    Args:
        manifest: as `tables.read_manifest` gives it.
        systems: its attacks, from `tracing.systems`.
        misplaced: what the files of the corpus say against them, from `Corpus.misplaced`.

    Returns:
        Columns of `corpora.audit.AUDIT_COLUMNS`; `check` is one of `CHECKS`. Status `warn` needs a
        word beside the results.
    """
    spoofs = manifest.filter(pl.col("label") == "spoof")
    found = [
        *_attacks(systems),
        *_families(systems),
        *_languages(spoofs),
        *_quadrants(spoofs),
        *_texts(spoofs),
        *_misplaced(misplaced),
    ]
    return pl.DataFrame(found, schema=AUDIT_COLUMNS, orient="row")


def _of_split(systems: pl.DataFrame, split: str) -> pl.DataFrame:
    return systems.filter(pl.col(f"n_{split}") > 0)


def _attacks(systems: pl.DataFrame) -> Iterator[Row]:
    known = systems.filter(pl.col("known") == "yes")
    if known.is_empty():
        note = "train has no spoof: every attack is unknown, and no tracer can be trained"
        yield "attacks", "train", NONE, "known", 0.0, "warn", note
    for attack, n_clips in known.select("attack", "n_train").iter_rows():
        if is_answer(attack, UNKNOWN):
            note = (
                f"an attack of train is called {attack!r}, and {UNKNOWN!r} is an answer of "
                "tracers: rename it"
            )
            yield "attacks", "train", NONE, "name", float(n_clips), "warn", note
    single = known.filter(pl.col("n_train") == 1)["attack"].to_list()
    if single:
        note = f"{_count(single, 'attack')} of one clip in train: {_names(single)}"
        yield "attacks", "train", NONE, "one clip", float(len(single)), "warn", note
    for split in SPLITS:
        here = _of_split(systems, split)
        kinds = (("known", "yes"),) if split == "train" else (("known", "yes"), ("unknown", "no"))
        for kind, flag in kinds if here.height else ():
            rows = here.filter(pl.col("known") == flag)
            n = rows[f"n_{split}"].sum()
            note = f"{n} clips" + (f": {_names(rows['attack'].to_list())}" if n else "")
            yield "attacks", split, NONE, kind, float(rows.height), "ok", note
        if split == "train" or here.is_empty() or known.is_empty():
            continue
        lacking = known.filter(pl.col(f"n_{split}") == 0)["attack"].to_list()
        if len(lacking) == known.height:
            note = {
                "dev": "dev has no known attack: no threshold can be chosen there",
                "eval": "eval has no known attack: how often known ones are named cannot be said",
            }[split]
            yield "attacks", split, NONE, "known", 0.0, "warn", note
        elif lacking and split == "dev":
            note = (
                f"dev lacks {len(lacking)} of {known.height} known attacks ({_names(lacking)}): "
                "models and thresholds are chosen without them"
            )
            yield "attacks", split, NONE, "lacking", float(len(lacking)), "warn", note
        if (here["known"] == "yes").all():
            note = {
                "dev": "dev has no attack that train lacks: a tracer of all attacks of train has "
                "to choose its thresholds by known ones (threshold_by: known)",
                "eval": "eval has no attack that train lacks: for a tracer of all attacks of "
                "train, no error of refusing can be measured",
            }[split]
            yield "attacks", split, NONE, "unknown", 0.0, "warn", note
    unknown = _of_split(systems, "dev").filter(pl.col("known") == "no")
    shared = unknown.filter(pl.col("n_eval") > 0)
    if shared.height and not known.is_empty():
        names = shared["attack"].to_list()
        note = (
            f"{_count(names, 'unknown attack')} of dev {'is' if len(names) == 1 else 'are'} in "
            f"eval, too ({shared['n_eval'].sum()} clips): {_names(names)}. They are not new there "
            "to a gate, or a threshold at equal errors, that is chosen on dev with them; "
            "`exclude_attacks` of a `dev` leaves them out"
        )
        yield "attacks", "dev+eval", NONE, "shared", float(len(names)), "warn", note


def _families(systems: pl.DataFrame) -> Iterator[Row]:
    known = systems.filter((pl.col("known") == "yes") & (pl.col("family") != NONE))
    families = known["family"].unique().implode()
    for split in SPLITS[1:]:
        unknown = _of_split(systems, split).filter(pl.col("known") == "no")
        if unknown.is_empty():
            continue
        related = unknown.filter(pl.col("family").is_in(families))
        n, total = int(related[f"n_{split}"].sum()), int(unknown[f"n_{split}"].sum())
        note = f"{n} of {total} clips of unknown attacks are of a family that train has"
        if n:
            note += f": {_names(sorted(related['family'].unique()))}"
        yield "families", split, NONE, "shared", n / total, "warn" if n else "ok", note
        untold = unknown.filter(pl.col("family") == NONE)["attack"].to_list()
        if untold:
            note = f"of {_count(untold, 'unknown attack')} no family is told: {_names(untold)}"
            yield "families", split, NONE, "not told", float(len(untold)), "ok", note


def _languages(spoofs: pl.DataFrame) -> Iterator[Row]:
    if "language" not in spoofs.columns:
        return
    told = spoofs.filter(pl.col("language") != NONE)
    seen = set(told.filter(pl.col("split") == "train")["language"])
    for split in SPLITS:
        here = sorted(told.filter(pl.col("split") == split)["language"].unique())
        if here:
            unseen = [name for name in here if name not in seen]
            note = f"{_names(here)}"
            if split != "train":
                note += f"; train lacks {_names(unseen)}" if unseen else "; train has them all"
            yield "languages", split, NONE, "languages", float(len(here)), "ok", note


def _quadrants(spoofs: pl.DataFrame) -> Iterator[Row]:
    cells = spoofs.with_columns(quadrants(spoofs).alias("quadrant"))
    for split in SPLITS[1:]:
        here = cells.filter((pl.col("split") == split) & (pl.col("quadrant") != NONE))
        for quadrant in SEEN if here.height else ():
            n = (here["quadrant"] == quadrant).sum()
            yield "quadrants", split, NONE, quadrant, float(n), "ok", "clips"


def _texts(spoofs: pl.DataFrame) -> Iterator[Row]:
    column = next((name for name in TEXT_COLUMNS if name in spoofs.columns), None)
    if column is None:
        yield "texts", "all", NONE, "text", None, "ok", "no text is known: not checked"
        return
    for pair, shared in shared_values(spoofs, column):
        note = (
            f"the same texts ({column}) in both: {_names(shared)}" if shared else "no shared text"
        )
        yield "texts", pair, NONE, "text", float(len(shared)), "warn" if shared else "ok", note


def _misplaced(misplaced: Iterable[Misplaced]) -> Iterator[Row]:
    for each in misplaced:
        yield "misplaced", each.split, each.attack, each.file, float(each.n), "warn", each.note


def _count(names: Sequence[str], noun: str) -> str:
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
