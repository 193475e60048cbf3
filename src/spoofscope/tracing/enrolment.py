"""Enrolled sources: what a tracer knows by a few references, without being trained for them.

A JSON file holds them: `level`, `tracer`, `calibration`, and for every source its `name`, the
number of its `references`, and the mean of their vectors as a vector of length 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from spoofscope.errors import DetectorError, TableError
from spoofscope.files import read_json, write_json
from spoofscope.ood.base import class_means, unit_rows
from spoofscope.selection.calibration import Calibration, log_likelihood_ratios
from spoofscope.selection.operating_points import Floats
from spoofscope.tracing.trials import LEVELS
from spoofscope.tracing.verification import Vectors

_FORMAT = 1

CALIBRATION_KEYS = (*Calibration.__annotations__, "n_claims", "n_references")
"""Of a calibration of cosines, see `verification.calibrate`."""

RANKED_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "rank": pl.Int64(),
    "source": pl.String(),
    "cosine": pl.Float64(),
    "llr": pl.Float64(),
}


@dataclass(frozen=True)
class Enrolment:
    """Enrolled sources.

    Attributes:
        level: what a source is, one of `trials.LEVELS`.
        tracer: identity of the network that the vectors are of.
        sources: their S names, sorted.
        references: how many of each (S,).
        means: float64 (S, D), the mean of each one's vectors, of length 1.
        calibration: of cosines of this level, see `verification.calibrate`; None where there is
            none.
    """

    level: str
    tracer: str
    sources: tuple[str, ...]
    references: tuple[int, ...]
    means: Floats
    calibration: Mapping[str, Any] | None = None


def enrol(
    vectors: Vectors,
    references: Mapping[str, Sequence[str]],
    level: str,
    tracer: str,
    calibration: Mapping[str, Any] | None = None,
) -> Enrolment:
    """Enrol sources by a few clips of each.

    Args:
        vectors: of these clips, from the tracer.
        references: name of a source to the utt_ids of its references.
        level: what a source is.
        tracer: identity of the network.
        calibration: of this level, from dev trials with about as many references.

    Raises:
        TableError: no such level; there are no sources; one has no references, the same one twice,
            or one that is of another source, too; a clip has no vector.
    """
    if level not in LEVELS:
        raise TableError(f"there is no level {level!r}, only {', '.join(LEVELS)}")
    if not references:
        raise TableError("there are no sources to enrol")
    owners: dict[str, str] = {}
    for name, clips in references.items():
        if not clips:
            raise TableError(f"the source {name!r} has no references; name at least one clip")
        for clip in clips:
            if clip in owners:
                raise TableError(
                    f"{clip!r} is a reference of {name!r} and already one of {owners[clip]!r}"
                )
            owners[clip] = name
    names = sorted(references)
    counts = [len(references[name]) for name in names]
    own = vectors.of([clip for name in names for clip in sorted(references[name])], "reference")
    means = unit_rows(class_means(own, np.repeat(np.arange(len(names)), counts)))
    return Enrolment(level, tracer, tuple(names), tuple(counts), means, calibration)


def write_enrolment(path: str | Path, enrolment: Enrolment) -> None:
    """Write enrolled sources, whole or not at all."""
    sources = [
        {"name": name, "references": count, "mean": mean.tolist()}
        for name, count, mean in zip(
            enrolment.sources, enrolment.references, enrolment.means, strict=True
        )
    ]
    calibration = enrolment.calibration
    content = {
        "format": _FORMAT,
        "level": enrolment.level,
        "tracer": enrolment.tracer,
        "calibration": None if calibration is None else dict(calibration),
        "sources": sources,
    }
    write_json(path, content)


def read_enrolment(path: str | Path) -> Enrolment:
    """Read enrolled sources.

    Raises:
        SpoofscopeError: the file is missing or is no JSON.
        TableError: it is no file of enrolled sources, or damaged.
    """
    content = read_json(path)
    try:
        if content["format"] != _FORMAT or content["level"] not in LEVELS:
            raise ValueError(f"format {content['format']}, level {content['level']!r}")
        sources = content["sources"]
        means = np.array([source["mean"] for source in sources], dtype=np.float64)
        if means.ndim != 2 or not np.isfinite(means).all():
            raise ValueError("vectors of different sizes, or numbers that are not finite")
        calibration = content["calibration"]
        if calibration is not None and not all(key in calibration for key in CALIBRATION_KEYS):
            raise ValueError("a calibration without some of its keys")
        return Enrolment(
            content["level"],
            content["tracer"],
            tuple(source["name"] for source in sources),
            tuple(int(source["references"]) for source in sources),
            means,
            calibration,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TableError(
            f"{path} is no file of enrolled sources, or damaged ({error}); enrol them again"
        ) from error


def rank(
    enrolment: Enrolment, vectors: Vectors, utt_ids: Sequence[str], tracer: str
) -> pl.DataFrame:
    """Which enrolled sources clips are most like.

    Args:
        enrolment: the sources.
        vectors: of the clips, from the same tracer.
        utt_ids: the clips.
        tracer: identity of the network that the vectors are of.

    Returns:
        Columns `RANKED_COLUMNS`, by clip in the order given and by rank from 1; of the same cosine,
        names in their order. `llr` is the natural-log likelihood ratio of this source over another
        one, null without a calibration.

    Raises:
        DetectorError: it is another tracer.
        TableError: a clip has no vector.
    """
    size = vectors.units.shape[1]
    if tracer != enrolment.tracer or size != enrolment.means.shape[1]:
        raise DetectorError(
            f"the sources were enrolled with the tracer {enrolment.tracer} (vectors of "
            f"{enrolment.means.shape[1]} numbers), and these clips are traced by {tracer} "
            f"({size}); enrol them with this one"
        )
    tests = vectors.of(utt_ids, "test")
    # One source at a time, so that no clip's numbers depend on how many others there are.
    columns = [np.einsum("nd,d->n", tests, mean) for mean in enrolment.means]
    cosines = np.clip(np.stack(columns, axis=1), -1.0, 1.0)
    order = np.argsort(-cosines, axis=1, kind="stable")
    n = len(enrolment.sources)
    ranked = np.take_along_axis(cosines, order, axis=1).ravel()
    ratios = None
    if enrolment.calibration is not None:
        ratios = log_likelihood_ratios(ranked, enrolment.calibration)
    return pl.DataFrame(
        {
            "utt_id": np.repeat(np.array(utt_ids, dtype=object), n).tolist(),
            "rank": np.tile(np.arange(1, n + 1), len(utt_ids)),
            "source": [enrolment.sources[place] for place in order.ravel()],
            "cosine": ranked,
            "llr": [None] * ranked.size if ratios is None else ratios,
        },
        schema=RANKED_COLUMNS,
    )
