"""Source verification: trials, cosines, calibrated ratios, their metrics, and enrolment."""

import json
import math

import numpy as np
import polars as pl
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from spoofscope.errors import ConfigError, DetectorError, TableError
from spoofscope.metrics import rates
from spoofscope.ood.base import Outputs
from spoofscope.plan.study_plan import checked
from spoofscope.tracing.enrolment import enrol, rank, read_enrolment, write_enrolment
from spoofscope.tracing.systems import systems
from spoofscope.tracing.trials import (
    SourceTrials,
    check_disjoint,
    known_sources,
    make_trials,
    read_source_trials,
    write_source_trials,
)
from spoofscope.tracing.verification import (
    BY_TEST,
    calibrate,
    cosines,
    read_scored_trials,
    unit_vectors,
    verification_metrics,
    verify,
    write_scored_trials,
)

KNOWN, UNKNOWN = ("k0", "k1", "k2", "k3"), ("u0", "u1")
VOCODERS = {"k0": "v0", "k1": "v0", "k2": "v1", "k3": "-", "u0": "v1", "u1": "v2"}


def manifest(n=12, texts=6):
    """Known attacks in all splits, unknown ones in dev and eval, and some bona fide speech."""
    rows = []
    for split in ("train", "dev", "eval"):
        for attack in (*KNOWN, *(UNKNOWN if split != "train" else ()), "-"):
            for i in range(n):
                rows.append(
                    {
                        "utt_id": f"{split}_{attack}_{i}",
                        "split": split,
                        "label": "bonafide" if attack == "-" else "spoof",
                        "attack": attack,
                        "vocoder": VOCODERS.get(attack, "-"),
                        "source_text": f"text {i % texts}" if i % texts else "-",
                    }
                )
    return pl.DataFrame(rows)


def toy(table=None, spread=0.0, size=24, seed=1):
    """Vectors of all clips: attacks along axes of their own, with noise."""
    table = manifest() if table is None else table
    rng = np.random.default_rng(seed)
    axes = {attack: place for place, attack in enumerate(sorted(set(table["attack"])))}
    centres = np.eye(size)[[axes[attack] for attack in table["attack"]]]
    values = (centres + spread * rng.normal(size=centres.shape)).astype(np.float32)
    return unit_vectors([(table["utt_id"].to_list(), Outputs(values, values[:, :1]))])


def drawn(table, split="eval", attacks=None, **options):
    attacks = systems(table) if attacks is None else attacks
    given = {"levels": ["attack"], "references": 3, "targets": 100, "nontargets": 100, "seed": 1}
    return make_trials(table, attacks, split, **{**given, **options})


def trials_of(table=None, **options):
    table = manifest() if table is None else table
    return [drawn(table, split, **options) for split in ("dev", "eval")]


def scored(spread, table=None, **options):
    table = manifest() if table is None else table
    dev, evaluated = trials_of(table, **options)
    return verify(dev, evaluated, toy(table, spread), known_of(table), attacks_of(table), 0.5)


def known_of(table):
    return known_sources([systems(table)], KNOWN)


def attacks_of(table):
    return dict(table.select("utt_id", "attack").iter_rows())


def row(found, metric, trials="all", level="attack"):
    return found.filter(metric=metric, trials=trials, level=level).row(0, named=True)


