"""Which utterances are explained, or masked."""

from pathlib import Path

import numpy as np
import polars as pl

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.identity import rng_of
from spoofscope.names import BONAFIDE
from spoofscope.options.attribution import BEYOND, LEAST_BEYOND, ExplainOptions, Selection
from spoofscope.rows import lines
from spoofscope.selection.operating_points import det_curve, eer

PER_ATTACK = "per_attack"
LISTED = "listed"
"""Why an utterance was chosen, besides rules."""

# Share of a class, and how far a quotient may be off it.
_RATE, _ROUNDING = 1 / LEAST_BEYOND, 1e-12

# That many unknown names say what is wrong.
_NAMED = 5


def select_utterances(
    manifest: pl.DataFrame,
    scores: pl.DataFrame,
    per_attack: int,
    seed: int,
    balanced: bool = False,
) -> pl.DataFrame:
    """A random choice of the scored utterances, stratified by attack; bona fide is one stratum.

    Args:
        manifest: may hold more splits than were scored.
        scores: utt_id and score.
        per_attack: utterances of each stratum, or all where it has fewer.
        seed: decides the choice; the order of the rows does not.
        balanced: whether as many bona fide utterances are chosen as spoofs, or all where there are
            fewer; by default bona fide is a stratum like others.

    Returns:
        Manifest rows with the column `score`, sorted by attack and utt_id.

    Raises:
        TableError: a scored utterance is not in the manifest.
    """
    scored = _scored(manifest, scores)
    chosen: list[str] = []
    counts = scored.filter(pl.col("label") != BONAFIDE).group_by("attack").len()["len"]
    n_spoof = int(counts.clip(0, per_attack).sum())
    for (attack, label), stratum in scored.group_by("attack", "label", maintain_order=True):
        ids = stratum["utt_id"].to_list()
        rng = rng_of("utterances to explain", seed, str(attack))
        size = n_spoof if balanced and label == BONAFIDE else per_attack
        chosen += [ids[i] for i in rng.permutation(len(ids))[:size]]
    return scored.filter(pl.col("utt_id").is_in(chosen))


