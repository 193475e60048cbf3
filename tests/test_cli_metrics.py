"""`spoofscope metrics` and `spoofscope predict` as a user meets them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import spoofscope.cases.scored_sets
import spoofscope.detector
from spoofscope import __version__, tables
from spoofscope.cli import main
from spoofscope.metrics import information, rates
from spoofscope.metrics.measure import METRICS
from spoofscope.metrics.tables import evaluate

KEYS = {*METRICS, *(f"{name}_ci" for name in METRICS), "n_bonafide", "n_spoof"}


@pytest.fixture
def files(tmp_path):
    """Score file and trial list, in different orders; and the numbers behind them."""
    rng = np.random.default_rng(0)
    score_lines, trial_lines = [], []
    numbers = {"bonafide": [], "A1": [], "A2": []}
    for i in range(300):
        kind = ("bonafide", "A1", "A2")[i % 3]
        score = float(rng.normal({"bonafide": 2, "A1": 0, "A2": -1}[kind]))
        numbers[kind].append(score)
        score_lines.append(f"u{i}\t{score!r}")
        label, attack = ("bonafide", "-") if kind == "bonafide" else ("spoof", kind)
        trial_lines.append(f"u{i}\t{label}\t{attack}\t{('wav', 'mp3')[i % 2]}")
    scores, trials = tmp_path / "scores.tsv", tmp_path / "trials.tsv"
    scores.write_text("\n".join(["utt_id\tscore", *score_lines[::-1]]) + "\n")
    trials.write_text("\n".join(["utt_id\tlabel\tattack\tcodec", *trial_lines]) + "\n")
    return str(scores), str(trials), {name: np.array(v) for name, v in numbers.items()}


def run(capsys, *arguments):
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_trials_of_one_split(files, tmp_path, capsys):
    """A manifest has the trials of all splits; the threshold may come from another of them."""
    scores, trials, _ = files
    header, *lines = Path(trials).read_text().splitlines()
    dev = ["d1\tbonafide\t-\twav", "d2\tspoof\tA1\twav"]
    table = [f"{header}\tsplit", *(f"{x}\teval" for x in lines), *(f"{x}\tdev" for x in dev)]
    (tmp_path / "manifest.tsv").write_text("\n".join(table) + "\n")
    (tmp_path / "dev.tsv").write_text("utt_id\tscore\nd1\t2.5\nd2\t1.5\n")
    arguments = ("metrics", "--scores", scores, "--bootstrap", "0", "--json", "--trials")
    _, whole, _ = run(capsys, *arguments, trials)
    manifest = str(tmp_path / "manifest.tsv")
    code, out, err = run(capsys, *arguments, manifest, "--split", "eval")
    assert (code, err, out) == (0, "", whole)
    from_dev = ("--threshold-from", str(tmp_path / "dev.tsv"))
    code, out, err = run(capsys, *arguments, manifest, "--split", "eval", *from_dev)
    assert (code, err) == (0, "")
    assert 1.5 <= json.loads(out)["threshold"] <= 2.5
    code, _, err = run(capsys, *arguments, manifest, "--split", "test")
    assert code == 2
    assert "there are no trials of the split 'test'; valid are: dev, eval" in err
    code, _, err = run(capsys, *arguments, manifest)
    assert code == 2
    assert "the scores are of the split 'eval' alone, and " in err
    assert "has others; add --split eval" in err


def test_the_threshold_of_another_file(files, tmp_path, capsys):
    scores, trials, numbers = files
    rng = np.random.default_rng(5)
    dev = {"bonafide": rng.normal(2, 1, 80), "spoof": rng.normal(0, 1, 90)}
    rows = [(f"d{label}{i}", label, x) for label in dev for i, x in enumerate(dev[label])]
    (tmp_path / "dev.tsv").write_text(
        "\n".join(["utt_id\tscore", *(f"{u}\t{float(x)!r}" for u, _, x in rows)]) + "\n"
    )
    dev_trials = "\n".join(["utt_id\tlabel", *(f"{u}\t{label}" for u, label, _ in rows)]) + "\n"
    (tmp_path / "dev_trials.tsv").write_text(dev_trials)
    threshold = rates.eer(dev["bonafide"], dev["spoof"]).threshold
    arguments = ("metrics", "--scores", scores, "--trials", trials, "--bootstrap", "0")
    arguments += ("--threshold-from", str(tmp_path / "dev.tsv"))
    given = ("--threshold-trials", str(tmp_path / "dev_trials.tsv"))
    code, out, err = run(capsys, *arguments, *given, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["threshold"] == threshold
    spoof = np.concatenate([numbers["A1"], numbers["A2"]])
    wanted = rates.error_rates(numbers["bonafide"], spoof, threshold)
    for name in ("bonafide_rejected", "spoof_accepted", "hter"):
        assert result["pooled"][name] == pytest.approx(getattr(wanted, name))
    code, out, err = run(capsys, *arguments, *given)
    assert out.startswith(f"threshold {threshold:.6g}, of the equal error rate of ")
    assert "HTER" in out
    # A file that is none of these trials is refused, as are trials without scores.
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert "dev.tsv has 170 ids that are no trials" in err
    code, _, err = run(capsys, *arguments[:-2], *given)
    assert code == 2
    assert "--threshold-from" in err


def test_json(files, capsys):
    scores, trials, numbers = files
    arguments = ("metrics", "--scores", scores, "--trials", trials, "--by", "attack", "--json")
    code, out, err = run(capsys, *arguments, "--bootstrap", "200", "--seed", "3")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result.keys() == {"pooled", "by"}
    assert result["by"].keys() == {"A1", "A2"}
    cases = {
        "pooled": (result["pooled"], np.concatenate([numbers["A1"], numbers["A2"]])),
        "A1": (result["by"]["A1"], numbers["A1"]),
        "A2": (result["by"]["A2"], numbers["A2"]),
    }
    for metrics, spoof in cases.values():
        bonafide = numbers["bonafide"]
        assert metrics.keys() == KEYS
        assert metrics["eer"] == pytest.approx(rates.eer(bonafide, spoof).value, abs=1e-12)
        assert metrics["min_dcf"] == pytest.approx(rates.min_dcf(bonafide, spoof), abs=1e-12)
        assert metrics["act_dcf"] == pytest.approx(rates.act_dcf(bonafide, spoof), abs=1e-12)
        assert metrics["cllr"] == pytest.approx(information.cllr(bonafide, spoof), abs=1e-12)
        assert metrics["min_cllr"] == pytest.approx(information.min_cllr(bonafide, spoof))
        assert metrics["auc"] == pytest.approx(rates.auc(bonafide, spoof), abs=1e-12)
        assert (metrics["n_bonafide"], metrics["n_spoof"]) == (100, len(spoof))
        for name in METRICS:
            low, high = metrics[f"{name}_ci"]
            assert low < high
            assert low <= metrics[name] <= high
    assert run(capsys, *arguments, "--bootstrap", "200", "--seed", "3")[1] == out
    assert run(capsys, *arguments, "--bootstrap", "200", "--seed", "4")[1] != out


def test_without_bootstrap_and_condition(files, capsys):
    scores, trials, _ = files
    code, out, _ = run(
        capsys, "metrics", "--scores", scores, "--trials", trials, "--bootstrap", "0", "--json"
    )
    result = json.loads(out)
    assert code == 0
    assert result["by"] == {}
    assert result["pooled"]["eer_ci"] is None


def test_scores_within_the_trial_list_are_not_used(files, capsys):
    scores, trials, _ = files
    arguments = ("metrics", "--scores", scores, "--trials", trials, "--bootstrap", "0", "--json")
    _, expected, _ = run(capsys, *arguments)
    header, *lines = Path(trials).read_text().splitlines()
    own = [header + "\tscore", *(line + "\t0.5" for line in lines)]
    Path(trials).write_text("\n".join(own) + "\n")
    assert run(capsys, *arguments)[1] == expected


def test_one_class_level_is_null(files, capsys, tmp_path):
    scores, trials, _ = files
    lines = Path(trials).read_text().splitlines()
    only_spoof = tmp_path / "t.tsv"
    only_spoof.write_text(
        "\n".join(
            line.replace("mp3", "opus") if "spoof" in line and "A2" in line else line
            for line in lines
        )
        + "\n"
    )
    code, out, _ = run(
        capsys,
        *("metrics", "--scores", scores, "--trials", str(only_spoof), "--by", "codec", "--json"),
    )
    opus = json.loads(out)["by"]["opus"]
    assert code == 0
    assert (opus["n_bonafide"], opus["n_spoof"]) == (0, 50)
    assert {name: opus[name] for name in KEYS - {"n_bonafide", "n_spoof"}} == dict.fromkeys(
        KEYS - {"n_bonafide", "n_spoof"}
    )


def test_readable_table(files, capsys):
    scores, trials, numbers = files
    code, out, _ = run(
        capsys,
        *("metrics", "--scores", scores, "--trials", trials, "--by", "codec", "--bootstrap", "100"),
    )
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines] == ["condition", "pooled", *["codec"] * 3]
    spoof = np.concatenate([numbers["A1"], numbers["A2"]])
    assert f"{rates.eer(numbers['bonafide'], spoof).value:.4f}" in lines[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("u7\t", "x7\t"), "lacks 1 of the trials in .*: 'u7'"),
        (lambda text: text + "extra\t1.0\n", "has 1 ids that are no trials of .*: 'extra'"),
        (lambda text: text + "u7\t1.0\n", "'u7' is there twice"),
        (lambda text: text + "u300\tnan\n", "'nan' is not a finite number"),
        (lambda text: text + "u300\tinf\n", "'inf' is not a finite number"),
        (lambda text: text + "u300\thigh\n", "'high' is not a finite number"),
        (lambda text: text.replace("score", "llr"), "column 'score' is missing"),
    ],
)
def test_bad_score_files_are_refused_in_one_line(files, capsys, change, message):
    scores, trials, _ = files
    Path(scores).write_text(change(Path(scores).read_text()))
    code, out, err = run(capsys, "metrics", "--scores", scores, "--trials", trials, "--json")
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert scores in err
    assert re.search(message, err)


def test_unknown_column_and_missing_file(files, capsys):
    scores, trials, _ = files
    code, _, err = run(capsys, "metrics", "--scores", scores, "--trials", trials, "--by", "atack")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean 'attack'?" in err
    code, _, err = run(capsys, "metrics", "--scores", scores + "x", "--trials", trials)
    assert code == 2
    assert "scores.tsvx: no such table" in err


@pytest.mark.parametrize("count", ["1", "99"])
def test_too_few_resamples_are_refused_by_name(files, capsys, count):
    scores, trials, _ = files
    arguments = ("metrics", "--scores", scores, "--trials", trials, "--bootstrap", count)
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"spoofscope metrics: --bootstrap: {count} resamples are too few")
    assert "at least 100" in err
    assert err.count("\n") == 1


def test_why_there_is_no_interval_is_said(tmp_path, capsys, caplog):
    """One trial of each class: nothing was resampled, and no interval says nothing about others."""
    scores, trials = tmp_path / "scores.tsv", tmp_path / "trials.tsv"
    scores.write_text("utt_id\tscore\na\t1\nb\t0\n")
    for speakers, options, said in (
        ("xy", (), ["single speaker of bonafide", "single speaker of spoof"]),
        ("xx", (), ["one by one, which says", "trial of bonafide", "trial of spoof"]),
        ("--", (), ["single trial of bonafide", "single trial of spoof"]),
        ("--", ("--cluster", "speaker"), ["speaker of all trials is unknown", "trial", "trial"]),
    ):
        first, second = speakers
        trials.write_text(f"utt_id\tlabel\tspeaker\na\tbonafide\t{first}\nb\tspoof\t{second}\n")
        caplog.clear()
        arguments = ("metrics", "--scores", str(scores), "--trials", str(trials), "--json")
        code, out, _ = run(capsys, *arguments, *options)
        assert code == 0
        assert json.loads(out)["pooled"]["eer_ci"] is None
        messages = [record.getMessage() for record in caplog.records]
        assert len(messages) == len(said)
        for message, part in zip(messages, said, strict=True):
            assert part in message


def test_a_pipe_is_told_from_a_missing_file(files, capsys):
    _, trials, _ = files
    readable, writable = os.pipe()
    code, _, err = run(capsys, "metrics", "--scores", f"/dev/fd/{readable}", "--trials", trials)
    os.close(readable)
    os.close(writable)
    assert (code, err.count("\n")) == (2, 1)
    assert "a pipe or a device, and a table is read from a file" in err


def test_speakers_are_the_unit_where_they_are_known(files, capsys):
    """By default, as with `--cluster speaker`, as in the workflow's tables."""
    scores, trials, _ = files
    header, *lines = Path(trials).read_text().splitlines()
    Path(trials).write_text(
        "\n".join(
            [f"{header}\tspeaker", *(f"{line}\ts{i // 3 % 9}" for i, line in enumerate(lines))]
        )
        + "\n"
    )
    arguments = ("metrics", "--scores", scores, "--trials", trials, "--json", "--bootstrap", "200")
    default, speaker, single, codec = (
        run(capsys, *arguments, *more)
        for more in ((), ("--cluster", "speaker"), ("--cluster", "none"), ("--cluster", "codec"))
    )
    assert default == speaker
    assert len({default[1], single[1], codec[1]}) == 3
    joined = tables.join_scores(
        tables.read_scores(scores),
        tables.read_trials(trials),
        scores_name="scores",
        trials_name="trials",
    )
    row = evaluate(joined, [], 200, 1).row(0, named=True)
    assert json.loads(default[1])["pooled"]["eer_ci"] == [row["ci_low"], row["ci_high"]]
    code, _, err = run(capsys, *arguments, "--cluster", "speeker")
    assert code == 2
    assert "no column 'speeker'; did you mean 'speaker'" in err


