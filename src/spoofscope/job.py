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
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spoofscope.errors import ProvenanceError, SpoofscopeError
from spoofscope.feature_store import FeatureStore, Files, address_of
from spoofscope.files import (
    FULL,
    LOGS_ARE_SHOWN,
    printable,
    refusal,
    remove_leftovers,
    sha256_file,
)
from spoofscope.identity import hash8
from spoofscope.launch import check_code, end_with_main_process, lock_folder
from spoofscope.locks import claim
from spoofscope.memory import keep_freed_memory
from spoofscope.provenance.record import code_sources, file_record, git_state, package_versions
from spoofscope.provenance.sidecars import Sidecars, sidecar_path, write_sidecar

_notes: dict[str, Any] = {}
_given: dict[str, Any] = {}
# Types of the columns of tables that were taken and not written.
_columns: dict[str, dict[str, str]] = {}


def _device() -> str:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"cpu ({platform.machine()})"


def _input_records(paths: list[str]) -> list[dict[str, Any]]:
    """Path, size and hash of every input, compared with what the job that made it has recorded.

    Raises:
        ProvenanceError: a file is not what its job wrote.
    """
    sidecars = Sidecars()
    records = []
    for path in paths:
        record = file_record(path)
        maker = sidecars.of(path)
        if maker is not None:
            wrote = next(entry for entry in maker["outputs"] if entry["path"] == path)
            # Of a large input only the size is known.
            if any(record[key] != wrote[key] for key in ("bytes", "sha256") if key in record):
                raise ProvenanceError(
                    f"{path} is not what its job wrote: damaged, or altered by hand. Delete it, "
                    "and the next run makes it again"
                )
        records.append(record)
    return records


def _memory_bytes() -> int:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return 1024 * max(own, children)


