"""Scores of recordings that carry the cue of the other class, or no longer that of their own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from spoofscope.audio import Samples
from spoofscope.augmentation.chain import Chain
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError
from spoofscope.identity import rng_of
from spoofscope.names import BONAFIDE
from spoofscope.options.shortcuts import Cue, ShortcutOptions
from spoofscope.rescoring import chains_of, left_of, score_again, scores_of_forms
from spoofscope.shards.journal import Done
from spoofscope.shortcuts.controls import matched_control
from spoofscope.shortcuts.tables import PUT, STRIP


class _Changed(NamedTuple):
    """A changed form of a recording.

    cue: its name. test: put or strip. control: 0 is the cue, 1 its control. energy: of the change
    over that of the clip; 0 where the length changes. seconds: by which the clip is longer.
    """

    cue: str
    test: str
    control: int
    energy: float
    seconds: float


@dataclass(frozen=True)
class Auditor:
    """A detector, and the cues that are put on its recordings, and taken off.

    Attributes:
        detector: in evaluation mode.
        cues: by name.
        chains: what cues and controls name, by name, at the rate of the detector.
        batch_size: windows that the detector sees at once.
        seed: of the chains and controls.
    """

    detector: Detector
    cues: Mapping[str, Cue]
    chains: Mapping[str, Chain]
    batch_size: int
    seed: int

    def audited(self, utt_id: str, label: str, attack: str, samples: Samples) -> dict[str, Any]:
        """The score of an utterance, and those of all its changed forms.

        A clip whose class carries a cue has it stripped, a clip of the other class has it put on.
        What a change leaves as it was has the very score of the unchanged utterance.

        Args:
            utt_id: decides what chains and controls draw, with the seed.
            label: bonafide or spoof.
            attack: of a spoof.
            samples: (n,) as the input policy reads a file.

        Returns:
            unchanged: the score. changed: the rows of `tables.COLUMNS` without `utt_id`.

        Raises:
            DetectorError: a logit is not finite.
        """
        forms = self._changed(utt_id, label, attack, samples)
        unchanged, scores = scores_of_forms(self.detector, utt_id, samples, forms, self.batch_size)
        rows = [
            [*changed[:3], score, *changed[3:]]
            for changed, score in sorted(scores.items(), key=lambda item: item[0])
        ]
        return {"unchanged": unchanged, "changed": rows}

    def _changed(
        self, utt_id: str, label: str, attack: str, x: Samples
    ) -> Iterator[tuple[_Changed, Samples]]:
        """Every changed form of a waveform (n,)."""
        rate = self.detector.policy.sample_rate
        for name, cue in self.cues.items():
            if label != cue.of:
                test, chain, control = PUT, cue.put, cue.put_control
            elif cue.strip is None or not (cue.attacks is None or attack in cue.attacks):
                continue
            else:
                test, chain, control = STRIP, cue.strip, cue.strip_control

            def rng(of: str, name: str = name, test: str = test) -> np.random.Generator:
                return rng_of("shortcuts", self.seed, utt_id, name, test, of)

            y, _ = self.chains[chain](x, rng("cue"))
            if control is None:
                z = matched_control(x, y, rng("control"))
            else:
                z, _ = self.chains[control](x, rng("control"))
            for number, form in enumerate((y, z)):
                seconds = (form.size - x.size) / rate
                yield _Changed(name, test, number, _share(x, form), seconds), form


def _share(x: Samples, y: Samples) -> float:
    """Energy of a change over that of the clip; 0 where their lengths differ."""
    if x.size != y.size:
        return 0.0
    energies = [float(np.square(s, dtype=np.float64).sum()) for s in (y - x, x)]
    return energies[0] / max(energies[1], 1e-12)


def audit_utterances(
    auditor: Auditor, rows: pl.DataFrame, done: Done, shard: tuple[int, int] = (0, 1)
) -> None:
    """Score utterances and all their changed forms. Each is decoded once.

    Args:
        auditor: does it.
        rows: manifest rows with the column `score`, see `selection.utterances`.
        done: the results of utterances that are finished; the others are added.
        shard: which of the rows are heard here, see `shards.parts.shard_slice`.

    Raises:
        ConfigError: no row is of a class, or of an attack, that carries a cue.
        AudioError: a file cannot be read.
        DetectorError: a score differs from the score file, or a logit is not finite.
    """
    check_cues(auditor.cues, rows)
    left = left_of(rows, done, shard)
    score_again(
        auditor.detector,
        left,
        done,
        lambda row, samples: auditor.audited(row["utt_id"], row["label"], row["attack"], samples),
        original="unchanged",
    )


def check_cues(cues: Mapping[str, Cue], rows: pl.DataFrame) -> None:
    """Refuse cues of what the trials do not have.

    Args:
        cues: by name.
        rows: label and attack of the trials.

    Raises:
        ConfigError: a class is missing, or an attack that carries a cue.
    """
    for label in ("bonafide", "spoof"):
        if rows.filter(label=label).is_empty():
            raise ConfigError(
                f"shortcuts.trials: there is no {label} recording among them, so no cue can change "
                "sides; name trials of both classes"
            )
    attacks = rows.filter(pl.col("label") != BONAFIDE)["attack"].unique().sort().to_list()
    for name, cue in cues.items():
        for attack in cue.attacks or ():
            if attack not in attacks:
                raise ConfigError(
                    f"shortcuts.cues.{name}.attacks: no recording is of attack {attack!r}; there "
                    f"are {', '.join(attacks)}"
                )


def auditor_of(
    folder: str | Path,
    cues: Mapping[str, Mapping[str, Any]],
    chains: Mapping[str, Mapping[str, Any]],
    noise: Mapping[str, str],
    options: ShortcutOptions,
    *,
    seed: int,
    device: str = "cpu",
) -> Auditor:
    """The detector in a folder with the cues of the section `shortcuts.cues`.

    Args:
        folder: see `Detector.load`.
        cues: by name.
        chains: by name, each with its `steps`.
        noise: `musan` and `rirs` to folders, as far as a chain needs them.
        options: how many windows at once.
        seed: of all random choices.
        device: "cpu" or "cuda".

    Raises:
        ConfigError: an effect that cannot be used; the chain is named.
        DetectorError: the detector cannot be loaded.
    """
    detector = Detector.load(folder, device)
    built = chains_of(chains, noise, detector.policy.sample_rate)
    made = {name: Cue.from_dict(cue, f"shortcuts.cues.{name}") for name, cue in cues.items()}
    return Auditor(detector, made, built, options.batch_size, seed)
