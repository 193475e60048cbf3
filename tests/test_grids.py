"""Grids and patterns of a study file: what they stand for, and what is refused."""

import statistics
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from detector_folders import write_detector
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.figures import grid as figures
from spoofscope.figures import style
from spoofscope.grids import expand
from spoofscope.plan.study_plan import checked
from spoofscope.summaries.grid import grid_table, point_table
from spoofscope.summaries.inputs import METRIC_COLUMNS
from spoofscope.tables import write_table

# Every detector of a family and depth on every corpus, with weights that follow the corpus.
GRID = """
study: grid
title: Grids
seed: 1
data_root: resources
scatter_shards: {}
corpora:
  la: {type: mini, options: {spoofs: 2}}
  df: {type: mini, options: {spoofs: 4}}
noise: {rirs: {generate: mini}}
chains: {room: [{effect: rir}]}
augmented:
  "{corpus}_room": {grid: {corpus: [la, df]}, corpus: "{corpus}", chain: room, splits: [train]}
backbones:
  wavlm: {family: wavlm, tiny: {layers: 4}}
  hubert: {family: hubert, tiny: {layers: 4}}
frontends:
  "{family}_n{layers}":
    grid: {family: [wavlm, hubert], layers: [2, 4]}
    type: ssl
    backbone: "{family}"
    n_layers: "{layers}"
detectors:
  "{family}_n{layers}_{data}":
    grid:
      family: [wavlm, hubert]
      layers: [2, 4]
      data:
        la: {weights: {bonafide: 9, spoof: 1}, sources: [{corpus: la}, {corpus: la_room}]}
        df: {weights: none, sources: [{corpus: df}]}
      lr: [1.0e-3]
    frontend: "{family}_n{layers}"
    backend: {type: linear}
    train:
      data: "{data.sources}"
      recipe: {lr: "{lr}", class_weights: "{data.weights}"}
score:
  - {corpus: "*", splits: [train]}
  - {corpus: la, splits: [dev]}
fusion:
  "all_{method}":
    grid: {method: [mean, logistic]}
    detectors: [hubert_n4_la, "wavlm_*", "*_n4_la"]
    method: "{method}"
    fit: {corpus: la, split: dev}
attribution: {detectors: ["hubert_*_df"], corpus: la, split: dev}
comparisons: {systems: ["all_*", "hubert_n2_*"]}
"""


def grid(**changes: Any) -> dict[str, Any]:
    """The study above, with keys of its one grid of detectors changed."""
    config: dict[str, Any] = yaml.safe_load(GRID)
    (entry,) = config["detectors"].values()
    entry.update(changes)
    return config


def test_a_grid_of_detectors_is_its_points():
    study = checked(grid())
    assert list(study.config["detectors"]) == [
        f"{family}_n{layers}_{data}"
        for family in ("wavlm", "hubert")
        for layers in (2, 4)
        for data in ("la", "df")
    ]
    # Values keep their type, parts of an axis' value can be used apart.
    assert study.config["detectors"]["hubert_n4_la"] == {
        "frontend": "hubert_n4",
        "backend": {"type": "linear"},
        "train": {
            "data": [{"corpus": "la"}, {"corpus": "la_room"}],
            "recipe": {"lr": 0.001, "class_weights": {"bonafide": 9, "spoof": 1}},
        },
    }
    assert study.config["frontends"]["wavlm_n2"] == {
        "type": "ssl",
        "backbone": "wavlm",
        "n_layers": 2,
    }
    assert list(study.copies) == ["la_room", "df_room"]
    assert [entry["method"] for entry in study.config["fusion"].values()] == ["mean", "logistic"]


def test_a_point_is_the_detector_that_is_written_out():
    written = grid()
    point = checked(written).config["detectors"]["wavlm_n2_df"]
    written["detectors"] = {"wavlm_n2_df": point}
    written["fusion"], written["attribution"]["detectors"] = {}, ["wavlm_n2_df"]
    del written["comparisons"]
    assert checked(written).run_of("wavlm_n2_df") == checked(grid()).run_of("wavlm_n2_df")