def _scored(manifest: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Manifest rows of all scored utterances with their score, sorted by attack and utt_id."""
    missing = scores.filter(~pl.col("utt_id").is_in(manifest["utt_id"].implode()))["utt_id"]
    if missing.len():
        raise TableError(
            f"{missing.len()} scored utterances are not in the manifest, such as {missing[0]!r}"
        )
    return manifest.join(scores, on="utt_id").sort("attack", "utt_id")


def utterances_by_rule(
    scored: pl.DataFrame, rule: Selection, per_class: int, seed: int
) -> list[str]:
    """Utterances of each class that a detector judges in a certain way.

    The threshold is the one at equal error rate of these utterances; a score at or above it is
    accepted as bona fide. `confident_right` and `confident_wrong` are those farthest from it on the
    right and on the wrong side, `near_right` and `near_wrong` those nearest to it. `beyond_right`
    and `beyond_wrong` are drawn from those that at most 0.1 % of the other class are beyond, see
    :func:`_beyond`.

    Args:
        scored: utt_id, label and score of both classes.
        rule: which.
        per_class: how many of bona fide and of spoof, or all where there are fewer.
        seed: decides among equal scores; the order of the rows does not.

    Raises:
        TableError: one class is missing, or too small for 0.1 % of it.
    """
    ordered = scored.sort("utt_id")
    is_bonafide = pl.col("label") == BONAFIDE
    classes = (ordered.filter(is_bonafide)["score"], ordered.filter(~is_bonafide)["score"])
    right = pl.lit(rule.endswith("right"))
    drawn = ordered[rng_of("utterances by rule", seed, rule).permutation(ordered.height).tolist()]
    try:
        threshold = eer(*classes).threshold
        if rule in BEYOND:
            below, above = _beyond(*classes)
            sure = (pl.col("score") < below) | (pl.col("score") >= above)
            judged = drawn.filter(sure, ((pl.col("score") >= above) == is_bonafide) == right)
            return judged.group_by("label", maintain_order=True).head(per_class)["utt_id"].to_list()
    except SpoofscopeError as error:
        raise TableError(f"utterances cannot be chosen by {rule}: {error}") from error
    judged = drawn.filter(((pl.col("score") >= threshold) == is_bonafide) == right)
    nearest = judged.sort(
        (pl.col("score") - threshold).abs(),
        descending=rule.startswith("confident"),
        maintain_order=True,
    )
    return nearest.group_by("label", maintain_order=True).head(per_class)["utt_id"].to_list()


def _beyond(bonafide: pl.Series, spoof: pl.Series) -> tuple[float, float]:
    """The highest threshold that rejects at most 0.1 % of bona fide, and the lowest that accepts
    at most 0.1 % of spoofs.

    A score below the first is surely called spoof, one at or above the second surely bona fide, as
    by Staněk et al., "What Do Deepfake Speech Detectors Actually Hear?" (2026). Where the classes
    are so far apart that the first is above the second, both are at the middle of the two.

    Raises:
        SpoofscopeError: a class is missing, or has so few trials that 0.1 % is none of them.
    """
    curve = det_curve(bonafide, spoof)
    for name, scores in (("bona fide", bonafide), ("spoof", spoof)):
        if len(scores) < LEAST_BEYOND:
            raise SpoofscopeError(
                f"0.1 % of {len(scores)} {name} trials is none; there have to be {LEAST_BEYOND}"
            )
    below = float(curve.thresholds[np.flatnonzero(curve.p_miss <= _RATE + _ROUNDING)[-1]])
    above = float(curve.thresholds[np.argmax(curve.p_fa <= _RATE + _ROUNDING)])
    return (below, above) if below <= above else ((below + above) / 2,) * 2


def listed_utterances(path: str | Path) -> list[str]:
    """The names in a text file, one a line; empty lines are left out.

    Raises:
        TableError: as `rows.lines`, or there is no name in it.
    """
    names = [text.strip() for _, text in lines(Path(path)) if text.strip()]
    if not names:
        raise TableError(f"{path}: no utterances are listed; write the name of one in each line")
    return names


def utterances_to_explain(
    manifest: pl.DataFrame,
    scores: pl.DataFrame,
    options: ExplainOptions,
    seed: int,
    listed: str | Path | None = None,
) -> pl.DataFrame:
    """A random sample of each attack, and what is chosen by rules and by name beside it.

    Args:
        manifest: may hold more utterances than were scored.
        scores: utt_id and score.
        options: `per_attack`, `select`, `per_rule` and `utterances`.
        seed: decides the choice; the order of the rows does not.
        listed: the file of names, where `options.utterances` is one.

    Returns:
        Manifest rows with the columns `score` and `chosen_by` (such as `per_attack+near_wrong`),
        sorted by attack and utt_id.

    Raises:
        TableError: a listed utterance was not scored; as the functions above.
    """
    scored = _scored(manifest, scores)
    known = set(scored["utt_id"])
    names = options.utterances if listed is None else listed_utterances(listed)
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        more = "" if len(unknown) <= _NAMED else f" and {len(unknown) - _NAMED} more"
        where = "" if listed is None else f"{listed}: "
        raise TableError(
            f"attribution.utterances: {where}{', '.join(map(repr, unknown[:_NAMED]))}{more} "
            f"{'is' if len(unknown) == 1 else 'are'} not among the {scored.height} scored "
            "utterances of the split that is explained"
        )
    reasons: dict[str, list[str]] = {}
    for name in select_utterances(manifest, scores, options.per_attack, seed)["utt_id"]:
        reasons.setdefault(name, []).append(PER_ATTACK)
    for rule in options.select:
        for name in utterances_by_rule(scored, rule, options.per_rule, seed):
            reasons.setdefault(name, []).append(rule)
    for name in dict.fromkeys(names):
        reasons.setdefault(name, []).append(LISTED)
    chosen_by = pl.DataFrame(
        [(name, "+".join(why)) for name, why in reasons.items()],
        schema={"utt_id": pl.String(), "chosen_by": pl.String()},
        orient="row",
    )
    return scored.join(chosen_by, on="utt_id", maintain_order="left")


def sampled(rows: pl.DataFrame) -> pl.DataFrame:
    """Those of some rows that belong to the random sample, by their column `chosen_by`."""
    return rows.filter(pl.col("chosen_by").str.split("+").list.contains(PER_ATTACK))
