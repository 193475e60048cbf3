"""What a study reads and does not make: where it belongs, whether it is there, where it is had."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from detector_folders import write_detector
from spoofscope.corpora import registry
from spoofscope.corpora.download import set_aside
from spoofscope.distribution import Size
from spoofscope.errors import ConfigError
from spoofscope.frontends import registry as registry_of_frontends
from spoofscope.needs import Need, as_text, features_as_text, kept_features, missing, needs
from spoofscope.plan.study_plan import checked

SHA = "0" * 64
REVISION = "f" * 40
STUDY: dict[str, Any] = {
    "study": "small",
    "title": "Small",
    "seed": 1,
    "data_root": "resources",
    "scatter_shards": {},
    "corpora": {
        "web": {"type": "in_the_wild", "path": "data/web"},
        "own": {"type": "folder", "path": "data/own"},
        "packed": {"type": "ctrsvdd", "archives": [{"url": "https://x.org/a.zip", "sha256": SHA}]},
        "talkers": {"type": "mini"},
    },
    "noise": {"musan": {"path": "data/musan"}, "rirs": {"generate": "mini"}},
    "backbones": {
        "hub": {"family": "wavlm", "hub": "someone/wavlm", "revision": REVISION},
        "mine": {"family": "wavlm", "folder": "models/mine"},
        "tiny": {"family": "wavlm", "tiny": {}},
    },
    "frontends": {"lfcc": {"type": "lfcc"}},
    "detectors": {
        "lfcc": {
            "frontend": "lfcc",
            "backend": {"type": "linear"},
            "train": {"data": [{"corpus": "own"}]},
        }
    },
    "score": [{"corpus": "own", "splits": ["eval"]}],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_disc_that_kept_features_need(here: Path) -> None:
    study = copy.deepcopy(STUDY)
    study["corpora"]["own"] = {"type": "mlaad", "path": "d", "protocol": "lists.zip"}
    study["corpora"]["real"] = {"type": "folder", "path": "data/real"}
    entry = study["detectors"]["lfcc"]
    entry["input"] = {"length": 64000}
    entry["train"] = {"data": [{"corpus": "own"}, {"corpus": "real"}]}
    (found,) = kept_features(checked(study))
    # 398 frames of 60 values in 4 bytes for every published line of train, dev and eval.
    frames = registry_of_frontends.build({"type": "lfcc"}).n_frames(64000)
    assert found.n_bytes == (11_100 + 12_000 + 33_900) * frames * 60 * 4
    assert found.at_least
    assert found.unknown == (("real", "dev"), ("real", "train"))
    study["frontends"]["lfcc"]["precision"] = "half"
    (halved,) = kept_features(checked(study))
    assert 2 * halved.n_bytes == found.n_bytes
    text = features_as_text([found])
    assert "at least 3.43 GB" in text
    assert "without real.dev, real.train: how many clips" in text
    study["frontends"]["lfcc"] = {"type": "ssl", "backbone": "hub"}
    (unknown,) = kept_features(checked(study))
    assert unknown.n_bytes is None
    assert "of unknown size" in features_as_text([unknown])


def test_everything_that_is_not_made_is_listed(here: Path) -> None:
    found = {need.name: need for need in needs(checked(STUDY))}
    assert list(found) == ["web", "own", "packed", "musan", "hub", "mine"]
    assert not any(need.present for need in found.values())
    assert {name for name, need in found.items() if need.fetched} == {"packed", "hub"}
    assert found["web"] == Need(
        *("corpus", "web", "data/web", registry.source_of("in_the_wild"), False, False),
        size=Size(8_200_000_000, rounded=True),
    )
    assert found["own"].source == "-"
    assert found["packed"].source == "https://x.org/a.zip"
    assert found["hub"].source == f"https://huggingface.co/someone/wavlm at {REVISION}"


def test_synthesizers_of_spoken_corpora(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines = [{"engine": "flite", "voices": ["slt"]}, {"engine": "espeak-ng", "voices": ["en"]}]
    spoken = {
        name: {"type": "tts", "human": "own", "sentence_file": "sentences.txt", "engines": engines}
        for name in ("spoken", "again")
    }
    flite = here / "flite"
    flite.write_text("#!/bin/sh\n")
    flite.chmod(0o755)
    monkeypatch.setenv("PATH", str(here))
    study = checked({**STUDY, "corpora": {**STUDY["corpora"], **spoken}})
    found = [need for need in needs(study) if need.kind == "synthesizer"]
    assert [(need.name, need.present) for need in found] == [("flite", True), ("espeak-ng", False)]
    text = as_text(found).splitlines()
    assert text[2] == "synthesizer espeak-ng: missing: install this command"
    assert text[4].startswith("    from Debian: apt-get install espeak-ng; more voices: ")


def test_packages_of_single_components(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = [{"effect": "dc"}, {"effect": "watermark"}]
    own = {"chains": {"mark": mark, "again": mark}, "aligners": {"pauses": {"type": "vad"}}}
    write_detector(here / "theirs", frontend={"type": "resemblyzer"})
    detectors = {**STUDY["detectors"], "theirs": {"folder": "theirs"}}
    (here / "perth").mkdir()
    (here / "perth/__init__.py").touch()
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    study = checked({**STUDY, **own, "detectors": detectors})
    found = [need for need in needs(study) if need.kind == "package"]
    assert [need.name for need in found] == [
        *("resemble-perth==1.0.1", "resemblyzer==0.1.4", "silero-vad>=6,<7")
    ]
    assert (found[0].present, found[2].present) == (True, False)
    text = as_text([found[0], found[2]]).splitlines()
    assert text[:3] == [
        "package resemble-perth==1.0.1: present",
        f"    {here}/perth/__init__.py",
        "package silero-vad>=6,<7: missing: install this package",
    ]
    assert text[4] == '    from .venv/bin/python -m pip install --no-deps "silero-vad>=6,<7"'


def test_what_is_there_is_not_missing(here: Path) -> None:
    study = checked(STUDY)
    for folder in ("data/web", "data/own", "data/musan", "models/mine"):
        (here / folder).mkdir(parents=True)
    assert len(missing(study)) == 6  # an empty folder is not a corpus
    for folder in ("data/web", "data/own", "data/musan", "models/mine"):
        (here / folder / "file").touch()
    archive = here / f"resources/downloads/{SHA}.archive"
    archive.parent.mkdir(parents=True)
    archive.touch()
    assert [need.name for need in missing(study)] == ["hub"]
    model = here / study.backbone_folder("hub")
    model.mkdir(parents=True)
    (model / "config.json").touch()
    assert missing(study) == []
    assert [need.present for need in needs(study)] == [True] * 6


def test_an_archive_kept_through_an_update_is_not_missing(here: Path) -> None:
    archive = here / f"resources/downloads/{SHA}.archive"
    archive.parent.mkdir(parents=True)
    archive.touch()
    set_aside(archive)
    assert not archive.exists()
    assert [need.present for need in needs(checked(STUDY)) if need.kind == "archive"] == [True]


def test_in_words() -> None:
    absent = Need("corpus", "web", "data/web", "https://x.org", False, False)
    hub = Need("backbone", "hub", "resources/hub", "https://y.org", True, False)
    there = Need("noise", "musan", "data/musan", "https://z.org", False, True)
    assert as_text([absent, hub, there]).splitlines() == [
        "corpus web: missing: put it there, or link it",
        "    data/web",
        "    from https://x.org",
        "backbone hub: to be downloaded by the workflow",
        "    resources/hub",
        "    from https://y.org",
        "noise musan: present",
        "    data/musan",
    ]


def test_an_archive_of_two_corpora_is_downloaded_once() -> None:
    twice = [
        Need("archive", name, "a.archive", "https://x.org/a.zip", True, False, size=Size(10**9))
        for name in ("web", "tiny")
    ]
    assert as_text(twice).splitlines()[-1].startswith("to be downloaded by the workflow: 1 GB, 1")
    other = Need("archive", "own", "b.archive", "-", True, False, size=Size(10**9))
    assert ": 2 GB, 3 min" in as_text([*twice, other]).splitlines()[-1]


def test_published_corpora_say_where_they_are_had() -> None:
    for name in ("asvspoof5", "asvspoof2021_la", "ctrsvdd", "habla", "partialspoof", "wavefake"):
        assert registry.source_of(name).startswith("http"), name
    for name in ("folder", "mini", "table"):
        assert registry.source_of(name) == ""
    with pytest.raises(ConfigError, match="no corpus type 'in_the_wood'"):
        registry.source_of("in_the_wood")


@pytest.mark.slow
def test_on_the_command_line(here: Path) -> None:
    (here / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}

    def ask(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "spoofscope.cli", "needs", *options]
        return subprocess.run(
            [*command, "--configfile", "study.yaml"],
            capture_output=True,
            text=True,
            env=environment,
        )

    done = ask("--json")
    assert done.returncode == 1
    assert [need["name"] for need in json.loads(done.stdout)][:2] == ["web", "own"]
    for folder in ("data/web", "data/own", "data/musan", "models/mine"):
        (here / folder).mkdir(parents=True)
        (here / folder / "file").touch()
    done = ask()
    # The workflow itself downloads the rest.
    assert done.returncode == 0
    assert "corpus web: present" in done.stdout
    assert "backbone hub: to be downloaded by the workflow" in done.stdout


def test_nothing_that_is_missing_hides_another(here: Path) -> None:
    (here / "broken").mkdir()
    (here / "broken/detector.json").write_text("{")
    frontend = {"type": "ssl", "backbone": {"folder": "models/theirs"}}
    write_detector(here / "whole", frontend=frontend)
    scores = {"corpus": "own", "split": "eval", "path": "x.csv", "format": "csv", "higher": "spoof"}
    others = {
        "absent": {"folder": "detectors/aasist"},
        "broken": {"folder": "broken"},
        "whole": {"folder": "whole"},
        "scores": {"scores": [scores]},
    }
    tdcf = [{"corpus": "own", "split": "eval", "form": "2019", "scores": "asv.txt"}]
    config = {**STUDY, "detectors": {**STUDY["detectors"], **others}, "tdcf": tdcf}
    with pytest.raises(ConfigError, match=r"detectors.absent.folder: .*\(and 2 more; .*needs"):
        checked(config)
    found = needs(checked(config, absent_detectors=True))
    assert [(need.kind, need.name, need.place) for need in found if not need.present][-5:] == [
        ("detector", "absent", "detectors/aasist"),
        ("detector", "broken", "broken"),
        ("backbone", "whole", "models/theirs"),
        ("scores", "scores", "x.csv"),
        ("verifier", "own.eval", "asv.txt"),
    ]
    assert {need.name for need in found} >= {"web", "own", "packed", "musan", "hub", "mine"}
    assert "broken/detector.json is not valid JSON" in as_text(found)


def test_whoever_reads_the_list_may_stop_reading(here: Path) -> None:
    (here / "study.yaml").write_text(yaml.safe_dump(STUDY))
    command = [sys.executable, "-m", "spoofscope.cli", "needs", "--configfile", "study.yaml"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 141


def test_a_study_that_needs_nothing_is_told_so() -> None:
    assert as_text([]) == "the study reads nothing that it does not make"


def test_a_path_is_shown_in_one_line():
    need = Need("corpus", "own", "/data/a\nb\u202e" + "x" * 5000, "-", False, False)
    lines = as_text([need]).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(r'    "/data/a\nb\u202exxx')
    assert lines[1].isprintable()
    assert len(lines[1]) < 500
