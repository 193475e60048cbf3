"""Where the texts of a figure are, as drawn."""

from itertools import combinations
from typing import Any
from unittest.mock import patch

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

_TOUCH = 1.5
"""Pixels by which two boxes may overlap."""

_LETTERS = 0.7
"""Of the height of a text's box, which has room for accents above and for tails below."""


def drawn_texts(figure: Figure) -> list[Text]:
    """The texts that the figure draws: not ticks beyond the limits of axes, nor hidden ones."""
    found: dict[int, Text] = {}
    draw = Text.draw

    def noted(text: Text, renderer: Any) -> None:
        if text.get_visible() and text.get_text().strip():
            found[id(text)] = text
        draw(text, renderer)

    with patch.object(Text, "draw", noted):
        figure.draw_without_rendering()
    return list(found.values())


def corners(text: Text) -> Any:
    """The four corners of a text in pixels, in its own direction, also if it is slanted."""
    box = Text.get_window_extent(text)
    angle = text.get_rotation()
    text.set_rotation(0)
    flat = Text.get_window_extent(text)
    text.set_rotation(angle)
    turn = np.deg2rad(angle)
    along = np.array([np.cos(turn), np.sin(turn)]) * flat.width / 2
    across = np.array([-np.sin(turn), np.cos(turn)]) * _LETTERS * flat.height / 2
    middle = (box.min + box.max) / 2
    return np.array(
        [middle + i * along + j * across for i, j in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    )


def _overlap(first: Any, second: Any) -> bool:
    """Whether no line parts two rectangles."""
    for rectangle in (first, second):
        for side in (rectangle[1] - rectangle[0], rectangle[2] - rectangle[1]):
            axis = side / max(float(np.hypot(*side)), 1e-9)
            one, other = first @ axis, second @ axis
            if min(one.max(), other.max()) - max(one.min(), other.min()) <= _TOUCH:
                return False
    return True


def faults(figure: Figure) -> list[str]:
    """What is wrong with the texts of a figure: beyond the page, or over one another."""
    texts = drawn_texts(figure)
    boxes = [corners(text) for text in texts]
    page = figure.bbox
    found = [
        f"beyond the page: {text.get_text()!r}"
        for text, box in zip(texts, boxes, strict=True)
        if (box < page.min - 1).any() or (box > page.max + 1).any()
    ]
    found += [
        f"{texts[i].get_text()!r} over {texts[j].get_text()!r}"
        for i, j in combinations(range(len(texts)), 2)
        if _overlap(boxes[i], boxes[j])
    ]
    return found
