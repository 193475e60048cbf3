"""`spoofscope costs`: hours and memory of the trainings of a study."""

import argparse
from pathlib import Path

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
    from spoofscope.tables import write_table
    from spoofscope.training_costs import training_costs

    table = training_costs(Path(options.results))
    if options.out:
        write_table(options.out, table)
    rows = [["training", "seed", "hours", "CPU hours", "memory", "device"]]
    for row in table.iter_rows(named=True):
        numbers = [f"{row['hours']:.3g}", f"{row['cpu_hours']:.3g}", f"{row['memory_gb']:.2g} GB"]
        rows.append([row["run"], row["seed"], *numbers, row["device"]])
    total = [f"{sum(table[column]):.3g}" for column in ("hours", "cpu_hours")]
    rows.append(["all", "", *total, f"{max(table['memory_gb']):.2g} GB", ""])
    print(aligned(rows))
    return 0
