"""A page that shows a run as it is: one HTML file, without a server, made anew as jobs end.

What happens in a run is kept in a journal beside the page, a line of JSON each, so the page can be
made again from files after a kill. Curves of trainings are read from their `history.tsv`, and while
they train from their logs.
"""

import contextlib
import datetime
import itertools
import json
import os
import platform
import re
import shlex
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from spoofscope.errors import ConfigError, SpoofscopeError
from spoofscope.files import printable, shown, write_text
from spoofscope.pace import Pace, duration, earlier_seconds, epoch_of

TAIL_LINES = 15
"""The end of a failed job's log."""

_LISTED = 100
_EVERY_SECONDS = 2.0
# Without news the page is made again so often, for curves and the time left, and the journal says
# that the run lives.
_PULSE_SECONDS = 15.0
# A run that has said nothing for so long may be dead.
_SILENT_SECONDS = 4 * _PULSE_SECONDS
_TRAININGS = ("train", "train_tracer")
_EPOCH = re.compile(r"stage (\d+), epoch (\d+) of \d+: train loss (\S+), (.*) \(best")
_MEASURE = re.compile(r"dev (\w+) ([^,\s]+)")
# As in the figure of training curves: grey is training data, and no curve is blue or orange.
_TRAIN, _COLOURS = "#888888", ("#000000", "#009E73", "#CC79A7", "#999933")


def journal_of(page: str | Path) -> Path:
    """The journal that a page is made from."""
    return Path(page).with_suffix(".jsonl")


def page_of(study: str) -> Path:
    """Where the page of a study lies, relative to the working directory."""
    return Path("logs") / study / "run.html"


class Failed(NamedTuple):
    """A job that failed: in words, the end of its log, and where the log is."""

    words: str
    tail: Sequence[str]
    logs: Sequence[str]


@dataclass
class _Training:
    words: str
    log: str
    output: str


