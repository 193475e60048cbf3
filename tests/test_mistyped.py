"""Mistyped commands, options and study files get the nearest. Targets: workflow/test_targets.py."""

import pytest

from spoofscope.cli import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "'rnu' is no command; did you mean 'run'?"),
        (["xyzzy"], "'xyzzy' is no command; valid are: audit, case, compare,"),
        (["run", "--coers", "2"], "unrecognized arguments: --coers; did you mean '--cores'?"),
        (["case", "--tracer", "t", "a.wav", "--tracer=u"], "--tracer is given twice, and can be"),
        (["predict", "--detectr=d", "--detector", "d", "a.wav"], "did you mean '--detector'?"),
    ],
)
def test_commands_and_options(capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("study", "hint"),
    [
        ("own.yml", "; did you mean 'own.yaml'?"),
        ("own.ymal", "; did you mean 'own.yaml'?"),
        ("onw.yaml", "; did you mean 'own.yaml'?"),
        ("confg/studys/layers.yaml", "; did you mean 'config/studies/layers.yaml'?"),
        ("layers.yaml", "; did you mean 'config/studies/layers.yaml'?"),
        ("somewhere/else/other.yaml", ""),
    ],
)
def test_study_files(capsys, tmp_path, monkeypatch, study, hint):
    for name in ("workflow/Snakefile", "own.yaml", "config/studies/layers.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert main(["run", study]) == 2
    error = f"spoofscope run: {study}: there is no such study file{hint}\n"
    assert capsys.readouterr().err == error


@pytest.mark.parametrize("target", ["results/mini/report/index.html", "x.xml", "t.tsv", "all"])
def test_results_are_no_study_files(tmp_path, monkeypatch, target):
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").touch()
    monkeypatch.chdir(tmp_path)
    started = []
    monkeypatch.setattr("os.execv", lambda _, words: started.append(words))
    with pytest.raises(AssertionError, match="does not return"):
        main(["run", target])
    assert started[0][3] == target
    assert "--configfile" not in started[0]