# --- trials --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("enrol_split", "column"),
    [(None, "source_text"), ("dev", "source_text"), (None, "sentence"), (None, "base_utt")],
)
def test_trials_share_no_clip_and_no_text_with_their_references(enrol_split, column):
    table = manifest()
    named = table.rename({"source_text": column})
    _, trials = trials_of(named, enrol=enrol_split, targets=4, nontargets=7)
    about = table.select("utt_id", "attack", "split", "source_text")
    assert trials.references.group_by("claim").len()["len"].unique().to_list() == [3]
    references = trials.references.join(about, on="utt_id")
    assert (references["attack"] == references["claim"]).all()
    assert set(references["split"]) == {enrol_split or "eval"}
    tests = trials.tests.join(about, on="utt_id")
    assert set(tests["split"]) == {"eval"}
    assert set(tests["claim"]) == {*KNOWN, *UNKNOWN}
    assert ((tests["attack"] == tests["claim"]) == (tests["target"] == "yes")).all()
    assert not set(tests["utt_id"]) & set(references["utt_id"])
    assert "-" not in set(tests["attack"])
    texts = references.filter(pl.col("source_text") != "-")
    assert tests.join(texts, on=["claim", "source_text"], how="semi").is_empty()
    counts = tests.group_by("claim", "target").len()
    assert counts.filter(target="yes")["len"].max() <= 4
    # Five other attacks give one test each before any gives a third.
    others = tests.filter(target="no").group_by("claim", "attack").len()
    assert counts.filter(target="no")["len"].unique().to_list() == [7]
    assert set(others["len"]) == {1, 2}


def test_trials_depend_on_the_seed_and_not_on_the_order_of_rows():
    table = manifest()
    first, again = (
        drawn(each, attacks=systems(table))
        for each in (table, table.sample(fraction=1.0, shuffle=True, seed=3))
    )
    other = drawn(table, seed=2)
    assert first.tests.equals(again.tests)
    assert first.references.equals(again.references)
    assert not first.references.equals(other.references)


def test_components_are_sources_of_several_attacks():
    dev, trials = trials_of(levels=["attack", "vocoder"], references=4)
    of_vocoder = trials.references.filter(level="vocoder")
    assert set(of_vocoder["claim"]) == {"v0", "v1", "v2"}
    # Evenly over the attacks of the vocoder; k3 has none.
    attacks = of_vocoder.with_columns(attack=pl.col("utt_id").str.split("_").list[1])
    counts = dict(attacks.group_by("attack").len().rows())
    assert counts == {"k0": 2, "k1": 2, "k2": 2, "u0": 2, "u1": 4}
    assert not trials.tests.filter(level="vocoder")["utt_id"].str.contains("_k3_").any()
    known = known_of(manifest())
    assert known == {*(("attack", name) for name in KNOWN), ("vocoder", "v0"), ("vocoder", "v1")}
    check_disjoint(dev, trials)


def test_sources_that_cannot_make_a_claim_are_named(caplog):
    table = manifest().filter(~pl.col("utt_id").is_in([f"eval_u1_{i}" for i in range(2, 12)]))
    trials = drawn(table)
    assert "u1" not in trials.references["claim"]
    assert "u1" not in trials.tests["claim"]
    # Its clips are tests of others still.
    assert trials.tests["utt_id"].str.contains("eval_u1").any()
    assert "3 references, a target or another test make no claim: u1" in caplog.text


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (manifest().filter(pl.col("attack").is_in(["k0", "-"])), {}, "are of 1 named sources"),
        (manifest(), {"levels": ["family"]}, "level 'family': .* are of 0 named sources"),
        (manifest(), {"references": 13}, "no source has 13 references"),
        (manifest(n=3), {}, "no source has 3 references, a target and another test"),
        (manifest(texts=1).with_columns(source_text=pl.lit("same")), {}, "no source has 3"),
    ],
)
def test_splits_without_trials_are_refused(table, options, message):
    with pytest.raises(TableError, match=message):
        trials_of(table, **options)


def test_attacks_without_a_row_are_refused():
    table = manifest()
    other = systems(table).filter(pl.col("attack") != "k2")
    with pytest.raises(TableError, match="the attack 'k2' of 'dev_k2_0' is not in the table"):
        drawn(table, attacks=other)


def test_trials_are_read_as_they_are_written(tmp_path):
    _, trials = trials_of(levels=["vocoder", "attack"])
    files = tmp_path / "r.tsv", tmp_path / "t.tsv"
    write_source_trials(*files, trials)
    found = read_source_trials(*files)
    assert found.references.equals(trials.references)
    assert found.tests.equals(trials.tests)


