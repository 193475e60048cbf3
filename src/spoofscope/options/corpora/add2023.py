"""ADD 2023."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.corpora.base import StoredOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class ADD2023Options(StoredOptions):
    """ADD 2023, track 1.2."""

    round: Literal[1, 2] = option(1)
    """The test round that is eval."""
