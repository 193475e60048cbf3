"""`spoofscope features`: what a store of features holds, and deleting what no study refers to."""

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spoofscope.commands.arguments import Subcommands

if TYPE_CHECKING:
    from spoofscope.feature_store import Entry


def _gigabytes(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError
    return value


_gigabytes.__name__ = "number of gigabytes"


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "features",
        help="what a store of features holds, and deleting what no study refers to",
        description="Lists the features that studies share (feature_store in the study file), "
        "those first that were used longest ago. What no study refers to may go; --remove deletes "
        "it. "
        "Features that a job makes or takes just now are left alone. Exit code 1 when the rest is "
        "larger than --budget.",
    )
    parser.add_argument("store", metavar="FOLDER", help="feature_store of the study file")
    parser.add_argument(
        "--budget",
        type=_gigabytes,
        default=0.0,
        metavar="GB",
        help="what may stay there; more is deleted, oldest first (default: 0, all that may go)",
    )
    parser.add_argument("--remove", action="store_true", help="delete it, and do not only list it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.errors import SpoofscopeError
    from spoofscope.feature_store import FeatureStore, unused_beyond
    from spoofscope.files import shown

    store = FeatureStore(options.store)
    if not (store.root / "entries").is_dir():
        raise SpoofscopeError(
            f"{shown(store.root)}: no store of features; feature_store in a study file names it"
        )
    entries = store.entries()
    going = unused_beyond(entries, round(options.budget * 1e9))
    for entry in entries:
        print(_line(entry, entry in going))
    if options.remove:
        going = [entry for entry in going if store.remove(entry.address)]
        store.remove_leftovers()
    staying = [entry for entry in entries if entry not in going]
    print(
        f"{'deleted' if options.remove else 'may go'}: {_sum_of(going)}; stay: {_sum_of(staying)}"
    )
    return 1 if options.budget and _n_bytes(staying) > options.budget * 1e9 else 0


def _n_bytes(entries: "Sequence[Entry]") -> int:
    return sum(entry.n_bytes for entry in entries)


def _sum_of(entries: "Sequence[Entry]") -> str:
    noun = "entry" if len(entries) == 1 else "entries"
    return f"{len(entries)} {noun}, {_n_bytes(entries) / 1e9:.3g} GB"


def _line(entry: "Entry", leaves: bool) -> str:
    import datetime

    from spoofscope.files import shown

    used = datetime.datetime.fromtimestamp(entry.used).isoformat(" ", "minutes")
    front_end = entry.record["settings"]["frontend"]["type"] if entry.record else "damaged"
    status = "may go" if leaves else "used by" if entry.users else "stays"
    size = f"{entry.n_bytes / 1e6:.1f} MB"
    users = ", ".join(map(shown, entry.users))
    return f"{entry.address[:12]} {size:>12} {used}  {front_end:<16} {status} {users}".rstrip()