REFERENCES = "level\tclaim\tutt_id\nattack\ta\tr1\nattack\tb\tr2\n"
TESTS = "level\tclaim\tutt_id\ttarget\nattack\ta\tt1\tyes\nattack\tb\tt1\tno\n"


@pytest.mark.parametrize(
    ("references", "tests", "message"),
    [
        (REFERENCES.replace("b\tr2", "c\tr2"), TESTS, r"t\.tsv: the attack 'b' is claimed and has"),
        (REFERENCES, TESTS.replace("a\tt1", "a\tr1"), "'r1' is a test and a reference of the att"),
        (REFERENCES, TESTS.replace("yes", "1"), r"t\.tsv: line 2: column 'target': '1' is none of"),
        (
            REFERENCES.replace("attack", "system"),
            TESTS,
            r"r\.tsv: line 2: column 'level': 'system'",
        ),
        (REFERENCES, TESTS.replace("b\t", "a\t"), "'t1' is there twice for the attack 'a'"),
        (REFERENCES, TESTS.replace("no", "yes"), "level 'attack' has no test of another source"),
        (REFERENCES, TESTS.replace("yes", "no"), "level 'attack' has no target"),
        (REFERENCES, TESTS[:26], "the table has no target"),
    ],
)
def test_bad_protocols_are_refused(tmp_path, references, tests, message):
    (tmp_path / "r.tsv").write_text(references)
    (tmp_path / "t.tsv").write_text(tests)
    with pytest.raises(TableError, match=message):
        read_source_trials(tmp_path / "r.tsv", tmp_path / "t.tsv")


# --- scores --------------------------------------------------------------------------------------


def test_scores_are_cosines_of_scikit_learn():
    _, trials = trials_of()
    vectors = toy(spread=0.5)
    found = cosines(trials, vectors)
    for score, (level, claim, utt_id, _) in zip(found, trials.tests.rows(), strict=True):
        own = trials.references.filter(level=level, claim=claim)["utt_id"].to_list()
        mean = vectors.of(own, "reference").mean(axis=0)
        expected = cosine_similarity(mean[None], vectors.of([utt_id], "test"))[0, 0]
        assert score == pytest.approx(expected, abs=1e-12)
    shuffled = SourceTrials(
        trials.references.sample(fraction=1.0, shuffle=True, seed=1), trials.tests.reverse()
    )
    assert np.array_equal(cosines(shuffled, vectors)[::-1], found)


def test_a_vector_of_zeros_is_like_nothing():
    zero = np.zeros((2, 3), dtype=np.float32)
    vectors = unit_vectors([(["r1", "t1"], Outputs(zero, zero))])
    keys = {"level": ["attack"], "claim": ["a"]}
    trials = SourceTrials(
        pl.DataFrame({**keys, "utt_id": ["r1"]}),
        pl.DataFrame({**keys, "utt_id": ["t1"], "target": ["yes"]}),
    )
    assert cosines(trials, vectors).tolist() == [0.0]


def test_what_cannot_be_scored_is_refused():
    _, trials = trials_of()
    with pytest.raises(DetectorError, match="not finite, the first is row 1"):
        toy(manifest(n=1)[:2].with_columns(), spread=np.array([[0.0], [np.nan]]))
    ones, wide = (np.ones((1, size), dtype=np.float32) for size in (2, 3))
    with pytest.raises(TableError, match="there are two vectors of 'a'"):
        unit_vectors([(["a"], Outputs(ones, ones)), (["a"], Outputs(ones, ones))])
    with pytest.raises(TableError, match=r"vectors of one tracer, got sizes \[2, 3\]"):
        unit_vectors([(["a"], Outputs(ones, ones)), (["b"], Outputs(wide, wide))])
    of_dev = toy(manifest().filter(pl.col("split") == "dev"))
    with pytest.raises(TableError, match=r"the tracer has no vector of 'eval_k0_.*a reference"):
        cosines(trials, of_dev)
    alone = trials._replace(references=trials.references.filter(pl.col("claim") != "k1"))
    with pytest.raises(TableError, match="the attack 'k1' is claimed and has no references"):
        cosines(alone, toy())


