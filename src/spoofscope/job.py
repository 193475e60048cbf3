"""The wrapper around every script of the workflow: logging, locks, thread counts, the sidecar.

A sidecar is a small JSON file beside the first output of a job (`<output>.origin.json`). It says
what made the job's outputs: parameters, run id, hashes of inputs and outputs, code digest, commit,
package versions, device, times and memory.
"""

import contextlib
import datetime
import logging
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from spoofscope.errors import SpoofscopeError
from spoofscope.files import remove_leftovers, sha256_file, write_json
from spoofscope.launch import check_code, end_with_main_process
from spoofscope.locks import claim

SIDECAR_SUFFIX = ".origin.json"

# Larger inputs (feature shards of big corpora) are recorded by size; hashing them would take longer
# than many jobs that read them. Outputs are always hashed.
_HASH_LIMIT = 1 << 30

_PACKAGES = (
    "spoofscope",
    "snakemake",
    "torch",
    "torchaudio",
    "transformers",
    "accelerate",
    "captum",
    "numpy",
    "scipy",
    "scikit-learn",
    "polars",
    "soundfile",
    "soxr",
    "av",
    "PyWavelets",
    "matplotlib",
)


def sidecar_path(output: str | Path) -> Path:
    """The sidecar of a job whose first output is `output`."""
    return Path(f"{output}{SIDECAR_SUFFIX}")


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that decide results."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def git_state(folder: Path) -> dict[str, Any]:
    """Commit of the checkout and whether tracked files differ from it; nulls outside git."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout

    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--untracked-files=no")
    if commit is None or changes is None:
        return {"commit": None, "dirty": None}
    return {"commit": commit.strip(), "dirty": bool(changes.strip())}


def _device() -> str:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"cpu ({platform.machine()})"


def _record(path: str, always: bool) -> dict[str, Any]:
    size = os.path.getsize(path)
    entry: dict[str, Any] = {"path": path, "bytes": size}
    if always or size <= _HASH_LIMIT:
        entry["sha256"] = sha256_file(path)
    return entry


def _memory_bytes() -> int:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return 1024 * max(own, children)


def _configure_logging(log: Path | None) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log, mode="w", encoding="utf-8"))
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        handlers=handlers,
        force=True,
    )
    logging.captureWarnings(True)


class _Stopped(SystemExit):
    """The process was asked to end."""


def _stop(number: int, frame: Any) -> None:
    # Half-made files are deleted on the way out; another signal must not interrupt that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name = signal.Signals(number).name
    logging.getLogger("spoofscope").error("stopped by %s", name)
    raise _Stopped(128 + number)


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[dict[str, Any]]:
    """Run a script's work and record where its outputs come from.

    Yields the rule's one parameter, the dict `cfg`. Import heavy modules inside the block: the
    thread counts are set before it.

    A :class:`SpoofscopeError` ends the script with its message and exit status 1, SIGTERM and
    SIGINT end it with a line in the log; any other exception also leaves its traceback there.
    Outputs that a failed job left are deleted by Snakemake.

    One process at a time makes an output: the script waits for another that still does. It refuses
    when the code behind it was edited after the workflow was started.
    """
    threads = str(snakemake.threads)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = threads
    os.environ["POLARS_MAX_THREADS"] = threads
    # Backbones are folders by the time a job loads them; nothing may reach for the network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    log = Path(snakemake.log[0]) if snakemake.log else None
    _configure_logging(log)
    logger = logging.getLogger("spoofscope")
    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGINT)}
    parameters: dict[str, Any] = snakemake.params.cfg
    first = str(snakemake.output[0])
    try:
        end_with_main_process()
        with claim(first):
            check_code(parameters["code"])
            sidecar_path(first).unlink(missing_ok=True)
            for output in snakemake.output:
                remove_leftovers(output)
            started = datetime.datetime.now(datetime.UTC)
            clock = time.perf_counter()
            yield parameters
            _write_sidecar(snakemake, started, time.perf_counter() - clock)
            logger.info("done in %.1f s", time.perf_counter() - clock)
    except SpoofscopeError as error:
        logger.error("%s", error)
        sys.exit(1)
    except Exception:
        logger.exception("rule %s failed", snakemake.rule)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_sidecar(snakemake: Any, started: datetime.datetime, seconds: float) -> None:
    parameters: dict[str, Any] = snakemake.params.cfg
    inputs = sorted({str(path) for path in snakemake.input if os.path.isfile(path)})
    write_json(
        sidecar_path(snakemake.output[0]),
        {
            "rule": snakemake.rule,
            "wildcards": dict(snakemake.wildcards.items()),
            "parameters": parameters,
            "code": parameters["code"],
            "inputs": [_record(path, always=False) for path in inputs],
            "outputs": [_record(str(path), always=True) for path in snakemake.output],
            "git": git_state(Path(__file__).parent),
            "packages": package_versions(),
            "device": _device(),
            "host": platform.node(),
            "threads": snakemake.threads,
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "max_memory_bytes": _memory_bytes(),
        },
    )
