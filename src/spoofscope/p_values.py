"""How a p value is printed: never on another side of a customary level than it is.

Two significant digits are enough for a p value, except that 0.0496 would be read as 0.05, and
0.0504, too. Texts and figures say p through these functions alone.
"""

LEVELS = (0.05, 0.01, 0.001)
"""What p values are held against by those who read them."""

_LEAST = LEVELS[-1]
# Digits that a reader takes in; doubles have 17.
_FEWEST, _MOST, _ALL = 2, 4, 17


def p_text(p: float) -> str:
    """A p value for a table: "0.031", "1", "< 0.001".

    Two significant digits, or up to four where fewer would put it on another side of one of
    :data:`LEVELS`, or upon it. Where four would, too, it is "< 0.05" or "> 0.05".

    Args:
        p: in [0, 1].

    Raises:
        ValueError: it is no probability.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{p} is no p value")
    if p < _LEAST:
        return f"< {_LEAST:g}"
    for digits in range(_FEWEST, _MOST + 1):
        text = f"{p:.{digits}g}"
        if _sides(float(text)) == _sides(p):
            return text
    level = min(LEVELS, key=lambda each: abs(each - p))
    return f"{'<' if p < level else '>'} {level:g}"


def p_is(p: float) -> str:
    """A p value for a sentence: "p = 0.031", "p < 0.001"; see :func:`p_text`."""
    text = p_text(p)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def p_number(p: float) -> str:
    """A p value as a number, however small: of a spreadsheet, or what p cannot be below.

    Two significant digits, or as many as keep it on its side of :data:`LEVELS`.

    Args, Raises: see :func:`p_text`.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{p} is no p value")
    for digits in range(_FEWEST, _ALL):
        text = f"{p:.{digits}g}"
        if _sides(float(text)) == _sides(p):
            return text
    return repr(float(p))


def _sides(p: float) -> list[int]:
    """Of every level, whether p is below it (-1), on it (0) or above it (1)."""
    return [(p > level) - (p < level) for level in LEVELS]
