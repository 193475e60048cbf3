"""Published numbers of source tracing beside those of the study."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.metrics.slices import CLOSED, OVERALL
from spoofscope.names import ALL, NONE
from spoofscope.summaries.literature import verdict
from spoofscope.summaries.traced import by_set, over_seeds, read_decided, settings_of, summary
from spoofscope.tables import write_table
from spoofscope.tracing.verification import read_verification_metrics

TABLE = Table(
    title="Published numbers of source tracing",
    shows="Published numbers of source tracing beside those of this study, and whether they agree.",
    caption=(
        "One row per published number and tracer that it can stand beside, and one for each "
        "number without such a tracer, with the reason (column why). They stand beside each other "
        "where corpus and split are the same, and what decides is of the same kind: the detector "
        "of unknown attacks, or the cosine with references of a source; the systems need not be "
        "the same. identical: all published digits are the same. equivalent: the 95 % interval of "
        "the study holds the published number. differs: it does not; that is no test, because the "
        "published number has an uncertainty of its own. not comparable: what was measured is "
        "something else (column why). The value is the mean over seeds, the interval that of the "
        "first."
    ),
    needs="traced_beside_others",
    place=57,
)

_DECISION = "decision"
_COSINE = "cosine of "
"""Before the level of the source that is verified."""
_OURS = ("value", "low", "high")
_KEYS = ("name", "system", "corpus", "split", "decides", "metric", "value", "seeds", "source")


def make(
    traced: Sequence[Mapping[str, Any]],
    decided: Sequence[Mapping[str, Any]],
    verified: Sequence[Mapping[str, Any]],
    protocols: Mapping[str, str],
    references: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
) -> None:
    """Write the table, see :func:`references_table`."""
    table = references_table(traced, decided, verified, protocols, references)
    write_table(outputs["table"], table)


def references_table(
    traced: Sequence[Mapping[str, Any]],
    decided: Sequence[Mapping[str, Any]],
    verified: Sequence[Mapping[str, Any]],
    protocols: Mapping[str, str],
    references: Sequence[Mapping[str, Any]],
) -> pl.DataFrame:
    """Every published number beside those of the study.

    Args:
        traced: see `summaries.tracing.tracing_table`.
        decided: see `summaries.tracing_decisions.decisions_table`; none where nothing is decided.
        verified: see `summaries.verification.verification_table`; none where no source is verified.
        protocols: corpus to what its data are called among the published numbers.
        references: the published numbers, with the fields of `literature.Reference`.

    Returns:
        published, system, corpus, split, decides, metric, value, seeds, source, place; tracer,
        ours, ours_low, ours_high, n_seeds of the study (null or "-" where there is none), verdict
        and why.
    """
    values = [*_measured(traced), *_decided(decided), *_verified(verified)]
    rows = []
    for reference in references:
        found = [
            one
            for one in values
            if protocols[one["corpus"]] == reference["corpus"]
            and one["split"] == reference["split"]
            and one["metric"] == reference["metric"]
            and (
                one["decides"] == reference["decides"]
                # What decides is not said, or no run has it: a number that is known to be unlike
                # says nothing beside one of any detector.
                or (
                    (reference["decides"], reference["unlike"]) == (NONE, NONE)
                    and one["is_decisive"]
                )
            )
        ]
        given = {"published" if key == "name" else key: reference[key] for key in _KEYS}
        given["place"] = reference["place"]
        for one in found or [_nothing(reference, values, protocols)]:
            said, why = verdict(reference, one["value"], one["low"], one["high"])
            rows.append(
                {
                    **given,
                    "tracer": one["tracer"],
                    "ours": one["value"],
                    "ours_low": one["low"],
                    "ours_high": one["high"],
                    "n_seeds": one["n_seeds"],
                    "verdict": said,
                    "why": one.get("why", why),
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def _nothing(
    reference: Mapping[str, Any],
    values: Sequence[Mapping[str, Any]],
    protocols: Mapping[str, str],
) -> dict[str, Any]:
    """What stands beside a published number that nothing of the study can be compared with."""
    nothing = {"tracer": NONE, "n_seeds": None, **dict.fromkeys(_OURS)}
    if reference["unlike"] != NONE:
        return nothing
    here = [one for one in values if protocols[one["corpus"]] == reference["corpus"]]
    if not here:
        why = f"it is of {reference['corpus']}, which this study does not trace"
    elif reference["split"] not in {one["split"] for one in here}:
        why = f"no tracer traces {reference['split']} of {reference['corpus']}"
    elif reference["decides"] == _DECISION:
        why = "no detector decides about bona fide speech (key `tracing.bonafide_by`)"
    elif reference["decides"].startswith(_COSINE):
        level = reference["decides"].removeprefix(_COSINE)
        why = f"no {level} of {reference['corpus']} is verified (section `verification`)"
    else:
        why = f"no tracer has a detector of unknown attacks of type {reference['decides']}"
    return {**nothing, "why": why}


def _measured(traced: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Metrics over all attacks, of known ones and of every detector of unknown ones."""
    for (name, corpus, split), of_set in over_seeds(traced).items():
        settings = settings_of(of_set[0][0])
        place = {"tracer": name, "corpus": corpus, "split": split, "n_seeds": len(of_set)}
        whole = [table.filter(slice=OVERALL) for _, table in of_set]
        detectors = {NONE: NONE} | {
            detector: entry["settings"]["type"]
            for detector, entry in settings["ood"].items()
            if not entry["settings"].get("as_published", False)
        }
        for detector, kind in detectors.items():
            rows = [table.filter(detector=detector) for table in whole]
            decisive = detector in (NONE, settings["decide_by"])
            for metric in rows[0]["metric"]:
                yield {
                    **place,
                    "decides": kind,
                    "is_decisive": decisive and (metric in CLOSED or detector != NONE),
                    "metric": metric,
                    **_value(rows, metric),
                }


def _decided(decided: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Metrics of decisions about bona fide speech, known and unknown attacks."""
    for (name, corpus, split), of_set in by_set(decided).items():
        tables = [read_decided(entry["metrics"]) for entry in of_set]
        rows = [table.filter(pl.col("class") == NONE) for table in tables]
        for metric in rows[0]["metric"]:
            yield {
                "tracer": name,
                "corpus": corpus,
                "split": split,
                "n_seeds": len(of_set),
                "decides": _DECISION,
                "is_decisive": False,
                "metric": metric,
                **_value(rows, metric),
            }


def _verified(verified: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Equal error rates of trials: of all, and of each part."""
    for (name, corpus, split), of_set in by_set(verified).items():
        tables = [read_verification_metrics(entry["metrics"]) for entry in of_set]
        parts = tables[0].filter(metric="eer").select("level", "trials")
        for level, part in parts.iter_rows():
            rows = [table.filter(level=level, trials=part) for table in tables]
            yield {
                "tracer": name,
                "corpus": corpus,
                "split": split,
                "n_seeds": len(of_set),
                "decides": _COSINE + level.replace("_", " "),
                "is_decisive": False,
                "metric": "eer" if part == ALL else f"eer_{part}",
                **_value(rows, "eer"),
            }


def _value(rows: Sequence[pl.DataFrame], metric: str) -> dict[str, float | None]:
    found = summary(rows, [metric])
    ends = (metric, f"{metric}_low", f"{metric}_high")
    return dict(zip(_OURS, (found[key] for key in ends), strict=True))
