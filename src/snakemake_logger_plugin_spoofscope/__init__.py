"""`snakemake --logger spoofscope`: Snakemake finds plugins by the name of their package.

Snakemake imports this package in every run. The library is imported only where the plugin is asked
for: it would otherwise be that of the environment, in place of the checkout's.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """The options of `--logger spoofscope`."""

    page: Path | None = field(
        default=None,
        metadata={"help": "HTML file that shows the run as it is", "type": Path},
    )


class LogHandler(LogHandlerBase):
    """Hands all records to `spoofscope.progress`."""

    def __post_init__(self) -> None:
        """Import what shows the run."""
        from spoofscope.progress import LogHandler as Progress

        self._progress = Progress(self.common_settings, self.settings)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        self._progress.setFormatter(self.formatter)
        self._progress.emit(record)

    def close(self) -> None:
        """End what is shown."""
        self._progress.close()
        super().close()

    writes_to_stream = True
    writes_to_file = has_filter = has_formatter = needs_rulegraph = False
