"""Tables in LaTeX: they fit, measured with the letters of Computer Modern, and lose nothing."""

import functools
import re
from pathlib import Path

import matplotlib
import pytest
from matplotlib.ft2font import FT2Font

from spoofscope.summaries.latex import COLUMN, PAGE, Column, escaped, table_of

FONT = FT2Font(str(Path(matplotlib.get_data_path()) / "fonts/ttf/cmr10.ttf"))
FONT.set_size(500, 72)
# Of letters of 9, 8 and 7 pt, which are wider for their height: a digit of each, in points.
DIGITS = {"": 5.0, "\\small": 4.63, "\\footnotesize": 4.25, "\\scriptsize": 3.98}


@functools.cache
def points(tex):
    """The width of a text, by the font itself."""
    text = tex.replace("$-$", "\N{MINUS SIGN}").replace("\\allowbreak{}", "")
    text = re.sub(r"\\shortstack\[.\]\{(.*)\}$", r"\1", text)
    lines = [re.sub(r"[\\{}$]", "", line).strip() for line in text.split(" \\\\ ")]
    widths = []
    for line in lines:
        # The font has no minus of that name; it is as wide as a plus.
        FONT.set_text(line.replace("\N{MINUS SIGN}", "+").replace("_", ""), 0)
        # An underscore is widest in the encoding T1.
        widths.append(FONT.get_width_height()[0] / 64 / 50 + 7.776 * line.count("_"))
    return max(widths)


def parts(tex):
    """Of each part: its columns as LaTeX is told them, and its rows of cells."""
    found = re.findall(
        r"\\begin\{(tabular|longtable)\}\{([^\n]*)\}\n(.*?)\\end\{\1\}", tex, re.DOTALL
    )
    for _, shape, body in found:
        body = body.partition("\\toprule\n")[2]
        lines = [line.removesuffix(" \\\\") for line in body.splitlines() if line.endswith("\\\\")]
        columns = re.findall(r"[lr]|>\{\\raggedright\\arraybackslash\}p\{\d+pt\}", shape)
        assert "".join(columns) == shape
        yield columns, [re.split(r"(?<!\\) & ", line) for line in lines]


def widths(tex):
    """Points of each part, gaps between columns included."""
    size = next((name for name in DIGITS if name and f"{name}\\setlength" in tex), "")
    gap = re.search(r"\\tabcolsep\}\{(\d+)pt\}", tex)
    for columns, rows in parts(tex):
        total = 2 * len(columns) * (int(gap[1]) if gap else 6)
        for number, column in enumerate(columns):
            fixed = re.search(r"(\d+)pt", column)
            widest = max(points(row[number]) for row in rows) * DIGITS[size] / 5.0
            total += int(fixed[1]) if fixed else widest
        yield total


def column(heading, cell, number=True, rows=5):
    return Column(escaped(heading), [escaped(cell)] * rows, number)


NAMES = [column("System", "wav2vec2_aasist", False), column("Split", "eval", False)]
WHY = column("Why", "there are too few trials in this set to say anything of it", False)


def measures(n, cell="-12.34"):
    return [column(f"A measure of number {i}", cell) for i in range(n)]


def test_a_narrow_table_fits_a_column_of_a_paper():
    tex = table_of([*NAMES, *measures(1)], "Caption.", "x")
    assert tex.startswith("% \\usepackage{booktabs}; ")
    assert "\\begin{table}\n" in tex
    assert "\\tabcolsep" not in tex
    assert "\\shortstack[r]{A \\\\ measure \\\\ of \\\\ number \\\\ 0}" in tex
    (width,) = widths(tex)
    assert width <= COLUMN


@pytest.mark.parametrize("n", [2, 4, 7, 10, 25])
@pytest.mark.parametrize("cell", ["-12.34", "0.1234 [0.1012, 0.1456]"])
@pytest.mark.parametrize("texts", [[], [WHY]])
def test_every_table_fits_its_page_and_loses_nothing(n, cell, texts):
    columns = [*NAMES, *texts, *measures(n, cell)]
    tex = table_of(columns, "Caption.", "x")
    room = PAGE if "longtable" in tex or "{table*}" in tex else COLUMN
    for width in widths(tex):
        assert width <= room
    found = list(parts(tex))
    shown = []
    for _, (heading, *rows) in found:
        assert len(rows) == 5
        assert {len(row) for row in rows} == {len(heading)}
        # Whoever reads a part sees what its rows are of.
        assert heading[0] == "System"
        shown += [re.sub(r"\\shortstack\[.\]\{(.*)\}", r"\1", each) for each in heading[1:]]
    said = {each.replace(" \\\\ ", " ") for each in shown}
    assert said == {each.heading for each in columns[1:]}
    numbers = [each for each in shown if each.startswith("A")]
    assert len(numbers) == n


def test_parts_are_no_more_than_needed():
    assert len(list(parts(table_of([*NAMES, *measures(7)], "Caption.", "x")))) == 1
    assert len(list(parts(table_of([*NAMES, *measures(10)], "Caption.", "x")))) == 2


def test_long_texts_break_into_lines():
    tex = table_of([*NAMES, column("Why", "a reason that goes on " * 9, False)], "Caption.", "x")
    assert tex.startswith("% \\usepackage{array,booktabs}; ")
    ((columns, rows),) = parts(tex)
    assert columns[:2] == ["l", "l"]
    assert "arraybackslash}p{" in columns[2]
    assert rows[1][2].startswith("a reason that")


def test_broken_names_may_break_behind_underscores():
    long = "_".join(["a_long_name"] * 9)
    tex = table_of([column("Name", long, False), WHY], "Caption.", "x")
    assert "a\\_\\allowbreak{}long\\_\\allowbreak{}name" in tex
    (width,) = widths(tex)
    assert width <= PAGE


@pytest.mark.parametrize("names", [4, 5, 6, 7, 8, 11])
def test_names_with_underscores_fit(names):
    column_of = [column(f"c{i}", "a_b_c_d_e_f_g", False) for i in range(names)]
    tex = table_of(column_of, "Caption.", "x")
    for width in widths(tex):
        assert width <= PAGE


def test_what_is_too_high_goes_on_over_pages_of_one_column():
    def tall(rows, n=1):
        columns = [column("Name", "x", False, rows)]
        columns += [column(f"A measure of number {i}", "1.25", True, rows) for i in range(n)]
        return table_of(columns, "Caption.", "x")

    assert "longtable" not in tall(30)
    tex = tall(60)
    assert tex.startswith("% \\usepackage{booktabs,longtable}; ")
    assert "\\csname if@twocolumn\\endcsname\\onecolumn" in tex
    assert "\\twocolumnsagain\n\\endgroup" in tex
    # Parts of a table with few rows are one float; those of a long one are long tables.
    assert tall(5, 20).count("\\begin{table") == 1
    tex = tall(60, 20)
    assert tex.count("\\begin{longtable}") > 1
    assert tex.count("\\caption{") == tex.count("\\label{") == 1
    assert "\\caption*{Further columns of Table~\\ref{tab:x}.}" in tex


def test_letters_stand_for_themselves():
    assert escaped(r"50%_#&${}~^\<>|") == (
        r"50\%\_\#\&\$\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
        r"\textless{}\textgreater{}\textbar{}"
    )
    assert escaped("-") == "-"
    assert escaped("-1.5e-07") == "$-$1.5e-07"
