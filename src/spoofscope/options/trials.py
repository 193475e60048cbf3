"""Corpora, splits and scored trials, as study files name them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from spoofscope.options.declared import Options, optional, required

NAME = {
    "type": "string",
    "pattern": "^[a-z][a-z0-9_]*$",
    "maxLength": 100,
    "title": "small letters, digits and _, a letter first",
}
"""The definition `name` of the schema."""

Name = Annotated[str, {"$ref": "#/$defs/name"}]
"""Of what users name: small letters, digits and _, a letter first."""

Split = Literal["train", "dev", "eval"]

Label = Literal["bonafide", "spoof"]


@dataclass(frozen=True, kw_only=True)
class Trials(Options):
    """Trials that are scored."""

    corpus: str = required()
    """A corpus or an augmented copy."""
    split: Split = required()
    """One of its splits, which `score` has to list."""


@dataclass(frozen=True, kw_only=True)
class Matched(Options):
    """Scored trials, and what generators are matched by."""

    corpus: str = required()
    """A corpus or an augmented copy."""
    split: Split = required()
    """eval, which `score` has to list."""
    match: str = optional()
    """A manifest column, such as voice: a generator is compared with the bona fide clips that share
    its value."""


@dataclass(frozen=True, kw_only=True)
class Scored(Options):
    """Trials to score."""

    corpus: str = required()
    """A corpus or an augmented copy."""
    splits: tuple[Split, ...] = required(minItems=1, uniqueItems=True)
    """The splits to score."""


@dataclass(frozen=True, kw_only=True)
class Source(Options):
    """A corpus, or a part of it, that something is trained or selected on."""

    corpus: str = required()
    """A corpus or an augmented copy."""
    attacks: tuple[str, ...] = optional(minItems=1)
    """Only these attacks (all bona fide stays); default all."""
    exclude_attacks: tuple[str, ...] = optional(minItems=1)
    """None of these attacks: leave one out, and see whether it is found."""
