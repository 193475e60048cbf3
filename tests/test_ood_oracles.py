"""Detectors of unknown attacks against pytorch-ood and scikit-learn."""

import numpy as np
import pytest

from spoofscope.ood.base import Outputs
from spoofscope.ood.gaussians import _shrunk
from spoofscope.ood.registry import build
from unknown_attacks import toy

# pytorch-ood takes seconds to import.
pytestmark = pytest.mark.slow


def scores(name, train=None, **options):
    data = toy()
    train = data.train if train is None else train
    return build({"type": name, **options}).fit(train, data.classes).ood_scores(data.dev)


def test_of_logits():
    import torch
    from pytorch_ood import detector

    logits = torch.from_numpy(toy().dev.logits).double()
    for name, other, offset in (
        ("energy", detector.EnergyBased(None), 0),
        ("msp", detector.MaxSoftmax(None), 1),
        ("max_logit", detector.MaxLogit(None), 0),
        ("entropy", detector.Entropy(None), 0),
    ):
        expected = other.predict_logits(logits).numpy() + offset
        assert np.allclose(scores(name), expected, rtol=1e-6, atol=1e-9), name
    expected = detector.EnergyBased(None, t=3.0).predict_logits(logits).numpy()
    assert np.allclose(scores("energy", temperature=3.0), expected)


def test_nearest_neighbours():
    import torch
    from pytorch_ood.detector import KNN
    from sklearn.neighbors import NearestNeighbors

    data = toy()
    vectors = [torch.from_numpy(x.vectors).double() for x in (data.train, data.dev)]
    other = KNN(None, k=4).fit_features(vectors[0], torch.from_numpy(data.classes))
    # Between vectors of length 1, the squared distance is 2 (1 - cosine).
    expected = other.predict_features(vectors[1]).numpy() ** 2 / 2
    assert np.allclose(scores("knn", k=4), expected, atol=1e-6)
    neighbours = NearestNeighbors(metric="cosine").fit(vectors[0])
    distances, _ = neighbours.kneighbors(vectors[1], n_neighbors=3)
    assert np.allclose(scores("knn_mean", k=3), distances.mean(axis=1), atol=1e-6)
    assert np.allclose(scores("knn", k=3), distances[:, -1], atol=1e-6)


def test_nnguide():
    import torch
    from pytorch_ood.detector import NNGuide

    data = toy()
    # Its logits are a function of the vectors; here they are looked up.
    known = {
        vector.tobytes(): logit
        for some in (data.train, data.dev)
        for vector, logit in zip(some.vectors, some.logits, strict=True)
    }

    def head(vectors):
        return torch.from_numpy(np.stack([known[row.tobytes()] for row in vectors.numpy()]))

    other = NNGuide(None, head, k=5)
    other.fit_features(torch.from_numpy(data.train.vectors), torch.from_numpy(data.classes))
    expected = other.predict_features(torch.from_numpy(data.dev.vectors)).numpy()
    assert np.allclose(scores("nnguide", k=5), expected, rtol=1e-5)


def test_mahalanobis():
    import torch
    from pytorch_ood.detector import Mahalanobis

    data = toy()
    other = Mahalanobis(None).fit_features(
        torch.from_numpy(data.train.vectors), torch.from_numpy(data.classes)
    )
    half = other.predict_features(torch.from_numpy(data.dev.vectors)).numpy()
    # It takes the sum of squares for the covariance.
    expected = 2 * len(data.train) * half
    found = scores("mahalanobis", shrinkage=0.0, unit_length=False)
    assert np.allclose(found, expected, rtol=1e-4)


def test_shrinkage_is_that_of_ledoit_and_wolf():
    from sklearn.covariance import ledoit_wolf

    rng = np.random.default_rng(1)
    for shape in ((30, 12), (8, 20), (5000, 3)):
        residuals = rng.normal(size=shape) @ rng.normal(size=(shape[1], shape[1]))
        residuals -= residuals.mean(axis=0)
        assert np.allclose(
            _shrunk(residuals, None), ledoit_wolf(residuals, assume_centered=True)[0]
        )


def test_ssd_is_the_distance_to_one_mean():
    from sklearn.covariance import EmpiricalCovariance

    data = toy()
    vectors = [x.vectors.astype(np.float64) for x in (data.train, data.dev)]
    expected = EmpiricalCovariance().fit(vectors[0]).mahalanobis(vectors[1])
    assert np.allclose(scores("ssd", shrinkage=0.0, unit_length=False), expected, rtol=1e-6)


def test_vim():
    import torch
    from pytorch_ood.detector import ViM

    rng = np.random.default_rng(2)
    data = toy()
    weight = rng.normal(size=(20, data.train.vectors.shape[1]))
    # Then its origin is the mean of train, as ours.
    bias = -weight @ data.train.vectors.mean(axis=0, dtype=np.float64)
    some = [
        Outputs(x.vectors, (x.vectors @ weight.T + bias).astype(np.float32))
        for x in (data.train, data.dev)
    ]
    other = ViM(None, d=4, w=torch.from_numpy(weight).float(), b=torch.from_numpy(bias).float())
    other.fit_features(torch.from_numpy(some[0].vectors), torch.from_numpy(data.classes))
    expected = other.predict_features(torch.from_numpy(some[1].vectors)).numpy()
    found = build({"type": "vim", "rank": 4}).fit(some[0], data.classes).ood_scores(some[1])
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-3)
