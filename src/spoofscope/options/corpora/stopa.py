"""STOPA."""

from dataclasses import dataclass

from spoofscope.options.corpora.base import StoredOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class StopaOptions(StoredOptions):
    """STOPA, which is made of spoofs."""

    dev_speakers: float = option(0.0, minimum=0, exclusiveMaximum=1)
    """Share of the speakers of EET whose clips are dev and not train; a tracer of EET's attacks
    needs some, because TEE has none of these attacks."""
    seed: int = option(0)
    """Decides which speakers."""

    @property
    def spoofs_alone(self) -> bool:
        """There is no bona fide speech."""
        return True

    @property
    def dev_lacks_known(self) -> bool:
        """TEE, which is dev, shares no attack with EET, which is train."""
        return self.dev_speakers == 0
