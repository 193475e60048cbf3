"""What the names of attacks say: family, acoustic model and vocoder, from `families.yaml`."""

import functools
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("families.yaml")
_ANY = "any"


@functools.cache
def _read() -> dict[str, dict[str, list[str]]]:
    read: dict[str, dict[str, list[str]]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return read


def families_of(corpus_type: str) -> list[list[str]]:
    """What is known of the attacks of corpora of one type.

    Returns:
        Pattern of names (`*` and `?`), family, acoustic model, vocoder; "-" where that is not
        known. The first pattern that fits counts. Types without a list of their own have the one
        for names that generators have everywhere.
    """
    read = _read()
    entries = read.get(corpus_type, read[_ANY])
    return [[pattern, *values] for pattern, values in entries.items()]
