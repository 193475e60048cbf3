"""Joining what was computed in shards; a line at a time, so that memory does not grow with it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from spoofscope.errors import TableError
from spoofscope.files import atomic_path
from spoofscope.rows import finite_number
from spoofscope.tables import SCORE_COLUMNS, stream_table


def gather_scores(
    shards: Sequence[str | Path], manifest: str | Path, split: str, out_tsv: str | Path
) -> None:
    """Join the score files of a split's shards, and check that they are whole.

    Shards are contiguous parts of the manifest and scores keep its order, so the shards one after
    the other must name exactly the utterances of the split, each once, in the manifest's order.

    Args:
        shards: score files, first part first.
        manifest: the manifest that was cut into shards.
        split: the split that they are of.
        out_tsv: the joined scores, with the very digits of the shards.

    Raises:
        TableError: as :func:`spoofscope.tables.stream_table`; an utterance without score or a score
            without utterance, the order of the shards, or a score that is no finite number.
    """
    utterances = _utterances(manifest, split)
    with atomic_path(out_tsv) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        stream.write("\t".join(SCORE_COLUMNS) + "\n")
        for shard in shards:
            for number, (utt_id, score) in stream_table(shard, list(SCORE_COLUMNS)):
                expected = next(utterances, None)
                if utt_id != expected:
                    raise TableError(
                        f"{shard}: line {number}: a score of {utt_id!r} where {manifest} goes on "
                        + (f"with {expected!r}" if expected else f"with nothing more of {split}")
                        + "; the shards are not of this manifest, or not in order"
                    )
                _check_score(score, f"{shard}: line {number}")
                stream.write(f"{utt_id}\t{score}\n")
        left = next(utterances, None)
        if left is not None:
            raise TableError(
                f"{out_tsv}: {left!r} and {sum(1 for _ in utterances)} more utterances of "
                f"{manifest} ({split}) are in none of the {len(shards)} shards"
            )


def _utterances(manifest: str | Path, split: str) -> Iterator[str]:
    for _, (utt_id, own_split) in stream_table(manifest, ["utt_id", "split"]):
        if own_split == split:
            yield utt_id


def _check_score(text: str, where: str) -> None:
    if finite_number(text) is None:
        raise TableError(f"{where}: column 'score': {text!r} is not a finite number")
