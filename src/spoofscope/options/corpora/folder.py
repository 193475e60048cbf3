"""Own recordings in folders."""

from dataclasses import dataclass

from spoofscope.options import speaker_pattern
from spoofscope.options.corpora.base import DealtOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class FolderOptions(DealtOptions):
    """Recordings in folders `bonafide` and `spoof/<attack>`. Where these lie in folders `train`,
    `dev` and `eval`, they have their splits, and no `fractions`.
    """

    speaker: str | None = option(None)
    """Regular expression whose group `speaker` (or first group) is the speaker in a file's path.
    Without it, files of the same name are dealt together."""

    def check(self, place: str) -> None:
        """The pattern is one."""
        super().check(place)
        speaker_pattern(self.speaker, place)

    @property
    def empty_splits(self) -> frozenset[str]:
        """Without shares, the folders may be of splits."""
        return frozenset() if self.fractions is None else self.fractions.without
