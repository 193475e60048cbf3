"""The page of `spoofscope label` without a browser: what it hides, refuses and answers."""

import contextlib
import hashlib
import json
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from annotation_packs import DETECTORS, make_pack
from label_servers import started
from spoofscope.apps import label
from spoofscope.apps.label import LARGEST_BODY, Desk, application
from spoofscope.cli import main
from spoofscope.labelling.store import Store

URL = "http://127.0.0.1:7861"
PAGE = Path(label.__file__).parent / "label_page"


@pytest.fixture
def pack(tmp_path):
    return make_pack(tmp_path / "results/s/annotation", n=8)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "labels.sqlite")
    yield opened
    opened.close()


def client_of(pack, store, blind=True, host="127.0.0.1"):
    return TestClient(application(Desk(pack, store, blind), host), base_url=URL)


@pytest.fixture
def client(pack, store):
    made = client_of(pack, store)
    assert made.post("/api/annotators", json={"name": "Ann"}).json() == {"name": "Ann", "new": True}
    return made


def order(client, name):
    return [key for key, _ in client.get(f"/api/annotators/{name}/clips").json()["clips"]]


def put(client, key, field, value, base=0, explanation=0, name="Ann"):
    body = {"explanation": explanation, "field": field, "value": value, "base": base}
    body["seconds"] = 2.5
    return client.put(f"/api/annotators/{name}/clips/{key}/answers", json=body)


def test_blind_annotators_are_told_nothing_that_could_lead_them(client, pack):
    client.post("/api/annotators", json={"name": "Bob"})
    texts = [client.get("/api/study").text, client.get("/api/annotators/Ann/clips").text]
    for name in ("Ann", "Bob"):
        for key in pack.clips:
            answer = client.get(f"/api/annotators/{name}/clips/{key}")
            texts.append(answer.text)
            assert answer.json()["about"] is None
            for explanation in answer.json()["explanations"]:
                values = [value for value in explanation["values"] if value is not None]
                # Neither sign nor size.
                assert (min(values), max(values)) == (0.0, 1.0)
                assert explanation["values"][95:] == [None] * 5
                assert set(explanation) == {"title", "hop", "centre", "values"}
    for word in ("U0", "A01", 'spoof"', "bonafide", "-1.25", "wrong", *DETECTORS):
        assert not any(word in text for text in texts), word


def test_orders_are_random_and_stay(client, pack, store):
    names = [f"P{i}" for i in range(20)]
    for name in names:
        client.post("/api/annotators", json={"name": name})
    orders = {name: order(client, name) for name in names}
    assert all(sorted(keys) == list(pack.clips) for keys in orders.values())
    assert len({tuple(keys) for keys in orders.values()}) == 20
    again = client_of(pack, store)
    assert {name: order(again, name) for name in names} == orders
    desk = Desk(pack, store, blind=True)
    firsts = [desk._detectors(name, key)[0] for name in names for key in pack.clips]
    assert 0.35 < firsts.count("first") / len(firsts) < 0.65
    # What an annotator sees first is known only to the answer's row.
    for name in names:
        key = orders[name][0]
        assert put(client, key, "cue", "noise", name=name).status_code == 200
        (answer,) = store.answers(name, pack.clips[key].utt_id)
        assert answer.detector == desk._detectors(name, key)[0]
        assert answer.blind
        assert answer.evidence == pack.digest(key, answer.detector)


def test_who_is_not_blind_sees_everything(pack, store):
    client = client_of(pack, store, blind=False)
    client.post("/api/annotators", json={"name": "Ann"})
    clips = client.get("/api/annotators/Ann/clips").json()
    assert {c["name"]: len(c["places"]) for c in clips["categories"]} == {
        **{"label: bonafide": 4, "label: spoof": 4},
        **{"attack: -": 4, "attack: A01": 4},
    }
    for category in clips["categories"]:
        for place in category["places"]:
            key = clips["clips"][place][0]
            about = client.get(f"/api/annotators/Ann/clips/{key}").json()["about"]
            column, _, level = category["name"].partition(": ")
            assert about[column] == level
    key = pack.of_utterance("U0").key
    clip = client.get(f"/api/annotators/Ann/clips/{key}").json()
    assert clip["about"]["utt_id"] == "U0"
    shown = [(e["title"], e["score"], e["outcome"]) for e in clip["explanations"]]
    assert shown == [("first", -1.25, "right"), ("second", -1.25, "right")]
    assert (clip["explanations"][0]["values"][40], clip["explanations"][0]["values"][60]) == (
        1.5,
        -0.5,
    )
    put(client, key, "cue", "noise")
    assert store.history()[0].blind is False
    wrong = pack.of_utterance("U1").key
    explanations = client.get(f"/api/annotators/Ann/clips/{wrong}").json()["explanations"]
    assert [e["outcome"] for e in explanations] == ["wrong", "wrong"]


