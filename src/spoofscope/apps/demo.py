"""`spoofscope demo`: a page that judges recordings, for this machine only.

The page needs no network. It sends nothing to other hosts and loads nothing from them (a content
security policy forbids it to the browser). It keeps uploads in a folder of its own, which it
deletes at the end; the next start deletes the folder of a killed process.
"""

import datetime
import itertools
import os
import re
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spoofscope import audio
from spoofscope.apps import views
from spoofscope.apps.gate import LONGEST_TEXT, Gate, is_file_below
from spoofscope.apps.own_folder import end_on_signals, own_folder
from spoofscope.apps.serving import address, allowed_hosts, listen, run
from spoofscope.attribution.explain import explain_windows
from spoofscope.attribution.explain_recording import LONGEST_SECONDS as LONGEST_EXPLAINED
from spoofscope.attribution.store import Attributions, Explanation
from spoofscope.attribution.verdicts import Check, read_checks
from spoofscope.cases.case import make_case
from spoofscope.cases.content import in_short
from spoofscope.cases.scored_sets import Study, find_in, found_support, study_of
from spoofscope.cases.traced_sets import load_validated
from spoofscope.cases.windows import judged_windows, undecided_scores
from spoofscope.cases.writing import HTML, PDF, time_text, write_case
from spoofscope.detector import Detector
from spoofscope.errors import AudioError, ConfigError, SpoofscopeError, TableError
from spoofscope.files import atomic_folder, refusal, sha256_file, write_json
from spoofscope.judging import Failure, Judgement, failure
from spoofscope.names import BONAFIDE
from spoofscope.network import Network
from spoofscope.options.attribution import PATH_INTEGRAL, ExplainOptions
from spoofscope.tables import write_table
from spoofscope.tracing.enrolment import Enrolment
from spoofscope.tracing.judging import Neighbour, trace_recording
from spoofscope.tracing.references import enrol_recordings, read_calibration
from spoofscope.windows import Windows

LARGEST_UPLOAD = "200mb"
"""Ten minutes of stereo at 96 kHz and 24 bits are 330 MB, of usual speech files 20 MB."""

LONGEST_SECONDS = 600.0
"""Limit of a recording: a small file may hold hours, which would take much memory and time."""

_SHOWN_SECONDS = 30.0
# Further requests wait in a queue. The ones in work take turns.
_VISITORS_AT_ONCE = 8
_KEPT_SECONDS = 3600
_EXPLAINED_WINDOWS = 8
# Training clips are parts of the page, 320 kB each.
_PLAYED_SECONDS, _PLAYED_RATE = 10.0, 16000
# A page should answer in seconds; it measures whether so few steps were enough, and says so.
_OPTIONS = ExplainOptions(baseline="silence", steps=16, max_steps=128, internal_batch=4)

_START = "Show the passage from this second on"
_TABLE, _NUMBERS = "judgements.tsv", "judgements.json"

_NOTHING_CHOSEN = (
    "Upload a recording or record one first. A file whose name has no ending such as .wav can be "
    "judged in the tab Several files."
)


class Stopped(SpoofscopeError):
    """The visitor has cancelled the request."""


class Turns:
    """A lock for networks and matplotlib, which serve one request at a time.

    Requests get the lock in their order, and its holder can pass it on during its work, so that no
    request waits for the whole work of another.
    """

    def __init__(self) -> None:
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lock inside."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._waiting[0] is ticket)
        try:
            yield
        finally:
            with self._changed:
                self._waiting.popleft()
                self._changed.notify_all()

    def pass_on(self) -> None:
        """Give each waiting request a turn; only the holder may call this."""
        with self._changed:
            ticket = self._waiting[0]
            self._waiting.rotate(-1)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting[0] is ticket)


