"""HABLA: voice conversion and speech synthesis in Latin American Spanish.

Counts: Tamayo Flórez et al., "HABLA: A Dataset of Latin American Spanish Accents for Voice
Anti-spoofing", Interspeech 2023. Layout: that of the released `FinalDataset_16khz`, as users of the
corpus describe it: `Real/<country>/<speaker>/`, and one folder per attack beside `Real`, such as
`CycleGAN/<country>-<country>/<source speaker>-<target speaker>/` or `TTS/<country>/`. The corpus
has no published split; work on it splits it in its own way.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from spoofscope.corpora.base import audio_paths
from spoofscope.corpora.folder import speaker_of
from spoofscope.corpora.splitting import DealtCorpus
from spoofscope.errors import CorpusError
from spoofscope.options import speaker_pattern
from spoofscope.options.corpora.habla import HablaOptions
from spoofscope.rows import check_columns, read_header
from spoofscope.tables import SPLITS

_REAL = "Real"
_ATTACKS = ("CycleGAN", "Diff", "StarGAN", "TTS", "TTS-Diff", "TTS-StarGAN")


class Habla(DealtCorpus):
    """The folder `FinalDataset_16khz`, or the one above it.

    `Real` is bona fide; the six attacks have a folder each beside it. The condition `accent`
    is the country of the voice that is heard: of a conversion from Argentina to Chile, Chile.
    Utterance ids are the relative paths with "-" for "/", without suffix.

    `metadata` is a comma-separated table whose column `path` is relative to the folder that holds
    `Real`; what it lists must be there. A conversion is dealt with its target speaker. By default
    the speaker is the last name such as `arf_00295` in the path.
    """

    name: ClassVar[str] = "habla"
    obtain: ClassVar[str] = "https://github.com/Ruframapi/HABLA (FinalDataset_16khz)"
    conditions: ClassVar[tuple[str, ...]] = ("accent",)
    declared = HablaOptions
    options: HablaOptions

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        super().__init__(root, options, key=key)
        self._speaker = speaker_pattern(self.options.speaker, self.owner)

    def found(self) -> Iterator[str] | None:
        """All audio beside and below the folder `Real`; metadata say themselves which they list."""
        if self.options.metadata is not None:
            return None
        return (path for folder in self._folders() for path in audio_paths(folder))

    def _base(self) -> Path:
        return self.need(_REAL, f"FinalDataset_16khz/{_REAL}").parent

    def _folders(self) -> list[Path]:
        return sorted(
            path
            for path in self._base().iterdir()
            if path.is_dir() and not path.name.startswith(".")
        )

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per audio file."""
        base = self._base()
        rows = []
        for folder in self._folders():
            files = self.audio_below(folder)
            if files and folder.name not in (_REAL, *_ATTACKS):
                raise CorpusError(
                    f"{folder}: HABLA has no such attack; it has {', '.join(_ATTACKS)}"
                )
            rows += [self._row(path, path.relative_to(base), folder.name) for path in files]
        if self.options.metadata is not None:
            return self._listed(rows, base, self.options.metadata)
        return self._deal(rows, lambda row: row["speaker"])

    def _row(self, path: Path, relative: Path, attack: str) -> dict[str, str]:
        # Below the attack's folder: the country, or source and target.
        countries = relative.parts[1].split("-") if len(relative.parts) > 2 else ["-"]
        return {
            "utt_id": "-".join(relative.with_suffix("").parts),
            "path": str(path),
            "label": "bonafide" if attack == _REAL else "spoof",
            "attack": "-" if attack == _REAL else attack,
            "speaker": speaker_of(self._speaker, relative, self.owner),
            "accent": countries[-1],
        }

    def _listed(
        self, rows: list[dict[str, str]], base: Path, metadata_file: str
    ) -> list[dict[str, str]]:
        """The rows whose split the metadata know."""
        table = self.need(metadata_file)
        by_path = {row["path"]: row for row in rows}
        of_split: dict[str, dict[str, str]] = {}
        metadata = read_header(table, ",")
        columns = ("path", "split")
        check_columns(table, metadata.header, columns)
        for number, line in metadata.records(columns):
            path = str(base / line["path"])
            where = f"{table}: line {number}"
            if path not in by_path:
                raise CorpusError(f"{where}: {path} does not exist")
            if path in of_split:
                raise CorpusError(f"{where}: {line['path']!r} is there twice")
            if line["split"] not in SPLITS:
                raise CorpusError(
                    f"{where}: unknown split {line['split']!r}; it must be one of "
                    f"{', '.join(SPLITS)}"
                )
            of_split[path] = {**by_path[path], "split": line["split"]}
        return list(of_split.values())

    def published_counts(self) -> dict[tuple[str, str], int] | None:
        """Counts of the whole corpus; there are none of splits."""
        if self.options.metadata is not None or self.options.fractions is not None:
            return None
        return {("eval", "bonafide"): 22816, ("eval", "spoof"): 58000}
