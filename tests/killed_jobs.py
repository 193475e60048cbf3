"""Scripts of the workflow in processes that a test may kill in the middle of their work.

`Scripts` starts this file as a program, which imports what scripts import. For every request it
forks itself, and the child runs one script. A child that shall be killed sends itself SIGKILL when
it has kept so many results, with half of the next one's line in its journal.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow/scripts"


class Ended(NamedTuple):
    """How a script ended: its exit code, negative for a signal, and the keys of the results that it
    has worked out, in order.
    """

    code: int
    worked_out: list[str]


class Scripts:
    """Runs scripts, one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self,
        rule: str,
        folder: Path,
        cfg: Mapping[str, Any],
        inputs: Mapping[str, str | Sequence[str]],
        outputs: Mapping[str, str],
        kill_after: int | None = None,
    ) -> Ended:
        """Run the script of a rule.

        Args:
            rule: its name.
            folder: where it runs; its log is `log` there.
            cfg: the one parameter.
            inputs, outputs: names to paths.
            kill_after: after so many results it is killed.
        """
        request = {
            "rule": rule,
            "folder": str(folder),
            "cfg": {"code": "0" * 12, **cfg},
            "inputs": dict(inputs),
            "outputs": dict(outputs),
            "kill_after": kill_after,
        }
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        keys = folder / "worked_out"
        worked_out = keys.read_text().splitlines() if keys.exists() else []
        keys.unlink(missing_ok=True)
        return Ended(code, worked_out)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


class Files(list):
    """Stands for Snakemake's lists of files, which know them by name, too."""

    def __init__(self, named: Mapping[str, str | Sequence[str]]) -> None:
        super().__init__()
        for name, given in named.items():
            setattr(self, name, given)
            self += [given] if isinstance(given, str) else given

    def get(self, name: str) -> Any:
        return getattr(self, name, None)

    def items(self) -> list[tuple[str, str]]:
        return []


def run_script(request: Mapping[str, Any]) -> None:
    from spoofscope.shards import journal

    os.chdir(request["folder"])
    append, line = journal._Lines.append, journal._line
    kept = 0

    def watched(self: Any, key: str | None, result: Any) -> None:
        nonlocal kept
        if key is not None:
            if kept == request["kill_after"]:
                torn = line(key, result)
                self._stream.seek(self.end)
                self._stream.write(torn[: len(torn) // 2])
                self._stream.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            kept += 1
            with open("worked_out", "a") as keys:
                keys.write(f"{key}\n")
        append(self, key, result)

    journal._Lines.append = watched
    snakemake = SimpleNamespace(
        rule=request["rule"],
        threads=1,
        log=["log"],
        params=SimpleNamespace(cfg=request["cfg"]),
        input=Files(request["inputs"]),
        output=Files(request["outputs"]),
        wildcards=Files({}),
    )
    runpy.run_path(str(SCRIPTS / f"{request['rule']}.py"), {"snakemake": snakemake})


def serve() -> None:
    import polars  # noqa: F401
    import torch  # noqa: F401

    import spoofscope.attribution.average
    import spoofscope.attribution.explain
    import spoofscope.scoring  # noqa: F401

    for text in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.stdin.close()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            code = 1
            try:
                run_script(json.loads(text))
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
