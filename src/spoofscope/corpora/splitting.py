"""Splits for corpora that come without: whole groups go to train, dev or eval."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import polars as pl

from spoofscope.corpora.base import Corpus
from spoofscope.errors import CorpusError
from spoofscope.identity import seed_of
from spoofscope.names import ALL, NONE
from spoofscope.options.corpora.base import DealtOptions, Fractions
from spoofscope.tables import LABELS, SPLITS

FEW_TRIALS = 50
"""So many trials of a class are few to choose a threshold on, or a calibration."""

_ALL = "any"
_DEALS = 10
# Moves of a search beyond those that help at once, and groups that may come back for one.
_STEPS = 200
_EXCHANGED = 50
_MEANS = {
    "train": "nothing here tests it",
    "dev": "it is neither trained on nor tested",
    "eval": "nothing here was trained on it",
}


class DealtCorpus(Corpus):
    """A corpus without splits of its own, whose groups are dealt to them.

    `fractions` are shares of the groups of every class and attack, so that each split has all of
    them where there are groups enough.
    """

    declared: ClassVar[type[DealtOptions]] = DealtOptions
    options: DealtOptions

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        super().__init__(root, options, key=key)
        self._fractions = (self.options.fractions or Fractions(eval=1.0)).to_dict()

    def _deal(
        self, rows: Iterable[Mapping[str, str]], group: Callable[[Mapping[str, str]], str]
    ) -> list[dict[str, str]]:
        """The rows with their split, so that rows of one group stay together.

        A group "-" is not known to be one: its rows are dealt one by one.

        Raises:
            CorpusError: fewer groups than splits.
        """
        seed = self.options.seed

        def group_of(row: Mapping[str, str]) -> str:
            name = group(row)
            return f"- {row['utt_id']}" if name in ("", "-") else name

        rows = sorted(rows, key=lambda row: (seed_of(seed, group_of(row)), row["utt_id"]))
        splits = deal_groups(
            [group_of(row) for row in rows],
            [(row["label"], row["attack"]) for row in rows],
            self._fractions,
            self.owner,
        )
        return [{**row, "split": split} for row, split in zip(rows, splits, strict=True)]


def _cuts(n: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """Sizes of the splits of `n` groups, which are at least as many as the splits.

    Every split gets at least one group, however small its fraction.
    """
    splits = [split for split in SPLITS if fractions[split] > 0]
    sizes: dict[str, int] = {}
    reached, start = 0.0, 0
    for position, split in enumerate(splits):
        reached += fractions[split]
        still_to_fill = len(splits) - position - 1
        end = min(max(round(reached * n), start + 1), n - still_to_fill)
        sizes[split] = end - start
        start = end
    return sizes


def _check_enough(n: int, fractions: Mapping[str, float], owner: str) -> None:
    splits = [split for split in SPLITS if fractions[split] > 0]
    if n < len(splits):
        raise CorpusError(
            f"{owner}: {n} groups (speakers or sentences) cannot fill "
            f"{len(splits)} splits ({', '.join(splits)}); change `fractions`"
        )


def split_groups(groups: Iterable[str], fractions: Mapping[str, float], owner: str) -> list[str]:
    """The split of every item of a sequence, so that items of one group stay together.

    Args:
        groups: the group (speaker, sentence) of each item. Groups are taken in the order of their
            first appearance and cut where the shares of groups reach the fractions.
        fractions: share of every split, see `options.corpora.base.Fractions`.
        owner: what is split, for messages.

    Returns:
        One split per item, in the order of the items.

    Raises:
        CorpusError: fewer groups than splits.
    """
    groups = list(groups)
    order = list(dict.fromkeys(groups))
    _check_enough(len(order), fractions, owner)
    sizes = _cuts(len(order), fractions)
    split_of = dict(zip(order, (s for s, n in sizes.items() for _ in range(n)), strict=True))
    return [split_of[group] for group in groups]


def deal_held_out(
    groups: Iterable[str], split_of: Mapping[str, str], fractions: Mapping[str, float], owner: str
) -> dict[str, str]:
    """The split of every group of held-out attacks.

    A group that others have, too, has their split. Groups of their own are cut between dev and
    eval, in the proportion of the fractions; a single one goes to eval.

    Args:
        groups: of held-out attacks; they are sorted.
        split_of: the split of every group that others have.
        fractions: share of every split, see `options.corpora.base.Fractions`.
        owner: what is split, for messages.

    Raises:
        CorpusError: neither dev nor eval has a share.
    """
    groups = set(groups)
    own = sorted(groups - set(split_of))
    found = {group: split_of[group] for group in sorted(groups & set(split_of))}
    if own:
        tested = [split for split in ("dev", "eval") if fractions[split] > 0][-len(own) :]
        if not tested:
            raise CorpusError(
                f"{owner}: only_test and only_dev need a share of dev or eval in `fractions`"
            )
        whole = sum(fractions[split] for split in tested)
        shares = {s: fractions[s] / whole if s in tested else 0.0 for s in SPLITS}
        found |= zip(own, split_groups(own, shares, owner), strict=True)
    return found


def without_held_out(
    rows: Iterable[dict[str, str]], column: str, held: Collection[str], dev_alone: Collection[str]
) -> list[dict[str, str]]:
    """Rows without those of held-out attacks in train, and of some of these in eval.

    Args:
        rows: each with its split.
        column: says whose a row is.
        held: values of the column that are in no training.
        dev_alone: those of them that are in dev alone.
    """
    barred = {(name, "train") for name in held} | {(name, "eval") for name in dev_alone}
    return [row for row in rows if (row[column], row["split"]) not in barred]


def deal_groups(
    groups: Sequence[str],
    kinds: Sequence[tuple[str, str]],
    fractions: Mapping[str, float],
    owner: str,
) -> list[str]:
    """The split of every item, so that groups stay together and every split has every kind.

    The groups of each class and attack are dealt in the proportion of the fractions, those of the
    rarest attack first, each to the split that lacks most of it (iterative stratification,
    Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", ECML PKDD 2011;
    here the examples are groups). Where a class, or an attack that has as many groups as there are
    splits, is missing in a split after that, groups are moved or exchanged as far as that helps;
    then also where it does not help at once (tabu search, Glover 1989), for so many moves.

    Args:
        groups: the group (speaker, file name) of each item; they are dealt in the order of their
            first appearance.
        kinds: label and attack of each item.
        fractions: share of every split, see `options.corpora.base.Fractions`.
        owner: what is split, for messages.

    Returns:
        One split per item, in the order of the items.

    Raises:
        CorpusError: fewer groups than splits.
    """
    kinds_of: dict[str, set[str]] = {}
    for group, (label, attack) in zip(groups, kinds, strict=True):
        # Bona fide items have the attack "-", so every group has an attack.
        kinds_of.setdefault(group, {_ALL}).update({f"label {label}", f"with attack {attack}"})
    _check_enough(len(kinds_of), fractions, owner)
    best = _dealt(kinds_of, fractions)
    # Other orders may come out better; more than some are not worth the time.
    for start in range(1, min(len(kinds_of), _DEALS)):
        if not best.missing():
            break
        turned = [*list(kinds_of)[start:], *list(kinds_of)[:start]]
        other = _dealt({group: kinds_of[group] for group in turned}, fractions)
        best = min(best, other, key=lambda dealer: len(dealer.missing()))
    best.search()
    return [best.split_of[group] for group in groups]


def _dealt(kinds_of: Mapping[str, set[str]], fractions: Mapping[str, float]) -> "_Dealer":
    dealer = _Dealer(kinds_of, fractions)
    dealer.deal()
    dealer.mend()
    return dealer


class _Dealer:
    """Groups on their way to splits."""

    def __init__(self, kinds_of: Mapping[str, set[str]], fractions: Mapping[str, float]) -> None:
        self.kinds_of = kinds_of
        self.wanted = [split for split in SPLITS if fractions[split] > 0]
        self.split_of: dict[str, str] = {}
        members: dict[str, list[str]] = {}
        for group, kinds in kinds_of.items():
            for kind in sorted(kinds):
                members.setdefault(kind, []).append(group)
        self.members = members
        self.counts = {kind: dict.fromkeys(self.wanted, 0) for kind in members}
        # Kinds that can be in every split; the classes before the attacks.
        self.possible = [k for k in sorted(members) if len(members[k]) >= len(self.wanted)]
        self.sizes = {kind: _cuts(len(members[kind]), fractions) for kind in self.possible}

    def _put(self, group: str, split: str) -> None:
        former = self.split_of.get(group)
        for kind in self.kinds_of[group]:
            self.counts[kind][split] += 1
            if former is not None:
                self.counts[kind][former] -= 1
        self.split_of[group] = split

    def _lack(self, kind: str, split: str) -> int:
        # A kind with too few groups is spread, and goes where its class is lacking.
        return self.sizes.get(kind, {}).get(split, 0) - self.counts[kind][split]

    def deal(self) -> None:
        """Every group, those of the rarest kind first."""
        left = {k: groups for k, groups in self.members.items() if k.startswith("with attack ")}
        while left:
            # Of equally rare kinds the one whose groups come first.
            kind = min(left, key=lambda kind: len(left[kind]))
            for group in left.pop(kind):
                others = sorted(self.kinds_of[group] - {kind, _ALL})

                def need(split: str, kind: str = kind, others: list[str] = others) -> list[int]:
                    lacks = [self._lack(kind, split), sum(self._lack(k, split) for k in others)]
                    return [*lacks, self._lack(_ALL, split)]

                self._put(group, max(self.wanted, key=need))
            left = {
                kind: rest
                for kind, groups in left.items()
                if (rest := [group for group in groups if group not in self.split_of])
            }

    def missing(self) -> list[tuple[str, str]]:
        return [
            (kind, split)
            for kind in self.possible
            for split in self.wanted
            if not self.counts[kind][split]
        ]

    def mend(self) -> None:
        """Move or exchange groups while that makes fewer kinds missing."""
        missing = self.missing()
        while missing:
            for kind, split in missing:
                if self._mended(kind, split, len(missing)):
                    break
            else:
                return
            missing = self.missing()

    def search(self) -> None:
        """Move or exchange groups, for better or worse, and keep the best that was met."""
        best, fewest = dict(self.split_of), len(self.missing())
        # A group that was moved stays for a while, or the same moves would come back.
        resting: deque[str] = deque(maxlen=max(1, len(self.split_of) // 4))
        for step in range(_STEPS):
            missing = self.missing()
            if not missing:
                return
            kind, split = missing[step % len(missing)]
            moves = [
                (group, other)
                for group in self.members[kind]
                if group not in resting
                for other in (
                    None,
                    *[g for g, s in self.split_of.items() if s == split][:_EXCHANGED],
                )
                if other not in resting
            ]
            if not moves:
                resting.clear()
                continue
            group, other = min(moves, key=lambda pair: self._after(pair[0], pair[1], split))
            self._exchange(group, other, split)
            resting.extend(each for each in (group, other) if each is not None)
            if (left := len(self.missing())) < fewest:
                best, fewest = dict(self.split_of), left
        for group, split in best.items():
            self._put(group, split)

    def _exchange(self, group: str, other: str | None, split: str) -> None:
        former = self.split_of[group]
        self._put(group, split)
        if other is not None:
            self._put(other, former)

    def _after(self, group: str, other: str | None, split: str) -> tuple[int, int]:
        """What a move would leave missing, and how far the sizes would be from the fractions."""
        before = self.split_of[group]
        self._exchange(group, other, split)
        left = len(self.missing()), sum(abs(self._lack(_ALL, each)) for each in self.wanted)
        self._put(group, before)
        if other is not None:
            self._put(other, split)
        return left

    def _mended(self, kind: str, split: str, n_missing: int) -> bool:
        """Bring a group of the kind into the split, alone or for one of the split's own."""
        for group in self.members[kind]:
            former = self.split_of[group]
            self._put(group, split)
            if len(self.missing()) < n_missing:
                return True
            for other in [g for g, s in self.split_of.items() if s == split and g != group]:
                self._put(other, former)
                if len(self.missing()) < n_missing:
                    return True
                self._put(other, split)
            self._put(group, former)
        return False


