"""What every corpus reader has in common."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from spoofscope.audio import has_suffix
from spoofscope.corpora.source_lists import SourceLists
from spoofscope.errors import CorpusError
from spoofscope.files import files_below, is_text, paths_below, shown
from spoofscope.names import ALL, NONE, check_attack, check_condition
from spoofscope.options.corpora.base import CorpusOptions, StoredOptions
from spoofscope.recordings import portable_path
from spoofscope.rows import rows
from spoofscope.tables import LABELS, SPLITS, read_segments

TRIAL_COLUMNS = ("utt_id", "path", "split", "label", "attack", "speaker")

# Options of any reader that name files with labels.
_LABEL_OPTIONS = ("file", "metadata", "segments")


@dataclass(frozen=True)
class Problem:
    """One audio file that cannot be used, or some files that are none, and why."""

    utt_id: str
    path: str
    split: str
    label: str
    reason: str


@dataclass(frozen=True)
class Misplaced:
    """Clips of an attack in a file of the corpus that is to hold others.

    file: its name. n: clips. note: in words.
    """

    split: str
    attack: str
    file: str
    n: int
    note: str


def of_audio(paths: Iterable[Path], others: Counter[str] | None = None) -> list[Path]:
    """The audio among files, by suffix, sorted; `others` counts the rest by their suffixes."""
    audio = []
    for path in paths:
        if has_suffix(path):
            audio.append(path)
        elif others is not None:
            others[path.suffix.lower()] += 1
    return sorted(audio)


def audio_files(folder: Path, others: Counter[str] | None = None) -> list[Path]:
    """All audio of `files.files_below`, see :func:`of_audio`."""
    return of_audio(files_below(folder), others)


def audio_paths(folder: Path) -> Iterator[str]:
    """All audio below a folder, by suffix, as text and in any order."""
    for path in paths_below(folder):
        if has_suffix(path):
            yield path


class Corpus(ABC):
    """A folder of audio with labels, in the layout in which its authors distribute it.

    Args:
        root: the folder that holds the corpus.
        options: its entry in the study file, without `type`; what it can be told is declared in
            `options.corpora`.
        key: the corpus' name in the study file, for messages.

    Raises:
        ConfigError: an unknown option, or a value that it cannot have.
    """

    name: ClassVar[str]
    # Where its authors give it out, for people who have to fetch it.
    obtain: ClassVar[str] = ""
    # Who counted what `published_counts` and `published_levels` give, where not its authors.
    counted_by: ClassVar[str] = ""
    # Columns of the manifest beyond those of every corpus; more where an option names a table.
    conditions: ClassVar[tuple[str, ...]] = ()
    # Files with labels that its layout prescribes, below the root. The manifest is stale when they
    # change; files that options name are watched anyway.
    protocols: ClassVar[tuple[str, ...]] = ()
    declared: ClassVar[type[CorpusOptions]] = StoredOptions
    options: CorpusOptions

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        self.root = root
        self.key = key
        self.owner = f"corpora.{key} (type {self.name})"
        self.options = self.declared.from_dict(options, f"corpora.{key}")
        self._others: Counter[str] = Counter()
        self._nameless: list[Path] = []

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the study asks for, in the order train, dev, eval."""
        return tuple(s for s in SPLITS if s in (self.options.splits or SPLITS))

    def trials(self) -> pl.DataFrame:
        """The manifest without duration and sample rate.

        Returns:
            utt_id, path, split, label, attack ("-" for bona fide), speaker, then the corpus' own
            conditions; all strings, "-" where something does not apply; sorted by utt_id.

        Raises:
            CorpusError: a folder or protocol is missing or malformed; an id that is there twice;
                an unknown label; a split without utterances; train or dev with a single class,
                unless the corpus has spoofs alone.
        """
        if not self.root.is_dir():
            raise CorpusError(
                f"{self.root}: no such folder; corpora.{self.key}.path must name the folder that "
                f"holds the corpus (type {self.name})"
            )
        if not is_text(str(self.root)):
            raise CorpusError(
                f"{shown(self.root)}: the name of this folder is not UTF-8, or has a line break or "
                f"a tab, and tables hold it ({self.owner}); rename it"
            )
        self._others.clear()
        self._nameless.clear()
        rows = list(self.rows())
        if not rows:
            raise CorpusError(f"{self.root}: no utterances found for {self.owner}")
        columns = list(dict.fromkeys([*TRIAL_COLUMNS, *(name for row in rows for name in row)]))
        frame = pl.DataFrame(
            {name: [row.get(name) or "-" for row in rows] for name in columns},
            schema={name: pl.String() for name in columns},
        )
        frame = frame.sort("utt_id")
        self._check(frame)
        # Spoofs without any bona fide speech are for source tracing; trainings refuse them.
        spoofs_only = not (frame["label"] == "bonafide").any()
        frame = frame.filter(pl.col("split").is_in(self.splits))
        self._check_splits(frame, spoofs_only)
        return frame

    @abstractmethod
    def rows(self) -> Iterable[Mapping[str, str]]:
        """One mapping per utterance: the trial columns and any conditions.

        The root exists when this is called. Rows of splits that the study does not ask for may be
        left out, or given: they are dropped later.
        """

    def list_files(self, name: str) -> list[Path]:
        """The files of the lists of source verification of that name that are there.

        Raises:
            CorpusError: corpora of this type have no lists.
        """
        raise self._without_lists()

    def source_lists(self, name: str) -> SourceLists:
        """The lists of source verification of that name.

        Raises:
            CorpusError: the corpus has none; a list is missing or malformed.
        """
        raise self._without_lists()

    def _without_lists(self) -> CorpusError:
        return CorpusError(
            f"{self.owner} has no lists of source verification; leave out `verification.lists`, "
            "and trials are drawn"
        )

    def audio_below(self, folder: Path) -> list[Path]:
        """What :func:`audio_files` finds, see :meth:`taken`."""
        return self.taken(audio_files(folder, self._others), folder)

    def taken(self, paths: Iterable[Path], folder: Path) -> list[Path]:
        """The audio files of a folder of which tables can hold the name; others are left out.

        See :meth:`left_out`.

        Raises:
            CorpusError: there are such names, and `on_bad_audio` is `fail`.
        """
        paths = list(paths)
        named = [path for path in paths if is_text(str(path))]
        nameless = [path for path in paths if not is_text(str(path))]
        if nameless and self.options.on_bad_audio != "exclude":
            raise CorpusError(
                f"{shown(folder)}: {len(nameless)} audio files of {self.owner} have names that no "
                f"table can hold, because they are not UTF-8 or have line breaks or tabs; the "
                f"first is {shown(min(nameless).name)}. Rename them, or set "
                f"corpora.{self.key}.on_bad_audio to exclude to go on without them"
            )
        self._nameless += nameless
        return named

    def left_out(self) -> list[Problem]:
        """What :meth:`trials` passed over below the folders of audio."""
        reason = "its name is not UTF-8, or has a line break or a tab; rename it"
        nameless = [
            Problem(shown(path.name), shown(path), ALL, NONE, reason)
            for path in sorted(self._nameless)
        ]
        root = portable_path(self.root)
        others = [
            Problem(
                shown(f"*{suffix}"),
                root,
                ALL,
                NONE,
                f"files that do not have the suffix of audio that is read: {n} "
                f"{f'of suffix {shown(suffix)}' if suffix else 'without any'}",
            )
            for suffix, n in sorted(self._others.items())
        ]
        return nameless + others

    def found(self) -> Iterator[str] | None:
        """Paths of all audio that the reader finds by looking into folders.

        None where tables say which files there are. It is asked before every run, so it reads no
        file.

        Raises:
            CorpusError: as :meth:`trials`.
        """
        return None

    def segments(self) -> pl.DataFrame | None:
        """The segments of the corpus (see `tables.read_segments`), or None when it has none.

        Raises:
            CorpusError: the file that the option `segments` names does not exist.
            TableError: it breaks the contract of segments tables.
        """
        file = self._segments_file()
        if file is None:
            return None
        path = self.root / file
        if not path.is_file():
            raise CorpusError(f"{path}: no such file; corpora.{self.key}.segments names it")
        return read_segments(path)

    def _segments_file(self) -> str | None:
        """The segments table, relative to the root."""
        return self.options.segments if isinstance(self.options, StoredOptions) else None

    @classmethod
    def named_files(cls, options: Mapping[str, Any]) -> list[str]:
        """Files with labels that options name, relative to the root; some may not exist.

        Args:
            options: the corpus' entry in the study file.
        """
        return [options[name] for name in _LABEL_OPTIONS if options.get(name)]

    def published_counts(self) -> dict[tuple[str, str], int] | None:
        """Published number of utterances by (split, label), or None when there is none."""
        return None

    def published_levels(self) -> dict[tuple[str, str, str], int]:
        """Published number of utterances by (split, column, level), such as those of a codec; the
        split is "all" for those of all splits together.
        """
        return {}

    def misplaced(self, known: Collection[str]) -> list[Misplaced]:
        """Clips of known attacks in files of the corpus that are to hold unknown ones.

        Args:
            known: the attacks that train has.
        """
        return []

    def planted_cues(self) -> dict[str, frozenset[str]]:
        """Trivial cues that an attack shows on purpose: attack to names of `cues.CUES`."""
        return {}

    def need(self, *candidates: str) -> Path:
        """The first of these paths, relative to the root, that exists.

        Raises:
            CorpusError: none does.
        """
        for candidate in candidates:
            path = self.root / candidate
            if path.exists():
                return path
        others = f" (nor {', '.join(candidates[1:])})" if candidates[1:] else ""
        raise CorpusError(
            f"{self.root / candidates[0]}: not found{others}; corpora.{self.key}.path must name "
            f"the folder that holds it, and corpora.{self.key}.splits can leave splits out that "
            "were not downloaded"
        )

    def _check(self, frame: pl.DataFrame) -> None:
        repeated = frame.filter(pl.col("utt_id").is_duplicated())
        if repeated.height:
            first = repeated["utt_id"][0]
            paths = repeated.filter(pl.col("utt_id") == first)["path"].to_list()
            raise CorpusError(
                f"{self.owner}: {repeated['utt_id'].n_unique()} utterance ids are there more than "
                f"once, the first is {first!r} ({', '.join(paths[:3])}); ids must be unique"
            )
        for column, vocabulary in (("label", LABELS), ("split", SPLITS)):
            bad = frame.filter(~pl.col(column).is_in(vocabulary))
            if bad.height:
                raise CorpusError(
                    f"{self.owner}: utterance {bad['utt_id'][0]!r} has the {column} "
                    f"{bad[column][0]!r}; it must be one of {', '.join(vocabulary)}"
                )
        bad = frame.filter((pl.col("label") == "bonafide") != (pl.col("attack") == "-"))
        if bad.height:
            row = bad.row(0, named=True)
            raise CorpusError(
                f"{self.owner}: utterance {row['utt_id']!r} is {row['label']} but has the attack "
                f"{row['attack']!r}; bona fide utterances have '-', spoofs a name"
            )
        contradicted = frame.filter(pl.col("label").n_unique().over("path") > 1)
        if contradicted.height:
            of_path = frame.filter(pl.col("path") == contradicted["path"][0])
            raise CorpusError(
                f"{contradicted['path'][0]}: {self.owner} lists it as bonafide and as spoof, as "
                f"{', '.join(map(repr, of_path['utt_id'].head(3)))}; a recording is one of them"
            )
        for name in frame.columns:
            if name not in TRIAL_COLUMNS:
                check_condition(name, self.owner)

    def _check_splits(self, frame: pl.DataFrame, spoofs_only: bool) -> None:
        for split in self.options.splits or ():
            if not (frame["split"] == split).any():
                raise CorpusError(f"{self.root}: no utterances of split {split!r} ({self.owner})")
        if frame.is_empty():
            raise CorpusError(f"{self.root}: no utterances found for {self.owner}")
        # A test set of one class has its uses; a model can neither be trained nor selected on one.
        for split in () if spoofs_only else ("train", "dev"):
            labels = frame.filter(pl.col("split") == split)["label"].unique().to_list()
            if len(labels) == 1:
                lacking = next(label for label in LABELS if label not in labels)
                raise CorpusError(
                    f"{self.root}: split {split!r} of {self.owner} has no {lacking} utterances; "
                    "train and dev need both classes (a set of one class can be used as eval)"
                )


