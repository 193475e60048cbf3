"""Recordings are inputs: what is added, replaced or deleted makes stale what was made from it."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from checkout import TINY_STUDY, Checkout, clone, parse_plan

from spoofscope.identity import rng_of
from spoofscope.plan.study_plan import checked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STUDY: dict[str, Any] = {
    **TINY_STUDY,
    "corpora": {
        "own": {"type": "folder", "path": "data/own"},
        "other": {"type": "folder", "path": "data/other"},
    },
    "noise": {"musan": {"path": "data/noise"}},
    "chains": {"street": [{"effect": "musan", "probability": 1, "categories": {"noise": [5, 15]}}]},
    "augmented": {"noisy": {"corpus": "other", "chain": "street", "splits": ["train"]}},
    "score": [{"corpus": "own", "splits": ["dev", "eval"]}],
    "detectors": {
        "lfcc_linear": {
            **TINY_STUDY["detectors"]["lfcc_linear"],
            "train": {
                "data": [{"corpus": "own"}],
                "recipe": {"epochs": 1, "lr": 1.0e-2, "batch_size": 8},
            },
        },
        "others": {
            "scores": [
                {
                    "corpus": "own",
                    "split": "dev",
                    "path": "data/scores.tsv",
                    "format": "tsv",
                    "higher": "bonafide",
                }
            ]
        },
    },
}
NAMES = [
    f"{split}/{place}/{name}.wav"
    for split in ("train", "dev", "eval")
    for place in ("bonafide", "spoof/synth")
    for name in ("a", "b")
]


def recording(path: Path, *seed: str) -> Path:
    """Noise of half a second; all files are of the same size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rng_of(*seed).uniform(-0.5, 0.5, 8000).astype(np.float32), 16000)
    return path


RESOLVED = checked(STUDY)
SCORES = f"results/tiny/scores/{RESOLVED.run_of('others').id}/seed0/own.dev.tsv"
ASKED = ("--configfile", "study.yaml", "--", "manifests", SCORES)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Checkout:
    """Manifests of two corpora, an augmented copy of one, and scores of others for the other."""
    study = clone(tmp_path_factory.mktemp("recordings") / "checkout")
    for corpus in ("own", "other"):
        for name in NAMES:
            recording(study.folder / "data" / corpus / name, corpus, name)
    for name in ("street", "rain"):
        recording(study.folder / f"data/noise/musan/noise/free/{name}.wav", name)
    ids = [f"dev-{place}-{name}" for place in ("bonafide", "spoof-synth") for name in ("a", "b")]
    scores = "".join(f"{utt_id}\t{i}.5\n" for i, utt_id in enumerate(ids))
    (study.folder / "data/scores.tsv").write_text(f"utt_id\tscore\n{scores}")
    study.write_study(STUDY)
    study.make(*ASKED)
    return study


def stale(study: Checkout) -> tuple[set[str], str]:
    """Rules of a dry run, each with its corpus, and what was printed."""
    done = study.snakemake("-n", *ASKED)
    assert done.returncode == 0, done.stdout[-4000:]
    jobs = parse_plan(done.stdout)
    return {
        f"{job.rule} {job.wildcards.get('corpus', job.wildcards.get('augmented', ''))}".strip()
        for job in jobs
    }, done.stdout


@pytest.fixture
def data(study) -> Iterator[Path]:
    """The folder of all data, which is as it was afterwards, times included."""
    kept = study.folder / "kept"
    subprocess.run(["cp", "-a", str(study.folder / "data"), str(kept)], check=True)
    yield study.folder / "data"
    shutil.rmtree(study.folder / "data")
    kept.rename(study.folder / "data")


def replace(path: Path, *seed: str) -> None:
    """Another content of the same size, with the time of a file that is older than any result."""
    recording(path, "another", *seed)
    os.utime(path, (1e9, 1e9))


OWN = {"manifest own", "import_scores own"}


def test_nothing_but_new_times(study, data):
    """What was touched is compared by its content; the dry run before the touch finds nothing."""
    for path in sorted(data.rglob("*")):
        path.touch()
    assert stale(study)[0] == set()


