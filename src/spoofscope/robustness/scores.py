"""Scores of recordings that were laundered, of both classes alike."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from spoofscope.audio import Samples, as_written
from spoofscope.augmentation.chain import Chain
from spoofscope.detector import Detector
from spoofscope.identity import rng_of
from spoofscope.names import NONE
from spoofscope.options.robustness import RobustnessOptions
from spoofscope.rescoring import chains_of, left_of, score_again, scores_of_forms
from spoofscope.robustness.tables import CLEAN
from spoofscope.shards.journal import Done


class _Laundered(NamedTuple):
    """A form of a recording: the columns of `tables.COLUMNS` between `utt_id` and `score`."""

    change: str
    severity: int
    chain: str


@dataclass(frozen=True)
class Launderer:
    """A detector, and the changes that its recordings go through.

    Attributes:
        detector: in evaluation mode.
        changes: name to names of chains, from the mildest to the most severe.
        chains: by name, at the rate of the detector.
        batch_size: windows that the detector sees at once.
        seed: of the chains.
    """

    detector: Detector
    changes: Mapping[str, Sequence[str]]
    chains: Mapping[str, Chain]
    batch_size: int
    seed: int

    def laundered(self, utt_id: str, samples: Samples) -> dict[str, Any]:
        """The score of an utterance, and its scores under all changes.

        Every form is rounded to 16 bits, as if it were written to a file. The clean one is, too: it
        differs from the others by the chain alone.

        Args:
            utt_id: decides what chains draw, with the seed. All severities of a change draw the
                same, such as one noise, and so do all detectors.
            samples: (n,) as the input policy reads a file.

        Returns:
            unchanged: the score of the recording as it is, not rounded. laundered: the rows of
            `tables.COLUMNS` without `utt_id`.

        Raises:
            DetectorError: a logit is not finite.
        """
        forms = self._forms(utt_id, samples)
        unchanged, scores = scores_of_forms(self.detector, utt_id, samples, forms, self.batch_size)
        return {
            "unchanged": unchanged,
            "laundered": [[*form, score] for form, score in scores.items()],
        }

    def _forms(self, utt_id: str, x: Samples) -> Iterator[tuple[_Laundered, Samples]]:
        """Every form of a waveform (n,)."""
        yield _Laundered(CLEAN, 0, NONE), as_written(x)
        for change, names in self.changes.items():
            for severity, name in enumerate(names, start=1):
                rng = rng_of("robustness", self.seed, utt_id, change)
                y, _ = self.chains[name](x, rng)
                yield _Laundered(change, severity, name), as_written(y)


def launder_utterances(
    launderer: Launderer, rows: pl.DataFrame, done: Done, shard: tuple[int, int] = (0, 1)
) -> None:
    """Score utterances under all changes. Each is decoded once.

    Args:
        launderer: does it.
        rows: manifest rows with the column `score`, see `selection.utterances`.
        done: the results of utterances that are finished; the others are added.
        shard: which of the rows are heard here, see `shards.parts.shard_slice`.

    Raises:
        AudioError: a file cannot be read.
        DetectorError: a score differs from the score file, or a logit is not finite.
    """
    left = left_of(rows, done, shard)
    score_again(
        launderer.detector,
        left,
        done,
        lambda row, samples: launderer.laundered(row["utt_id"], samples),
        original="unchanged",
    )


def launderer_of(
    folder: str | Path,
    changes: Mapping[str, Sequence[str]],
    chains: Mapping[str, Mapping[str, Any]],
    noise: Mapping[str, str],
    options: RobustnessOptions,
    *,
    seed: int,
    device: str = "cpu",
) -> Launderer:
    """The detector in a folder with the changes of the section `robustness.changes`.

    Args:
        folder: see `Detector.load`.
        changes: see :class:`Launderer`.
        chains, noise: see `rescoring.chains_of`.
        options: how many windows at once.
        seed: of all random choices.
        device: "cpu" or "cuda".

    Raises:
        ConfigError: an effect that cannot be used; the chain is named.
        DetectorError: the detector cannot be loaded.
    """
    detector = Detector.load(folder, device)
    built = chains_of(chains, noise, detector.policy.sample_rate)
    return Launderer(detector, changes, built, options.batch_size, seed)
