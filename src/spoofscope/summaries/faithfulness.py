"""Whether the explanations of every detector pass their controls."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.attribution.verdicts import RULES, of_controls, read_checks
from spoofscope.exhibits import Table
from spoofscope.tables import write_table

TABLE = Table(
    title="Faithfulness of explanations",
    shows="Whether the explanations of every detector pass their controls, with intervals.",
    caption=(
        "One row per detector, method of attribution and check: the mean over explained clips with "
        "its 95 % interval, over speakers where they are known. deletion_gain and insertion_gain: "
        "the change of the score by the frames with the most evidence, less that by as many other "
        "frames; scale: the larger of the two. gradient_spearman and occlusion_spearman: agreement "
        "with other methods; *_baseline_spearman: by other baselines; noise_spearman: under "
        "inaudible noise. randomised_spearman: agreement with a network of shuffled weights. "
        "verdict, by the column rule: passes, fails, or undecided (more clips would decide). "
        "controls: fails where deletion, insertion, randomised weights or noise fail, passes where "
        "all that were made pass."
    ),
    needs="checked_explanations",
    place=63,
)

_SCHEMA: dict[str, pl.DataType] = {
    "name": pl.String(),
    "seed": pl.Int64(),
    "corpus": pl.String(),
    "split": pl.String(),
    "method": pl.String(),
    "check": pl.String(),
    **dict.fromkeys(("value", "ci_low", "ci_high", "scale"), pl.Float64()),
    **dict.fromkeys(("n", "clusters"), pl.Int64()),
    **dict.fromkeys(("verdict", "rule", "controls"), pl.String()),
}


def make(checked: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Write the table, see :func:`faithfulness`."""
    write_table(outputs["table"], faithfulness(checked))


def faithfulness(checked: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """All checks of all detectors, with their verdicts (`attribution.verdicts`).

    Args:
        checked: of every detector and method: name, seed, corpus, split, method and `checks`, the
            table of its means.

    Raises:
        TableError: a table is damaged.
    """
    rows: list[dict[str, Any]] = []
    for entry in checked:
        of = {key: entry[key] for key in ("name", "seed", "corpus", "split", "method")}
        checks = read_checks(entry["checks"], entry["method"])
        controls = of_controls(checks)
        rows += [
            {**of, **check._asdict(), "rule": RULES[check.check], "controls": controls}
            for check in checks
        ]
    return pl.DataFrame(rows, schema=_SCHEMA)
