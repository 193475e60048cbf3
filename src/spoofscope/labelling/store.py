"""The answers of annotators: an SQLite file with one row per revision of an answer.

No row is ever changed or deleted. The newest revision of an answer is the one that counts. With a
write-ahead log and `synchronous=FULL`, an answer that was confirmed is on the disk: a killed
process, a power cut or a full disk loses none.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spoofscope.errors import SpoofscopeError
from spoofscope.files import shown
from spoofscope.labelling.questions import DONE, NO_DETECTOR, SKIPPED

LABELS = "labels.sqlite"
"""The file of answers in the folder of a pack."""
LABEL_FILES = (LABELS, f"{LABELS}-wal", f"{LABELS}-shm")
"""The same with the files that SQLite keeps beside it."""

# "spla" in ASCII.
_APPLICATION = 0x73706C61
_VERSION = 1
_BUSY_SECONDS = 30.0
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_NO_PLACE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB)

_SCHEMA = """
CREATE TABLE annotators (
  name TEXT PRIMARY KEY,
  created TEXT NOT NULL
) STRICT;
CREATE TABLE answers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  annotator TEXT NOT NULL REFERENCES annotators (name),
  utt_id TEXT NOT NULL,
  detector TEXT NOT NULL,
  field TEXT NOT NULL,
  revision INTEGER NOT NULL CHECK (revision > 0),
  value TEXT NOT NULL CHECK (json_valid(value)),
  seconds REAL NOT NULL CHECK (seconds >= 0),
  blind INTEGER CHECK (blind IN (0, 1)),
  evidence TEXT NOT NULL,
  saved TEXT NOT NULL,
  UNIQUE (annotator, utt_id, detector, field, revision)
) STRICT;
CREATE TRIGGER answers_stay BEFORE UPDATE ON answers
  BEGIN SELECT RAISE(ABORT, 'answers are never changed'); END;
CREATE TRIGGER answers_are_kept BEFORE DELETE ON answers
  BEGIN SELECT RAISE(ABORT, 'answers are never deleted'); END;
