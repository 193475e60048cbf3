"""Is a fingerprint a pattern of its generator, or chance? Disjoint halves of the clips must agree.

The clips are halved at random many times. For each division, the log difference between bona fide
and generator is computed from each half. Halves share no clip of either class, and no group
(speaker or sentence). Both differences contain a pattern of the generator, but not the same noise.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.errors import ConfigError
from spoofscope.fingerprints.means import FLOOR, matched_weights
from spoofscope.fingerprints.spectra import Floats
from spoofscope.identity import rng_of
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.limits import smallest_corrected
from spoofscope.names import BONAFIDE

STRUCTURES = ("whole", "fine")
"""The unchanged log difference, and the difference less its moving average over `SMOOTHING` bands.
The first shows the spectral colour of a generator, the second lines and steps of its spectrum."""

SMOOTHING = 33
"""Bands, of 1,024 or fewer, that the moving average spans."""

COLUMNS: dict[str, pl.DataType] = {
    "structure": pl.String(),
    "generator": pl.String(),
    "other": pl.String(),
    "pearson": pl.Float64(),
    "pearson_low": pl.Float64(),
    "pearson_high": pl.Float64(),
    "spearman": pl.Float64(),
    "spearman_low": pl.Float64(),
    "spearman_high": pl.Float64(),
    "p": pl.Float64(),
    "p_holm": pl.Float64(),
    "p_smallest": pl.Float64(),
    "own_closest": pl.Float64(),
    "n_clips": pl.Int64(),
    "n_groups": pl.Int64(),
    "halves": pl.Int64(),
}

_TRIES = 100
# Number of halves for permuted labels; the mean over more halves changes little.
_TEST_HALVES = 10

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32]


def compare_halves(
    clips: pl.DataFrame, bands: Values, *, halves: int, permutations: int, seed: int
) -> pl.DataFrame:
    """Correlate the log differences of disjoint halves, of the same generator and of others.

    Args:
        clips: source, voice and group of every clip, see `means.choose_clips`.
        bands: packet magnitudes (n, bands) of the same clips.
        halves: random halves.
        permutations: of the labels, behind p.
        seed: the study's.

    Returns:
        For each of `STRUCTURES` a row per pair of generators, and first one of bona fide with
        itself: in every half, random bona fide clips replace the generator's, which shows the level
        of chance. Columns: structure, generator, other; mean over halves, 2.5 and 97.5 % quantile
        of Pearson's (pearson, pearson_low, pearson_high) and Spearman's correlation; of a generator
        with itself also p, the share of permutations of the labels bona fide and spoof (within
        voices) whose halves agree at least as well, but at least 2^(1 - n), with n the number of
        groups of the generator's clips or of the bona fide clips of its voices, whichever is
        smaller; p_holm, corrected for the number of generators; p_smallest, the lower bound of
        p_holm for these numbers of permutations, groups and generators; own_closest, the share of
        halves whose closest other half, among all generators, is of the same generator; n_clips and
        n_groups of the generator; halves.

    Raises:
        ConfigError: the groups cannot be halved.
    """
    sources = clips["source"].to_numpy()
    voices = clips["voice"].to_numpy()
    generators = [name for name in clips["source"].unique(maintain_order=True) if name != BONAFIDE]
    groups = clips["group"].to_numpy()
    masks = _halves(groups, voices, sources, generators, halves, seed)
    real = sources == BONAFIDE
    by_chance = _differences_by_chance(bands[real], masks[:, real], seed)
    both = []
    p = []
    floors = []
    for name in generators:
        own = real | (sources == name)
        values, masks_own, fake = bands[own], masks[:, own], ~real[own]
        both.append(_differences(values, voices[own], fake, masks_own))
        matched = np.isin(voices, voices[sources == name])
        units = min(np.unique(groups[each & matched]).size for each in (real, sources == name))
        # Halves share no group, so there are two of each.
        floors.append(2.0 ** (1 - units))
        rng = rng_of(seed, "fingerprints", "labels", name)
        p.append(_p(values, voices[own], fake, masks_own[:_TEST_HALVES], permutations, rng))
    first, second = (np.stack(each, axis=1) for each in zip(*both, strict=True))
    smallest = smallest_corrected([max(floor, 1 / (1 + permutations)) for floor in floors])
    counts = {}
    for name in [BONAFIDE, *generators]:
        own = sources == name
        counts[name] = {"n_clips": int(own.sum()), "n_groups": np.unique(groups[own]).size}
    rows = []
    for s, structure in enumerate(STRUCTURES):
        chance = _compared(by_chance[0][:, None], by_chance[1][:, None], structure)
        rows.append(_row(structure, (BONAFIDE, BONAFIDE), [r[:, 0, 0] for r in chance], counts))
        pearson, spearman = _compared(first, second, structure)
        own_p = [max(values[s], floor) for values, floor in zip(p, floors, strict=True)]
        corrected = holm(own_p)
        for i, name in enumerate(generators):
            for j, other in enumerate(generators):
                # In both directions: the first half of one with the second of the other.
                r = [(each[:, i, j] + each[:, j, i]) / 2 for each in (pearson, spearman)]
                row = _row(structure, (name, other), r, counts)
                if i == j:
                    closest = [pearson[:, i].argmax(axis=1), pearson[:, :, i].argmax(axis=1)]
                    row["own_closest"] = float(np.mean(np.array(closest) == i))
                    row |= {
                        "p": own_p[i],
                        "p_holm": float(corrected[i]),
                        "p_smallest": smallest[i],
                    }
                rows.append(row)
    return pl.DataFrame(rows, schema=COLUMNS)


def _row(
    structure: str,
    pair: tuple[str, str],
    correlations: Sequence[Floats],
    counts: Mapping[str, dict[str, int]],
) -> dict[str, Any]:
    row: dict[str, Any] = {"structure": structure, "generator": pair[0], "other": pair[1]}
    for kind, values in zip(("pearson", "spearman"), correlations, strict=True):
        low, high = np.quantile(values, [0.025, 0.975])
        row[kind] = float(values.mean())
        row |= {f"{kind}_low": float(low), f"{kind}_high": float(high)}
    return {**row, **counts[pair[0]], "halves": correlations[0].size}


def _halves(
    groups: npt.NDArray[Any],
    voices: npt.NDArray[Any],
    sources: npt.NDArray[Any],
    generators: list[str],
    n: int,
    seed: int,
) -> Mask:
    """Which clips are in the first half (n, clips), each time half of the groups at random.

    Every generator has clips in both halves, and so has the bona fide speech of its voices.

    Raises:
        ConfigError: the groups cannot be halved so.
    """
    names, member = np.unique(groups, return_inverse=True)
    real = sources == BONAFIDE
    needed = [np.flatnonzero(real)]
    for generator in generators:
        own = sources == generator
        needed += [np.flatnonzero(own), np.flatnonzero(real & np.isin(voices, voices[own]))]
    rng = rng_of(seed, "fingerprints", "halves")
    masks: list[Mask] = []
    for _ in range(n * _TRIES):
        first = np.zeros(names.size, dtype=bool)
        first[rng.permutation(names.size)[: names.size // 2]] = True
        mask = first[member]
        # Two bona fide clips in each half, so that one can be compared with the other.
        if all(mask[i].any() and not mask[i].all() for i in needed) and (
            2 <= mask[real].sum() <= real.sum() - 2
        ):
            masks.append(mask)
            if len(masks) == n:
                return np.array(masks)
    raise ConfigError(
        f"fingerprints.group: its {names.size} values cannot be halved at random so that every "
        "generator, and the bona fide speech of its voices, is in both halves; name a column with "
        "more values, such as utt_id, or leave generators with few clips out (key attacks)"
    )


def _half_means(values: Values, weights: Floats, masks: Mask) -> Floats:
    """Weighted means (n, bands) of the clips (m, bands) that each of n masks (n, m) picks."""
    picked = (masks * weights).astype(np.float32)
    sums = (picked @ values).astype(np.float64)
    means: Floats = np.maximum(sums / picked.sum(axis=1, dtype=np.float64)[:, None], FLOOR)
    return means


def _differences(
    values: Values, voices: npt.NDArray[Any], fake: Mask, masks: Mask
) -> tuple[Floats, Floats]:
    """ln(bona fide) - ln(generator) of both halves, (halves, bands) each."""
    weights = matched_weights(voices, fake)
    first, second = (
        np.log(_half_means(values, weights, half))
        - np.log(_half_means(values, fake.astype(np.float64), half))
        for half in (masks, ~masks)
    )
    return first, second


def _differences_by_chance(values: Values, masks: Mask, seed: int) -> tuple[Floats, Floats]:
    """The same for bona fide clips alone: in each half, half of them replace a generator's."""
    rng = rng_of(seed, "fingerprints", "by chance")
    voices = np.zeros(len(values), dtype=np.int64)
    rows = []
    for mask in masks:
        fake = np.zeros(len(values), dtype=bool)
        for half in (mask, ~mask):
            own = np.flatnonzero(half)
            fake[rng.permutation(own)[: own.size // 2]] = True
        rows.append(_differences(values, voices, fake, mask[None]))
    first, second = (np.concatenate(each) for each in zip(*rows, strict=True))
    return first, second


def _standard(rows: Floats) -> Floats:
    """Rows with mean 0 and length 1, so that products are correlations; constant ones are 0."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    standard: Floats = centred / np.where(length > 0, length, 1.0)
    return standard


def _fine(rows: Floats) -> Floats:
    """Rows less their moving average, the ends reflected."""
    span = min(SMOOTHING, rows.shape[-1] - 1 + rows.shape[-1] % 2)
    reach = [(0, 0)] * (rows.ndim - 1) + [(span // 2, span // 2)]
    padded = np.pad(rows, reach, mode="symmetric")
    sums = np.concatenate([np.zeros_like(padded[..., :1]), padded.cumsum(axis=-1)], axis=-1)
    fine: Floats = rows - (sums[..., span:] - sums[..., :-span]) / span
    return fine


def _correlations(first: Floats, second: Floats) -> Floats:
    """(halves, n, n) of the first halves' differences (halves, n, bands) with the second's."""
    product: Floats = _standard(first) @ _standard(second).swapaxes(1, 2)
    return product


def _compared(first: Floats, second: Floats, structure: str) -> tuple[Floats, Floats]:
    """Pearson's and Spearman's correlations, as `_correlations`, of one of `STRUCTURES`."""
    from scipy.stats import rankdata

    if structure == "fine":
        first, second = _fine(first), _fine(second)
    return _correlations(first, second), _correlations(
        rankdata(first, axis=-1), rankdata(second, axis=-1)
    )


def _p(
    values: Values,
    voices: npt.NDArray[Any],
    fake: Mask,
    masks: Mask,
    permutations: int,
    rng: np.random.Generator,
) -> list[float]:
    """Share of label permutations, within voices, whose halves agree at least as well, for each
    of `STRUCTURES`.

    The observed labels count as one of them (Phipson and Smyth, 2010).
    """

    def agreement(fake: Mask) -> Floats:
        whole = _differences(values, voices, fake, masks)
        return np.array(
            [
                np.mean(np.sum(_standard(first) * _standard(second), axis=1))
                for first, second in (whole, tuple(map(_fine, whole)))
            ]
        )

    def permuted() -> Mask:
        labels = fake.copy()
        for own in of_voice:
            labels[own] = rng.permutation(fake[own])
        return labels

    def in_both(labels: Mask) -> bool:
        return all(
            kind[half].any()
            for kind in (labels, ~labels)
            for mask in masks
            for half in (mask, ~mask)
        )

    of_voice = [np.flatnonzero(voices == voice) for voice in np.unique(voices)]
    observed = agreement(fake)
    reached = np.ones(len(STRUCTURES))
    for _ in range(permutations):
        # The observed labels have both classes in both halves, so only such count beside them.
        while not in_both(labels := permuted()):
            pass
        reached += agreement(labels) >= observed
    shares: list[float] = (reached / (1 + permutations)).tolist()
    return shares