class Run:
    """What is known of a run, from its events in their order.

    Attributes:
        status: `running`, `finished`, `failed` (ended with failures), `stopped` (ended before all
            was done) or `silent` (nobody here can know).
        pace: what is done and how long the rest takes.
        failed: by the number of the job.
        finished: words and seconds of the jobs that ended last, the last one first.
        notes: warnings and errors of the run itself.
        killed: whether it ended without a word.
        silent: whether it has long said nothing, on a machine that cannot be asked.
    """

    def __init__(self, earlier: Mapping[str, float]) -> None:
        self.now = time.time()
        self.pace = Pace(earlier, lambda: self.now)
        self.failed: dict[int, Failed] = {}
        self.finished: deque[tuple[str, float]] = deque(maxlen=_LISTED)
        self.notes: list[str] = []
        self.planned: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.process: Mapping[str, Any] = {}
        self.ended: float | None = None
        self.killed = self.silent = False
        self._trainings: dict[str, _Training] = {}

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take an event in, see :class:`RunPage`.

        Raises:
            KeyError: it lacks a part.
        """
        self.now = event["at"]
        match event["what"]:
            case "begin":
                self.process = event
            case "plan":
                self.planned = Counter(event["counts"])
                self.pace.plan(event["counts"])
            case "start":
                number, rule, words = event["job"], event["rule"], event["words"]
                self.pace.start(number, rule, words, event["log"])
                if rule in _TRAININGS:
                    self._trainings[event["log"]] = _Training(words, event["log"], event["output"])
            case "leave out":
                self.pace.leave_out(event["rule"])
                self.planned -= Counter({event["rule"]: 1})
            case "finish":
                self.failed.pop(event["job"], None)
                if ended := self.pace.finish(event["job"]):
                    job, seconds = ended
                    self.done[job.rule] += 1
                    self.finished.appendleft((job.words, seconds))
            case "fail":
                self.pace.fail(event["job"])
                self.failed[event["job"]] = Failed(event["words"], event["tail"], event["logs"])
            case "note":
                self.notes.append(event["text"])
            case "end":
                self.ended = event["at"]

    @property
    def status(self) -> str:
        """See the class."""
        if self.ended is None:
            return "silent" if self.silent else "running"
        if self.failed:
            return "failed"
        unplanned = self.killed and not self.planned
        left = self.pace.waiting or self.pace.running
        return "stopped" if unplanned or left else "finished"

    def curves(self) -> list[tuple[str, dict[str, list[tuple[int, float]]]]]:
        """Of each training of the run: its words, and the points of each measure by epoch."""
        return [(training.words, _history(training)) for training in self._trainings.values()]


def _history(training: _Training) -> dict[str, list[tuple[int, float]]]:
    table = Path(training.output).parent / "history.tsv"
    rows = list(_of_table(table)) if table.is_file() else list(_of_log(training.log))
    curves: dict[str, list[tuple[int, float]]] = {}
    for number, (epoch, measures) in enumerate(rows, start=1):
        for name, value in measures.items():
            curves.setdefault(name, []).append((epoch or number, value))
    return {name: points for name, points in curves.items() if len(points) > 1}


def _of_table(path: Path) -> Iterator[tuple[int, dict[str, float]]]:
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    names = header.split("\t")
    for line in lines:
        row = dict(zip(names, line.split("\t"), strict=False))
        measures = {
            name.replace("dev_", "dev ").replace("train_loss", "train loss"): number
            for name, text in row.items()
            if name.startswith(("dev_", "train_loss")) and (number := _number(text)) is not None
        }
        yield int(row["epoch"]), measures


def _of_log(log: str) -> Iterator[tuple[int, dict[str, float]]]:
    try:
        text = Path(log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for stage, epoch, loss, rest in _EPOCH.findall(text):
        values = {"train loss": loss, **{f"dev {name}": v for name, v in _MEASURE.findall(rest)}}
        known = {name: n for name, v in values.items() if (n := _number(v)) is not None}
        # Epochs of a log count within their stage: of later stages, rows are counted instead.
        yield (int(epoch) if stage == "1" else 0), known


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    # A loss that is no number cannot be drawn; the training says so itself, and fails.
    return value if abs(value) < float("inf") else None


class RunPage:
    """Keeps the journal of a run, and makes its page.

    Events are `begin`, `plan` (counts: of jobs by rule), `start` (job: its number, rule, words,
    log, output), `leave out` (rule), `finish` (job), `fail` (job, words, tail, logs), `note`
    (text), `alive` (nothing else happened for a while) and `end`. Trouble with the page, such as a
    full disk, is said once and never stops the run.

    Args:
        page: the HTML file.
        tell: is given a sentence where the page cannot be written.
    """

    def __init__(self, page: Path, tell: Any) -> None:
        self.page = page
        self._tell = tell
        self._lock = threading.Lock()
        self._run = Run(earlier_seconds(Path("results")))
        self._news, self._closed = threading.Event(), threading.Event()
        self._journal: Any = None
        with self._trouble():
            page.parent.mkdir(parents=True, exist_ok=True)
            # Of this run alone; it stays open, and is gone when the process ends.
            self._journal = open(journal_of(page), "w", encoding="utf-8")  # noqa: SIM115
            process = psutil.Process()
            self.record(
                "begin",
                host=platform.node(),
                pid=process.pid,
                created=process.create_time(),
                folder=os.getcwd(),
            )
            threading.Thread(target=self._go_on, daemon=True).start()

    @contextlib.contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except (OSError, SpoofscopeError) as error:
            if self._journal is not None or not self._closed.is_set():
                self._tell(f"{shown(self.page)} is not kept any more: {error}")
            self._journal = None
            self._closed.set()

    def record(self, what: str, **parts: Any) -> None:
        """Take in an event, with its time."""
        with self._lock, self._trouble():
            if self._journal is None:
                return
            event = {"at": time.time(), "what": what, **parts}
            self._journal.write(json.dumps(event) + "\n")
            self._journal.flush()
            self._run.apply(event)
            self._news.set()

    def _go_on(self) -> None:
        while not self._closed.is_set():
            if not self._news.wait(_PULSE_SECONDS):
                # After a kill, the last of these says how long the run lived.
                self.record("alive")
            self._news.clear()
            self._write()
            self._closed.wait(_EVERY_SECONDS)

    def _write(self) -> None:
        with self._lock, self._trouble():
            if self._journal is not None:
                if self._run.ended is None:
                    self._run.now = time.time()
                write_text(self.page, rendered(self._run, self.page))

    def close(self) -> None:
        """The run has ended."""
        self.record("end")
        self._write()
        with self._lock:
            self._closed.set()
            self._news.set()
            if self._journal is not None:
                self._journal.close()
                self._journal = None


def rebuild(page: str | Path) -> str:
    """Make a page again from its journal.

    Returns:
        `running`, `finished`, `failed`, `silent` or `stopped`: the last also where the process is
        gone.

    Raises:
        ConfigError: there is no journal, or it is none.
    """
    journal = journal_of(page)
    try:
        lines = journal.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise ConfigError(
            f"{shown(journal)}: there is no such journal; `spoofscope run STUDY --page` keeps one"
        ) from None
    run = Run(earlier_seconds(Path("results")))
    for number, line in enumerate(lines, start=1):
        try:
            run.apply(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            # A kill may cut the last line short.
            if number < len(lines):
                raise ConfigError(f"{shown(journal)}, line {number}: no event of a run") from error
    if run.ended is None and run.process.get("host") != platform.node():
        # Nobody can ask for its process from here.
        run.silent = time.time() - run.now > _SILENT_SECONDS
    elif run.ended is None and not _alive(run.process):
        # What ran when it was killed has not got any further.
        run.ended, run.killed = run.now, True
    if run.status == "running":
        run.now = time.time()
    write_text(page, rendered(run, page))
    return run.status


def _alive(process: Mapping[str, Any]) -> bool:
    try:
        created = psutil.Process(process["pid"]).create_time()
    except psutil.NoSuchProcess:
        return False
    return abs(created - process["created"]) < 1


def tail_of(path: Path) -> list[str]:
    """The last lines of a log."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return text.splitlines()[-TAIL_LINES:]


