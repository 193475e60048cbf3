"""Numbers of utterances beside the published ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from spoofscope.corpora.base import Problem
from spoofscope.names import ALL
from spoofscope.tables import LABELS, SPLITS


@dataclass(frozen=True)
class Count:
    """Utterances of a label, or of a level of another column, in a split or in `all`.

    n: in the manifest. left_out: files that could not be used; of a level, all those of the split.
    published: None where nobody says.
    counted_by: who counted it, where that is not who gives the corpus out.
    """

    split: str
    column: str
    level: str
    n: int
    left_out: int
    published: int | None
    counted_by: str = ""

    @property
    def item(self) -> str:
        """What is counted."""
        return self.level if self.column == "label" else f"{self.column} {self.level}"

    @property
    def status(self) -> str:
        """`warn` where files that were left out make up for the difference, else `fail`.

        Nor is a difference from what others counted more than `warn`: they may be wrong.
        """
        if self.published is None or self.n == self.published:
            return "ok"
        return "warn" if self._explained or self.counted_by else "fail"

    @property
    def _explained(self) -> bool:
        lacking = (self.published or 0) - self.n
        return lacking == self.left_out or (self.column != "label" and 0 < lacking <= self.left_out)

    @property
    def note(self) -> str:
        """The same in words."""
        if self.published is None:
            return "no published count"
        told = f"{self.counted_by} counted" if self.counted_by else "published"
        if self.n == self.published:
            return f"as {told}: {self.published}"
        if self._explained:
            return f"{told} {self.published}; {self.published - self.n} left out"
        kept = self.left_out if self.column == "label" else 0
        return f"{told} {self.published}, {self.n + kept - self.published:+d} here"


def counts(
    manifest: pl.DataFrame,
    problems: Sequence[Problem],
    by_label: Mapping[tuple[str, str], int] | None,
    by_level: Mapping[tuple[str, str, str], int] | None = None,
    counted_by: str = "",
) -> Iterator[Count]:
    """All labels of the splits that are there, then what else has a published number.

    Args:
        manifest: of the corpus.
        problems: files that were left out of it.
        by_label: published utterances by split and label.
        by_level: published utterances by split, column and level, such as a codec; the split is
            `all` for those of all splits together.
        counted_by: see :class:`Count`.
    """
    present = set(manifest["split"])
    for split in (split for split in SPLITS if split in present):
        of_split = manifest.filter(split=split)
        for label in LABELS:
            left_out = sum(p.split == split and p.label == label for p in problems)
            n = of_split.filter(label=label).height
            published = (by_label or {}).get((split, label))
            yield Count(split, "label", label, n, left_out, published, counted_by)
        left_out = sum(p.split == split for p in problems)
        for (where, column, level), of_level in (by_level or {}).items():
            if where == split:
                n = of_split.filter(pl.col(column) == level).height
                yield Count(split, column, level, n, left_out, of_level, counted_by)
    for (where, column, level), of_level in (by_level or {}).items():
        if where == ALL:
            n = manifest.filter(pl.col(column) == level).height
            yield Count(ALL, column, level, n, len(problems), of_level, counted_by)


def unlike_published(found: Sequence[Count]) -> list[str]:
    """A warning with the numbers for the counts that are not the published ones."""
    unlike = [count for count in found if count.status != "ok"]
    if not unlike:
        return []
    numbers = ", ".join(f"{c.split} {c.item} {c.n:,} ({c.note})" for c in unlike[:8])
    more = f", and {len(unlike) - 8} more (see the audit)" if len(unlike) > 8 else ""
    by = unlike[0].counted_by
    others = f"{by} counted, perhaps wrongly" if by else "are published"
    return [f"not as many utterances as {others}: {numbers}{more}"]
