"""`spoofscope predict FOLDER --out FILE`: which files are judged, and what is written."""

import io
import json
import sys

import numpy as np
import polars as pl
import pytest
import torch

from calibrations import calibration_of
from spoofscope import __version__, audio
from spoofscope.cli import main
from spoofscope.commands.predict import _counted
from spoofscope.detector import Detector
from spoofscope.judging import COLUMNS
from spoofscope.windows import InputPolicy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predicted")
    torch.manual_seed(0)
    policy = InputPolicy(length=8000)
    calibration = calibration_of(band=0.0)
    detector = Detector({"type": "lfcc"}, {"type": "linear"}, policy, None, calibration)
    detector.save(folder / "detector")
    rng = np.random.default_rng(0)
    (folder / "clips/sub").mkdir(parents=True)
    (folder / "clips/.hidden").mkdir()
    for name in ("b.wav", "=a,b.wav", "sub/c.FLAC", ".hidden/d.wav"):
        # Suffixes are of any case; the content decides what a file is.
        audio.write(folder / "clip.wav", 0.1 * rng.standard_normal(16000), 16000)
        (folder / "clip.wav").rename(folder / "clips" / name)
    (folder / "clips/readme.txt").write_text("not judged")
    return folder


def predict(capsys, folder, *arguments):
    code = main(["predict", "--detector", str(folder / "detector"), *map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.mark.parametrize(("name", "separator"), [("x.csv", ","), ("x.TSV", "\t")])
def test_a_table_of_a_folder(capsys, folder, tmp_path, name, separator):
    clips = folder / "clips"
    code, out, err = predict(capsys, folder, clips, clips / "b.wav", "--out", tmp_path / name)
    assert (code, err, out) == (0, "", f"{tmp_path / name}: 3 recordings\n")
    table = pl.read_csv(tmp_path / name, separator=separator)
    assert tuple(table.columns) == COLUMNS
    names = [str(clips / file) for file in ("=a,b.wav", "b.wav", "sub/c.FLAC")]
    assert table["file"].to_list() == names
    code, out, _ = predict(capsys, folder, clips, "--json")
    printed = json.loads(out)
    assert [result["path"] for result in printed] == names
    for row, result in zip(table.iter_rows(named=True), printed, strict=True):
        assert row["score"] == pytest.approx(result["score"], abs=1e-6)
        assert row["decision"] == result["decision"]
    code, *_ = predict(capsys, folder, clips, "--out", tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == printed


def test_a_bad_recording_has_a_row(capsys, folder, tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/bad.wav").write_text("no audio at all " * 50)
    out = tmp_path / "x.csv"
    files = (tmp_path / "clips", folder / "clips/b.wav")
    code, text, err = predict(capsys, folder, *files, "--out", out)
    assert code == 1
    assert "2 recordings, of which 1 could not be judged" in text
    bad, good = pl.read_csv(out).rows(named=True)
    assert bad["error"] == err.strip()
    assert (bad["decision"], bad["score"], good["error"]) == (None, None, None)
    asked = Detector.load(folder / "detector").identity
    for row in (bad, good):
        assert (row["detector"], str(row["spoofscope"])) == (asked, __version__)
    _, printed, _ = predict(capsys, folder, *files, "--json")
    assert [row["detector"] for row in json.loads(printed)] == [asked] * 2
    _, printed, _ = predict(capsys, folder, *files)
    assert printed.splitlines()[-1] == f"By detector {asked}, spoofscope {__version__}."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{empty}", "--out", "{empty}/x.csv"], "there is no recording below this folder"),
        (["{clip}", "--out", "{empty}/x.xls"], "must end in .csv, .tsv or .json"),
        (["{clip}", "--out", "{empty}/no/x.csv"], "its folder does not exist"),
        (["{clip}", "--out", "{empty}/x.json", "--json"], "name a file that ends in .json"),
    ],
)
def test_refusals(capsys, folder, tmp_path, arguments, said):
    places = {"empty": tmp_path, "clip": folder / "clips/b.wav"}
    code, out, err = predict(capsys, folder, *(word.format(**places) for word in arguments))
    assert (code, out) == (2, "")
    assert said in err
    assert not list(tmp_path.iterdir())


def test_the_file_that_is_read_is_not_written(capsys, folder, tmp_path):
    clip = tmp_path / "clip.csv"
    clip.write_bytes((folder / "clips/b.wav").read_bytes())
    before = clip.read_bytes()
    code, _, err = predict(capsys, folder, clip, "--out", clip)
    assert code == 2
    assert "this is the file that is read" in err
    assert clip.read_bytes() == before


def test_nothing_is_written_after_an_interrupt(folder, tmp_path, monkeypatch):
    def interrupted(self, path):
        raise KeyboardInterrupt

    (tmp_path / "x.csv").write_text("of before")
    monkeypatch.setattr(Detector, "predict", interrupted)
    arguments = [str(folder / "clips"), "--out", str(tmp_path / "x.csv")]
    with pytest.raises(KeyboardInterrupt):
        main(["predict", "--detector", str(folder / "detector"), *arguments])
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    assert (tmp_path / "x.csv").read_text() == "of before"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is(monkeypatch):
    results = [{"path": name, "error": "no"} for name in "abc"]
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(_counted(iter(results), 3)) == results
    told = sys.stderr.getvalue()
    assert "\r1 of 3, 1 s left\r" in told
    assert "\r2 of 3, 1 s left\r" in told
    assert "3 of 3" not in told
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert list(_counted(iter(results), 3)) == results
    assert sys.stderr.getvalue() == ""
