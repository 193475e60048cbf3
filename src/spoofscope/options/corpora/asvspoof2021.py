"""ASVspoof 2021."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.corpora.base import StoredOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class ASVspoof2021Options(StoredOptions):
    """An evaluation set of ASVspoof 2021."""

    phase: Literal["eval", "progress", "hidden"] = option("eval")
    """Which trials; papers report eval."""
