"""The attacks of a corpus as source tracing sees them: known or unknown, and their numbers.

An attack is known when the train split has spoofs of it; no name of a file or a list says so.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import polars as pl

from spoofscope.errors import TableError
from spoofscope.files import write_text
from spoofscope.names import NONE
from spoofscope.rows import rows
from spoofscope.tables import SPLITS, read_table, write_table

COMPONENTS = ("family", "acoustic_model", "vocoder")
"""What an attack is made of; columns that a manifest may have, the same for all its spoofs."""

TEXT_COLUMNS = ("source_text", "sentence", "base_utt")
"""Columns of a manifest that may say which text is spoken; the first that is there counts."""

PROTOCOL_LINE = "protocol_line"
"""The column of a manifest that says where an utterance stands in the protocol of its split."""

SYSTEM_COLUMNS: dict[str, pl.DataType] = {
    "attack": pl.String(),
    "known": pl.String(),
    "known_id": pl.Int64(),
    "global_id": pl.Int64(),
    **dict.fromkeys(COMPONENTS, pl.String()),
    "n_languages": pl.Int64(),
    "languages": pl.String(),
    "n_train": pl.Int64(),
    "n_dev": pl.Int64(),
    "n_eval": pl.Int64(),
}
KNOWN = ("yes", "no")
UNKNOWN_ID = -1

SEEN = tuple(
    f"language_{language}_attack_{attack}"
    for language in ("seen", "unseen")
    for attack in ("seen", "unseen")
)
"""The quadrants: whether train has the language, and whether it has the attack."""

# Widths of the published file.
_NAME_WIDTH, _ID_WIDTH = 50, 3


def systems(
    manifest: pl.DataFrame, families: Sequence[tuple[str, str, str, str]] = ()
) -> pl.DataFrame:
    """The table of the attacks of a corpus.

    Known attacks have the numbers from 0 in the order of their names (by code points). The others
    follow in the order in which dev, then eval, has them: that of the column `protocol_line` where
    the manifest has it, else that of its rows.

    Args:
        manifest: as `tables.read_manifest` gives it; its columns `family`, `acoustic_model`,
            `vocoder` and `language` are used where they are there.
        families: patterns of names (`*` and `?`, whatever case) with family, acoustic model and
            vocoder; the first one that fits says what the manifest does not.

    Returns:
        Columns of `SYSTEM_COLUMNS`, sorted by `global_id`. `known` is yes or no, `known_id` is -1
        of unknown attacks; languages are sorted, with commas between, "-" where none is told.

    Raises:
        TableError: the manifest has no spoof; two spoofs of an attack have different components; a
            line of the protocol that is no number.
    """
    spoofs = manifest.filter(pl.col("label") == "spoof")
    if spoofs.is_empty():
        raise TableError("the manifest has no spoof, so there is no attack to trace")
    known = known_attacks(spoofs)
    order = [*known, *_unknown_in_order(spoofs, known)]
    languages = _by_attack(spoofs, "language")
    components = {name: _by_attack(spoofs, name) for name in COMPONENTS}
    counts = Counter(spoofs.select("attack", "split").iter_rows())
    table = []
    for number, attack in enumerate(order):
        given = {}
        for name in COMPONENTS:
            values = components[name].get(attack, [])
            if len(values) > 1:
                raise TableError(
                    f"column {name!r}: spoofs of the attack {attack!r} have different values, "
                    f"{' and '.join(map(repr, values[:2]))}; an attack has one"
                )
            given[name] = values[0] if values else NONE
        of_attack = languages.get(attack, [])
        table.append(
            {
                "attack": attack,
                "known": KNOWN[attack not in known],
                "known_id": number if attack in known else UNKNOWN_ID,
                "global_id": number,
                **_completed(attack, given, families),
                "n_languages": len(of_attack),
                "languages": ",".join(of_attack) or NONE,
                **{f"n_{split}": counts[attack, split] for split in SPLITS},
            }
        )
    return pl.DataFrame(table, schema=SYSTEM_COLUMNS)


def known_attacks(manifest: pl.DataFrame) -> list[str]:
    """The attacks whose spoofs are in train, in the order of their numbers."""
    train = manifest.filter((pl.col("split") == "train") & (pl.col("label") == "spoof"))
    return sorted(train["attack"].unique())


def quadrants(manifest: pl.DataFrame) -> pl.Series:
    """Whether train has the language and the attack of every row, see :func:`quadrants_of`.

    Args:
        manifest: all splits of a corpus.
    """
    spoofs_of_train = (pl.col("split") == "train") & (pl.col("label") == "spoof")
    train = manifest.filter(spoofs_of_train)
    languages = set(train["language"]) if "language" in train.columns else set()
    return quadrants_of(manifest, languages, set(train["attack"]))


def quadrants_of(
    rows: pl.DataFrame, languages: Collection[str], attacks: Collection[str]
) -> pl.Series:
    """Whether spoofs of training have the language and the attack of every row: one of `SEEN`.

    Args:
        rows: of a manifest.
        languages: of the spoofs of training.
        attacks: of training.

    Returns:
        A text per row; "-" of bona fide rows, of rows whose language is not known, and of all where
        no language of training is.
    """
    if "language" not in rows.columns or set(languages) <= {NONE}:
        return pl.Series("quadrant", [NONE] * rows.height, dtype=pl.String())
    language = pl.col("language").is_in(sorted(languages))
    attack = pl.col("attack").is_in(sorted(attacks))
    told = (pl.col("label") == "spoof") & (pl.col("language") != NONE)
    first, second, third, fourth = (pl.lit(name) for name in SEEN)
    named = (
        pl.when(language & attack)
        .then(first)
        .when(language)
        .then(second)
        .when(attack)
        .then(third)
        .otherwise(fourth)
    )
    chosen = pl.when(told).then(named).otherwise(pl.lit(NONE))
    return rows.select(chosen.alias("quadrant")).to_series()


def with_source_text(manifest: pl.DataFrame) -> pl.DataFrame:
    """A manifest with the column `source_text`: the first of `TEXT_COLUMNS` that it has.

    "-" where it has none of them.
    """
    column = next((name for name in TEXT_COLUMNS if name in manifest.columns), None)
    text = pl.lit(NONE) if column is None else pl.col(column)
    return manifest.with_columns(text.alias("source_text"))


def _unknown_in_order(spoofs: pl.DataFrame, known: Sequence[str]) -> list[str]:
    seen: dict[str, None] = {}
    for split in ("dev", "eval"):
        of_split = spoofs.filter(pl.col("split") == split)
        if PROTOCOL_LINE in of_split.columns:
            bad = of_split.filter(~pl.col(PROTOCOL_LINE).str.contains("^[0-9]+$"))
            if bad.height:
                raise TableError(
                    f"column {PROTOCOL_LINE!r}: {bad[PROTOCOL_LINE][0]!r} of the utterance "
                    f"{bad['utt_id'][0]!r} is not the number of a line"
                )
            of_split = of_split.sort(pl.col(PROTOCOL_LINE).cast(pl.Int64()), maintain_order=True)
        seen |= dict.fromkeys(of_split["attack"])
    return [attack for attack in seen if attack not in known]


def _by_attack(spoofs: pl.DataFrame, column: str) -> dict[str, list[str]]:
    """Attack to the different values of a column, sorted, without "-"; {} without the column."""
    if column not in spoofs.columns:
        return {}
    pairs = spoofs.filter(pl.col(column) != NONE).select("attack", column).unique()
    values: dict[str, list[str]] = {}
    for attack, value in sorted(pairs.iter_rows()):
        values.setdefault(attack, []).append(value)
    return values


def _completed(
    attack: str, given: Mapping[str, str], families: Sequence[tuple[str, str, str, str]]
) -> dict[str, str]:
    """What the manifest says of an attack; where it says nothing, what its name does."""
    for pattern, *values in families:
        if fnmatchcase(attack.lower(), pattern.lower()):
            of_name = dict(zip(COMPONENTS, values, strict=True))
            return {n: given[n] if given[n] != NONE else of_name[n] for n in COMPONENTS}
    return dict(given)


def write_systems(path: str | Path, table: pl.DataFrame) -> None:
    """Write what :func:`systems` gives."""
    write_table(path, table)


def read_systems(path: str | Path) -> pl.DataFrame:
    """Read a table of attacks, see :func:`systems`.

    Raises:
        TableError: as `tables.read_table`; an attack that is there twice, numbers that do not count
            from 0, or known attacks that are not the first ones.
    """
    table = read_table(path, SYSTEM_COLUMNS).select(list(SYSTEM_COLUMNS))
    _check(table, f"{path}")
    return table


def _check(table: pl.DataFrame, where: str) -> None:
    twice = table.filter(pl.col("attack").is_duplicated())
    if twice.height:
        raise TableError(f"{where}: the attack {twice['attack'][0]!r} is there twice")
    n_known = (table["known"] == KNOWN[0]).sum()
    known = [KNOWN[i >= n_known] for i in range(table.height)]
    if table["known"].to_list() != known or table["global_id"].to_list() != [*range(table.height)]:
        raise TableError(
            f"{where}: attacks are numbered from 0, and known ones (yes) are before the others (no)"
        )


def write_label_assignment(path: str | Path, table: pl.DataFrame) -> None:
    """Write the numbers of attacks in the form of the published baseline of source tracing.

    A line per attack, by number: name, number, and ID (known) or OOD, with "|" between.

    Args:
        path: the file.
        table: from :func:`systems`.

    Raises:
        TableError: a name that a reader would not get back, with "|" or blanks around it.
    """
    lines = []
    for attack, known, number in table.select("attack", "known", "global_id").iter_rows():
        if "|" in attack or attack != attack.strip():
            raise TableError(
                f"{path}: the attack {attack!r} cannot stand in a list with '|' between names and "
                "numbers; rename it"
            )
        kind = "ID" if known == KNOWN[0] else "OOD"
        lines.append(f"{attack:<{_NAME_WIDTH}}|{number:<{_ID_WIDTH}}|{kind}")
    write_text(path, "\n".join(lines) + "\n")


def read_label_assignment(path: str | Path) -> pl.DataFrame:
    """Read the numbers of attacks from a list as :func:`write_label_assignment` makes it.

    Returns:
        attack, known (yes or no), global_id; sorted by global_id.

    Raises:
        TableError: as `rows.rows`; a line that is none of such a list; and as :func:`read_systems`.
    """
    entries = list(_assigned(Path(path)))
    schema = {name: SYSTEM_COLUMNS[name] for name in ("attack", "known", "global_id")}
    table = pl.DataFrame(entries, schema=schema, orient="row").sort("global_id")
    _check(table, f"{path}")
    return table


def renumbered(table: pl.DataFrame, given: pl.DataFrame, where: str) -> pl.DataFrame:
    """A table of attacks with the numbers of a list, so that they are those of another tracer.

    Args:
        table: from :func:`systems`.
        given: from :func:`read_label_assignment`; the same attacks.
        where: the list, for messages.

    Raises:
        TableError: the list lacks an attack, has one more, or has a known one among the others.
    """
    here, there = (dict(one.select("attack", "known").iter_rows()) for one in (table, given))
    for attack in sorted(here.keys() ^ there.keys()):
        lacks = "lacks the attack" if attack in here else "has an attack that the corpus lacks,"
        raise TableError(f"{where} {lacks} {attack!r}; it has to be of this corpus and protocol")
    for attack, known in here.items():
        if there[attack] != known:
            kind, has = ("OOD", "spoofs") if known == KNOWN[0] else ("ID", "no spoof")
            raise TableError(
                f"{where}: the attack {attack!r} is {kind}, and train has {has} of it; the list "
                "has to be of this corpus and protocol"
            )
    numbers = given.select("attack", pl.col("global_id").alias("number"))
    number = pl.col("number")
    known = pl.col("known") == KNOWN[0]
    joined = table.join(numbers, on="attack", how="left").sort("number")
    return joined.with_columns(
        pl.when(known).then(number).otherwise(UNKNOWN_ID).alias("known_id"),
        number.alias("global_id"),
    ).select(list(SYSTEM_COLUMNS))


def _assigned(path: Path) -> Iterator[tuple[str, str, int]]:
    for number, fields in rows(path, "|"):
        texts = [field.strip() for field in fields]
        if len(texts) != 3 or not texts[1].isdecimal() or texts[2] not in ("ID", "OOD"):
            raise TableError(
                f"{path}: line {number}: expected a name, a number, and ID or OOD, with '|' between"
            )
        yield texts[0], KNOWN[texts[2] == "OOD"], int(texts[1])
