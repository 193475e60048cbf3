"""Which utterances are explained."""

import polars as pl

from spoofscope.errors import TableError
from spoofscope.identity import rng_of


def select_utterances(
    manifest: pl.DataFrame, scores: pl.DataFrame, per_attack: int, seed: int
) -> pl.DataFrame:
    """A random choice of the scored utterances, stratified by attack; bona fide is one stratum.

    Args:
        manifest: may hold more splits than were scored.
        scores: utt_id and score.
        per_attack: utterances of each stratum, or all where it has fewer.
        seed: decides the choice; the order of the rows does not.

    Returns:
        Manifest rows with the column `score`, sorted by attack and utt_id.

    Raises:
        TableError: a scored utterance is not in the manifest.
    """
    missing = scores.filter(~pl.col("utt_id").is_in(manifest["utt_id"].implode()))["utt_id"]
    if missing.len():
        raise TableError(
            f"{missing.len()} scored utterances are not in the manifest, such as {missing[0]!r}"
        )
    scored = manifest.join(scores, on="utt_id").sort("attack", "utt_id")
    chosen: list[str] = []
    for (attack,), stratum in scored.group_by("attack", maintain_order=True):
        ids = stratum["utt_id"].to_list()
        rng = rng_of("utterances to explain", seed, str(attack))
        chosen += [ids[i] for i in rng.permutation(len(ids))[:per_attack]]
    return scored.filter(pl.col("utt_id").is_in(chosen))
