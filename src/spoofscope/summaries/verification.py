"""How well tracers verify sources: were clips made by the same source as a few references?"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.summaries.traced import summary
from spoofscope.tables import write_table
from spoofscope.tracing.verification import read_verification_metrics

TABLE = Table(
    title="Source verification",
    shows="How well every tracer verifies sources by a few references, with intervals.",
    caption=(
        "One row per tracer, corpus, level of the source (such as attack or vocoder) and part of "
        "the trials: all, claims of sources that the tracer was trained on (known) and of others "
        "(unknown); and where tests are of attacks without references, tests of enrolled attacks, "
        "and those of unenrolled ones with all targets. "
        "eer and min_cllr judge the cosines, cllr the likelihood ratios that were calibrated on "
        "dev: 0 is perfect, and 1 says as little as a ratio of 1 for every clip. Each has the "
        "mean over seeds, the standard deviation (columns _sd) and the 95 % interval of the first "
        "seed (columns _low and _high), for which whole claims are drawn again with all their "
        "tests. reason says why there is no estimate or no interval."
    ),
    needs="verified_metrics",
    place=58,
)

METRICS = ("eer", "cllr", "min_cllr")
_COUNTS = ("n_claims", "n_target", "n_nontarget")


def make(verified: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Write the table, see :func:`verification_table`."""
    write_table(outputs["table"], verification_table(verified))


def verification_table(verified: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Metrics per tracer, corpus, level and part of the trials.

    Args:
        verified: name, seed, corpus, split and the file metrics of each tracer, seed and corpus,
            see `tracing.verification.verification_metrics`.

    Returns:
        name, corpus, split, level, trials, n_seeds, n_claims, n_target, n_nontarget (trials of the
        claimed source and of others), then the metrics, and reason.
    """
    of_sets: dict[tuple[str, str, str], list[pl.DataFrame]] = {}
    for entry in verified:
        place = entry["name"], entry["corpus"], entry["split"]
        of_sets.setdefault(place, []).append(read_verification_metrics(entry["metrics"]))
    rows = []
    for (name, corpus, split), seeds in of_sets.items():
        for level in seeds[0]["level"].unique(maintain_order=True):
            for part in seeds[0].filter(level=level)["trials"].unique(maintain_order=True):
                chosen = [table.filter(level=level, trials=part) for table in seeds]
                first = chosen[0].row(0, named=True)
                rows.append(
                    {
                        **{"name": name, "corpus": corpus, "split": split},
                        **{"level": level, "trials": part, "n_seeds": len(seeds)},
                        **{count: first[count] for count in _COUNTS},
                        **summary(chosen, METRICS),
                        "reason": first["reason"],
                    }
                )
    return pl.DataFrame(rows, infer_schema_length=None)
