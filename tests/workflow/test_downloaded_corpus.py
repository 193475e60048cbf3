"""A corpus that a study file gives by address and checksum: downloaded, unpacked, read."""

import copy
import hashlib
import http.server
import tarfile
import threading
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from checkout import TINY_STUDY, Checkout, clone

pytestmark = pytest.mark.slow

TARGET = "results/tiny/manifests/fetched.tsv"


class CountingHandler(http.server.SimpleHTTPRequestHandler):
    requests = 0

    def do_GET(self):
        type(self).requests += 1
        super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a small corpus in an archive, and its SHA-256."""
    folder = tmp_path_factory.mktemp("served")
    source = folder / "field-1.0"
    for name in ("bonafide/a.wav", "bonafide/b.wav", "spoof/synth/a.wav"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(source / name, 0.1 * np.sin(np.arange(8000.0)), 16000)
    archive = folder / "field.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, arcname=source.name)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(CountingHandler, directory=folder)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield (
        f"http://127.0.0.1:{server.server_address[1]}/field.tar.gz",
        hashlib.sha256(archive.read_bytes()).hexdigest(),
    )
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Checkout:
    return clone(tmp_path_factory.mktemp("fetching") / "checkout")


def study_with(url: str, sha256: str) -> dict:
    study = copy.deepcopy(TINY_STUDY)
    study["corpora"]["fetched"] = {
        "type": "folder",
        "archives": [{"url": url, "sha256": sha256}],
        "subfolder": "field-1.0",
    }
    study["score"].append({"corpus": "fetched", "splits": ["eval"]})
    return study


def test_wrong_checksum(fresh, served):
    url, sha256 = served
    wrong = hashlib.sha256(b"another file").hexdigest()
    before = CountingHandler.requests
    text = fresh.refuse(TARGET, "--configfile", fresh.write_study(study_with(url, wrong)))
    # Archives are large, and a wrong checksum stays wrong.
    assert CountingHandler.requests == before + 1
    assert url in text
    assert sha256 in text
    assert wrong in text
    assert not (fresh.folder / TARGET).exists()
    assert not (fresh.folder / "resources/unpacked").exists()
    assert not list(fresh.folder.glob("resources/downloads/*"))


def test_downloaded_and_read(fresh, served):
    study = fresh.write_study(study_with(*served))
    fresh.make(TARGET, "--configfile", study)
    manifest = pl.read_csv(fresh.folder / TARGET, separator="\t")
    assert manifest["utt_id"].to_list() == ["bonafide-a", "bonafide-b", "spoof-synth-a"]
    assert manifest["attack"].to_list() == ["-", "-", "synth"]
    assert all((fresh.folder / Path(path)).is_file() for path in manifest["path"])
    assert fresh.plan(TARGET, "--configfile", study) == []


def test_an_update_fetches_nothing_again(fresh, served):
    study = fresh.write_study(study_with(*served))
    fresh.make(TARGET, "--configfile", study)
    (archive,) = fresh.folder.glob("resources/downloads/*.archive")
    before = CountingHandler.requests, archive.read_bytes()
    edited = fresh.folder / "src/spoofscope/corpora/download.py"
    edited.write_text(edited.read_text() + "\n_EDITED = True\n")
    assert "download" in {job.rule for job in fresh.plan(TARGET, "--configfile", study)}
    assert archive.exists()
    fresh.make(TARGET, "--configfile", study)
    assert (CountingHandler.requests, archive.read_bytes()) == before
    assert fresh.plan(TARGET, "--configfile", study) == []
    # Nor where a job was killed before its end was recorded, or is made to run again.
    fresh.make(TARGET, "--configfile", study, "--forcerun", "download")
    fresh.make(TARGET, "--configfile", study, "--touch", "--forcerun", "download")
    assert (CountingHandler.requests, archive.read_bytes()) == before
    assert sorted(path.name for path in archive.parent.iterdir()) == sorted(
        [archive.name, f"{archive.name}.origin.json"]
    )