# --- calibration and metrics ---------------------------------------------------------------------


def test_a_calibration_says_how_good_ratios_of_unknown_sources_are():
    found, calibrations = scored(0.4)
    table, fitted = verification_metrics(found), calibrations["attack"]
    assert (fitted["n_known_claims"], fitted["n_unknown_evaluated"]) == (4, 2)
    assert fitted["cllr_unknown"] == row(table, "cllr", "unknown_claims")["estimate"]
    assert fitted["cllr_unknown"] != row(table, "cllr")["estimate"]
    known = scored(0.4, manifest().filter(pl.col("attack").is_in([*KNOWN, "-"])))[1]["attack"]
    assert (known["n_unknown_evaluated"], known["cllr_unknown"]) == (0, None)


def test_sources_at_right_angles_are_told_apart_without_error(tmp_path):
    found, calibrations = scored(0.0, levels=["attack", "vocoder"])
    bounds = calibrations["attack"]
    assert found["llr"].is_between(bounds["lower"], bounds["upper"]).any()
    assert (bounds["n_claims"], bounds["n_references"]) == (6, 3)
    table = verification_metrics(found, resamples=100)
    eer = row(table, "eer")
    assert (eer["estimate"], eer["low"]) == (0, 0)
    # As sure as six claims without an error allow.
    assert eer["high"] == pytest.approx(1 - 0.025 ** (1 / 6))
    assert 0 < row(table, "cllr")["estimate"] < 0.2
    assert row(table, "min_cllr")["estimate"] == 0
    assert row(table, "eer", "unknown_claims")["n_claims"] == 2
    assert row(table, "eer", "known_claims")["n_claims"] == 4
    assert row(table, "eer", "unknown_claims")["high"] == pytest.approx(1 - 0.025 ** (1 / 2))
    single = row(table, "eer", "unknown_claims", "vocoder")
    assert (single["estimate"], single["low"]) == (0, None)
    assert single["reason"] == "no interval: all trials in unknown claims are of one claim"
    write_scored_trials(tmp_path / "s.tsv", found)
    assert read_scored_trials(tmp_path / "s.tsv").equals(found)
    assert scored(0.0, levels=["attack", "vocoder"])[0].equals(found)


def test_vectors_of_noise_say_nothing():
    """By chance alone: EER near 0.5, Cllr near 1, both within their intervals."""
    table = manifest(n=60, texts=30)
    found, _ = scored(1e6, table)
    measured = verification_metrics(found, resamples=200)
    for trials in ("all", "known_claims", "unknown_claims"):
        for metric, truth in (("eer", 0.5), ("cllr", 1.0)):
            of_metric = row(measured, metric, trials)
            assert of_metric["estimate"] == pytest.approx(truth, abs=0.1), (metric, trials)
            if of_metric["low"] is not None:
                assert of_metric["low"] < truth < of_metric["high"] + 1e-9, (metric, trials)
            else:
                assert of_metric["reason"] == "no interval: all resamples are alike"


