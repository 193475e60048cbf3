"""Tables for papers: digits, names, and LaTeX that can be read back."""

import csv
import re
from pathlib import Path

import polars as pl
import pytest

from spoofscope.metrics.measure import METRICS
from spoofscope.summaries.printed import HEADINGS, decimals_of, intervals, write_printed
from spoofscope.tables import write_table

NAMES = {
    "systems": {"a": "AASIST & co_1"},
    "corpora": {"c": "Corpus 100 %"},
    "attacks": {"A07": "WaveNet"},
    "conditions": {"codec": "Codec"},
    "levels": {"codec": {"mp3": "MP3"}},
}
TABLE = pl.DataFrame(
    {
        "name": ["a", "b", "a"],
        "corpus": ["c", "c", "c"],
        "condition": ["attack", "codec", "pooled"],
        "level": ["A07", "mp3", "pooled"],
        "metric": ["eer", "min_dcf", "eer"],
        "eer": [0.123456, 0.5, 0.25],
        "eer_sd": [0.0123, None, None],
        "eer_low": [0.101, None, 0.1],
        "eer_high": [0.145, None, 0.9],
        "difference": [-0.012, 0.0, 0.3],
        "ci_low": [-0.0125, -0.004, None],
        "ci_high": [-0.0115, 0.004, None],
        "p_holm": [0.0421, 1.0, None],
        "n_bonafide": [1000, 75, 8],
        "n_spoof": [9000, 900, 9000],
    }
)


def printed(tmp_path: Path, table: pl.DataFrame, **options) -> tuple[str, list[dict[str, str]]]:
    paths = [str(tmp_path / f"some.{suffix}") for suffix in ("tsv", "tex", "csv")]
    write_table(paths[0], table)
    given = {"title": "Some", "caption": "A caption_.", "columns": (), "interval_of": ""}
    write_printed(*paths, **{**given, "names": NAMES, **options})
    with open(paths[2], encoding="utf-8", newline="") as stream:
        return Path(paths[1]).read_text(encoding="utf-8"), list(csv.DictReader(stream))


def parsed(tex: str) -> list[list[str]]:
    """The cells of the header and of the rows, as LaTeX splits them: parts side by side again."""
    rows: list[list[str]] = []
    for body in re.findall(r"\\toprule\n(.*?)\\end\{(?:tabular|longtable)\}", tex, re.DOTALL):
        lines = [line for line in body.splitlines() if line.endswith(r" \\")]
        cells = [re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in lines]
        first = (
            next((i for i, cell in enumerate(cells[0]) if cell not in rows[0]), 0) if rows else 0
        )
        rows = [a + b[first:] for a, b in zip(rows or [[]] * len(cells), cells, strict=True)]
    stacked = re.compile(r"\\shortstack\[.\]\{(.*)\}")
    rows[0] = [stacked.sub(lambda m: m[1].replace(r" \\ ", " "), cell) for cell in rows[0]]
    return [[cell.replace(r"\allowbreak{}", "") for cell in row] for row in rows]


def test_numbers_have_the_digits_of_their_intervals(tmp_path):
    _, rows = printed(tmp_path, TABLE)
    first, second, third = rows
    # Half-width 0.022: two significant digits are three decimals.
    assert [first[k] for k in ("eer", "eer_sd", "eer_low", "eer_high")] == [
        *("0.123", "0.012", "0.101", "0.145")
    ]
    assert [first[k] for k in ("difference", "ci_low", "ci_high")] == [
        *("-0.01200", "-0.01250", "-0.01150")
    ]
    # Half-width 0.4.
    assert [third[k] for k in ("eer", "eer_low", "eer_high")] == ["0.25", "0.10", "0.90"]
    # No interval: a step of 75 trials is 0.013, of 8 trials 0.125.
    assert (second["eer"], third["difference"]) == ("0.50", "0.3")
    assert [row["p_holm"] for row in rows] == ["0.042", "1", ""]
    tex, (first, *_) = printed(tmp_path, TABLE.with_columns(p_holm=3e-5, p_smallest=3e-5))
    # A spreadsheet has numbers alone.
    assert (first["p_holm"], first["p_smallest"]) == ("3e-05", "3e-05")
    header, cells, *_ = parsed(tex)
    said = {name.strip(): cell.strip() for name, cell in zip(header, cells, strict=True)}
    p_holm, floor = said["p (Holm)"], said["P smallest"]
    assert (p_holm, floor) == (r"\textless{} 0.001", "3e-05")
    assert [row["n_bonafide"] for row in rows] == ["1000", "75", "8"]


