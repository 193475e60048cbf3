"""What the report says about source tracing."""

import re
from pathlib import Path

import polars as pl
import pytest

from spoofscope import report
from spoofscope.report.page import _tracers
from spoofscope.report.tracing import (
    _decided,
    _passes,
    tracing_audits,
    tracing_points,
    tracing_section,
)
from spoofscope.summaries import tracing, tracing_attacks
from spoofscope.tables import write_table
from traced_clips import write_traced

CLASSES = ("bonafide", *"ABCDEFGH")
CLIPS = dict.fromkeys(CLASSES, 6) | {"X": 3, "Y": 40}


def sections(folder: Path, *traced: dict, texts: list[str] | None = None) -> list[dict]:
    names = ("tracing", "pairs", "attacks")
    paths = {name: str(folder / f"{name}.tsv") for name in names}
    tracing.make(traced, "attack", 400, 1, {"table": paths["tracing"], "pairs": paths["pairs"]})
    tracing_attacks.make(traced, {"table": paths["attacks"]})
    manifest = pl.DataFrame({"split": ["train", "eval", "eval"]})
    if texts:
        manifest = manifest.with_columns(source_text=pl.Series(texts))
    return tracing_section(paths, {"made": manifest}, ["Y", "not there"], "attack")


def test_the_page_says_what_tracers_are():
    settings = {
        "frontend": {"type": "fbank"},
        "backend": {"type": "cnn"},
        "input": {"length": 32000},
        "objective": {"type": "arcface", "centers": 3},
    }
    entry = {"run": "t-01234567", "detector": "t", "seeds": [1, 2], "source": "trained"}
    (row,) = _tracers([{**entry, "settings": settings, "trained_on": ["a", "b (without x)"]}])
    assert row == {
        **{"name": "t", "frontend": "fbank", "backend": "cnn", "input": "2 s windows"},
        **{"objective": "arcface", "trained_on": ["a", "b (without x)"]},
        "ids": ["t-01234567 seed 1", "t-01234567 seed 2"],
    }


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> tuple[dict, dict]:
    folder = tmp_path_factory.mktemp("traced")
    one = write_traced(folder, "guess", CLASSES, CLIPS, strength=0.8, ambiguous=["Y"])
    return one, write_traced(folder, "sure", CLASSES, CLIPS, strength=9, ambiguous=["Y"])


def test_the_best_tracer_is_named_with_its_difference_from_the_next(two, tmp_path):
    (section,) = sections(tmp_path, *two)
    text = " ".join(section["sentences"])
    assert [row["name"] for row in section["rows"]] == ["sure", "guess"]
    assert "54 clips are of 8 attacks" in text
    assert "43 clips are of 2 attacks" in text
    assert "Y is ambiguous" in text
    assert "sure names known attacks best: balanced accuracy 100.0 % (" in text
    assert "It is better than the next, guess: the difference of the first seeds is +" in text
    assert "energy decides" in text
    assert re.search(
        r"Of 2 unknown attacks, energy tells [XY] worst: AUROC \d\.\d\d \(0\.\d\d to \d\.\d\d\) "
        "against all known clips",
        text,
    )


def test_a_difference_that_is_not_there(two, tmp_path):
    copy = {**two[1], "name": "copy", "id": "copy-0"}
    (section,) = sections(tmp_path, copy, two[1])
    assert "It is not shown to be better than the next, sure" in " ".join(section["sentences"])


def test_doubts_are_reasons_to_doubt(two, tmp_path):
    (section,) = sections(tmp_path, two[1], texts=["t1", "t1", "t2"])
    absent, few, *_, of_one, shared = section["doubts"]
    assert "No traced set has not there, which the study calls ambiguous" in absent
    assert "judged on 2 unknown attacks: intervals are wide" in few
    assert "93 % of the clips of unknown attacks are of Y" in of_one
    assert "1 of 2 source texts are also in train" in shared
    assert [point.text for point in tracing_points([section])] == section["doubts"]
    (section,) = sections(tmp_path, two[0], texts=["-", "-", "t2"])
    assert any("not shown to tell unknown attacks" in doubt for doubt in section["doubts"])
    assert not any("texts" in doubt for doubt in section["doubts"])


