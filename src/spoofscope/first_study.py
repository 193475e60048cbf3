"""A first study of somebody's own recordings: what is in a folder or table, and a study file."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl

from spoofscope import audio
from spoofscope.corpora.base import audio_files
from spoofscope.corpora.manifest import in_threads
from spoofscope.corpora.splitting import as_warnings, deal_groups, uneven
from spoofscope.errors import AudioError, ConfigError, CorpusError
from spoofscope.files import shown
from spoofscope.identity import seed_of
from spoofscope.names import NONE, UNKNOWN
from spoofscope.rows import lines, read_header
from spoofscope.score_formats import LABEL_WORDS
from spoofscope.tables import LABELS, SPLITS

FRACTIONS = {"train": 0.6, "dev": 0.2, "eval": 0.2}
"""How speakers are dealt, where the recordings have no splits."""

CONDITIONS = ("codec", "language", "gender", "vocoder", "channel")
"""Columns of a table that error rates are broken down by, besides the attack."""

RATE, WINDOW = 16000, 64000
"""Hz, and samples of what the suggested detector hears at once."""

SMALL = 5000
"""So many clips of train need fewer epochs."""

_WAVLM = "4c66d4806a428f2e922ccfa1a962776e232d487b"
_SPLIT_WORDS = {
    **{split: split for split in SPLITS},
    **{"training": "train", "valid": "dev", "validation": "dev", "development": "dev"},
    **{"test": "eval", "testing": "eval", "evaluation": "eval"},
}
_COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "filepath", "audio", "wav", "utt_id"),
    "label": ("label", "key", "class", "target"),
    "attack": ("attack", "system", "generator", "method", "algorithm", "attack_type"),
    "speaker": ("speaker", "speaker_id", "speakers", "spk", "spk_id"),
    "split": ("split", "subset", "partition", "set"),
    **{name: (name,) for name in CONDITIONS},
}
_BONAFIDE_WORDS = {word for word, label in LABEL_WORDS.items() if label == "bonafide"} | {
    *("original", "natural", "bona")
}
_SPOOF_WORDS = {"spoof", "spoofed", "fake", "fakes", "synthetic", "generated", "deepfake"}
_NOISE_WORDS = {"musan", "rirs_noises", "noise", "noises", "rir", "rirs"}
# Kinds of names that begin with a speaker, and folders of speakers.
_SPEAKERS = (
    r"(?P<speaker>[A-Za-z]+\d+)[_-][^/]*$",
    r"(?P<speaker>\d+)_\d+_\d+[^/]*$",
    r"/(?P<speaker>[^/]+)/[^/]+$",
)
_LOOKED_AT = 2000
# Recordings that cannot be read whose names are said.
_NAMED = 5


@dataclass
class Listing:
    """Recordings with their classes.

    root: the folder that paths are relative to. rows: path, label, attack, speaker, split ("" where
    there is none yet) and conditions. conditions: their columns. guesses: what was guessed, in
    sentences.
    """

    root: Path
    rows: list[dict[str, str]]
    conditions: list[str] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)


class Sound(NamedTuple):
    """What recordings are like. n: how many were looked at. suffixes, rates: how many of each.
    seconds: mean length. unreadable: path and reason of those that cannot be read.
    """

    n: int
    suffixes: Counter[str]
    rates: Counter[int]
    seconds: float
    unreadable: list[str]


def listing_of(source: Path, bonafide: Sequence[str]) -> Listing:
    """What a folder or a table holds.

    Args:
        source: a folder with a folder for each class or attack, perhaps below folders of splits;
            or a table with a header that names a column of files and one of classes.
        bonafide: folders, relative to `source`, of bona fide speech; where there are none, names
            decide.

    Raises:
        ConfigError: it is neither, or the classes cannot be told. TableError: a damaged table.
    """
    if source.is_dir():
        listing = _of_folder(source, bonafide)
    elif source.is_file():
        if bonafide:
            raise ConfigError("--bonafide names folders, and a table has a column of classes")
        listing = _of_table(source)
    else:
        raise ConfigError(f"{shown(source)}: there is no such folder or table")
    missing = [label for label in LABELS if all(row["label"] != label for row in listing.rows)]
    if missing:
        word = {"bonafide": "bona fide speech", "spoof": "spoofs"}[missing[0]]
        raise ConfigError(
            f"{shown(source)}: there are no {word}; a detector needs recordings of both classes"
        )
    _guess_speakers(listing)
    _deal(listing)
    _check_trained(listing, shown(source))
    return listing


def _check_trained(listing: Listing, source: str) -> None:
    """What is trained on needs both classes: a study without them would stop in its first job."""
    there = {(row["split"], row["label"]) for row in listing.rows}
    for split in ("train", "dev"):
        for label in LABELS:
            if (split, label) not in there:
                raise ConfigError(
                    f"{source}: {split} has no {label} recordings, and a detector is trained and "
                    "its threshold chosen on both classes; add recordings, or give a table of them "
                    "with a column split"
                )


def _of_folder(root: Path, bonafide: Sequence[str]) -> Listing:
    files = [path.relative_to(root) for path in audio_files(root)]
    noise = sorted({path.parts[0] for path in files if path.parts[0].lower() in _NOISE_WORDS})
    files = [path for path in files if path.parts[0] not in noise]
    if not files:
        raise ConfigError(f"{shown(root)}: there are no recordings in this folder")
    named = [Path(name) for name in bonafide]
    for name in named:
        if not any(path.is_relative_to(name) for path in files):
            raise ConfigError(f"--bonafide {shown(name)}: no recordings of {shown(root)} are in it")
    splits = {path.parts[0] for path in files} & set(_SPLIT_WORDS)
    guesses = [f"Left out, because noise is no speech: {', '.join(noise)}."] if noise else []
    if splits:
        others = sorted({path.parts[0] for path in files} - splits)
        if others:
            raise ConfigError(
                f"{shown(root)}: beside the splits {', '.join(sorted(splits))} it holds "
                f"{', '.join(others[:5])}; move these away"
            )
        guesses.append(f"The folders {', '.join(sorted(splits))} are the splits.")
    depth = 1 if splits else 0
    folders = {path.parts[depth] for path in files if len(path.parts) > depth + 1}
    genuine = {name for name in folders if _words(name) & _BONAFIDE_WORDS}
    if not named:
        if not genuine:
            raise ConfigError(
                f"{shown(root)}: which folder is bona fide speech cannot be told from the names "
                f"{', '.join(sorted(folders)[:8]) or '(there are no folders)'}; name it with "
                "--bonafide FOLDER, or give a table with a column of classes"
            )
        guesses.append(f"Bona fide speech is in {', '.join(sorted(genuine))}, by the name.")
    rows = []
    for path in files:
        inner = path.parts[depth:]
        if named:
            is_bonafide = any(path.is_relative_to(name) for name in named)
        else:
            is_bonafide = len(inner) > 1 and inner[0] in genuine
        if is_bonafide:
            label, attack = "bonafide", NONE
        elif len(inner) == 1:
            raise ConfigError(
                f"{shown(root / path)}: a recording beside the folders of classes; move it into one"
            )
        else:
            label, attack = "spoof", _attack(inner)
        split = _SPLIT_WORDS[path.parts[0]] if splits else ""
        rows.append(
            {
                **{"path": path.as_posix(), "label": label, "attack": attack},
                **{"speaker": NONE, "split": split},
            }
        )
    attacks = sorted({row["attack"] for row in rows} - {NONE})
    guesses.append(f"The attacks are the other folders: {', '.join(attacks)}.")
    return Listing(root, rows, [], guesses)


def _words(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.lower())) | {name.lower()}


def _attack(inner: Sequence[str]) -> str:
    """The folder that names an attack: the first, or the one below a folder of all spoofs."""
    if not _words(inner[0]) & _SPOOF_WORDS or inner[0].lower() not in _SPOOF_WORDS:
        return inner[0]
    return inner[1] if len(inner) > 2 else UNKNOWN


def _of_table(path: Path) -> Listing:
    delimiter = _delimiter(path)
    header, records = read_header(path, delimiter)
    columns = {}
    for name, candidates in _COLUMNS.items():
        there = {column.strip().lower(): column for column in reversed(header)}
        if known := [there[candidate] for candidate in candidates if candidate in there]:
            columns[name] = known[0]
    for name in ("path", "label"):
        if name not in columns:
            raise ConfigError(
                f"{shown(path)}: line 1: no column is called {' or '.join(_COLUMNS[name][:4])}; "
                f"the header has {', '.join(filter(None, header))}"
            )
    places = {name: header.index(column) for name, column in columns.items()}
    root = path.absolute().parent
    files: dict[str, list[str]] = {}
    for file in audio_files(root):
        relative = file.relative_to(root)
        for key in {relative.as_posix(), relative.name, relative.stem}:
            files.setdefault(key, []).append(relative.as_posix())
    rows, lost = [], []
    listed: dict[str, int] = {}
    conditions = [name for name in CONDITIONS if name in columns]
    for number, fields in records:
        where = f"{shown(path)}: line {number}"
        row = {name: fields[place].strip() for name, place in places.items()}
        label = LABEL_WORDS.get(row["label"].lower())
        if label is None:
            raise ConfigError(
                f"{where}: the class {row['label']!r} is none of {', '.join(LABEL_WORDS)} (a "
                "number would not say which class it stands for)"
            )
        split = row.get("split", "").lower()
        if split and split not in _SPLIT_WORDS:
            raise ConfigError(f"{where}: the split {split!r} is none of {', '.join(_SPLIT_WORDS)}")
        found = files.get(row["path"], [])
        if len(found) > 1:
            raise ConfigError(f"{where}: {row['path']!r} may be {found[0]} or {found[1]}")
        if not found:
            lost.append(f"{row['path']!r} (line {number})")
            continue
        if found[0] in listed:
            raise ConfigError(
                f"{where}: {found[0]} is on line {listed[found[0]]} too; list each file once"
            )
        listed[found[0]] = number
        rows.append(
            {
                **{"path": found[0], "label": label, "speaker": row.get("speaker") or NONE},
                "attack": NONE if label == "bonafide" else row.get("attack") or UNKNOWN,
                "split": _SPLIT_WORDS.get(split, ""),
                **{name: row[name] or NONE for name in conditions},
            }
        )
    if lost:
        raise ConfigError(
            f"{shown(path)}: {len(lost)} of {len(lost) + len(rows)} files are not below "
            f"{shown(root)}, such as {', '.join(lost[:3])}"
        )
    read = ", ".join(f"{name} = {column}" for name, column in columns.items())
    return Listing(root, rows, conditions, [f"The columns that were read: {read}."])


def _delimiter(path: Path) -> str:
    first = next((text for _, text in lines(path) if text), "")
    known = {".csv": ",", ".tsv": "\t", ".psv": "|"}.get(path.suffix.lower())
    # Spreadsheets write .csv with semicolons where commas are decimal points.
    for delimiter in (*filter(None, [known]), "\t", ",", "|", ";"):
        if delimiter in first:
            return delimiter
    return known or " "


def _guess_speakers(listing: Listing) -> None:
    """Speakers from the names of files, where no column has them."""
    if any(row["speaker"] != NONE for row in listing.rows):
        return
    for pattern in _SPEAKERS:
        matches = [re.search(pattern, f"/{row['path']}") for row in listing.rows]
        if not all(matches):
            continue
        names = [str(match["speaker"]) for match in matches if match]
        classes = {row["attack"] for row in listing.rows} | _BONAFIDE_WORDS | _SPOOF_WORDS
        several = len(set(names)) > 1 and len(names) >= 3 * len(set(names))
        if several and not set(names) & classes:
            for row, name in zip(listing.rows, names, strict=True):
                row["speaker"] = name
            example = listing.rows[0]["path"]
            listing.guesses.append(
                f"Speakers are guessed from names: {example} is of {names[0]!r}, and there are "
                f"{len(set(names))}. Correct the column `speaker` if that is wrong: intervals and "
                "splits depend on it."
            )
            return
    listing.guesses.append(
        "Speakers are not known, so a speaker may be in train and in eval, and intervals are over "
        "clips and look surer than they are. Fill the column `speaker` if you know them."
    )


def _deal(listing: Listing) -> None:
    """Splits, where the recordings have none: whole speakers, or all files of one name."""
    undealt = [row for row in listing.rows if not row["split"]]
    if not undealt:
        _deal_dev(listing)
        return
    if len(undealt) < len(listing.rows):
        raise ConfigError(
            f"{undealt[0]['path']}: this recording has no split, and others have one; give all a "
            "split, or none"
        )

    _deal_to(listing.rows, FRACTIONS, listing.root)
    listing.rows.sort(key=lambda row: row["path"])
    shares = ", ".join(f"{share:.0%} {split}" for split, share in FRACTIONS.items())
    listing.guesses.append(f"The recordings came without splits; they are dealt: {shares}.")


def _deal_dev(listing: Listing) -> None:
    """A dev set from train, where the recordings came without one: thresholds are chosen on it."""
    there = {row["split"] for row in listing.rows}
    if "train" in there and "dev" not in there:
        rows = [row for row in listing.rows if row["split"] == "train"]
        _deal_to(rows, {"train": 0.8, "dev": 0.2, "eval": 0.0}, listing.root)
        listing.guesses.append(
            "There was no dev split, on which thresholds are chosen: 20% of train are dealt to it."
        )


def _deal_to(rows: Sequence[dict[str, str]], fractions: Mapping[str, float], root: Path) -> None:
    """Deal whole speakers, or all files of one name."""

    def group(row: Mapping[str, str]) -> str:
        return row["speaker"] if row["speaker"] != NONE else Path(row["path"]).stem

    splits = [split for split, share in fractions.items() if share]
    if (n := len({group(row) for row in rows})) < len(splits):
        raise ConfigError(
            f"{shown(root)}: {n} {'speaker' if n == 1 else 'speakers'} (or recordings of "
            f"different names) cannot be dealt to {', '.join(splits)}; give a table of the "
            "recordings with a column split"
        )
    shuffled = sorted(rows, key=lambda row: (seed_of(0, group(row)), row["path"]))
    dealt = deal_groups(
        [group(row) for row in shuffled],
        [(row["label"], row["attack"]) for row in shuffled],
        fractions,
        shown(root),
    )
    for row, split in zip(shuffled, dealt, strict=True):
        row["split"] = split


def sound_of(root: Path, paths: Sequence[str]) -> Sound:
    """What recordings are like, by their headers; of many, evenly chosen ones are looked at."""
    step = max(1, math.ceil(len(paths) / _LOOKED_AT))
    chosen = sorted(paths)[::step]

    def look(path: str) -> audio.AudioInfo | str:
        try:
            return audio.info(root / path)
        except AudioError as error:
            return str(error)

    looks = in_threads(look, chosen, None)
    read = [look for look in looks if not isinstance(look, str)]
    if not read:
        raise CorpusError(f"none of {len(chosen)} recordings can be read: {looks[0]}")
    return Sound(
        n=len(chosen),
        suffixes=Counter(Path(path).suffix.lower() for path in chosen),
        rates=Counter(look.sample_rate for look in read),
        seconds=sum(look.n_samples / look.sample_rate for look in read) / len(read),
        unreadable=[look for look in looks if isinstance(look, str)],
    )


def table_of(listing: Listing) -> pl.DataFrame:
    """The list of recordings as a study reads it."""
    columns = ["path", "label", "attack", "speaker", "split", *listing.conditions]
    return pl.DataFrame(listing.rows, schema=dict.fromkeys(columns, pl.String()))


def described(listing: Listing, sound: Sound) -> list[str]:
    """What was found, in lines: counts per split, class and attack; sound; guesses; warnings."""
    table = table_of(listing)
    hours = table.height * sound.seconds / 3600
    rates = ", ".join(f"{rate} Hz ({n / sound.n:.0%})" for rate, n in sound.rates.most_common(4))
    kinds = ", ".join(
        f"{suffix} ({n / sound.n:.0%})" for suffix, n in sound.suffixes.most_common(4)
    )
    looked = "" if sound.n == table.height else f", by {sound.n} of them"
    found = [
        f"{table.height} recordings, about {hours:.2g} hours{looked}: {kinds}; {rates}.",
    ]
    speakers = table.filter(pl.col("speaker") != NONE)["speaker"].n_unique()
    for split in SPLITS:
        part = table.filter(split=split)
        bonafide, spoof = (part.filter(label=label) for label in LABELS)
        counts = spoof["attack"].value_counts().sort("attack").rows()
        attacks = ", ".join(f"{attack} {n}" for attack, n in counts)
        of = part.filter(pl.col("speaker") != NONE)["speaker"].n_unique()
        talk = f", {of} of {speakers} speakers" if speakers else ""
        found.append(
            f"{split}: {bonafide.height} bona fide, {spoof.height} spoof"
            f"{f' ({attacks})' if attacks else ''}{talk}."
        )
    trained, tested = (
        set(table.filter(pl.col("speaker") != NONE, split=split)["speaker"])
        for split in ("train", "eval")
    )
    if known := trained & tested:
        found.append(
            f"{len(known)} of {len(tested)} speakers of eval are in train too: error rates there "
            "are those of known voices, which are lower."
        )
    if len(sound.rates) > 1:
        found.append(
            "Sample rates differ. If they differ between the classes, a detector learns the rate: "
            "read the audit of the corpus first."
        )
    if sound.unreadable:
        more = len(sound.unreadable) - _NAMED
        found.append(
            f"{len(sound.unreadable)} of {sound.n} recordings cannot be read, and the manifest "
            f"would be refused: {'; '.join(sound.unreadable[:_NAMED])}"
            f"{f'; and {more} more' if more > 0 else ''}"
        )
    return [*found, *listing.guesses, *as_warnings(uneven(table))]


def epochs_of(listing: Listing) -> int:
    """Epochs of the suggested training: fewer of many clips."""
    return 40 if sum(row["split"] == "train" for row in listing.rows) < SMALL else 12


def minutes(listing: Listing, sound: Sound) -> float:
    """About how many minutes the study takes on two cores.

    From what the mini study took on one: 6 ms to train on a second of audio, 60 ms to look at,
    score, explain and measure one, four minutes for all jobs to start.
    """
    n = Counter(row["split"] for row in listing.rows)
    seconds = min(sound.seconds, WINDOW / RATE)
    trained = 0.006 * seconds * epochs_of(listing) * (n["train"] + 0.4 * n["dev"])
    heard = 0.06 * sound.seconds * len(listing.rows)
    return (trained + heard + 240) / 60


def study_text(name: str, listing: Listing, table: Path, found: Iterable[str], source: str) -> str:
    """The study file. name: of the study and corpus. table: where the list of recordings is."""
    conditions = ", ".join(["attack", *listing.conditions])
    comments = "\n".join(f"# * {line}" for line in found)
    scored = [split for split in ("dev", "eval") if any(r["split"] == split for r in listing.rows)]
    return f"""\