@pytest.mark.parametrize("how", ["added", "replaced", "deleted"])
def test_a_recording(study, data, how):
    """One more, another one and one less in dev; the other corpus and its copy are fresh."""
    path = data / "own/dev/bonafide" / ("c.wav" if how == "added" else "a.wav")
    path.unlink() if how == "deleted" else replace(path)
    found, printed = stale(study)
    assert found == OWN
    told = f"corpus own: 1 recording {how} ('data/own/dev/bonafide/{path.name}') since"
    assert told in printed


def test_noise_and_other_tables(study, data):
    """Noise is behind the copy alone; a score file counts that is older than what it became."""
    recording(data / "noise/musan/noise/free/hail.wav", "hail")
    scores = data / "scores.tsv"
    scores.write_text(scores.read_text().replace("1.5", "9.5"))
    os.utime(scores, (1e9, 1e9))
    (data / "own/dev/bonafide/notes.txt").write_text("no recording")
    found, printed = stale(study)
    assert found == {"list_noise", "augment noisy", "import_scores own"}
    assert "noise musan: 1 recording added ('data/noise/musan/noise/free/hail.wav')" in printed


@pytest.mark.parametrize("how", ["replaced", "deleted"])
def test_a_copy_that_changes_is_made_again(study, tmp_path, how):
    study = study.copy(tmp_path / "checkout")
    (copy,) = study.folder.glob("results/tiny/augmented/other/noisy/*train-bonafide-a.flac")
    copy.unlink()
    if how == "replaced":
        recording(copy, "another")
    found, printed = stale(study)
    assert found == {"augment noisy"}
    assert f"copy noisy: 1 recording {how} ('{copy.relative_to(study.folder)}')" in printed
    study.make(*ASKED)
    assert stale(study)[0] == set()
    listed = (study.folder / "results/tiny/manifests/noisy.tsv").read_text()
    assert hashlib.sha256(copy.read_bytes()).hexdigest() in listed


def test_after_the_next_run_everything_is_fresh(study, data, tmp_path):
    """The hashes in the manifest are those of the files, and the audit finds what times hide."""
    study = study.copy(tmp_path / "checkout")
    path = study.folder / "data/own/dev/spoof/synth/b.wav"
    replace(path)
    study.make(*ASKED)
    assert stale(study)[0] == set()
    rows = (study.folder / "results/tiny/manifests/own.tsv").read_text().splitlines()
    of_dev = dict(zip(rows[0].split("\t"), rows[4].split("\t"), strict=True))
    assert of_dev["path"] == "data/own/dev/spoof/synth/b.wav"
    assert of_dev["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    replace(path, "with the same size and time")
    assert stale(study)[0] == set()
    (copy,) = study.folder.glob("results/tiny/augmented/other/noisy/*train-bonafide-a.flac")
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    times = copy.stat()
    copy.write_bytes(content)
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    seen, verified = (
        json.loads(study.spoofscope("audit", "--configfile", "study.yaml", "--json", *more).stdout)
        for more in ([], ["--verify"])
    )
    assert {finding["kind"] for finding in seen["findings"]} == {"missing"}
    assert "their contents are not checked (--verify does that)" in seen["notes"][-1]
    told = {
        (finding["kind"], finding["path"]): finding["explanation"]
        for finding in verified["findings"]
        if finding["kind"] != "missing"
    }
    assert set(told) == {
        ("chain", "results/tiny/manifests/own.tsv"),
        ("altered", str(copy.relative_to(study.folder))),
    }
    changed = told["chain", "results/tiny/manifests/own.tsv"]
    assert "1 recording replaced ('data/own/dev/spoof/synth/b.wav')" in changed
    # What the advice says: its manifest deleted, the damaged copy is made again.
    (study.folder / "results/tiny/manifests/noisy.tsv").unlink()
    path.touch()
    study.make(*ASKED)
    times = copy.stat()
    assert (
        hashlib.sha256(copy.read_bytes()).hexdigest()
        in (study.folder / "results/tiny/manifests/noisy.tsv").read_text()
    )
    assert copy.read_bytes() != content
