"""Which detectors use which cues: decisions that follow a cue when it changes sides."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from spoofscope.errors import SpoofscopeError
from spoofscope.exhibits import Table
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.counterfactual import Flips, flip_rates, shortcut_index
from spoofscope.metrics.limits import smallest_corrected, smallest_p
from spoofscope.metrics.paired import ALPHA
from spoofscope.metrics.tables import draw
from spoofscope.names import BONAFIDE
from spoofscope.options import check_resamples
from spoofscope.options.shortcuts import Cue
from spoofscope.shortcuts.tables import PUT, STRIP, UNCHANGED, read_audited
from spoofscope.summaries.thresholds import fixed_threshold
from spoofscope.tables import read_manifest, read_table, write_table

USES, NO_EVIDENCE, TOO_FEW = "uses the cue", "no evidence", "too few"
"""The verdicts."""

RATES = {
    ("spoof", PUT): "mark_to_frame",
    ("spoof", STRIP): "strip_to_evade",
    ("bonafide", PUT): "mark_to_evade",
    ("bonafide", STRIP): "strip_to_frame",
}
"""What a rate is called, by the class that carries the cue, and the test."""

TABLE = Table(
    title="Shortcuts",
    shows="Whether decisions follow suspected cues, when these are put on the other class and off.",
    caption=(
        "One row per detector, cue and test. Of n recordings that the detector decides rightly as "
        "they are, rate is the share that it decides wrongly with the cue put on (mark_to_frame: "
        "bona fide rejected; mark_to_evade: spoof accepted) or taken off (strip_to_evade: spoof "
        "accepted; strip_to_frame: bona fide rejected). control_rate is the same for a change as "
        "large that is no cue, and excess is rate less control_rate; intervals are 95 %. p is that "
        "of McNemar's exact test over speakers where they are known; p_holm is corrected over all "
        "tests of this table, and cannot be below p_smallest. index is the mean excess of the "
        "tests that have recordings: 1 if all decisions follow the cue and none its control, 0 if "
        "the control does as much. verdict: 'uses the cue' if p_holm of a test is below 0.05 and "
        "its excess is above 0; 'too few' if no test could have been significant; otherwise 'no "
        "evidence', which does not prove that the cue is unused. removable: whether the study "
        "names a way to take the cue off. energy: of the change over that of the clip; seconds: "
        "by which clips become longer."
    ),
    needs="audited_scores",
    place=66,
)

_OPTIONAL = (
    *("rate", "ci_low", "ci_high", "control_rate", "excess", "excess_low", "excess_high"),
    *("p", "p_holm", "p_smallest", "index", "index_low", "index_high", "energy", "control_energy"),
    "seconds",
)
_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("name", "corpus", "split"), pl.String()),
    "seed": pl.Int64(),
    **dict.fromkeys(("cue", "of", "test", "measure", "removable", "verdict"), pl.String()),
    **dict.fromkeys(("n", "n_units"), pl.Int64()),
}


def make(
    audited: Sequence[Mapping[str, Any]],
    cues: Mapping[str, Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write the table, see :func:`shortcuts`."""
    table = shortcuts(audited, cues, resamples, bootstrap_seed, cluster)
    write_table(outputs["table"], table)


def shortcuts(
    audited: Sequence[Mapping[str, Any]],
    cues: Mapping[str, Mapping[str, Any]],
    resamples: int,
    seed: int,
    cluster: str | None,
) -> pl.DataFrame:
    """All tests, with Holm's correction over them, and a verdict per detector and cue.

    Args:
        audited: of every detector and set: name, seed, corpus, split, `scores` (the table of
            audited scores), `manifest`, and what knows the threshold, see `thresholds`.
        cues: the section `shortcuts.cues`.
        resamples, seed, cluster: as in `metrics.paired.compare`.

    Returns:
        The columns in the caption; `measure` names the rate. A test without recordings, such as
        that of a cue that cannot be taken off, has n of 0 and no rate.

    Raises:
        TableError: a table is damaged, or does not fit its manifest.
        SpoofscopeError: a detector has no threshold, a class is missing, or there are too few
            resamples.
    """
    check_resamples(resamples, "shortcuts.resamples")
    made = {name: Cue.from_dict(cue, f"shortcuts.cues.{name}") for name, cue in cues.items()}
    rows = [row for entry in audited for row in _tests(entry, made, resamples, seed, cluster)]
    tests = [row for row in rows if row["p"] is not None]
    floors = [max(smallest_p(row["n_units"]) or 1.0, np.finfo(float).tiny) for row in tests]
    corrected = holm([row["p"] for row in tests]).tolist() if tests else []
    for row, p_holm, least in zip(tests, corrected, smallest_corrected(floors), strict=True):
        row |= {"p_holm": p_holm, "p_smallest": least}
    for row in rows:
        same = ("name", "corpus", "split", "cue")
        row["verdict"] = verdict([r for r in rows if all(r[key] == row[key] for key in same)])
    order = [*_COLUMNS, *_OPTIONAL]
    schema = {**_COLUMNS, **dict.fromkeys(_OPTIONAL, pl.Float64())}
    return pl.DataFrame(rows, schema=schema, orient="row").select(order)


