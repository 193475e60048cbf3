"""Answers as a table: one row per revision, so that nothing is lost on the way to a study."""

import json
import math
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import polars as pl

from spoofscope.errors import TableError
from spoofscope.labelling.questions import AnswerError, checked_answer, checked_name
from spoofscope.labelling.store import Answer
from spoofscope.tables import read_table, write_table

_REQUIRED: dict[str, pl.DataType] = {
    **dict.fromkeys(("annotator", "utt_id", "detector", "field"), pl.String()),
    "revision": pl.Int64(),
    "value": pl.String(),
    "seconds": pl.Float64(),
    "saved": pl.String(),
}
_OPTIONAL: dict[str, pl.DataType] = {"blind": pl.String(), "evidence": pl.String()}
_ORDER = tuple(field.name for field in fields(Answer))
_BLIND = {"true": True, "false": False, "": None}


def write_answers(path: str | Path, answers: Iterable[Answer]) -> None:
    """Write all revisions: the columns are the fields of `store.Answer`, values are JSON."""
    rows = [
        {
            **{name: getattr(answer, name) for name in _ORDER},
            "value": json.dumps(answer.value, allow_nan=False),
        }
        for answer in answers
    ]
    schema = _REQUIRED | {"blind": pl.Boolean(), "evidence": pl.String()}
    write_table(path, pl.DataFrame(rows, schema={name: schema[name] for name in _ORDER}))


def read_answers(path: str | Path) -> list[Answer]:
    """Read a table of :func:`write_answers`.

    Raises:
        TableError: as `tables.read_table`; a value that is no answer, a revision that is there
            twice; the message names file, line and column.
    """
    table = read_table(path, _REQUIRED, _OPTIONAL).select(_ORDER)
    answers: list[Answer] = []
    lines: dict[tuple[object, ...], int] = {}
    for line, row in enumerate(table.iter_rows(named=True), start=2):
        where = f"{path}: line {line}: "
        try:
            value = json.loads(row["value"], parse_constant=_refuse)
            value = checked_answer(row["detector"], row["field"], value, math.inf)
        except (ValueError, RecursionError) as error:
            raise TableError(f"{where}column 'value' is no JSON: {error}") from error
        except AnswerError as error:
            raise TableError(f"{where}column 'value': {error}") from error
        try:
            name = checked_name(row["annotator"])
        except AnswerError as error:
            raise TableError(f"{where}column 'annotator': {error}") from error
        if row["blind"] not in _BLIND:
            raise TableError(f"{where}column 'blind': {row['blind']!r} is not true or false")
        if row["revision"] < 1 or row["seconds"] < 0:
            raise TableError(f"{where}revisions count from 1, and seconds are not below 0")
        try:
            datetime.fromisoformat(row["saved"])
        except ValueError:
            raise TableError(f"{where}column 'saved': {row['saved']!r} is no time") from None
        answer = Answer(**{**row, "annotator": name, "value": value, "blind": _BLIND[row["blind"]]})
        key = (*answer.question, answer.revision)
        if key in lines:
            raise TableError(f"{where}this revision is in line {lines[key]}, too")
        lines[key] = line
        answers.append(answer)
    return answers


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")
