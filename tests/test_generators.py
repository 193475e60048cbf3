"""Detectors against generators: decisions, cells, what is unseen, means, table and figure."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import balanced_accuracy_score, roc_curve

from spoofscope.errors import ConfigError, TableError
from spoofscope.figures import generator_matrix, style, train_test_matrix
from spoofscope.metrics import generators, rates
from spoofscope.metrics.decisions import balanced_accuracy, eer_hard
from spoofscope.metrics.tables import evaluate
from spoofscope.plan.study_plan import checked
from spoofscope.summaries.generator_matrix import (
    attacks_trained_on,
    generator_summary,
    generator_table,
    read_generator_matrix,
)
from spoofscope.tables import write_table

ROOT = Path(__file__).resolve().parents[1]
scores_of_a_class = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=20)


def decided(bonafide: list[float], spoof: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Whether each trial is spoof, and whether it is called spoof (below 0)."""
    is_spoof = np.r_[np.zeros(len(bonafide)), np.ones(len(spoof))]
    return is_spoof, (np.r_[bonafide, spoof] < 0).astype(float)


@settings(max_examples=40)
@given(scores_of_a_class, scores_of_a_class)
def test_eer_hard_is_what_decisions_give_an_eer_routine(bonafide, spoof):
    is_spoof, called = decided(bonafide, spoof)
    false_alarms, hits, _ = roc_curve(is_spoof, called)
    crossing = brentq(lambda x: 1 - x - interp1d(false_alarms, hits)(x), 0, 1)
    assert eer_hard(bonafide, spoof, 0.0) == pytest.approx(crossing, abs=1e-9)


@given(scores_of_a_class, scores_of_a_class)
def test_balanced_accuracy_is_that_of_sklearn(bonafide, spoof):
    is_spoof, called = decided(bonafide, spoof)
    expected = balanced_accuracy_score(is_spoof, called)
    assert balanced_accuracy(bonafide, spoof, 0.0) == pytest.approx(expected, abs=1e-12)


def test_eer_hard_of_the_published_case():
    # 47 of 62 real frames called fake, all 105 fakes found: 0.431, and the scores are perfect.
    bonafide, spoof = [-1.0] * 47 + [1.0] * 15, [-2.0] * 105
    assert eer_hard(bonafide, spoof, 0.0) == pytest.approx(0.431, abs=5e-4)
    assert rates.eer(bonafide, spoof).value == 0


def trials(**counts: int) -> pl.DataFrame:
    """Trials of `attack` or `attack__voice`, "real" being bona fide, with scores by name."""
    rows = []
    for name, n in counts.items():
        attack, _, voice = name.partition("__")
        rng = np.random.default_rng(len(rows))
        for i in range(n):
            real = attack == "real"
            rows.append(
                {
                    "utt_id": f"{name}{i}",
                    "label": "bonafide" if real else "spoof",
                    "attack": "-" if real else attack,
                    "voice": voice or "-",
                    "score": float(rng.normal(1.0 if real else -0.5)),
                }
            )
    return pl.DataFrame(rows)


def test_cells_compare_each_generator_with_all_bona_fide():
    joined = trials(real=30, melgan=20, pwg=7)
    table = generators.cells(joined, 0.25, None, "m.tsv").table
    assert table.select("generator", "n_generators", "n_bonafide", "n_spoof").rows() == [
        ("melgan", 1, 30, 20),
        ("pwg", 1, 30, 7),
        ("pooled", 2, 30, 27),
    ]
    real = joined.filter(label="bonafide")["score"].to_numpy()
    for row in table.iter_rows(named=True):
        own = joined.filter(
            pl.col("attack") == row["generator"]
            if row["generator"] != "pooled"
            else pl.col("label") == "spoof"
        )["score"].to_numpy()
        assert row["eer"] == rates.eer(real, own).value
        assert row["accuracy"] == rates.accuracy(real, own, 0.25)
        assert row["balanced_accuracy"] == balanced_accuracy(real, own, 0.25)
        assert row["eer_hard"] == eer_hard(real, own, 0.25)
    without = generators.cells(joined, None, None, "m.tsv").table
    assert without["eer"].to_list() == table["eer"].to_list()
    assert without["accuracy"].is_null().all()


