"""Wrong input ends with a message that says where and what to do, and with nothing half-made."""

import copy
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import yaml
from checkout import TINY_STUDY, Checkout

from spoofscope.errors import ConfigError
from spoofscope.plan.study_plan import load_study

pytestmark = pytest.mark.slow

SECOND = 16000


def noise(seconds: float, rate: int = SECOND, channels: int = 1, seed: int = 0) -> np.ndarray:
    shape = (int(seconds * rate), channels) if channels > 1 else int(seconds * rate)
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


def recordings(root: Path, splits: tuple[str, ...] = ("eval",)) -> Path:
    """A folder corpus: three bona fide recordings and three spoofs per split."""
    for s, split in enumerate(splits):
        for i in range(3):
            for j, kind in enumerate(("bonafide", "spoof/synth")):
                path = root / split / kind / f"{i}.flac"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, noise(0.5 + 0.1 * i, seed=100 * s + 10 * i + j), SECOND)
    return root


def with_corpus(**corpus) -> dict:
    """The tiny study, with another corpus that is only scored."""
    study = copy.deepcopy(TINY_STUDY)
    study["corpora"]["own"] = corpus
    study["score"].append({"corpus": "own", "splits": ["eval"]})
    return study


def run_folder(study: Checkout) -> Path:
    (folder,) = (study.folder / "results/tiny/detectors").iterdir()
    return folder


def last_error(text: str) -> str:
    """The message that a script left, without the rest of what Snakemake prints."""
    lines = [line for line in text.splitlines() if " ERROR spoofscope: " in line]
    assert lines, text[-4000:]
    return text[text.index(lines[0]) :]


# --- study files -------------------------------------------------------------------------------


def edited(change) -> dict:
    study = copy.deepcopy(TINY_STUDY)
    change(study)
    return study


def misspell_section(study):
    study["detectorss"] = study.pop("detectors")


def misspell_recipe(study):
    study["detectors"]["lfcc_linear"]["train"]["recipe"] = {"epoch": 2}


def text_for_number(study):
    study["detectors"]["lfcc_linear"]["train"]["recipe"]["lr"] = "1e-3"


def unknown_frontend(study):
    study["detectors"]["lfcc_linear"]["frontend"] = "lfc"


def unknown_effect(study):
    study["chains"] = {"noisy": [{"effect": "musann", "probability": 0.5}]}


def option_of_another_frontend(study):
    study["frontends"]["lfcc"]["wavelet"] = "sym5"


@pytest.mark.parametrize(
    ("change", "place", "hint"),
    [
        (misspell_section, "'detectorss'", "'detectors'"),
        (misspell_recipe, "detectors.lfcc_linear.train.recipe: unknown key 'epoch'", "'epochs'"),
        (text_for_number, "detectors.lfcc_linear.train.recipe.lr", "write 1.0e-3, not 1e-3"),
        (unknown_frontend, "detectors.lfcc_linear.frontend: 'lfc' is not in frontends", "'lfcc'"),
        (unknown_effect, "chains.noisy[0].effect: 'musann' is not known", "'musan'"),
        (option_of_another_frontend, "frontends.lfcc: unknown key 'wavelet'", "n_filters"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_wrong_study_file(tmp_path, change, place, hint):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(edited(change)))
    with pytest.raises(ConfigError) as error:
        load_study(path)
    (message,) = str(error.value).splitlines()
    assert hint in message.split(place)[1]


def test_wrong_study_file_ends_the_workflow(tiny):
    """With the same words, on one line."""
    study = tiny.write_study(edited(unknown_frontend), "wrong.yaml")
    text = tiny.refuse("-n", "--configfile", study)
    place = "detectors.lfcc_linear.frontend: 'lfc' is not in frontends"
    message = next(line for line in text.splitlines() if place in line)
    assert "'lfcc'" in message.split(place)[1]
    assert "Traceback" not in text


# --- corpora -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk(tiny, tmp_path_factory) -> Checkout:
    """A copy of the tiny study for corpora that are read and fail."""
    return tiny.copy(tmp_path_factory.mktemp("desk") / "checkout")


def manifest(desk: Checkout, name: str, **corpus) -> tuple[int, str, Path]:
    """Try to make a corpus' manifest; its exit code, what was printed, and its place."""
    study = with_corpus(**corpus)
    study["study"] = name
    target = f"results/{name}/manifests/own.tsv"
    done = desk.snakemake(target, "--configfile", desk.write_study(study, f"{name}.yaml"))
    return done.returncode, done.stdout, desk.folder / target


def test_missing_corpus_folder(desk):
    code, text, made = manifest(desk, "missing", type="folder", path="data/nowhere")
    assert code == 1
    assert not made.exists()
    assert "data/nowhere: no such folder; corpora.own.path" in last_error(text)


def damaged(root: Path) -> Path:
    recordings(root)
    flac = root / "eval/spoof/synth/1.flac"
    flac.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])
    soundfile.write(root / "eval/bonafide/empty.wav", np.zeros(0), SECOND)
    return root


