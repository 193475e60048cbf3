"""Snakemake without its imports, which take more than half of most starts.

`Warm` starts this file as a program. The program imports Snakemake once. For every request it forks
itself, and the child does what `python -m snakemake` does, with a folder, an environment and
arguments of its own: one request knows nothing of another. The library is imported by the child,
from the checkout whose Snakefile it reads. The scripts of its jobs are forks, too, see
`warm_scripts`.
"""

import functools
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import warm_scripts


class Warm:
    """A process that runs Snakemake for whoever asks, one request after the other."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm")
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        timeout: float,
    ) -> subprocess.CompletedProcess[str]:
        """What `python -m snakemake ARGUMENTS` would print in a folder, and its exit code.

        Raises:
            subprocess.TimeoutExpired: it took more than `timeout` seconds, and was killed.
        """
        with tempfile.TemporaryFile("w+") as printed:
            request = {
                "arguments": list(arguments),
                "folder": str(folder),
                "environment": dict(environment),
                "printed": f"/proc/{os.getpid()}/fd/{printed.fileno()}",
            }
            self._process.stdin.write(f"{json.dumps(request)}\n")
            self._process.stdin.flush()
            try:
                answered, _, _ = select.select([self._process.stdout], [], [], timeout)
                if not answered:
                    raise subprocess.TimeoutExpired(list(arguments), timeout)
                code = int(self._process.stdout.readline())
            except BaseException:
                # The next request must not get this one's answer.
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                warm.cache_clear()
                raise
            printed.seek(0)
            return subprocess.CompletedProcess(list(arguments), code, printed.read(), None)


@functools.cache
def warm() -> Warm:
    """The one of this process, started when it is first asked; both end together."""
    return Warm()


def become_snakemake(request: Mapping[str, Any]) -> None:
    """Do what a request asks for; ends with `SystemExit`."""
    for stream, path, mode in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["printed"], os.O_WRONLY | os.O_APPEND),
    ):
        opened = os.open(path, mode)
        os.dup2(opened, stream)
        os.close(opened)
    os.dup2(1, 2)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    os.environ[warm_scripts.SOCKET] = request["socket"]
    os.environ[warm_scripts.PYTHON] = sys.executable
    # Which Snakemake starts for every script.
    sys.executable = request["client"]
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    # In place of the folder of this file.
    sys.path[:1] = [request["folder"], *paths]
    sys.argv = ["snakemake", *request["arguments"]]
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)


def main(folder: Path) -> None:
    """Answer requests, one a line, with an exit code on a line each."""
    scripts = {
        "socket": str(folder / "socket"),
        "client": str(warm_scripts.write_client(folder)),
    }
    # Whoever asks before the server has its packages waits for it.
    listener = warm_scripts.listen(scripts["socket"])
    if os.fork() == 0:
        # Nobody is to wait for an answer that this process keeps open.
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        warm_scripts.serve(listener)
    listener.close()
    # Not Polars: it starts threads, which a fork loses.
    for module in ("jsonschema", "snakemake.api", "snakemake.cli"):
        importlib.import_module(module)
    # It finds and imports the plugins.
    sys.modules["snakemake.cli"].get_argument_parser()
    assert "spoofscope" not in sys.modules
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            answers.close()
            become_snakemake(json.loads(line) | scripts)
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
