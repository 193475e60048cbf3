"""The study file: read, checked against its schema, its names looked up, and resolved into runs."""

from spoofscope.study.references import References
from spoofscope.study.resolved import MOST_SHOWN, Absent, Run, Study
from spoofscope.study.schema import MINI, Config, kind_of

__all__ = [
    "MINI",
    "MOST_SHOWN",
    "Absent",
    "Config",
    "References",
    "Run",
    "Study",
    "kind_of",
]