def test_answers_come_back_with_their_revisions(client, pack):
    key = order(client, "Ann")[0]
    assert put(client, key, "cue", "noise").json() == {"revision": 1, "value": "noise"}
    regions = [{"start": 0.25, "end": 0.5, "cue": None}]
    assert put(client, key, "regions", regions).json() == {"revision": 1, "value": regions}
    assert put(client, key, "cue", "breath", base=1).json() == {"revision": 2, "value": "breath"}
    put(client, key, "general", "hm", explanation=None)
    assert client.get(f"/api/annotators/Ann/clips/{key}").json()["answers"] == {
        "0": {
            "cue": {"value": "breath", "revision": 2},
            "regions": {"value": regions, "revision": 1},
        },
        "clip": {"general": {"value": "hm", "revision": 1}},
    }
    assert dict(client.get("/api/annotators/Ann/clips").json()["clips"])[key] == "started"


def test_an_old_page_replaces_nothing(client):
    key = order(client, "Ann")[0]
    put(client, key, "cue", "noise")
    put(client, key, "cue", "breath", base=1)
    answer = put(client, key, "cue", "glitch", base=1)
    assert answer.status_code == 409
    assert answer.json()["current"] == {"value": "breath", "revision": 2}


def test_a_clip_is_done_when_everything_needed_is_answered(client, store):
    key = order(client, "Ann")[0]
    for explanation in (0, 1):
        answer = put(client, key, "state", "done", explanation=None)
        assert answer.status_code == 422
        assert f"cue of explanation {explanation + 1}" in answer.json()["message"]
        put(client, key, "cue", "unclear", explanation=explanation)
        put(client, key, "regions", [], explanation=explanation)
    assert put(client, key, "state", "done", explanation=None).status_code == 422
    put(client, key, "comparison", "alike", explanation=None)
    assert put(client, key, "state", "done", explanation=None).status_code == 200
    assert dict(client.get("/api/annotators/Ann/clips").json()["clips"])[key] == "done"
    # Locality and audibility were never touched.
    assert {a.field for a in store.history()} == {"cue", "regions", "comparison", "state"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"value": [{"start": 0.5, "end": 1.5}], "field": "regions"}, 422),
        ({"value": "hum"}, 422),
        ({"field": "mood"}, 422),
        ({"explanation": 2}, 422),
        ({"explanation": -1}, 422),
        ({"base": -1}, 422),
        ({"base": 0.5}, 422),
        ({"seconds": -1}, 422),
        ({"seconds": 1e9}, 422),
        ({"explanation": "first"}, 422),
    ],
)
def test_what_no_page_sends_is_refused(client, store, change, status):
    body = {"explanation": 0, "field": "cue", "value": "noise", "base": 0, "seconds": 1}
    path = f"/api/annotators/Ann/clips/{order(client, 'Ann')[0]}/answers"
    assert client.put(path, json=body | change).status_code == status
    assert store.history() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"value": NaN}'])
def test_bodies_that_are_no_answers(client, store, content):
    path = f"/api/annotators/Ann/clips/{order(client, 'Ann')[0]}/answers"
    headers = {"Content-Type": "application/json"}
    assert client.put(path, content=content, headers=headers).status_code in (400, 422)
    assert store.history() == []


