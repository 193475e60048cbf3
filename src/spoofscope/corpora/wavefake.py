"""WaveFake and sets like it: one folder per generator.

Frank and Schönherr, "WaveFake: A Data Set to Facilitate Audio Deepfake Detection", NeurIPS 2021, as
released; or with a capital letter in front of folders, as arranged by Gasenzer and Wolter, "Towards
generalizing deep-audio fake detection networks", TMLR 2024.
"""

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from spoofscope.corpora.base import Corpus, audio_paths
from spoofscope.corpora.folder import speaker_of
from spoofscope.corpora.splitting import deal_held_out, split_groups, without_held_out
from spoofscope.errors import CorpusError
from spoofscope.identity import seed_of
from spoofscope.names import check_attack
from spoofscope.options import nearest, speaker_pattern
from spoofscope.options.corpora.wavefake import WaveFakeOptions
from spoofscope.rows import check_columns, read_header

_FOLDER = re.compile(r"^([A-Z])_(.+)$")
# As released: fakes, and the recordings that they were made from, which are releases of others.
_RELEASED = "generated_audio"
_RECORDINGS = {"ljspeech": "LJSpeech-1.1/wavs", "jsut": "jsut_ver1.1/basic5000/wav"}
# The one folder of the release whose sentences nobody has recorded.
_OWN_SENTENCES = "common_voices_prompts_"
_GENERATED = re.compile(r"_(?:gen|generated)$")
_FROM_FOLDERS = ("utt_id", "path", "label", "attack", "duration", "sample_rate")


# Clips of each folder; of fakes, by the voice. Of the folder of prompts the authors tell no number.
# A user counted 16,283 in the release; the 117,985 clips that the datasheet gives in all leave
# 16,285 for it. So its count is unverified, and another one is a warning (`counted_by`).
_CLIPS = {"ljspeech": 13_100, "jsut": 5_000}
_PROMPTS = 16_283


class _Source(NamedTuple):
    """One folder: what a generator made, or real speech. `voice` is None where none are told."""

    folder: Path
    name: str
    bonafide: bool
    voice: str | None


def _released_voice(name: str) -> str:
    """Whose voice a folder of the release has."""
    return "jsut" if name.partition("_")[0] == "jsut" else "ljspeech"