def test_perfect_separation_on_the_command_line(capsys, tmp_path):
    lines = [(f"b{i}", "bonafide", 1 + i / 10) for i in range(10)]
    lines += [(f"s{i}", "spoof", -1 - i / 10) for i in range(30)]
    trials, scores = tmp_path / "trials.tsv", tmp_path / "scores.tsv"
    trials.write_text("utt_id\tlabel\n" + "".join(f"{u}\t{label}\n" for u, label, _ in lines))
    scores.write_text("utt_id\tscore\n" + "".join(f"{u}\t{x}\n" for u, _, x in lines))
    code, out, _ = run(capsys, "metrics", "--scores", str(scores), "--trials", str(trials))
    assert code == 0
    assert "0.0000  0.0000 to 0.3085" in out


@pytest.mark.parametrize("count", ["-1", "many"])
def test_bad_bootstrap_count(files, capsys, count):
    scores, trials, _ = files
    with pytest.raises(SystemExit) as stop:
        main(["metrics", "--scores", scores, "--trials", trials, "--bootstrap", count])
    assert stop.value.code == 2
    assert "whole number, 0 or more" in capsys.readouterr().err


RESULT = {
    "path": "a.wav",
    "score": 1.25,
    "llr": None,
    "log10_llr": None,
    "p_bonafide": None,
    "calibration": None,
    "validation": None,
    "decision": "bonafide",
    "reasons": [],
    "duration_s": 2.0,
    "n_windows": 1,
    "logits": [1.25],
    "window_scores": [1.25],
    "window_logits": [[1.25]],
    "flags": {"too_short": False, "extended": True, "clipped": True, "low_level": None},
}
ERROR = {"path": "b.wav", "error": "b.wav: no such audio file"}


