"""Work on many utterances: one job, or one for each shard and one that joins them.

`scatter_shards` of the study file says into how many shards a split is cut. A rule whose work can
be cut has a second one beside it, `{rule}_shard`. A small corpus is one job of the first rule. Of a
large one, jobs of the second do the work, and a job of the first joins it. What each of them
finishes is kept from a kill in a journal (`spoofscope.shards.journal`).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from spoofscope.plan.jobs import Job, Stage, Work

EVERY_SPLIT = ("train", "dev", "eval")
"""As `tables.SPLITS`, which is no part of the plan because it imports Polars."""


def of_shard(stage: Stage, work: Work, output: str, shard: str) -> Work:
    """What the job of one shard reads and is given.

    Args:
        stage: of the rule.
        work: on all utterances.
        output: the first file that is made of all of them.
        shard: such as `2-of-8`.
    """
    journal = stage.layout.journal(stage.layout.shard(output, shard))
    return replace(work, settings={**work.settings, "shard": shard, "work": journal})


def of_all(
    stage: Stage, work: Work, output: str, splits: Iterable[str], job: Callable[[str], Job]
) -> Work:
    """What the job reads and is given that makes the outputs of all utterances.

    Args:
        stage: of the rule.
        work: on all utterances.
        output: the first file that is made of them.
        splits: which splits they are of; the one that is cut most decides.
        job: the job of a shard.
    """
    shards = max((stage.study.shard_names(split) for split in splits), key=len)
    parts = [job(shard).product(stage.layout.shard(output, shard)) for shard in shards]
    return replace(
        work,
        # A single shard would be a job more, which does all of the work.
        inputs={**work.inputs, "parts": parts if len(parts) > 1 else []},
        settings={**work.settings, "work": stage.layout.journal(output)},
    )
