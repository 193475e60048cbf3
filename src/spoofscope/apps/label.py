"""`spoofscope label`: a page on which people say what they hear where detectors hear something.

The page needs no network, and shows by default nothing that could lead an annotator: neither what a
clip is, nor what detectors say of it, nor which detector an explanation is of, nor whether its
evidence is for or against. Clips, and the explanations of a clip, are in an order of their own for
each annotator. Every change is saved at once, see `labelling.store`.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spoofscope.apps.own_folder import end_on_signals
from spoofscope.apps.refusals import Refused, body_length, check_origin
from spoofscope.apps.serving import address, allowed_hosts, listen, run
from spoofscope.errors import ConfigError
from spoofscope.labelling.pack import Pack, PackedClip
from spoofscope.labelling.questions import (
    CUES,
    DONE,
    NO_DETECTOR,
    AnswerError,
    checked_answer,
    checked_name,
    lacking,
)
from spoofscope.labelling.store import LABELS, Conflict, Store, StoreFullError

LARGEST_BODY = 1 << 18
"""Bytes of a request: a hundred regions, or the longest comment, are a tenth of it."""

_PAGE = Path(__file__).parent / "label_page"
_MOST_LEVELS = 60
_LONGEST_SECONDS = 3600.0
_POLICY = (
    "default-src 'self'; script-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


class Answered(BaseModel):
    """An answer as the page sends it.

    explanation: its place among those of the clip, for this annotator; None: about the clip. base:
    the revision that it replaces. seconds: of work since the last answer.
    """

    explanation: int | None
    field: str
    value: Any
    base: int = Field(ge=0, le=2**53)
    seconds: float = Field(ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)


class Named(BaseModel):
    """The name of a new annotator."""

    name: str


class Desk:
    """What is behind the page.

    Args:
        pack: the clips.
        store: the answers.
        blind: whether to hide what could lead an annotator.
    """

    def __init__(self, pack: Pack, store: Store, blind: bool) -> None:
        self.pack = pack
        self.store = store
        self.blind = blind
        self._order = cache(self._shuffled_clips)

    def study(self) -> dict[str, Any]:
        """What the page asks first."""
        # Of packs that are labelled in one browser, answers must not be mixed.
        head = f"{self.pack.study} {self.pack.seed} {' '.join(self.pack.clips)}"
        return {
            "study": self.pack.study,
            "pack": hashlib.sha256(head.encode()).hexdigest()[:16],
            "clips": len(self.pack.clips),
            "explanations": len(self.pack.detectors),
            "blind": self.blind,
            "cues": [{"name": name, "words": words} for name, words in CUES.items()],
            "annotators": self.store.annotators(),
        }

    def add_annotator(self, name: str) -> dict[str, Any]:
        """Add an annotator; one that is there is taken."""
        name = checked_name(name)
        return {"name": name, "new": self.store.add_annotator(name)}

    def clips(self, annotator: str) -> dict[str, Any]:
        """The clips in the annotator's order, with their states and the categories to jump to."""
        self._check(annotator)
        order = self._order(annotator)
        states = self.store.states(annotator)
        return {
            "clips": [[key, states.get(self.pack.clips[key].utt_id, "")] for key in order],
            "categories": [] if self.blind else self._categories(order),
        }

    def clip(self, annotator: str, key: str) -> dict[str, Any]:
        """A clip with its explanations and the annotator's answers."""
        self._check(annotator)
        clip = self._clip(key)
        detectors = self._detectors(annotator, key)
        places = {name: str(place) for place, name in enumerate(detectors)}
        answers: dict[str, dict[str, Any]] = {}
        for answer in self.store.answers(annotator, clip.utt_id):
            place = places.get(answer.detector, "clip")
            if answer.detector in (*detectors, NO_DETECTOR):
                saved = {"value": answer.value, "revision": answer.revision}
                answers.setdefault(place, {})[answer.field] = saved
        return {
            "key": key,
            "duration": clip.duration,
            "sample_rate": clip.sample_rate,
            "about": None if self.blind else {"utt_id": clip.utt_id, **clip.about},
            "explanations": [
                self._explanation(clip, name, place) for place, name in enumerate(detectors)
            ],
            "answers": answers,
        }

    def save(self, annotator: str, key: str, answered: Answered) -> dict[str, Any]:
        """Save an answer.

        Raises:
            Conflict: there is another than the page knows.
            AnswerError: it is none, or the clip cannot be done.
        """
        self._check(annotator)
        clip = self._clip(key)
        detectors = self._detectors(annotator, key)
        detector = NO_DETECTOR
        if answered.explanation is not None:
            if not 0 <= answered.explanation < len(detectors):
                raise AnswerError("the clip has no such explanation")
            detector = detectors[answered.explanation]
        value = checked_answer(detector, answered.field, answered.value, clip.duration)
        if (answered.field, value) == ("state", DONE):
            there = self.store.answers(annotator, clip.utt_id)
            missing = lacking({(a.detector, a.field): a.value for a in there}, detectors)
            if missing:
                raise AnswerError(f"not answered yet: {', '.join(missing)}")
        revision = self.store.save(
            (annotator, clip.utt_id, detector, answered.field),
            value,
            answered.base,
            seconds=answered.seconds,
            blind=self.blind,
            evidence="" if detector == NO_DETECTOR else self.pack.digest(key, detector),
        )
        return {"revision": revision, "value": value}

    def audio(self, key: str) -> Path:
        """The audio of a clip."""
        self._clip(key)
        return self.pack.audio(key)

    def _check(self, annotator: str) -> None:
        if annotator not in self.store.annotators():
            raise Refused(404, "there is no such annotator")

    def _clip(self, key: str) -> PackedClip:
        if key not in self.pack.clips:
            raise Refused(404, "there is no such clip")
        return self.pack.clips[key]

    def _shuffled_clips(self, annotator: str) -> list[str]:
        return _shuffled(list(self.pack.clips), str(self.pack.seed), annotator)

    def _detectors(self, annotator: str, key: str) -> list[str]:
        if not self.blind:
            return self.pack.names
        return _shuffled(self.pack.names, str(self.pack.seed), annotator, key)

    def _categories(self, order: Sequence[str]) -> list[dict[str, Any]]:
        """Columns of few levels, with the places of the clips of each level."""
        levels: dict[str, dict[str, list[int]]] = {}
        for place, key in enumerate(order):
            for column, level in self.pack.clips[key].about.items():
                levels.setdefault(column, {}).setdefault(level, []).append(place)
        return [
            {"name": f"{column}: {level}", "places": places}
            for column, of_column in levels.items()
            if 1 < len(of_column) <= _MOST_LEVELS
            for level, places in sorted(of_column.items())
        ]

    def _explanation(self, clip: PackedClip, name: str, place: int) -> dict[str, Any]:
        detector = next(d for d in self.pack.detectors if d.name == name)
        values = self.pack.evidence(clip.key, name).astype(np.float64)
        seen = values[np.isfinite(values)]
        largest = float(np.max(np.abs(seen))) if seen.size else 0.0
        if self.blind:
            # Neither the class that the evidence is for, nor how sure the detector is.
            values = np.abs(values) / largest if largest else np.abs(values)
        shown: dict[str, Any] = {
            "title": f"Explanation {place + 1}",
            "hop": detector.hop_seconds,
            "centre": detector.first_centre_seconds,
            "values": [float(f"{v:.4g}") if math.isfinite(v) else None for v in values],
        }
        if self.blind:
            return shown
        outcome = None
        if detector.threshold is not None and clip.about.get("label") in ("bonafide", "spoof"):
            called = "bonafide" if clip.scores[name] >= detector.threshold else "spoof"
            outcome = "right" if called == clip.about["label"] else "wrong"
        return {
            **shown,
            "title": name,
            "method": detector.method,
            "score": clip.scores[name],
            "outcome": outcome,
        }


