"""`spoofscope costs`: hours and memory of the trainings of a study."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spoofscope.commands.arguments import Subcommands, aligned


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "costs",
        help="hours and memory of the trainings of a study",
        description="Lists what Snakemake measured of every training: hours by the clock and of "
        "all processors, and peak memory (not of GPUs). A training that was continued after a kill "
        "counts from its last start.",
    )
    parser.add_argument("results", metavar="DIR", help="of a study, such as results/mini")
    parser.add_argument("--out", metavar="TSV", help="also write the table, unrounded")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.report.costs import training_costs
    from spoofscope.tables import write_table

    table = training_costs(Path(options.results))
    if options.out:
        write_table(options.out, table)
    rows = [["training", "seed", "hours", "CPU hours", "memory", "device"]]
    for row in table.iter_rows(named=True):
        rows.append([row["run"], row["seed"], *_numbers(row), row["device"]])
    total = {
        # The sum of nothing known is no zero.
        column: table[column].sum() if table[column].count() else None
        for column in ("hours", "cpu_hours")
    }
    rows.append(["all", "", *_numbers({**total, "memory_gb": table["memory_gb"].max()}), ""])
    print(aligned(rows))
    return 0


def _numbers(row: Mapping[str, Any]) -> list[str]:
    """Hours, CPU hours and memory; "-" where Snakemake had no time to look."""
    formats = {"hours": "{:.3g}", "cpu_hours": "{:.3g}", "memory_gb": "{:.2g} GB"}
    return ["-" if row[name] is None else form.format(row[name]) for name, form in formats.items()]