def read_protocol(path: Path, columns: tuple[str, ...]) -> Iterable[tuple[int, dict[str, str]]]:
    """Lines of a protocol without header, fields between blanks or tabs, with their numbers from 1.

    Args:
        path: the file.
        columns: names of the columns; every line must have exactly as many fields.

    Raises:
        CorpusError: a line with another number of fields.
        TableError: as `rows.lines`.
    """
    for number, fields in rows(path, " "):
        if len(fields) != len(columns):
            raise CorpusError(
                f"{path}: line {number}: {len(fields)} fields, expected {len(columns)} "
                f"({', '.join(columns)})"
            )
        yield number, dict(zip(columns, fields, strict=True))


def protocol_attack(path: Path, number: int, label: str, attack: str) -> str:
    """The attack of a protocol line: "-" for bona fide, the attack's name for spoofs.

    ASVspoof protocols mark the missing attack of bona fide lines with "-" or "bonafide".

    Raises:
        CorpusError: an unknown label, or an attack that contradicts it; names file and line.
        TableError: the attack has a reserved name (see `names`).
    """
    if label not in LABELS:
        raise CorpusError(
            f"{path}: line {number}: unknown label {label!r}; it must be one of {', '.join(LABELS)}"
        )
    if (label == "bonafide") != (attack in ("-", "bonafide")):
        raise CorpusError(f"{path}: line {number}: label {label!r} with the attack {attack!r}")
    check_attack(attack, label, f"{path}: line {number}")
    return "-" if label == "bonafide" else attack


def label_of(path: Path, number: int, word: str, labels: Mapping[str, str]) -> str:
    """What a corpus' own word for a class means: `bonafide` or `spoof`.

    Raises:
        CorpusError: the word is none of them; names file and line.
    """
    if word not in labels:
        raise CorpusError(
            f"{path}: line {number}: unknown label {word!r}; it must be one of {', '.join(labels)}"
        )
    return labels[word]
