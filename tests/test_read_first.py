"""What stands at the top of the report, and findings of audits in sentences."""

from typing import Any

import polars as pl
import pytest

from spoofscope.attribution.verdicts import Check, of_controls
from spoofscope.corpora.audit import AUDIT_COLUMNS
from spoofscope.corpora.cues import CUES, WORDS, in_words
from spoofscope.display import DisplayNames
from spoofscope.metrics.paired import SCHEMA
from spoofscope.report.audits import attention, read_audit, sentences, strongest_cue
from spoofscope.report.first import LOOKED_FOR, Point, read_first, said_once
from spoofscope.tables import write_table


def manifest(dev=(40, 40), speakers=30, spoof_speakers=30) -> pl.DataFrame:
    """A corpus with so many bona fide and spoofed dev trials, and speakers per class of eval."""
    rows = []
    for label, n in zip(("bonafide", "spoof"), dev, strict=True):
        rows += [("dev", label, f"d{i % 5}") for i in range(n)]
    for label, n in (("bonafide", speakers), ("spoof", spoof_speakers)):
        rows += [("eval", label, f"s{i % n}") for i in range(60)]
    table = pl.DataFrame(rows, schema=["split", "label", "speaker"], orient="row")
    attack = pl.when(pl.col("label") == "spoof").then(pl.lit("A")).otherwise(pl.lit("-"))
    return table.with_columns(attack=attack).with_row_index("utt_id").cast({"utt_id": pl.String})


def row(name="net", split="eval", eer=0.1, low=0.05, high=0.2, kind="detector"):
    return {
        **{"name": name, "kind": kind, "corpus": "c", "split": split},
        **{"eer": eer, "eer_low": low, "eer_high": high},
    }


def audit(*rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=AUDIT_COLUMNS, orient="row")


def found(**given) -> list[Point]:
    told = {
        "caveats": [],
        "headline": [row()],
        "manifests": {"c": manifest()},
        "dev": {"net": [{"corpus": "c", "split": "dev"}]},
        "audits": {"c": audit()},
        "people": DisplayNames({}),
        "comparisons": None,
        "agreement": [],
        "explained": [],
        "cluster": None,
    }
    return read_first(**{**told, **given})


def test_nothing_is_found_where_nothing_is_wrong():
    assert found() == []
    for word in ("20 development trials", "chance", "significant", "20 speakers", "caveats"):
        assert word in LOOKED_FOR


def test_names_for_attacks_that_no_corpus_has():
    (point,) = found(people=DisplayNames({"attacks": {"A": "An attack", "hifigan_": "HiFi-GAN"}}))
    assert point.text.startswith(
        "The study file has names for people (names.attacks) of hifigan_, which no corpus has"
    )
    assert not point.concerns(row())


def test_caveats_come_first():
    points = found(caveats=["Synthetic."], headline=[row(high=0.6)])
    assert points[0].text == "Synthetic."
    assert len(points) == 2


@pytest.mark.parametrize(("dev", "told"), [((19, 80), "19 bona fide and 80"), ((20, 20), None)])
def test_an_operating_point_of_few_trials(dev, told):
    points = found(manifests={"c": manifest(dev)})
    assert [told in point.text for point in points] == ([True] if told else [])
    if told:
        assert points[0].concerns(row())
        assert not points[0].concerns(row("other"))


def test_trials_of_all_development_data_count():
    sources = [{"corpus": "c", "split": "dev"}, {"corpus": "d", "split": "dev"}]
    manifests = {"c": manifest((10, 10)), "d": manifest((10, 10))}
    assert found(manifests=manifests, dev={"net": sources}) == []
    (point,) = found(manifests=manifests, dev={"net": sources[:1], "all": sources[:1]})
    assert "net and all come from 10 bona fide and 10" in point.text


@pytest.mark.parametrize(
    ("dev", "evaluation", "told"),
    [(0.10, 0.33, True), (0.33, 0.10, True), (0.10, 0.19, False), (0.30, 0.42, False)],
)
def test_development_and_evaluation_that_differ(dev, evaluation, told):
    rows = [
        row("all", "eval", evaluation, evaluation - 0.02, evaluation + 0.02, kind="fusion"),
        row("all", "dev", dev, dev - 0.02, dev + 0.02, kind="fusion"),
        row(),
    ]
    points = found(headline=rows)
    assert len(points) == told
    if told:
        higher = "higher" if evaluation > dev else "lower"
        said = (
            f"On c, these have far {higher} EERs on evaluation data than on development data (dev, "
            f"eval): all ({100 * dev:.1f} %, {100 * evaluation:.1f} %). "
        )
        assert points[0].text.startswith(f"{said}Each ")
        assert [points[0].concerns(each) for each in rows] == [True, True, False]
        for wide in ({"eer_low": 0.0, "eer_high": 0.45}, {"eer_low": None, "eer_high": None}):
            (point,) = found(headline=[rows[0], {**rows[1], **wide}, row()])
            assert point.text.startswith(
                f"{said}Unless it is chance, which the intervals allow for all, each "
            )


