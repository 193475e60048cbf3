"""Tables and figures about the scores of several systems, drawn from files of a small study."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest

from calibrations import calibration_of
from planning import plan_of
from spoofscope import tables
from spoofscope.errors import ConfigError
from spoofscope.figures import comparisons as comparisons_figure
from spoofscope.figures import eer_by_condition, style
from spoofscope.figures import reliability as reliability_figure
from spoofscope.figures.style import COLUMN, PAGE, legend_below, new_figure
from spoofscope.metrics.paired import compare
from spoofscope.metrics.reliability import reliability
from spoofscope.metrics.tables import evaluate
from spoofscope.options.tandem import TandemCosts
from spoofscope.plan.study_plan import checked
from spoofscope.study.reading import read_config
from spoofscope.summaries.breakdowns import breakdowns
from spoofscope.summaries.comparisons import comparisons

ROOT = Path(__file__).resolve().parents[1]
N = 80
SETS = [["near", "eval"], ["far", "eval"]]
SYSTEMS = [
    {"id": "one-1", "seed": 1, "name": "one", "kind": "detector", "sets": SETS},
    {"id": "two-2", "seed": 1, "name": "two", "kind": "detector", "sets": SETS},
    {"id": "three-3", "seed": 0, "name": "three", "kind": "fusion", "sets": SETS[:1]},
]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    """A results folder with manifests, scores and metrics of two corpora."""
    folder = tmp_path_factory.mktemp("results")
    rng = np.random.default_rng(5)
    for corpus, codecs in (("near", ["-"] * N), ("far", (["mp3", "opus"] * N)[:N])):
        is_bonafide = np.arange(N) % 3 == 0
        manifest = pl.DataFrame(
            {
                "utt_id": [f"{corpus}{i:02}" for i in range(N)],
                "path": ["x.wav"] * N,
                "split": ["eval"] * N,
                "label": np.where(is_bonafide, "bonafide", "spoof"),
                "attack": np.where(is_bonafide, "-", np.where(np.arange(N) % 3 == 1, "A", "B")),
                "speaker": [f"s{i % 7}" for i in range(N)],
                "duration": [1.0] * N,
                "sample_rate": [16000] * N,
                "codec": codecs,
            }
        )
        (folder / "manifests").mkdir(exist_ok=True)
        tables.write_manifest(folder / "manifests" / f"{corpus}.tsv", manifest)
        for system, strength in zip(SYSTEMS, (3.0, 0.2, 1.0), strict=True):
            if [corpus, "eval"] not in system["sets"]:
                continue
            values = strength * is_bonafide + rng.normal(0, 1, N) - 1.5
            scores = manifest.select("utt_id").with_columns(score=pl.Series(values))
            for kind in ("scores", "metrics"):
                place = folder / kind / system["id"] / f"seed{system['seed']}"
                place.mkdir(parents=True, exist_ok=True)
                target = place / f"{corpus}.eval.tsv"
                if kind == "scores":
                    tables.write_scores(target, scores)
                    continue
                conditions = ["attack", "codec"] if corpus == "far" else ["attack"]
                measured = evaluate(manifest.join(scores, on="utt_id"), conditions, 100, 1)
                where = {"system": system["id"], "seed": system["seed"], "corpus": corpus}
                columns = [pl.lit(value).alias(name) for name, value in where.items()]
                split = pl.lit("eval").alias("split")
                tables.write_table(target, measured.select(*columns, split, pl.all()))
    return str(folder)


def scored(root: str, systems=SYSTEMS, **detectors: str | None) -> list[dict]:
    """What drawings are told of score files; `detectors` are the files of each by its name."""
    return [
        {
            **{key: system[key] for key in ("id", "seed", "name", "kind")},
            **{"corpus": corpus, "split": split, "manifest": f"{root}/manifests/{corpus}.tsv"},
            "scores": f"{root}/scores/{system['id']}/seed{system['seed']}/{corpus}.{split}.tsv",
            "detector": detectors.get(system["name"]),
        }
        for system in systems
        for corpus, split in system["sets"]
    ]


def outputs(folder) -> dict[str, str]:
    return {suffix: str(folder / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}


@pytest.mark.slow
def test_comparisons_per_set(root, tmp_path):
    table = comparisons(scored(root), 100, 1, "speaker")
    near = table.filter(pl.col("corpus") == "near")
    assert near.height == 3 * 2
    assert table.filter(pl.col("corpus") == "far").select("first", "second").rows() == [
        ("one", "two"),
        ("one", "two"),
    ]
    trials = tables.read_manifest(f"{root}/manifests/near.tsv")
    scores = {
        system["name"]: tables.read_scores(
            f"{root}/scores/{system['id']}/seed{system['seed']}/near.eval.tsv"
        )
        for system in SYSTEMS
    }
    assert near.drop("corpus", "split").equals(compare(scores, trials, 100, 1, "speaker"))
    tables.write_table(tmp_path / "table.tsv", table)
    comparisons_figure.draw(str(tmp_path / "table.tsv"), outputs(tmp_path))
    assert (tmp_path / "figure.png").stat().st_size > 5000
    plotted = pl.read_csv(tmp_path / "figure.tsv", separator="\t")
    assert plotted["difference"].to_list() == table["difference"].to_list()


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_a_legend_is_no_wider_than_its_figure(width):
    figure = new_figure(width, 3.0)
    axes = figure.add_subplot()
    labels = [f"wavlm_large_n{i}_aasist_corpus" for i in range(5)]
    handles = [axes.plot([0, 1], [0, i])[0] for i in range(5)]
    legend_below(figure, handles, labels)
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    # As wide as fits: one below the other would be as much of a waste.
    assert box.width > 0.5 * figure.bbox.width
    plt.close(figure)


def test_nothing_to_compare(root):
    with pytest.raises(ConfigError, match="no eval set of both classes is scored by two"):
        comparisons(scored(root, SYSTEMS[:1]), 100, 1, None)


def test_a_set_of_one_class_is_not_compared_on(root, tmp_path):
    """Such a set has its uses, and no error rates."""
    made = tmp_path / "results"
    shutil.copytree(root, made)
    far = made / "manifests" / "far.tsv"
    tables.write_manifest(far, tables.read_manifest(far).filter(pl.col("label") == "spoof"))
    table = comparisons(scored(str(made)), 100, 1, "speaker")
    assert table["corpus"].unique().to_list() == ["near"]


def test_breakdowns(root, caplog):
    files = [
        f"{root}/metrics/{system['id']}/seed{system['seed']}/{corpus}.eval.tsv"
        for system in SYSTEMS
        for corpus, _ in system["sets"]
    ]
    table = breakdowns(SYSTEMS, files, ["attack", "codec", "codecs"])
    assert [record.getMessage() for record in caplog.records] == [
        "conditions: no evaluation set has 'codecs' as a column of its manifest"
    ]
    assert table.height == 3 + 2 * 2
    row = table.filter(
        (pl.col("name") == "one") & (pl.col("corpus") == "far") & (pl.col("condition") == "codec")
    ).row(0, named=True)
    metrics = pl.read_csv(files[1], separator="\t", infer_schema=False)
    eers = {
        level["level"]: float(level["value"])
        for level in metrics.filter(
            (pl.col("condition") == "codec") & (pl.col("metric") == "eer")
        ).iter_rows(named=True)
    }
    macro = eers.pop("(macro average)")
    assert row["macro_eer"] == pytest.approx(macro)
    assert row["worst_level"] == max(eers, key=eers.__getitem__)
    assert row["worst_eer"] == max(eers.values())
    assert row["n_worst"] == list(eers.values()).count(row["worst_eer"]) == 1
    assert row["worst_low"] <= row["worst_eer"] <= row["worst_high"]
    assert row["n_levels"] == 2
    assert row["small_levels"] == "mp3, opus"
    assert row["without_eer"] == row["without_interval"] == ""


def _panels_of(figure):
    return [axes for half in figure.subfigs for axes in half.axes]


def test_a_level_of_one_speaker_has_no_interval_and_says_so(root, tmp_path, monkeypatch):
    """Nor has the mean over levels; in the table and in the figure stands why."""
    trials = tables.read_manifest(f"{root}/manifests/far.tsv")
    scores = tables.read_scores(f"{root}/scores/one-1/seed1/far.eval.tsv")
    # Bona fide speech of opus is of a single speaker.
    alone = (pl.col("codec") == "opus") & (pl.col("label") == "bonafide")
    trials = trials.with_columns(speaker=pl.when(alone).then(pl.lit("s0")).otherwise("speaker"))
    measured = evaluate(trials.join(scores, on="utt_id"), ["codec"], 100, 1)
    where = {"system": "one-1", "seed": 1, "corpus": "far", "split": "eval"}
    columns = [pl.lit(value).alias(name) for name, value in where.items()]
    path = tmp_path / "far.eval.tsv"
    tables.write_table(path, measured.select(*columns, pl.all()))
    (row,) = breakdowns(SYSTEMS, [str(path)], ["codec"]).iter_rows(named=True)
    assert row["without_interval"] == "opus"
    assert row["macro_eer"] is not None
    assert row["macro_low"] is row["macro_high"] is None
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    eer_by_condition.draw(SYSTEMS[:1], [str(path)], outputs(tmp_path))
    labels = [
        label.get_text() for axes in _panels_of(figures[0]) for label in axes.get_yticklabels()
    ]
    said = [label for label in labels if "no interval" in label]
    assert [label.split("\n")[0] for label in said] == ["(macro average)", "opus"]
    assert not any("no interval" in axes.get_title("left") for axes in _panels_of(figures[0]))

    # Where no level has one, the title says so.
    bonafide = pl.col("label") == "bonafide"
    trials = trials.with_columns(speaker=pl.when(bonafide).then("codec").otherwise("speaker"))
    measured = evaluate(trials.join(scores, on="utt_id"), ["codec"], 100, 1)
    tables.write_table(path, measured.select(*columns, pl.all()))
    eer_by_condition.draw(SYSTEMS[:1], [str(path)], outputs(tmp_path))
    titles = [axes.get_title("left") for axes in _panels_of(figures[1])]
    assert [title.endswith("\n(no intervals)") for title in titles] == [False, True]


@pytest.mark.slow
def test_reliability_figure(root, tmp_path, monkeypatch):
    calibrations = {
        "one": calibration_of(1.0, 0.5, n=10**9),
        "two": None,
        "three": calibration_of(n=10**9),
    }
    detectors = {name: str(tmp_path / f"{name}.json") for name in calibrations}
    for name, calibration in calibrations.items():
        Path(detectors[name]).write_text(json.dumps({"calibration": calibration}))
    files = outputs(tmp_path)
    given = scored(root, **detectors)
    figures = []
    monkeypatch.setattr(style.plt, "close", figures.append)
    reliability_figure.draw(given, files, bins=8, prior=0.3)
    titles = {axes.get_title().split("\n")[0] for axes in figures[0].axes} - {""}
    # A fusion is called one, as in the other figures.
    assert titles == {"one", "two", "three (fusion)"}
    assert (tmp_path / "figure.png").stat().st_size > 10000
    table = pl.read_csv(tmp_path / "figure.tsv", separator="\t")
    kinds = table.select("corpus", "name", "scores").unique(maintain_order=True).rows()
    assert kinds == [
        ("far", "one", "raw"),
        ("far", "one", "calibrated"),
        ("far", "two", "raw"),
        ("near", "one", "raw"),
        ("near", "one", "calibrated"),
        ("near", "two", "raw"),
        ("near", "three", "calibrated"),
    ]
    trials = tables.read_manifest(f"{root}/manifests/near.tsv")
    scores = tables.read_scores(f"{root}/scores/one-1/seed1/near.eval.tsv")
    joined = trials.join(scores, on="utt_id")
    classes = [
        joined.filter(pl.col("label") == label)["score"].to_numpy() + 0.5
        for label in ("bonafide", "spoof")
    ]
    expected = reliability(*classes, 0.3, 8)
    own = table.filter(
        (pl.col("corpus") == "near") & (pl.col("name") == "one") & (pl.col("scores") != "raw")
    )
    assert own["observed"].to_list() == expected.table["observed"].to_list()
    assert own["n_spoof"].sum() == sum(trials["label"] == "spoof")
    assert own["ece"].to_list() == [expected.error] * own.height
    adaptive = reliability(*classes, 0.3, 8, adaptive=True)
    assert own["ece_adaptive"][0] == adaptive.error
    assert table["ece_low"].null_count() == table["ci_low"].null_count() == table.height
    reliability_figure.draw(given, files, bins=8, prior=0.3, resamples=100, bootstrap_seed=2)
    again = pl.read_csv(tmp_path / "figure.tsv", separator="\t")
    assert again["observed"].to_list() == table["observed"].to_list()
    assert again.select(
        (pl.col("ci_low") <= pl.col("observed")).all(),
        (pl.col("observed") <= pl.col("ci_high")).all(),
        (pl.col("ece_low") <= pl.col("ece")).all(),
        (pl.col("ece_adaptive") < pl.col("ece_adaptive_high")).all(),
    ).row(0) == (True, True, True, True)


def test_systems_that_are_compared_and_exported():
    config = {**read_config(ROOT / "config/config.yaml"), "comparisons": {}}
    study = checked(config)
    runs = [(run.id, run.seeds[0]) for run in study.runs.values()]
    fusion = (study.fusion_id("all"), 0)
    assert study.chosen("comparisons") == [*runs, fusion]
    assert study.chosen("exports") == [fusion]
    config["figures"] = {"systems": ["lfcc_gmm", "wavlm_mhfa"]}
    del config["exports"]
    study = checked(config)
    shown = [(study.run_of(name).id, 1) for name in ("wavlm_mhfa", "lfcc_gmm")]
    assert study.chosen("comparisons") == shown
    assert study.chosen("exports") == []
    assert plan_of(study).scoring.tandem("mini", "eval") is None
    rates = {"p_miss": 0.1, "p_fa": 0.1, "p_fa_spoof": 0.5}
    entry = {"corpus": "mini", "split": "eval", "form": "2021", "rates": rates}
    costly = plan_of(checked({**config, "tdcf": [entry]}))
    tandem = costly.scoring.tandem("mini", "eval")
    # Costs that are not written are those of the challenges.
    assert tandem == {**entry, "costs": asdict(TandemCosts())}


TRIALS = {"corpus": "mini", "split": "train"}
RATES = {"p_miss": 0.1, "p_fa": 0.1, "p_fa_spoof": 0.5}


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("comparisons", {"systems": ["all", "lfcc_gm"]}, r"comparisons\.systems\[1\].*'lfcc_gmm'"),
        ("reliability", {"systems": ["al"]}, r"reliability\.systems\[0\].*did you mean 'all'"),
        ("exports", {"trials": [TRIALS]}, r"exports\.trials\[0\]: mini\.train is not scored"),
        ("tdcf", [{**TRIALS, "form": "2021", "rates": RATES}], "mini.train is not scored"),
        ("tdcf", [{**TRIALS, "split": "eval", "form": "2021"}], "either the file `scores`"),
        ("tdcf", [{**TRIALS, "form": 2021, "rates": RATES}], r"tdcf\[0\]\.form"),
    ],
)
def test_what_a_study_cannot_ask_for(section, value, message):
    config = read_config(ROOT / "config/config.yaml")
    with pytest.raises(ConfigError, match=message):
        checked({**config, section: value})