def test_tracers_of_different_classes_have_different_tasks(two, tmp_path):
    (alike,) = sections(tmp_path, *two)
    assert not any("different classes" in text for text in alike["doubts"])
    fewer = write_traced(tmp_path, "fewer", CLASSES[1:], CLIPS, strength=9)
    (section,) = sections(tmp_path, two[1], fewer)
    (doubt,) = (text for text in section["doubts"] if "different classes" in text)
    assert "54 + 43 for sure; 48 + 43 for fewer. These are different tasks" in doubt
    # A tracer of fewer classes is right more often, and no winner among others.
    assert " best" not in " ".join(section["sentences"])
    (section,) = sections(tmp_path, two[0], fewer, {**two[0], "name": "other", "id": "other-0"})
    assert [row["name"] for row in section["rows"]] == ["guess", "other", "fewer"]
    text = " ".join(section["sentences"])
    assert "Of the 2 tracers that are judged on the same clips, guess names known attacks" in text
    assert "fewer" not in text


def test_the_best_decisions_are_those_of_these_clips():
    given = {"bonafide_by": "gate", "n_classes": 4, "bonafide_rejected": None}
    given |= {"macro_f1_low": None, "macro_f1_high": None}
    rows = pl.DataFrame([{"name": n, "macro_f1": f, **given} for n, f in (("a", 0.5), ("b", 0.75))])
    assert "and b names" in (said := next(iter(_decided(rows))))
    assert said.endswith("75.0 % (no interval), the highest of 2 tracers on these very clips.")
    assert next(iter(_decided(rows[:1]))).endswith("the 4 classes is 50.0 % (no interval).")


def test_a_single_unknown_attack_has_no_wide_interval(tmp_path):
    clips = dict.fromkeys(CLASSES, 6) | {"X": 9}
    (section,) = sections(tmp_path, write_traced(tmp_path, "lone", CLASSES, clips))
    (few,) = (text for text in section["doubts"] if "judged on" in text)
    assert "judged on 1 unknown attack: how well others are told is not known." in few
    said = " ".join(section["sentences"])
    assert "(no interval) of the clips of unknown attacks pass" in said
    # The only attack is the worst one, and its AUROC is said already.
    assert "worst" not in said


def test_the_attack_that_passes_has_its_interval_and_those_that_are_alike_stay_together():
    def said(**called: float) -> str:
        rows = [
            {"attack": name, "known": "no", "n": 10.0, "called_unknown": share}
            | {"called_unknown_low": share / 2, "called_unknown_high": (1 + share) / 2}
            | {"mistaken_for": "bonafide"}
            for name, share in called.items()
        ]
        return " ".join(_passes(pl.DataFrame(rows)))

    assert said(x=0.25) == (
        "The only unknown attack is x: 75.0 % (37.5 to 87.5 %) of its 10 clips pass, most often "
        "as bona fide speech."
    )
    assert said(x=0.5, y=0.0, z=1.0).startswith(
        "The unknown attack that passes most often is y: 100.0 % (50.0 to 100.0 %) of its 10 clips"
    )
    assert "Other clips may give another attack" in said(x=0.5, y=0.0)
    # None of several that are alike is the worst.
    assert said(x=0.0, y=0.0, z=0.5) == (
        "2 of 3 unknown attacks pass most often: 100.0 % of the clips of x and y."
    )
    assert said(**dict.fromkeys("vwxyz", 0.0)) == (
        "All 5 unknown attacks pass equally often: 100.0 % of the clips of each."
    )
    assert said(x=1.0) == ""


