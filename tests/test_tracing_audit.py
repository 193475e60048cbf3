"""What the audit says of a corpus for source tracing."""

import polars as pl

from spoofscope.corpora.base import Misplaced
from spoofscope.report.audit_page import write_findings
from spoofscope.tables import read_table
from spoofscope.tracing.audit import CHECKS, audit_tracing
from spoofscope.tracing.systems import systems

FAMILIES = [("*vits*", "vits", "vits", "-"), ("bark", "bark", "-", "-")]


def found(*rows: str, **columns: list[str]) -> pl.DataFrame:
    """Of clips as `split attack language text`."""
    fields = [row.split() for row in rows]
    manifest = pl.DataFrame(
        [(f"u{i}", "spoof", *row) for i, row in enumerate(fields)],
        schema=["utt_id", "label", "split", "attack", "language", "source_text"],
        orient="row",
    ).with_columns(pl.Series(name, values) for name, values in columns.items())
    misplaced = [Misplaced("eval", "a", "fine/x.csv", 91, "91 clips of a")]
    return audit_tracing(manifest, systems(manifest, FAMILIES), misplaced)


def told(rows: pl.DataFrame, **wanted: str) -> list[tuple[object, ...]]:
    return rows.filter(**wanted).select("split", "item", "value", "status", "note").rows()


def test_a_corpus_with_all_that_misleads(tmp_path):
    rows = found(
        *("train vits en s1", "train vits en s2", "train bark de s3", "train a en s4"),
        *("dev vits en s2", "dev vits-neon fr s5"),
        *("eval bark de s5", "eval vits-neon de s1", "eval x en s6", "eval a pl s7"),
    )
    assert told(rows, check="attacks", status="warn") == [
        ("train", "one clip", 2.0, "warn", "2 attacks of one clip in train: a, bark"),
        (
            *("dev", "lacking", 2.0, "warn"),
            "dev lacks 2 of 3 known attacks (a, bark): models and thresholds are chosen without "
            "them",
        ),
        (
            *("dev+eval", "shared", 1.0, "warn"),
            "1 unknown attack of dev is in eval, too (1 clips): vits-neon. They are not new there "
            "to a gate, or a threshold at equal errors, that is chosen on dev with them; "
            "`exclude_attacks` of a `dev` leaves them out",
        ),
    ]
    assert told(rows, check="attacks", split="eval") == [
        ("eval", "known", 2.0, "ok", "2 clips: a, bark"),
        ("eval", "unknown", 2.0, "ok", "2 clips: vits-neon, x"),
    ]
    assert told(rows, check="families", split="eval") == [
        (
            *("eval", "shared", 0.5, "warn"),
            "1 of 2 clips of unknown attacks are of a family that train has: vits",
        ),
        ("eval", "not told", 1.0, "ok", "of 1 unknown attack no family is told: x"),
    ]
    assert told(rows, check="languages")[1:] == [
        ("dev", "languages", 2.0, "ok", "en, fr; train lacks fr"),
        ("eval", "languages", 3.0, "ok", "de, en, pl; train lacks pl"),
    ]
    assert [row[2] for row in told(rows, check="quadrants", split="eval")] == [1.0, 2.0, 1.0, 0.0]
    assert [(row[0], row[2], row[3]) for row in told(rows, check="texts")] == [
        *(("train+dev", 1.0, "warn"), ("train+eval", 1.0, "warn"), ("dev+eval", 1.0, "warn"))
    ]
    assert told(rows, check="misplaced") == [("eval", "fine/x.csv", 91.0, "warn", "91 clips of a")]
    assert set(rows["check"]) == set(CHECKS)
    write_findings(rows, CHECKS, tmp_path / "a.tsv", tmp_path / "a.html", "c: source tracing")
    assert read_table(tmp_path / "a.tsv", {"check": pl.String()}).height == rows.height
    page = (tmp_path / "a.html").read_text()
    assert "<h1>c: source tracing</h1>" in page
    assert all(heading in page for heading in CHECKS.values())
    one = rows.filter(pl.col("check") == "misplaced")
    write_findings(one, CHECKS, tmp_path / "a.tsv", tmp_path / "a.html", "c")
    assert "<p>0 failures, 1 warning." in (tmp_path / "a.html").read_text()


def test_what_cannot_be_measured_is_said():
    notes = found("train a en s", "train a en t", "dev d en u", "eval b en v", "eval c en w")
    assert [row[4].partition(":")[0] for row in told(notes, check="attacks", status="warn")] == [
        "dev has no known attack",
        "eval has no known attack",
    ]
    notes = found("train a en s", "train a en t", "dev a en u", "eval a en v")
    assert [row[4] for row in told(notes, check="attacks", status="warn")] == [
        "dev has no attack that train lacks: a tracer of all attacks of train has to choose its "
        "thresholds by known ones (threshold_by: known)",
        "eval has no attack that train lacks: for a tracer of all attacks of train, no error of "
        "refusing can be measured",
    ]
    notes = found("eval a en s", "eval b en t")
    assert [row[4].partition(":")[0] for row in told(notes, check="attacks", status="warn")] == [
        "train has no spoof"
    ]


def test_an_attack_that_is_called_as_an_answer():
    notes = found("train Unknown en s", "train Unknown en t", "train b en u", "train b en v")
    assert told(notes, check="attacks", status="warn") == [
        (
            *("train", "name", 2.0, "warn"),
            "an attack of train is called 'Unknown', and 'unknown' is an answer of tracers: "
            "rename it",
        )
    ]


def test_texts_of_other_columns_and_of_none():
    rows = found("train a en -", "eval a en -", sentence=["s", "s"]).filter(check="texts")
    # The column that is there first counts, though it says nothing here.
    assert rows["value"].to_list() == [0.0]
