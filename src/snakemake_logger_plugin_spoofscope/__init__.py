"""`snakemake --logger spoofscope`: Snakemake finds plugins by the name of their package."""

from spoofscope.progress import LogHandler

__all__ = ["LogHandler"]
