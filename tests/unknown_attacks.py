"""Toy outputs of a tracer: classes of very different sizes, and clips of none of them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.ood.base import Classes, Outputs

SIZES = (120, 60, 40, 20, 8)
DIMENSIONS = 12


class Toy(NamedTuple):
    train: Outputs
    classes: Classes
    dev: Outputs
    known: npt.NDArray[np.bool_]


def toy(seed: int = 1) -> Toy:
    """Known classes lie along axes of their own, unknown clips along others with small logits.

    All have the last direction in common, as read-outs of networks have.
    """
    rng = np.random.default_rng(seed)
    axes = np.eye(DIMENSIONS)
    classes = np.repeat(np.arange(len(SIZES)), SIZES)
    order = rng.permutation(classes.size)
    train = _outputs(axes[classes], rng)
    of_dev = np.concatenate([np.repeat(np.arange(5), 30), np.repeat(np.arange(8, 11), 50)])
    return Toy(
        train.rows(order), classes[order].astype(np.int64), _outputs(axes[of_dev], rng), of_dev < 5
    )


def _outputs(centres: npt.NDArray[np.float64], rng: np.random.Generator) -> Outputs:
    vectors = 5 * centres + rng.normal(0, 0.5, centres.shape)
    vectors[:, -1] += 4
    logits = 2 * vectors[:, : len(SIZES)] + rng.normal(0, 0.5, (len(vectors), len(SIZES)))
    return Outputs(vectors.astype(np.float32), logits.astype(np.float32))
