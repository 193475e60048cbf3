"""Trials of source verification: was this clip made by the same source as these references?

A source is an attack, or what attacks have in common: a family, an acoustic model, a vocoder. A
claim is the name of a source. It has references, and tests that are of that source (targets) or of
others.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from spoofscope.corpora.source_lists import SourceLists
from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.names import NONE
from spoofscope.tables import read_table, write_table
from spoofscope.tracing.systems import COMPONENTS, with_source_text

_LOGGER = logging.getLogger(__name__)

LEVELS = ("attack", *COMPONENTS)
"""What a source can be: columns of the table of attacks."""

TARGET = ("yes", "no")

_KEYS: dict[str, pl.DataType] = dict.fromkeys(("level", "claim", "utt_id"), pl.String())
REFERENCE_COLUMNS = _KEYS
TEST_COLUMNS: dict[str, pl.DataType] = {**_KEYS, "target": pl.String()}


class SourceTrials(NamedTuple):
    """Both sorted by level, claim and utt_id.

    references: columns `REFERENCE_COLUMNS`, a row per reference of a claim. tests: columns
    `TEST_COLUMNS`, a row per trial; target is yes where the clip is of the claimed source, else no.
    """

    references: pl.DataFrame
    tests: pl.DataFrame


def make_trials(
    manifest: pl.DataFrame,
    systems: pl.DataFrame,
    split: str,
    *,
    levels: Sequence[str],
    enrol: str | None = None,
    references: int,
    targets: int,
    nontargets: int,
    seed: int,
) -> SourceTrials:
    """Draw trials of the spoofs of a split.

    Clips are drawn evenly over attacks: each gives one in turn, in random order. References depend
    on the split that they come from and not on the tests. No reference of a level is a test there,
    and no test has the source text of a reference of its claim, where texts are known. Sources with
    too few references, or without a target or another test, make no claim; a warning names them.

    Args:
        manifest: as `tables.read_manifest` gives it; its texts are used where it says
            them, see `systems.with_source_text`.
        systems: the attacks, as `tracing.systems.systems` gives them.
        split: of the tests.
        levels: some of `LEVELS`.
        enrol: the split of the references; None takes that of the tests.
        references: of each claim, exactly so many.
        targets, nontargets: of each claim, at most so many.
        seed: of the draws.

    Raises:
        TableError: an attack is not in `systems`; a level has fewer than two sources in the split,
            or none that can make a claim.
    """
    enrol = split if enrol is None else enrol
    spoofs = manifest.filter(pl.col("label") == "spoof").sort("utt_id")
    missing = spoofs.filter(~pl.col("attack").is_in(systems["attack"].implode()))
    if missing.height:
        raise TableError(
            f"the attack {missing['attack'][0]!r} of {missing['utt_id'][0]!r} is not in the table "
            "of attacks; make that table of the same manifest"
        )
    spoofs = with_source_text(spoofs)
    parts = []
    for level in levels:
        names = systems.select("attack", source=pl.col(level))
        named = spoofs.join(names, on="attack", how="left", maintain_order="left")
        named = named.filter(pl.col("source") != NONE)
        enrolled, tests = (named.filter(pl.col("split") == each) for each in (enrol, split))
        if tests["source"].n_unique() < 2:
            raise TableError(
                f"level {level!r}: spoofs of split {split!r} are of {tests['source'].n_unique()} "
                "named sources; verification needs two or more: name another level or split"
            )
        place = f"level {level!r}, tests of {split!r}, references of {enrol!r}"
        chosen = _references(enrolled, level, references, seed)
        drawn = _tests(tests, chosen, level, targets, nontargets, seed)
        claims = set(drawn["claim"])
        left_out = sorted(set(tests["source"]) - claims)
        if not claims:
            raise TableError(
                f"{place}: no source has {references} references, a target and another test; ask "
                "for fewer references, or enrol from another split"
            )
        if left_out:
            _LOGGER.warning(
                "%s: sources without %d references, a target or another test make no claim: %s",
                place,
                references,
                ", ".join(left_out),
            )
        chosen = chosen.filter(pl.col("claim").is_in(list(claims)))
        parts.append(
            [
                table.select(pl.lit(level).alias("level"), *columns[1:])
                for table, columns in ((chosen, [*REFERENCE_COLUMNS]), (drawn, [*TEST_COLUMNS]))
            ]
        )
    tables = (pl.concat(part).sort("level", "claim", "utt_id") for part in zip(*parts, strict=True))
    return SourceTrials(*tables)


def listed_trials(
    manifest: pl.DataFrame,
    systems: pl.DataFrame,
    split: str,
    lists: SourceLists,
    *,
    levels: Sequence[str],
    targets: int,
    nontargets: int,
    seed: int,
) -> SourceTrials:
    """Trials by the lists of a corpus: their references, and their tests of a split.

    Sources that several enrolled attacks have, such as a vocoder, have the references of all of
    them, and a clip is one test of them. A split without listed tests, such as dev, which a
    calibration needs, has tests that are drawn as in :func:`make_trials`.

    Args:
        manifest, systems, split, levels, targets, nontargets, seed: see :func:`make_trials`.
        lists: see `corpora.source_lists`.

    Raises:
        TableError: the lists do not judge a level; they name a clip that the manifest lacks; or
            they say of a clip and a claim other than the attacks of the manifest do.
    """
    spoofs = manifest.filter(pl.col("label") == "spoof")
    listed = pl.concat([lists.references["utt_id"], lists.tests["utt_id"]]).unique()
    unknown = listed.filter(~listed.is_in(spoofs["utt_id"].implode())).sort()
    if unknown.len():
        raise TableError(
            f"{lists.where}: {unknown.len()} of the clips are not in the manifest, the first is "
            f"{unknown[0]!r}; the corpus is incomplete, or the lists are of another one"
        )
    of_split = lists.tests.filter(
        pl.col("utt_id").is_in(spoofs.filter(pl.col("split") == split)["utt_id"].implode())
    )
    parts = []
    for level in levels:
        if level not in lists.tests.columns:
            raise TableError(
                f"{lists.where} do not judge the level {level!r}; name others in "
                "`verification.levels`"
            )
        names = systems.select("attack", source=pl.col(level)).filter(pl.col("source") != NONE)
        named = spoofs.sort("utt_id").join(names, on="attack", maintain_order="left")
        references = lists.references.join(names, on="attack").select("utt_id", claim="source")
        references = references.unique().sort("claim", "utt_id")
        if of_split.is_empty():
            clips = with_source_text(named.filter(pl.col("split") == split))
            texts = references.with_columns(source_text=pl.lit(NONE))
            tests = _tests(clips, texts, level, targets, nontargets, seed)
        else:
            tests = _judged(of_split, named, names, level, lists.where)
        parts.append(
            [
                table.select(pl.lit(level).alias("level"), *columns[1:])
                for table, columns in (
                    (references, [*REFERENCE_COLUMNS]),
                    (tests, [*TEST_COLUMNS]),
                )
            ]
        )
    tables = (pl.concat(part).sort("level", "claim", "utt_id") for part in zip(*parts, strict=True))
    return SourceTrials(*tables)


def _judged(
    tests: pl.DataFrame, named: pl.DataFrame, names: pl.DataFrame, level: str, where: str
) -> pl.DataFrame:
    """claim, utt_id and target of listed tests, compared with what the manifest says."""
    claims = names.rename({"attack": "claimed", "source": "claim"})
    judged = (
        tests.join(claims, on="claimed")
        .select("claim", "utt_id", target=pl.col(level))
        .unique()
        .join(named.select("utt_id", "source"), on="utt_id", how="left")
        .sort("claim", "utt_id")
    )
    differ = judged.filter(
        (pl.col("target") == TARGET[0]) != (pl.col("source") == pl.col("claim")).fill_null(False)
    )
    if differ.height:
        clip = differ.row(0, named=True)
        raise TableError(
            f"{where}: level {level!r}: by the lists, {clip['utt_id']!r} is "
            f"{'of' if clip['target'] == TARGET[0] else 'not of'} {clip['claim']!r}; by the "
            f"attacks of the manifest it is of {clip['source'] or 'no known source'}"
        )
    return judged


def _references(enrolled: pl.DataFrame, level: str, n: int, seed: int) -> pl.DataFrame:
    """claim, utt_id and source_text of n clips of every source that has so many."""
    parts = []
    for (source,), clips in enrolled.group_by("source", maintain_order=True):
        rng = rng_of("references of a source", seed, level, str(source))
        if clips.height >= n:
            parts.append(clips[_evenly(clips["attack"], n, rng)])
    table = pl.concat(parts) if parts else enrolled.clear()
    return table.select("utt_id", "source_text", claim="source")


def _tests(
    tests: pl.DataFrame,
    references: pl.DataFrame,
    level: str,
    targets: int,
    nontargets: int,
    seed: int,
) -> pl.DataFrame:
    """claim, utt_id and target of the tests of every claim that has targets and others."""
    free = tests.filter(~pl.col("utt_id").is_in(references["utt_id"].implode()))
    parts = [pl.DataFrame(schema=TEST_COLUMNS).drop("level")]
    for (source,), own in references.group_by("claim", maintain_order=True):
        texts = own.filter(pl.col("source_text") != NONE)["source_text"]
        clips = free.filter(~pl.col("source_text").is_in(texts.implode()))
        rng = rng_of("tests of a source", seed, level, str(source))
        drawn = []
        for target, n in zip(TARGET, (targets, nontargets), strict=True):
            of_kind = clips.filter((pl.col("source") == source) == (target == TARGET[0]))
            chosen = of_kind[_evenly(of_kind["attack"], n, rng)]
            drawn.append(
                chosen.select(
                    pl.lit(source).alias("claim"), "utt_id", pl.lit(target).alias("target")
                )
            )
        if all(part.height for part in drawn):
            parts += drawn
    return pl.concat(parts)


def _evenly(attacks: pl.Series, n: int, rng: np.random.Generator) -> list[int]:
    """Rows of at most n clips, ascending: attacks give one in turn, in random order."""
    order = rng.permutation(attacks.len())
    names, codes = np.unique(attacks.to_numpy()[order], return_inverse=True)
    by_attack = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[by_attack], np.arange(names.size))
    turn = np.empty(order.size, dtype=np.int64)
    turn[by_attack] = np.arange(order.size) - starts[codes[by_attack]]
    place = rng.permutation(names.size)[codes]
    chosen: list[int] = np.sort(order[np.lexsort((place, turn))[:n]]).tolist()
    return chosen


def write_source_trials(references: str | Path, tests: str | Path, trials: SourceTrials) -> None:
    """Write both tables."""
    write_table(references, trials.references)
    write_table(tests, trials.tests)


def read_source_trials(references: str | Path, tests: str | Path) -> SourceTrials:
    """Read trials, of ours or of a protocol.

    Args:
        references: the file of a table with the columns `REFERENCE_COLUMNS`.
        tests: of one with the columns `TEST_COLUMNS`.

    Raises:
        TableError: as `tables.read_table`; a level that is none, or a target that is neither yes
            nor no; a row that is there twice; a claim without references, or without tests of
            either kind; a test that is a reference of its claim.
    """
    found = SourceTrials(
        read_table(references, REFERENCE_COLUMNS).select(list(REFERENCE_COLUMNS)),
        read_table(tests, TEST_COLUMNS).select(list(TEST_COLUMNS)),
    )
    for path, table in zip((references, tests), found, strict=True):
        _check_values(f"{path}", table, "level", LEVELS)
        twice = table.filter(table.select(list(_KEYS)).is_duplicated())
        if twice.height:
            raise TableError(
                f"{path}: {twice['utt_id'][0]!r} is there twice for the {twice['level'][0]} "
                f"{twice['claim'][0]!r}"
            )
    _check_values(f"{tests}", found.tests, "target", TARGET)
    _check_claims(f"{references}", f"{tests}", found)
    return SourceTrials(*(table.sort("level", "claim", "utt_id") for table in found))


def _check_values(path: str, table: pl.DataFrame, column: str, allowed: Sequence[str]) -> None:
    bad = (~table[column].is_in(list(allowed))).arg_true()
    if bad.len():
        raise TableError(
            f"{path}: line {bad[0] + 2}: column {column!r}: {table[column][bad[0]]!r} is none of "
            f"{', '.join(allowed)}"
        )


def _check_claims(references: str, tests: str, trials: SourceTrials) -> None:
    without = trials.tests.join(trials.references, on=["level", "claim"], how="anti")
    if without.height:
        raise TableError(
            f"{tests}: the {without['level'][0]} {without['claim'][0]!r} is claimed and has no "
            f"references in {references}; add some, or take its tests out"
        )
    both = trials.tests.join(trials.references, on=list(_KEYS), how="semi")
    if both.height:
        raise TableError(
            f"{tests}: {both['utt_id'][0]!r} is a test and a reference of the {both['level'][0]} "
            f"{both['claim'][0]!r}; take one of them out"
        )
    for target, kind in zip(TARGET, ("target", "test of another source"), strict=True):
        some = trials.tests.filter(pl.col("target") == target)
        lacking = trials.tests.join(some, on=["level"], how="anti")
        if lacking.height or trials.tests.is_empty():
            where = f"level {lacking['level'][0]!r}" if lacking.height else "the table"
            raise TableError(f"{tests}: {where} has no {kind}; verification needs both kinds")


def check_disjoint(dev: SourceTrials, evaluated: SourceTrials) -> None:
    """Refuse a calibration on clips that it is judged by.

    References may be the same; a test of either may be nothing in the other, at the same level.

    Raises:
        TableError: a clip is.
    """
    for mine, other, kind in (
        (dev.tests, evaluated.tests, "a test of both"),
        (dev.tests, evaluated.references, "a test of dev and a reference of the other"),
        (evaluated.tests, dev.references, "a reference of dev and a test of the other"),
    ):
        common = mine.join(other, on=["level", "utt_id"], how="semi")
        if common.height:
            raise TableError(
                f"level {common['level'][0]!r}: {common['utt_id'][0]!r} is {kind}; dev trials fit "
                "the calibration, and share no clips with the trials that it is judged by"
            )


def known_sources(tables: Iterable[pl.DataFrame], attacks: Collection[str]) -> set[tuple[str, str]]:
    """Every (level, name) of a source that one of some attacks is of.

    Args:
        tables: of attacks, as `tracing.systems.systems` gives them.
        attacks: those that a tracer was trained on.
    """
    return {
        (level, name)
        for table in tables
        for level in LEVELS
        for attack, name in table.select(pl.col("attack"), pl.col(level).alias("name")).iter_rows()
        if attack in attacks and name != NONE
    }
