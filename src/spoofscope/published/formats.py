"""The formats of published weights by name; nothing is imported before one is used."""

from typing import NamedTuple


class Format(NamedTuple):
    """Where a format is read (a module), whether it needs a backbone, and what it is."""

    module: str
    needs_backbone: bool
    title: str


_AASIST = "spoofscope.published.aasist"
_SSL_AASIST = "spoofscope.published.ssl_aasist"

FORMATS = {
    "asvspoof5-aasist": Format(_AASIST, False, "AASIST, baseline of ASVspoof 5"),
    "clovaai-aasist": Format(_AASIST, False, "AASIST, release of its authors"),
    "clovaai-aasist-l": Format(_AASIST, False, "AASIST-L, release of its authors"),
    "ssl-aasist": Format(_SSL_AASIST, True, "fine-tuned XLS-R 300M with AASIST"),
}
