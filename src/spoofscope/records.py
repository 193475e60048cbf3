"""Snakemake's records of finished jobs, written anew from sidecars.

Snakemake keeps what it knows about a file (parameters, inputs and their hashes) in `.snakemake`,
out of sight of who copies or clones a folder of results. Without these records only times are left
to judge by, and a copy gives files new times in any order. The sidecars hold the same and lie
beside the results.
"""

import datetime
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from spoofscope.errors import ProvenanceError
from spoofscope.identity import plain
from spoofscope.provenance.sidecars import SUFFIX, read_sidecar
from spoofscope.snakemake_inside import Records

_LOGGER = logging.getLogger("spoofscope.records")
_NEEDED = ("rule", "parameters", "inputs", "outputs", "started", "seconds")
# No job has this parameter, so the one that made the file is planned.
# So many damaged sidecars are named; a damaged disk has thousands.
_NAMED = 5
# Nothing that takes longer than this is still being written.
_WRITTEN_SECONDS = 2.0
_DAMAGED = "unknown: the sidecar is damaged"


def sidecars_below(folder: Path, skipped: Iterable[str]) -> Iterator[Path]:
    """All sidecars below a folder, without the named folders directly in it."""
    for parent, folders, files in os.walk(folder):
        if Path(parent) == folder:
            folders[:] = [name for name in folders if name not in set(skipped)]
        yield from (Path(parent) / name for name in files if name.endswith(SUFFIX))


def restore_records(sidecars: Iterable[Path]) -> int:
    """Give Snakemake its records of all outputs that have a sidecar but no record.

    An output that is not as long as its sidecar says gets none. One that is missing does: it was
    temporary, and whether it is needed again depends on what it was made from.

    A record that cannot be read counts as missing. An output whose sidecar is damaged gets a record
    that says so, so that its job is not taken for done.

    Args:
        sidecars: of all files that may have been copied here, paths relative to the working
            directory.

    Returns:
        The number of records written.
    """
    sidecars = list(sidecars)
    if not sidecars and not os.path.isdir(".snakemake/metadata"):
        return 0
    records = Records()
    _drop_unreadable(records.metadata, records.incomplete)
    origins: list[dict[str, Any]] = []
    damaged: list[str] = []
    written = 0
    for sidecar in sidecars:
        output = str(sidecar).removesuffix(SUFFIX)
        try:
            origins.append(read_sidecar(sidecar, _NEEDED))
        except FileNotFoundError:
            # Its job has just begun anew.
            continue
        except ProvenanceError as error:
            if not os.path.exists(output):
                continue
            damaged.append(str(error))
            if not records.lacks(output):
                records.delete(output)
            records.write(output, rule="unknown", input=[], params=[_DAMAGED])
            written += 1
    for message in damaged[:_NAMED]:
        _LOGGER.warning("%s; its job is made again", message)
    if damaged[_NAMED:]:
        _LOGGER.warning("and %d more sidecars are damaged", len(damaged) - _NAMED)
    # Large inputs have no hash of their own in a sidecar, but as outputs they do.
    hashes = {made["path"]: made["sha256"] for origin in origins for made in origin["outputs"]}
    for origin in origins:
        used = {entry["path"]: entry.get("sha256") for entry in origin["inputs"]}
        started = datetime.datetime.fromisoformat(origin["started"]).timestamp()
        for made in origin["outputs"]:
            if not records.lacks(made["path"]):
                continue
            if os.path.exists(made["path"]) and os.path.getsize(made["path"]) != made["bytes"]:
                continue
            records.write(
                made["path"],
                rule=origin["rule"],
                input=sorted(used),
                params=[repr(plain(origin["parameters"]))],
                starttime=started,
                endtime=started + origin["seconds"],
                input_checksums={
                    path: f"sha256:{digest or hashes[path]}"
                    for path, digest in used.items()
                    if digest or path in hashes
                },
            )
            written += 1
    return written


def _drop_unreadable(metadata: Path, incomplete: Path) -> None:
    """Delete what a full disk or a power cut has left of Snakemake's records."""
    dropped = 0
    for path in _files(metadata):
        if _settled(path, Records.check) is False:
            path.unlink(missing_ok=True)
            dropped += 1
    if dropped:
        _LOGGER.warning(
            "%d of Snakemake's records cannot be read; they are restored from the sidecars", dropped
        )
    for path in _files(incomplete):
        # That there is a mark says that the job was not finished; its content names its job on a
        # cluster.
        if path.name != "migration_underway" and _settled(path, _check_mark) is False:
            path.unlink(missing_ok=True)
            path.write_text('{"external_jobid": null}')


def _check_mark(mark: Any) -> None:
    if not isinstance(mark, dict):
        raise ValueError("it is no mark")


def _settled(path: Path, check: Callable[[Any], object]) -> bool | None:
    """Whether a file can be read; None where it is gone.

    Snakemake writes these files in place. One that a run of another study writes just now is read
    again, until it is whole or has been left as it is.
    """
    while True:
        try:
            content = json.loads(path.read_bytes())
            if not content:
                raise ValueError("it is empty")
            check(content)
            return True
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            try:
                age = time.time() - path.stat().st_mtime
            except FileNotFoundError:
                return None
            if not 0 <= age < _WRITTEN_SECONDS:
                return False
            time.sleep(_WRITTEN_SECONDS / 20)


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, files in os.walk(folder):
        yield from (Path(parent) / name for name in files)
