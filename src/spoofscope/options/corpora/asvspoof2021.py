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

    @property
    def empty_splits(self) -> frozenset[str]:
        """It is a test set."""
        return frozenset({"train", "dev"})

    @property
    def filled_by(self) -> str:
        """Nothing."""
        return "it is a test set; train on another corpus, such as ASVspoof 2019 LA"
