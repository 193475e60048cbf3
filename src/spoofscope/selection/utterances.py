"""Which utterances are explained, or masked."""

import polars as pl

from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.names import BONAFIDE


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
    missing = scores.filter(~pl.col("utt_id").is_in(manifest["utt_id"].implode()))["utt_id"]
    if missing.len():
        raise TableError(
            f"{missing.len()} scored utterances are not in the manifest, such as {missing[0]!r}"
        )
    scored = manifest.join(scores, on="utt_id").sort("attack", "utt_id")
    chosen: list[str] = []
    counts = scored.filter(pl.col("label") != BONAFIDE).group_by("attack").len()["len"]
    n_spoof = int(counts.clip(0, per_attack).sum())
    for (attack, label), stratum in scored.group_by("attack", "label", maintain_order=True):
        ids = stratum["utt_id"].to_list()
        rng = rng_of("utterances to explain", seed, str(attack))
        size = n_spoof if balanced and label == BONAFIDE else per_attack
        chosen += [ids[i] for i in rng.permutation(len(ids))[:size]]
    return scored.filter(pl.col("utt_id").is_in(chosen))
