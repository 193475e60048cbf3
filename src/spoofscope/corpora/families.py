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


def families_of(*corpus_types: str) -> list[list[str]]:
    """What is known of the attacks of corpora of some types.

    Returns:
        Pattern of names (`*` and `?`), family, acoustic model, vocoder; "-" where that is not
        known. The first pattern that fits counts: those of the types stand before those of names
        that systems have everywhere.
    """
    read = _read()
    return [
        [pattern, *values]
        for entries in (*(read.get(name, {}) for name in corpus_types), read[_ANY])
        for pattern, values in entries.items()
    ]