def test_damaged_audio_fails(desk, tmp_path):
    root = damaged(tmp_path / "damaged")
    code, text, made = manifest(desk, "damaged", type="folder", path=str(root))
    assert code == 1
    assert not made.exists()
    message = last_error(text)
    assert str(root / "eval/bonafide/empty.wav") in message
    assert "corpora.own.most_bad_audio to 2 to go on without them" in message


def test_damaged_audio_is_excluded_and_listed(desk, tmp_path):
    root = damaged(tmp_path / "damaged")
    code, text, made = manifest(
        desk, "excluded", type="folder", path=str(root), on_bad_audio="exclude"
    )
    assert code == 0, text[-4000:]
    usable = pl.read_csv(made, separator="\t")
    assert usable.height == 5
    problems = pl.read_csv(made.with_name("own.problems.tsv"), separator="\t")
    left_out = {"eval-bonafide-empty", "eval-spoof-synth-1"}
    assert set(problems["utt_id"]) == left_out
    assert not set(usable["utt_id"]) & left_out


def test_the_same_id_twice(desk, tmp_path):
    root = recordings(tmp_path / "twice")
    soundfile.write(root / "eval/bonafide/1.wav", noise(1), SECOND)
    code, text, made = manifest(desk, "twice", type="folder", path=str(root))
    assert code == 1
    assert not made.exists()
    assert "'eval-bonafide-1'" in last_error(text)


def test_unknown_label_in_a_table(desk, tmp_path):
    root = recordings(tmp_path / "labels")
    rows = ["path,label", "eval/bonafide/0.flac,bonafide", "eval/spoof/synth/0.flac,vocoded"]
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    code, text, made = manifest(desk, "labels", type="table", path=str(root), file="labels.csv")
    assert code == 1
    assert not made.exists()
    message = last_error(text)
    assert f"{root}/labels.csv: line 3: unknown label 'vocoded'" in message
    assert "corpora.own.values.label" in message


def test_training_on_one_class(desk, tmp_path):
    root = recordings(tmp_path / "oneclass", ("train", "dev", "eval"))
    for path in (root / "train/spoof/synth").iterdir():
        path.unlink()
    code, text, made = manifest(desk, "oneclass", type="folder", path=str(root))
    assert code == 1
    assert not made.exists()
    assert "split 'train'" in last_error(text)
    assert "has no spoof utterances" in last_error(text)


# --- unusual, but right ------------------------------------------------------------------------


def test_any_format_and_a_test_set_of_one_class(tiny_copy, tmp_path):
    """Stereo and other sample rates are heard; without spoofs there are scores but no EER."""
    folder = tmp_path / "field" / "eval" / "bonafide"
    folder.mkdir(parents=True)
    soundfile.write(folder / "stereo.wav", noise(1.5, channels=2), SECOND)
    soundfile.write(folder / "telephone.wav", noise(1, 8000), 8000)
    soundfile.write(folder / "studio.flac", noise(2.2, 44100), 44100)
    study = with_corpus(type="folder", path=str(tmp_path / "field"))
    run = run_folder(tiny_copy).name
    target = f"results/tiny/metrics/{run}/seed1/own.eval.tsv"
    tiny_copy.make(target, "--configfile", tiny_copy.write_study(study))
    scores = pl.read_csv(
        tiny_copy.folder / f"results/tiny/scores/{run}/seed1/own.eval.tsv", separator="\t"
    )
    assert set(scores["utt_id"]) == {
        f"eval-bonafide-{n}" for n in ("stereo", "telephone", "studio")
    }
    assert all(map(math.isfinite, scores["score"]))
    metrics = pl.read_csv(tiny_copy.folder / target, separator="\t")
    pooled = metrics.filter((pl.col("condition") == "pooled") & (pl.col("metric") == "eer"))
    assert pooled["value"].to_list() == [None]
    assert pooled["n_bonafide"].to_list() == [3]
    assert pooled["n_spoof"].to_list() == [0]


def test_an_environment_whose_path_has_a_blank(tiny_copy, tmp_path):
    place = tmp_path / "my environment"
    place.symlink_to(sys.prefix)
    target = "results/tiny/tables/runs.tsv"
    (tiny_copy.folder / target).unlink()
    command = tiny_copy.command(target, "--configfile", "study.yaml")
    done = subprocess.run(
        [str(place / "bin/python"), *command[1:]],
        cwd=tiny_copy.folder,
        env=tiny_copy.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert (tiny_copy.folder / target).is_file()


# --- scores ------------------------------------------------------------------------------------


def test_not_a_number_among_scores(tiny, tmp_path):
    run = run_folder(tiny).name
    scores = tiny.folder / f"results/tiny/scores/{run}/seed1/talkers.eval.tsv"
    lines = scores.read_text().splitlines()
    lines[2] = lines[2].split("\t")[0] + "\tnan"
    broken = tmp_path / "broken.tsv"
    broken.write_text("\n".join(lines) + "\n")
    done = tiny.spoofscope(
        "metrics", "--scores", str(broken), "--trials", "results/tiny/manifests/talkers.tsv"
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"{broken}: line 3" in done.stderr
