"""Snakemake's records of finished jobs, written anew from sidecars.

Snakemake keeps what it knows about a file (parameters, inputs and their hashes) in `.snakemake`,
out of sight of who copies or clones a folder of results. Without these records only times are left
to judge by, and a copy gives files new times in any order. The sidecars hold the same and lie
beside the results.
"""

import datetime
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spoofscope.files import read_json

SUFFIX = ".origin.json"


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

    Args:
        sidecars: of all files that may have been copied here, paths relative to the working
            directory.

    Returns:
        The number of records written.

    Raises:
        SpoofscopeError: a sidecar is no JSON.
    """
    from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord
    from snakemake.persistence.file import FilePersistence

    sidecars = list(sidecars)
    if not sidecars:
        return 0
    records = FilePersistence(nolock=True)
    unknown = [
        sidecar
        for sidecar in sidecars
        if not os.path.exists(
            records._record_path(records._metadata_path, str(sidecar).removesuffix(SUFFIX))
        )
    ]
    if not unknown:
        return 0
    told: list[dict[str, Any]] = [read_json(sidecar) for sidecar in unknown]
    # Large inputs have no hash of their own in a sidecar, but as outputs they do.
    hashes = {made["path"]: made["sha256"] for origin in told for made in origin["outputs"]}
    written = 0
    for origin in told:
        used = {entry["path"]: entry.get("sha256") for entry in origin["inputs"]}
        started = datetime.datetime.fromisoformat(origin["started"]).timestamp()
        for made in origin["outputs"]:
            if os.path.exists(made["path"]) and os.path.getsize(made["path"]) != made["bytes"]:
                continue
            record = MetadataRecord(
                rule=origin["rule"],
                input=sorted(used),
                params=[repr(origin["parameters"])],
                record_format_version=RECORD_FORMAT_VERSION,
                starttime=started,
                endtime=started + origin["seconds"],
                incomplete=False,
                input_checksums={
                    path: f"sha256:{own or hashes[path]}"
                    for path, own in used.items()
                    if own or path in hashes
                },
            )
            records._write_record(made["path"], record)
            written += 1
    return written