class Judge:
    """What is behind the page. Its answers are HTML, also for a file that it cannot judge.

    Attributes:
        run: the detector's in the study that was named; None where it is not of that study.

    Args:
        folder: the detector's.
        uploads: the folder of files to judge; other files are refused.
        downloads: the folder of tables to download.
        tracer: a tracer's folder, or None.
        study: the results of a study, or None. If the detector is one of the study's, also as a
            copy, they validate it and check its explanations.
        calibration: the file that turns cosines with enrolled attacks into likelihood ratios, see
            `tracing.references.read_calibration`; or None.
    """

    def __init__(
        self,
        folder: str | Path,
        uploads: Path,
        downloads: Path,
        tracer: str | Path | None = None,
        study: str | Path | None = None,
        calibration: str | Path | None = None,
    ) -> None:
        self.detector = Detector.load(folder)
        named = None if study is None else find_in(study, folder)
        self.run = None if named is None else named.run
        self._study = None if named is None else named.folder
        self._folder = Path(folder)
        home = named or study_of(folder, None)
        self._home = None if home is None else home.folder
        support = found_support(home, self.detector.calibration)
        self.detector.support = support._replace(missing=self._without_folder(support.missing))
        self._checks = None if home is None else _checks_of(home)
        self.tracer = None if tracer is None else load_validated(tracer, study)
        self._calibration = None
        if calibration is not None:
            if self.tracer is None:
                raise ConfigError("--calibration is of a tracer; add --tracer")
            self._calibration = read_calibration(calibration, self.tracer)
        self._uploads = uploads
        self._downloads = downloads
        self._numbers = itertools.count(1)
        self._turns = Turns()
        # Whether a request was cancelled: the request of each visitor, and the one of a thread.
        self._asked: defaultdict[str, list[threading.Event]] = defaultdict(list)
        self._own = threading.local()
        networks: list[Network] = [self.detector]
        if self.tracer is not None:
            networks.append(self.tracer.network)
        for network in networks:
            for part in (network.frontend, network.backend):
                part.register_forward_pre_hook(lambda *_: self._between_passes())

    def one(
        self, path: str | None, explain: bool, start: float | None, visitor: str
    ) -> tuple[str, str, str, dict[str, Any] | None]:
        """Verdict, timeline and picture of a recording as HTML, and the judgement as JSON.

        Args:
            path: of the recording.
            explain: whether to explain the passage.
            start: where the passage that is shown begins, in seconds; None is the start.
            visitor: who asks.
        """
        if path is None:
            return views.problem(_NOTHING_CHOSEN), "", "", None
        try:
            with self._work(visitor), self._turns.turn():
                judgement = self._judged(path)
                origin = _origin(path)
                verdict = views.verdict(judgement, origin)
                timeline = views.timeline(
                    judgement,
                    judged_windows(self.detector, judgement),
                    undecided_scores(self.detector),
                    self._sound(path),
                )
                picture, explanation = self._picture(path, judgement, explain, start or 0.0)
        except (SpoofscopeError, OSError) as error:
            return views.problem(self._told(error, path)), "", "", None
        return verdict, timeline, picture, {**judgement, **origin, "explanation": explanation}

    def report(
        self,
        path: str | None,
        question: str | None,
        condition: str | None,
        start: float | None,
        visitor: str,
    ) -> tuple[str, str | None, str | None]:
        """The report of a case, see `cases`: its result as HTML, and its files HTML and PDF.

        Args:
            path: of the recording.
            question: what was asked.
            condition: of the trials that validate, one a line.
            start: where the passage begins that is explained of a long recording, in seconds. If it
                has none there, the report is made without an explanation, and the page says so.
            visitor: who asks.
        """
        if path is None:
            return views.problem(_NOTHING_CHOSEN), None, None
        made = datetime.datetime.now(datetime.UTC)
        try:
            with self._work(visitor), self._turns.turn():
                passage, note, begin = None, "", start or 0.0
                seconds = self._check_upload(path)
                if seconds > LONGEST_EXPLAINED and self.detector.policy.length is not None:
                    note = _no_passage(seconds, begin)
                    passage = None if note else (begin, begin + _SHOWN_SECONDS)
                case = make_case(
                    self.detector,
                    self._folder,
                    path,
                    question or "",
                    study=self._study,
                    conditions=_lines(condition or ""),
                    tracer=self.tracer,
                    passage=passage,
                    made=time_text(made),
                )
                folder = self._downloads / str(next(self._numbers))
                with atomic_folder(folder) as temporary:
                    write_case(case, temporary, made)
        except (SpoofscopeError, OSError) as error:
            return views.problem(self._told(error, path)), None, None
        return views.report(in_short(case), note), str(folder / HTML), str(folder / PDF)

    def several(
        self, paths: Sequence[str] | None, visitor: str
    ) -> tuple[str, str | None, str | None]:
        """A table of several files as HTML, and the files to download: TSV and JSON."""
        if not paths:
            return views.problem("Choose some files first."), None, None
        results: list[Judgement | Failure] = []
        origins: list[dict[str, str]] = []
        with self._work(visitor):
            for path in paths:
                try:
                    with self._turns.turn():
                        results.append(self._judged(path))
                        origins.append(_origin(path))
                except Stopped as stopped:
                    return views.problem(str(stopped)), None, None
                except (SpoofscopeError, OSError) as error:
                    told = self._told(error, path)
                    results.append(failure(self.detector, Path(path).name, told))
                    is_upload = is_file_below(path, self._uploads)
                    origins.append(_origin(path) if is_upload else {"sha256": "", "time": ""})
        table = views.batch_table(results, origins)
        numbers = [{**result, **origin} for result, origin in zip(results, origins, strict=True)]
        html = views.batch_html(results, origins, self.detector.support)
        # A folder per table: the file name is what the browser proposes to save it as.
        folder = self._downloads / str(next(self._numbers))
        try:
            with atomic_folder(folder) as temporary:
                write_table(temporary / _TABLE, table)
                write_json(temporary / _NUMBERS, numbers)
        except (SpoofscopeError, OSError) as error:
            return f"{views.problem(self._told(error))}{html}", None, None
        return html, str(folder / _TABLE), str(folder / _NUMBERS)

    def trace(
        self,
        path: str | None,
        detector_first: bool,
        name: str | None,
        references: Sequence[str] | None,
        visitor: str,
    ) -> tuple[str, dict[str, Any] | None]:
        """Which attack made a recording, as HTML, and the trace as JSON.

        Args:
            path: of the recording.
            detector_first: whether the detector decides first if it is bona fide.
            name: of an attack that the tracer does not know, which `references` enrol.
            references: recordings of that attack.
            visitor: who asks.
        """
        if self.tracer is None:
            return views.problem("Started without --tracer: there is nothing to trace by."), None
        if path is None:
            return views.problem(_NOTHING_CHOSEN), None
        try:
            with self._work(visitor), self._turns.turn():
                self._check_upload(path)
                enrolment = self._enrolled(name, references)
                trace = trace_recording(
                    self.tracer,
                    path,
                    enrolment=enrolment,
                    detector=self.detector if detector_first else None,
                )
                clips = [_player(clip) for clip in trace["nearest"]]
                origin = _origin(path)
        except (SpoofscopeError, OSError) as error:
            return views.problem(self._told(error, path, *references or ())), None
        # Messages must not show where files lie on this machine.
        trace["path"] = Path(path).name
        for clip in trace["nearest"]:
            clip["path"] = None if clip["path"] is None else Path(clip["path"]).name
        return views.origin(trace, clips, origin), {**trace, **origin}

    def _enrolled(self, name: str | None, references: Sequence[str] | None) -> Enrolment | None:
        """The attack that a visitor enrols, or None."""
        name = (name or "").strip()
        if not references and not name:
            return None
        if self.tracer is None or not references or not name:
            raise TableError(
                "an attack is enrolled by its name and by recordings of it; give both, or neither"
            )
        for reference in references:
            self._check_upload(reference)
        return enrol_recordings(self.tracer, {name: list(references)}, self._calibration)

    def stop(self, visitor: str) -> None:
        """Cancel the visitor's request."""
        for given_up in self._asked.get(visitor, ()):
            given_up.set()

    @contextmanager
    def _work(self, visitor: str) -> Iterator[None]:
        self._own.given_up = given_up = threading.Event()
        self._asked[visitor].append(given_up)
        try:
            yield
        finally:
            self._asked[visitor].remove(given_up)

    def _between_passes(self) -> None:
        """Called before every pass through a network; minutes of work consist of many passes."""
        self._turns.pass_on()
        self._check_wanted()

    def _check_wanted(self) -> None:
        if self._own.given_up.is_set():
            raise Stopped("Stopped.")

    def _judged(self, path: str) -> Judgement:
        self._check_upload(path)
        judgement = self.detector.predict(path)
        # Messages must not show where an upload lies on this machine.
        judgement["path"] = Path(path).name
        return judgement

    def _told(self, error: SpoofscopeError | OSError, *paths: str) -> str:
        """What went wrong, without where the files are on this machine."""
        message = str(error)
        if isinstance(error, OSError):
            # Without its file, which is no affair of a visitor.
            message = f"The server failed: {refusal(OSError(*error.args))}"
        message = re.sub(rf"{re.escape(str(self._downloads))}/\S*/", "", message)
        message = self._without_folder(message)
        for path in paths:
            message = message.replace(path, Path(path).name)
        return message

    def _without_folder(self, message: str) -> str:
        """A message about files of the detector's study, without where that lies."""
        return message if self._home is None else message.replace(f"{self._home}/", "")

    def _check_upload(self, path: str) -> float:
        """Refuse what is no upload or no recording; how long it lasts, in seconds."""
        self._check_wanted()
        seconds = 0.0
        if not is_file_below(path, self._uploads):
            raise AudioError(f"{path} is no file that this page has received; upload it again")
        # Nothing is kept here, while a detector may take whole recordings.
        for samples, rate in audio.decode(path, longest=LONGEST_SECONDS):
            seconds += samples.size / rate
            self._check_wanted()
        return seconds

    def _sound(self, path: str) -> bytes:
        """The whole recording as a FLAC file, at the detector's rate."""
        rate = self.detector.policy.sample_rate
        decoded = audio.decode(path, longest=LONGEST_SECONDS)
        first, stored_rate = next(decoded)

        def stored() -> Iterator[npt.NDArray[np.float32]]:
            yield first
            for samples, _ in decoded:
                self._between_passes()
                yield samples

        parts = list(audio.resample_blocks(stored(), stored_rate, rate))
        return views.flac(np.concatenate(parts), rate)

    def _passage(self, path: str, start: float) -> tuple[npt.NDArray[np.float32], int]:
        """Samples (n,) of the passage that is shown, n may be 0, and their rate in Hz."""
        rate = self.detector.policy.sample_rate
        parts = []
        skipped = 0
        for stored, stored_rate in audio.decode(path, _SHOWN_SECONDS, longest=LONGEST_SECONDS):
            first = max(0, round(start * stored_rate) - skipped)
            skipped += stored.size
            parts.append(stored[first:])
            if sum(part.size for part in parts) >= _SHOWN_SECONDS * stored_rate:
                break
        samples = np.concatenate(parts)[: round(_SHOWN_SECONDS * stored_rate)]
        return audio.resample(samples, stored_rate, rate) if samples.size else samples, rate

    def _picture(
        self, path: str, judgement: Judgement, explain: bool, start: float
    ) -> tuple[str, dict[str, Any] | None]:
        """The picture as HTML, or why there is none, and how far its explanation can be trusted;
        None without one."""
        duration = judgement["duration_s"]
        if wrong := _no_passage(duration, start):
            return views.problem(wrong), None
        explanation, note, trust = None, "", None
        if explain:
            try:
                explanation, start, end = self._explanation(path, start)
                checks, baseline = self._checks or (None, None)
                passage = (start, end)
                note = views.explanation_note(explanation, passage, judgement, checks, baseline)
                trust = {
                    **views.explanation_numbers(explanation, checks, baseline),
                    "from_s": start,
                    "to_s": end,
                }
            except Stopped:
                raise
            except SpoofscopeError as error:
                note = f"No explanation: {error}."
        samples, rate = self._passage(path, start)
        if not explain:
            end = min(duration, start + _SHOWN_SECONDS)
            whole = start == 0 and end >= duration
            note = "" if whole else f"Shown are {start:.2f} to {end:.2f} s."
        return views.clip(samples, rate, explanation, note, start), trust

    def _explanation(self, path: str, start: float) -> tuple[Explanation, float, float]:
        """The explanation of the windows from a time on, and from when to when they are, in
        seconds; its times begin with them."""
        policy = self.detector.policy
        earliest = start * policy.sample_rate
        later = (w for w in self.detector.windows(path) if w.start + w.valid > earliest)
        first = list(itertools.islice(later, _EXPLAINED_WINDOWS))
        if not first:
            raise ConfigError(f"this detector hears nothing of the recording from {start:g} s on")
        offset = first[0].start
        limit = offset + _SHOWN_SECONDS * policy.sample_rate
        if policy.length is None and first[0].valid > limit:
            raise ConfigError(
                f"this detector takes whole recordings, and this one is longer than "
                f"{_SHOWN_SECONDS:g} s"
            )
        first = [window for window in first if window.start + window.valid <= limit] or first[:1]
        windows = Windows(
            np.stack([window.values for window in first]),
            np.array([window.start - offset for window in first]),
            np.array([window.valid for window in first]),
        )
        explanation = explain_windows(self.detector, windows, _OPTIONS)
        end = max(w.start + w.valid for w in first)
        return explanation, offset / policy.sample_rate, end / policy.sample_rate