class _Printable(logging.Formatter):
    """Names of files may hold codes for the terminal, and bytes that no log can hold."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _configure_logging(log: Path | None) -> None:
    handlers: list[logging.Handler] = []
    if log is None or LOGS_ARE_SHOWN not in os.environ:
        handlers.append(logging.StreamHandler(sys.stderr))
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log, mode="w", encoding="utf-8"))
    formatter = _Printable("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    # It tells of every table of every font in every figure.
    logging.getLogger("fontTools").setLevel(logging.WARNING)


class _Stopped(SystemExit):
    """The process was asked to end."""


def _stop(number: int, frame: Any) -> None:
    # Half-made files are deleted on the way out; another signal must not interrupt that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name = signal.Signals(number).name
    logging.getLogger("spoofscope").error("stopped by %s", name)
    raise _Stopped(128 + number)


def note(**facts: Any) -> None:
    """Let the sidecar of this job say more than every sidecar does: plain values by their names."""
    _notes.update(facts)


def given() -> dict[str, Any]:
    """All that decides the outputs of this job, as JSON-able values: its parameter, and the content
    of its inputs. A journal that was begun with something else is of other work.
    """
    return dict(_given)


def from_store(
    snakemake: Any,
    settings: Mapping[str, Any],
    recordings: Sequence[tuple[str, str, str]],
    make: Callable[[], None],
) -> None:
    """Take the features that are this job's outputs from the store of the study, or make them and
    keep them there. A study without a store makes them.

    This is here and not in a script because it decides no byte of them: an edit makes none stale.

    Args:
        snakemake: the job, with outputs `values` and `index` and the input `backbone`.
        settings: front-end and input policy.
        recordings: utt_id, path and SHA-256 of the content, in the order of the features.
        make: writes both outputs.
    """
    place = snakemake.config.get("feature_store")
    if place is None:
        make()
        return
    parameters: dict[str, Any] = snakemake.params.cfg
    about = {
        "settings": settings,
        "code": parameters["code"],
        "packages": {k: v for k, v in package_versions().items() if k != "spoofscope"},
        "backbone": [sha256_file(path) for path in snakemake.input.backbone],
    }
    clips = [[utt_id, Path(path).suffix, sha256] for utt_id, path, sha256 in recordings]
    address = address_of({**about, "recordings": clips})
    files = Files(Path(snakemake.output.values), Path(snakemake.output.index))
    origin, store = hash8(parameters), FeatureStore(place)
    logger = logging.getLogger("spoofscope")
    # Whichever of the two rules runs it, it is the same job.
    note(rule="extract_features")
    with store.claimed(address):
        record = store.take(address, files, origin)
        if record is not None:
            _columns[str(files.index)] = record["columns"]
            note(store={"address": address, "made": record["made"]})
            logger.info("taken from %s", store.root)
            return
        make()
        # Others would take features for those of recordings that they are not of.
        others = (path for _, path, sha256 in recordings if sha256_file(path) != sha256)
        if (changed := next(others, None)) is not None:
            logger.warning(
                "%s is not the recording that the manifest lists; these features are not shared",
                changed,
            )
            return
        made = {
            "device": _device(),
            "host": platform.node(),
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        columns = _output_record(str(files.index))["columns"]
        store.put(address, files, origin, {**about, "columns": columns, "made": made})
        note(store={"address": address, "made": made})


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[dict[str, Any]]:
    """Run a script's work and record where its outputs come from.

    Yields the rule's one parameter, the dict `cfg`. Import heavy modules inside the block: the
    thread counts are set before it.

    A :class:`SpoofscopeError`, and whatever the file system refuses, end the script with a message
    and exit status 1, SIGTERM and SIGINT with a line in the log; any other exception also leaves
    its traceback there.
    Outputs that a failed job left are deleted by Snakemake.

    One process at a time makes an output: the script waits for another that still does. It refuses
    when the code behind it was edited after the workflow was started, or when an input is not what
    the job that made it has recorded.
    """
    threads = str(snakemake.threads)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = threads
    os.environ["POLARS_MAX_THREADS"] = threads
    # Backbones are folders by the time a job loads them; nothing may reach for the network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    keep_freed_memory()
    log = Path(snakemake.log[0]) if snakemake.log else None
    logger = logging.getLogger("spoofscope")
    try:
        _configure_logging(log)
    except OSError as error:
        print(f"ERROR spoofscope: the log cannot be written: {refusal(error)}", file=sys.stderr)
        sys.exit(1)
    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGINT)}
    parameters: dict[str, Any] = snakemake.params.cfg
    first = str(snakemake.output[0])
    _notes.clear()
    _given.clear()
    _columns.clear()
    try:
        end_with_main_process()
        with claim(first, lock_folder(first)):
            check_code(parameters["code"])
            sidecar_path(first).unlink(missing_ok=True)
            for path in (*snakemake.output, sidecar_path(first)):
                remove_leftovers(path)
            started = datetime.datetime.now(datetime.UTC)
            clock = time.perf_counter()
            inputs = _input_records(
                sorted({str(path) for path in snakemake.input if os.path.isfile(path)})
            )
            contents = [[entry["path"], entry.get("sha256", entry["bytes"])] for entry in inputs]
            _given.update(rule=snakemake.rule, parameters=parameters, inputs=contents)
            yield parameters
            _write_sidecar(snakemake, inputs, started, time.perf_counter() - clock)
            logger.info("done in %.1f s", time.perf_counter() - clock)
    except SpoofscopeError as error:
        logger.error("%s", error)
        sys.exit(1)
    except Exception as error:
        if isinstance(error, OSError) and (error.filename is not None or error.errno in FULL):
            # Journals and logs, which are written as they grow, have no name on a full disk.
            logger.error("%s", refusal(error))
            sys.exit(1)
        logger.exception("rule %s failed", snakemake.rule)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _output_record(path: str) -> dict[str, Any]:
    """The file; of a table also the types of its columns, which its text does not say."""
    from spoofscope.tables import written_columns

    columns = (written_columns(path) or _columns.get(path)) if path.endswith(".tsv") else None
    return {**file_record(path, always=True), **({"columns": columns} if columns else {})}


def _write_sidecar(
    snakemake: Any, inputs: list[dict[str, Any]], started: datetime.datetime, seconds: float
) -> None:
    parameters: dict[str, Any] = snakemake.params.cfg
    write_sidecar(
        sidecar_path(snakemake.output[0]),
        {
            "rule": snakemake.rule,
            "wildcards": dict(snakemake.wildcards.items()),
            "parameters": parameters,
            "code": parameters["code"],
            "sources": code_sources(parameters["code"]),
            "inputs": inputs,
            "outputs": [_output_record(str(path)) for path in snakemake.output],
            **_notes,
            "git": git_state(),
            "packages": package_versions(),
            "device": _device(),
            "host": platform.node(),
            "threads": snakemake.threads,
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "max_memory_bytes": _memory_bytes(),
        },
    )
