"""Fingerprints: mean spectra of sources, and their differences from bona fide speech.

The method follows Gasenzer and Wolter (TMLR 2024): magnitudes of Haar wavelet packets of level 14,
averaged over clips and time. The module also makes mean magnitudes of the Fourier transform.
"""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import polars as pl
import safetensors
import safetensors.numpy

from spoofscope import audio
from spoofscope.errors import ConfigError, TableError
from spoofscope.files import atomic_path
from spoofscope.fingerprints.spectra import (
    ENERGY_SIZE,
    Floats,
    Spectra,
    checked_wavelet,
    spectra,
)
from spoofscope.identity import canonical_json, seed_of
from spoofscope.names import BONAFIDE
from spoofscope.options import nearest
from spoofscope.options.fingerprints import FingerprintOptions
from spoofscope.shards.journal import Done
from spoofscope.shards.parts import shard_slice

_LOGGER = logging.getLogger(__name__)

BANDS = 1024
"""Most bands of single clips that are kept for the comparison of halves."""

BLOCK = 250
"""Most clips of one block, whose sum is kept. In the mini corpus, all clips of a source are one
block."""

FLOOR = 1e-10
"""Smallest magnitude, so that logarithms are defined; far below one step of 16-bit audio."""

# Root mean square of clips of equal level; speech of -26 dBov, the usual of ITU-T P.56.
_LEVEL = 0.05
_KEY = "spoofscope"
_FORMAT = 1


def choose_clips(
    manifest: pl.DataFrame, options: FingerprintOptions, seed: int, name: str
) -> pl.DataFrame:
    """The clips that fingerprints are made of: utt_id, path, source, voice, group, sample_rate.

    Where a source has more than `options.clips`, groups are drawn at random, the same ones for all
    sources, and a clip of each in turn. `voice` is the column `options.match`, "-" without one;
    bona fide clips whose voice no generator has are left out. Rows are sorted by source, bona fide
    first, then by utt_id.

    Args:
        manifest: see `tables.read_manifest`.
        options: see :class:`FingerprintOptions`.
        seed: the study's.
        name: of the manifest, for messages.

    Raises:
        ConfigError: a column, an attack, or one of the classes is not there; a generator has a
            voice that no bona fide clip has.
    """
    rows = manifest.filter(pl.col("split").is_in(list(options.splits)))
    for key in ("match", "group"):
        column = getattr(options, key)
        if column is not None and column not in rows.columns:
            raise ConfigError(
                f"fingerprints.{key}: {name} has no column {column!r}; "
                f"{nearest(column, rows.columns)}"
            )
    there = sorted(set(rows["attack"]) - {"-"})
    attacks = there if options.attacks is None else list(options.attacks)
    for attack in attacks:
        if attack not in there:
            raise ConfigError(
                f"fingerprints.attacks: {name} has no attack {attack!r} in "
                f"{', '.join(options.splits)}; {nearest(attack, there)}"
            )
    if not attacks:
        raise ConfigError(f"fingerprints: {name} has no generators in {', '.join(options.splits)}")
    voice = pl.lit("-") if options.match is None else pl.col(options.match)
    long_enough = rows.filter(pl.col("duration") >= options.seconds).select(
        "utt_id",
        "path",
        pl.col("attack").replace("-", BONAFIDE).alias("source"),
        voice.alias("voice"),
        pl.col(options.group).alias("group"),
        "sample_rate",
    )
    chosen: dict[str, pl.DataFrame] = {}
    # Bona fide last: a clip without a counterpart among the generators' voices is not compared.
    for source in [*attacks, BONAFIDE]:
        own = long_enough.filter(pl.col("source") == source)
        if own.is_empty():
            raise ConfigError(
                f"fingerprints: {name} has no {source} clip of {options.seconds:g} s or more in "
                f"{', '.join(options.splits)}; see the keys splits and seconds"
            )
        if source == BONAFIDE:
            voices = {each for generator in chosen.values() for each in generator["voice"]}
            own = own.filter(pl.col("voice").is_in(list(voices)))
        chosen[source] = _drawn(own.sort("utt_id"), options.clips, seed)
    real = chosen.pop(BONAFIDE)
    for source, own in chosen.items():
        alone = sorted(set(own["voice"]) - set(real["voice"]))
        if alone:
            raise ConfigError(
                f"fingerprints.match: {source} has clips with {options.match} {alone[0]!r}, and no "
                "bona fide clip that was drawn has; add such speech, leave the generator out (key "
                "attacks), raise the number of clips, or compare without match"
            )
    return pl.concat([real, *chosen.values()])