class Uneven(NamedTuple):
    """Something about the splits that makes results uncertain.

    check: `few_trials` (of a class in dev), `no_bonafide` (in the whole corpus) or
    `attack_in_one_split`. item: the label, or the attack. n: trials. note: in words.
    """

    check: str
    split: str
    item: str
    n: int
    note: str


def uneven(trials: pl.DataFrame) -> list[Uneven]:
    """What of the splits of a corpus has to be said.

    Args:
        trials: manifest rows.
    """
    remarks = []
    splits = [split for split in SPLITS if (trials["split"] == split).any()]
    labels = [label for label in LABELS if (trials["label"] == label).any()]
    if "bonafide" not in labels and splits != ["eval"]:
        note = "there is no bona fide speech: spoofs can be traced, and no detector can be trained"
        remarks.append(Uneven("no_bonafide", ALL, "bonafide", 0, note))
        labels = []
    for label in labels if "dev" in splits else ():
        n = trials.filter((pl.col("split") == "dev") & (pl.col("label") == label)).height
        if n < FEW_TRIALS:
            kind = "bona fide" if label == "bonafide" else "spoofed"
            note = (
                f"dev has {n} {kind} {'trial' if n == 1 else 'trials'}, fewer than "
                f"{FEW_TRIALS}: thresholds and calibrations chosen there are uncertain"
            )
            remarks.append(Uneven("few_trials", "dev", label, n, note))
    if len(splits) > 1:
        places = (
            trials.filter(pl.col("label") == "spoof")
            .group_by("attack")
            .agg(
                pl.col("split").unique(),
                pl.len(),
                # Of trials without a speaker, nobody knows how many there are.
                pl.when((pl.col("speaker") != NONE).all())
                .then(pl.col("speaker").n_unique())
                .alias("speakers"),
            )
            .sort("attack")
        )
        for attack, where, n, speakers in places.iter_rows():
            if len(where) == 1:
                trials_of = f"{n} trial{'' if n == 1 else 's'}"
                if speakers is not None:
                    trials_of += f" of {speakers} speaker{'' if speakers == 1 else 's'}"
                note = f"the attack {attack} is in {where[0]} only: {trials_of}; {_MEANS[where[0]]}"
                remarks.append(Uneven("attack_in_one_split", where[0], attack, n, note))
    return remarks


def as_warnings(remarks: Sequence[Uneven]) -> list[str]:
    """The same in one line each for the terminal; attacks in one line for each split."""
    warnings = [each.note for each in remarks if each.check != "attack_in_one_split"]
    for split in SPLITS:
        attacks = [e.item for e in remarks if e.check == "attack_in_one_split" and e.split == split]
        if attacks:
            names = ", ".join(attacks[:10]) + (", ..." if len(attacks) > 10 else "")
            count = "1 attack is" if len(attacks) == 1 else f"{len(attacks)} attacks are"
            warnings.append(f"{count} in {split} only ({names}); {_MEANS[split]}")
    return warnings