def test_cells_compare_with_bona_fide_of_the_same_voice():
    joined = trials(real__lj=30, real__jsut=10, melgan__lj=20, jsutpwg__jsut=6, both__lj=2)
    joined = pl.concat([joined, trials(both__jsut=3)])
    table = generators.cells(joined, 0.0, "voice", "m.tsv").table
    # No cell of all spoofs, which would compare across voices.
    assert table.select("generator", "n_bonafide", "n_spoof").rows() == [
        ("both", 40, 5),
        ("jsutpwg", 10, 6),
        ("melgan", 30, 20),
    ]
    real = joined.filter(label="bonafide", voice="jsut")["score"].to_numpy()
    own = joined.filter(attack="jsutpwg")["score"].to_numpy()
    assert table["eer"][1] == rates.eer(real, own).value
    lonely = joined.filter(~((pl.col("label") == "bonafide") & (pl.col("voice") == "jsut")))
    with pytest.raises(TableError, match=r"m: there is no bona fide trial of voice 'jsut', which"):
        generators.cells(lonely, 0.0, "voice", "m")
    with pytest.raises(TableError, match=r"matched by 'voce', .*did you mean 'voice'"):
        generators.cells(joined, 0.0, "voce", "m")
    for label, words in (("bonafide", "no spoof"), ("spoof", "no bona fide")):
        with pytest.raises(TableError, match=f"m: there are {words} trials"):
            generators.cells(joined.filter(label=label), 0.0, None, "m")


def test_cells_and_their_means_have_intervals():
    joined = trials(real=30, melgan=20, pwg=7)
    found = generators.cells(joined, 0.25, None, "m.tsv", resamples=200)
    levels = evaluate(joined, ["attack"], 200, 1, threshold=0.25)
    for row in found.table.iter_rows(named=True):
        for metric in generators.METRICS:
            assert row[f"{metric}_low"] < row[metric] < row[f"{metric}_high"]
        if row["generator"] != "pooled":
            own = levels.filter(level=row["generator"], metric="eer")
            assert own.select("ci_low", "ci_high").row(0) == (row["eer_low"], row["eer_high"])
    related = found.table.with_columns(relation=pl.lit("unseen"))
    means = generators.averages(related, found.measured).filter(generator="(mean of all)")
    macro = levels.filter(level="(macro average)", metric="eer")
    assert means.select("eer_low", "eer_high").row(0) == macro.select("ci_low", "ci_high").row(0)


def test_relations():
    known = ["pwg"], ["pwg", "melgan"], ["hifigan", "pwg"]
    told = {name: generators.relation(name, *known) for name in ("pwg", "melgan", "hifigan", "x")}
    assert list(told.values()) == ["trained on", "dev only", "left out", "unseen"]
    assert generators.relation("pwg", None) == "unknown"


def source(manifest: str, **more: Any) -> dict[str, Any]:
    return {"manifest": manifest, "data": "lj", **more}


