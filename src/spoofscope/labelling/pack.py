"""The folder that annotators get: clips as WAV files, and each detector's evidence in them.

`pack.json` says what the pack is of, `clips.tsv` has a row per clip, `clips/{key}.wav` is its audio
and `evidence.safetensors` holds a tensor `{key}/{place of the detector}` per explanation. Names of
files do not give away what a clip is: a key is a digest of the utterance's id and a seed, and rows
are in the order of keys.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import safetensors
import safetensors.numpy

from spoofscope import audio
from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.files import atomic_folder, atomic_path, read_json, sha256_file, write_json
from spoofscope.identity import canonical_json
from spoofscope.tables import read_table, write_table

Floats = npt.NDArray[np.float32]

FORMAT = 1
CONTENT, CLIPS, EVIDENCE, AUDIO = "pack.json", "clips.tsv", "evidence.safetensors", "clips"
"""Files of the folder; the last is a folder of audio."""

# Of the digest of an explanation.
_STEPS = 20
_ABOUT = "about: "
_SCORE = "score: "
_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("key", "utt_id"), pl.String()),
    "duration": pl.Float64(),
    "sample_rate": pl.Int64(),
    **dict.fromkeys(("audio", "sha256"), pl.String()),
}


@dataclass(frozen=True)
class PackedDetector:
    """A detector whose explanations are in a pack.

    Attributes:
        name: in the study.
        run, seed: of the training.
        method: of attribution.
        hop_seconds, first_centre_seconds: frame i is centred at
            first_centre_seconds + i * hop_seconds.
        threshold: scores below it are called spoof; None where none is known.
    """

    name: str
    run: str
    seed: int
    method: str
    hop_seconds: float
    first_centre_seconds: float
    threshold: float | None


@dataclass(frozen=True)
class PackedClip:
    """A clip of a pack.

    Attributes:
        key: its name in the pack, 12 hexadecimal digits.
        utt_id: its name in the corpus.
        duration: in seconds, of the audio in the pack.
        sample_rate: in Hz, of the same.
        about: what is hidden from blind annotators, such as label, attack and codec.
        scores: of the detectors, by their names.
    """

    key: str
    utt_id: str
    duration: float
    sample_rate: int
    about: Mapping[str, str]
    scores: Mapping[str, float]


def key_of(seed: int, utt_id: str) -> str:
    """The key of a clip in packs of a study."""
    return hashlib.sha256(canonical_json(["pack", seed, utt_id]).encode()).hexdigest()[:12]


def write_pack(
    folder: str | Path,
    about: Mapping[str, Any],
    seed: int,
    detectors: Sequence[PackedDetector],
    clips: Iterable[tuple[Mapping[str, Any], Mapping[str, float], Mapping[str, Floats]]],
) -> None:
    """Write a pack. Its files are replaced, `pack.json` last; other files in the folder stay.

    Args:
        folder: of the pack.
        about: study, corpus and split.
        seed: of the keys.
        detectors: whose explanations there are.
        clips: of each clip the row of the manifest; by detector its score; and by detector the
            evidence for spoof in units of the score, (frames,), NaN in frames that it never sees.

    Raises:
        AudioError: a clip cannot be read.
        SpoofscopeError: there is no clip, or the folder cannot be written.
    """
    folder = Path(folder)
    rows: list[dict[str, Any]] = []
    tensors: dict[str, Floats] = {}
    with atomic_folder(folder / AUDIO) as temporary:
        for row, scores, evidence in clips:
            key = key_of(seed, row["utt_id"])
            samples, rate = audio.read(row["path"])
            # Decoding may take samples beyond full scale.
            samples = samples / max(1.0, float(np.max(np.abs(samples))))
            audio.write(temporary / f"{key}.wav", samples, rate)
            for place, detector in enumerate(detectors):
                values = np.ascontiguousarray(evidence[detector.name], np.float32)
                tensors[f"{key}/{place}"] = values
            hidden = {
                f"{_ABOUT}{name}": str(value)
                for name, value in row.items()
                if name not in ("utt_id", "path", "duration", "sample_rate")
            }
            rows.append(
                {
                    "key": key,
                    "utt_id": row["utt_id"],
                    "duration": samples.size / rate,
                    "sample_rate": rate,
                    "audio": str(folder / AUDIO / f"{key}.wav"),
                    "sha256": sha256_file(temporary / f"{key}.wav"),
                    **hidden,
                    **{f"{_SCORE}{name}": score for name, score in scores.items()},
                }
            )
        if not rows:
            raise SpoofscopeError(f"{folder}: there is no clip that all detectors explain")
    table = pl.DataFrame(sorted(rows, key=lambda row: str(row["key"])), infer_schema_length=None)
    write_table(folder / CLIPS, table)
    with atomic_path(folder / EVIDENCE) as temporary:
        safetensors.numpy.save_file(tensors, temporary)
    content = {
        "format": FORMAT,
        **about,
        "seed": seed,
        "detectors": [asdict(detector) for detector in detectors],
    }
    write_json(folder / CONTENT, content)


def _open(path: Path) -> Any:
    return safetensors.safe_open(path, framework="numpy")


class Pack:
    """A pack that was written.

    Attributes:
        folder: where it lies.
        study, corpus, split: what it is of.
        detectors: in their order.
        clips: key to clip, in the order of keys.
    """

    def __init__(self, folder: str | Path) -> None:
        """Open a folder of :func:`write_pack`.

        Raises:
            SpoofscopeError: it is no pack, or is damaged; the message names the file.
        """
        self.folder = Path(folder)
        if not (self.folder / CONTENT).is_file():
            raise SpoofscopeError(
                f"{self.folder}: no pack of clips; {CONTENT} is missing. The target "
                "`annotation` of a study with the section `annotation` makes one"
            )
        content = read_json(self.folder / CONTENT)
        try:
            if content["format"] != FORMAT:
                raise SpoofscopeError(
                    f"{self.folder / CONTENT} has format {content['format']}, not {FORMAT}"
                )
            self.study, self.corpus, self.split = (
                str(content[name]) for name in ("study", "corpus", "split")
            )
            self.seed = int(content["seed"])
            names = [field.name for field in fields(PackedDetector)]
            self.detectors = [
                PackedDetector(**{name: entry[name] for name in names})
                for entry in content["detectors"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise SpoofscopeError(f"{self.folder / CONTENT} is damaged: {error!r}") from error
        self._places = {detector.name: i for i, detector in enumerate(self.detectors)}
        self.clips = {clip.key: clip for clip in self._clips()}
        self._keys = {clip.utt_id: clip.key for clip in self.clips.values()}
        try:
            self._evidence = _open(self.folder / EVIDENCE)
            tensors = set(self._evidence.keys())
        except (OSError, safetensors.SafetensorError) as error:
            raise SpoofscopeError(f"{self.folder / EVIDENCE} is damaged: {error}") from error
        missing = [
            key for key in self.clips for i in self._places.values() if f"{key}/{i}" not in tensors
        ]
        if missing:
            raise SpoofscopeError(f"{self.folder / EVIDENCE} has no evidence of clip {missing[0]}")

    def _clips(self) -> Iterable[PackedClip]:
        scores = {f"{_SCORE}{name}": pl.Float64() for name in self._places}
        table = read_table(self.folder / CLIPS, _COLUMNS | scores)
        if table["key"].is_duplicated().any() or table["utt_id"].is_duplicated().any():
            raise TableError(f"{self.folder / CLIPS}: a clip is there twice")
        for row in table.iter_rows(named=True):
            yield PackedClip(
                key=row["key"],
                utt_id=row["utt_id"],
                duration=row["duration"],
                sample_rate=row["sample_rate"],
                about={
                    name.removeprefix(_ABOUT): value
                    for name, value in row.items()
                    if name.startswith(_ABOUT)
                },
                scores={name: row[f"{_SCORE}{name}"] for name in self._places},
            )

    @property
    def names(self) -> list[str]:
        """The names of the detectors."""
        return list(self._places)

    def audio(self, key: str) -> Path:
        """The WAV file of a clip of the pack."""
        return self.folder / AUDIO / f"{self.clips[key].key}.wav"

    def of_utterance(self, utt_id: str) -> PackedClip:
        """The clip of an utterance.

        Raises:
            SpoofscopeError: the pack has none.
        """
        if utt_id not in self._keys:
            raise SpoofscopeError(f"{self.folder}: the pack has no utterance {utt_id!r}")
        return self.clips[self._keys[utt_id]]

    def evidence(self, key: str, detector: str) -> Floats:
        """The evidence for spoof in each frame, (frames,), NaN where the detector sees nothing."""
        values: Floats = self._evidence.get_tensor(f"{key}/{self._places[detector]}")
        return values

    def digest(self, key: str, detector: str) -> str:
        """16 hexadecimal digits of what a detector's explanation of a clip looks like.

        The curve in steps of a twentieth of its largest value: another machine, which computes
        other last digits, seldom gives another digest.
        """
        named = self.detectors[self._places[detector]]
        head = json.dumps([named.method, named.hop_seconds, named.first_centre_seconds])
        values = self.evidence(key, detector).astype(np.float64)
        largest = np.nanmax(np.abs(values), initial=0.0)
        steps = np.nan_to_num(np.round(_STEPS * values / (largest or 1.0)), nan=2 * _STEPS)
        content = head.encode() + steps.astype(np.int8).tobytes()
        return hashlib.sha256(content).hexdigest()[:16]