@pytest.mark.parametrize(("results", "code"), [([RESULT], 0), ([RESULT, ERROR], 1)])
def test_predict(monkeypatch, capsys, results, code):
    loaded, asked = [], []

    def predict_files(detector, files):
        asked.append(files)
        return iter(results)

    def load_supported(*given):
        loaded.append(given)
        return SimpleNamespace(support=None, identity="0123456789ab")

    monkeypatch.setattr(spoofscope.cases.scored_sets, "load_supported", load_supported)
    monkeypatch.setattr(spoofscope.detector, "predict_files", predict_files)
    arguments = ("predict", "--detector", "d", *(result["path"] for result in results))
    exit_code, out, _ = run(capsys, *arguments, "--json")
    assert exit_code == code
    assert json.loads(out) == results
    assert (loaded, asked) == ([("d", None)], [[result["path"] for result in results]])
    exit_code, out, err = run(capsys, *arguments)
    assert exit_code == code
    assert out.splitlines()[1].split() == [
        "a.wav",
        "bonafide",
        "1.2500",
        *("-", "-", "-", "-"),
        "2.00",
        "extended,clipped",
        "-",
    ]
    assert out.splitlines()[-1] == f"By detector 0123456789ab, spoofscope {__version__}."
    assert ("no such audio file" in err) == (code == 1)