@pytest.fixture
def study(tmp_path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Two detectors, one of them with two seeds, on a set of their own and on a foreign one."""
    own = trials(real=40, a=10, b=10, c=10)
    manifests = {}
    for corpus, clips in (("home", own), ("away", trials(real=8, a=6))):
        evaluation = clips.drop("score").with_columns(pl.lit("eval").alias("split"))
        early = [
            clips.drop("score")
            .filter(pl.col("attack").is_in(["-", "a", "b"]))
            .with_columns(
                pl.lit(split).alias("split"), (f"{split}-" + pl.col("utt_id")).alias("utt_id")
            )
            for split in ("train", "dev")
        ]
        frame = pl.concat([evaluation, *early]).with_columns(
            pl.col("utt_id").alias("path"),
            pl.lit("s").alias("speaker"),
            pl.lit(1.0).alias("duration"),
            pl.lit(16000).alias("sample_rate"),
        )
        manifests[corpus] = str(tmp_path / f"{corpus}.tsv")
        write_table(manifests[corpus], frame)
        for seed in (1, 2, 3):
            rng = np.random.default_rng([seed, len(corpus)])
            noisy = clips["score"].to_numpy() + rng.normal(0, 0.5, clips.height)
            scores = clips.select("utt_id").with_columns(pl.Series("score", noisy))
            write_table(tmp_path / f"{corpus}.{seed}.tsv", scores)

    def seeds(*numbers: int) -> list[dict[str, Any]]:
        found = []
        for number in numbers:
            path = tmp_path / f"detector{number}.json"
            path.write_text(json.dumps({"meta": {"threshold": 0.1 * number}}))
            sets = {f"{c}.eval": str(tmp_path / f"{c}.{number}.tsv") for c in ("home", "away")}
            found.append({"seed": number, "threshold": str(path), "scores": sets})
        return found

    home = manifests["home"]
    systems = [
        {
            "name": "net_a",
            "family": "net",
            "train": [source(home, attacks=["a"])],
            "dev": [source(home)],
            "seeds": seeds(1, 2),
        },
        {
            "name": "net_without_a",
            "family": "net",
            "train": [source(home, exclude_attacks=["a"])],
            "dev": [source(home, exclude_attacks=["a"])],
            "seeds": seeds(3),
        },
        {"name": "theirs", "family": "theirs", "train": None, "dev": None, "seeds": seeds(3)},
    ]
    systems[2]["seeds"][0]["threshold"] = None
    sets = [
        {"corpus": corpus, "split": "eval", "match": None, "data": data, "manifest": path}
        for (corpus, path), data in zip(manifests.items(), ("lj", "other"), strict=True)
    ]
    return systems, sets


def test_the_table_and_its_means(study, tmp_path):
    table = generator_table(*study)
    net = table.filter(name="net_a", corpus="home", seed=1)
    assert dict(net.select("generator", "relation").rows()) == {
        "a": "trained on",
        "b": "dev only",
        "c": "unseen",
        "pooled": "-",
        "(mean of unseen)": "-",
        "(mean of all)": "-",
    }
    assert net["trained_on"].unique().to_list() == ["a"]
    eers = dict(net.select("generator", "eer").rows())
    assert eers["(mean of unseen)"] == eers["c"]
    assert eers["(mean of all)"] == pytest.approx((eers["a"] + eers["b"] + eers["c"]) / 3)
    without = table.filter(name="net_without_a", corpus="home")
    assert dict(without.select("generator", "relation").head(3).rows()) == {
        "a": "left out",
        "b": "trained on",
        "c": "unseen",
    }
    unseen = without.filter(generator="(mean of unseen)").row(0, named=True)
    assert unseen["n_generators"] == 2
    assert unseen["eer"] == pytest.approx(without["eer"][[0, 2]].mean())
    # `a` of other data is another model.
    assert table.filter(name="net_a", corpus="away", generator="a")["relation"][0] == "unseen"
    theirs = table.filter(name="theirs", corpus="home")
    assert set(theirs["relation"]) == {"unknown", "-"}
    assert theirs.filter(generator="(mean of unseen)")["eer"].to_list() == [None]
    assert theirs["accuracy"].is_null().all()

    matrix = generators.over_trainings(table)
    path = str(tmp_path / "matrix.tsv")
    write_table(path, matrix)
    assert read_generator_matrix(path).equals(matrix)
    two = table.filter(name="net_a", corpus="home", generator="c")["balanced_accuracy"].to_numpy()
    row = matrix.row(
        by_predicate=(pl.col("name") == "net_a")
        & (pl.col("corpus") == "home")
        & (pl.col("generator") == "c"),
        named=True,
    )
    assert row["n_seeds"] == 2
    assert row["balanced_accuracy"] == pytest.approx(two.mean())
    assert row["balanced_accuracy_population_sd"] == pytest.approx(np.std(two))
    assert [row[f"balanced_accuracy_{end}"] for end in ("min", "max")] == sorted(two)
    single = matrix.filter(name="net_without_a")
    assert single["eer_population_sd"].is_null().all()

    summary = generator_summary(path)
    assert [(s["name"], s["corpus"]) for s in summary][:2] == [
        ("net_a", "home"),
        ("net_without_a", "home"),
    ]
    assert summary[0]["hardest"]["generator"] == "c"
    assert summary[2]["hardest"] is None
    assert [s["n_hardest"] for s in summary[:3:2]] == [1, 0]
    unseen = pl.col("relation").is_in(["unseen", "left out"])
    tied = pl.when(unseen).then(0.0).otherwise("eer").alias("eer")
    write_table(path, matrix.with_columns(tied))
    (two,) = [s for s in generator_summary(path) if s["n_hardest"] > 1]
    assert (two["hardest"]["eer"], two["n_hardest"]) == (0.0, two["unseen"]["n_generators"])


@pytest.mark.slow
def test_the_figure_shows_what_was_seen(study, tmp_path):
    path = str(tmp_path / "matrix.tsv")
    write_table(path, generators.over_trainings(generator_table(*study)))
    outputs = {suffix: str(tmp_path / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}
    generator_matrix.draw(path, outputs)
    first = {suffix: Path(name).read_bytes() for suffix, name in outputs.items()}
    assert first["png"].startswith(b"\x89PNG")
    shown = pl.read_csv(outputs["tsv"], separator="\t")
    columns = shown.filter(name="net_a").select("corpus", "generator").rows()
    # All of its own corpus, and the foreign one as a whole.
    assert columns == [
        *(("home", name) for name in ("a", "b", "c", "(mean of unseen)")),
        ("away", "pooled"),
    ]
    generator_matrix.draw(path, outputs)
    assert {suffix: Path(name).read_bytes() for suffix, name in outputs.items()} == first
    # Where nothing is known of any training, all sets are shown by generator.
    systems, sets = study
    write_table(path, generators.over_trainings(generator_table(systems[2:], sets)))
    generator_matrix.draw(path, outputs)
    shown = pl.read_csv(outputs["tsv"], separator="\t")
    assert shown.select("corpus", "generator").rows() == [
        *(("home", name) for name in ("a", "b", "c", "(mean of all)")),
        *(("away", name) for name in ("a", "(mean of all)")),
    ]


def test_attacks_of_the_training_are_framed(study, tmp_path, monkeypatch):
    _, sets = study
    home = source(sets[0]["manifest"], attacks=["a"])
    assert attacks_trained_on([home], "lj") == {"a"}
    assert attacks_trained_on([home], "other") == set()
    levels = [("pooled", "pooled"), ("attack", "a"), ("attack", "c")]
    rows = [
        (system, 1, "home", "eval", *level, "eer", 0.2, 0.1, 0.3, 40, 10)
        for system in ("x-0", "y-0")
        for level in levels
    ]
    names = (
        "system seed corpus split condition level metric value ci_low ci_high n_bonafide n_spoof"
    )
    write_table(tmp_path / "m.tsv", pl.DataFrame(rows, schema=names.split(), orient="row"))
    described = [
        {"id": f"{name}-0", "seed": 1, "name": name, "kind": "detector", "trained_on": ["home"]}
        for name in "xy"
    ]
    # What y was trained on is not known.
    shown = [{**described[0], "train": [home]}, {**described[1], "train": None}]
    frames = []
    close = style.plt.close

    def closed(figure: Any) -> None:
        frames.extend(patch.get_xy() for patch in figure.axes[0].patches)
        close(figure)

    monkeypatch.setattr(style.plt, "close", closed)
    outputs = {suffix: str(tmp_path / f"t.{suffix}") for suffix in ("pdf", "png", "tsv")}
    train_test_matrix.draw(shown, [str(tmp_path / "m.tsv")], {"home": "lj"}, outputs)
    assert frames == [pytest.approx((1 - 0.46, -0.45))]


def test_thresholds_can_be_chosen_on_other_scored_trials(study, tmp_path):
    systems, sets = study
    own = generator_table(systems, sets)
    # The trials of `away`, called dev, choose for those of `home`.
    manifest = pl.read_csv(sets[1]["manifest"], separator="\t").filter(split="eval")
    write_table(tmp_path / "dev.tsv", manifest.with_columns(pl.lit("dev").alias("split")))
    for system in systems:
        for seed in system["seeds"]:
            seed["threshold"] = seed["scores"]["away.eval"]
    chosen = {"manifest": str(tmp_path / "dev.tsv"), "split": "dev"}
    table = generator_table(systems, sets, chosen)
    assert table["eer"].equals(own["eer"])
    # There, rates of both classes are equal: 8 bona fide clips and 6 spoofs.
    pooled = table.filter(corpus="away", generator="pooled", name="theirs").row(0, named=True)
    assert pooled["balanced_accuracy"] == pytest.approx(1 - pooled["eer"], abs=1 / 6)
    assert table["accuracy"].null_count() < own["accuracy"].null_count()


def test_sets_and_names_that_do_not_fit(study):
    systems, sets = study
    misspelt = {**systems[0], "train": [source(sets[0]["manifest"], attacks=["bb"])]}
    with pytest.raises(TableError, match=r"split 'train' has no attack 'bb'; did you mean 'b'"):
        generator_table([misspelt], sets)
    with pytest.raises(ConfigError, match=r"generators: third\.eval is scored by none"):
        generator_table(systems, [{**sets[0], "corpus": "third"}])


@pytest.mark.parametrize(
    ("section", "match"),
    [
        ({"systems": ["lfcc_gm"]}, r"generators\.systems\[0\].*did you mean 'lfcc_gmm'"),
        ({"trials": [{"corpus": "mini", "split": "train"}]}, r"mini\.train is not scored"),
        ({"trials": [{"corpus": "mini", "split": "dev"}]}, r"trials\[0\]\.split: .*flatter"),
        ({"trials": []}, r"generators\.trials"),
        ({"threshold": {"corpus": "mini", "split": "eval"}}, r"threshold\.split: .* not chosen on"),
        ({"threshold": {"corpus": "mini", "split": "train"}}, "not scored by fbank_cnn"),
        ({"trial": []}, "unknown key 'trial'; did you mean 'trials'"),
    ],
)
def test_refused_sections(section: dict[str, Any], match: str):
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["generators"] = {"trials": [{"corpus": "mini", "split": "eval"}], **section}
    with pytest.raises(ConfigError, match=match):
        checked(config)
