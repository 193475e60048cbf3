"""The table, the figure and the report's part on source verification."""

import struct
from pathlib import Path

import polars as pl
import pytest

from spoofscope.figures import verification_ratios
from spoofscope.figures.style import PAGE, percent
from spoofscope.report.tracing import tracing_points
from spoofscope.report.verification import verification_section
from spoofscope.summaries import verification
from spoofscope.tables import write_table
from spoofscope.tracing.verification import (
    BY_CLAIM,
    BY_TEST,
    verification_metrics,
    write_scored_trials,
)
from test_verification import manifest, row, scored


def verified(folder: Path, name: str, spread: float, seed: int = 1, **options) -> dict:
    """The plan's entry of one tracer, whose vectors are the more alike the smaller `spread` is."""
    table = options.pop("table", manifest(n=14))
    trials, _ = scored(spread, table, levels=["attack", "vocoder"], **options)
    place = folder / name / str(seed)
    place.mkdir(parents=True)
    write_scored_trials(place / "scores.tsv", trials)
    write_table(place / "metrics.tsv", verification_metrics(trials, 100))
    paths = {part: str(place / f"{part}.tsv") for part in ("scores", "metrics")}
    return {"name": name, "seed": seed, "corpus": "made", "split": "eval", **paths}


@pytest.fixture(scope="module")
def entries(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("verified")
    exact = verified(folder, "exact", 0.1)
    vague = [verified(folder, "vague", 0.2 + 0.1 * seed, seed) for seed in (1, 2)]
    return [exact, *vague]


def test_a_row_is_the_mean_over_seeds_with_the_interval_of_the_first(entries):
    table = verification.verification_table(entries)
    assert table["trials"].to_list() == ["all", *BY_CLAIM] * 4
    found = table.row(6, named=True)
    assert (found["name"], found["level"], found["n_seeds"]) == ("vague", "attack", 2)
    seeds = [pl.read_csv(entry["metrics"], separator="\t") for entry in entries[1:]]
    first, second = (row(each, "eer") for each in seeds)
    assert found["eer"] == pytest.approx((first["estimate"] + second["estimate"]) / 2)
    assert (found["eer_low"], found["eer_high"]) == (first["low"], first["high"])
    single = table.filter(name="exact", level="vocoder", trials="unknown_claims").row(0, named=True)
    assert single["reason"] == "no interval: all trials in unknown claims are of one claim"
    assert (single["eer"], single["eer_low"]) == (0, None)


@pytest.mark.slow
def test_the_curves_are_shares_of_trials(entries, tmp_path):
    outputs = {suffix: str(tmp_path / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")}
    verification_ratios.draw(entries[:2], outputs)
    width, _ = struct.unpack(">II", Path(outputs["png"]).read_bytes()[16:24])
    assert width / 200 == PAGE
    curves = pl.read_csv(outputs["tsv"], separator="\t")
    trials = pl.read_csv(entries[1]["scores"], separator="\t")
    given = {"level": "attack", "known": "no", "target": "yes"}
    ratios = trials.filter(**given)["llr"]
    curve = curves.filter(name="vague", **given)
    assert curve["n_trials"].unique().to_list() == [ratios.len()]
    for point in curve[1:-1].iter_rows(named=True):
        # Of equal ratios, the first has the share of the trials that reach it.
        alike = curve.filter(llr=point["llr"])["share"].max()
        assert alike == pytest.approx((ratios >= point["llr"]).mean())


def test_a_panel_gives_no_error_rate_without_its_interval(entries, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(verification_ratios, "save", lambda figures, *_: drawn.extend(figures))
    entry = dict(entries[1])
    for part in ("scores", "metrics"):
        rows = pl.read_csv(entry[part], separator="\t", infer_schema=False)
        entry[part] = str(tmp_path / f"{part}.tsv")
        write_table(
            entry[part], rows.with_columns(pl.col("level").replace("vocoder", "acoustic_model"))
        )
    verification_ratios.draw([entry], {})
    (figure,) = drawn
    titles = [axes.get_title().splitlines() for axes in figure.axes if axes.get_title()]
    assert sorted(title[1] for title in titles) == ["acoustic model: 3 claims", "attack: 6 claims"]
    for title, level in zip(titles, ("attack", "acoustic_model"), strict=True):
        rates = pl.read_csv(entry["metrics"], separator="\t").filter(level=level)
        eer = row(rates, "eer", level=level)
        ends = [percent(eer[end]) for end in ("estimate", "low", "high")]
        assert title[2] == "EER {} % [{}, {}]".format(*ends)


def test_the_report_says_on_how_little_it_rests(entries, tmp_path):
    path = str(tmp_path / "verification.tsv")
    verification.make(entries, {"table": path})
    (section,) = verification_section(path)
    text = " ".join(section["sentences"])
    assert (
        "exact verifies the attack with the lowest EER of 2 tracers on these very trials: over 6 "
        "claims, EER 0.0 % (0.0 to" in text
    )
    assert "over 4 claims of known sources and" in text
    assert "where 1 is no information" in text
    doubts = " ".join(section["doubts"])
    assert "On made, eval, verification of the attack rests on 6 claims" in doubts
    assert "no better than a ratio of 1" not in doubts
    # An interval of Cllr that holds 1 shows no gain.
    (unsure,) = (text for text in section["doubts"] if "Cllr 1" in text)
    rates = pl.read_csv(path, separator="\t").filter(trials="all", level="vocoder")
    vague = rates.row(by_predicate=pl.col("name") == "vague", named=True)
    assert vague["cllr"] < 1 < vague["cllr_high"]
    assert "not shown to be better than a ratio of 1 for every clip" in unsure
    assert f"(Cllr 1): vague {vague['cllr']:.2f} (" in unsure
    assert [point.text for point in tracing_points([section])] == section["doubts"]
    assert all(one["n_claims"] for one in section["rows"])
    assert verification_section(None) == []


def test_the_report_tells_enrolled_attacks_from_others(tmp_path):
    table = manifest(n=30, texts=20)
    lone = [f"eval_{attack}_{i}" for attack in ("u0", "u1") for i in range(2, 30)]
    table = table.filter(~pl.col("utt_id").is_in(lone))
    path = str(tmp_path / "verification.tsv")
    verification.make([verified(tmp_path, "some", 0.5, table=table)], {"table": path})
    rows = pl.read_csv(path, separator="\t").filter(level="attack")
    assert rows["trials"].to_list() == ["all", *BY_CLAIM, *BY_TEST]
    (section,) = verification_section(path)
    text, _ = [each for each in section["sentences"] if "tests of enrolled attacks" in each]
    of_enrolled, of_others = (rows.filter(trials=part)["eer"][0] for part in BY_TEST)
    assert f"is {100 * of_enrolled:.1f} % (" in text
    assert f"and {100 * of_others:.1f} % (" in text


def test_ratios_of_unknown_sources_are_doubted_alone(entries, tmp_path):
    path = str(tmp_path / "verification.tsv")
    verification.make(entries, {"table": path})
    rows = pl.read_csv(path, separator="\t", infer_schema_length=None)
    unknown = (pl.col("trials") == "unknown_claims") & (pl.col("name") == "vague")
    unknown &= pl.col("level") == "attack"
    write_table(path, rows.with_columns(cllr=pl.when(unknown).then(1.25).otherwise(pl.col("cllr"))))
    (section,) = verification_section(path)
    assert [text for text in section["doubts"] if "Cllr" in text and "not shown" not in text] == [
        "On made, eval, likelihood ratios about the attack of sources out of the training are no "
        "better than a ratio of 1 for every clip (Cllr 1), or mislead: vague (1.25)."
    ]


def test_ratios_that_say_nothing_are_doubted(tmp_path):
    path = str(tmp_path / "verification.tsv")
    verification.make([verified(tmp_path, "noise", 1e6)], {"table": path})
    (section,) = verification_section(path)
    assert "no better than a ratio of 1 for every clip" in " ".join(section["doubts"])
