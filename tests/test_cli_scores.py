"""`spoofscope import-scores`, `export-scores` and `metrics --asv-scores` as a user meets them."""

import json
import os

import pytest

from spoofscope.cli import main
from spoofscope.metrics.tdcf import AsvRates, min_tdcf, tandem
from spoofscope.score_formats import FORMATS

MANIFEST = """utt_id	label	attack	split	path
E_1	bonafide	-	eval	flac/E_1.flac
E_2	spoof	A17	eval	flac/E_2.flac
E_3	spoof	A18	eval	flac/E_3.flac
D_1	bonafide	-	dev	flac/D_1.flac
"""


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.tsv"
    path.write_text(MANIFEST)
    return path


def test_there_and_back(tmp_path, manifest, capsys):
    theirs, ours, back = tmp_path / "t.csv", tmp_path / "ours.tsv", tmp_path / "back.tsv"
    theirs.write_text("file,fake\nx/E_3.flac,0.25\nx/E_1.flac,-1.5\nx/E_2.flac,0.5\n")
    code, out, err = run(
        capsys,
        *("import-scores", "csv", theirs, ours, "--higher", "spoof"),
        *("--columns", "utt_id=file", "score=fake", "--manifest", manifest, "--split", "eval"),
    )
    assert (code, out, err) == (0, f"{ours}: 3 scores\n", "")
    assert ours.read_text() == "utt_id\tscore\nE_1\t1.5\nE_2\t-0.5\nE_3\t-0.25\n"
    code, out, err = run(capsys, "export-scores", ours, back, "--format", "asvspoof5")
    assert (code, err) == (0, "")
    assert back.read_text() == "filename\tcm-score\nE_1\t1.5\nE_2\t-0.5\nE_3\t-0.25\n"
    again = tmp_path / "again.tsv"
    assert run(capsys, "import-scores", "asvspoof5", back, again, "--higher", "bonafide")[0] == 0
    assert again.read_bytes() == ours.read_bytes()


def test_scores_the_wrong_way_round_are_remarked_on(tmp_path, manifest, capsys):
    theirs, ours = tmp_path / "t.txt", tmp_path / "ours.tsv"
    theirs.write_text("E_1 -1\nE_2 1\nE_3 2\n")
    options = ("--higher", "bonafide", "--manifest", manifest, "--split", "eval")
    code, _, err = run(capsys, "import-scores", "file_score", theirs, ours, *options)
    assert code == 0
    assert "100.0 %" in err
    assert ours.exists()


def test_refusals_are_one_line_and_leave_no_file(tmp_path, manifest, capsys):
    theirs, ours = tmp_path / "t.txt", tmp_path / "ours.tsv"
    theirs.write_text("E_1 1\nE_1 2\n")
    base = ("import-scores", "file_score", theirs, ours, "--higher")
    for arguments, message in (
        ((*base, "bonafide"), "line 2: 'E_1' has a score already, in line 1"),
        ((*base, "fake"), "must be one of bonafide, spoof"),
        ((*base, "bonafide", "--split", "eval"), "add --manifest"),
        ((*base, "bonafide", "--columns", "score"), "not of the form OURS=THEIRS"),
        (
            (*base, "bonafide", "--manifest", manifest, "--split", "train"),
            "no trials of the split 'train'",
        ),
        (
            (
                "import-scores",
                "csv",
                manifest,
                ours,
                "--higher",
                "spoof",
                "--columns",
                "utt_id=score",
            ),
            "one column cannot be two things (utt_id=score, score=score)",
        ),
        (("export-scores", manifest, ours, "--format", "asvspoof5"), "'score' is missing"),
        (("export-scores", tmp_path, ours, "--format", "asvspoof5"), "a folder, not a table"),
        (("needs", "--configfile", tmp_path), "a folder, not a study file"),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1
    assert not ours.exists()


def test_what_cannot_be_read_or_written_is_one_line(tmp_path, capsys):
    """Not a traceback of the system's error, whatever the file is."""
    theirs, binary, study = (tmp_path / name for name in ("t.txt", "binary", "study.yaml"))
    study.write_text("sed: 1\n")
    theirs.write_text("E_1 1\n")
    binary.write_bytes(b"\xff\xfe\x00")
    (tmp_path / "loop").symlink_to("loop")
    # As /dev/null and /dev/stdout are: written under its name, a file would take its place.
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to_pipe").symlink_to("pipe")
    base = ("import-scores", "file_score", theirs)
    for arguments, message in (
        ((*base, tmp_path, "--higher", "bonafide"), f"{tmp_path} is a folder"),
        ((*base, tmp_path / "pipe", "--higher", "bonafide"), f"{tmp_path}/pipe is a device or a"),
        ((*base, tmp_path / "to_pipe", "--higher", "bonafide"), "to_pipe is a device or a pipe"),
        ((*base, theirs, "--higher", "spoof"), f"{theirs}: this is the file that is read"),
        ((*base, "a\0b", "--higher", "spoof"), "no file can have this name"),
        ((*base, theirs / "o.tsv", "--higher", "bonafide"), f"{theirs}/o.tsv cannot be written"),
        (("needs", "--configfile", binary), f"{binary}: not UTF-8 text"),
        (("needs", "--configfile", tmp_path / "loop"), f"{tmp_path}/loop: cannot be read"),
        (("needs", "--configfile", study), f"{study}, line 1: the study file: unknown key"),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1
    left = {"t.txt", "binary", "study.yaml", "loop", "pipe", "to_pipe"}
    assert {path.name for path in tmp_path.iterdir()} == left
    assert (tmp_path / "pipe").is_fifo()
    assert theirs.read_text() == "E_1 1\n"


def test_help_names_every_format(capsys):
    with pytest.raises(SystemExit):
        main(["import-scores", "--help"])
    told = capsys.readouterr().out
    assert [name for name in FORMATS if name not in told] == []


def test_tandem_cost_of_a_score_file(tmp_path, manifest, capsys):
    scores, asv = tmp_path / "s.tsv", tmp_path / "asv.txt"
    scores.write_text("utt_id\tscore\nE_1\t0.0\nE_2\t1.0\nE_3\t-1.0\nD_1\t2.0\n")
    asv.write_text("- target 3\n- target 1\n- nontarget 0\n- nontarget 2\nA17 spoof 2.5\n")
    base = ("metrics", "--scores", scores, "--trials", manifest, "--bootstrap", "0")
    cost = tandem("2021", AsvRates(0.5, 0.5, 1.0))
    expected = min_tdcf([0.0, 2.0], [1.0, -1.0], cost)
    code, out, _ = run(capsys, *base, "--asv-scores", asv, "--json")
    assert code == 0
    assert json.loads(out)["pooled"]["min_tdcf"] == expected
    code, out, _ = run(capsys, *base, "--asv-rates", "0.5", "0.5", "1")
    assert "min t-DCF" in out
    assert f"{expected:.4f}" in out
    assert "t-DCF" not in run(capsys, *base)[1]
    code, _, err = run(capsys, *base, "--asv-scores", asv, "--tdcf", "2020")
    assert code == 2
    assert "2019, 2021" in err