def test_patterns_stand_for_names_in_the_order_of_the_study():
    config = checked(grid()).config
    assert config["fusion"]["all_mean"]["detectors"] == [
        "hubert_n4_la",
        *("wavlm_n2_la", "wavlm_n2_df", "wavlm_n4_la", "wavlm_n4_df"),
    ]
    assert config["attribution"]["detectors"] == ["hubert_n2_df", "hubert_n4_df"]
    assert config["comparisons"]["systems"] == [
        *("all_mean", "all_logistic", "hubert_n2_la", "hubert_n2_df"),
    ]
    assert [(entry["corpus"], entry["splits"]) for entry in config["score"]] == [
        *((corpus, ["train"]) for corpus in ("la", "df", "la_room", "df_room")),
        ("la", ["dev"]),
    ]


def test_the_study_as_written_is_kept():
    config = grid()
    study = checked(config)
    assert study.written == config == grid()
    assert set(study.written) <= set(study.config)


def test_labels_go_into_names_and_texts_and_values_into_values():
    config = grid(
        grid={"depth": {"half": 2, "full": 4}, "loud": [True]},
        frontend="wavlm_n{depth.value}",
        input={"length": "{depth}", "short": "{depth.label}"},
    )
    config["detectors"] = {"d_{depth}": config["detectors"].popitem()[1]}
    for section in ("fusion", "attribution", "comparisons"):
        del config[section]
    with pytest.raises(ConfigError, match=r"d_\{depth\}.frontend: .*'half'.*no key 'value'; valid"):
        expand(config)
    config["detectors"]["d_{depth}"]["frontend"] = "{depth}_{loud}"
    config["detectors"]["d_{depth}"]["train"] = {}
    detectors = expand(config)["detectors"]
    assert list(detectors) == ["d_half", "d_full"]
    assert detectors["d_half"]["input"] == {"length": 2, "short": "half"}
    assert detectors["d_full"]["frontend"] == "full_true"


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, r"detectors.x_\{n\}.grid: expected a mapping from axes to their values, found \{\}"),
        ([1], r"x_\{n\}.grid: expected a mapping"),
        ({"n": []}, r"x_\{n\}.grid.n: expected a list of values, or a mapping .* found \[\]"),
        ({"n": 3}, r"x_\{n\}.grid.n: expected a list"),
        ({"n": [1, [2]]}, r"x_\{n\}.grid.n\[1\]: \[2\] needs a label"),
        ({"N": [1]}, r"x_\{n\}.grid: 'N' is no name of an axis"),
        ({"n": [1, 1]}, r"x_\{n\}: two points of the grid have the name 'x_1'"),
        ({"n": [1, "1"]}, r"x_\{n\}: two points of the grid have the name 'x_1'"),
        ({"n": [0.5]}, r"x_\{n\}: 'x_0.5' is no name .*give the values labels"),
        ({"n": ["A"]}, r"x_\{n\}: 'x_A' is no name"),
        ({"n": [1, 2], "m": [1, 2]}, r"x_\{n\}: the name has to hold \{m\}, which has 2 values"),
        ({"m": [1]}, r"x_\{n\}: \{n\} is no axis of the grid; valid are: m"),
        ({"nn": [1]}, r"x_\{n\}: \{n\} is no axis of the grid"),
    ],
)
def test_grids_that_are_refused(axes, message):
    entry = {"grid": axes, "input": {"length": "{n}"}}
    with pytest.raises(ConfigError, match=message):
        expand({"detectors": {"x_{n}": entry}})


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("x_{n}", {}, r"detectors.x_\{n\}: the name holds a placeholder, but there is no key"),
        ("x_{n}", {"a": 1}, r"detectors.x_\{n\}.grid.n: no value of the entry holds \{n\}"),
        ("x_{n}", {"a": ["{n}", "{k}"]}, r"x_\{n\}.a\[1\]: \{k\} is no axis of the grid"),
        ("x_{n}", {"a": {"n": None}}, r'x_\{n\}.a: in YAML write "\{n\}", with the quotes'),
        ("x_{n}", {"a": {"n.b": None}}, r'x_\{n\}.a: in YAML write "\{n.b\}", with the quotes'),
        ("x_{n.b}", {"a": "{n}"}, r"a name holds axes as \{axis\}, not as \{axis.key\}"),
        ("x_{n}", {"a": "{n.b}"}, r"x_\{n\}.a: \{n.b\}: value '1' of the axis has no key 'b'"),
    ],
)
def test_entries_of_a_grid_that_are_refused(name, entry, message):
    given = {"grid": {"n": [1, 2]}, **entry} if entry else {}
    with pytest.raises(ConfigError, match=message):
        expand({"detectors": {name: given}})


