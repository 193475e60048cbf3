"""What people see of a run: how far it is, how long it takes, what runs now, what failed.

A logger plugin of Snakemake, which hands over its events as records of `logging`. Its own log file
has everything else.
"""

import logging
import math
import os
import re
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from spoofscope.files import LOGS_ARE_SHOWN, one_line
from spoofscope.pace import Pace, duration, earlier_seconds, epoch_of, words_of
from spoofscope.run_page import RunPage, tail_of

_RED, _PLAIN = "\x1b[31m", "\x1b[0m"
_EVERY = 1.0


class LogHandler(LogHandlerBase):
    """Prints a line per finished job and, in a terminal, one line that shows the run as it is."""

    def __post_init__(self) -> None:
        """Look at earlier runs; draw the line of a terminal every second."""
        self._stream: TextIO = sys.stdout if self.common_settings.stdout else sys.stderr
        self._terminal = self._stream.isatty()
        self._colours = self._terminal and not self.common_settings.nocolor
        self._pace = Pace(earlier_seconds(Path("results")))
        self._lock = threading.Lock()
        self._drawn = False
        self._ended = threading.Event()
        self._page: RunPage | None = None
        if self.common_settings.dryrun:
            return
        os.environ[LOGS_ARE_SHOWN] = "1"
        settings: Any = self.settings
        if settings is not None and settings.page is not None:
            self._page = RunPage(settings.page, self._say)
        if self._terminal:
            threading.Thread(target=self._draw_on, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record of Snakemake, or leave it to its log file."""
        try:
            if self.common_settings.dryrun:
                # A plan is read as it is.
                if text := self.format(record):
                    self._say(text)
                return
            with self._lock:
                self._show(record)
        except Exception:
            self.handleError(record)

    def _show(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        fields: Any = record.__dict__
        if event == LogEvent.RUN_INFO:
            counts = {rule: n for rule, n in fields["stats"].items() if rule != "total"}
            self._pace.plan(counts)
            self._note("plan", counts=counts)
            jobs = "1 job" if self._pace.total == 1 else f"{self._pace.total} jobs"
            self._say(f"{jobs} to do; Ctrl-C stops, and the next run goes on")
        elif event == LogEvent.JOB_INFO:
            log = fields["log"][0] if fields["log"] else ""
            words = words_of(fields["rule_name"], fields["wildcards"] or {})
            if fields["output"]:
                rule, output = fields["rule_name"], str(fields["output"][0])
                self._pace.start(fields["jobid"], rule, words, log)
                parts = {"rule": rule, "words": words, "log": str(log), "output": output}
                self._note("start", job=fields["jobid"], **parts)
            else:
                self._pace.leave_out(fields["rule_name"])
                self._note("leave out", rule=fields["rule_name"])
        elif event == LogEvent.JOB_FINISHED:
            self._note("finish", job=fields["job_id"])
            if finished := self._pace.finish(fields["job_id"]):
                job, seconds = finished
                self._say(f"{self._counts()}  {job.words}, {duration(seconds)}")
        elif event == LogEvent.JOB_ERROR:
            self._failed(fields)
        elif event is None and record.levelno >= logging.WARNING:
            self._say(record.getMessage())
            self._note("note", text=record.getMessage())
        elif event == LogEvent.ERROR:
            self._say(self._red(record.getMessage()))
            self._note("note", text=record.getMessage())
        elif event is None and re.match(r"Complete log|Nothing to be done", record.getMessage()):
            self._say(record.getMessage())

    def _failed(self, fields: Mapping[str, Any]) -> None:
        job = self._pace.fail(fields["jobid"])
        words = job.words if job else fields["rule_name"]
        self._say(self._red(f"failed: {words}"))
        paths = [Path(str(log).split(" ")[0]) for log in fields["log"]]
        tails = {str(path): tail_of(path) for path in paths if path.is_file()}
        for path, lines in tails.items():
            for line in lines:
                self._say(f"    {line}")
            self._say(f"  the whole log: {path}")
        ends = [line for lines in tails.values() for line in lines]
        self._note("fail", job=fields["jobid"], words=words, tail=ends, logs=list(tails))

    def _note(self, what: str, **parts: Any) -> None:
        if self._page is not None:
            self._page.record(what, **parts)

    def _red(self, text: str) -> str:
        return f"{_RED}{text}{_PLAIN}" if self._colours else text

    def _counts(self) -> str:
        pace = self._pace
        left = pace.seconds_left
        time_left = (
            f", {duration(left)} left" if left is not None and pace.done < pace.total else ""
        )
        digits = len(str(pace.total))
        share = math.floor(100 * pace.share)
        return f"[{pace.done:>{digits}} of {pace.total}, {share:>3} %{time_left}]"

    def _say(self, text: str) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._drawn = False
        self._stream.write(text + "\n")
        self._stream.flush()

    def _draw_on(self) -> None:
        while not self._ended.wait(_EVERY):
            with self._lock:
                if self._pace.total:
                    self._draw()

    def _draw(self) -> None:
        """The line at the bottom of a terminal."""
        now = []
        for job in self._pace.running.values():
            epoch = epoch_of(job.log) if job.rule.startswith("train") else ""
            now.append(job.words + (f" ({epoch})" if epoch else ""))
        line = one_line(f"{self._counts()}  now: {'; '.join(now) or '-'}")
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{line[:width]}")
        self._stream.flush()
        self._drawn = True

    def close(self) -> None:
        """End the line of the terminal, and the page."""
        self._ended.set()
        if self._page is not None:
            self._page.close()
            self._page = None
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """It prints in place of Snakemake's own handler."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """It does not."""
        return False

    @property
    def has_filter(self) -> bool:
        """It takes Snakemake's."""
        return False

    @property
    def has_formatter(self) -> bool:
        """It takes Snakemake's."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """It does not."""
        return False