class WaveFake(Corpus):
    """Folders `A_real`, `B_hifigan`, ...: letter A is bona fide, any other letter a generator.

    Letters may be left out, but none may be there twice. Other folders beside them are ignored.
    Where there are none, the folder may hold the release: `generated_audio` with a folder for each
    generator, beside it LJSpeech-1.1 and, for its Japanese fakes, jsut_ver1.1. Voices are then
    `ljspeech` and `jsut`, and no voice is used without its recordings; sentences are cut for each
    voice alone, and the folder of prompts of Common Voice is in no training.

    Utterance ids are `<folder>-<file>`; the condition `folder` says where a file lies and
    `base_utt` which sentence it is: the file name without a trailing `_gen` or `_generated`, unless
    the metadata say otherwise.

    Sentences (or speakers) that a folder of `only_test` shares with others go where those go, and
    are left out where that is train; sentences of its own are cut between dev and eval, in the
    proportion of `fractions`. Of a folder of `only_dev` the same is done, and what is in eval is
    left out, too. With `voices`, a fake can be compared with real speech of the same
    voice. For `limits`, clips are taken in an order drawn from the sentence, so that all versions
    of a sentence are kept or left out together. Files that `metadata` do not list are errors, and
    so are labels that do not agree with the folders.
    """

    name: ClassVar[str] = "wavefake"
    obtain: ClassVar[str] = (
        "https://zenodo.org/records/5642694 (WaveFake), "
        "https://keithito.com/LJ-Speech-Dataset (bona fide)"
    )
    conditions: ClassVar[tuple[str, ...]] = ("base_utt", "folder", "voice")
    counted_by: ClassVar[str] = "users of the release"
    declared = WaveFakeOptions
    options: WaveFakeOptions

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        super().__init__(root, options, key=key)
        self._fractions = self.options.fractions.to_dict()
        self._speaker = speaker_pattern(self.options.speaker, self.owner)

    def found(self) -> Iterator[str]:
        """All audio in the folders that are used."""
        for source in self._sources():
            yield from audio_paths(source.folder)

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per audio file that is used."""
        metadata = self._metadata()
        sources = self._sources()
        rows = []
        for source in sources:
            if not source.bonafide:
                check_attack(source.name, "spoof", f"{source.folder}: rename this folder")
            for path in self.audio_below(source.folder):
                relative = path.relative_to(self.root)
                row = {
                    "base_utt": _GENERATED.sub("", path.stem),
                    "speaker": speaker_of(self._speaker, relative, self.owner),
                    **self._listed(metadata, relative, source),
                    "utt_id": "-".join(relative.with_suffix("").parts),
                    "path": str(path),
                    "label": "bonafide" if source.bonafide else "spoof",
                    "attack": "-" if source.bonafide else source.name,
                    "folder": source.folder.name,
                }
                if source.voice is not None:
                    row["voice"] = source.voice
                rows.append(row)
        chosen_on = {s.folder.name for s in sources if s.name in self.options.only_dev}
        held_out = chosen_on | {
            source.folder.name
            for source in sources
            if source.name in self.options.only_test or source.name.startswith(_OWN_SENTENCES)
        }
        has_splits = bool(rows) and "split" in rows[0]
        if not has_splits:
            for part in self._dealt_together(rows):
                self._split(part, held_out)
        rows = without_held_out(rows, "folder", held_out, chosen_on)
        if not has_splits:
            self._check_tested(rows, sources)
        return self._limited(rows)

    def published_levels(self) -> dict[tuple[str, str, str], int]:
        """Clips of each folder of the release that is used, where all of them are."""
        held_out = self.options.held_out or None
        told = (self.options.splits, self.options.metadata, held_out)
        limited = any(limit is not None for limit in self.options.limits.to_dict().values())
        if self._lettered() or limited or any(option is not None for option in told):
            return {}
        counts = {}
        for source in self._sources():
            prompts = source.name.startswith(_OWN_SENTENCES)
            n = _PROMPTS if prompts else _CLIPS[_released_voice(source.name)]
            counts["all", "folder", source.folder.name] = n
        return counts

    def _lettered(self) -> list[tuple[Path, str, str]]:
        """Every folder with a letter in front: its path, the letter, the name."""
        return [
            (path, match[1], match[2])
            for path in sorted(self.root.iterdir())
            if path.is_dir() and (match := _FOLDER.match(path.name))
        ]

    def _sources(self) -> list[_Source]:
        """Every folder that is used, sorted by its letter."""
        folders = self._lettered()
        if not folders and (self.root / _RELEASED).is_dir():
            return self._released_sources()
        if not folders:
            raise CorpusError(
                f"{self.root}: no folders such as A_real or B_hifigan, and no {_RELEASED}; "
                f"corpora.{self.key}.path must name the folder that holds them"
            )
        self._check_known("only_use", self.options.only_use, [name for _, _, name in folders])
        used_names = self.options.only_use or [name for _, _, name in folders]
        used = [source for source in folders if source[2] in used_names]
        names = [name for _, _, name in used]
        self._check_known("bonafide", self.options.bonafide, names)
        self._check_known("only_test", self.options.only_test, names)
        self._check_known("only_dev", self.options.only_dev, names)
        for of in (1, 2):
            keys = [source[of] for source in used]
            twice = [source[0].name for source in used if keys.count(source[of]) > 1]
            if twice:
                raise CorpusError(
                    f"{self.root}: {twice[0]} and {twice[1]} have the same "
                    f"{'letter' if of == 1 else 'name'}, which stands for one source; rename one "
                    f"of them, or leave it out with corpora.{self.key}.only_use"
                )
        return [
            _Source(path, name, letter == "A" or name in self.options.bonafide, self._voice(name))
            for path, letter, name in used
        ]

    def _released_sources(self) -> list[_Source]:
        """Every folder of the release that is used: the recordings, then the fakes."""
        fakes = {p.name: p for p in sorted((self.root / _RELEASED).iterdir()) if p.is_dir()}
        names = [*_RECORDINGS, *fakes]
        self._check_known("only_use", self.options.only_use, names)
        used = [name for name in names if name in (self.options.only_use or names)]
        self._check_known("bonafide", self.options.bonafide, [n for n in used if n in _RECORDINGS])
        self._check_known("only_test", self.options.only_test, used)
        self._check_known("only_dev", self.options.only_dev, used)
        sources = []
        for voice, place in _RECORDINGS.items():
            # All fakes that are not of JSUT have the voice of LJSpeech.
            spoken = [name for name in used if name in fakes and _released_voice(name) == voice]
            folder = self.root / place
            if folder.is_dir() and voice in used:
                sources.append(_Source(folder, voice, True, voice))
            elif spoken:
                raise CorpusError(
                    f"{folder}: {spoken[0]} is of no use without the recordings of its voice. "
                    f"Unpack {Path(place).parts[0]} in {self.root} (and name {voice!r} in "
                    f"corpora.{self.key}.only_use, where that is given), or leave out all fakes of "
                    "this voice with only_use"
                )
            sources += [_Source(fakes[name], name, False, voice) for name in spoken]
        if self.options.voices is None:
            return sources
        return [source._replace(voice=self._voice(source.name)) for source in sources]

    def _check_known(
        self, option: str, given: Iterable[str] | None, names: Collection[str]
    ) -> None:
        for name in given or ():
            if name not in names:
                raise CorpusError(
                    f"{self.root}: no folder for {name!r} (corpora.{self.key}.{option}); "
                    f"{nearest(name, names)}"
                )

    def _voice(self, name: str) -> str | None:
        """The voice of a folder, None where the study tells none."""
        voices = self.options.voices
        if voices is None:
            return None
        matching = sorted(
            (len(pattern), voice)
            for voice, pattern in voices.items()
            if fnmatch.fnmatchcase(name, pattern)
        )
        where = f"{self.root}: folder {name!r} matches"
        if not matching:
            raise CorpusError(
                f"{where} no pattern of corpora.{self.key}.voices; add one, such as '*' for all "
                "that no longer pattern matches"
            )
        if len(matching) > 1 and matching[-1][0] == matching[-2][0]:
            raise CorpusError(
                f"{where} patterns of the same length of the voices {matching[-2][1]!r} and "
                f"{matching[-1][1]!r} (corpora.{self.key}.voices); the longest one has to say"
            )
        return matching[-1][1]

    def _metadata(self) -> dict[str, dict[str, str]] | None:
        """Rows of the metadata by path, without the columns that the folders decide."""
        if self.options.metadata is None:
            return None
        table = self.need(self.options.metadata)
        metadata = read_header(table, ",")
        columns = list(filter(None, metadata.header))
        check_columns(table, metadata.header, ["path", *columns])
        rows: dict[str, dict[str, str]] = {}
        for number, row in metadata.records(columns):
            path = Path(row["path"]).as_posix()
            if path in rows:
                raise CorpusError(f"{table}: line {number}: {path!r} is there twice")
            rows[path] = row
        return rows

    def _listed(
        self, metadata: Mapping[str, Mapping[str, str]] | None, relative: Path, source: _Source
    ) -> dict[str, str]:
        """What the metadata add to one file's row."""
        if metadata is None:
            return {}
        table = self.options.metadata
        row = metadata.get(relative.as_posix())
        if row is None:
            raise CorpusError(
                f"{self.root / relative}: not listed in {table}; complete the table or move the "
                "file away"
            )
        label = "bonafide" if source.bonafide else "spoof"
        if row.get("label", label) != label:
            raise CorpusError(
                f"{self.root / relative}: {table} says {row['label']!r}, but the folder says "
                f"{label!r}"
            )
        return {name: text for name, text in row.items() if name not in _FROM_FOLDERS}

    def _dealt_together(self, rows: list[dict[str, str]]) -> list[list[dict[str, str]]]:
        """Rows whose sentences are cut together: all, or those of each voice of the release."""
        if self._lettered() or "voice" not in next(iter(rows), {}):
            return [rows]
        voices = sorted({row["voice"] for row in rows})
        return [[row for row in rows if row["voice"] == voice] for voice in voices]

    def _split(self, rows: list[dict[str, str]], held_out: Collection[str]) -> None:
        """Split the rows, so that a group has one split in all folders."""
        column = "base_utt" if self.options.split_by == "sentence" else "speaker"
        if column == "speaker" and any(row["speaker"] in ("", "-") for row in rows):
            raise CorpusError(
                f"{self.owner}: split_by is speaker, but speakers are unknown; give `metadata` "
                "with that column, or a pattern `speaker`"
            )
        groups = sorted({row[column] for row in rows if row["folder"] not in held_out})
        splits = split_groups(groups, self._fractions, self.owner) if groups else []
        split_of = dict(zip(groups, splits, strict=True))
        all_groups = {row[column] for row in rows}
        split_of |= deal_held_out(all_groups - set(groups), split_of, self._fractions, self.owner)
        for row in rows:
            row["split"] = split_of[row[column]]

    def _check_tested(self, rows: list[dict[str, str]], sources: list[_Source]) -> None:
        """Where some sources are tested, all have to be: a silent gap would look like a result."""
        there = {row["folder"] for row in rows}
        tested = {row["folder"] for row in rows if row["split"] == "eval"} or there
        for source in sources:
            chosen_on = source.name in self.options.only_dev
            if source.folder.name not in (there if chosen_on else tested):
                what = "choose" if chosen_on else "test"
                raise CorpusError(
                    f"{source.folder}: no clip of it is left to {what} on ({self.owner}); it has "
                    "no audio, or other folders have its sentences in other splits: change "
                    "`fractions`, or leave it out with `only_use`"
                )

    def _limited(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        """At most `limits` clips of every folder in each split, the same sentences of all."""
        limits = self.options.limits.to_dict()
        kept: list[dict[str, str]] = []
        count: dict[tuple[str, str], int] = {}
        for row in sorted(rows, key=lambda r: (seed_of("limits", r["base_utt"]), r["utt_id"])):
            place = (row["folder"], row["split"])
            count[place] = count.get(place, 0) + 1
            limit = limits.get(row["split"])
            if limit is None or count[place] <= limit:
                kept.append(row)
        return kept
