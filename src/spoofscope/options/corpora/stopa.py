"""STOPA."""

from dataclasses import dataclass

from spoofscope.options.corpora.base import StoredOptions


@dataclass(frozen=True, kw_only=True)
class StopaOptions(StoredOptions):
    """STOPA, which is made of spoofs."""

    @property
    def spoofs_alone(self) -> bool:
        """There is no bona fide speech."""
        return True
