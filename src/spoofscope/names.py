"""Words that tables, figures and reports use for groups of trials, and which so name nothing else.

An attack that was called `bonafide` would be averaged as bona fide speech, one called `all`
would take the place of the row over all attacks. So such names are refused where attacks, levels
and columns of conditions are read.
"""

import functools
import re
import unicodedata

from spoofscope.errors import TableError

NONE = "-"
"""Where a column does not apply: the attack of bona fide trials, an unknown speaker."""

BONAFIDE = "bonafide"
SPOOF = "spoof"
UNKNOWN = "unknown"
"""The answer of a tracer where no attack that it knows made a clip."""

INCONCLUSIVE = "inconclusive"
"""The decision about a clip about which nothing is decided."""

ANSWERS = (BONAFIDE, UNKNOWN, INCONCLUSIVE)
"""What a tracer answers besides the names of attacks."""

SIZE, ENERGY, BOTH = "size", "energy", "both"
"""What random masks have in common with the mask that they are drawn for."""

ALL = "all"
POOLED = "pooled"
MACRO = "(macro average)"
MEAN_OF_UNSEEN = "(mean of unseen)"
MEAN_OF_ALL = "(mean of all)"
SELECTION = "(model selection)"
"""Stands for the corpus in rows about the data that a detector's model was selected on."""

ALL_GENERATORS = "all generators"
ALL_SPOOFS = "all spoofs"

RESERVED = (
    *(NONE, BONAFIDE, SPOOF, INCONCLUSIVE, ALL, POOLED),
    *(MACRO, MEAN_OF_UNSEEN, MEAN_OF_ALL, SELECTION, ALL_GENERATORS, ALL_SPOOFS),
    # Columns of the table of nearest fingerprints, whose further columns are called like attacks.
    *("utt_id", "source", "nearest"),
)
"""What no attack and no level of a condition may be called, in whatever spelling."""

RENAMED_COLUMNS = {"system": "attack"}
"""Former names of a manifest's columns, which are refused with the name of today."""

RESERVED_COLUMNS = (
    *(
        "utt_id",
        "path",
        "label",
        "score",
        "condition",
        "level",
        "metric",
        "value",
        "ci_low",
        "ci_high",
    ),
    *("n_bonafide", "n_spoof", POOLED, ALL, MACRO),
)
"""What no condition may be called: in manifests and tables of results that is something else."""

_BREAKS = re.compile(r"[\t\n\r\0]")


# Letters of other scripts that look like Latin ones (Unicode Technical Standard 39); digits are
# none of them, for `A11` is an attack of ASVspoof 2019.
_LOOKALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХԚԜавеѕіјкмнорстухԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧανικορτυϲոսօցɑɡıɩᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɭǀⅼ",
    "ABESIJKMHOPCTYXQWabesijkmhopctyxdhqwABEZHIKMNOPTYXavikoptucnuogagiiabcdeghijklmnoprstuvwyzlll",
)
# Characters that take no room, and have no category that says so.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Blanks, dashes, underscores, brackets, quotation marks.
_BETWEEN = frozenset(("Zs", "Zl", "Zp", "Pd", "Pc", "Ps", "Pe", "Pi", "Pf"))

_DROPPED = {
    code: None
    for code in range(128)
    if unicodedata.category(chr(code)) in (*_BETWEEN, "Cc") or chr(code) in "'\""
}
"""The ASCII characters that do not count, for `str.translate`."""


def _letters(name: str) -> str:
    """A name in the Latin letters that it shows: without what takes no room, one form of each."""
    seen = (
        c
        for c in unicodedata.normalize("NFKC", name)
        if c not in _UNSEEN
        and not "\ufe00" <= c <= "\ufe0f"
        and unicodedata.category(c) not in ("Cf", "Cc")
    )
    return "".join(seen).translate(_LOOKALIKES)


def _plain(name: str) -> str:
    """A name without case, blanks, dashes, underscores, brackets and quotation marks.

    What is equal in this form people take for the same word. Dashes alone are NONE.
    """
    # Most names are of ASCII, and tables of a million rows have as many hashes and file names.
    if name.isascii() and (plain := name.translate(_DROPPED)):
        return plain.lower()
    letters = _letters(name)
    kept = (c for c in letters if unicodedata.category(c) not in _BETWEEN and c not in "'\"\u2212")
    dashes = all(unicodedata.category(c) in ("Pd", "Pc", "Zs") or c == "\u2212" for c in letters)
    return "".join(kept).casefold() or (NONE if dashes else name)


_RESERVED = {_plain(name): name for name in RESERVED}


@functools.lru_cache(maxsize=1 << 16)
def reserved(name: str) -> str | None:
    """The reserved word that a name is, or would be mistaken for; None where it is none."""
    return _RESERVED.get(_plain(name)) if name else None


def is_answer(name: str, *answers: str) -> bool:
    """Whether a name is one of the answers of tracers, or would be mistaken for it."""
    return _plain(name) in map(_plain, answers or ANSWERS)


def check_attack(attack: str, label: str, where: str) -> None:
    """Refuse a spoof whose attack is called like a group of trials.

    Args:
        attack: the name.
        label: of the trial; bona fide trials have "-" and are not looked at.
        where: file and line, or what else the name stands in.

    Raises:
        TableError: the name is reserved.
    """
    word = reserved(attack) if label == SPOOF else None
    if word is not None:
        raise TableError(
            f"{where}: an attack cannot be called {attack!r}: {word!r} "
            + ("stands for bona fide trials" if word == NONE else "has a meaning of its own")
            + " in tables and figures; give it another name, 'unknown' where it is not known"
        )


def check_level(level: str, column: str, where: str) -> None:
    """Refuse a level of a condition that is called like a group of trials; "-" means no level.

    Raises:
        TableError: the name is reserved.
    """
    word = reserved(level)
    if word is not None and level != NONE:
        raise TableError(
            f"{where}: column {column!r}: {level!r} cannot be a level of a condition: {word!r} has "
            "a meaning of its own in tables and figures; write another word, or '-' where the "
            "condition does not apply"
        )


def check_condition(column: str, where: str) -> None:
    """Refuse a name for a condition's column that tables have a column or a row of.

    Raises:
        TableError: the name is reserved, is empty, or holds what no column's name can hold.
    """
    if not column.strip() or column != column.strip() or _BREAKS.search(column):
        raise TableError(
            f"{where}: a condition's column cannot be called {column!r}; its name is a text "
            "without tabs, line breaks and blanks around it"
        )
    if column in RENAMED_COLUMNS:
        raise TableError(
            f"{where}: the column {column!r} is called {RENAMED_COLUMNS[column]!r} now: `system` "
            "is a detector or a fusion; rename it"
        )
    if _letters(column) in RESERVED_COLUMNS:
        raise TableError(
            f"{where}: {column!r} cannot be a condition: that name means something else in "
            "manifests or tables of results; rename the column, or leave it out"
        )