# Written by `spoofscope init` after a look at {source}.
# Every key is explained in docs/study_file.md. What was found:
{comments}
study: {name}
title: {name}
seed: 1
data_root: resources

corpora:
  {name}:
    type: table
    path: {_quoted(str(listing.root.absolute()))}
    # A row for each recording: correct classes, attacks, speakers and splits here.
    file: {_quoted(str(table.absolute()))}

frontends:
  fbank: {{type: fbank, hop: 160}}
  lfcc: {{type: lfcc, n_fft: 1024, hop: 160, n_filters: 80, n_coefficients: 60, deltas: false}}

detectors:
  # Learns on a laptop. What detectors of real speech need: docs/detectors.md.
  fbank_cnn:
    frontend: fbank
    backend: {{type: cnn}}
    input: {{length: {WINDOW}}}
    train:
      data: [{{corpus: {name}}}]
      recipe: {{preset: small_data, epochs: {epochs_of(listing)}}}
  # Without a network: what a simple detector finds.
  lfcc_gmm:
    frontend: lfcc
    backend: {{type: gmm, components: 64}}
    input: {{length: null}}
    train: {{data: [{{corpus: {name}}}]}}

# On a GPU, the usual strong baseline; uncomment these lines, and move the detector up.
# backbones:
#   wavlm_base_plus: {{family: wavlm, hub: microsoft/wavlm-base-plus, revision: {_WAVLM}}}
# frontends:
#   wavlm: {{type: ssl, backbone: wavlm_base_plus, fine_tune: all}}
# detectors:
#   wavlm_mhfa:
#     frontend: wavlm
#     backend: {{type: mhfa}}
#     input: {{length: {WINDOW}}}
#     train: {{data: [{{corpus: {name}}}], recipe: {{preset: joint_fine_tuning}}}}

score:
  - {{corpus: {name}, splits: [{", ".join(scored)}]}}

conditions: [{conditions}]
comparisons: {{systems: [fbank_cnn, lfcc_gmm]}}

# Which moments of a clip decide (docs/explanations.md).
attribution: {{detectors: [fbank_cnn], corpus: {name}, split: eval, baseline: centroid}}
# Trivial cues, and whether the scores follow them.
artefacts: {{trials: [{{corpus: {name}, split: eval}}]}}
"""


def _quoted(text: str) -> str:
    """A text as YAML, whatever is in it."""
    return "'" + text.replace("'", "''") + "'"


def study_name(source: Path) -> str:
    """A name for the study of a folder or table: small letters, digits and _."""
    name = re.sub(r"\W+", "_", source.absolute().stem.lower(), flags=re.ASCII).strip("_")
    return name if re.match("[a-z]", name) else f"study_{name}".rstrip("_")
