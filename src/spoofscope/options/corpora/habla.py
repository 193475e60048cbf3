"""HABLA."""

from dataclasses import dataclass

from spoofscope.options import speaker_pattern
from spoofscope.options.corpora.base import DealtOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class HablaOptions(DealtOptions):
    """HABLA, which comes without splits."""

    metadata: str | None = option(None)
    """A CSV with the columns path and split, relative to the folder, instead of `fractions`; files
    that it does not list are left out."""
    speaker: str = option(r".*(?P<speaker>[a-z]{2}[fm]_\d{5})")
    """Regular expression whose group `speaker` (or first group) is the speaker in a file's path."""

    def check(self, place: str) -> None:
        """The pattern of speakers is one."""
        super().check(place)
        speaker_pattern(self.speaker, place)

    @property
    def empty_splits(self) -> frozenset[str]:
        """Those without a share, where no table says the split."""
        return frozenset() if self.metadata is not None else super().empty_splits