"""

STARTED = "started"
"""State of a clip with answers that is neither done nor skipped."""


class StoreFullError(SpoofscopeError):
    """The disk is full, or fails; nothing was changed."""


@dataclass(frozen=True)
class Answer:
    """A revision of an answer.

    Attributes:
        annotator: who gave it.
        utt_id: of the clip.
        detector: whose explanation it is about; `questions.NO_DETECTOR`: the clip.
        field: the question.
        revision: 1, 2, ... of this answer.
        value: see `questions.checked_answer`; None takes the answer back.
        seconds: of work on the clip since the answer before.
        blind: whether label, attack, scores and names of detectors were hidden; None: not known.
        evidence: digest of the explanation that was seen, see `pack.Pack.digest`; empty of answers
            about a clip.
        saved: time, ISO 8601 in UTC.
    """

    annotator: str
    utt_id: str
    detector: str
    field: str
    revision: int
    value: Any
    seconds: float
    blind: bool | None
    evidence: str
    saved: str

    @property
    def question(self) -> tuple[str, str, str, str]:
        """What the revisions of an answer share."""
        return self.annotator, self.utt_id, self.detector, self.field


class Conflict(SpoofscopeError):
    """Somebody has answered since the answer was read, such as the same person in another window.

    Args:
        current: the answer that is there; None where there is none.
    """

    def __init__(self, current: Answer | None) -> None:
        super().__init__("this answer was changed in another window")
        self.current = current


_FIELDS = tuple(field.name for field in fields(Answer))
_COLUMNS = ", ".join(_FIELDS)
_NEWEST = f"SELECT {_COLUMNS}, max(revision) FROM answers"


class Store:
    """An open file of answers; threads and processes may use it at once.

    Raises:
        SpoofscopeError: the file is no store of this version, or cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise SpoofscopeError(
                f"{shown(self._path)}: answers cannot be kept here ({error}); name another file"
            ) from error
        try:
            self._open()
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> None:
        # A file of something else must not be touched, so what it is comes first.
        with self._named():
            application = self._one("PRAGMA application_id")
            version = self._one("PRAGMA user_version")
            tables = self._one("SELECT count(*) FROM sqlite_schema")
            if (application, version) != (_APPLICATION, _VERSION) and (application or tables):
                raise SpoofscopeError(
                    f"{shown(self._path)}: no answers of this version of spoofscope; name another "
                    "file"
                )
            if self._one("PRAGMA journal_mode = WAL") != "wal":
                raise SpoofscopeError(
                    f"{shown(self._path)}: this file system cannot keep a write-ahead log, such as "
                    "some network drives; name a file on a local disk"
                )
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            with self._writing():
                # Another process may have made it by now.
                if self._one("PRAGMA user_version") == 0:
                    for statement in _statements(_SCHEMA):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                    self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _one(self, statement: str, values: Sequence[Any] = ()) -> Any:
        row = self._connection.execute(statement, values).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _FULL:
                raise StoreFullError(
                    f"{shown(self._path)}: the disk is full or fails; nothing was changed. Make "
                    "room and save again"
                ) from error
            way_out = "; name another file" if code in _NO_PLACE else ""
            raise SpoofscopeError(f"{shown(self._path)}: {error}{way_out}") from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk may have ended the transaction already.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    # --- writing -------------------------------------------------------------------------------

    def add_annotator(self, name: str) -> bool:
        """Add an annotator of a checked name; False where there is one of this name.

        Raises:
            StoreFullError: the disk is full.
        """
        with self._lock, self._named(), self._writing():
            return self._add(name)

    def _add(self, name: str) -> bool:
        added = self._connection.execute(
            "INSERT INTO annotators VALUES (?, ?) ON CONFLICT DO NOTHING", (name, now())
        )
        return added.rowcount > 0

    def save(
        self,
        question: tuple[str, str, str, str],
        value: Any,
        base: int,
        *,
        seconds: float,
        blind: bool | None,
        evidence: str,
    ) -> int:
        """Add a revision of an answer, unless it is what is there already.

        Args:
            question: see :attr:`Answer.question`; of an annotator who is there.
            value: of `questions.checked_answer`.
            base: the revision that is replaced; 0 where there was none.
            seconds, blind, evidence: see :class:`Answer`.

        Returns:
            The number of the revision that holds the value, which is on the disk now.

        Raises:
            Conflict: there is another revision than `base`, with another value.
            StoreFullError: the disk is full.
        """
        with self._lock, self._named(), self._writing():
            current = self._current(question)
            number = 0 if current is None else current.revision
            if (None if current is None else current.value) == value:
                # Also of a request that was answered and is sent again, as the answer was lost.
                return number
            if number != base:
                raise Conflict(current)
            added = Answer(*question, number + 1, value, seconds, blind, evidence, now())
            self._insert(added)
            return added.revision

    def add_revisions(self, answers: Iterable[Answer]) -> int:
        """Add revisions of another store, all or none. Those that are there already are left out.

        Returns:
            How many were added.

        Raises:
            SpoofscopeError: the same revision of an answer is there with another value, or one
                before it is missing.
        """
        added = 0
        with self._lock, self._named(), self._writing():
            for answer in answers:
                self._add(answer.annotator)
                there = self._revision(answer)
                if there is not None:
                    if there != answer:
                        raise SpoofscopeError(
                            f"revision {answer.revision} of {answer.field!r} by "
                            f"{answer.annotator!r} (utterance {answer.utt_id!r}, detector "
                            f"{answer.detector!r}) is another one in {shown(self._path)}; two "
                            "people have used one name, so give one of them another name in the "
                            "table"
                        )
                    continue
                current = self._current(answer.question)
                if answer.revision != 1 + (0 if current is None else current.revision):
                    raise SpoofscopeError(
                        f"revision {answer.revision} of {answer.field!r} by {answer.annotator!r} "
                        f"(utterance {answer.utt_id!r}, detector {answer.detector!r}) has none "
                        "before it"
                    )
                self._insert(answer)
                added += 1
        return added

    def _insert(self, answer: Answer) -> None:
        values = (
            *answer.question,
            answer.revision,
            json.dumps(answer.value, allow_nan=False, ensure_ascii=False),
            float(answer.seconds),
            None if answer.blind is None else int(answer.blind),
            answer.evidence,
            answer.saved,
        )
        places = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT INTO answers ({_COLUMNS}) VALUES ({places})", values)

    # --- reading -------------------------------------------------------------------------------

    def _current(self, question: tuple[str, str, str, str]) -> Answer | None:
        where = "annotator = ? AND utt_id = ? AND detector = ? AND field = ?"
        found = f"SELECT {_COLUMNS} FROM answers WHERE {where} ORDER BY revision DESC LIMIT 1"
        row = self._connection.execute(found, question).fetchone()
        return None if row is None else _answer(row)

    def _revision(self, answer: Answer) -> Answer | None:
        where = "annotator = ? AND utt_id = ? AND detector = ? AND field = ? AND revision = ?"
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM answers WHERE {where}", (*answer.question, answer.revision)
        ).fetchone()
        return None if row is None else _answer(row)

    def annotators(self) -> list[str]:
        """All names, sorted."""
        with self._lock, self._named():
            rows = self._connection.execute("SELECT name FROM annotators ORDER BY name").fetchall()
        return [row[0] for row in rows]

    def answers(self, annotator: str, utt_id: str) -> list[Answer]:
        """The newest revisions of all answers about a clip, those that were taken back included."""
        where = "WHERE annotator = ? AND utt_id = ? GROUP BY detector, field"
        with self._lock, self._named():
            rows = self._connection.execute(f"{_NEWEST} {where}", (annotator, utt_id)).fetchall()
        return [_answer(row[:-1]) for row in rows]

    def states(self, annotator: str) -> dict[str, str]:
        """utt_id to done, skipped or started, of all clips with an answer."""
        with self._lock, self._named():
            rows = self._connection.execute(
                "SELECT utt_id, detector, field, value, max(revision) FROM answers "
                "WHERE annotator = ? GROUP BY utt_id, detector, field",
                (annotator,),
            ).fetchall()
        states: dict[str, str] = {}
        for utt_id, detector, field, value, _ in rows:
            if value == "null":
                continue
            if (detector, field) == (NO_DETECTOR, "state"):
                states[utt_id] = json.loads(value)
            else:
                states.setdefault(utt_id, STARTED)
        assert set(states.values()) <= {DONE, SKIPPED, STARTED}
        return states

    def seconds(self, annotator: str) -> dict[str, float]:
        """utt_id to seconds of work on it."""
        with self._lock, self._named():
            rows = self._connection.execute(
                "SELECT utt_id, sum(seconds) FROM answers WHERE annotator = ? GROUP BY utt_id",
                (annotator,),
            ).fetchall()
        return dict(rows)

    def history(self) -> list[Answer]:
        """All revisions of all answers, in the order in which they came."""
        with self._lock, self._named():
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM answers ORDER BY id"
            ).fetchall()
        return [_answer(row) for row in rows]


def newest(answers: Iterable[Answer]) -> Mapping[tuple[str, str, str, str], Answer]:
    """Question to its newest revision, without answers that were taken back.

    Args:
        answers: all revisions, in any order.
    """
    last: dict[tuple[str, str, str, str], Answer] = {}
    for answer in answers:
        if answer.question not in last or last[answer.question].revision < answer.revision:
            last[answer.question] = answer
    return {question: answer for question, answer in last.items() if answer.value is not None}


def _answer(row: Sequence[Any]) -> Answer:
    values = dict(zip(_FIELDS, row, strict=True))
    blind = values["blind"]
    values["value"] = json.loads(values["value"])
    return Answer(**{**values, "blind": None if blind is None else bool(blind)})


def _statements(script: str) -> Iterator[str]:
    # Not `executescript`, which ends the transaction.
    statement = ""
    for line in script.strip().splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
