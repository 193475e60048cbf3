"""MLAAD."""

from dataclasses import dataclass

from spoofscope.errors import ConfigError
from spoofscope.options.corpora.base import DealtOptions, Fractions, HeldOut
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class MlaadOptions(HeldOut, DealtOptions):
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

    def check(self, place: str) -> None:
        """Lists say the splits, or the study does."""
        super().check(place)
        if self.protocol is not None and self.held_out:
            option = "only_test" if self.only_test else "only_dev"
            raise ConfigError(
                f"{place}.{option}: the lists of `protocol` say which attacks are in which split; "
                "leave out one of the two"
            )

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
