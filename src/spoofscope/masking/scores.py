"""Scores of masked utterances: of every mask, every strength and every control."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from spoofscope.audio import Samples
from spoofscope.augmentation.registry import build as build_effect
from spoofscope.backends.base import BackEnd
from spoofscope.baselines import BonafideFrames, drawn_alike, read_centroid, read_frames
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, DetectorError, TableError
from spoofscope.frames import frame_indices
from spoofscope.identity import rng_of, seed_of
from spoofscope.inputs import Inputs, aggregate_windows
from spoofscope.judging import Logits, logits_of_clips
from spoofscope.masking.artefacts import TIER, Artefact
from spoofscope.masking.base import (
    Clip,
    FrameMask,
    Frames,
    Mask,
    Part,
    Segment,
    WaveformMask,
    build,
)
from spoofscope.masking.controls import as_much_energy, moved_change, random_frames
from spoofscope.masking.heard import Listener
from spoofscope.names import BONAFIDE, BOTH, ENERGY, NONE, SIZE
from spoofscope.options.masking import MaskingOptions
from spoofscope.randomised import randomised_backend
from spoofscope.rescoring import decoded, left_of, random_shift, score_again
from spoofscope.shards.journal import Done
from spoofscope.windows import Windows


class _Masked(NamedTuple):
    """A mask or a control at one strength, see `tables.COLUMNS`."""

    mask: str
    variant: str
    strength: float
    matched: str
    control: int
    share: float
    energy: float


@dataclass(frozen=True)
class Masker:
    """A detector, and the masks that its recordings go through.

    Attributes:
        detector: in evaluation mode.
        masks: by name.
        controls: random masks of the size of every mask, and as many of its energy.
        batch_size: windows that the detector sees at once.
        seed: of the controls.
        centroid: (C, D) mean bona fide features, where a mask replaces by it.
        listener: the recogniser, where a mask asks what it hears.
        profiles: (C, D) means of the frames of a mask's variant in bona fide utterances, where a
            mask replaces by them, see :func:`profiles_of`.
        copies: back-ends with shuffled weights that hear the same masks, and random ones of their
            size.
        frames: of bona fide training data, where a mask replaces by them.
    """

    detector: Detector
    masks: Mapping[str, Mask]
    controls: int
    batch_size: int
    seed: int
    centroid: Tensor | None = None
    listener: Listener | None = None
    profiles: Mapping[tuple[str, str], Tensor] = field(default_factory=dict)
    copies: Sequence[BackEnd] = ()
    frames: BonafideFrames | None = None

    def masked(self, utt_id: str, samples: Samples, segments: Sequence[Segment]) -> dict[str, Any]:
        """The score of an utterance, and those of all its masked forms.

        What a mask leaves as it was has the very score of the unmasked utterance.

        Args:
            utt_id: decides the controls, with the seed.
            samples: (n,) as the input policy reads a file.
            segments: of the utterance.

        Returns:
            unmasked: the score. masked: the rows of `tables.COLUMNS` without `utt_id` and
            `weights`. copies: the same two of every copy with shuffled weights.

        Raises:
            DetectorError: a logit is not finite.
        """
        with torch.inference_mode():
            windows = self.detector.policy.windows(samples)
            features = self._features(windows)
            clip, places = self._clip(samples, segments, windows, features)
            own = self._all_scores(utt_id, clip, windows, features, places)
            copies = []
            trained = self.detector.backend
            try:
                for copy in self.copies:
                    self.detector.backend = copy
                    scores = self._all_scores(utt_id, clip, windows, features, places, {SIZE, BOTH})
                    copies.append(scores)
            finally:
                self.detector.backend = trained
        return {**own, "copies": copies}

    def _all_scores(
        self,
        utt_id: str,
        clip: Clip,
        windows: Windows,
        features: Sequence[Tensor],
        places: Sequence[npt.NDArray[np.int64]],
        families: Set[str] = frozenset({SIZE, ENERGY, BOTH}),
    ) -> dict[str, Any]:
        """The score without and with every mask, by the back-end that the detector has now.

        Args:
            families: of random masks.
        """
        unmasked = self._aggregated(self._logits(features, utt_id))
        scores = {
            **self._of_waveforms(utt_id, clip, windows, families),
            **self._of_frames(utt_id, clip, features, places, windows, families),
        }
        rows = [
            [*masked[:5], unmasked if score is None else score, *masked[5:]]
            for masked, score in sorted(scores.items(), key=lambda item: item[0])
        ]
        return {"unmasked": unmasked, "masked": rows}

    def _clip(
        self,
        samples: Samples,
        segments: Sequence[Segment],
        windows: Windows,
        features: Sequence[Tensor],
    ) -> tuple[Clip, list[npt.NDArray[np.int64]]]:
        """The utterance with its time axis, and where the frames of each window are on it."""
        frontend, policy = self.detector.frontend, self.detector.policy
        counts = [values.shape[1] for values in features]
        places = frame_indices(frontend, policy, windows, counts)
        clip = Clip(
            samples,
            policy.sample_rate,
            segments,
            max(1, 1 + max(int(frames.max()) for frames in places)),
            frontend.first_centre_seconds,
            frontend.hop_seconds,
            band_edges=frontend.band_edges(),
        )
        if self.listener is not None:
            heard = self.listener.labels(samples, policy.sample_rate, clip.centres)
            clip = dataclasses.replace(clip, heard=heard)
        return clip, places

    def chosen(
        self, samples: Samples, segments: Sequence[Segment]
    ) -> dict[tuple[str, str], Tensor]:
        """Features (C, n, D) of the frames that masks with a profile choose, all windows joined."""
        with torch.inference_mode():
            windows = self.detector.policy.windows(samples)
            features = self._features(windows)
            clip, places = self._clip(samples, segments, windows, features)
            return {
                (name, variant): torch.cat(
                    [
                        values[:, (at >= 0) & frames[at]]
                        for values, at in zip(features, places, strict=True)
                    ],
                    dim=1,
                )
                for name, mask in self.masks.items()
                if isinstance(mask, FrameMask) and mask.options.replacement == "profile"
                for variant, frames in mask.chosen(clip).items()
            }

    def _vector(self, name: str, variant: str, mask: FrameMask) -> Tensor | None:
        """What all frames of a mask are replaced by; None where it is their neighbours."""
        if mask.options.replacement == "profile":
            return self.profiles[name, variant]
        return self.centroid if mask.options.replacement == "centroid" else None

    def _rngs(self, utt_id: str, *masked: str) -> list[np.random.Generator]:
        """Of the controls; the same for all strengths, and for all detectors."""
        return [
            rng_of("masking controls", self.seed, utt_id, *masked, number + 1)
            for number in range(self.controls)
        ]

    # --- waveforms -------------------------------------------------------------------------

    def _of_waveforms(
        self, utt_id: str, clip: Clip, windows: Windows, families: Set[str]
    ) -> dict[_Masked, float | None]:
        """Scores of masked waveforms; None where the windows are the same."""
        scores: dict[_Masked, float | None] = {}
        changed: list[_Masked] = []

        def inputs() -> Iterator[Inputs]:
            for masked, y in self._waveforms(utt_id, clip, families):
                values = self.detector.policy.windows(y).values
                if np.array_equal(values, windows.values):
                    scores[masked] = None
                else:
                    changed.append(masked)
                    yield utt_id, list(values)

        for _, logits in logits_of_clips(self.detector, inputs(), self.batch_size):
            scores[changed.pop(0)] = self._aggregated(logits)
        return scores

    def _waveforms(
        self, utt_id: str, clip: Clip, families: Set[str]
    ) -> Iterator[tuple[_Masked, Samples]]:
        """Every mask and control of the waveform, (n,)."""
        x, rate = clip.samples, clip.sample_rate
        for name, mask in self.masks.items():
            if not isinstance(mask, WaveformMask):
                continue
            for variant, target in mask.targets(rate).items():
                rngs = self._rngs(utt_id, name, variant)
                others = [mask.random_target(target, clip, rng) for rng in rngs]
                shifts = [random_shift(x.size, rng) for rng in rngs]
                parts: list[Part] = []
                if ENERGY in families:
                    parts = mask.parts(target, clip, self._rngs(utt_id, name, variant, ENERGY))
                share = mask.share(target, rate)
                for strength in mask.options.strengths:
                    y = _through(x, mask.steps(target, strength), rate)
                    forms = [(NONE, 0, share, y)]
                    for i, (other, shift) in enumerate(zip(others, shifts, strict=True)):
                        z = moved_change(x, y, shift)
                        if other is not None:
                            z = _through(x, mask.steps(other, strength), rate)
                        forms.append((mask.matched, i + 1, share, z))
                    forms += [
                        (ENERGY, i + 1, part.share, part.softer(x, strength))
                        for i, part in enumerate(parts)
                    ]
                    for matched, control, part_share, z in forms:
                        energy = clip.share_of_energy(_energy(z - x))
                        masked = _Masked(
                            name, variant, strength, matched, control, part_share, energy
                        )
                        yield masked, z

    # --- frames ----------------------------------------------------------------------------

    def _of_frames(
        self,
        utt_id: str,
        clip: Clip,
        features: Sequence[Tensor],
        places: Sequence[npt.NDArray[np.int64]],
        windows: Windows,
        families: Set[str],
    ) -> dict[_Masked, float | None]:
        """Scores of masked features; None where these are the same."""
        scores: dict[_Masked, float | None] = {}
        waiting: list[_Masked] = []
        values: list[Tensor] = []
        for masked, replaced in self._replaced(utt_id, clip, features, places, windows, families):
            if all(map(torch.equal, replaced, features)):
                scores[masked] = None
                continue
            waiting.append(masked)
            values += replaced
            if len(values) >= self.batch_size:
                scores |= self._judged(waiting, values, utt_id)
                waiting, values = [], []
        return scores | self._judged(waiting, values, utt_id)

    def _replaced(
        self,
        utt_id: str,
        clip: Clip,
        features: Sequence[Tensor],
        places: Sequence[npt.NDArray[np.int64]],
        windows: Windows,
        families: Set[str],
    ) -> Iterator[tuple[_Masked, list[Tensor]]]:
        """Every mask and control of the features, (C, N, D) of each window."""
        energies = clip.energies()
        for name, mask in self.masks.items():
            if isinstance(mask, Artefact):
                others = self._instead(utt_id, name, mask, windows, features)
                yield from self._without_artefacts(
                    utt_id, name, mask, clip, features, places, others, families
                )
            if not isinstance(mask, FrameMask):
                continue
            for variant, chosen in mask.chosen(clip).items():
                forms = self._forms(
                    (utt_id, name, variant),
                    chosen,
                    partial(random_frames, chosen, energies),
                    partial(as_much_energy, chosen, energies),
                    families,
                )
                for matched, control, frames in forms:
                    vector = self._vector(name, variant, mask)
                    others = [
                        replaced_within(values, at, frames, replacement, vector)
                        for values, at in zip(features, places, strict=True)
                    ]
                    share = float(frames.mean())
                    energy = clip.share_of_energy(float(energies[frames].sum()))
                    for strength in mask.options.strengths:
                        masked = _Masked(name, variant, strength, matched, control, share, energy)
                        yield (
                            masked,
                            [
                                torch.lerp(values, other, strength)
                                for values, other in zip(features, others, strict=True)
                            ],
                        )

    def _forms(
        self,
        masked: tuple[str, str, str],
        chosen: Frames,
        of_size: Callable[[np.random.Generator], Frames],
        of_energy: Callable[[np.random.Generator], Frames],
        families: Set[str],
    ) -> Iterator[tuple[str, int, Frames]]:
        """A mask of frames or cells and its random ones, with what they have in common with it.

        Args:
            masked: utterance, mask and variant.
            chosen: by the mask.
            of_size: draws as many. of_energy: draws what is as loud.
            families: of random masks.
        """
        yield NONE, 0, chosen
        for control, rng in enumerate(self._rngs(*masked), 1):
            yield SIZE, control, of_size(rng)
        if ENERGY in families:
            for control, rng in enumerate(self._rngs(*masked, ENERGY), 1):
                yield ENERGY, control, of_energy(rng)

    def _instead(
        self,
        utt_id: str,
        name: str,
        mask: Artefact,
        windows: Windows,
        features: Sequence[Tensor],
    ) -> list[Tensor] | None:
        """Bona fide frames (C, N, D) for each window; None where the nearest stand in."""
        if mask.options.replacement != "bonafide":
            return None
        if self.frames is None:
            raise ConfigError(f"mask {name!r}: `replacement: bonafide` needs frames to draw from")
        parts = ("masking", self.seed, utt_id, name)
        return drawn_alike(self.detector, windows.values, features, self.frames, parts)

    def _without_artefacts(
        self,
        utt_id: str,
        name: str,
        mask: Artefact,
        clip: Clip,
        features: Sequence[Tensor],
        places: Sequence[npt.NDArray[np.int64]],
        instead: Sequence[Tensor] | None,
        families: Set[str],
    ) -> Iterator[tuple[_Masked, list[Tensor]]]:
        """Features with cells at artefacts, or as many others, replaced: by what stands `instead`,
        or as :func:`refilled`.
        """
        assert self.centroid is not None
        cells = mask.cells(clip)
        forms = self._forms(
            (utt_id, name, NONE),
            cells,
            partial(mask.random_cells, cells, clip),
            partial(mask.cells_of_energy, cells, clip),
            families,
        )
        for matched, control, chosen in forms:
            share = float(chosen.mean())
            energy = clip.share_of_energy(mask.energy(chosen, clip))
            if instead is None:
                others = [
                    replaced_within(values, at, chosen, refilled, self.centroid)
                    for values, at in zip(features, places, strict=True)
                ]
            else:
                others = [
                    replaced_within(values, at, chosen, taken_from(other, at), None)
                    for values, at, other in zip(features, places, instead, strict=True)
                ]
            for strength in mask.options.strengths:
                replaced = [
                    torch.lerp(values, other, strength)
                    for values, other in zip(features, others, strict=True)
                ]
                masked = _Masked(name, NONE, strength, matched, control, share, energy)
                yield masked, replaced

    def _judged(
        self, waiting: Sequence[_Masked], values: Sequence[Tensor], utt_id: str
    ) -> dict[_Masked, float | None]:
        """Scores of what waits, each with as many windows as the others."""
        if not waiting:
            return {}
        logits = np.split(self._logits(values, utt_id), len(waiting))
        return {
            masked: self._aggregated(of_one) for masked, of_one in zip(waiting, logits, strict=True)
        }

    # --- the detector ----------------------------------------------------------------------

    def _features(self, windows: Windows) -> list[Tensor]:
        """Normalised features (C, N, D) of each window."""
        features: list[Tensor] = []
        for start in range(0, len(windows.values), self.batch_size):
            batch = torch.from_numpy(windows.values[start : start + self.batch_size])
            lengths = torch.full((len(batch),), batch.shape[1], device=self.detector.device)
            values, frames = self.detector.frontend(batch.to(self.detector.device), lengths)
            features += [window[:, : int(n)] for window, n in zip(values, frames, strict=True)]
        return features

    def _logits(self, features: Sequence[Tensor], utt_id: str) -> Logits:
        """Logits (n, n_outputs) of features; all windows of a clip have the same shape."""
        parts = []
        for start in range(0, len(features), self.batch_size):
            values = torch.stack(list(features[start : start + self.batch_size]))
            lengths = torch.full((len(values),), values.shape[2], device=values.device)
            parts.append(self.detector.backend_logits(values, lengths).float().cpu().numpy())
        logits: Logits = np.concatenate(parts)
        if not np.isfinite(logits).all():
            raise DetectorError(f"utterance {utt_id!r}: the detector's logits are not finite")
        return logits

    def _aggregated(self, logits: Logits) -> float:
        scores = self.detector.scores_of(logits)
        return aggregate_windows(scores, self.detector.aggregation)


V = TypeVar("V", Tensor, Tensor | None)


def replaced_within(
    values: Tensor,
    places: npt.NDArray[np.int64],
    chosen: Frames,
    replace: Callable[[Tensor, Frames, V], Tensor],
    vector: V,
) -> Tensor:
    """What is put in the place of frames or cells of a clip in one of its windows.

    Args:
        values: (C, N, D) features of the window.
        places: (N,) where its frames are in the clip; below 0 those of appended zeros, which stay,
            and are no neighbours.
        chosen: frames (n_frames,), or cells (n_frames, bands), of the clip.
        replace: :func:`replacement` or :func:`refilled`. vector: of it.

    Returns:
        (C, N, D).
    """
    of_clip = np.flatnonzero(places >= 0)
    others = values.clone()
    others[:, of_clip] = replace(values[:, of_clip], chosen[places[of_clip]], vector)
    return others


def replacement(values: Tensor, chosen: Frames, vector: Tensor | None) -> Tensor:
    """What is put in the place of chosen frames.

    Args:
        values: (C, N, D) features of a window.
        chosen: (N,) the frames.
        vector: (C, D) for all of them; None takes the mean of the nearest frames before and after
            that are not chosen, at the ends of the window the only one. Where all frames are chosen
            there is none, and the window stays as it is.

    Returns:
        (C, N, D) with other frames as they were.
    """
    replaced = values.clone()
    at = np.flatnonzero(chosen)
    if vector is not None:
        replaced[:, at] = vector.to(values)[:, None]
        return replaced
    kept = np.flatnonzero(~chosen)
    if at.size and kept.size:
        after = np.searchsorted(kept, at)
        left = kept[np.maximum(after - 1, 0)]
        right = kept[np.minimum(after, kept.size - 1)]
        left, right = np.where(after == 0, right, left), np.where(after == kept.size, left, right)
        replaced[:, at] = (values[:, left] + values[:, right]) / 2
    return replaced


def refilled(values: Tensor, cells: Frames, vector: Tensor) -> Tensor:
    """What is put in the place of chosen cells: what stands nearest to them and stays.

    A band that is chosen in some frames gets the mean of the nearest frames of the same band before
    and after, as in :func:`replacement`. A band that is chosen in all frames gets the mean of the
    nearest bands below and above; at the end of the spectrum, where there is one of them alone, it
    gets the vector: a cut-off band would otherwise become a copy of the last one that is left.

    Args:
        values: (C, N, D) features of a window.
        cells: (N, D), or (N, 1) for all bands alike.
        vector: (C, D) mean bona fide features.

    Returns:
        (C, N, D) with other cells as they were.
    """
    chosen = np.broadcast_to(cells, (values.shape[1], values.shape[2]))
    refilled_values = values.clone()
    throughout = chosen.all(axis=0)
    patterns, of_band = np.unique(chosen[:, ~throughout], axis=1, return_inverse=True)
    local = np.flatnonzero(~throughout)
    for i, frames in enumerate(patterns.T):
        bands = local[of_band.ravel() == i]
        refilled_values[:, :, bands] = replacement(values[:, :, bands], frames, None)
    if throughout.any():
        stays = np.flatnonzero(~throughout)
        for band in np.flatnonzero(throughout):
            after = int(np.searchsorted(stays, band))
            if 0 < after < stays.size:
                below, above = values[:, :, stays[after - 1]], values[:, :, stays[after]]
                refilled_values[:, :, band] = (below + above) / 2
            else:
                refilled_values[:, :, band] = vector.to(values)[:, None, band]
    return refilled_values


def taken_from(
    other: Tensor, places: npt.NDArray[np.int64]
) -> Callable[[Tensor, Frames, Tensor | None], Tensor]:
    """A replacement for :func:`replaced_within` that takes chosen cells of another window.

    Args:
        other: (C, N, D). places: (N,), see :func:`replaced_within`.
    """
    of_clip = other[:, np.flatnonzero(places >= 0)]

    def replace(values: Tensor, cells: Frames, vector: Tensor | None) -> Tensor:
        chosen = np.broadcast_to(cells, (values.shape[1], values.shape[2])).copy()
        return torch.where(torch.from_numpy(chosen).to(values.device), of_clip.to(values), values)

    return replace


def _through(x: Samples, steps: Sequence[Mapping[str, Any]], sample_rate: int) -> Samples:
    """A waveform through effects that draw nothing."""
    for step in steps:
        options = dict(step)
        effect = build_effect(str(options.pop("effect")), options, {}, sample_rate)
        x, _ = effect.apply(x, np.random.default_rng(0))
    return x


def _energy(x: Samples) -> float:
    return float(np.square(x, dtype=np.float64).sum())


def mask_utterances(
    masker: Masker,
    rows: pl.DataFrame,
    segments: pl.DataFrame | None,
    done: Done,
    shard: tuple[int, int] = (0, 1),
) -> None:
    """Score utterances and all their masked forms. Each is decoded once.

    Args:
        masker: does it.
        rows: manifest rows with the column `score`, see `selection.utterances`.
        segments: see `tables.read_segments`; None where no mask needs any.
        done: the results of utterances that are finished; the others are added.
        shard: which of the rows are masked here, see `shards.parts.shard_slice`.

    Raises:
        AudioError: a file cannot be read.
        DetectorError: a score differs from the score file, or a logit is not finite.
        TableError: artefacts are masked, and no segment says where one is.
    """
    left = left_of(rows, done, shard)
    known: dict[str, list[Segment]] = {}
    if segments is not None:
        fields = [name for name in Segment._fields if name in segments.columns]
        for utt_id, *segment in segments.select("utt_id", *fields).iter_rows():
            known.setdefault(utt_id, []).append(Segment(*segment))
    _check_artefacts(masker, rows, known)
    if left.is_empty():
        return
    masker.detector.eval()
    masker = dataclasses.replace(masker, profiles=profiles_of(masker, rows, known))
    score_again(
        masker.detector,
        left,
        done,
        lambda row, samples: masker.masked(row["utt_id"], samples, known.get(row["utt_id"], [])),
        original="unmasked",
    )


def _check_artefacts(
    masker: Masker, rows: pl.DataFrame, known: Mapping[str, Sequence[Segment]]
) -> None:
    names = [name for name, mask in masker.masks.items() if isinstance(mask, Artefact)]
    placed = (any(s.tier == TIER for s in known.get(utt_id, [])) for utt_id in rows["utt_id"])
    if names and not any(placed):
        raise TableError(
            f"mask {names[0]!r}: no masked utterance has a segment of the tier {TIER!r}; artefacts "
            "can only be masked on a corpus that says where they are"
        )


PROFILED = 48
"""Bona fide utterances behind a profile; the publication had about as many."""


def profiles_of(
    masker: Masker, rows: pl.DataFrame, segments: Mapping[str, Sequence[Segment]]
) -> dict[tuple[str, str], Tensor]:
    """Mean features (C, D) of the frames that masks choose in bona fide utterances.

    Args:
        masker: what chooses.
        rows: all rows, whatever the shard; :data:`PROFILED` bona fide ones, spread over them, are
            heard.
        segments: of utterances by id.

    Returns:
        By mask and variant; of masks whose replacement is `profile`.

    Raises:
        TableError: a mask chooses no frame of them.
    """
    wanted = [
        name
        for name, mask in masker.masks.items()
        if isinstance(mask, FrameMask) and mask.options.replacement == "profile"
    ]
    if not wanted:
        return {}
    sums: dict[tuple[str, str], Tensor] = {}
    counts: dict[tuple[str, str], int] = {}
    bonafide = rows.filter(pl.col("label") == BONAFIDE)
    # Rows are sorted, so neighbours are of one speaker.
    heard = bonafide.gather_every(max(1, bonafide.height // PROFILED)).head(PROFILED)
    for row, samples in decoded(heard, masker.detector.policy):
        for key, values in masker.chosen(samples, segments.get(row["utt_id"], [])).items():
            sums[key] = sums.get(key, 0) + values.double().sum(dim=1)
            counts[key] = counts.get(key, 0) + values.shape[1]
    for name, variant in sums:
        if not counts[name, variant]:
            raise TableError(
                f"mask {name!r}: no frame of {heard.height} bona fide utterances is chosen, so "
                "there is no profile; take another `replacement`"
            )
    return {key: (total / counts[key]).float() for key, total in sums.items()}


def masker_of(
    folder: str | Path,
    masks: Mapping[str, Mapping[str, Any]],
    options: MaskingOptions,
    *,
    seed: int,
    centroid: str | Path | None = None,
    recogniser: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> Masker:
    """The detector in a folder with the masks of the section `masking.masks`.

    Args:
        folder: see `Detector.load`.
        masks: by name, each with its `type`.
        options: how many controls, and windows at once.
        seed: of the controls.
        centroid: see `baselines.write_centroid`; where a mask replaces by it.
        recogniser: see `backbones.load_recogniser`; where a mask asks what it hears.
        device: "cpu" or "cuda".

    Raises:
        ConfigError: no such mask, or an option that it does not have.
        DetectorError: the detector, or the centroid, cannot be loaded.
    """
    detector = Detector.load(folder, device)
    return Masker(
        detector,
        {name: build(entry) for name, entry in masks.items()},
        options.controls,
        options.batch_size,
        seed,
        None if centroid is None else read_centroid(centroid),
        None if recogniser is None else Listener(recogniser, device),
        frames=None if centroid is None else read_frames(centroid),
        copies=[
            randomised_backend(detector.backend, seed_of("masked copy", seed, number))
            for number in range(options.randomised)
        ],
    )