@pytest.mark.slow
def test_cosines_that_are_no_evidence_on_dev_give_ratios_of_one(caplog):
    table = manifest()
    dev, evaluated = trials_of(table)
    vectors = toy(table, 0.1)
    swapped = {"yes": "no", "no": "yes"}
    inverted = dev._replace(tests=dev.tests.with_columns(pl.col("target").replace(swapped)))
    known, attacks = known_of(table), attacks_of(table)
    found, calibrations = verify(inverted, evaluated, vectors, known, attacks, 0.5)
    assert set(found["llr"]) == {0.0}
    assert "all likelihood ratios are 1" in caplog.text
    assert calibrations["attack"]["n_bonafide"] == (dev.tests["target"] == "no").sum()
    measured = verification_metrics(found, resamples=100)
    assert row(measured, "cllr")["estimate"] == 1
    assert row(measured, "cllr")["reason"] == "no interval: all resamples are alike"
    # Sums of 1 bit over other numbers of trials differ by rounding.
    few = found.filter(pl.col("claim").is_in(found["claim"].unique().sort()[:3].implode()))
    for n in range(9, few.height + 1):
        for of_metric in verification_metrics(few[:n], resamples=100).iter_rows(named=True):
            if of_metric["metric"] == "cllr" and of_metric["estimate"] is not None:
                assert of_metric["low"] is None


def test_cllr_is_that_of_the_netherlands_forensic_institute():
    from lir.data.models import LLRData
    from lir.metrics import cllr, cllr_min

    found, _ = scored(0.35, manifest(n=30, texts=20))
    measured = verification_metrics(found)
    labels = (found["target"] == "yes").to_numpy().astype(int)
    for metric, of, column in (("cllr", cllr, "llr"), ("min_cllr", cllr_min, "cosine")):
        scores = found[column].to_numpy() / (math.log(10) if column == "llr" else 1)
        expected = of(LLRData(features=scores.reshape(-1, 1), labels=labels))
        assert row(measured, metric)["estimate"] == pytest.approx(expected, abs=1e-6)
        assert 0.05 < expected < 0.95


def test_intervals_come_from_whole_claims():
    table = manifest(n=30, texts=20)
    found, _ = scored(0.5, table)
    measured = verification_metrics(found, resamples=200)
    for metric in ("eer", "cllr", "min_cllr"):
        of_metric = row(measured, metric)
        assert of_metric["low"] < of_metric["estimate"] < of_metric["high"]
        assert of_metric["reason"] == ""
    shuffled = found.sample(fraction=1.0, shuffle=True, seed=2)
    assert verification_metrics(shuffled, resamples=200).equals(measured)
    # Half of the claims are always right, half always wrong: as unsure as six coins, even where
    # every trial is there ten times.
    right = (pl.col("target") == "yes") == pl.col("claim").is_in(["k0", "k1", "u0"])
    odd = found.with_columns(cosine=right.cast(pl.Float64), llr=right.cast(pl.Float64))
    often = pl.concat(
        [odd.with_columns(utt_id=pl.format("{}_{}", "utt_id", pl.lit(i))) for i in range(10)]
    )
    for each in (odd, often):
        of_metric = row(verification_metrics(each, resamples=200), "eer")
        assert of_metric["estimate"] == pytest.approx(0.5, abs=0.03)
        assert of_metric["high"] - of_metric["low"] > 0.6


def test_known_and_unknown_claims_where_there_are_none():
    table = manifest().filter(~pl.col("attack").is_in(UNKNOWN))
    found, _ = scored(0.2, table)
    for resamples, reason in ((0, "no interval: none was asked for"), (100, "")):
        measured = verification_metrics(found, resamples)
        assert row(measured, "eer", "unknown_claims")["estimate"] is None
        assert row(measured, "eer", "unknown_claims")["reason"] == "no trials in unknown claims"
        assert row(measured, "eer")["reason"] == reason
        assert row(measured, "eer", "known_claims")["estimate"] == row(measured, "eer")["estimate"]


