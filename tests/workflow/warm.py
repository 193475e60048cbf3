"""Snakemake, its jobs and our commands without their imports, which take more than half of most."""

import functools
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import warm_server


class Warm:
    """A server, and the program that asks it in place of Python.

    Args:
        refused: packages that cannot be imported in its forks.

    Attributes:
        client: the program.
        variables: of its environment.
        process: the server.
    """

    def __init__(self, *refused: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm")
        folder = Path(self._folder.name)
        self.client = folder / "python"
        # Without the folders of packages it needs a tenth of a start of Python.
        program = Path(warm_server.__file__).read_text(encoding="utf-8")
        self.client.write_text(f"#!{sys.executable} -IS\n{program}")
        self.client.chmod(0o755)
        path = folder / "socket"
        self.variables = {warm_server.SOCKET: str(path), warm_server.PYTHON: sys.executable}
        # Whoever asks before the server has its packages waits for it.
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(64)
        number = str(listener.fileno())
        self.process = subprocess.Popen(
            [sys.executable, warm_server.__file__, "--serve", number, *refused],
            stdin=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            process_group=0,
        )
        listener.close()


@functools.cache
def warm() -> Warm:
    """The one of this process, started when it is first asked; both end together."""
    return Warm()
