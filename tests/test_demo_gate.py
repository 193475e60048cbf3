"""The demo's page gives nothing away: no file, no route, no other visitor's time."""

import asyncio
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile
import torch
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from spoofscope.apps.demo import Judge, Turns, application, build
from spoofscope.apps.gate import Gate, is_file_below
from spoofscope.apps.own_folder import own_folder
from spoofscope.detector import Detector
from spoofscope.windows import InputPolicy

URL = "http://127.0.0.1:7860"
SECRET = "what nobody but its owner may read"


class Page(NamedTuple):
    client: TestClient
    judge: Judge
    uploads: Path
    secret: Path


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector") / "lfcc"
    torch.manual_seed(0)
    Detector({"type": "lfcc"}, {"type": "linear"}, InputPolicy(length=8000)).save(folder)
    return folder


@pytest.fixture(scope="module")
def page(detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page as it is served, without a server."""
    folder = tmp_path_factory.mktemp("demo")
    uploads, downloads = folder / "uploads", folder / "downloads"
    uploads.mkdir()
    downloads.mkdir()
    secret = folder / "secret.wav"
    secret.write_text(SECRET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        judge = Judge(detector, uploads, downloads)
        app = application(build(judge, detector, None), "127.0.0.1", uploads, downloads)
        with TestClient(app, base_url=URL) as client:
            yield Page(client, judge, uploads, secret)


def clip(seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    samples = 0.1 * np.random.default_rng(0).standard_normal(int(seconds * 16000))
    with audio_file(buffer) as file:
        file.write(samples)
    return buffer.getvalue()


def audio_file(buffer: io.BytesIO, kind: str = "WAV") -> soundfile.SoundFile:
    return soundfile.SoundFile(buffer, "w", 16000, 1, format=kind)


def upload(page: Page, content: bytes, name: str = "clip.wav") -> str:
    answer = page.client.post("/gradio_api/upload", files={"files": (name, content)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()[0])


def ask(page: Page, fn_index: int, data: list[Any], session: str = "visitor") -> Any:
    return page.client.post(
        "/gradio_api/queue/join",
        json={"data": data, "fn_index": fn_index, "session_hash": session},
    )


def answered(page: Page, session: str = "visitor") -> str:
    """Everything that the page tells a visitor about what was asked."""
    with page.client.stream(
        "GET", "/gradio_api/queue/data", params={"session_hash": session}
    ) as stream:
        return "".join(stream.iter_text())


def functions(page: Page) -> dict[str, int]:
    """Everything that a visitor can ask for, by its name."""
    config = page.client.get("/config").json()
    return {str(entry["api_name"]): entry["id"] for entry in config["dependencies"]}


def file_data(path: Any, **more: Any) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


@pytest.mark.slow
def test_what_the_page_received_is_judged(page: Page) -> None:
    path = upload(page, clip())
    assert ask(page, functions(page)["judge"], [file_data(path), False, 0]).status_code == 200
    told = answered(page)
    assert "score of each window" in told.lower()
    assert '"success":true' in told
    file = page.client.get(f"/gradio_api/file={path}")
    assert file.content == clip()
    assert "sandbox" in file.headers["content-security-policy"]


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
def test_numbers_that_are_not_finite_are_refused(page: Page, number: str) -> None:
    body = f'{{"data": [{number}], "fn_index": 0, "session_hash": "s"}}'
    headers = {"content-type": "application/json"}
    answer = page.client.post("/gradio_api/queue/join", content=body, headers=headers)
    assert answer.status_code == 400


# What is asked of a function of a recording, a check box and a number, and may not be.
WRONG: list[Any] = [
    {},
    [],
    3,
    "x",
    {"data": None},
    *(
        {"data": data, "fn_index": 0, "session_hash": "s"}
        for data in (
            *([], [None], [1, 2, 3], [{"a": 1}, True, 0], ["x", True, 0], [None, {}, 0]),
            *([[], True, 0], [None, True], [None, True, "0"], [None, True, True]),
        )
    ),
    *(
        {"data": [None, True, 0], "fn_index": number, "session_hash": "s"}
        for number in (999, -1, "a", 10**30, 2.5, True, None)
    ),
    *(
        {"data": [None, True, 0], "fn_index": 0, "session_hash": session}
        for session in (None, {"a": 1}, "s" * 100_000, "\ud800", "a b")
    ),
    {"data": [None, True, 0], "fn_index": 0, "session_hash": "s", "trigger_id": "x"},
    *({"data": [value], "fn_index": 1, "session_hash": "s"} for value in (5, "x", {}, [[]], [5])),
    *(
        {"data": [None, text, ""], "fn_index": 2, "session_hash": "s"}
        for text in (5, True, {}, ["x"], "x" * 1001)
    ),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_hostile_question_is_refused_in_a_line(
    page: Page, capfd: pytest.CaptureFixture[str], number: int
) -> None:
    body, headers = json.dumps(WRONG[number]), {"content-type": "application/json"}
    answer = page.client.post("/gradio_api/queue/join", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.text.count("\n") == 1
    assert capfd.readouterr() == ("", "")


def test_what_gradio_stumbles_over_is_a_line_in_the_log(
    page: Page, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    field = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\nabc\r\n--x--\r\n'
    for boundary, content in (("x", field), ("y" * 300, b"")):
        kind = {"content-type": f"multipart/form-data; boundary={boundary}"}
        answer = page.client.post("/gradio_api/upload", content=content, headers=kind)
        assert answer.status_code == 500
        assert "cannot be answered" in answer.text or answer.text == "Internal Server Error"
    page.client.get("/gradio_api/queue/data", params={"session_hash": "nobody"})
    page.client.get("/static/" + "a" * 5000)
    messages = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(messages) == 4
    for message, path in zip(messages, ("upload", "upload", "data", "static"), strict=True):
        assert path in message
        assert "\n" not in message
        assert len(message) < 400
    told = "".join(capfd.readouterr())
    assert "Traceback" not in told


def foreign(page: Page) -> dict[str, Any]:
    """Ways to name a file that was never uploaded."""
    secret = str(page.secret)
    received = upload(page, clip())
    return {
        "a path": secret,
        "file data": file_data(secret),
        "file data without meta": {"path": secret},
        "as url too": file_data(secret, url=f"{URL}/gradio_api/file={secret}"),
        "as a file url": file_data(f"file://{secret}"),
        "up from the folder": file_data(f"{page.uploads}/../{page.secret.name}"),
        "below an upload": file_data(f"{received}/../../../{page.secret.name}"),
        "a stream": file_data(secret, is_stream=True),
        "another host's": file_data("http://127.0.0.1:9/x.wav"),
        "/dev/zero": file_data("/dev/zero"),
        "/proc": file_data("/proc/self/environ"),
        "a folder": file_data(str(page.uploads)),
        "a list": [file_data(secret)],
        "nested": [{"deeper": [file_data(secret)]}],
        "no text": file_data(["/etc/passwd"]),
        "a NUL": file_data("/etc/passwd\0"),
        "endless": file_data("a" * 100_000),
    }


def test_no_function_takes_a_path_of_its_own(page: Page) -> None:
    before = sorted(page.uploads.rglob("*"))
    ways = foreign(page)
    assert len(functions(page)) >= 4
    for name, fn_index in functions(page).items():
        for way, value in ways.items():
            session = re.sub(r"\W", "", f"{name}{way}")
            more = {"judge": [False, 0], "report": ["why", ""]}.get(name, [])
            answer = ask(page, fn_index, [value, *more], session)
            told = answer.text if answer.status_code != 200 else answered(page, session)
            case = f"{name}: {way}: {answer.status_code} {told}"
            assert SECRET not in told, case
            assert (
                answer.status_code == 403
                or '"success":true' not in told
                or (
                    # Some take no input at all.
                    name not in ("judge", "judge_several", "report")
                )
            ), case
    new = set(page.uploads.rglob("*")) - set(before)
    assert all(SECRET.encode() not in p.read_bytes() for p in new if p.is_file())


@pytest.mark.parametrize("form", ["run", "api", "call", "call/v2"])
@pytest.mark.parametrize("name", ["judge", "judge_several", "predict", "one"])
def test_what_the_page_does_not_use_is_not_there(page: Page, form: str, name: str) -> None:
    value = {"data": [file_data(str(page.secret)), False], "session_hash": "x"}
    for end in ("", "/"):
        answer = page.client.post(f"/gradio_api/{form}/{name}{end}", json=value)
        assert answer.status_code == 404
        assert answer.text == "not found\n"


def routes(app: Any, above: str = "") -> Iterator[tuple[str, set[str]]]:
    for route in app.routes:
        if hasattr(route, "original_router"):  # FastAPI's way of keeping a router's routes
            yield from routes(route.original_router, above)
        elif getattr(route, "methods", None):
            yield f"{above}{route.path}", route.methods
        else:
            yield from routes(route.app, f"{above}{route.path}")


def test_no_route_gives_a_foreign_file(page: Page) -> None:
    """Every route of Gradio's is asked for a file by every one of its variables and queries."""
    secret = str(page.secret)
    found = list(routes(page.client.app))
    assert len(found) > 50
    passed = set()
    for path, methods in found:
        for value in (secret, secret[1:], f"..{secret}", f"%2e%2e{secret}", f"file://{secret}"):
            asked = re.sub(r"\{[^}]*\}", lambda _, value=value: value, path)
            if asked.startswith(("/gradio_api/heartbeat", "/gradio_api/queue/data")):
                continue  # streams without end, of no file
            for method in methods & {"GET", "HEAD", "PUT", "DELETE", "PATCH"}:
                answer = page.client.request(
                    method, asked, params={"deep_link": value, "file": value, "path": value}
                )
                assert SECRET not in answer.text, (method, asked)
                if answer.status_code < 400:
                    passed.add(path)
    assert passed <= {
        "/",
        "/config",
        "/theme.css",
        "/favicon.ico",
        "/manifest.json",
        "/robots.txt",
        "/gradio_api/info",
        "/gradio_api/startup-events",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/deep_link?session_hash=visitor",
        "/gradio_api/runs",
        "/gradio_api/run-history/buckets",
        "/gradio_api/app_id",
        "/gradio_api/queue/status",
        "/gradio_api/openapi.json",
        "/gradio_api/vibe-code",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/monitoring",
        "/docs",
        "/openapi.json",
    ],
)
def test_routes_that_the_page_does_not_need_are_off(page: Page, path: str) -> None:
    assert page.client.get(path).status_code == 404


