"""`spoofscope demo`: a page on which recordings are judged, for this machine only.

The page needs no network. It sends nothing anywhere, loads nothing from other hosts (a content
security policy forbids the browser to), and keeps uploads in a folder of its own, which is deleted
at the end.
"""

import itertools
import math
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from spoofscope import audio
from spoofscope.apps import views
from spoofscope.attribution.explain import ExplainOptions, explain_windows
from spoofscope.attribution.store import Explanation
from spoofscope.audio import Windows
from spoofscope.detector import Detector, Failure, Judgement
from spoofscope.errors import ConfigError, SpoofscopeError
from spoofscope.tables import write_table

LARGEST_UPLOAD = "200mb"
"""An hour of 16 kHz WAV is 115 MB."""

_SHOWN_SECONDS = 30.0
_EXPLAINED_WINDOWS = 8
# A page should answer in seconds; whether so few steps were enough is measured and said.
_OPTIONS = ExplainOptions(baseline="silence", steps=16, max_steps=128, internal_batch=4)

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_LOCAL = ("127.0.0.1", "localhost", "::1")


class Judge:
    """One detector behind the page. Its answers are HTML; what cannot be judged gets a sentence."""

    def __init__(self, folder: str | Path, downloads: Path) -> None:
        self.detector = Detector.load(folder)
        self._downloads = downloads
        self._numbers = itertools.count(1)
        # Networks and matplotlib serve one request at a time.
        self._busy = threading.Lock()

    def one(self, path: str | None, explain: bool) -> tuple[str, str, str, dict[str, Any] | None]:
        """Verdict, timeline and picture of a recording as HTML, and the judgement as JSON."""
        if path is None:
            return views.problem("Upload a recording or record one first."), "", "", None
        with self._busy:
            try:
                judgement = self._judged(path)
                verdict = views.verdict(judgement)
                timeline = views.timeline(judgement, self._window_seconds(), self._band())
                picture = self._picture(path, judgement, explain)
            except SpoofscopeError as error:
                return views.problem(_without_folders(str(error), path)), "", "", None
        return verdict, timeline, picture, dict(judgement)

    def several(self, paths: Sequence[str] | None) -> tuple[str, str | None]:
        """A table of several files as HTML, and the TSV file to download."""
        if not paths:
            return views.problem("Choose some files first."), None
        results: list[Judgement | Failure] = []
        with self._busy:
            for path in paths:
                try:
                    results.append(self._judged(path))
                except SpoofscopeError as error:
                    name = Path(path).name
                    results.append({"path": name, "error": _without_folders(str(error), path)})
        table = views.batch_table(results)
        # A folder per table: the file name is what the browser proposes to save it as.
        file = self._downloads / str(next(self._numbers)) / "judgements.tsv"
        file.parent.mkdir()
        write_table(file, table)
        return views.as_html(table), str(file)

    def _judged(self, path: str) -> Judgement:
        judgement = self.detector.predict(path)
        # Where an upload lies on this machine is nobody's business.
        judgement["path"] = Path(path).name
        return judgement

    def _window_seconds(self) -> float | None:
        policy = self.detector.policy
        return None if policy.length is None else policy.length / policy.sample_rate

    def _band(self) -> tuple[float, float] | None:
        """Scores between which the decision is inconclusive."""
        calibration, threshold = self.detector.calibration, self.detector.meta["threshold"]
        if calibration is None:
            return None if threshold is None else (threshold, threshold)
        prior = math.log(calibration["prior"] / (1 - calibration["prior"]))
        edges = []
        for posterior in (0.5 - calibration["band"], 0.5 + calibration["band"]):
            llr = math.log(posterior / (1 - posterior)) - prior
            edges.append((llr - calibration["offset"]) / calibration["scale"])
        return edges[0], edges[1]

    def _picture(self, path: str, judgement: Judgement, explain: bool) -> str:
        rate, duration = self.detector.policy.sample_rate, judgement["duration_s"]
        explanation, note = None, ""
        if explain:
            try:
                explanation, seconds = self._explanation(path)
                note = views.explanation_note(explanation, seconds, duration)
            except SpoofscopeError as error:
                note = f"No explanation: {error}."
        seconds = min(duration, _SHOWN_SECONDS)
        stored, stored_rate = next(audio.decode(path, _SHOWN_SECONDS))
        samples = audio.resample(stored, stored_rate, rate)
        if not explain:
            note = "" if seconds >= duration else f"The first {seconds:g} s are shown."
        return views.clip(samples, rate, explanation, note)

    def _explanation(self, path: str) -> tuple[Explanation, float]:
        """The first windows' explanation, and how many seconds of the clip they are."""
        policy = self.detector.policy
        first = list(itertools.islice(self.detector.windows(path), _EXPLAINED_WINDOWS))
        limit = _SHOWN_SECONDS * policy.sample_rate
        if policy.length is None and first[0].valid > limit:
            raise ConfigError(
                f"this detector takes whole recordings, and this one is longer than "
                f"{_SHOWN_SECONDS:g} s"
            )
        first = [window for window in first if window.start + window.valid <= limit] or first[:1]
        windows = Windows(
            np.stack([window.values for window in first]),
            np.array([window.start for window in first]),
            np.array([window.valid for window in first]),
        )
        explanation = explain_windows(self.detector, windows, _OPTIONS)
        return explanation, max(w.start + w.valid for w in first) / policy.sample_rate


