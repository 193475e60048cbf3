"""`spoofscope label` as a process of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Server(NamedTuple):
    url: str
    process: "subprocess.Popen[str]"


@contextmanager
def started(folder: Path, *arguments: str, port: int = 0) -> Iterator[Server]:
    """The page of a pack; at the end the server ends as after Ctrl+C, unless it was killed."""
    command = [sys.executable, "-m", "spoofscope.cli", "label", str(folder), "--port", str(port)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    with subprocess.Popen(
        [*command, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        try:
            yield Server(found[0], process)
        finally:
            killed = process.poll() is not None
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
        assert killed or code == 0 or code == -signal.SIGKILL
