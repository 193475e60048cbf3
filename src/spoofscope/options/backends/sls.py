"""Sensitive layer selection."""

from dataclasses import dataclass

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class SLSOptions(LogitOptions):
    """Sensitive layer selection."""

    as_published: bool = option(False)
    """Cut or fill features to 201 frames (4.02 s) and flatten them; otherwise clips of any length,
    padding masked."""
