"""An hour of labelling by two people at once, while the server is killed over and over.

Each answers every question about every clip of a pack, some answers twice, and sends an answer
until it is confirmed, as the page does. The server is killed with SIGKILL at random moments and
started again. At the end every confirmed answer has to be there, once.

    .venv/bin/python benchmarks/hour_of_labelling.py [--clips 120] [--between-kills 2]
"""

import argparse
import http.client
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from annotation_packs import DETECTORS, make_pack
from spoofscope.apps.serving import listen
from spoofscope.labelling.questions import CUES
from spoofscope.labelling.store import Store

PEOPLE = ("Ann", "Bob")


class Server:
    """The page as a process, on one port."""

    def __init__(self, folder: Path) -> None:
        with listen("127.0.0.1", 0) as listener:
            self.port = listener.getsockname()[1]
        self._command = [sys.executable, "-m", "spoofscope.cli", "label", str(folder)]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [*self._command, "--port", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert "http" in self._process.stdout.readline()

    def kill(self) -> None:
        """Kill it, without any warning."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def until_answered(port: int, method: str, path: str, body: Any = None) -> tuple[Any, int]:
    """The content, and how often it was asked for in vain."""
    failures = 0
    while True:
        try:
            status, content = ask(port, method, path, body)
        except (OSError, http.client.HTTPException):
            failures += 1
            time.sleep(0.05)
            continue
        assert status == 200, content
        return content, failures


def answers_to(rng: random.Random) -> list[tuple[int | None, str, Any]]:
    """Everything that one says of a clip."""
    said: list[tuple[int | None, str, Any]] = [(None, "general", f"heard {rng.random()}")]
    for place in range(len(DETECTORS)):
        start = rng.uniform(0, 0.8)
        region = {"start": round(start, 4), "end": round(start + 0.1, 4), "cue": None}
        said += [
            (place, "regions", [region]),
            (place, "cue", rng.choice(list(CUES))),
            (place, "locality", rng.randint(1, 5)),
            (place, "audible", rng.random() < 0.5),
            (place, "comment", f"{place} {rng.random()}"),
        ]
    return [*said, (None, "comparison", f"alike {rng.random()}"), (None, "state", "done")]


def work(port: int, name: str, confirmed: list[tuple[Any, ...]], again: list[int]) -> None:
    """Label all clips."""
    rng = random.Random(name)
    until_answered(port, "POST", "/api/annotators", {"name": name})
    listed, _ = until_answered(port, "GET", f"/api/annotators/{name}/clips")
    for key, _ in listed["clips"]:
        for place, field, value in answers_to(rng):
            said = [value]
            if field == "comment":
                said.append(f"{value} and more")
            for base, each in enumerate(said):
                body = {"explanation": place, "field": field, "value": each, "base": base}
                path = f"/api/annotators/{name}/clips/{key}/answers"
                _, failures = until_answered(port, "PUT", path, {**body, "seconds": 2.0})
                again.append(failures)
                confirmed.append((name, key, field, base + 1, json.dumps(each)))


def main() -> None:
    """Run it, and print what was kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--between-kills", type=float, default=2.0, metavar="SECONDS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pack = make_pack(Path(folder) / "pack", options.clips)
        server = Server(pack.folder)
        confirmed: list[tuple[Any, ...]] = []
        again: list[int] = []
        people = [
            threading.Thread(target=work, args=(server.port, name, confirmed, again))
            for name in PEOPLE
        ]
        began, kills, rng = time.perf_counter(), 0, random.Random(1)
        for person in people:
            person.start()
        while any(person.is_alive() for person in people):
            time.sleep(rng.uniform(0.2, 2 * options.between_kills))
            server.kill()
            kills += 1
            server.start()
        server.kill()
        seconds = time.perf_counter() - began
        store = Store(pack.folder / "labels.sqlite")
        kept = {
            (a.annotator, pack.of_utterance(a.utt_id).key, a.field, a.revision, json.dumps(a.value))
            for a in store.history()
        }
        lost = [each for each in confirmed if each not in kept]
        print(
            f"{len(confirmed)} answers by {len(PEOPLE)} people in {seconds:.0f} s; the server was "
            f"killed {kills} times; {sum(map(bool, again))} answers were sent again; "
            f"lost: {len(lost)}; rows: {len(store.history())}"
        )
        assert not lost
        assert len(store.history()) == len(confirmed)


if __name__ == "__main__":
    main()