def test_tests_of_attacks_without_references_are_measured_as_stopas_baseline_does():
    """Enrolled: all tests of enrolled attacks; unenrolled: all others, and every target."""
    table = manifest(n=30, texts=20)
    lone = [f"eval_{attack}_{i}" for attack in UNKNOWN for i in range(2, 30)]
    table = table.filter(~pl.col("utt_id").is_in(lone))
    found, _ = scored(0.5, table, targets=20, nontargets=60)
    attack = found["utt_id"].str.split("_").list[1]
    assert ((found["enrolled"] == "no") == attack.is_in(list(UNKNOWN))).all()
    measured = verification_metrics(found, resamples=100)
    target = found["target"] == "yes"
    for part, of_part in (
        ("enrolled_tests", ~attack.is_in(list(UNKNOWN))),
        ("unenrolled_tests", attack.is_in(list(UNKNOWN)) | target),
    ):
        right, wrong = (found.filter(of_part & kind)["cosine"] for kind in (target, ~target))
        of_metric = row(measured, "eer", part)
        assert of_metric["estimate"] == rates.eer(right.to_numpy(), wrong.to_numpy()).value
        assert (of_metric["n_target"], of_metric["n_nontarget"]) == (right.len(), wrong.len())
        assert of_metric["low"] < of_metric["estimate"] < of_metric["high"]
        assert row(measured, "cllr", part)["low"] is not None
    counts = [row(measured, "eer", part)["n_nontarget"] for part in BY_TEST]
    assert sum(counts) == row(measured, "eer")["n_nontarget"]
    assert min(counts) > 0
    dev, evaluated = trials_of(table)
    with pytest.raises(TableError, match="the manifest has no 'eval_k0_"):
        verify(dev, evaluated, toy(table), known_of(table), {}, 0.5)


def test_calibration_and_evaluation_share_no_clips():
    dev, evaluated = trials_of(enrol="dev")
    check_disjoint(dev, evaluated)
    table = manifest()
    with pytest.raises(TableError, match="is a test of both; dev trials fit the calibration"):
        verify(evaluated, evaluated, toy(), known_of(table), attacks_of(table), 0.5)
    crossed = drawn(table, enrol="dev", seed=2)
    with pytest.raises(TableError, match="a test of dev and a reference of the other"):
        check_disjoint(dev, crossed)
    with pytest.raises(TableError, match="a reference of dev and a test of the other"):
        check_disjoint(crossed, dev)


def test_without_trials_of_dev_there_are_no_ratios():
    table = manifest()
    dev, evaluated = trials_of(table, levels=["attack", "vocoder"])
    known, vectors = known_of(table), toy(table)
    partly = SourceTrials(*(each.filter(level="attack") for each in dev))
    with pytest.raises(TableError, match="level 'vocoder': dev has no trials"):
        verify(partly, evaluated, vectors, known, attacks_of(table), 0.5)
    nothing = SourceTrials(*(each.clear() for each in dev))
    with pytest.raises(TableError, match="dev has no trials"):
        verify(nothing, evaluated, vectors, known, attacks_of(table), 0.5)
    with pytest.raises(TableError, match="dev has no trials"):
        calibrate(nothing, np.empty(0), 0.5)
    one_kind = dev.tests.filter(target="yes", level="attack")
    with pytest.raises(TableError, match="dev has no tests of another source"):
        calibrate(dev._replace(tests=one_kind), np.ones(one_kind.height), 0.5)
    found = scored(0.2)[0]
    with pytest.raises(TableError, match="no scored trials"):
        verification_metrics(found.clear())
    with pytest.raises(ConfigError, match="50 resamples are too few"):
        verification_metrics(found, resamples=50)


# --- enrolment -----------------------------------------------------------------------------------