def _checks_of(home: Study) -> tuple[list[Check], str] | None:
    """How a study has checked Integrated Gradients of a detector of its own, and their baseline;
    None if it has not.
    """
    for table in sorted(home.folder.glob(f"attributions/{home.run}/seed{home.seed}/*.checks.tsv")):
        explained = table.with_name(f"{table.name.removesuffix('.checks.tsv')}.safetensors")
        settings = Attributions(explained).settings
        if (settings.method, settings.wrt) == (PATH_INTEGRAL, _OPTIONS.wrt):
            return read_checks(str(table)), settings.baseline
    return None


def _no_passage(duration: float, start: float) -> str:
    """Why no passage of a recording begins there, in seconds both; empty where one does."""
    if 0 <= start < duration:
        return ""
    return (
        f"The recording lasts {duration:.2f} s, so no passage of it begins at {start:g} s. Change "
        f"“{_START}” and ask again; everything else stays as it is."
    )


def _lines(text: str) -> list[str]:
    """The lines of a text that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _origin(path: str) -> dict[str, str]:
    """What was judged, and when: SHA-256 and time."""
    now = time_text(datetime.datetime.now(datetime.UTC))
    return {"sha256": sha256_file(path), "time": str(now)}


def _player(clip: Neighbour) -> bytes | None:
    """The start of a training clip as a WAV file, None where it cannot be read."""
    if clip["path"] is None:
        return None
    try:
        samples, rate = audio.read_start(clip["path"], _PLAYED_SECONDS)
    except SpoofscopeError:
        return None
    return views.wav(audio.resample(samples, rate, _PLAYED_RATE), _PLAYED_RATE)


def build(judge: Judge, detector: str | Path, study: str | Path | None) -> Any:
    """The page: Gradio blocks.

    Raises:
        ConfigError: `study` holds no results.
    """
    performance = views.performance(study, judge.run)
    # Imported here, because the import takes seconds, and a refusal should not.
    import gradio as gr

    keep = (_KEPT_SECONDS // 6, _KEPT_SECONDS)
    with gr.Blocks(title="spoofscope", analytics_enabled=False, delete_cache=keep) as page:
        gr.HTML(
            "<h1>spoofscope</h1><p>Is a recording bona fide speech or a deepfake? Audio stays on "
            "the machine where this page is served. A recording may last "
            f"{LONGEST_SECONDS / 60:g} minutes.</p>"
        )
        with gr.Tab("One recording"):
            recording = gr.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                label="Recording",
                editable=False,
                # The other button would send the recording to a public web site.
                buttons=["download"],
                elem_id="recording",
            )
            explain = gr.Checkbox(
                value=True, label="Show which parts speak for which class (takes longer)"
            )
            start = gr.Number(value=0, minimum=0, label=_START, elem_id="start")
            with gr.Row():
                judge_one = gr.Button("Judge", variant="primary", elem_id="judge")
                stop_one = gr.Button("Stop", elem_id="stop")
            verdict = gr.HTML(elem_id="verdict")
            timeline = gr.HTML(elem_id="timeline")
            picture = gr.HTML(elem_id="picture")
            with gr.Accordion("All numbers", open=False):
                numbers = gr.JSON(show_label=False)
            with gr.Accordion("Case report", open=False, elem_id="case"):
                question = gr.Textbox(
                    label="What was asked", max_length=LONGEST_TEXT, elem_id="question"
                )
                condition = gr.Textbox(
                    label="Validate on these trials alone: conditions such as codec=opus, one a "
                    "line (empty: on all)",
                    lines=2,
                    max_length=LONGEST_TEXT,
                    elem_id="condition",
                )
                with gr.Row():
                    make_report = gr.Button("Make the report", elem_id="report")
                    stop_report = gr.Button("Stop", elem_id="stop-report")
                reported = gr.HTML(elem_id="reported")
                with gr.Row():
                    page_file = gr.DownloadButton(
                        "Download as HTML", interactive=False, elem_id="case-html"
                    )
                    pdf_file = gr.DownloadButton(
                        "Download as PDF", interactive=False, elem_id="case-pdf"
                    )
        with gr.Tab("Several files"):
            files = gr.File(file_count="multiple", label="Recordings", elem_id="files")
            with gr.Row():
                judge_all = gr.Button("Judge all", variant="primary", elem_id="judge-all")
                stop_all = gr.Button("Stop", elem_id="stop-all")
            table = gr.HTML(elem_id="table")
            with gr.Row():
                download = gr.DownloadButton(
                    "Download as TSV", interactive=False, elem_id="download"
                )
                download_json = gr.DownloadButton(
                    "Download as JSON", interactive=False, elem_id="download-json"
                )
        if judge.tracer is not None:
            with gr.Tab("Trace"):
                traced = gr.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label="Recording",
                    editable=False,
                    buttons=["download"],
                    elem_id="traced",
                )
                detector_first = gr.Checkbox(
                    value=BONAFIDE not in judge.tracer.fitted.classes,
                    label="The detector decides first whether the recording is bona fide",
                    elem_id="detector-first",
                )
                with gr.Accordion("A system that the tracer does not know", open=False):
                    name = gr.Textbox(
                        label="Its name", max_length=LONGEST_TEXT, elem_id="enrolled-name"
                    )
                    references = gr.File(
                        file_count="multiple", label="Recordings of it", elem_id="references"
                    )
                with gr.Row():
                    trace_one = gr.Button("Trace", variant="primary", elem_id="trace")
                    stop_trace = gr.Button("Stop", elem_id="stop-trace")
                origin = gr.HTML(elem_id="origin")
                with gr.Accordion("All numbers", open=False):
                    origin_numbers = gr.JSON(show_label=False)
        with gr.Tab("Model card"):
            gr.HTML(views.card(detector), elem_id="card")
        with gr.Tab("Performance"):
            gr.HTML(performance, elem_id="performance")

        shown = [verdict, timeline, picture, numbers]

        def one(path: str | None, explain: bool, start: float | None, request: gr.Request) -> Any:
            return judge.one(path, explain, start, str(request.session_hash))

        def offered(file: str | None) -> Any:
            return gr.DownloadButton(value=file, interactive=file is not None)

        def report(
            path: str | None,
            question: str | None,
            condition: str | None,
            start: float | None,
            request: gr.Request,
        ) -> tuple[str, Any, Any]:
            html, *made = judge.report(path, question, condition, start, str(request.session_hash))
            return html, offered(made[0]), offered(made[1])

        def several(paths: list[str] | None, request: gr.Request) -> tuple[str, Any, Any]:
            html, *made = judge.several(paths, str(request.session_hash))
            return html, offered(made[0]), offered(made[1])

        def trace(
            path: str | None,
            detector_first: bool,
            name: str | None,
            references: list[str] | None,
            request: gr.Request,
        ) -> Any:
            visitor = str(request.session_hash)
            return judge.trace(path, detector_first, name, references, visitor)

        def leave(request: gr.Request) -> None:
            judge.stop(str(request.session_hash))

        def stop(request: gr.Request) -> str:
            leave(request)
            return views.problem("Stopped.")

        judging_one = judge_one.click(one, [recording, explain, start], shown, api_name="judge")
        of_several = [table, download, download_json]
        judging_all = judge_all.click(several, files, of_several, api_name="judge_several")
        reporting = make_report.click(
            report,
            [recording, question, condition, start],
            [reported, page_file, pdf_file],
            api_name="report",
        )
        # Gradio drops the event, but does not end the thread that works on it.
        at_once: dict[str, Any] = {"concurrency_limit": None, "api_visibility": "private"}
        stop_one.click(stop, None, verdict, cancels=judging_one, **at_once)
        stop_all.click(stop, None, table, cancels=judging_all, **at_once)
        stop_report.click(stop, None, reported, cancels=reporting, **at_once)
        if judge.tracer is not None:
            of_trace = [origin, origin_numbers]
            asked = [traced, detector_first, name, references]
            tracing = trace_one.click(trace, asked, of_trace, api_name="trace")
            stop_trace.click(stop, None, origin, cancels=tracing, **at_once)
            traced.change(None, None, of_trace, js="() => ['', null]", api_visibility="private")
        page.unload(leave)
        # What is on the page belongs to the recording that is chosen, not to the one before. The
        # browser clears it by itself: a busy server would do it after the next answer.
        clear = "() => ['', '', '', null, '', null, null]"
        of_recording = [*shown, reported, page_file, pdf_file]
        recording.change(None, None, of_recording, js=clear, api_visibility="private")
    page.queue(default_concurrency_limit=_VISITORS_AT_ONCE)
    # What `launch` would say; before that, Gradio takes any path for one of the page's own.
    page.has_launched = True
    return page


def serve(
    detector: str | Path,
    study: str | Path | None,
    host: str,
    port: int,
    tracer: str | Path | None = None,
    calibration: str | Path | None = None,
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        detector: a detector's folder.
        study: the results of a study for the tab Performance, or None.
        host: address to listen on. Anybody who reaches it may use the page: there is no password.
        port: 0 takes any that is free.
        tracer: a tracer's folder for the tab Trace, or None.
        calibration: of cosines with enrolled attacks, or None.

    Raises:
        DetectorError: the detector or the tracer cannot be loaded.
        ConfigError: `study` holds no results, or the address cannot be used.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    end_on_signals()
    with (
        suppress(KeyboardInterrupt),
        closing(listen(host, port)) as listener,
        own_folder() as folder,
    ):
        uploads, downloads = folder / "uploads", folder / "downloads"
        uploads.mkdir()
        downloads.mkdir()
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)
        judge = Judge(detector, uploads, downloads, tracer, study, calibration)
        app = application(build(judge, detector, study), host, uploads, downloads)
        print(f"spoofscope demo: {address(host, listener)} (end with Ctrl+C)", flush=True)
        run(app, listener)


def _inputs(page: Any) -> dict[int, list[str]]:
    """The components that each function of the page reads, by the function's number."""
    return {
        number: [component.get_block_name() for component in function.inputs]
        for number, function in page.fns.items()
    }


def application(page: Any, host: str, uploads: Path, downloads: Path) -> Any:
    """The page as an ASGI application, with the gate in front of it.

    Args:
        page: of :func:`build`.
        host: address that it will be served at.
        uploads: folder of files that the page receives; GRADIO_TEMP_DIR names it, too.
        downloads: folder of files that the page offers.
    """
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Gate, uploads=uploads, downloads=downloads, inputs=_inputs(page))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(host))
    plain = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        allowed_paths=[str(downloads)],
        run_history=False,
        show_error=False,
        max_file_size=LARGEST_UPLOAD,
        ssr_mode=False,
        footer_links=[],
        enable_monitoring=False,
        theme=plain,
        css=views.CSS,
    )
