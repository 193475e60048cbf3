"""MLAAD."""

from dataclasses import dataclass

from spoofscope.options.corpora.base import DealtOptions, Fractions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class MlaadOptions(DealtOptions):
    """MLAAD, of any release, with or without its protocol for source tracing."""

    protocol: str | None = option(None)
    """The folder, or the zip archive, with train.csv, dev.csv and eval.csv, relative to the folder;
    null: `fractions` splits."""
    published_protocol: bool = option(True)
    """Whether the protocol has to be the published one, by its checksums; false for lists of one's
    own in this form."""
    fractions: Fractions | None = option(None)
    """How texts are dealt to the splits where there is no protocol; null: everything is eval."""
    seed: int = option(0)
    """Decides the order in which texts are dealt to the splits."""
    only_test: tuple[str, ...] = option((), uniqueItems=True)
    """Attacks that are in no training, where there is no protocol; their clips of texts that are in
    training are left out."""

    @property
    def published_as(self) -> str:
        """With the published lists it is the protocol of release 5."""
        return "mlaad_v5" if self.protocol is not None and self.published_protocol else ""

    @property
    def spoofs_alone(self) -> bool:
        """The lists have no line of bona fide speech; without them there may be a folder of it."""
        return self.protocol is not None

    @property
    def empty_splits(self) -> frozenset[str]:
        """Those without a share, where no protocol says the split."""
        return frozenset() if self.protocol is not None else super().empty_splits
