"""The pack of a study: clips that all detectors explain, with the evidence for spoof."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.identity import rng_of
from spoofscope.labelling.pack import Floats, PackedDetector, write_pack
from spoofscope.tables import read_table

logger = logging.getLogger(__name__)


class Explained(Protocol):
    """An explanation of `attribution.store`."""

    score: float

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Which frames some window covers, (frames,)."""

    def evidence(self, label: Literal["bonafide", "spoof"]) -> npt.NDArray[np.float64]:
        """What each frame adds to the score of `label`, (frames,)."""


class Explanations(Protocol):
    """The explanations in a file of `attribution.store`."""

    utt_ids: list[str]
    settings: Any

    def __getitem__(self, utt_id: str) -> Any:
        """An :class:`Explained`."""


def collect(
    folder: str | Path,
    about: Mapping[str, str],
    manifest: pl.DataFrame,
    detectors: Sequence[Mapping[str, Any]],
    clips: int | None,
    seed: int,
) -> None:
    """Write the pack.

    Args:
        folder: of the pack.
        about: study, corpus and split.
        manifest: rows of the corpus.
        detectors: of each its name, run, seed, threshold (None where none is known), its
            `attributions`, an :class:`Explanations`, and the `reasons` of :func:`read_reasons`.
        clips: how many, evenly over attacks and bona fide; None: all that all detectors explain.
        seed: of the choice and of the keys.

    Raises:
        SpoofscopeError: no clip is explained by all, or one cannot be read.
        TableError: an explained clip is not in the manifest.
    """
    explained: dict[str, Explanations] = {e["name"]: e["attributions"] for e in detectors}
    of_each = [set(attributions.utt_ids) for attributions in explained.values()]
    common = set.intersection(*of_each)
    if not common:
        names = ", ".join(explained)
        raise SpoofscopeError(
            f"no clip is explained by all of {names}; name detectors that explain the same clips "
            "in annotation.detectors"
        )
    left_out = len(set.union(*of_each)) - len(common)
    if left_out:
        logger.warning("%d clips are not explained by all detectors, and left out", left_out)
    rows = manifest.filter(pl.col("utt_id").is_in(list(common)))
    if rows.height < len(common):
        missing = min(common - set(rows["utt_id"]))
        raise TableError(f"the explained clip {missing!r} is not in the manifest")
    packed = [
        PackedDetector(
            name=entry["name"],
            run=entry["run"],
            seed=entry["seed"],
            method=explained[entry["name"]].settings.method,
            hop_seconds=explained[entry["name"]].settings.hop_seconds,
            first_centre_seconds=explained[entry["name"]].settings.first_centre_seconds,
            threshold=entry["threshold"],
        )
        for entry in detectors
    ]

    def each() -> Iterator[tuple[dict[str, Any], dict[str, float], dict[str, Floats]]]:
        for row in chosen(rows, clips, seed).iter_rows(named=True):
            found = {name: of[row["utt_id"]] for name, of in explained.items()}
            scores = {name: explanation.score for name, explanation in found.items()}
            # Each detector has clips that it gets wrong; a clip may be there for several reasons.
            reasons = "+".join(entry["reasons"][row["utt_id"]] for entry in detectors)
            row["chosen_by"] = "+".join(dict.fromkeys(reasons.split("+")))
            yield row, scores, {name: evidence_of(item) for name, item in found.items()}

    write_pack(folder, about, seed, packed, each())


def read_reasons(summary: str | Path) -> dict[str, str]:
    """Why each clip of a summary of explanations was chosen, by its utterance.

    Raises:
        TableError: it is damaged.
    """
    table = read_table(summary, dict.fromkeys(("utt_id", "chosen_by"), pl.String()))
    return dict(table.select("utt_id", "chosen_by").iter_rows())


def evidence_of(explanation: Explained) -> Floats:
    """What each frame adds to the score of spoof, (frames,), NaN where no window covers it."""
    curve = explanation.evidence("spoof").astype(np.float32)
    curve[~explanation.seen] = np.nan
    return curve


def chosen(rows: pl.DataFrame, clips: int | None, seed: int) -> pl.DataFrame:
    """Some of the clips, evenly over attacks and bona fide; the order of the rows does not matter.

    Args:
        rows: utt_id and attack.
        clips: how many; all where there are fewer, or where it is None.
        seed: of the choice.
    """
    ordered = rows.sort("utt_id")
    if clips is None or clips >= rows.height:
        return ordered
    # In every round each attack gives one of its clips, in random order.
    places = ordered.select("utt_id", "attack").with_columns(
        rank=pl.Series(rng_of("clips to label", seed).permutation(rows.height))
    )
    places = places.with_columns(round=pl.col("rank").rank("ordinal").over("attack"))
    first = places.sort("round", "rank").head(clips)["utt_id"]
    return ordered.filter(pl.col("utt_id").is_in(first.implode()))