def test_unknown_attacks_that_dev_had_are_named_as_a_doubt(tmp_path):
    """The clips that `write_traced` makes for dev have one unknown attack."""
    clips = dict.fromkeys(CLASSES, 6) | {"X": 3, "dev unknown": 40}
    (section,) = sections(tmp_path, write_traced(tmp_path, "met", CLASSES, clips, resamples=0))
    (doubt,) = (text for text in section["doubts"] if "in the dev set" in text)
    assert "1 of 2 unknown attacks is in the dev set of met, too" in doubt


def test_a_sign_that_dev_could_not_check_is_a_doubt(tmp_path):
    clips = dict.fromkeys(CLASSES, 6) | {"X": 9}
    made = {
        name: write_traced(tmp_path, name, CLASSES, clips, resamples=0, dev_unknown=there)
        for name, there in (("with", True), ("without", False))
    }
    doubts = {}
    for names in (("with",), ("without",), ("with", "without")):
        (section,) = sections(tmp_path, *(made[name] for name in names))
        doubts[names] = [text for text in section["doubts"] if "polarity" in text]
        best = section["rows"][0]["name"]
        said = " ".join(section["sentences"])
        assert ("(polarity not checked: dev has no unknown attack)" in said) == (best == "without")
    assert doubts["with",] == []
    assert "polarity not checked: dev has no unknown attack" in doubts["without",][0]
    (doubt,) = doubts["with", "without"]
    assert "the dev set of without has no unknown attack" in doubt


def test_a_score_with_the_wrong_sign_is_no_matter_of_chance(tmp_path):
    clips = dict.fromkeys([*CLASSES, *"QRSTUVWX"], 6)
    ood = {"energy": {"type": "energy", "as_published": True}}
    (section,) = sections(tmp_path, write_traced(tmp_path, "wrong", CLASSES, clips, ood=ood))
    (doubt,) = (text for text in section["doubts"] if "chance" in text)
    assert "tell unknown attacks worse than chance, so they call known ones unknown" in doubt
    assert "wrong 0.0" in doubt


def test_a_study_without_tracers_has_no_section():
    assert tracing_section({}, {}, [], "attack") == []


def test_warnings_of_the_audit_are_sentences(tmp_path):
    rows = [
        ("attacks", "dev", "lacking", 2.0, "warn", "dev lacks 2 of 3 known attacks (a, b)"),
        ("attacks", "train", "one clip", 1.0, "warn", "1 attack of one clip in train: a"),
        ("families", "eval", "shared", 0.5, "warn", "1 of 2 clips of unknown attacks are of f"),
        ("languages", "eval", "languages", 1.0, "ok", "en"),
        ("texts", "train+eval", "text", 2.0, "warn", "the same texts (sentence) in both: s, t"),
        ("misplaced", "eval", "x.csv", 9.0, "warn", "9 clips of a in a file for unknown attacks"),
    ]
    table = pl.DataFrame(rows, ("check", "split", "item", "value", "status", "note"), orient="row")
    write_table(tmp_path / "a.tsv", table.with_columns(attack=pl.lit("-")))
    (audit,) = tracing_audits({"made": str(tmp_path / "a.tsv")})
    assert (audit["corpus"], audit["checks"]) == ("made", 6)
    assert audit["findings"] == [
        "Dev lacks 2 of 3 known attacks (a, b).",
        "1 attack of one clip in train: a.",
        "In eval, 1 of 2 clips of unknown attacks are of f.",
        "2 texts are in train and in eval; the same texts (sentence) in both: s, t.",
        "In eval, 9 clips of a in a file for unknown attacks.",
    ]


def test_templates_ask_for_optional_keys_of_the_study_with_get():
    """What a study may leave out is undefined in a template, and ends the page with an error."""
    templates = sorted((Path(report.__file__).parents[1] / "templates").glob("*.j2"))
    assert len(templates) > 1
    conditions = [
        condition
        for path in templates
        for condition in re.findall(
            r"{%-? (?:el)?if (config\.[^%]*)%}", path.read_text(encoding="utf-8")
        )
    ]
    assert len(conditions) > 4
    # Every study has a name.
    asked = [text for text in conditions if not text.startswith("config.study ")]
    assert [text for text in asked if ".get(" not in text] == []
