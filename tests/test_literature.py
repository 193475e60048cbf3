"""Published numbers, and how those of a study compare with them."""

import polars as pl
import pytest

from spoofscope.literature import Reference, references_of, same_digits
from spoofscope.metrics.decided import METRICS
from spoofscope.metrics.slices import CLOSED, OPEN
from spoofscope.options.ood import OOD
from spoofscope.report.tracing import published_numbers
from spoofscope.summaries.literature import WIDE, WIDE_AT_TOP, verdict
from spoofscope.summaries.tracing_references import references_table
from spoofscope.tables import write_table
from spoofscope.tracing.trials import LEVELS
from spoofscope.tracing.verification import BY_CLAIM, BY_TEST
from test_verification import manifest as source_manifest
from test_verification_exhibits import verified
from traced_clips import write_traced

REFERENCE = Reference(
    *("tracing", "theirs", "a system", "mlaad_v5", "eval", "energy", "eer", "0.182", "-"),
    *("a paper", "table 1", "-"),
)


def test_the_file_names_what_there_is():
    references = references_of("tracing")
    assert len(references) == len(set(references)) > 15
    for one in references:
        assert all(field.strip() == field != "" for field in one)
        assert 0 <= float(one.value) <= 1
        # A number beside an error rate of cosines is one of cosines.
        assert ("cosine" in one.system) == one.decides.startswith("cosine of ")
        if one.decides.startswith("cosine of "):
            assert one.decides.removeprefix("cosine of ").replace(" ", "_") in LEVELS
            assert one.metric in ("eer", *(f"eer_{part}" for part in (*BY_CLAIM, *BY_TEST)))
        if one.unlike != "-":
            continue
        assert one.decides in (*OOD, "-", "decision")
        assert one.metric in (METRICS if one.decides == "decision" else (*CLOSED, *OPEN))
    assert references_of("no such section") == ()


def test_the_numbers_that_everybody_cites():
    values = {(one.name, one.metric, one.split): one.value for one in references_of("tracing")}
    assert values["interspeech2025_baseline", "eer", "dev"] == "0.63"
    assert values["xlsr_statistics", "accuracy", "eval"] == "0.989"
    assert values["refd_add2023", "macro_f1", "eval"] == "0.8683"
    # From the abstract; cosines do better than the others only for attacks without references.
    of_stopa = ("stopa_mlp", "stopa_siamese", "stopa_aam")
    for metric, expected in (
        ("eer_enrolled_tests", ["0.1311", "0.1772", "0.2991"]),
        ("eer_unenrolled_tests", ["0.2157", "0.2347", "0.1643"]),
    ):
        assert [values[name, metric, "eval"] for name in of_stopa] == expected


@pytest.mark.parametrize(
    ("value", "published", "same"),
    [
        *((0.1816, "0.182", True), (0.1826, "0.182", False), (0.06, "0.060", True)),
        *((1.0, "1", True), (0.0, "0.00", True), (1e-7, "0.00", True)),
        # In the middle, papers round up or down.
        *((26.25, "26.3", True), (26.25, "26.2", True), (26.25, "26.4", False)),
        *((100 * 0.2625, "26.3", True), (100 * 0.07125, "7.13", True)),
    ],
)
def test_digits(value, published, same):
    assert same_digits(value, published) is same


@pytest.mark.parametrize(
    ("change", "ours", "expected"),
    [
        ({}, (0.1816, None, None), ("identical", "-")),
        ({}, (0.2, 0.17, 0.23), ("equivalent", "-")),
        ({}, (0.2, 0.19, 0.23), ("differs", "-")),
        ({}, (0.2, None, None), ("not comparable", "the number of the study has no interval")),
        ({}, (None, None, None), ("not comparable", "the study has no such number")),
        ({"unlike": "it is of dev"}, (0.182, 0.1, 0.2), ("not comparable", "it is of dev")),
    ],
)
def test_verdicts(change, ours, expected):
    assert verdict(REFERENCE._asdict() | change, *ours) == expected


def test_numbers_stand_beside_published_ones(tmp_path):
    clips = {"A": 30, "B": 20, "X": 25, "Y": 5}
    traced = [write_traced(tmp_path, "t", ("A", "B"), clips, strength=1.5)]
    given = [
        REFERENCE,
        REFERENCE._replace(decides="-", metric="accuracy", value="0.9"),
        REFERENCE._replace(decides="knn"),
        REFERENCE._replace(decides="-", metric="auroc"),
        REFERENCE._replace(split="dev"),
        REFERENCE._replace(corpus="stopa"),
        REFERENCE._replace(decides="decision", metric="macro_f1"),
        REFERENCE._replace(decides="cosine of vocoder"),
        REFERENCE._replace(unlike="its sign is inverted"),
        REFERENCE._replace(decides="-", unlike="nothing here is of this kind"),
    ]
    references = [one._asdict() for one in given]
    table = references_table(traced, [], [], {"made": "mlaad_v5"}, references)
    assert table.height == len(given)
    assert table["tracer"].to_list() == ["t", "t", "-", "t", *"----t-"]
    assert table["verdict"].to_list()[-2:] == ["not comparable"] * 2
    assert table["why"].to_list() == [
        *(WIDE, WIDE_AT_TOP.format(1)),
        *("no tracer has a detector of unknown attacks of type knn", WIDE),
        "no tracer traces dev of mlaad_v5",
        "it is of stopa, which this study does not trace",
        "no detector decides about bona fide speech (key `tracing.bonafide_by`)",
        "no vocoder of mlaad_v5 is verified (section `verification`)",
        "its sign is inverted",
        "nothing here is of this kind",
    ]
    first = table.row(0, named=True)
    measured = pl.read_csv(traced[0]["metrics"], separator="\t").filter(
        slice="overall", detector="energy", metric="eer"
    )
    assert first["ours"] == pytest.approx(measured["estimate"][0])
    assert first["ours_low"] == pytest.approx(measured["low"][0])
    # The inverted detector of the same type does not stand for it.
    assert first["ours"] < 0.5
    write_table(tmp_path / "t.tsv", table)
    shown = published_numbers({"references": str(tmp_path / "t.tsv")})
    of_rows = [table["verdict"][i] for i in (0, 1, 3, 8)]
    assert [one["verdict"] for one in shown["rows"]] == of_rows
    assert sum(n for _, n in shown["others"]) == 6
    assert published_numbers({}) is None


def test_verified_sources_stand_beside_published_ones(tmp_path):
    table = source_manifest(n=14)
    entry = verified(tmp_path / "v", "t", 0.3, table=table)
    traced = [write_traced(tmp_path, "t", ("A", "B"), {"A": 9, "X": 9})]
    given = REFERENCE._replace(corpus="stopa", decides="cosine of attack", unlike="it pools lists")
    references = [
        given._replace(metric=metric)._asdict() for metric in ("eer", "eer_known_claims", "cllr")
    ]
    table = references_table(traced, [], [entry], {"made": "stopa"}, references)
    measured = pl.read_csv(entry["metrics"], separator="\t").filter(level="attack", metric="eer")
    assert table["ours"].to_list() == [*measured["estimate"][:2], None]
    assert table["ours_high"].to_list() == [*measured["high"][:2], None]
    assert set(table["verdict"]) == {"not comparable"}
    # Another kind of score stands beside no cosine.
    other = given._replace(decides="probability of attack")._asdict()
    table = references_table(traced, [], [entry], {"made": "stopa"}, [other])
    assert (table["tracer"][0], table["ours"][0], table["why"][0]) == ("-", None, "it pools lists")
