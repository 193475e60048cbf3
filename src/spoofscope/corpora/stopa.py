"""STOPA: spoofs that vary acoustic model and vocoder systematically, for open-set source tracing.

Firc et al., "STOPA: A Database of Systematic VariaTion Of DeePfake Audio for Open-Set Source
Tracing and Attribution", Interspeech 2025. Files are called
`LA_<T|D|E>_<attack>_<speaker>_<rest>.wav`: T (set EET) is to train extractors on, D (TEE) to enrol
attacks, E are trials. Lists say which clips of TEE enrol an attack (`AA01-co-100.txt`), and what
the trials of that claim are (`AA01-co-100_trials.txt`). Names, sets, the acoustic model and vocoder
of every attack and the form of the lists were read in public code that uses the data, and not
checked on a copy of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import polars as pl

from spoofscope.corpora.base import Corpus, Problem, audio_paths
from spoofscope.corpora.source_lists import TARGETS, SourceLists
from spoofscope.corpora.splitting import deal_groups
from spoofscope.errors import CorpusError
from spoofscope.identity import seed_of
from spoofscope.names import NONE
from spoofscope.options.corpora.stopa import StopaOptions
from spoofscope.recordings import portable_path
from spoofscope.rows import check_columns, read_header

_NAME = re.compile(r"LA_(?P<set>[TDE])_(?P<attack>AA[0-9]{2})_(?P<speaker>[^_]+)_.+")
_SPLITS = {"T": "train", "D": "dev", "E": "eval"}
# Attack to acoustic model and vocoder.
_PAIRS = {
    "AA01": ("am01", "vm01"),
    "AA02": ("am01", "vm02"),
    "AA03": ("am02", "vm03"),
    "AA04": ("am02", "vm04"),
    "AA05": ("am03", "vm03"),
    "AA06": ("am03", "vm04"),
    "AA07": ("am04", "vm05"),
    "AA08": ("am04", "vm02"),
    "AA09": ("am05", "vm01"),
    "AA10": ("am05", "vm02"),
    "AA11": ("am06", "vm06"),
    "AA12": ("am07", "vm06"),
    "AA13": ("am08", "vm03"),
}


# Columns of the lists of trials, by the level of a source that they judge.
_JUDGED = {
    "attack": "IsTargetATK",
    "acoustic_model": "IsTargetAcousticModel",
    "vocoder": "IsTargetVocoderModel",
}
_ANSWERS = dict(zip(("true", "false"), TARGETS, strict=True))


class Stopa(Corpus):
    """The folder of the unpacked sets, however they lie in it.

    EET is train, TEE dev, and the trials are eval. Sets share neither attacks nor speakers, but for
    the attacks of TEE, half of those in the trials: they are known to who enrols them, and unknown
    to who trains on EET. With `dev_speakers`, some speakers of EET are dev, too, so that dev has
    attacks of train.
    """

    name: ClassVar[str] = "stopa"
    obtain: ClassVar[str] = "https://zenodo.org/records/15606628"
    conditions: ClassVar[tuple[str, ...]] = ("acoustic_model", "vocoder")
    declared = StopaOptions
    options: StopaOptions

    def found(self) -> Iterator[str]:
        """All audio below the folder."""
        return audio_paths(self.root)

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per audio file with a name of the corpus."""
        if not self.options.dev_speakers:
            return self._named()
        rows = list(self._named())
        return [
            *self._held_out([row for row in rows if row["split"] == "train"]),
            *(row for row in rows if row["split"] != "train"),
        ]

    def _held_out(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        """Rows of EET, those of some speakers as dev; both splits have every attack, if they can.

        Raises:
            CorpusError: EET has fewer than two speakers.
        """
        seed, share = self.options.seed, self.options.dev_speakers
        n = len({row["speaker"] for row in rows})
        if n < 2:
            raise CorpusError(
                f"{self.owner}: EET has {n} speaker{'' if n == 1 else 's'}, and `dev_speakers` "
                "needs 2 or more, for train and dev; leave it out, or unpack all of EET"
            )
        rows = sorted(rows, key=lambda row: (seed_of(seed, row["speaker"]), row["utt_id"]))
        splits = deal_groups(
            [row["speaker"] for row in rows],
            [(row["label"], row["attack"]) for row in rows],
            {"train": 1 - share, "dev": share, "eval": 0.0},
            self.owner,
        )
        return [{**row, "split": split} for row, split in zip(rows, splits, strict=True)]

    def _named(self) -> Iterator[dict[str, str]]:
        for path in self.audio_below(self.root):
            if (match := _NAME.fullmatch(path.stem)) is None:
                continue
            if match["attack"] not in _PAIRS:
                raise CorpusError(
                    f"{path}: the corpus has no attack {match['attack']!r}, only "
                    f"{', '.join(_PAIRS)} ({self.owner})"
                )
            acoustic_model, vocoder = _PAIRS[match["attack"]]
            yield {
                "utt_id": path.stem,
                "path": str(path),
                "split": _SPLITS[match["set"]],
                "label": "spoof",
                "attack": match["attack"],
                "speaker": match["speaker"],
                "acoustic_model": acoustic_model,
                "vocoder": vocoder,
            }

    def list_files(self, name: str) -> list[Path]:
        """`AA01-{name}.txt` and `AA01-{name}_trials.txt` of every attack that has them, anywhere
        below the folder."""
        pattern = re.compile(rf"AA[0-9]{{2}}-{re.escape(name)}(_trials)?\.txt")
        return sorted(path for path in self.root.rglob("AA*.txt") if pattern.fullmatch(path.name))

    def source_lists(self, name: str) -> SourceLists:
        """Clips of TEE that enrol attacks, and the trials of these claims.

        Raises:
            CorpusError: there are no such lists, one is there twice, an attack has one list of two,
                or a row names no clip of the corpus or of the right attack.
            TableError: a list is malformed.
        """
        files = self.list_files(name)
        names = [path.name for path in files]
        attacks = {each.name.partition("-")[0] for each in files}
        expected = sorted(
            f"{attack}-{name}{end}.txt" for attack in attacks for end in ("", "_trials")
        )
        if not files or sorted(names) != expected:
            raise CorpusError(
                f"{self.root}: expected one list AA01-{name}.txt and one AA01-{name}_trials.txt of "
                f"every enrolled attack ({self.owner}), found {', '.join(names) or 'none'}; name "
                "others in `verification.lists`, such as co-100 or nc-all"
            )
        references: list[tuple[str, str]] = []
        tests: list[tuple[str, ...]] = []
        for path in files:
            attack = path.name.partition("-")[0]
            if path.stem.endswith("_trials"):
                tests += [(attack, *row) for row in _trials(path)]
            else:
                references += [(attack, utt_id) for utt_id in _enrolled(path, attack)]
        return SourceLists(
            f"the lists {name} of {self.owner}",
            pl.DataFrame(references, schema=["attack", "utt_id"], orient="row"),
            pl.DataFrame(tests, schema=["claimed", "utt_id", *_JUDGED], orient="row"),
        )

    def left_out(self) -> list[Problem]:
        """See `Corpus.left_out`; also audio with other names."""
        reason = "its name is none of the corpus, such as LA_E_AA01_p226_c1.wav"
        others = [Path(path) for path in audio_paths(self.root)]
        return super().left_out() + [
            Problem(path.stem, portable_path(path), "all", NONE, reason)
            for path in sorted(others)
            if _NAME.fullmatch(path.stem) is None
        ]


def _enrolled(path: Path, attack: str) -> Iterator[str]:
    """The clips of a list of enrolment, whose second column has their names."""
    table = read_header(path, " ")
    for number, fields in table.rows:
        utt_id = fields[1].removesuffix(".wav") if len(fields) > 1 else ""
        match = _NAME.fullmatch(utt_id)
        if match is None or match["attack"] != attack:
            raise CorpusError(
                f"{path}: line {number}: expected the name of a clip of {attack} in the second "
                f"column, such as LA_D_{attack}_p226_c1.wav, got {utt_id!r}"
            )
        yield utt_id


def _trials(path: Path) -> Iterator[tuple[str, ...]]:
    """Clip and answers of every row of a list of trials."""
    table = read_header(path, " ")
    columns = ["FileName", *_JUDGED.values()]
    check_columns(path, table.header, columns)
    for number, record in table.records(columns):
        answers = []
        for column in _JUDGED.values():
            if (text := record[column].lower()) not in _ANSWERS:
                raise CorpusError(
                    f"{path}: line {number}: column {column!r} must be True or False, not "
                    f"{record[column]!r}"
                )
            answers.append(_ANSWERS[text])
        yield record["FileName"].removesuffix(".wav"), *answers