def rendered(run: Run, page: str | Path) -> str:
    """The page of a run as it is; page is the file that it becomes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pace, left = run.pace, run.pace.seconds_left
    rules = [
        (rule.replace("_", " "), run.done[rule], count)
        for rule, count in sorted(run.planned.items())
    ]
    running = [
        (job.words, duration(run.now - job.since), epoch_of(job.log) if _trains(job.rule) else "")
        for job in pace.running.values()
    ]
    text = environment.get_template("run.html.j2").render(
        run=run,
        folder=run.process.get("folder", ""),
        host=run.process.get("host", ""),
        share=int(100 * pace.share) if pace.total or run.status == "finished" else 0,
        left=duration(left) if left is not None and run.status == "running" else "",
        spent=duration(run.now - pace.started),
        running=running,
        finished=[(words, duration(seconds)) for words, seconds in run.finished],
        rules=rules,
        curves=[(words, _charts(curves)) for words, curves in run.curves() if curves],
        written=datetime.datetime.fromtimestamp(run.now).astimezone().isoformat(" ", "seconds"),
        written_unix=int(run.now),
        pulse=int(_PULSE_SECONDS),
        silence=int(_SILENT_SECONDS),
        command=f"spoofscope page {shlex.quote(_study_of(Path(page)))}",
    )
    return printable(text)


def _study_of(page: Path) -> str:
    """What `spoofscope page` takes for a page: the study's name, or the file."""
    study = page.parent.name
    return study if page.parts[-3:] == page_of(study).parts else str(page)


def _trains(rule: str) -> bool:
    return rule in _TRAININGS


def _charts(curves: Mapping[str, list[tuple[int, float]]]) -> list[dict[str, Any]]:
    """Losses in one chart, as they have one scale; every other measure in its own."""
    losses = {name: points for name, points in curves.items() if name.endswith("loss")}
    others = [{name: points} for name, points in curves.items() if name not in losses]
    return [_chart(group) for group in (losses, *others) if group]


def _chart(curves: Mapping[str, list[tuple[int, float]]]) -> dict[str, Any]:
    width, height = 240.0, 90.0
    epochs = [epoch for points in curves.values() for epoch, _ in points]
    values = [value for points in curves.values() for _, value in points]
    first, last, low, high = min(epochs), max(epochs), min(values), max(values)

    def place(epoch: int, value: float) -> str:
        x = width * (epoch - first) / max(1, last - first)
        y = height * (high - value) / ((high - low) or 1.0)
        return f"{x:.1f},{y:.1f}"

    others = itertools.cycle(_COLOURS)
    colours = {name: _TRAIN if name.startswith("train") else next(others) for name in curves}
    return {
        "lines": [
            (name, colours[name], " ".join(place(*point) for point in points), points[-1][1])
            for name, points in curves.items()
        ],
        "low": f"{low:.4g}",
        "high": f"{high:.4g}",
        "first": first,
        "last": last,
        "width": width,
        "height": height,
    }