def verdict(tests: Sequence[Mapping[str, Any]]) -> str:
    """What the tests of one cue show of one detector.

    Args:
        tests: p_holm, p_smallest and excess of each; p_holm is None where there was no test.
    """
    able = [test for test in tests if test["p_holm"] is not None and test["p_smallest"] < ALPHA]
    if any(test["p_holm"] < ALPHA and test["excess"] > 0 for test in able):
        return USES
    return NO_EVIDENCE if able else TOO_FEW


def _tests(
    entry: Mapping[str, Any],
    cues: Mapping[str, Cue],
    resamples: int,
    seed: int,
    cluster: str | None,
) -> list[dict[str, Any]]:
    """The tests of one detector on one set, without correction."""
    scores = read_audited(entry["scores"])
    manifest = read_manifest(entry["manifest"]).filter(split=entry["split"])
    unchanged = scores.filter(cue=UNCHANGED).sort("utt_id")
    trials = unchanged.join(manifest, on="utt_id", how="inner", maintain_order="left")
    if trials.height < unchanged.height:
        raise SpoofscopeError(
            f"{entry['scores']}: an utterance is not in {entry['manifest']}; delete it, and the "
            "next run makes it again"
        )
    threshold = fixed_threshold(entry, "shortcuts")
    draws = draw(trials, resamples, seed, cluster)
    if draws is None:
        raise SpoofscopeError(f"{entry['scores']}: there are no audited recordings")
    trials = trials.with_columns(
        pl.Series("unit", draws.units), (pl.col("score") >= threshold).alias("accepted")
    )
    rows: list[dict[str, Any]] = []
    for name, cue in cues.items():
        of_cue = scores.filter(cue=name)
        flips = {test: _flips(of_cue.filter(test=test), trials, threshold) for test in (PUT, STRIP)}
        index = shortcut_index(list(flips.values()), draws)
        for test, of_test in flips.items():
            rows.append(
                {
                    **{key: entry[key] for key in ("name", "corpus", "split", "seed")},
                    "cue": name,
                    "of": cue.of,
                    "test": test,
                    "measure": RATES[cue.of, test],
                    "removable": "no" if cue.strip is None else "yes",
                    **flip_rates(of_test, draws),
                    "p_holm": None,
                    "p_smallest": None,
                    **index,
                    **_size(of_cue.filter(test=test)),
                }
            )
    return rows


def _flips(forms: pl.DataFrame, trials: pl.DataFrame, threshold: float) -> Flips:
    """Of recordings that are decided rightly as they are: which are not any longer."""
    right = trials.filter(pl.col("accepted") == (pl.col("label") == BONAFIDE))
    sides = []
    for number in (0, 1):
        form = forms.filter(control=number).select("utt_id", pl.col("score").alias("now"))
        known = right.join(form, on="utt_id", how="inner", maintain_order="left")
        sides.append(known.with_columns(flipped=(pl.col("now") >= threshold) != pl.col("accepted")))
    cue, control = sides
    return Flips(cue["flipped"].to_numpy(), control["flipped"].to_numpy(), cue["unit"].to_numpy())


def _size(forms: pl.DataFrame) -> dict[str, float | None]:
    """How large the changes are, on average."""
    cue, control = forms.filter(control=0), forms.filter(control=1)
    energy, seconds, of_control = (
        frame[column].mean()
        for frame, column in ((cue, "energy"), (cue, "seconds"), (control, "energy"))
    )
    return {"energy": energy, "control_energy": of_control, "seconds": seconds}  # type: ignore[dict-item]


def read_shortcuts(path: str) -> pl.DataFrame:
    """The table of shortcuts; an undefined value is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    return read_table(path, _COLUMNS, dict.fromkeys(_OPTIONAL, pl.Float64()))
