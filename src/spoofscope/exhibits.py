"""Figures and tables: each has one record with its texts, in the module that makes it.

The plan, the report, the demo and the pages need the texts of all records, but not matplotlib. So
this module reads a record from the source of its module, and does not import the module.
"""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from spoofscope.errors import SpoofscopeError

_ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Exhibit:
    """The texts of a figure or a table, whose name is that of its module.

    title: its heading. shows: the sentence in `snakemake --list-target-rules` and on the pages.
    caption: explanation for readers. needs: its material: the name of a method of the plan with
    `plan.materials.material`. place: smaller numbers stand first in the report.
    """

    title: str
    shows: str
    caption: str
    needs: str
    place: int


@dataclass(frozen=True)
class Figure(Exhibit):
    """A figure: a module of `figures/` with a function `draw`.

    section: of the report.
    """

    section: str = "figures"


@dataclass(frozen=True)
class Table(Exhibit):
    """A table: a module of `summaries/` with a function `make`.

    more: names of further tables that it writes, `{name}.{more}.tsv`. printed: the columns that
    LaTeX shows of it, as far as they are there; by default all. interval_of: the column that
    `ci_low` and `ci_high` belong to; by default the one before them.
    """

    more: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    interval_of: str = ""


E = TypeVar("E", bound=Exhibit)


@functools.cache
def figures() -> dict[str, Figure]:
    """Name to record of all figures, in the order of the report."""
    return _records("figures", "FIGURE", Figure)


@functools.cache
def tables() -> dict[str, Table]:
    """Name to record of all tables, in the order of the report."""
    return _records("summaries", "TABLE", Table)


def _records(room: str, constant: str, kind: type[E]) -> dict[str, E]:
    found: dict[str, E] = {}
    for path in (_ROOT / room).glob("*.py"):
        if record := read_record(path, constant, kind):
            found[path.stem] = record
    return dict(sorted(found.items(), key=lambda item: (item[1].place, item[0])))


def read_record(path: Path, constant: str, kind: type[E]) -> E | None:
    """The record in a module, such as `FIGURE = Figure(title="...", ...)`; None without a record.

    Raises:
        SpoofscopeError: the record is no call with plain texts and numbers as keyword arguments.
    """
    # Records stand above the functions; the rest need not be parsed.
    head = path.read_text(encoding="utf-8").partition("\ndef ")[0]
    for node in ast.parse(head, filename=str(path)).body:
        match node:
            case ast.Assign([ast.Name(name)], ast.Call(ast.Name(called), [], keywords)) if (
                name == constant and called == kind.__name__
            ):
                try:
                    return kind(**{str(k.arg): ast.literal_eval(k.value) for k in keywords})
                except (ValueError, TypeError) as error:
                    raise SpoofscopeError(f"{path}: {constant}: {error}") from error
    return None