def test_detectors_at_chance():
    rows = [row("a", eer=0.4, low=0.3, high=0.52), row("b"), row("c", "dev", high=0.6)]
    (point,) = found(headline=rows)
    assert (
        "these detectors are not shown to be better than chance, an EER of 50 %: "
        "a (40.0 %, 30 to 52 %)." in point.text
    )
    assert [point.concerns(each) for each in rows] == [True, False, False]


def compared(p_smallest, n_clusters=6):
    values = {"first": "a", "second": "b", "metric": "eer", "n_bonafide": 60, "n_spoof": 60}
    values |= {"p_smallest": p_smallest, "n_clusters": n_clusters, "corpus": "c", "split": "eval"}
    schema = {**SCHEMA, "corpus": pl.String(), "split": pl.String()}
    return pl.DataFrame([{name: values.get(name) for name in schema}], schema=schema)


@pytest.mark.parametrize(("p", "n"), [(0.88, 1), (0.05, 1), (None, 1), (0.01, 0)])
def test_significance_out_of_reach(p, n):
    points = found(comparisons=compared(p))
    assert len(points) == n
    if n:
        assert "no difference can be significant: 1 pair, 6 speakers" in points[0].text
    agreement = [
        {"generator": "bonafide", "whole": {"p_smallest": None}},
        *({"generator": name, "whole": {"p_smallest": p}} for name in "ab" if p is not None),
    ]
    points = found(agreement=agreement)
    assert len(points) == (n if p is not None else 0)
    if points:
        assert f"2 generators, p is at least {p:.2g}" in points[0].text


def test_explanations_that_do_not_pass_their_controls():
    def checked(name: str, *verdicts: str) -> dict[str, Any]:
        pairs = zip(
            ("deletion_gain", "insertion_gain", "randomised_spearman"), verdicts, strict=True
        )
        checks = [Check(check, 0.1, 0.0, 0.2, 1.0, 9, None, verdict) for check, verdict in pairs]
        by_check = {check.check: check for check in checks}
        return {"name": name, "by_check": by_check, "controls": of_controls(checks)}

    explained = [
        checked("a", "passes", "passes", "passes"),
        checked("b", "fails", "passes", "undecided"),
        checked("c", "fails", "fails", "passes"),
        checked("d", "undecided", "passes", "passes"),
    ]
    fails, undecided = found(explained=explained)
    assert fails.text == (
        "The explanations of b and c fail their controls: deletion beyond random frames (b and c), "
        "insertion beyond random frames (c). Do not rely on them."
    )
    assert undecided.text == (
        "It is undecided whether the explanations of d pass their controls: deletion beyond random "
        "frames."
    )
    assert fails.link == "#faithful"


def test_a_doubt_is_said_once_with_all_that_it_is_about():
    sections = [
        {"name": name, "corpus": corpus, "split": "eval", "doubts": doubts}
        for name, corpus, doubts in (
            *(("a", "c", ["too few."]), ("b", "c", ["too few.", "silent."])),
            *(("a", "d", ["too few."]), ("b", "d", [])),
        )
    ]
    points = said_once("Masking", sections, "#masking")
    assert [point.text for point in points] == [
        "Masking of a and b on c, eval; a on d, eval: too few.",
        "Masking of b on c, eval: silent.",
    ]


def test_intervals_from_few_or_unknown_speakers():
    (few,) = found(manifests={"c": manifest(spoof_speakers=6)})
    assert few.text.startswith("Intervals on c, eval, come from 6 speakers of the class")
    assert few.concerns(row())
    assert not few.concerns(row(split="dev"))
    unknown = {"c": manifest().with_columns(speaker=pl.lit("-"))}
    (alone,) = found(manifests=unknown)
    assert "treat every clip as independent, because its speakers are not known" in alone.text
    (asked,) = found(cluster="none")
    assert "because the study file says so" in asked.text
    # A column was asked for that says nothing: nobody asked for single clips.
    (dashes,) = found(manifests=unknown, cluster="speaker")
    assert dashes.text == alone.text
    rooms = {"c": manifest().with_columns(room=pl.lit("-"))}
    (rooms_unknown,) = found(manifests=rooms, cluster="room")
    assert "because its column room is '-' throughout, which means unknown" in rooms_unknown.text
    halls = {"c": manifest().with_columns(room=pl.format("r{}", pl.int_range(pl.len()) % 3))}
    (few_rooms,) = found(manifests=halls, cluster="room")
    assert "come from 3 values of room of the class" in few_rooms.text


