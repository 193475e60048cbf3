"""A printed p value is on the side of every level that it is on, wherever it is printed."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spoofscope.p_values import LEVELS, p_is, p_number, p_text

SOURCE = Path(__file__).resolve().parents[1] / "src" / "spoofscope"
# Columns that hold p values, in any quotes, behind which a format begins.
_P = "p|p_holm|p_bh|p_smallest|p_permuted|p_copies|mcnemar_p|smallest|least|lowest"
FORMATTED = re.compile(rf"""[{{(\["'.](?:{_P})["']?[\])]*:[-+ ]?[.\d]|format\([^)]*\.(?:{_P})\)""")


def sides(p: float) -> list[int]:
    return [(p > level) - (p < level) for level in LEVELS]


@pytest.mark.parametrize(
    ("p", "said"),
    [
        *((1.0, "1"), (0.312, "0.31"), (0.031, "0.031"), (0.05, "0.05"), (0.001, "0.001")),
        *((0.0495, "0.0495"), (0.0496, "0.0496"), (0.0504, "0.0504"), (0.04999, "0.04999")),
        *((0.00996, "0.00996"), (0.01004, "0.01004"), (0.0010004, "> 0.001")),
        *((0.0499999, "< 0.05"), (0.0500001, "> 0.05"), (0.000999, "< 0.001"), (0, "< 0.001")),
    ],
)
def test_p_values_as_they_are_said(p: float, said: str) -> None:
    assert p_text(p) == said
    assert p_is(p) == (f"p {said}" if said[0] in "<>" else f"p = {said}")


@given(st.floats(0, 1))
@example(math.nextafter(0.05, 0))
@example(math.nextafter(0.05, 1))
@example(math.nextafter(0.001, 0))
def test_no_text_is_on_another_side(p: float) -> None:
    text = p_text(p)
    relation, _, number = text.rpartition(" ")
    if relation:
        assert p < float(number) if relation == "<" else p > float(number)
        assert float(number) in LEVELS
    else:
        assert sides(float(text)) == sides(p)
        assert float(text) == pytest.approx(p, rel=0.051)
    assert sides(float(p_number(p))) == sides(p)
    assert float(p_number(p)) == pytest.approx(p, rel=0.051)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
@pytest.mark.parametrize("function", [p_text, p_is, p_number])
def test_what_is_no_probability_is_refused(p: float, function: Callable[[float], str]) -> None:
    with pytest.raises(ValueError, match="no p value"):
        function(p)


@pytest.mark.parametrize(
    "line",
    [
        """f"p = {row['p_holm']:.2g} after correction" """,
        'f"p = {p:.2g}"',
        'f"{min(smallest):.2g}"',
        """f"{float(row['p_smallest']):.2g}" """,
        '{{ "%.2g" | format(c.mcnemar_p) }}',
    ],
)
def test_a_format_of_its_own_is_found(line: str) -> None:
    assert FORMATTED.search(line)


def test_p_values_are_printed_by_one_module() -> None:
    files = [path for path in SOURCE.rglob("*") if path.suffix in {".py", ".j2"}]
    wrong = [
        f"{path.relative_to(SOURCE)}: {line.strip()[:100]}"
        for path in files
        if path.name != "p_values.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if FORMATTED.search(line)
    ]
    assert len(files) > 300
    assert not wrong, "\n".join(wrong)
