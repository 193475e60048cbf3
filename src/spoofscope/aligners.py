"""Aligners by name. A member is imported only when it is built."""

from typing import Any

from spoofscope.registry import Registry

ALIGNERS: Registry[Any] = Registry(
    "aligner",
    {
        "ctc": "spoofscope.alignment.ctc:CtcAligner",
        "energy": "spoofscope.alignment.energy:EnergyAligner",
        "table": "spoofscope.alignment.imported:TableAligner",
        "textgrid": "spoofscope.alignment.imported:TextGridAligner",
        "vad": "spoofscope.alignment.vad:VadAligner",
    },
)
