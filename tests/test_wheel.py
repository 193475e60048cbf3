"""The installed package works without a checkout: it brings its schema, recipes and templates."""

import json
import re
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from annotation_packs import make_pack
from spoofscope.detector import Detector
from spoofscope.windows import InputPolicy

ROOT = Path(__file__).resolve().parents[1]
STUDY = """\
study: own
title: Own recordings
data_root: data
corpora:
  mine: {type: folder, path: recordings}
frontends:
  fbank: {type: fbank}
detectors:
  cnn:
    frontend: fbank
    backend: {type: cnn}
    input: {length: 32000}
    train:
      data: [{corpus: mine}]
      recipe: {preset: small_data}
score:
  - {corpus: mine, splits: [dev, eval]}
"""

pytestmark = pytest.mark.slow


class Installed:
    """The command of an installed wheel, run in an empty folder."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python, self.folder = python, folder

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        # Without the variables of this process, such as PYTHONPATH.
        return subprocess.Popen(
            [self.python.with_name("spoofscope"), *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        process = self.start(*arguments)
        printed, told = process.communicate(timeout=300)
        assert process.returncode == code, told
        return printed if code == 0 else told


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own, beside the packages that it stands on."""
    folder = tmp_path_factory.mktemp("wheel")
    source, wheels, environment = folder / "source", folder / "wheels", folder / "environment"
    work = folder / "work"
    work.mkdir()
    # Building leaves files beside the sources, so they are copied: what git has of them.
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = wheels.glob("spoofscope-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = ["--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *install], check=True)
    # Packages are not installed twice. This line names their folder alone, so that what leads from
    # there to the checkout is not followed.
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(python, work)


@pytest.fixture(scope="module")
def detector(installed: Installed) -> str:
    torch.manual_seed(0)
    detector = Detector({"type": "lfcc"}, {"type": "linear"}, InputPolicy(length=8000))
    detector.save(installed.folder / "lfcc")
    return "lfcc"


def test_nothing_comes_from_the_checkout(installed: Installed) -> None:
    code = "import spoofscope, sys; print(spoofscope.__file__, *sys.path, sep='\\n')"
    found = subprocess.run(
        [installed.python, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert Path(found[0]).is_relative_to(installed.python.parents[1])
    assert str(ROOT / "src") not in found
    assert installed.run("--version").startswith("spoofscope ")


def test_recordings_are_judged(installed: Installed, detector: str) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(16000)
    soundfile.write(installed.folder / "clip.wav", samples, 16000)
    (judged,) = json.loads(installed.run("predict", "--detector", detector, "--json", "clip.wav"))
    assert judged["n_windows"] == 2


def test_scores_are_measured(installed: Installed) -> None:
    rows: list[tuple[str, str, float]] = []
    for i in range(40):
        rows.append((f"u{i}", ("spoof", "bonafide")[i % 2], float(i % 2) + 0.01 * i))
    for name, column, values in (
        ("scores.tsv", "score", [row[2] for row in rows]),
        ("trials.tsv", "label", [row[1] for row in rows]),
    ):
        lines = [f"{row[0]}\t{value}" for row, value in zip(rows, values, strict=True)]
        (installed.folder / name).write_text("\n".join([f"utt_id\t{column}", *lines, ""]))
    printed = installed.run("metrics", "--scores", "scores.tsv", "--trials", "trials.tsv", "--json")
    assert json.loads(printed)["pooled"]["eer"] == 0


def test_study_files_are_checked(installed: Installed) -> None:
    (installed.folder / "study.yaml").write_text(STUDY)
    told = installed.run("needs", "--configfile", "study.yaml", code=1)
    assert told == ""
    (installed.folder / "wrong.yaml").write_text(STUDY.replace("small_data", "small_date"))
    told = installed.run("needs", "--configfile", "wrong.yaml", code=2)
    assert "did you mean 'small_data'?" in told
    (installed.folder / "overlay.yaml").write_text("seed: 2\n")
    told = installed.run("needs", "--configfile", "overlay.yaml", code=2)
    assert "overlay.yaml: the key 'study' is missing" in told
    assert "checkout" in told


@contextmanager
def served(process: Any) -> Iterator[str]:
    """The address of a page."""
    try:
        for line in process.stdout:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                break
        yield found.group()
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_the_page_is_served(installed: Installed, detector: str) -> None:
    process = installed.start("demo", "--detector", detector, "--port", "0")
    with served(process) as url, urllib.request.urlopen(url, timeout=60) as answer:
        assert "spoofscope" in answer.read().decode()


def test_clips_are_labelled(installed: Installed) -> None:
    make_pack(installed.folder / "pack")
    with served(installed.start("label", "pack", "--port", "0")) as url:
        for path in ("/", "/page/label.js", "/page/wavesurfer/spectrogram.esm.js", "/api/study"):
            with urllib.request.urlopen(f"{url}{path}", timeout=60) as answer:
                assert answer.read()
    assert (installed.folder / "pack/labels.sqlite").is_file()