def _drawn(clips: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    """At most `most` rows, in their order: a clip of each group in turn."""
    if clips.height <= most:
        return clips
    # At random, but in the same order for a group in every source.
    lots = [seed_of(seed, "fingerprints", group) for group in clips["group"]]
    turns = pl.int_range(pl.len()).over("group")
    places = clips.with_columns(lot=pl.Series(lots), turn=turns).with_row_index("place")
    kept = places.sort("turn", "lot", "place").head(most)["place"].sort()
    return clips[kept.to_list()]


def matched_weights(
    voices: npt.NDArray[Any], fake: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Weights (n,) of bona fide clips that give their voices the shares they have among spoofs.

    Args:
        voices: of all clips.
        fake: which of them are spoofs.

    Returns:
        Weights of sum 1 where every voice of the spoofs has bona fide clips; 0 for spoofs.
    """
    _, member = np.unique(voices, return_inverse=True)
    spoofs, reals = np.bincount(member, weights=fake), np.bincount(member, weights=~fake)
    shares = spoofs / np.maximum(reals, 1) / fake.sum()
    weights: npt.NDArray[np.float64] = np.where(fake, 0.0, shares[member])
    return weights


@dataclass(frozen=True)
class Fingerprints:
    """Mean spectra of every source.

    Attributes:
        sources: their names, bona fide first.
        n_clips: of each.
        sample_rate: Hz.
        n_samples: of each clip.
        wavelet, level: of the packets.
        means: field of `Spectra` to its mean over the clips of each source (sources, size).
        references: the same for the bona fide clips that each source is compared with; every voice
            has the same weight as among the source's clips. Row 0 is that of `means`.
    """

    sources: tuple[str, ...]
    n_clips: tuple[int, ...]
    sample_rate: int
    n_samples: int
    wavelet: str
    level: int
    means: dict[str, Floats]
    references: dict[str, Floats]

    def frequencies(self, kind: str) -> Floats:
        """Hz of a spectrum's entries: of packets the centres of the bands, else of the bins."""
        if kind == "packets":
            width = self.sample_rate / 2 ** (self.level + 1)
            return (np.arange(2**self.level) + 0.5) * width
        size = ENERGY_SIZE if kind == "energy" else self.n_samples
        return np.arange(size // 2 + 1, dtype=np.float64) * (self.sample_rate / size)

    def magnitudes(self, kind: str) -> tuple[Floats, Floats]:
        """Mean magnitudes of all sources, and of the bona fide speech that each is compared with.

        Args:
            kind: "packets" or "fourier": mean of the magnitudes; "coherent": magnitude of the
                Fourier transform of the mean waveform, which keeps only what all clips have in
                phase; "energy": root of the mean power in short frames.

        Returns:
            Both (sources, size), at `frequencies`.
        """
        if kind == "coherent":
            both = (self.means["waveform"], self.references["waveform"])
            own, real = (np.abs(np.fft.rfft(each, axis=1)) for each in both)
        elif kind == "energy":
            own, real = np.sqrt(self.means[kind]), np.sqrt(self.references[kind])
        else:
            own, real = self.means[kind], self.references[kind]
        return np.maximum(own, FLOOR), np.maximum(real, FLOOR)

    def differences(self, kind: str) -> Floats:
        """ln(bona fide) - ln(generator) of every generator (generators, size)."""
        own, real = self.magnitudes(kind)
        return np.log(real[1:]) - np.log(own[1:])

    def average_difference(self, kind: str) -> Floats:
        """The same (size,) for the mean over generators, with equal weights."""
        own, real = self.magnitudes(kind)
        return np.log(real[1:].mean(axis=0)) - np.log(own[1:].mean(axis=0))


class _Block(TypedDict):
    """The stored values of some clips of one source: the bands of each clip for the comparison of
    halves (clips, bands), and per source the contributions to its mean and to its reference, each a
    list of the fields of `Spectra`.
    """

    bands: npt.NDArray[np.float32]
    means: dict[str, list[Floats]]
    references: dict[str, list[Floats]]


class _Reader:
    """Reads clips, and adds their spectra."""

    def __init__(self, clips: pl.DataFrame, options: FingerprintOptions) -> None:
        self.clips, self.options = clips, options
        self.rate = options.sample_rate or _common_rate(clips)
        self.n_samples = round(options.seconds * self.rate)
        if self.n_samples < ENERGY_SIZE:
            raise ConfigError(
                f"fingerprints.seconds: {options.seconds:g} s are {self.n_samples} samples; "
                f"{ENERGY_SIZE} are needed at least"
            )
        self.wavelet = checked_wavelet(options.wavelet)
        self.n_bands = min(BANDS, 2**options.level)
        self.sources = tuple(clips["source"].unique(maintain_order=True))
        self.own, self.reference = _shares(clips, self.sources)

    def blocks(self) -> list[tuple[str, range]]:
        """Name and clips of each block. They do not depend on shards, nor do the sums, then, which
        change in the last digit with the order of their terms.
        """
        blocks = []
        start = 0
        for source in self.sources:
            end = start + self.clips.filter(source=source).height
            for first in range(start, end, BLOCK):
                blocks.append((f"{source} {first}", range(first, min(first + BLOCK, end))))
            start = end
        return blocks

    def read(self, block: range) -> _Block:
        """Read the clips of a block one by one."""
        bands = np.empty((len(block), self.n_bands), dtype=np.float32)
        means: dict[str, list[Floats]] = {}
        references: dict[str, list[Floats]] = {}
        for row, i in enumerate(block):
            measured = self._spectra(self.clips["path"][i])
            bands[row] = measured.packets.reshape(self.n_bands, -1).mean(axis=1)
            for sums, shares in ((means, self.own), (references, self.reference)):
                for s in np.flatnonzero(shares[i]):
                    totals = sums.setdefault(
                        self.sources[s], [np.zeros_like(each) for each in measured]
                    )
                    for total, each in zip(totals, measured, strict=True):
                        total += shares[i, s] * each
        return {"bands": bands, "means": means, "references": references}

    def _spectra(self, path: str) -> Spectra:
        samples = audio.read(path, self.rate)[0][: self.n_samples]
        if samples.size < self.n_samples:
            raise TableError(
                f"{path}: it has {samples.size / self.rate:.3f} s and its manifest says at least "
                f"{self.options.seconds:g} s; make the manifest anew"
            )
        if self.options.equal_levels:
            level = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
            samples = samples * (_LEVEL / level if level > 0 else 1.0)
        return spectra(samples, self.wavelet, self.options.level)


def add_clips(
    clips: pl.DataFrame, options: FingerprintOptions, done: Done, shard: tuple[int, int] = (0, 1)
) -> None:
    """Read clips one by one, and add their spectra in blocks of `BLOCK` clips of one source.

    Args:
        clips, options: as of :func:`gather`.
        done: the sums of blocks that are finished; the others are added.
        shard: the blocks of this job, see `shards.parts.shard_slice`.

    Raises:
        As :func:`gather`.
    """
    reader = _Reader(clips, options)
    blocks = reader.blocks()
    blocks = blocks[shard_slice([len(block) for _, block in blocks], *shard)]
    for number, (name, block) in enumerate(blocks, start=1):
        if name not in done:
            done[name] = reader.read(block)
            _LOGGER.info("%d of %d blocks of clips read", number, len(blocks))


def gather(
    clips: pl.DataFrame, options: FingerprintOptions, done: Done | None = None
) -> tuple[Fingerprints, npt.NDArray[np.float32]]:
    """Read clips one by one and average their spectra.

    Memory holds one clip, two sums per source, and 4 kB per clip.

    Args:
        clips: as `choose_clips` gives them.
        options: as there.
        done: finished blocks, see :func:`add_clips`; the others are added.

    Returns:
        The fingerprints, and the mean packet magnitudes of every clip (n, bands), in `BANDS` equal
        bands or all there are.

    Raises:
        AudioError: a file cannot be read.
        ConfigError: no such wavelet; files differ in their rate and no rate is asked for; clips
            are too short.
        TableError: a clip is shorter than the manifest says.
    """
    done = {} if done is None else done
    add_clips(clips, options, done)
    reader = _Reader(clips, options)
    bands = np.empty((clips.height, reader.n_bands), dtype=np.float32)
    means: dict[str, list[Floats]] = {}
    references: dict[str, list[Floats]] = {}
    for name, block in reader.blocks():
        added: _Block = done[name]
        bands[block.start : block.stop] = added["bands"]
        for sums, parts in ((means, added["means"]), (references, added["references"])):
            for source, terms in parts.items():
                totals = sums.setdefault(source, [np.zeros_like(each) for each in terms])
                for total, term in zip(totals, terms, strict=True):
                    total += term
    fingerprints = Fingerprints(
        reader.sources,
        tuple(int(n) for n in (reader.own > 0).sum(axis=0)),
        reader.rate,
        reader.n_samples,
        reader.wavelet,
        options.level,
        *(
            {
                field: np.stack([sums[source][kind] for source in reader.sources])
                for kind, field in enumerate(Spectra._fields)
            }
            for sums in (means, references)
        ),
    )
    return fingerprints, bands


def _shares(clips: pl.DataFrame, sources: tuple[str, ...]) -> tuple[Floats, Floats]:
    """The weight of a clip in every source's mean and reference: (clips, sources)."""
    source, voices = clips["source"].to_numpy(), clips["voice"].to_numpy()
    real = source == BONAFIDE
    own = np.stack([(source == name) / np.sum(source == name) for name in sources], axis=1)
    reference = np.zeros_like(own)
    reference[:, 0] = own[:, 0]
    for s, name in enumerate(sources[1:], start=1):
        compared = real | (source == name)
        reference[compared, s] = matched_weights(voices[compared], ~real[compared])
    return own, reference


def _common_rate(clips: pl.DataFrame) -> int:
    rates = sorted(set(clips["sample_rate"]))
    if len(rates) > 1:
        raise ConfigError(
            f"fingerprints: the files have {' and '.join(map(str, rates))} Hz, and a rate is a "
            "fingerprint by itself; name the lowest one (key sample_rate)"
        )
    return int(rates[0])


def write_fingerprints(path: str | Path, fingerprints: Fingerprints) -> None:
    """Write fingerprints as safetensors, atomically: `means/{kind}` and `references/{kind}`."""
    tensors = {}
    for group in ("means", "references"):
        for kind, values in getattr(fingerprints, group).items():
            tensors[f"{group}/{kind}"] = np.ascontiguousarray(values)
    told = {
        key: value
        for key, value in asdict(fingerprints).items()
        if key not in ("means", "references")
    }
    with atomic_path(path) as temporary:
        content = {_KEY: canonical_json({"format": _FORMAT, **told})}
        safetensors.numpy.save_file(tensors, temporary, content)


def read_fingerprints(path: str | Path) -> Fingerprints:
    """Read what :func:`write_fingerprints` wrote.

    Raises:
        TableError: the file is missing, damaged, or of another kind.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            told: dict[str, Any] = json.loads(file.metadata()[_KEY])
            if told.pop("format") != _FORMAT:
                raise TableError(f"{path} is of another version; make it anew")
            means, references = (
                {kind: file.get_tensor(f"{group}/{kind}") for kind in Spectra._fields}
                for group in ("means", "references")
            )
        sources, n_clips = tuple(told.pop("sources")), tuple(told.pop("n_clips"))
        return Fingerprints(sources, n_clips, **told, means=means, references=references)
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise TableError(f"{path} holds no fingerprints, or is damaged: {error}") from error
