"""Names of phones, and their classes."""

from collections.abc import Mapping

ARPABET: Mapping[str, tuple[str, ...]] = {
    "vowels": (
        *("aa", "ae", "ah", "ao", "aw", "ax", "ay", "eh", "er", "ey"),
        *("ih", "iy", "ow", "oy", "uh", "uw"),
    ),
    "plosives": ("b", "d", "g", "k", "p", "t"),
    "fricatives": ("ch", "dh", "f", "hh", "jh", "s", "sh", "th", "v", "z", "zh"),
    "nasals": ("m", "n", "ng"),
    "approximants": ("l", "r", "w", "y"),
}
"""Classes of the phones of American English."""


def bare_phone(label: str) -> str:
    """A phone without capitals and without the digit of its stress."""
    return label.lower().rstrip("0123456789") or label.lower()
