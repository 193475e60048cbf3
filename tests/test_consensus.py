"""Trials that all detectors get right or wrong, and what each adds to a fusion."""

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import matthews_corrcoef

from spoofscope.errors import ConfigError, SpoofscopeError
from spoofscope.figures import consensus as consensus_figure
from spoofscope.figures import differences, style
from spoofscope.figures import fusion_value as fusion_figure
from spoofscope.files import write_json
from spoofscope.fusion import apply_to_trials, fit_fusion, fit_on_trials
from spoofscope.metrics.rates import eer
from spoofscope.metrics.tables import evaluate
from spoofscope.summaries import consensus, fusion_value
from spoofscope.summaries.printed import write_printed
from spoofscope.tables import write_manifest, write_scores, write_table

N = 240
PER_SPEAKER = 10
NAMES = ["a", "b", "c"]


def manifest(seed: int, split: str) -> pl.DataFrame:
    """Half bona fide, a quarter spoofs of each of two attacks; 24 speakers of a single class."""
    attacks = ["-"] * (N // 2) + ["easy"] * (N // 4) + ["hard"] * (N // 4)
    ids = [f"{split}{i:03}" for i in range(N)]
    return pl.DataFrame(
        {
            "utt_id": ids,
            "path": [f"/nowhere/{name}.wav" for name in ids],
            "split": split,
            "label": ["bonafide" if attack == "-" else "spoof" for attack in attacks],
            "attack": attacks,
            "speaker": [f"s{seed}.{i // PER_SPEAKER}" for i in range(N)],
            "duration": 1.0,
            "sample_rate": 16000,
            "sha256": "0" * 64,
        }
    )


def scores(trials: pl.DataFrame, seed: int) -> dict[str, pl.DataFrame]:
    """`a` and `b` are twins but for a little noise, `c` is as good and has errors of its own."""
    rng = np.random.default_rng(seed)
    truth = np.where(trials["label"] == "bonafide", 1.0, -1.0)
    truth[(trials["attack"] == "hard").to_numpy()] = 0.3
    first, second = rng.standard_normal((2, N))
    values = {
        "a": truth + first,
        "b": truth + first + 0.01 * rng.standard_normal(N),
        "c": truth + second,
    }
    return {name: trials.select("utt_id", score=pl.Series(x)) for name, x in values.items()}


@pytest.fixture(scope="module")
def entries(tmp_path_factory) -> list[dict[str, str]]:
    """The score files of a set, each with a fusion of one in the place of a detector."""
    folder: Path = tmp_path_factory.mktemp("scores")
    dev, trials = manifest(1, "dev"), manifest(2, "eval")
    write_manifest(folder / "m.tsv", pl.concat([dev, trials]))
    of_dev, of_eval = scores(dev, 1), scores(trials, 2)
    entries = []
    for name in NAMES:
        model = fit_fusion({name: of_dev[name]["score"].to_numpy()}, dev["label"].to_numpy())
        # The scores of a fusion of one are on another scale than its detector's.
        values = model.weights[0] * of_eval[name]["score"] + model.offset
        write_scores(folder / f"{name}.tsv", trials.select("utt_id", score=values))
        write_json(folder / f"{name}.json", model.to_dict())
        entries.append(
            {
                **{"name": name, "corpus": "x", "split": "eval"},
                "scores": str(folder / f"{name}.tsv"),
                "manifest": str(folder / "m.tsv"),
                "detector": str(folder / f"{name}.json"),
            }
        )
    return entries


@pytest.fixture(scope="module")
def made(entries, tmp_path_factory) -> dict[str, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("tables")
    outputs = {part: str(folder / f"{part}.tsv") for part in ("table", "overlap", "trials")}
    consensus.make(entries, outputs, resamples=300, bootstrap_seed=1, cluster=None)
    return {part: pl.read_csv(path, separator="\t") for part, path in outputs.items()}


@pytest.fixture(scope="module")
def wrong(entries) -> dict[str, np.ndarray]:
    """Where each detector errs, from the files and by hand."""
    trials = manifest(2, "eval")
    errs = {}
    for entry in entries:
        own = pl.read_csv(entry["scores"], separator="\t").sort("utt_id")["score"].to_numpy()
        of_dev = scores(manifest(1, "dev"), 1)[entry["name"]]["score"].to_numpy()
        model = fit_fusion({"x": of_dev}, trials["label"].to_numpy())
        errs[entry["name"]] = (own >= model.threshold) != (trials["label"] == "bonafide").to_numpy()
    return errs


def test_consensus_is_counted(made, wrong):
    trials = manifest(2, "eval")
    errors = np.stack([wrong[name] for name in NAMES])
    table = made["table"]
    assert table.select("label", "attack").rows() == [
        *(("bonafide", "all"), ("spoof", "all"), ("spoof", "easy"), ("spoof", "hard")),
    ]
    for row in table.iter_rows(named=True):
        chosen = (trials["label"] == row["label"]).to_numpy()
        if row["attack"] != "all":
            chosen &= (trials["attack"] == row["attack"]).to_numpy()
        own = errors[:, chosen]
        assert (row["n"], row["detectors"]) == (chosen.sum(), 3)
        assert row["all_wrong"] == own.all(axis=0).sum()
        assert row["all_right"] == (~own).all(axis=0).sum()
        assert row["share_wrong"] == pytest.approx(row["all_wrong"] / row["n"])
        assert row["expected_wrong"] == pytest.approx(row["n"] * np.prod(own.mean(axis=1)))
        # Six speakers of an attack are too few for an interval.
        assert (row["ci_low"] is None) == (row["attack"] != "all")
        assert row["n_clusters"] == chosen.sum() // PER_SPEAKER
    hard = table.filter(attack="hard").row(0, named=True)
    assert hard["all_wrong"] > hard["expected_wrong"] > 3


def drawn(figure, table: pl.DataFrame, folder: Path, monkeypatch) -> list:
    """The axes of a figure of a table; its numbers are the table's."""
    write_table(folder / "t.tsv", table)
    saved = []
    monkeypatch.setattr(figure, "save", lambda pages, _, numbers: saved.append((pages, numbers)))
    figure.draw(str(folder / "t.tsv"), {})
    (((page,), numbers),) = saved
    style.plt.close(page)
    assert numbers.equals(pl.read_csv(folder / "t.tsv", separator="\t", schema=numbers.schema))
    return page.axes


def test_bars_and_dots_are_the_shares_of_the_table(made, tmp_path, monkeypatch):
    shares, wrong = drawn(consensus_figure, made["table"], tmp_path, monkeypatch)
    names = [label.get_text() for label in shares.get_yticklabels()]
    assert names == [
        "bona fide (n = 120)",
        *("all spoofs (n = 120)", "easy (n = 60)", "hard (n = 60)"),
    ]
    bars = np.array([bar.get_width() for bar in shares.patches]).reshape(-1, 3)
    assert bars.sum(axis=1) == pytest.approx([100.0] * 4)
    assert bars[:, 0] == pytest.approx(100 * made["table"]["share_right"].to_numpy())
    assert bars[:, 2] == pytest.approx(100 * made["table"]["share_wrong"].to_numpy())
    dots = [line.get_xdata()[0] for line in wrong.lines if line.get_marker() == "o"]
    assert dots == pytest.approx(bars[:, 2])
    diamonds = [line.get_xdata()[0] for line in wrong.lines if line.get_marker() == "D"]
    expected = 100 * made["table"]["expected_wrong"] / made["table"]["n"]
    assert diamonds == pytest.approx(expected.to_list())
    # Attacks of few speakers have no interval.
    assert sum(line.get_marker() == "None" for line in wrong.lines) == 2


def test_the_trials_of_a_consensus_are_listed(made, wrong, monkeypatch):
    trials = manifest(2, "eval")
    errors = np.stack([wrong[name] for name in NAMES])
    for name, chosen in (("all_wrong", errors.all(axis=0)), ("all_right", ~errors.any(axis=0))):
        assert set(made["trials"].filter(set=name)["utt_id"]) == set(
            trials.filter(pl.Series(chosen))["utt_id"]
        )
    monkeypatch.setattr(consensus, "MOST_LISTED", 3)
    some = consensus.listed(trials, wrong, 1)
    assert some.equals(consensus.listed(trials, wrong, 1))
    assert max(some.group_by("set", "attack").len()["len"]) == 3


def test_twins_share_their_errors_and_others_do_not(made, wrong):
    pairs = made["overlap"]
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == [
        pair for pair in itertools.combinations(NAMES, 2) for _ in range(2)
    ]
    bonafide = pairs.filter(label="bonafide")
    twins, others = (bonafide.filter(first="a", second=s).row(0, named=True) for s in ("b", "c"))
    first, second = (wrong[name][: N // 2] for name in ("a", "c"))
    # The excess is a covariance: that of Matthews' coefficient.
    spread = np.std(first) * np.std(second)
    assert others["excess"] / spread == pytest.approx(matthews_corrcoef(first, second))
    assert twins["ci_low"] > 0
    assert others["ci_low"] < 0 < others["ci_high"]
    assert others["ci_low"] < others["excess"] < others["ci_high"]


def test_what_is_wrong_for_nobody_has_no_interval():
    trials = pl.DataFrame(
        {"label": ["bonafide"] * 10 + ["spoof"] * 10, consensus._UNIT: [f"u{i}" for i in range(20)]}
    )
    none = {"a": np.zeros(20, dtype=bool), "b": np.zeros(20, dtype=bool)}
    pairs = pl.DataFrame({"first": ["a"], "second": ["b"], "label": ["spoof"]})
    (row,) = consensus.overlap(trials, none, pairs, 200, 1).iter_rows(named=True)
    assert (row["excess"], row["ci_low"], row["ci_high"]) == (0.0, None, None)


_ENDS = ("value", "value_low", "value_high")


def values(systems: list[str], method: str = "logistic") -> pl.DataFrame:
    dev, trials = manifest(1, "dev"), manifest(2, "eval")
    of_dev, of_eval = scores(dev, 1), scores(trials, 2)
    return fusion_value.values(
        {name: of_dev[name] for name in systems},
        dev,
        {name: of_eval[name] for name in systems},
        trials,
        method,
        resamples=400,
        seed=1,
        cluster=None,
    )


def test_a_twin_adds_nothing_and_the_third_detector_much():
    table = values(NAMES)
    got = {(row["left_out"], row["metric"]): row for row in table.iter_rows(named=True)}
    assert abs(got["a", "eer"]["gain"]) < 0.01
    assert abs(got["b", "eer"]["gain"]) < 0.01
    third = got["c", "eer"]
    assert third["gain"] > 0.02
    assert third["ci_low"] < third["gain"] < third["ci_high"]
    # Without it, the twins are as good as one of them.
    trials = manifest(2, "eval")
    alone = scores(trials, 2)["a"]["score"].to_numpy()
    assert third["value_without"] == pytest.approx(
        eer(alone[: N // 2], alone[N // 2 :]).value, abs=0.01
    )
    for metric in ("eer", "min_dcf"):
        p = [got[name, metric]["p"] for name in NAMES]
        strict = [got[name, metric]["p_holm"] for name in NAMES]
        assert strict[int(np.argmin(p))] == pytest.approx(min(1, 3 * min(p)))
        assert len({got[name, metric]["value"] for name in NAMES}) == 1
        assert all(s >= got["a", metric]["p_smallest"] for s in strict)
    assert {row["n_clusters"] for row in got.values()} == {N // PER_SPEAKER}


def test_the_whole_fusion_has_the_interval_of_the_tables_of_error_rates():
    table = values(["a", "c"], "mean")
    dev, trials = manifest(1, "dev"), manifest(2, "eval")
    model = fit_on_trials({name: scores(dev, 1)[name] for name in "ac"}, dev, "mean")
    whole = apply_to_trials(model, {name: scores(trials, 2)[name] for name in "ac"}, trials, dev)
    rates = evaluate(trials.join(whole, on="utt_id"), [], 400, 1)
    for metric in ("eer", "min_dcf"):
        expected = rates.filter(metric=metric).row(0, named=True)
        for row in table.filter(metric=metric).iter_rows(named=True):
            assert row["value"] == pytest.approx(expected["value"])
            assert (row["value_low"], row["value_high"]) == (
                expected["ci_low"],
                expected["ci_high"],
            )


def test_titles_of_fusions_have_the_intervals_of_their_numbers():
    table = values(["a", "c"], "mean")
    named = fusion_figure._title("f", "x", "eval", table).split("\n")[1]
    eer_row, cost = (table.filter(metric=m).row(0, named=True) for m in ("eer", "min_dcf"))
    assert named == (
        "EER {} % [{}, {}], ".format(*(style.percent(eer_row[k]) for k in _ENDS))
        + "minDCF {:.3f} [{:.3f}, {:.3f}]".format(*(cost[k] for k in _ENDS))
    )


def test_long_titles_have_lines_that_a_page_has_room_for():
    table = values(["a", "c"], "mean").filter(left_out="a")
    block = differences.Block("word " * 40, ["a"], table)
    shown = {"eer": ("e", 100.0), "min_dcf": ("m", 1.0)}
    (page,) = differences.draw_blocks([block], "gain", shown, "good", "bad", lower_is_better=False)
    style.settle(page)
    (title,) = [part._suptitle for part in page.subfigs]
    box = title.get_window_extent()
    assert title.get_text().count("\n") == 1
    assert 0 <= box.x0 < box.x1 <= page.bbox.x1
    style.plt.close(page)


def test_the_figure_of_a_fusion_has_the_gains_of_the_table(tmp_path, monkeypatch):
    names = [pl.lit(text).alias(name) for name, text in (("fusion", "f"), ("corpus", "x"))]
    table = values(NAMES).select(*names, pl.lit("eval").alias("split"), pl.all())
    helps, cost = drawn(fusion_figure, table, tmp_path, monkeypatch)
    assert [label.get_text() for label in helps.get_yticklabels()] == NAMES
    for axes, metric, factor in ((helps, "eer", 100), (cost, "min_dcf", 1)):
        dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
        gains = table.filter(metric=metric)["gain"]
        assert dots == pytest.approx([factor * gain for gain in gains])


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_what_helps_is_blue_and_what_harms_orange(lower_is_better):
    axes = style.new_figure(style.PAGE, 2.0).add_subplot()
    rows = [(-1.0, 0.01), (1.0, 0.01), (1.0, 0.2), (1.0, None)]
    shown = [differences.Difference(value, value - 0.5, value + 0.5, p) for value, p in rows]
    differences.panel(axes, shown, lower_is_better)
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    left, right = (
        (style.BONAFIDE, style.SPOOF) if lower_is_better else (style.SPOOF, style.BONAFIDE)
    )
    assert [dot.get_color() for dot in dots] == [left, right, differences.GREY, differences.GREY]
    assert [dot.get_markerfacecolor() for dot in dots] == [left, right, "white", "white"]
    assert [text.get_text() for text in axes.texts] == ["0.01", "0.01", "0.2", "-", "p (Holm)"]


def test_a_fusion_of_two_without_one_is_the_other():
    table = values(["a", "c"], "mean").filter(left_out="a", metric="eer").row(0, named=True)
    alone = scores(manifest(2, "eval"), 2)["c"]["score"].to_numpy()
    assert table["value_without"] == pytest.approx(eer(alone[: N // 2], alone[N // 2 :]).value)


def test_sets_of_one_class_are_left_out_and_a_study_without_others_is_refused(entries, tmp_path):
    trials = manifest(2, "eval").head(N // 2)
    write_manifest(tmp_path / "m.tsv", trials)
    paths = {entry["name"]: entry["scores"] for entry in entries}
    one = {"corpus": "x", "split": "eval", "manifest": str(tmp_path / "m.tsv"), "scores": paths}
    fusion = {
        **{"name": "f", "method": "mean", "fit_split": "eval", "scores": paths},
        **{"manifest": str(tmp_path / "m.tsv"), "sets": [one]},
    }
    outputs = {"table": str(tmp_path / "t.tsv")}
    with pytest.raises(ConfigError, match="no fusion is judged on an eval set of both classes"):
        fusion_value.make([fusion], outputs, resamples=200, bootstrap_seed=1, cluster=None)


def test_a_set_of_one_class_has_no_pairs(entries, tmp_path):
    write_manifest(tmp_path / "m.tsv", manifest(2, "eval").head(N // 2))
    few = []
    for entry in entries:
        own = pl.read_csv(entry["scores"], separator="\t").sort("utt_id").head(N // 2)
        write_scores(tmp_path / f"{entry['name']}.tsv", own)
        paths = {
            "scores": str(tmp_path / f"{entry['name']}.tsv"),
            "manifest": str(tmp_path / "m.tsv"),
        }
        few.append({**entry, **paths})
    outputs = {part: str(tmp_path / f"{part}.tsv") for part in ("table", "overlap", "trials")}
    consensus.make(few, outputs, resamples=100, bootstrap_seed=1, cluster=None)
    assert pl.read_csv(outputs["table"], separator="\t")["label"].to_list() == ["bonafide"]
    assert pl.read_csv(outputs["overlap"], separator="\t").is_empty()
    # What a paper prints of it has headings alone.
    printed = [str(tmp_path / name) for name in ("x.tex", "x.csv")]
    words = {"title": "T", "caption": "C.", "columns": (), "interval_of": "", "names": {}}
    write_printed(outputs["overlap"], *printed, **words)
    assert Path(printed[1]).read_text().count("\n") == 1


def test_a_detector_without_threshold_is_named(entries, tmp_path):
    write_json(tmp_path / "x.json", {"threshold": None})
    changed = [*entries[:2], {**entries[2], "detector": str(tmp_path / "x.json")}]
    outputs = {part: str(tmp_path / part) for part in ("table", "overlap", "trials")}
    with pytest.raises(SpoofscopeError, match=r"x\.json has no threshold"):
        consensus.make(changed, outputs, resamples=0, bootstrap_seed=1, cluster=None)