def test_no_other_file_is_served(client, pack, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    key = next(iter(pack.clips))
    paths = [
        *("/page/../label.py", "/page/%2e%2e/label.py", "/page/..%2flabel.py", "/page//etc/passwd"),
        *("/page/wavesurfer/../../label.py", "/page/%00", "/labels.sqlite", "/pack.json"),
        *(f"/audio/../{key}", "/audio/..%2fclips.tsv", "/audio/..%2f..%2f..%2fsecret.txt"),
        *("/audio/%2fetc%2fpasswd", f"/audio/{key}.wav", "/audio/", "/audio/U0", "/docs"),
        *("/openapi.json", "/api/annotators/Bob/clips", f"/api/annotators/Ann/clips/{key}x"),
        *(f"/api/annotators/../clips/{key}", "/api/annotators/..%2f/clips"),
    ]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code in (400, 404, 405), path
        assert "secret" not in answer.text
        assert "root:" not in answer.text
        assert str(tmp_path) not in answer.text


def test_scripts_in_names_are_refused(client, store):
    for name in (
        "<script>alert(1)</script>",
        'a"onload=x',
        "../x",
        "a\tb",
        "",
        " ",
        "x" * 65,
        5,
        None,
    ):
        assert client.post("/api/annotators", json={"name": name}).status_code == 422
    assert store.annotators() == ["Ann"]
    assert client.post("/api/annotators", json={"name": " Ann "}).json() == {
        "name": "Ann",
        "new": False,
    }


def test_other_sites_and_names_of_this_machine_are_refused(client, pack, store):
    body = {"name": "Eve"}
    for headers in (
        {"Origin": "http://evil.example"},
        {"Referer": "http://evil.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert client.post("/api/annotators", json=body, headers=headers).status_code == 403
    assert client.get("/api/study", headers={"Host": "evil.example"}).status_code == 400
    assert store.annotators() == ["Ann"]
    outside = client_of(pack, store, host="0.0.0.0")
    assert outside.get("/api/study", headers={"Host": "lab.example"}).status_code == 200


def test_headers_keep_the_page_to_itself(client):
    for path in ("/", "/page/label.js", "/api/study", f"/audio/{order(client, 'Ann')[0]}"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_audio_is_served_in_ranges(client, pack):
    key = next(iter(pack.clips))
    whole = pack.audio(key).read_bytes()
    answer = client.get(f"/audio/{key}")
    assert (answer.status_code, answer.content) == (200, whole)
    assert (answer.headers["accept-ranges"], answer.headers["content-type"]) == (
        "bytes",
        "audio/wav",
    )
    part = client.get(f"/audio/{key}", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    end = client.get(f"/audio/{key}", headers={"Range": "bytes=-10"})
    assert (end.status_code, end.content) == (206, whole[-10:])
    beyond = client.get(f"/audio/{key}", headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416


def test_large_and_endless_bodies_are_refused(client, store):
    path = f"/api/annotators/Ann/clips/{order(client, 'Ann')[0]}/answers"
    assert client.put(path, content=b"x" * (LARGEST_BODY + 1)).status_code == 413
    assert client.put(path, content=iter([b"{}"])).status_code == 411
    assert store.history() == []


def test_a_full_disk_is_said(pack, small_disk):
    store = Store(small_disk / "labels.sqlite")
    client = client_of(pack, store)
    client.post("/api/annotators", json={"name": "Ann"})
    key = order(client, "Ann")[0]
    statuses = []
    for i in range(300):
        answer = put(client, key, "comment", f"{i} {'x' * 4000}", base=statuses.count(200))
        statuses.append(answer.status_code)
        if answer.status_code != 200:
            break
    assert statuses[-1] == 507
    assert "disk of the server is full" in answer.json()["message"]
    assert str(small_disk) not in answer.text
    kept = client.get(f"/api/annotators/Ann/clips/{key}").json()["answers"]["0"]["comment"]
    assert kept["revision"] == len(statuses) - 1 == len(store.history())
    store.close()


def test_vendored_code_is_what_was_published():
    version = json.loads((PAGE / "wavesurfer/VERSION.json").read_text())
    for name, digest in version["files"].items():
        assert hashlib.sha256((PAGE / "wavesurfer" / name).read_bytes()).hexdigest() == digest
    assert "BSD 3-Clause" in (PAGE / "wavesurfer/LICENSE").read_text()


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_post_of_two_gigabytes_is_refused_unread(pack):
    with started(pack.folder) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(
                b"POST /api/annotators HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"Content-Type: application/json\r\nContent-Length: 2147483648\r\n\r\n"
            )
            sent, answer = 0, b""
            connection.settimeout(10)
            with contextlib.suppress(OSError):
                while sent < 1 << 31:
                    sent += connection.send(b"x" * 65536)
            with contextlib.suppress(ConnectionError):
                answer = connection.recv(65536)
        assert sent < 1 << 26
        assert answer == b"" or b" 413 " in answer
        with urllib.request.urlopen(f"{server.url}/api/study", timeout=10) as reply:
            assert json.load(reply)["annotators"] == []
        memory = (
            Path(f"/proc/{server.process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
        )
        assert int(memory) < 500_000


@pytest.mark.slow
def test_writers_at_once_lose_nothing(pack):
    """Requests of several annotators at once, over the network, while the server is killed."""
    confirmed, lock = [], threading.Lock()
    stop = threading.Event()

    def work(url, name, keys):
        for i, key in enumerate(keys * 50):
            if stop.is_set():
                return
            body = {"explanation": None, "field": "general", "value": f"{name} {i}"}
            body |= {"base": i // len(keys), "seconds": 1}
            path = f"{url}/api/annotators/{name}/clips/{key}/answers"
            request = urllib.request.Request(path, json.dumps(body).encode(), method="PUT")
            request.add_header("Content-Type", "application/json")
            try:
                with urllib.request.urlopen(request, timeout=30):
                    pass
            except OSError:
                return
            with lock:
                confirmed.append((name, key, f"{name} {i}"))

    with started(pack.folder) as server:
        for name in ("A", "B", "C"):
            data = json.dumps({"name": name}).encode()
            request = urllib.request.Request(f"{server.url}/api/annotators", data)
            request.add_header("Content-Type", "application/json")
            urllib.request.urlopen(request, timeout=30).close()
        threads = [
            threading.Thread(target=work, args=(server.url, name, list(pack.clips)))
            for name in ("A", "B", "C")
        ]
        for thread in threads:
            thread.start()
        while len(confirmed) < 150:
            assert any(thread.is_alive() for thread in threads)
            # Whoever only looks takes the time of those who work.
            time.sleep(0.01)
        server.process.kill()
        stop.set()
        for thread in threads:
            thread.join()
    store = Store(pack.folder / "labels.sqlite")
    kept = {(a.annotator, pack.of_utterance(a.utt_id).key, a.value) for a in store.history()}
    assert set(confirmed) <= kept
    assert len(kept) <= len(confirmed) + 3
    store.close()


def test_export_and_import_by_the_command(pack, store, tmp_path, capsys):
    client = client_of(pack, store)
    client.post("/api/annotators", json={"name": "Ann"})
    key = order(client, "Ann")[0]
    put(client, key, "cue", "noise")
    put(client, key, "cue", "breath", base=1)
    folder, labels = str(pack.folder), str(tmp_path / "labels.sqlite")
    table = str(tmp_path / "labels.tsv")
    assert main(["label", folder, "--labels", labels, "--export", table]) == 0
    assert capsys.readouterr().out == f"1 answers written to {table}\n"
    tracks = str(tmp_path / "tracks")
    assert main(["label", folder, "--labels", labels, "--export", tracks]) == 0
    assert capsys.readouterr().out == f"0 of 1 answers written to {tracks}\n"
    assert main(["label", folder, "--import", table]) == 0
    assert capsys.readouterr().out == "2 revisions of answers added\n"
    other = Store(pack.folder / "labels.sqlite")
    assert other.history() == store.history()
    other.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--export", "x.tsv"], "labels.sqlite: nobody has answered anything yet"),
        (["--export", "x.tsv", "--import", "y.tsv"], "are two commands"),
        (["--import", "absent.tsv"], "absent.tsv: no such file or folder"),
        (["--labels", "."], "is a folder; name a file"),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1"),
    ],
)
def test_refusals_of_the_command(pack, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["label", str(pack.folder), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_is_no_pack(tmp_path, capsys):
    assert main(["label", str(tmp_path)]) == 2
    assert "no pack of clips" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
