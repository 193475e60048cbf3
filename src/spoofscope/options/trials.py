"""Corpora, splits and scored trials, as study files name them."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from spoofscope.options.declared import Options, optional, required

Name = Annotated[str, {"$ref": "#/$defs/name"}]
"""Of what users name: small letters, digits and _, a letter first."""

Split = Literal["train", "dev", "eval"]

Source = Annotated[dict[str, Any], {"$ref": "#/$defs/source"}]
"""A corpus that is trained on, and which of its attacks."""


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
