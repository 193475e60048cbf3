"""The speaker encoder of the package resemblyzer."""

from dataclasses import dataclass

from spoofscope.options.frontends.base import FrontEndOptions


@dataclass(frozen=True, kw_only=True)
class ResemblyzerOptions(FrontEndOptions):
    """The GE2E speaker encoder whose weights are in the package resemblyzer, at 16 kHz; frozen."""