def _shuffled(names: Sequence[str], *parts: str) -> list[str]:
    """Names in an order that the parts decide."""
    head = "\n".join(("order of labelling", *parts))

    def place(name: str) -> bytes:
        return hashlib.sha256(f"{head}\n{name}".encode()).digest()

    return sorted(names, key=place)


class Door:
    """ASGI middleware: requests of other pages, and large ones, go no further."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                # Another pack may be served at this address tomorrow.
                headers["Cache-Control"] = "no-cache"
            await send(message)

        try:
            if scope["method"] not in ("GET", "HEAD"):
                headers = Headers(scope=scope)
                check_origin(headers)
                if body_length(headers) > LARGEST_BODY:
                    raise Refused(413, "the request is too large")
        except Refused as refusal:
            answer = PlainTextResponse(f"{refusal}\n", refusal.status, {"Connection": "close"})
            await answer(scope, receive, send_protected)
            return
        await self._app(scope, receive, send_protected)


def application(desk: Desk, host: str) -> Any:
    """The page as an ASGI application.

    Args:
        desk: what is behind it.
        host: address that it will be served at.
    """
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.staticfiles import StaticFiles

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Door)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(host))
    person = "/api/annotators/{annotator}"

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(_PAGE / "index.html")

    app.get("/api/study")(desk.study)

    @app.post("/api/annotators")
    def add_annotator(named: Named) -> dict[str, Any]:
        return desk.add_annotator(named.name)

    app.get(person + "/clips")(desk.clips)
    app.get(person + "/clips/{key}")(desk.clip)
    app.put(person + "/clips/{key}/answers")(desk.save)

    @app.get("/audio/{key}")
    def audio(key: str) -> FileResponse:
        return FileResponse(desk.audio(key), media_type="audio/wav")

    app.mount("/page", StaticFiles(directory=_PAGE))
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(RequestValidationError, _no_request)
    return app


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse({"message": str(error)}, error.status)


def _conflict(request: Request, error: Exception) -> Response:
    assert isinstance(error, Conflict)
    current = error.current
    there = {
        "value": None if current is None else current.value,
        "revision": 0 if current is None else current.revision,
    }
    return JSONResponse({"message": str(error), "current": there}, 409)


def _no_answer(request: Request, error: Exception) -> Response:
    return JSONResponse({"message": str(error)}, 422)


def _no_request(request: Request, error: Exception) -> Response:
    # What was sent may hold what JSON cannot.
    return JSONResponse({"message": "the request is not as the page makes it"}, 422)


def _full(request: Request, error: Exception) -> Response:
    # Not where the file lies on this machine.
    message = "the disk of the server is full; nothing was changed. Make room there"
    return JSONResponse({"message": message}, 507)


_ANSWERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    Refused: _refused,
    Conflict: _conflict,
    AnswerError: _no_answer,
    StoreFullError: _full,
}


def _labels(folder: str | Path, labels: str | Path | None) -> Path:
    return Path(folder) / LABELS if labels is None else Path(labels)


def check_answers(folder: str | Path, labels: str | Path | None) -> None:
    """Refuse a file of answers that is not there.

    Raises:
        ConfigError: there is none yet.
    """
    path = _labels(folder, labels)
    if not path.exists():
        raise ConfigError(f"{path}: nobody has answered anything yet")


def open_store(folder: str | Path, labels: str | Path | None) -> Store:
    """The answers about a pack; the file is made where there is none.

    Args:
        folder: of the pack.
        labels: the file of answers; None: :data:`LABELS` in the folder.

    Raises:
        SpoofscopeError: as `labelling.store.Store`.
    """
    path = _labels(folder, labels)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file for the answers")
    return Store(path)


def serve(
    folder: str | Path, labels: str | Path | None, host: str, port: int, *, blind: bool
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        folder: of a pack.
        labels: see :func:`open_store`.
        host: address to listen on. Anybody who reaches it may use the page: there is no password.
        port: 0 takes any that is free.
        blind: whether to hide what could lead an annotator.

    Raises:
        SpoofscopeError: the pack or the file of answers cannot be used.
        ConfigError: the address cannot be used.
    """
    end_on_signals()
    pack = Pack(folder)
    with (
        suppress(KeyboardInterrupt),
        closing(open_store(folder, labels)) as store,
        closing(listen(host, port)) as listener,
    ):
        app = application(Desk(pack, store, blind), host)
        print(f"spoofscope label: {address(host, listener)} (end with Ctrl+C)", flush=True)
        run(app, listener)
