"""The threshold that a detector had before its recordings were changed."""

from collections.abc import Mapping
from typing import Any

from spoofscope.disagreements import threshold_at_eer
from spoofscope.errors import SpoofscopeError
from spoofscope.settings import stored_threshold
from spoofscope.tables import read_manifest, read_scores


def fixed_threshold(entry: Mapping[str, Any], section: str) -> float:
    """What a detector decides by, as `plan.scoring.Scores.fixed_threshold` says where it is known.

    Args:
        entry: `detector` or, where it is chosen on other trials, their `dev_scores`,
            `dev_manifest` and `dev_split`.
        section: of the study file, for messages.

    Raises:
        SpoofscopeError: the detector has no threshold.
        TableError: scores and manifest are not of the same utterances.
    """
    if "dev_scores" in entry:
        dev = read_manifest(entry["dev_manifest"]).filter(split=entry["dev_split"])
        return threshold_at_eer(read_scores(entry["dev_scores"]), dev, entry["dev_scores"])
    threshold = stored_threshold(entry["detector"])
    if threshold is None:
        raise SpoofscopeError(
            f"{entry['detector']} has no threshold, so its decisions are not known; name scored "
            f"trials to choose one on, key `{section}.threshold`"
        )
    return threshold
