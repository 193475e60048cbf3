"""Splits for corpora that come without: whole groups go to train, dev or eval."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from spoofscope.corpora.base import Corpus
from spoofscope.errors import ConfigError, CorpusError
from spoofscope.identity import seed_of
from spoofscope.tables import SPLITS


class DealtCorpus(Corpus):
    """A corpus without splits of its own, whose groups are dealt to them.

    Options:

    * `fractions`: shares of the groups; None makes everything eval.
    * `seed`: the order in which groups are dealt.
    """

    defaults: ClassVar[Mapping[str, Any]] = {"fractions": None, "seed": 0}

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        super().__init__(root, options, key=key)
        fractions = self.options["fractions"]
        self._fractions = check_fractions(
            {"eval": 1} if fractions is None else fractions, self.owner
        )

    def _deal(
        self, rows: Iterable[Mapping[str, str]], group: Callable[[Mapping[str, str]], str]
    ) -> list[dict[str, str]]:
        """The rows with their split, so that rows of one group stay together.

        Raises:
            CorpusError: fewer groups than splits.
        """
        seed = self.options["seed"]
        rows = sorted(rows, key=lambda row: (seed_of(seed, group(row)), row["utt_id"]))
        splits = split_groups(map(group, rows), self._fractions, self.owner)
        return [{**row, "split": split} for row, split in zip(rows, splits, strict=True)]


def check_fractions(fractions: Any, owner: str) -> dict[str, float]:
    """Fractions of the splits, in the order train, dev, eval; splits that are not named are 0.

    Raises:
        ConfigError: an unknown split, a negative fraction, or fractions that do not add up to 1.
    """
    if not isinstance(fractions, Mapping) or not fractions or set(fractions) - set(SPLITS):
        raise ConfigError(
            f"{owner}: fractions must map splits ({', '.join(SPLITS)}) to numbers, "
            f"not {fractions!r}"
        )
    values = {split: fractions.get(split, 0) for split in SPLITS}
    if any(isinstance(v, bool) or not isinstance(v, int | float) or v < 0 for v in values.values()):
        raise ConfigError(f"{owner}: fractions must be numbers of at least 0, not {fractions!r}")
    if abs(sum(values.values()) - 1) > 1e-6:
        raise ConfigError(f"{owner}: fractions add up to {sum(values.values()):g}, not to 1")
    return {split: float(value) for split, value in values.items()}


def split_groups(groups: Iterable[str], fractions: Mapping[str, float], owner: str) -> list[str]:
    """The split of every item of a sequence, so that items of one group stay together.

    Args:
        groups: the group (speaker, sentence) of each item. Groups are taken in the order of their
            first appearance and cut where the shares of groups reach the fractions.
        fractions: from :func:`check_fractions`.
        owner: what is split, for messages.

    Returns:
        One split per item, in the order of the items.

    Raises:
        CorpusError: fewer groups than splits.
    """
    groups = list(groups)
    order = list(dict.fromkeys(groups))
    wanted = [split for split in SPLITS if fractions[split] > 0]
    if len(order) < len(wanted):
        raise CorpusError(
            f"{owner}: {len(order)} groups (speakers or sentences) cannot fill "
            f"{len(wanted)} splits ({', '.join(wanted)}); change `fractions`"
        )
    split_of: dict[str, str] = {}
    reached, start = 0.0, 0
    for position, split in enumerate(wanted):
        reached += fractions[split]
        still_to_fill = len(wanted) - position - 1
        # Every split gets at least one group, however small its fraction.
        end = min(max(round(reached * len(order)), start + 1), len(order) - still_to_fill)
        split_of.update(dict.fromkeys(order[start:end], split))
        start = end
    return [split_of[group] for group in groups]