def test_a_point_may_not_take_the_name_of_another_entry():
    config = grid()
    config["detectors"]["wavlm_n2_la"] = {}
    with pytest.raises(ConfigError, match=r"detectors.wavlm_n2_la: there are two entries"):
        checked(config)


def test_a_mistake_in_a_grid_is_named_at_its_point():
    with pytest.raises(ConfigError, match=r"detectors.[a-z]+_n\d_..: unknown key 'inputs'"):
        checked(grid(inputs={}))
    config = grid()
    config["detectors"]["{family}_n{layers}_{data}"]["grid"]["layers"].append(6)
    with pytest.raises(ConfigError, match=r"detectors.wavlm_n6_la.frontend: 'wavlm_n6' is not in"):
        checked(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attribution": {"detectors": ["wav_*"]}}, r"attribution.detectors\[0\]: 'wav_\*' match"),
        (
            {"fusion": {"f": {"detectors": ["a", "b*"]}}},
            r"fusion.f.detectors\[1\]: 'b\*' matches n",
        ),
        ({"score": [{"corpus": "x*"}]}, r"score\[0\].corpus: 'x\*' matches nothing"),
    ],
)
def test_a_pattern_that_matches_nothing(change, message):
    with pytest.raises(ConfigError, match=message):
        expand({**grid(), **change})


def test_the_points_of_a_grid_remain_known():
    study = checked(grid())
    detectors, fusions = study.grids["family_nlayers_data"], study.grids["all_method"]
    # An axis of one value is no axis of the results.
    assert (detectors.section, detectors.axes) == ("detectors", ("family", "layers", "data"))
    assert [point.entry for point in detectors.points] == list(study.config["detectors"])
    assert detectors.points[1].labels == {"family": "wavlm", "layers": "2", "data": "df"}
    assert [point.labels for point in fusions.points] == [
        {"method": "mean"},
        {"method": "logistic"},
    ]
    # Front-ends and copies have no error rates, a grid of one point nothing to compare.
    assert set(study.grids) == {"family_nlayers_data", "all_method"}


def test_results_over_two_grids_have_two_names():
    config = grid()
    (entry,) = config["detectors"].values()
    config["detectors"]["family_n{layers}_{data}"] = {**entry, "frontend": "wavlm_n{layers}"}
    config["detectors"]["family_n{layers}_{data}"]["grid"] = {
        axis: values for axis, values in entry["grid"].items() if axis != "family"
    }
    with pytest.raises(ConfigError, match=r"two grids would both be called 'family_nlayers_data'"):
        checked(config)


# --- results -----------------------------------------------------------------------------------


def written_point(folder: Path, point: str, dev: list[float], test: list[float]) -> Path:
    """The table of a point whose seeds had these EERs in model selection and on its test set."""
    metrics, detectors = [], []
    for seed, (selected, eer) in enumerate(zip(dev, test, strict=True)):
        rows = [
            [point, seed, "la", "eval", "pooled", "-", name, str(value), "", "", 10, 20]
            for name, value in (("eer", eer), ("auc", 1 - eer))
        ]
        # Of one level: no part of the result over a grid.
        rows.append([point, seed, "la", "eval", "attack", "x", "eer", "0.9", "", "", 10, 2])
        metrics.append(str(folder / f"{point}-{seed}.tsv"))
        write_table(metrics[-1], pl.DataFrame(rows, schema=list(METRIC_COLUMNS), orient="row"))
        meta = {"dev_eer": selected, "dev": [{"n_bonafide": 3, "n_spoof": 4}]}
        told = meta if selected is not None else {}
        detectors.append(str(write_detector(folder / f"{point}-{seed}", meta=told)))
    write_table(folder / f"{point}.tsv", point_table(metrics, detectors))
    return folder / f"{point}.tsv"


def test_an_altered_detector_is_no_point(tmp_path):
    path = write_detector(tmp_path / "a", meta={"dev_eer": 0.125, "dev": []})
    path.write_text(path.read_text().replace("0.125", "0.025"))
    with pytest.raises(DetectorError, match="is not as it was written"):
        point_table([], [str(path)])