def test_a_single_speaker_of_a_class():
    (single,) = found(manifests={"c": manifest(spoof_speakers=1)})
    assert single.text == (
        "On c, eval, there is a single speaker of spoofed speech: a rate of that class has no "
        "interval, and says nothing about another speaker."
    )
    (nobody,) = found(manifests={"c": manifest(speakers=1, spoof_speakers=1)})
    assert "because all clips are of one speaker" in nobody.text
    # A split without an interval has its reason, whichever it is; few are told of eval alone.
    alone = manifest().with_columns(
        speaker=pl.when(split="dev", label="bonafide").then(pl.lit("d")).otherwise("speaker")
    )
    (of_dev,) = found(headline=[row(), row(split="dev")], manifests={"c": alone})
    assert of_dev.text.startswith("On c, dev, there is a single speaker of bona fide speech")
    assert of_dev.concerns(row(split="dev"))
    assert found(headline=[row(split="dev")]) == []


CUE = ("cue", "eval", "A", "leading_silence", 0.02, "warn", "median 0.1 s of 9, 0.3 s of 8")


def test_a_leaking_cue_is_a_sentence():
    audits = {
        "c": audit(
            CUE,
            ("cue", "eval", "all", "leading_silence", 0.12617187500000004, "warn", "n"),
            ("cue", "eval", "A", "level", 0.4, "ok", "n"),
            ("cue", "train", "A", "zeros", 0.9, "warn", "n"),
            ("leakage", "train+eval", "-", "speaker", 2.0, "warn", "in both: x, y"),
        )
    }
    cue, leak = found(audits=audits)
    assert (
        "eval: the leading silence alone separates the spoofs of A from bona fide speech"
        in cue.text
    )
    assert "with the largest effect for A: AUC 0.02, median 0.1 s of 9, 0.3 s of 8." in cue.text
    assert "1 more such cues" in cue.text
    assert cue.link == "../audits/c.html"
    assert cue.concerns(row(split="dev"))
    assert "2 speakers are in train and in eval; in both: x, y." in leak.text
    told = sentences(attention(audits["c"]))
    assert len(told) == 3
    assert not any("0.126171875" in text for text in told)
    assert strongest_cue(audit()) is None


@pytest.mark.parametrize(
    ("finding", "told"),
    [
        (
            ("counts", "eval", "-", "bonafide", 7.0, "fail", "published 9, -2 here"),
            "eval: 7 bona fide clips; published 9, -2 here.",
        ),
        (
            ("classes", "dev", "-", "labels", 1.0, "warn", "only spoof utterances"),
            "dev: only spoof utterances.",
        ),
        (
            ("audio", "train", "-", "u1", None, "fail", "in the manifest, but unusable: x"),
            "train: u1: in the manifest, but unusable: x.",
        ),
        (
            ("duplicates", "all", "-", "u1", 2.0, "fail", "the same audio: u1, u2"),
            "the same audio: u1, u2.",
        ),
        (
            ("leakage", "dev+eval", "-", "sentence", 1.0, "warn", "in both: q"),
            "1 sentence is in dev and in eval; in both: q.",
        ),
        (("other", "dev", "A", "x", 0.1, "warn", "so few"), "dev: so few."),
        (
            ("few_trials", "dev", "-", "spoof", 9.0, "warn", "dev has 9 spoofed trials"),
            "Dev has 9 spoofed trials.",
        ),
    ],
)
def test_findings_in_words(finding, told):
    assert sentences(audit(finding)) == [told]


def test_audits_are_read_as_they_are_written(tmp_path):
    written = audit(CUE, ("audio", "train", "-", "u1", None, "fail", "unusable"))
    write_table(tmp_path / "a.tsv", written)
    assert read_audit(str(tmp_path / "a.tsv")).equals(written)


def test_every_cue_has_words():
    assert list(WORDS) == list(CUES)
    assert in_words("zeros", 0.005625) == "0.562 %"
    assert in_words("cutoff", 3875.0) == "3875 Hz"
    assert in_words("leading_silence", 0.25) == "0.25 s"