def test_enrolled_sources_are_found_again(tmp_path):
    vectors = toy(spread=0.1)
    _, calibrations = scored(0.1)
    references = {attack: [f"eval_{attack}_{i}" for i in range(3)] for attack in (*KNOWN, *UNKNOWN)}
    enrolment = enrol(vectors, references, "attack", "0123", calibrations["attack"])
    write_enrolment(tmp_path / "e.json", enrolment)
    found = read_enrolment(tmp_path / "e.json")
    assert found.sources == tuple(sorted(references))
    assert set(found.references) == {3}
    assert np.array_equal(found.means, enrolment.means)
    assert found.calibration == enrolment.calibration
    clips = ["eval_u1_7", "eval_k2_9"]
    ranked = rank(found, vectors, clips, "0123")
    assert ranked["utt_id"].to_list() == [clip for clip in clips for _ in range(6)]
    assert ranked.filter(rank=1)["source"].to_list() == ["u1", "k2"]
    assert ranked["rank"].to_list() == [*range(1, 7)] * 2
    first, later = ranked.filter(rank=1), ranked.filter(pl.col("rank") > 1)
    assert (first["llr"] > 0).all()
    assert (later["llr"] < 0).all()
    for clip in clips:
        assert ranked.filter(utt_id=clip)["cosine"].is_sorted(descending=True)
    alone = rank(found, vectors, clips[:1], "0123")
    assert alone.equals(ranked.filter(utt_id=clips[0]))
    uncalibrated = enrol(vectors, references, "attack", "0123")
    assert rank(uncalibrated, vectors, clips, "0123")["llr"].null_count() == 12


def test_what_cannot_be_enrolled_is_refused():
    vectors = toy()
    clip = "eval_k0_1"
    for references, level, message in (
        ({}, "attack", "no sources to enrol"),
        ({"a": []}, "attack", "'a' has no references"),
        ({"a": [clip], "b": [clip]}, "attack", "a reference of 'b' and already one of 'a'"),
        ({"a": ["other"]}, "attack", "no vector of 'other', which is a reference"),
        ({"a": [clip]}, "speaker", "no level 'speaker'"),
    ):
        with pytest.raises(TableError, match=message):
            enrol(vectors, references, level, "0123")


def test_files_of_enrolled_sources_that_do_not_fit(tmp_path):
    vectors = toy()
    enrolment = enrol(vectors, {"a": ["eval_k0_1"]}, "attack", "0123")
    with pytest.raises(DetectorError, match=r"enrolled with the tracer 0123 .* traced by 4567"):
        rank(enrolment, vectors, ["eval_k0_2"], "4567")
    with pytest.raises(DetectorError, match=r"vectors of 24 numbers.*\(30\)"):
        rank(enrolment, toy(size=30), ["eval_k0_2"], "0123")
    file = tmp_path / "e.json"
    write_enrolment(file, enrolment)
    whole = json.loads(file.read_text())
    for change in (
        {"format": 9},
        {"level": "x"},
        {"sources": []},
        {"sources": [{"name": "a"}]},
        {"calibration": {"scale": 1.0}},
    ):
        file.write_text(json.dumps({**whole, **change}))
        with pytest.raises(TableError, match=r"e\.json is no file of enrolled sources, or damaged"):
            read_enrolment(file)
    file.write_text("[]")
    with pytest.raises(TableError, match="no file of enrolled sources"):
        read_enrolment(file)


# --- in a study ----------------------------------------------------------------------------------


def test_studies_that_cannot_be_verified_are_refused():
    study = {
        "study": "s",
        "corpora": {"own": {"type": "folder", "path": "data"}},
        "verification": {"corpora": ["owm"]},
    }
    with pytest.raises(ConfigError, match="verification: key 'tracers' is missing"):
        checked(study)
    tracer = {
        "frontend": "f",
        "backend": {"type": "cnn"},
        "train": {"data": [{"corpus": "own"}]},
    }
    study |= {
        "frontends": {"f": {"type": "fbank"}},
        "tracers": {"t": tracer},
        "tracing": {"corpora": ["own"]},
    }
    with pytest.raises(ConfigError, match=r"verification\.corpora\[0\]: 'owm' .* mean 'own'"):
        checked(study)
    levels = {"corpora": ["own"], "levels": ["speaker"]}
    with pytest.raises(ConfigError, match=r"verification\.levels\[0\].*'speaker'"):
        checked({**study, "verification": levels})
