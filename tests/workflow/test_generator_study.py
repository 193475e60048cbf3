"""A study of generators in small: folders of generators, a grid over wavelets, several seeds, one
generator left out, and what is asked about detectors on bands.

Every generator adds a tone of its own to real speech, or what stands for it here.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from checkout import Checkout, clone

from spoofscope.audio import write
from spoofscope.identity import rng_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

RATE = 16000
# Folder to the frequency of the tone, Hz; there is no letter D.
FOLDERS = {"A_real": None, "B_low": 2000, "C_middle": 4000, "E_high": 6000}
GENERATORS = ["high", "low", "middle"]
SENTENCES = 10

DCNN = {"type": "dcnn", "channels": [4, 4, 4, 4, 4], "dropout_cnn": 0.0, "dropout_dilated": 0.0}
STUDY: dict[str, Any] = {
    "study": "generators",
    "title": "Generators in small",
    "seed": 1,
    "data_root": "resources",
    "scatter_shards": {},
    "corpora": {
        "tones": {
            "type": "wavefake",
            "path": "tones",
            "fractions": {"train": 0.4, "dev": 0.2, "eval": 0.4},
        }
    },
    "frontends": {
        "{wavelet}": {
            "grid": {"wavelet": ["haar", "sym2"]},
            "type": "wavelet_packets",
            "wavelet": "{wavelet}",
            "level": 8,
            "normalise": "global",
            "cache": "none",
        },
        "spectrum": {"type": "stft", "n_fft": 255, "hop": 128, "cache": "none"},
    },
    "detectors": {
        "dcnn_{wavelet}": {
            "grid": {"wavelet": ["haar", "sym2"]},
            "frontend": "{wavelet}",
            "backend": {**DCNN},
            "input": {"length": 16000, "tail": "drop"},
            "seeds": [1, 2],
            "train": {
                "data": [{"corpus": "tones", "attacks": ["low"]}],
                "recipe": {"epochs": 1, "lr": 1.0e-3, "batch_size": 4, "sampler": "balanced"},
            },
        },
        "nearest": {
            "frontend": "spectrum",
            "backend": {"type": "fingerprint", "bands": 64},
            "input": {"length": None},
            "train": {"data": [{"corpus": "tones", "exclude_attacks": ["high"]}]},
        },
    },
    "score": [{"corpus": "tones", "splits": ["eval"]}],
    "conditions": ["attack"],
    "bootstrap": {"resamples": 100},
    "generators": {"trials": [{"corpus": "tones", "split": "eval"}]},
    "disagreements": [
        {"right": "nearest", "wrong": "dcnn_haar", "corpus": "tones", "split": "eval", "clips": 2}
    ],
    "fingerprints": {
        "corpus": "tones",
        "wavelet": "db8",
        "level": 8,
        "match": "base_utt",
        "group": "base_utt",
        "halves": 5,
        "permutations": 19,
        "sound_seconds": 1,
    },
}
TARGETS = ["grids", "figure_generator_matrix", "disagreements", "fingerprints"]


def write_tones(folder: Path) -> None:
    """Every sentence in every folder: noise that falls off with frequency, and a tone."""
    time = np.arange(int(1.05 * RATE)) / RATE
    for sentence in range(SENTENCES):
        rng = rng_of(1, "sentence", sentence)
        spectrum = np.fft.rfft(rng.standard_normal(time.size))
        speech = np.fft.irfft(spectrum / (1 + np.arange(spectrum.size) / 500), time.size)
        for name, frequency in FOLDERS.items():
            clip = 0.1 * speech / speech.std()
            if frequency is not None:
                clip = clip + 0.02 * np.sin(2 * np.pi * frequency * time)
            path = folder / name / f"s{sentence:02d}{'_gen' if frequency else ''}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, clip.astype(np.float32), RATE)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Checkout:
    made = clone(tmp_path_factory.mktemp("generators") / "checkout")
    write_tones(made.folder / "tones")
    made.make(*TARGETS, "--configfile", made.write_study(STUDY))
    return made


def table(study: Checkout, name: str) -> pl.DataFrame:
    path = study.folder / "results/generators" / name
    return pl.read_csv(path, separator="\t", infer_schema_length=None)


def test_folders_become_a_corpus_whose_sentences_are_in_one_split(study):
    manifest = table(study, "manifests/tones.tsv")
    assert manifest.height == SENTENCES * len(FOLDERS)
    assert sorted(manifest["attack"].unique()) == ["-", *GENERATORS]
    assert manifest.group_by("base_utt").agg(pl.col("split").n_unique())["split"].max() == 1


def test_every_point_has_its_error_rates_over_seeds(study):
    grid = table(study, "tables/grid_dcnn_wavelet.tsv")
    assert sorted(grid["name"]) == ["dcnn_haar", "dcnn_sym2"]
    assert grid["dev_eer"].is_sorted()
    best = grid.filter(pl.col("dev_eer") == grid["dev_eer"].min())
    assert best["best"].unique().to_list() == ["yes"]
    # What was selected on is dev of the generator that was trained on, and of no other.
    assert grid["dev"].unique().to_list() == ["tones, attacks: low"]
    for row in grid.iter_rows(named=True):
        point = table(study, f"grids/dcnn_wavelet/wavelet~{row['axis_wavelet']}.tsv")
        eers = [
            table(study, str(path.relative_to(study.folder / "results/generators")))
            for path in sorted(
                study.folder.glob(f"results/generators/metrics/{row['name']}-*/seed*/*.tsv")
            )
        ]
        is_eer = (pl.col("condition") == "pooled") & (pl.col("metric") == "eer")
        values = [metrics.filter(is_eer)["value"].item() for metrics in eers]
        assert len(values) == row["n_seeds"] == 2
        assert row["eer"] == pytest.approx(np.mean(values))
        assert row["eer_sd"] == pytest.approx(np.std(values, ddof=1))
        of_point = point.filter(pl.col("metric") == "eer").row(0, named=True)
        assert [of_point[key] for key in ("mean", "min", "max")] == pytest.approx(
            [row["eer"], min(values), max(values)]
        )
    figure = table(study, "figures/grid_dcnn_wavelet.tsv")
    assert figure["panel"].unique(maintain_order=True).to_list() == [
        "model selection, dev",
        "tones, eval",
    ]


def test_a_point_that_the_grid_does_not_have_is_refused(study):
    text = study.refuse(
        "-n", "results/generators/grids/dcnn_wavelet/wavelet~sym3.tsv", "--configfile", "study.yaml"
    )
    assert "grid 'dcnn_wavelet' has no point 'wavelet~sym3'" in text
    assert "wavelet~sym2" in text


def test_the_matrix_knows_what_was_seen(study):
    matrix = table(study, "tables/generator_matrix.tsv").filter(pl.col("generator") != "pooled")
    cells = {(row["name"], row["generator"]): row for row in matrix.iter_rows(named=True)}
    relations = {key: cell["relation"] for key, cell in cells.items() if key[1] in GENERATORS}
    assert relations == {
        **{(f"dcnn_{wavelet}", "low"): "trained on" for wavelet in ("haar", "sym2")},
        **{(f"dcnn_{w}", name): "unseen" for w in ("haar", "sym2") for name in ("middle", "high")},
        **{("nearest", name): "trained on" for name in ("low", "middle")},
        ("nearest", "high"): "left out",
    }
    for name, seeds in (("dcnn_haar", 2), ("dcnn_sym2", 2), ("nearest", 1)):
        assert {cells[name, generator]["n_seeds"] for generator in GENERATORS} == {seeds}
        unseen = [cells[name, g]["eer"] for g in GENERATORS if relations[name, g] != "trained on"]
        assert cells[name, "(mean of unseen)"]["eer"] == pytest.approx(np.mean(unseen))
    # A tone that was heard in training is found again, one that was not is not.
    assert [cells["nearest", name]["eer"] for name in ("low", "middle")] == [0, 0]
    assert cells["nearest", "high"]["eer"] > 0.2


def test_what_a_change_makes_again(study):
    """A new value of an axis trains its own point and draws the grid anew; no other is touched."""
    assert study.plan(*TARGETS, "--configfile", "study.yaml") == []
    wider = {"wavelet": ["haar", "sym2", "db3"]}
    changed = {
        **STUDY,
        "frontends": {
            **STUDY["frontends"],
            "{wavelet}": {**STUDY["frontends"]["{wavelet}"], "grid": wider},
        },
        "detectors": {
            **STUDY["detectors"],
            "dcnn_{wavelet}": {**STUDY["detectors"]["dcnn_{wavelet}"], "grid": wider},
        },
    }
    jobs = study.plan("grids", "--configfile", study.write_study(changed, "wider.yaml"))
    rules = [job.rule for job in jobs]
    assert sorted(set(rules)) == [
        *("compute_metrics", "figure_grid", "gather_scores", "grid_point", "score"),
        *("table_grid", "train"),
    ]
    assert (rules.count("train"), rules.count("grid_point")) == (2, 1)


def test_fingerprints_are_stable_and_name_the_generators_that_were_trained_on(study):
    stability = table(study, "fingerprints/tones.stability.tsv")
    own = stability.filter(
        (pl.col("structure") == "fine") & (pl.col("generator") == pl.col("other"))
    )
    assert own["generator"].to_list() == ["bonafide", *GENERATORS]
    assert own["p"].drop_nulls().to_list() == [0.05] * 3
    sounds = table(study, "fingerprints/tones.sounds.tsv")
    assert all((study.folder / path).is_file() for path in sounds["path"])
    assert sounds.height == 11

    (confusions,) = study.folder.glob(
        "results/generators/fingerprints/nearest-*/seed1/*.confusion.tsv"
    )
    confusion = table(study, str(confusions.relative_to(study.folder / "results/generators")))
    shares = {row[:2]: row[3] for row in confusion.rows()}
    for source in ("bonafide", "low", "middle"):
        assert shares[source, source] == 1, source
    assert confusion["balanced_accuracy"].unique().to_list() == [1]
    assert set(confusion.filter(pl.col("known") == "no")["source"]) == {"high"}
