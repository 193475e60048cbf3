"""What every detector of unknown attacks is, and what it is given."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from spoofscope.errors import DetectorError
from spoofscope.options.declared import Options
from spoofscope.options.ood import OodOptions

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
Fitted = Mapping[str, Array]

OptionsOf = TypeVar("OptionsOf", bound=Options)

ROWS_AT_ONCE = 1024
"""Rows that are scored at once: with 11,000 training rows, 45 MB of similarities."""

_SIZES = "sizes"


@dataclass(frozen=True)
class Outputs:
    """What a tracer says of n clips.

    Attributes:
        vectors: float32 (n, D), read-out vectors or embeddings.
        logits: float32 (n, K), one for each known attack.

    Raises:
        DetectorError: another type or shape, or a number that is not finite; rows count from 0.
    """

    vectors: Singles
    logits: Singles

    def __post_init__(self) -> None:
        for name, values in (("vectors", self.vectors), ("logits", self.logits)):
            if values.dtype != np.float32 or values.ndim != 2 or values.shape[1] == 0:
                raise DetectorError(
                    f"{name} of a tracer: expected float32 with a row per clip, got "
                    f"{values.dtype} {values.shape}"
                )
            bad = ~np.isfinite(values).all(axis=1)
            if bad.any():
                first = int(np.argmax(bad))
                raise DetectorError(
                    f"{name} of a tracer: those of {int(bad.sum())} of {len(values)} clips are not "
                    f"finite, the first is row {first}; look at that clip, or train anew with a "
                    "lower learning rate"
                )
        if len(self.vectors) != len(self.logits):
            raise DetectorError(
                f"a tracer gave {len(self.vectors)} vectors and {len(self.logits)} rows of logits"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    def rows(self, chosen: slice | Array) -> "Outputs":
        """Those of some clips."""
        return Outputs(self.vectors[chosen], self.logits[chosen])


class OodDetector(ABC, Generic[OptionsOf]):
    """From outputs of a tracer to how unknown the attack is.

    A subclass works out in `_fit` what it needs of train, as named arrays, and in `_scores` the
    scores of a block of clips, each from its own row alone.

    Attributes:
        options_type: the class of its options.
        options: what it was built with.
    """

    options_type: ClassVar[type[Options]]
    options: OptionsOf
    _fitted: Fitted | None = None

    def __init__(self, options: OptionsOf) -> None:
        self.options = options

    @property
    def as_published(self) -> bool:
        """Whether the sign is inverted on purpose."""
        return isinstance(self.options, OodOptions) and self.options.as_published

    def fit(self, train: Outputs, classes: Classes) -> Self:
        """Fit on train alone.

        Args:
            train: of clips of known attacks.
            classes: int64 (n,), the known id of each, from 0 to K - 1; a class may be missing, or
                have one clip.

        Returns:
            itself.

        Raises:
            DetectorError: no clips, ids that do not fit, or data that it cannot be fitted on.
        """
        if len(train) == 0:
            raise DetectorError("a detector of unknown attacks is fitted on train, which is empty")
        _check_classes(train, classes)
        sizes = np.array([train.vectors.shape[1], train.logits.shape[1]], dtype=np.int64)
        self._fitted = {**self._fit(train, classes), _SIZES: sizes}
        return self

    def ood_scores(self, outputs: Outputs) -> Floats:
        """How unknown the attack of each clip is, (n,), higher = more unknown.

        Raises:
            DetectorError: it is not fitted, or the sizes are not those that it was fitted on.
        """
        fitted = self.arrays()
        sizes = (outputs.vectors.shape[1], outputs.logits.shape[1])
        if sizes != tuple(fitted[_SIZES].tolist()):
            raise DetectorError(
                f"{self._name()} was fitted on vectors and logits of {fitted[_SIZES].tolist()} "
                f"dimensions and is asked about {list(sizes)}; take the tracer that it was fitted "
                "with"
            )
        scores = np.empty(len(outputs))
        for start in range(0, len(outputs), ROWS_AT_ONCE):
            block = slice(start, start + ROWS_AT_ONCE)
            scores[block] = self._scores(outputs.rows(block), fitted)
        return -scores if self.as_published else scores

    def arrays(self) -> dict[str, Array]:
        """All that was fitted, by name; for safetensors.

        Raises:
            DetectorError: it is not fitted.
        """
        if self._fitted is None:
            raise DetectorError(f"{self._name()} is not fitted")
        return dict(self._fitted)

    @classmethod
    def from_arrays(cls, options: OptionsOf, arrays: Mapping[str, Array]) -> Self:
        """A fitted detector from its options and what :meth:`arrays` gave.

        Raises:
            DetectorError: there are none.
        """
        detector = cls(options)
        if _SIZES not in arrays:
            raise DetectorError(
                f"{detector._name()}: these are not the arrays of a fitted detector; fit it again"
            )
        detector._fitted = dict(arrays)
        return detector

    def config(self) -> dict[str, Any]:
        """Its options as plain values, defaults included, without the key `type`."""
        return dataclasses.asdict(self.options)

    @abstractmethod
    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        """What it needs of train, as named arrays."""

    @abstractmethod
    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        """Scores (n,) of a block of clips."""

    def _name(self) -> str:
        return f"the detector of unknown attacks {type(self).__name__}"


def _check_classes(train: Outputs, classes: Classes) -> None:
    if classes.shape != (len(train),) or classes.dtype != np.int64:
        raise DetectorError(
            f"ids of train: expected int64 of {len(train)} clips, got {classes.dtype} "
            f"{classes.shape}"
        )
    bad = (classes < 0) | (classes >= train.logits.shape[1])
    if bad.any():
        first = int(np.argmax(bad))
        raise DetectorError(
            f"row {first} of train has the id {classes[first]}; known attacks have ids from 0 to "
            f"{train.logits.shape[1] - 1}, and detectors are fitted on clips of these alone"
        )


# --- what several detectors are made of ---------------------------------------------------------


def log_sum_exp(logits: Array) -> Floats:
    """Logarithm of the sum of the exponentials of each row, (n,)."""
    values = logits.astype(np.float64)
    largest = values.max(axis=1)
    return largest + np.log(np.exp(values - largest[:, None]).sum(axis=1))


def log_softmax(logits: Singles) -> Floats:
    """Logarithms of the probabilities of the classes, (n, K)."""
    return logits.astype(np.float64) - log_sum_exp(logits)[:, None]


def unit_rows(vectors: Array) -> Floats:
    """Vectors of length 1, (n, D); that of zeros has no direction and stays as it is."""
    values = vectors.astype(np.float64)
    length = np.sqrt(np.einsum("nd,nd->n", values, values))
    return values / np.where(length > 0, length, 1.0)[:, None]


def class_means(values: Floats, classes: Classes) -> Floats:
    """Mean of each class that has rows, (c, D), in the order of ids."""
    _, place, counts = np.unique(classes, return_inverse=True, return_counts=True)
    sums = np.zeros((counts.size, values.shape[1]))
    np.add.at(sums, place, values)
    return sums / counts[:, None]


def largest(similarities: Singles, k: int) -> Floats:
    """The k largest of each row, (n, k), ascending; puts the rows in another order."""
    similarities.partition(similarities.shape[1] - k, axis=1)
    return np.sort(similarities[:, -k:], axis=1).astype(np.float64)


def check_neighbours(k: int, n: int) -> None:
    """Refuse to look for more neighbours than there are.

    Raises:
        DetectorError: k is above n.
    """
    if k > n:
        raise DetectorError(
            f"{k} neighbours are asked for, and train has {n} clips; set k to {n} or less"
        )
