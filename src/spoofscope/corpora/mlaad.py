"""MLAAD: synthetic speech of many systems in many languages, and its protocol for source tracing.

Layout and metadata: Müller et al., "MLAAD: The Multi-Language Audio Anti-Spoofing Dataset", IJCNN
2024; `fake/<language>/<system>/` with the audio and a `meta.csv` whose fields stand between bars,
without quotes. The protocol (`train.csv`, `dev.csv`, `eval.csv` of `path,model_name`) is that of
the special session on source tracing of Interspeech 2025, for release 5.
"""

import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from spoofscope.corpora.base import Misplaced, Problem, audio_paths
from spoofscope.corpora.splitting import DealtCorpus, deal_held_out, without_held_out
from spoofscope.errors import CorpusError
from spoofscope.files import sha256_file
from spoofscope.names import check_attack
from spoofscope.options import nearest
from spoofscope.options.corpora.mlaad import MlaadOptions
from spoofscope.recordings import portable_path
from spoofscope.rows import Source, check_columns, read_header, rows
from spoofscope.tables import SPLITS

PROTOCOL_SHA256 = {
    "train": "756eb0df095366b487166b068d74e2359a88fff985c0dffe6fa542373b883e9c",
    "dev": "287435d19fdc371e698845a3d184a34e9bb21adbc72aa6eb5d25ed5958fb63a8",
    "eval": "b64b0535e759644df200715eacf0469d898d626da7b7aa5c7da413ad89b824d0",
}
"""Of the published lists."""

PROTOCOL_ROWS = {"train": 11_100, "dev": 12_000, "eval": 33_900}
"""Lines of the published lists; 109 of eval are there twice."""

_ZIP_SHA256 = "d512a35f8a45f30eb899e898a224b9fb426d231a1c330e97b1091b7d642fedcf"
_PROTOCOL_COLUMNS = ("path", "model_name")
# Column of meta.csv to condition.
_CONDITIONS = {
    "architecture": "architecture",
    "training_data": "training_data",
    "is_original_language": "original_language",
}