def _without_folders(message: str, path: str) -> str:
    return message.replace(path, Path(path).name)


def build(judge: Judge, detector: str | Path, study: str | Path | None) -> Any:
    """The page: Gradio blocks.

    Raises:
        ConfigError: `study` holds no results.
    """
    performance = views.performance(study, detector)
    # Only now: it takes seconds, and a refusal should not.
    import gradio as gr

    with gr.Blocks(title="spoofscope", analytics_enabled=False) as page:
        gr.HTML(
            "<h1>spoofscope</h1><p>Is a recording bona fide speech or a deepfake? Audio stays on "
            "the machine where this page is served.</p>"
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
            judge_one = gr.Button("Judge", variant="primary", elem_id="judge")
            verdict = gr.HTML(elem_id="verdict")
            timeline = gr.HTML(elem_id="timeline")
            picture = gr.HTML(elem_id="picture")
            with gr.Accordion("All numbers", open=False):
                numbers = gr.JSON(show_label=False)
        with gr.Tab("Several files"):
            files = gr.File(file_count="multiple", label="Recordings", elem_id="files")
            judge_all = gr.Button("Judge all", variant="primary", elem_id="judge-all")
            table = gr.HTML(elem_id="table")
            download = gr.DownloadButton("Download as TSV", interactive=False, elem_id="download")
        with gr.Tab("Model card"):
            gr.HTML(views.card(detector), elem_id="card")
        with gr.Tab("Performance"):
            gr.HTML(performance, elem_id="performance")

        shown = [verdict, timeline, picture, numbers]
        judge_one.click(judge.one, [recording, explain], shown, api_name="judge")
        # What is on the page belongs to the recording that is chosen, not to the one before.
        recording.change(lambda: ("", "", "", None), None, shown, api_visibility="private")

        def several(paths: list[str] | None) -> tuple[str, Any]:
            html, file = judge.several(paths)
            return html, gr.DownloadButton(value=file, interactive=file is not None)

        judge_all.click(several, [files], [table, download], api_name="judge_several")
    return page


def serve(detector: str | Path, study: str | Path | None, host: str, port: int) -> None:
    """Serve the page until the process is interrupted.

    Args:
        detector: a detector's folder.
        study: the results of a study for the tab Performance, or None.
        host: address to listen on. Anybody who reaches it may use the page: there is no password.
        port: 0 takes any that is free.

    Raises:
        DetectorError: the detector cannot be loaded.
        ConfigError: `study` holds no results, or the address cannot be used.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with (
        closing(_listen(host, port)) as listener,
        tempfile.TemporaryDirectory(prefix="spoofscope-demo-") as folder,
    ):
        uploads, downloads = Path(folder) / "uploads", Path(folder) / "downloads"
        uploads.mkdir()
        downloads.mkdir()
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)
        judge = Judge(detector, downloads)
        app = _application(build(judge, detector, study), host, downloads)
        chosen = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        print(f"spoofscope demo: http://{shown}:{chosen} (end with Ctrl+C)", flush=True)
        _run(app, listener)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error}; choose another with --port"
        ) from error
    return listener


def _application(page: Any, host: str, downloads: Path) -> Any:
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if host in _LOCAL:
        # Otherwise any web page could reach this one through a name that resolves to this machine.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*_LOCAL, "[::1]"])

    @app.middleware("http")
    async def _protect(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    plain = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        allowed_paths=[str(downloads)],
        show_error=False,
        max_file_size=LARGEST_UPLOAD,
        ssr_mode=False,
        footer_links=[],
        enable_monitoring=False,
        theme=plain,
        css=views.CSS,
    )


def _run(app: Any, listener: socket.socket) -> None:
    import uvicorn

    # The server hands on the signal that ended it: as this one, so that uploads are deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