@pytest.mark.parametrize(
    ("half_width", "decimals"),
    [(0.022, 3), (0.1, 2), (0.0999, 3), (1.0, 1), (9.9, 1), (10.0, 0), (250.0, 0), (1e-5, 6)],
)
def test_the_half_width_has_two_significant_digits(half_width, decimals):
    assert decimals_of(half_width) == decimals


def test_names_are_those_for_people(tmp_path):
    tex, rows = printed(tmp_path, TABLE)
    assert [row["name"] for row in rows] == ["AASIST & co_1", "b", "AASIST & co_1"]
    assert {row["corpus"] for row in rows} == {"Corpus 100 %"}
    assert [row["level"] for row in rows] == ["WaveNet", "MP3", "pooled"]
    assert [row["condition"] for row in rows] == ["attack", "Codec", "pooled"]
    assert [row["metric"] for row in rows] == ["EER", "minDCF", "EER"]
    assert r"AASIST \& co\_1 &" in tex
    assert r"Corpus 100 \%" in tex


def test_latex_is_a_booktabs_table_of_its_rows(tmp_path):
    tex, rows = printed(tmp_path, TABLE)
    header, *body = parsed(tex)
    assert len(body) == len(rows)
    assert {len(row) for row in (header, *body)} == {10}
    # Ends of intervals and spreads are in the cells of their numbers; rates are per cent.
    assert "EER (\\%)" in header[5]
    assert body[0][5].strip() == r"12.3 $\pm$ 1.2 {[10.1, 14.5]}"
    assert body[1][5].strip() == "50"
    assert body[0][6].strip() == "$-$0.01200 {[$-$0.01250, $-$0.01150]}"
    assert "\\begin{tabular}{lllllr}\n\\toprule\nSystem & Corpus" in tex
    for command in ("\\toprule", "\\midrule", "\\bottomrule"):
        assert tex.count(command) == tex.count("\\begin{tabular}") == 3
    assert tex.count("{") - tex.count("\\{") == tex.count("}") - tex.count("\\}")
    assert "\\label{tab:some}" in tex
    assert "\\caption{Some. A caption\\_. Brackets hold 95 \\% intervals.}" in tex


def test_metrics_have_their_titles():
    assert {name: metric.title for name, metric in METRICS.items()}.items() <= HEADINGS.items()


def test_columns_for_latex_are_chosen(tmp_path):
    tex, rows = printed(tmp_path, TABLE, columns=("name", "eer", "nowhere"))
    assert [len(row) for row in parsed(tex)] == [2] * 4
    assert len(rows[0]) == TABLE.width


def test_a_long_table_goes_on_over_pages(tmp_path):
    tex, _ = printed(tmp_path, pl.concat([TABLE] * 20))
    assert "booktabs,longtable}" in tex
    assert len(parsed(tex)) == 61


def test_intervals_belong_to_the_column_of_their_name_or_before_them():
    columns = ["eer", "mean", "max", "ci_low", "ci_high", "eer_low", "eer_high", "low_hz"]
    assert intervals(columns) == {"max": ("ci_low", "ci_high"), "eer": ("eer_low", "eer_high")}
    assert intervals(columns, "mean")["mean"] == ("ci_low", "ci_high")
    assert intervals(["macro_eer", "macro_low", "macro_high"]) == {
        "macro_eer": ("macro_low", "macro_high")
    }


def test_names_of_digits_are_no_numbers(tmp_path):
    table = pl.DataFrame({"name": ["007", "1"], "share": [0.123456, None], "seeds": ["1", "2"]})
    _, rows = printed(tmp_path, table)
    assert rows == [
        {"name": "007", "share": "0.123", "seeds": "1"},
        {"name": "1", "share": "", "seeds": "2"},
    ]
