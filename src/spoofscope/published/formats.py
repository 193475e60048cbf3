"""The formats of published weights by name; nothing is imported before one is used."""

from typing import NamedTuple


class Format(NamedTuple):
    """Where a format is read (a module), what an import of it takes, and what it is.

    takes: arguments of `importing.import_detector` besides file and folder.
    """

    module: str
    takes: tuple[str, ...]
    title: str


_AASIST = "spoofscope.published.aasist"
_DCNN = "spoofscope.published.ganpolice_dcnn"
_SSL_AASIST = "spoofscope.published.ssl_aasist"

FORMATS = {
    "asvspoof5-aasist": Format(_AASIST, (), "AASIST, baseline of ASVspoof 5"),
    "clovaai-aasist": Format(_AASIST, (), "AASIST, release of its authors"),
    "clovaai-aasist-l": Format(_AASIST, (), "AASIST-L, release of its authors"),
    "ganpolice-dcnn": Format(
        _DCNN,
        ("wavelet", "stft", "mean", "std"),
        "DCNN on wavelet packets or an STFT, release of its authors",
    ),
    "ssl-aasist": Format(_SSL_AASIST, ("backbone",), "fine-tuned XLS-R 300M with AASIST"),
}