def test_a_point_is_summed_up_over_its_seeds(tmp_path):
    eers = [0.125, 0.5, 0.25]
    table = pl.read_csv(written_point(tmp_path, "a", [0.1, 0.2, 0.6], eers), separator="\t")
    assert table.select("corpus", "split", "metric").rows() == [
        ("(model selection)", "dev", "dev_eer"),
        ("la", "eval", "eer"),
        ("la", "eval", "auc"),
    ]
    row = table.row(1, named=True)
    assert row["mean"] == pytest.approx(statistics.mean(eers))
    assert row["sd"] == pytest.approx(statistics.stdev(eers))
    assert (row["min"], row["max"], row["n_seeds"]) == (0.125, 0.5, 3)
    assert (row["n_bonafide"], row["n_spoof"]) == (10, 20)
    assert table["mean"][0] == pytest.approx(0.3)
    assert table.select("n_bonafide", "n_spoof").row(0) == (3, 4)


def test_development_data_choose_and_tests_do_not(tmp_path):
    # Name to the EERs in model selection and on the test, and the development data.
    eers = {
        "a": ([0.3, 0.1], [0.01, 0.01], "la"),
        "b": ([0.1, 0.1], [0.4, 0.2], "la"),
        "c": ([0.0, 0.2], [0.5, 0.5], "la"),
        "d": ([0.0, 0.0], [0.3, 0.3], "df"),
        "e": ([None], [0.0], "la"),
    }
    points = [
        # An axis may be called as a column is.
        {"entry": name, "labels": {"corpus": name, "order": "2"}, "dev": dev}
        for name, (_, _, dev) in eers.items()
    ]
    tables = [written_point(tmp_path, name, dev, test) for name, (dev, test, _) in eers.items()]
    table = grid_table(["corpus", "order"], points, tables)
    # b and c are equal; nothing is held against d; of e nothing is known.
    assert table.select("name", "best").rows() == [
        *(("d", "-"), ("b", "yes"), ("c", "yes"), ("a", "-"), ("e", "-"))
    ]
    assert table["axis_corpus"].to_list() == table["name"].to_list()
    assert set(table["corpus"]) == {"la"}
    b = table.row(1, named=True)
    assert (b["eer"], b["eer_min"], b["eer_max"]) == (pytest.approx(0.3), 0.2, 0.4)
    assert b["eer_sd"] == pytest.approx(statistics.stdev([0.4, 0.2]))
    assert (b["auc"], b["n_seeds"]) == (pytest.approx(0.7), 2)
    assert table["eer_sd"][4] is None
    assert table["dev_eer"][4] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "axes", [{"n": ["1", "2", "3"]}, {"n": ["1", "2", "3"], "kind": ["x", "y"]}]
)
def test_the_figure_shows_every_point_in_the_order_of_the_study(tmp_path, monkeypatch, axes):
    drawn = []
    monkeypatch.setattr(style.plt, "close", drawn.append)
    labels = [{"n": n, "kind": k} for n in axes["n"] for k in axes.get("kind", ["x"])]
    points = [{"entry": f"{own['n']}{own['kind']}", "labels": own, "dev": "la"} for own in labels]
    tables = [
        written_point(tmp_path, point["entry"], [0.3 - 0.01 * i, 0.3], [0.2, 0.1 * i])
        for i, point in enumerate(points)
    ]
    write_table(tmp_path / "table.tsv", grid_table(list(axes), points, tables))
    outputs = {suffix: str(tmp_path / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}
    figures.draw(str(tmp_path / "table.tsv"), list(axes.items()), outputs)
    assert Path(outputs["png"]).stat().st_size > 5000
    # What the numbers rest on stands above them.
    titles = [axes.get_title() for axes in drawn[0].axes if axes.get_title()]
    assert titles == ["model selection, dev", "la, eval\n10 bona fide, 20 spoofs, 2 seeds"]
    shown = pl.read_csv(outputs["tsv"], separator="\t")
    assert shown["panel"].unique(maintain_order=True).to_list() == [
        "model selection, dev",
        "la, eval",
    ]
    tested = shown.filter(pl.col("panel") == "la, eval")
    assert sorted(tested["name"]) == sorted(point["entry"] for point in points)
    last = tested.row(by_predicate=pl.col("name") == points[-1]["entry"], named=True)
    assert last["best"] == "yes"
    assert last["eer"] == pytest.approx((0.2 + 0.1 * (len(points) - 1)) / 2)
