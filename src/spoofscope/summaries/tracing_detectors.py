"""All detectors of unknown attacks side by side, with either sign."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.metrics.slices import OVERALL
from spoofscope.summaries.traced import over_seeds, polarity, settings_of, summary
from spoofscope.tables import write_table

TABLE = Table(
    title="Detectors of unknown attacks",
    shows="Every detector of unknown attacks of every tracer, with either sign of its score.",
    caption=(
        "One row per tracer, traced set and detector of unknown attacks: mean over seeds, standard "
        "deviation (columns _sd) and 95 % interval of the first seed. auroc_inverted and "
        "eer_inverted are those of the score with the other sign: what an EER above 50 % would be "
        "if the sign were right. polarity says whether dev showed that it is: without an unknown "
        "attack in dev nobody has checked it. as_published is yes where the study asks for the "
        "sign of a published baseline, which is inverted. decides is yes for the detector whose "
        "decision counts; choose it on dev, not by this table. dev_auroc is of the first seed on "
        "dev; that of a gate is of the clips that it was fitted on, and higher than on others."
    ),
    needs="traced_metrics",
    place=54,
)

METRICS = ("auroc", "eer", "fpr95", "oscr", "aupr_unknown", "known_rejected", "unknown_accepted")
_ANSWERS = ("no", "yes")


def make(traced: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Write the table, see :func:`detectors_table`."""
    write_table(outputs["table"], detectors_table(traced))


def detectors_table(traced: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Metrics over all known and unknown clips of every detector of unknown attacks.

    Args:
        traced: see `summaries.tracing.tracing_table`.

    Returns:
        name, corpus, split, detector, type, decides, polarity, as_published, n_seeds, n_known,
        n_unknown, dev_auroc (of the first seed; null where dev has no unknown clip), the metrics,
        auroc_inverted and eer_inverted. The highest AUROC on dev comes first.
    """
    rows = []
    for (name, corpus, split), of_set in over_seeds(traced).items():
        settings = settings_of(of_set[0][0])
        on_dev = settings["meta"].get("dev_auroc", {})
        order = sorted(settings["ood"], key=lambda detector: (-on_dev.get(detector, 0), detector))
        for detector in order:
            config = settings["ood"][detector]["settings"]
            chosen = [t.filter(slice=OVERALL, detector=detector) for _, t in of_set]
            values = summary(chosen, METRICS)
            rows.append(
                {
                    "name": name,
                    "corpus": corpus,
                    "split": split,
                    "detector": detector,
                    "type": config["type"],
                    "decides": _ANSWERS[detector == settings["decide_by"]],
                    "polarity": polarity(settings, detector),
                    "as_published": _ANSWERS[config.get("as_published", False)],
                    "n_seeds": len(of_set),
                    "n_known": chosen[0]["n_known"][0],
                    "n_unknown": chosen[0]["n_unknown"][0],
                    "dev_auroc": on_dev.get(detector),
                    **values,
                    **{
                        f"{metric}_inverted": None if values[metric] is None else 1 - values[metric]
                        for metric in ("auroc", "eer")
                    },
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)
