"""How far a run is, how long the rest takes, and words for its jobs."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = {
    **{"train": 60.0, "train_tracer": 40.0, "explain": 60.0, "average_attributions": 30.0},
    **{"score_masked": 60.0, "score": 10.0, "generate_corpus": 20.0, "correlate_artefacts": 15.0},
}
"""What a job of a rule takes where nothing is known yet, from the mini study; others take 4 s."""

_OTHERS = 4.0
_EPOCH = re.compile(r"(?:stage (\d+), )?epoch (\d+) of (\d+)")
# No time left is told before so much of a run is done, or so many seconds have passed.
_LEAST_SHARE, _LEAST_SECONDS = 0.02, 20.0
# A job that runs has at least this part of its time so far before it.
_LEAST_LEFT = 0.1


class Job(NamedTuple):
    """A job that runs. words: its rule and what of; log: its log file, "" without one."""

    rule: str
    words: str
    log: str
    since: float


class Pace:
    """How much of a run is done, and how long the rest takes.

    A job counts by what jobs of its rule took: in this run, in earlier ones (their benchmarks), or
    what is typical.

    Args:
        earlier: rule to seconds of earlier jobs.
        clock: seconds.
    """

    def __init__(
        self, earlier: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._earlier = dict(earlier)
        self._clock = clock
        self._took: defaultdict[str, list[float]] = defaultdict(list)
        self.waiting: Counter[str] = Counter()
        self.running: dict[int, Job] = {}
        self.done = 0
        self.started = clock()
        self._reached = 0.0

    @property
    def total(self) -> int:
        """How many jobs the run has."""
        return self.done + len(self.running) + self.waiting.total()

    def plan(self, counts: Mapping[str, int]) -> None:
        """Learn how many jobs of each rule are to be done."""
        self.waiting = Counter(counts)
        self.started = self._clock()
        self._reached = 0.0

    def start(self, number: int, rule: str, words: str, log: str) -> None:
        """A job begins."""
        self.waiting -= Counter({rule: 1})
        self.running[number] = Job(rule, words, log, self._clock())

    def leave_out(self, rule: str) -> None:
        """A job that makes nothing, and so only names a target."""
        self.waiting -= Counter({rule: 1})

    def finish(self, number: int) -> tuple[Job, float] | None:
        """A job is done: which, and its seconds; None if it was none that counts."""
        job = self.running.pop(number, None)
        if job is None:
            return None
        seconds = self._clock() - job.since
        # Jobs that turn out longer than expected must not take back what was shown before.
        self._reached = self.share
        self._took[job.rule].append(seconds)
        self.done += 1
        return job, seconds

    def fail(self, number: int) -> Job | None:
        """A job has failed: which; None if it was none that counts."""
        return self.running.pop(number, None)

    def expected(self, rule: str) -> float:
        """Seconds that a job of a rule takes."""
        took = self._took[rule]
        if took:
            return sum(took) / len(took)
        return self._earlier.get(rule, SECONDS.get(rule, _OTHERS))

    def _work(self) -> tuple[float, float]:
        """Seconds of jobs that are done, and that are left."""
        now = self._clock()
        done = sum(sum(took) for took in self._took.values())
        left = sum(n * self.expected(rule) for rule, n in self.waiting.items())
        for job in self.running.values():
            spent = now - job.since
            done += spent
            # One that takes longer than expected takes as much longer again; none is nearly done.
            left += max(abs(self.expected(job.rule) - spent), _LEAST_LEFT * spent)
        return done, left

    @property
    def share(self) -> float:
        """How much of the work is done, in [0, 1]; it does not fall where the rest grows."""
        self._reached = max(self._reached, self._fraction())
        return self._reached

    def _fraction(self) -> float:
        done, left = self._work()
        return done / (done + left) if left else 1.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the pace so far; None where it is too early to say."""
        done, left = self._work()
        passed = self._clock() - self.started
        share = self._fraction()
        early = passed < _LEAST_SECONDS and share < 0.5
        if early or share < _LEAST_SHARE or not done:
            return None
        # Jobs beside each other do more than a second of work in a second.
        return left * passed / done


def words_of(rule: str, wildcards: Mapping[str, Any]) -> str:
    """A job in words: its rule, and of what, without the hash of a run."""
    parts = [rule.replace("_", " ")]
    for name, value in wildcards.items():
        text = str(value)
        if name in ("run", "system"):
            text = re.sub(r"-[0-9a-f]{8}$", "", text)
        elif name == "seed":
            text = f"seed {text}"
        parts.append(text)
    return " ".join(parts)


def duration(seconds: float) -> str:
    """A duration for people: 12 s, 3 min, 1 h 20 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def earlier_seconds(results: Path) -> dict[str, float]:
    """Rule to mean seconds of its jobs, by the benchmarks of all studies below a folder."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for folder in results.glob("*/benchmarks/*"):
        for path in folder.rglob("*.tsv"):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            try:
                took = float(lines[1].split("\t")[0])
            except (IndexError, ValueError):
                # Of a job that was killed: it says nothing about others.
                continue
            seconds[folder.name].append(took)
    return {rule: sum(took) / len(took) for rule, took in seconds.items()}


def epoch_of(log: str) -> str:
    """How far a training is, by the end of its log: "epoch 3 of 10"; "" where it says nothing."""
    try:
        with open(log, "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 2000))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    matches = _EPOCH.findall(text)
    if not matches:
        return ""
    stage, epoch, of = matches[-1]
    return f"epoch {epoch} of {of}" + (f" of stage {stage}" if stage not in ("", "1") else "")