def test_only_regular_files_below_the_folder_are_files(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "good.wav").write_text("x")
    outside = tmp_path / "outside.wav"
    outside.write_text("x")
    (folder / "link.wav").symlink_to(outside)
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "zero.wav").symlink_to("/dev/zero")
    os.mkfifo(folder / "fifo.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.wav"))
    assert is_file_below(str(folder / "good.wav"), folder)
    names = ["link.wav", "loop.wav", "zero.wav", "fifo.wav", "socket.wav", "none.wav", "."]
    refused = [folder / name for name in names] + [outside, folder / "a" / ".." / ".." / "outside"]
    assert [path for path in refused if is_file_below(str(path), folder)] == []


@pytest.mark.parametrize("name", ["link.wav", "fifo.wav"])
def test_no_strange_file_in_the_folder_is_judged_or_served(page: Page, name: str) -> None:
    path = page.uploads / "strange" / name
    path.parent.mkdir(exist_ok=True)
    if name == "link.wav":
        path.symlink_to(page.secret)
    else:
        os.mkfifo(path)
    assert ask(page, functions(page)["judge"], [file_data(str(path)), False, 0]).status_code == 403
    assert page.client.get(f"/gradio_api/file={path}").status_code == 403
    verdict = page.judge.one(str(path), False, 0, "visitor")[0]
    assert "is no file that this page has received" in verdict
    assert str(page.uploads) not in verdict
    table, *_ = page.judge.several([str(path), str(page.secret)], "visitor")
    assert table.count("is no file that this page has received") == 2
    path.unlink()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": URL}, 200),
        ({"Referer": f"{URL}/"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:7861"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Referer": "http://evil.example/127.0.0.1:7860"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": URL, "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_pages_cannot_post(page: Page, headers: dict[str, str], status: int) -> None:
    files = {"files": ("clip.wav", clip())}
    assert (
        page.client.post("/gradio_api/upload", files=files, headers=headers).status_code == status
    )
    question = {"data": [], "fn_index": functions(page)["stop"], "session_hash": "x"}
    answer = page.client.post("/gradio_api/queue/join", json=question, headers=headers)
    assert (answer.status_code == 403) == (status == 403)


def test_another_host_name_is_refused(page: Page) -> None:
    assert page.client.get("/", headers={"Host": "127.0.0.1.example.org"}).status_code == 400


def test_a_drawing_is_no_page_of_this_server(page: Page) -> None:
    path = upload(
        page, b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "x.svg"
    )
    answer = page.client.get(f"/gradio_api/file={path}")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_requests_have_a_size(page: Page) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x"

    for path in ("upload", "queue/join"):
        assert page.client.post(f"/gradio_api/{path}", content=pieces()).status_code == 411
    too_long = json.dumps({"data": ["x" * (2 << 20)]})
    assert page.client.post("/gradio_api/queue/join", content=too_long).status_code == 413
    deep = "[" * 100_000
    assert page.client.post("/gradio_api/queue/join", content=deep).status_code == 400


def test_all_uploads_together_are_limited(tmp_path: Path) -> None:
    async def store(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "clip.wav").write_bytes(message["body"])
        (tmp_path / "tmp123").write_bytes(b"broken off")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    client = TestClient(Gate(store, tmp_path, tmp_path, {}, largest_uploads=2500), base_url=URL)
    codes = [client.post("/gradio_api/upload", content=b"x" * 1000).status_code for _ in range(4)]
    assert codes == [200, 200, 413, 413]
    assert "together are limited" in client.post("/gradio_api/upload", content=b"x" * 1000).text
    assert not (tmp_path / "tmp123").exists()
    assert client.post("/gradio_api/upload", content=b"x" * 500).status_code == 200


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async def store(scope: Any, receive: Any, send: Any) -> None:
        (tmp_path / "tmp123").write_bytes(b"half")
        raise ClientDisconnect

    headers = [(b"content-length", b"1000")]
    scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": headers}
    asyncio.run(Gate(store, tmp_path, tmp_path, {})(scope, None, None))
    assert list(tmp_path.iterdir()) == []


def test_turns_are_taken_in_the_order_of_asking() -> None:
    turns, order = Turns(), []
    has_turn, all_wait = threading.Event(), threading.Event()

    def long_work() -> None:
        with turns.turn():
            has_turn.set()
            assert all_wait.wait(60)
            for step in range(3):
                order.append(f"long {step}")
                turns.pass_on()

    def short_work(name: str) -> None:
        with turns.turn():
            order.append(name)

    threads = [threading.Thread(target=long_work)]
    threads[0].start()
    assert has_turn.wait(60)
    for name in ("short a", "short b"):
        threads.append(threading.Thread(target=short_work, args=(name,)))
        threads[-1].start()
        while len(turns._waiting) < len(threads):
            time.sleep(0.001)
    all_wait.set()
    for thread in threads:
        thread.join(60)
    assert order == ["long 0", "short a", "short b", "long 1", "long 2"]


@pytest.mark.slow
def test_a_visitor_can_stop_and_nobody_waits_for_a_long_recording(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passes that take a tenth of a second stand for a large network."""
    backend = page.judge.detector.backend
    handle = backend.register_forward_pre_hook(lambda *_: time.sleep(0.1))
    long, short = upload(page, clip(300), "long.wav"), upload(page, clip(), "short.wav")
    results: list[str] = []
    work = threading.Thread(
        target=lambda: results.append(page.judge.one(long, False, 0, "patient visitor")[0])
    )
    start = time.monotonic()
    work.start()
    time.sleep(0.3)
    assert "verdict" in page.judge.one(short, False, 0, "another visitor")[0]
    assert work.is_alive()
    page.judge.stop("another visitor")
    page.judge.stop("patient visitor")
    work.join(10)
    handle.remove()
    assert time.monotonic() - start < 5
    assert ["Stopped." in result for result in results] == [True]


@pytest.mark.slow
def test_a_recording_that_explodes_is_refused_at_once(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of silence are some kilobytes of FLAC."""
    buffer = io.BytesIO()
    with audio_file(buffer, "FLAC") as file:
        for _ in range(40):
            file.write(np.zeros(16000 * 60))
    assert len(buffer.getvalue()) < 200_000
    path = upload(page, buffer.getvalue(), "bomb.flac")
    start = time.monotonic()
    verdict, *_ = page.judge.one(path, True, 0, "visitor")
    table, *_ = page.judge.several([path], "visitor")
    assert time.monotonic() - start < 10
    for told in (verdict, table):
        assert "bomb.flac: longer than 600 s" in told
        assert str(page.uploads) not in told


def test_a_batch_can_be_stopped(page: Page) -> None:
    backend = page.judge.detector.backend
    handle = backend.register_forward_pre_hook(lambda *_: page.judge.stop("visitor"))
    path = upload(page, clip(60))
    table, file, _ = page.judge.several([path] * 50, "visitor")
    handle.remove()
    assert "Stopped." in table
    assert file is None
    assert page.judge.several([path], "visitor")[1] is not None


def test_folders_that_vanish_while_a_page_starts_are_no_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pages start at once and delete what a killed one left, or one ends in between."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "spoofscope-demo-left"
    left.mkdir()
    (left / "lock").touch()
    found = [tmp_path / "spoofscope-demo-gone", left, tmp_path / "spoofscope-demo-gone too"]
    monkeypatch.setattr(Path, "glob", lambda *_: iter(found))
    with own_folder() as folder:
        assert folder.is_dir()
        assert not left.exists()
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_uploads_are_gone_whatever_ends_the_page(tmp_path: Path, number: signal.Signals) -> None:
    """Without a page: the folder, and the signals that end the process."""
    code = (
        "import signal, sys, time\n"
        "from contextlib import suppress\n"
        "from spoofscope.apps.own_folder import own_folder, end_on_signals\n"
        # Tests may run in the background, where these are ignored by inheritance.
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "end_on_signals()\n"
        "with suppress(KeyboardInterrupt), own_folder() as folder:\n"
        "    (folder / 'clip.wav').write_text('x')\n"
        "    print(folder, flush=True)\n"
        # One long sleep would begin after a signal that comes just before it, and last.
        "    for _ in range(int(sys.argv[1])):\n"
        "        time.sleep(0.02)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    def run(sleeps: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(sleeps)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    with run(9000) as other, run(9000) as process:
        assert other.stdout
        assert process.stdout
        running, folder = Path(other.stdout.readline().strip()), process.stdout.readline().strip()
        process.send_signal(number)
        process.wait(120)
        left = [Path(folder)] if number is signal.SIGKILL else []
        assert sorted(tmp_path.iterdir()) == sorted([running, *left])
        with run(0) as later:
            later.wait(120)
        assert list(tmp_path.iterdir()) == [running]
        other.terminate()