class Mlaad(DealtCorpus):
    """The folder that holds `fake/`, or the one above it; of any release.

    The attack of a clip is its `model_name`, its language the folder; utterance ids hold both, for
    files have the same name in many folders. `source_text` is the recording whose text is spoken,
    `protocol_line` the line in the protocol. Columns of `meta.csv` are found by name.

    Recordings in `original/<language>/`, as MLAAD-tiny has them, are bona fide; other releases have
    spoofs alone.

    Clips that a protocol does not list are left out, and lines that are there twice are listed in
    the audit.
    """

    name: ClassVar[str] = "mlaad"
    obtain: ClassVar[str] = (
        "https://deepfake-total.com/mlaad (audio), https://deepfake-total.com/sourcetracing "
        "(protocol)"
    )
    conditions: ClassVar[tuple[str, ...]] = (
        *("language", "source_text", "protocol_line"),
        *_CONDITIONS.values(),
    )
    protocols: ClassVar[tuple[str, ...]] = (
        *("fake/*/*/meta.csv", "*/fake/*/*/meta.csv"),
        # The published protocol. Its checksums are compared, so it need not be there to be planned.
        *("*.zip", *(f"{folder}{split}.csv" for folder in ("", "*/") for split in SPLITS)),
    )
    declared = MlaadOptions
    options: MlaadOptions

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        super().__init__(root, options, key=key)
        self._twice: list[Problem] = []
        self._metadata: dict[Path, dict[str, dict[str, str]]] = {}
        self._folders: dict[Path, frozenset[str]] = {}

    @classmethod
    def named_files(cls, options: Mapping[str, Any]) -> list[str]:
        """See `Corpus.named_files`."""
        files = super().named_files(options)
        protocol = options.get("protocol")
        if protocol is None or options.get("published_protocol", True):
            return files
        if _is_zip(Path(protocol)):
            return [*files, protocol]
        return [*files, *(f"{protocol}/{split}.csv" for split in SPLITS)]

    def found(self) -> Iterator[str] | None:
        """All audio below `fake/` and `original/`, where no protocol says which is used."""
        if self.options.protocol is not None:
            return None
        base = self._base()
        return (
            path
            for folder in ("fake", "original")
            if (base / folder).is_dir()
            for path in audio_paths(base / folder)
        )

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per line of the protocol, or per audio file."""
        self._twice.clear()
        self._metadata.clear()
        self._folders.clear()
        base = self._base()
        if self.options.protocol is not None:
            return list(self._listed(base, self.root / self.options.protocol))
        spoofs = list(self._spoofs(base))
        attacks = {row["attack"] for row in spoofs}
        for option in ("only_test", "only_dev"):
            for attack in getattr(self.options, option):
                if attack not in attacks:
                    raise CorpusError(
                        f"{base / 'fake'}: no clips of the attack {attack!r} "
                        f"(corpora.{self.key}.{option}); {nearest(attack, attacks)}"
                    )
        held_out = [row for row in spoofs if row["attack"] in self.options.held_out]
        others = [row for row in spoofs if row["attack"] not in self.options.held_out]
        dealt = self._deal([*self._originals(base), *others], lambda row: row["source_text"])
        return [*dealt, *self._held_out(held_out, dealt)]

    def left_out(self) -> list[Problem]:
        """See `Corpus.left_out`; also lines of the protocol that repeat another one."""
        twice = [problem for problem in self._twice if problem.split in self.splits]
        return [*super().left_out(), *twice]

    def misplaced(self, known: Collection[str]) -> list[Misplaced]:
        """See `Corpus.misplaced`: those in `fine/`, which comes with the published protocol."""
        if self.options.protocol is None:
            return []
        found = []
        for split in ("dev", "eval"):
            for language in ("seen", "not_seen"):
                name = f"fine/{split}___lang_{language}___model_not_seen.csv"
                path = self._in_protocol(self.root / self.options.protocol, name)
                if not path.is_file():
                    continue
                table = read_header(path, ",")
                check_columns(path, table.header, _PROTOCOL_COLUMNS)
                attacks = Counter(row["model_name"] for _, row in table.records(_PROTOCOL_COLUMNS))
                for attack in sorted(set(known) & set(attacks)):
                    n = attacks[attack]
                    note = f"{n} clips of {attack}, which train has, in a file for unknown attacks"
                    found.append(Misplaced(split, attack, name, n, note))
        return found

    def published_counts(self) -> dict[tuple[str, str], int] | None:
        """Lines of the published protocol, those that are there twice included."""
        if self.options.protocol is None or not self.options.published_protocol:
            return None
        return {(split, "spoof"): n for split, n in PROTOCOL_ROWS.items()}

    def _base(self) -> Path:
        """The folder that holds `fake/`."""
        inside = sorted(self.root.iterdir()) if self.root.is_dir() else []
        for base in (self.root, *inside):
            if (base / "fake").is_dir():
                return base
        raise CorpusError(
            f"{self.root}: neither it nor a folder in it has the folder fake; "
            f"corpora.{self.key}.path must name the folder that holds it"
        )

    # --- by the protocol -------------------------------------------------------------------

    def _listed(self, base: Path, protocol: Path) -> Iterator[dict[str, str]]:
        first: dict[str, tuple[str, int]] = {}
        for split, path in self._lists(protocol).items():
            table = read_header(path, ",")
            check_columns(path, table.header, _PROTOCOL_COLUMNS)
            for number, row in table.records(_PROTOCOL_COLUMNS):
                where = f"{path}: line {number}"
                attack = row["model_name"]
                check_attack(attack, "spoof", where)
                relative = self._relative(row["path"], base, where)
                if relative.parts[2] != _folder_of(attack):
                    raise CorpusError(
                        f"{where}: {relative} is in the folder of another attack than {attack!r}"
                    )
                utt_id = _id_of(relative)
                other = first.setdefault(utt_id, (split, number))
                if other[0] != split:
                    raise CorpusError(
                        f"{where}: {relative} is in {other[0]}, too (line {other[1]}); a clip is "
                        "in one split"
                    )
                if other[1] != number:
                    reason = f"line {number} of {split}.csv repeats line {other[1]}"
                    place = portable_path(base / relative)
                    self._twice.append(Problem(utt_id, place, split, "spoof", reason))
                    continue
                yield {
                    **self._spoof(base, relative, attack),
                    "split": split,
                    "protocol_line": str(number),
                }

    def _lists(self, protocol: Path) -> Mapping[str, Source]:
        """Split to list; the contents are checked."""
        if _is_zip(protocol):
            self._check_sum(protocol, _ZIP_SHA256)
        else:
            for split, sha256 in PROTOCOL_SHA256.items():
                self._check_sum(protocol / f"{split}.csv", sha256)
        return {split: self._in_protocol(protocol, f"{split}.csv") for split in SPLITS}

    def _in_protocol(self, protocol: Path, name: str) -> Path | zipfile.Path:
        """A file of the protocol, which may not exist."""
        if not _is_zip(protocol):
            return protocol / name
        try:
            return zipfile.Path(protocol, name)
        except (OSError, zipfile.BadZipFile) as error:
            raise CorpusError(
                f"{protocol}: no zip archive that can be read ({error}); corpora.{self.key}."
                "protocol names it"
            ) from error

    def _check_sum(self, path: Path, sha256: str) -> None:
        if not path.is_file():
            raise CorpusError(
                f"{path}: not found; corpora.{self.key}.protocol must name the folder, or the zip "
                f"archive, with {', '.join(f'{split}.csv' for split in SPLITS)}"
            )
        if self.options.published_protocol and sha256_file(path) != sha256:
            raise CorpusError(
                f"{path}: not the published protocol, whose SHA-256 is {sha256}; fetch it again, "
                f"or set corpora.{self.key}.published_protocol to false to use lists of your own"
            )

    def _relative(self, text: str, base: Path, where: str) -> PurePosixPath:
        """The path of a line, below `base`.

        Its folders exist, or `on_bad_audio` is `exclude`.
        """
        path = PurePosixPath(text.removeprefix("./"))
        if path.is_absolute() or len(path.parts) != 4 or path.parts[0] != "fake":
            raise CorpusError(
                f"{where}: {text!r}; paths are ./fake/<language>/<attack>/<file>, below the corpus"
            )
        if ".." in path.parts:
            raise CorpusError(f"{where}: {text!r} leads out of the corpus")
        # A language that was not fetched is a lot of missing files.
        if self.options.on_bad_audio == "exclude":
            return path
        folder = base
        for part, what in zip(path.parts[:3], ("folder", "language", "attack"), strict=True):
            if part not in self._folders_in(folder):
                raise CorpusError(
                    f"{where}: no folder {folder / part} for this {what}; "
                    f"{nearest(part, self._folders_in(folder))}"
                )
            folder /= part
        return path

    # --- by folders ------------------------------------------------------------------------

    def _spoofs(self, base: Path) -> Iterator[dict[str, str]]:
        for language in sorted(self._folders_in(base / "fake")):
            for name in sorted(self._folders_in(base / "fake" / language)):
                folder = base / "fake" / language / name
                metadata = self._metadata_of(folder)
                for path in self.audio_below(folder):
                    relative = PurePosixPath(path.relative_to(base).as_posix())
                    attack = metadata.get(path.name, {}).get("model_name") or name
                    check_attack(attack, "spoof", f"{folder}: rename this folder")
                    yield self._spoof(base, relative, attack)

    def _originals(self, base: Path) -> Iterator[dict[str, str]]:
        folder = base / "original"
        for path in self.audio_below(folder) if folder.is_dir() else ():
            relative = path.relative_to(base)
            yield {
                "utt_id": _id_of(PurePosixPath(relative.as_posix())),
                "path": str(path),
                "label": "bonafide",
                "attack": "-",
                "language": relative.parts[1] if len(relative.parts) > 2 else "-",
                "source_text": path.stem,
            }

    def _held_out(
        self, rows: list[dict[str, str]], dealt: list[dict[str, str]]
    ) -> list[dict[str, str]]:
        """Clips that are in no training; of texts that are, they are left out."""
        split_of = deal_held_out(
            (row["source_text"] for row in rows),
            {row["source_text"]: row["split"] for row in dealt},
            self._fractions,
            self.owner,
        )
        rows = [{**row, "split": split_of[row["source_text"]]} for row in rows]
        kept = without_held_out(rows, "attack", self.options.held_out, self.options.only_dev)
        there = {row["attack"] for row in kept}
        is_tested = any(row["split"] == "eval" for row in [*dealt, *kept])
        tested = {row["attack"] for row in kept if row["split"] == "eval"} if is_tested else there
        lacking = {*self.options.only_test} - tested | {*self.options.only_dev} - there
        for attack in sorted(lacking):
            what = "choose" if attack in self.options.only_dev else "test"
            raise CorpusError(
                f"{self.owner}: no clip of the attack {attack!r} is left to {what} on; others have "
                "its texts in other splits: change `fractions` or `seed`, or let it be trained on"
            )
        return kept

    # --- a clip ----------------------------------------------------------------------------

    def _spoof(self, base: Path, relative: PurePosixPath, attack: str) -> dict[str, str]:
        path = base / relative
        told = self._metadata_of(path.parent).get(path.name, {})
        source = told.get("original_file", "")
        return {
            "utt_id": _id_of(relative),
            "path": str(path),
            "label": "spoof",
            "attack": attack,
            "language": relative.parts[1],
            "source_text": PurePosixPath(source).stem or path.stem,
            **{ours: told.get(theirs, "") for theirs, ours in _CONDITIONS.items()},
        }

    def _folders_in(self, folder: Path) -> frozenset[str]:
        if folder not in self._folders:
            names = (path.name for path in folder.iterdir() if path.is_dir())
            self._folders[folder] = frozenset(n for n in names if not n.startswith("."))
        return self._folders[folder]

    def _metadata_of(self, folder: Path) -> dict[str, dict[str, str]]:
        """File name to what `meta.csv` says of it; {} where there is none."""
        if folder not in self._metadata:
            path = folder / "meta.csv"
            self._metadata[folder] = dict(_read_metadata(path)) if path.is_file() else {}
        return self._metadata[folder]


def _read_metadata(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """File name and fields by column of every line.

    The last field is the transcript, in which bars are letters.

    Raises:
        CorpusError: a line with fewer fields than the header, or no column `path`.
    """
    header: list[str] = []
    for number, fields in rows(path, "|"):
        texts = [field.strip() for field in fields]
        if not header:
            header = texts
            check_columns(path, header, ["path"])
        elif len(texts) < len(header):
            raise CorpusError(
                f"{path}: line {number}: {len(texts)} fields where the header has {len(header)}"
            )
        else:
            record = dict(zip(header, texts, strict=False))
            yield PurePosixPath(record["path"]).name, record


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _folder_of(attack: str) -> str:
    return attack.replace("/", "_")


def _id_of(relative: PurePosixPath) -> str:
    return "-".join(relative.with_suffix("").parts)
