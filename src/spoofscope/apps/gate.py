"""The request filter of `spoofscope demo`: only requests of the page itself pass.

Gradio serves dozens of routes: files by path, proxies, links that store and return the content of a
component, an editor. The page needs a few of them. So the filter has a list of allowed routes, and
a request that names a file passes only if this page has received that file.
"""

import json
import logging
import re
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spoofscope.apps.refusals import Refused, body_length, check_origin
from spoofscope.files import one_line

_LOGGER = logging.getLogger(__name__)

LARGEST_UPLOADS = 1 << 30
"""Bytes of all uploads together, including unfinished uploads."""

LONGEST_TEXT = 1000
"""Characters of what a visitor writes into a field."""

_LARGEST_QUESTION = 1 << 20

_API = "/gradio_api"
_FILE = f"{_API}/file="
_READ = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/(assets|static)/.+"
    rf"|{_API}/(info|startup-events|queue/data|upload_progress|heartbeat/\w+)"
)
_UPLOAD = f"{_API}/upload"
_JOIN = f"{_API}/queue/join"
_WRITE = frozenset({_UPLOAD, _JOIN, f"{_API}/cancel", f"{_API}/reset"})
_SESSION = re.compile(r"[A-Za-z0-9_]{1,64}")

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
# An upload is a file to play or to save, never a page of this server.
_FILE_POLICY = "default-src 'none'; sandbox"


def is_file_below(path: str, folder: Path) -> bool:
    """Whether `path`, with all links followed, is a regular file below `folder`."""
    try:
        real = Path(path).resolve(strict=True)
        return real.is_relative_to(folder.resolve()) and real.is_file()
    except (OSError, RuntimeError, ValueError):
        # The path does not exist, is a circular link, is too long, or holds a NUL.
        return False


