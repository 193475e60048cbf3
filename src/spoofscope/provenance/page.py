"""The readable counterpart of the research object."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from spoofscope.files import write_text
from spoofscope.identity import canonical_json
from spoofscope.provenance.crate import end_of
from spoofscope.provenance.sidecars import Record

_BEHIND = ("code", "upstream", "config", "root", "folder", "work")


def write_page(
    sidecars: Sequence[Record], config: Mapping[str, Any], root: str, output: str
) -> None:
    """Write the page: who, when, with what, from which data, and one row per job.

    Args:
        sidecars: of all jobs behind the study's results.
        config: the study file.
        root: the folder of the study, where the page lies.
        output: the page.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spoofscope"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    versions: dict[str, set[str]] = {}
    for record in sidecars:
        for name, version in record["packages"].items():
            versions.setdefault(name, set()).add(version)
    page = environment.get_template("provenance.html.j2").render(
        config=config,
        jobs=[
            _job(record, root) for record in sorted(sidecars, key=lambda record: record["started"])
        ],
        commits=sorted({str(record["git"]["commit"]) for record in sidecars}),
        dirty=sum(bool(record["git"]["dirty"]) for record in sidecars),
        started=_minute(min(record["started"] for record in sidecars)),
        ended=_minute(max(end_of(record) for record in sidecars)),
        seconds=sum(record["seconds"] for record in sidecars),
        devices=sorted({record["device"] for record in sidecars}),
        versions={name: sorted(numbers) for name, numbers in sorted(versions.items())},
        corpora={name: _described(entry) for name, entry in config["corpora"].items()},
        backbones={name: _described(entry) for name, entry in config.get("backbones", {}).items()},
        downloads=[
            archive for entry in config["corpora"].values() for archive in entry.get("archives", [])
        ],
    )
    write_text(output, page)


def _described(entry: Mapping[str, Any]) -> str:
    # Where it lies on this machine says nothing elsewhere.
    return canonical_json({key: value for key, value in entry.items() if key != "path"})


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _link(path: str, root: str) -> str | None:
    # What is outside the folder does not move with it.
    return os.path.relpath(path, root) if path.startswith(f"{root}/") else None


def _job(record: Record, root: str) -> dict[str, Any]:
    settings = {key: value for key, value in record["parameters"].items() if key not in _BEHIND}
    return {
        "rule": record["rule"],
        "wildcards": " ".join(str(value) for value in record["wildcards"].values()),
        "outputs": [
            {**entry, "link": _link(entry["path"], root)}
            for entry in record["outputs"]
            if os.path.exists(entry["path"])
        ],
        "deleted": [
            entry["path"] for entry in record["outputs"] if not os.path.exists(entry["path"])
        ],
        "inputs": [entry["path"] for entry in record["inputs"]],
        "settings": {
            key: value if isinstance(value, str) else canonical_json(value)
            for key, value in settings.items()
        },
        "code": record["code"],
        "dirty": record["git"]["dirty"],
        "started": _minute(record["started"]),
        "seconds": record["seconds"],
    }