def test_predict_without_a_detector(capsys):
    code, out, err = run(capsys, "predict", "--detector", "d", "a.wav", "--json")
    assert (code, out) == (2, "")
    assert "d is no detector folder" in err


def test_importing_is_cheap():
    """Neither the package nor the command line may load anything heavy."""
    check = (
        "import sys, spoofscope, spoofscope.cli; "
        "print(sorted({'torch', 'polars', 'numpy', 'sklearn', 'matplotlib', 'scipy'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_metrics_loads_no_torch(files):
    scores, trials, _ = files
    check = (
        "import sys, spoofscope.cli; "
        f"spoofscope.cli.main(['metrics', '--scores', {scores!r}, '--trials', {trials!r}]); "
        "print(sorted({'torch', 'sklearn', 'matplotlib', 'scipy.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_what_would_be_ignored_or_never_end_is_refused(files, capsys):
    scores, trials, _ = files
    for extra, message in (
        (("--bootstrap", "10000000000"), "more than 1,000,000"),
        (("--tdcf", "2019"), "--tdcf: a t-DCF needs a verifier; add --asv-scores or --asv-rates"),
    ):
        code, out, err = run(capsys, "metrics", "--scores", scores, "--trials", trials, *extra)
        assert (code, out) == (2, "")
        assert message in err