class Gate:
    """ASGI middleware in front of Gradio.

    Args:
        app: the application behind it.
        uploads: the folder of files that the page receives.
        downloads: the folder of files that the page offers.
        inputs: the components that each function of the page reads, by the function's number.
        largest_uploads: bytes of all uploads together.
    """

    def __init__(
        self,
        app: ASGIApp,
        uploads: Path,
        downloads: Path,
        inputs: Mapping[int, Sequence[str]],
        largest_uploads: int = LARGEST_UPLOADS,
    ) -> None:
        self._app = app
        self._uploads = uploads
        self._downloads = downloads
        self._inputs = inputs
        self._largest_uploads = largest_uploads
        self._arriving: list[int] = []
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        has_begun, is_open = False, False

        async def send_protected(message: Message) -> None:
            nonlocal has_begun, is_open
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                has_begun, is_open = True, "content-length" not in headers
                is_file = scope["path"].startswith(_FILE)
                headers["Content-Security-Policy"] = _FILE_POLICY if is_file else _POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if is_file and scope["path"].lower().endswith(".svg"):
                    headers["Content-Disposition"] = "attachment"
            elif not message.get("more_body", False):
                is_open = False
            await send(message)

        try:
            await self._pass(scope, receive, send_protected)
        except Refused as refusal:
            answer = PlainTextResponse(f"{refusal}\n", refusal.status)
            await answer(scope, receive, send_protected)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except Exception as error:
            # Gradio accepts some requests that its own page would not make.
            _LOGGER.error("%s", _one_line(scope, error))
            if not has_begun:
                answer = PlainTextResponse("this request cannot be answered\n", 500)
                await answer(scope, receive, send_protected)
            elif is_open:
                await send({"type": "http.response.body", "body": b""})

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if method in ("GET", "HEAD"):
            self._check_reading(path)
            if path in ("/", "/config"):
                # Nothing in an address changes what the page shows.
                scope = {**scope, "query_string": b""}
            await self._app(scope, receive, send)
            return
        if method != "POST" or path not in _WRITE:
            raise Refused(404, "not found")
        headers = Headers(scope=scope)
        check_origin(headers)
        length = body_length(headers)
        if path == _UPLOAD:
            with self._room_for(length):
                await self._app(scope, receive, send)
            return
        if length > _LARGEST_QUESTION:
            raise Refused(413, "the request is too large")
        question = await _question(receive)
        for name in _paths_in(question):
            if not isinstance(name, str) or not is_file_below(name, self._uploads):
                raise Refused(403, "no file that this page has received")
        if path == _JOIN:
            question = self._asked(question)
        try:
            body = json.dumps(question, allow_nan=False).encode()
        except ValueError as error:
            raise Refused(400, "numbers have to be finite") from error
        # Written anew, so that what was checked is what Gradio reads.
        await self._app(scope, _again(body, receive), send)

    def _asked(self, question: Any) -> dict[str, Any]:
        """A question to a function of the page, of nothing but what the page itself would ask."""
        if not isinstance(question, dict):
            raise Refused(400, "a question is an object")
        number, session, data = (question.get(k) for k in ("fn_index", "session_hash", "data"))
        trigger = question.get("trigger_id")
        if type(number) is not int or number not in self._inputs:
            raise Refused(400, "fn_index: no function of this page")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise Refused(400, "session_hash: up to 64 letters and digits")
        if trigger is not None and type(trigger) is not int:
            raise Refused(400, "trigger_id: a whole number")
        kinds = self._inputs[number]
        if not isinstance(data, list) or len(data) != len(kinds):
            raise Refused(400, f"data: a list of {len(kinds)}")
        return {
            "data": [_value(kind, value) for kind, value in zip(kinds, data, strict=True)],
            "fn_index": number,
            "session_hash": session,
            "trigger_id": trigger,
            "event_data": None,
        }

    def _check_reading(self, path: str) -> None:
        if path.startswith(_FILE):
            name = path.removeprefix(_FILE)
            if not any(is_file_below(name, place) for place in (self._uploads, self._downloads)):
                raise Refused(403, "no file of this page")
        elif not _READ.fullmatch(path) or ".." in path.split("/"):
            raise Refused(404, "not found")

    @contextmanager
    def _room_for(self, length: int) -> Iterator[None]:
        with self._lock:
            if self._stored() + sum(self._arriving) + length > self._largest_uploads:
                raise Refused(
                    413,
                    f"all uploads together are limited to {self._largest_uploads >> 20} MB; "
                    "uploads are deleted after an hour: try again later, or end the page and start "
                    "it again",
                )
            self._arriving.append(length)
        try:
            yield
        finally:
            with self._lock:
                self._arriving.remove(length)
                if not self._arriving:
                    self._delete_broken_off()

    def _stored(self) -> int:
        total = 0
        for path in self._uploads.glob("*/*"):
            with suppress(FileNotFoundError):  # it may be deleted at this moment
                total += path.lstat().st_size
        return total

    def _delete_broken_off(self) -> None:
        # A file that has arrived is in a folder of its own; beside these lie files that never did.
        for path in self._uploads.iterdir():
            if path.is_file():
                path.unlink(missing_ok=True)


def _value(kind: str, value: Any) -> Any:
    """The value of a component, in the form that the page itself sends.

    Args:
        kind: name of the component.
        value: the value in the request.
    """
    if kind == "checkbox":
        if not isinstance(value, bool):
            raise Refused(400, "data: true or false")
        return value
    if value is None:
        return None
    if kind == "textbox":
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            raise Refused(400, f"data: a text of at most {LONGEST_TEXT} characters")
        return value
    if kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused(400, "data: a number")
        return value
    if kind == "file":
        if not isinstance(value, list):
            raise Refused(400, "data: a list of files")
        return [_file(each) for each in value]
    return _file(value)


def _file(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        raise Refused(400, "data: a file that this page has received")
    return {"path": value["path"], "meta": {"_type": "gradio.FileData"}}


def _one_line(scope: Scope, error: BaseException) -> str:
    """The fault, and its place."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    path = scope["path"] if len(scope["path"]) <= 80 else f"{scope['path'][:80]}..."
    reason = str(error) if len(str(error)) <= 200 else f"{str(error)[:200]}..."
    return one_line(f"{scope['method']} {path}: {type(error).__name__}{where}: {reason}")


async def _question(receive: Receive) -> Any:
    # The server hands on no more than the length that the request gives.
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "the request broke off")
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "the request is no JSON") from error


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _paths_in(value: Any) -> Iterator[Any]:
    """All names of files in a request, at any depth."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "path" in value:
                yield value["path"]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
