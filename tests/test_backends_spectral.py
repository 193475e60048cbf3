"""Back-ends of spectral features: shapes, sizes, and Gaussian mixtures against scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture

from spoofscope.backends import registry
from spoofscope.backends.dcnn import DCNN
from spoofscope.backends.gmm import GMM
from spoofscope.backends.lcnn import LCNN, MaxFeatureMap
from spoofscope.errors import AudioError, ConfigError, DetectorError, TrainingError
from spoofscope.frontends.wavelet_packets import n_steps
from spoofscope.identity import rng_of


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def features(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dcnn(options=None, *, n_channels=1, dim=256, n_frames=95):
    torch.manual_seed(1)
    return DCNN(options or {}, n_channels=n_channels, dim=dim, n_frames=n_frames).eval()


def lcnn(*, dim=256, n_frames=None):
    torch.manual_seed(1)
    return LCNN({}, n_channels=1, dim=dim, n_frames=n_frames).eval()


# --- DCNN ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_frames", "options", "expected"),
    [
        (95, {}, 239_015),
        (101, {}, 239_015),
        (103, {}, 241_099),
        (109, {}, 241_099),
        (109, {"downsampling": "stride"}, 241_099),
        (95, {"dilation": False}, 230_408),
        (95, {"dropout_cnn": 0.0, "dropout_dilated": 0.0}, 239_015),
    ],
)
def test_dcnn_size(n_frames, options, expected):
    assert n_parameters(dcnn(options, n_frames=n_frames)) == expected


# Outputs of the convolutions (of which the last three have time as channels) and of the pools.
SHAPES = {
    ("pool", 95): (
        [(64, 97, 258), (64, 48, 129), (96, 48, 129), (128, 24, 64), (32, 24, 64), (64, 24, 64)],
        [(64, 48, 129), (96, 24, 64), (64, 12, 32)],
    ),
    ("pool", 101): (
        [(64, 103, 258), (64, 51, 129), (96, 51, 129), (128, 25, 64), (32, 25, 64), (64, 25, 64)],
        [(64, 51, 129), (96, 25, 64), (64, 12, 32)],
    ),
    ("pool", 109): (
        [(64, 111, 258), (64, 55, 129), (96, 55, 129), (128, 27, 64), (32, 27, 64), (64, 27, 64)],
        [(64, 55, 129), (96, 27, 64), (64, 13, 32)],
    ),
    ("stride", 109): (
        [(64, 56, 129), (64, 56, 129), (96, 28, 65), (128, 28, 65), (32, 28, 65), (64, 13, 32)],
        [],
    ),
}


@pytest.mark.parametrize(("downsampling", "n_frames"), SHAPES)
def test_dcnn_shapes(downsampling, n_frames):
    network = dcnn({"downsampling": downsampling}, n_frames=n_frames)
    shapes = []
    for layer in (*network.cnn, *network.dil_conv, network.fc[1]):
        layer.register_forward_hook(
            lambda module, _, out: shapes.append((type(module).__name__, *out.shape[1:]))
        )
    logits = network(features(1, 1, n_frames, 256), torch.full((1,), n_frames))
    assert logits.shape == (1, 2)
    assert network.outputs == ("bonafide", "spoof")
    convolutions, pools = SHAPES[downsampling, n_frames]
    rows = 13 if n_frames == 109 else 12
    assert [shape[1:] for shape in shapes if shape[0] == "Conv2d"] == [
        *convolutions,
        (rows, 64, 32),
        (rows, 60, 28),
        (rows, 40, 8),
    ]
    assert [shape[1:] for shape in shapes if shape[0] == "MaxPool2d"] == pools
    assert shapes[-1] == ("Linear", rows, 2)


ROWS = {
    "haar": 11,
    **{f"{family}{n}": 11 for family in ("sym", "db") for n in (2, 3, 4)},
    **{f"{family}{n}": 12 for family in ("sym", "db") for n in (5, 6, 7, 8)},
    **{f"{family}{n}": 13 for family in ("sym", "db") for n in (9, 10)},
    **dict(
        zip([f"coif{n}" for n in range(2, 11)], (12, 13, 13, 14, 15, 16, 16, 17, 18), strict=True)
    ),
}


def test_dcnn_rows_of_one_second_of_every_wavelet():
    assert len(ROWS) == 28
    options = {"channels": [1, 1, 1, 1, 1]}
    networks = {name: dcnn(options, n_frames=n_steps(22050, name, 8)) for name in ROWS}
    assert {name: net.dil_conv[0].num_features for name, net in networks.items()} == ROWS
    assert {net.fc[1].in_features for net in networks.values()} == {320}


def test_dcnn_has_the_tensors_of_the_published_weights():
    shapes = {name: tuple(tensor.shape) for name, tensor in dcnn().state_dict().items()}
    assert len(shapes) == 59
    assert shapes["cnn.0.weight"] == (64, 1, 3, 3)
    assert [shapes[f"cnn.{i}.weight"] for i in (1, 5, 8, 12, 15, 18)] == [(1,)] * 6
    means = [shapes[f"cnn.{i}.running_mean"] for i in (3, 6, 10, 13, 16)]
    assert means == [(64,), (64,), (96,), (128,), (32,)]
    assert shapes["dil_conv.7.weight"] == (12, 12, 7, 7)
    assert shapes["fc.1.weight"] == (2, 320)


@pytest.mark.parametrize(
    ("n_channels", "dim", "n_frames", "options"),
    [
        (2, 256, 144, {}),
        (1, 198, 6, {}),
        (1, 512, 57, {"channels": [8, 8, 8, 8, 8]}),
        (1, 60, 40, {"dilation": False}),
        (1, 199, 7, {"downsampling": "stride"}),
        (1, 7, 30, {"downsampling": "stride", "dilation": False}),
    ],
)
def test_dcnn_takes_other_sizes(n_channels, dim, n_frames, options):
    network = dcnn(options, n_channels=n_channels, dim=dim, n_frames=n_frames)
    values = features(2, n_channels, n_frames, dim)
    assert network(values, torch.full((2,), n_frames)).isfinite().all()


def test_dcnn_learns_and_is_deterministic_in_evaluation():
    options = {"channels": [8, 8, 8, 8, 8], "dropout_cnn": 0.0, "dropout_dilated": 0.0}
    network = dcnn(options, n_frames=40).train()
    values = features(8, 1, 40, 256)
    values[:4, :, :, 100:] += 1
    lengths, labels = torch.full((8,), 40), torch.tensor([0] * 4 + [1] * 4)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss = torch.nn.functional.cross_entropy(network(values, lengths), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    network.eval()
    assert torch.equal(network(values, lengths), network(values, lengths))


@pytest.mark.parametrize(
    ("axes", "options", "message"),
    [
        ({"n_frames": None}, {}, "give the input policy a length"),
        ({"dim": 60}, {}, "needs 6 frames of 198 values, or of 6 with dilation: false"),
        ({"dim": 5}, {"dilation": False}, "needs 6 frames of 6 values$"),
        ({"n_frames": 5}, {}, "too few"),
        ({"dim": 198}, {"downsampling": "stride"}, "needs 7 frames of 199 values, or of 7 with"),
        ({}, {"downsampling": "strides"}, "must be one of 'pool', 'stride'"),
        ({}, {"dropout_cnn": 1.0}, "of at least 0 and below 1"),
        ({}, {"channels": [1, 2]}, "list of 5 items"),
        ({}, {"channels": [1, 2, 3, 4, 0]}, r"channels\[4\] must be"),
        ({}, {"dilated": True}, "did you mean 'dilation'"),
    ],
)
def test_dcnn_refuses(axes, options, message):
    with pytest.raises(ConfigError, match=message):
        dcnn(options, **axes)


def test_dcnn_refuses_padding_and_other_lengths():
    network = dcnn()
    with pytest.raises(DetectorError, match="built for 95 frames"):
        network(features(2, 1, 95, 256), torch.tensor([95, 90]))
    with pytest.raises(DetectorError, match="built for 95 frames"):
        network(features(2, 1, 96, 256), torch.tensor([96, 96]))


# --- LCNN ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "expected"), [(256, 3_312_450), (20, 170_370), (60, 269_826)])
def test_lcnn_size(dim, expected):
    assert n_parameters(lcnn(dim=dim)) == expected


def test_lcnn_shapes():
    network = lcnn()
    maps = network.cnn(features(2, 1, 101, 256))
    assert maps.shape == (2, 32, 6, 16)
    assert network(features(2, 1, 101, 256), torch.tensor([101, 101])).shape == (2, 2)
    assert network.outputs == ("bonafide", "spoof")


def test_max_feature_map_is_the_maximum_with_its_gradient():
    x, weights = features(2, 8, 5, 3), features(2, 4, 5, 3, seed=2)
    x[0, 0, 0, 0] = torch.nan
    gradients = []
    for function in (MaxFeatureMap(), lambda each: torch.maximum(*each.chunk(2, dim=1))):
        given = x.clone().requires_grad_()
        mapped = function(given)
        (mapped * weights)[1].sum().backward()
        gradients.append(given.grad)
        assert mapped[0, 0, 0, 0].isnan()
    assert gradients[0].count_nonzero() == weights[1].numel()
    assert torch.equal(*gradients)


def test_lcnn_scores_do_not_depend_on_batch_mates():
    network = lcnn(dim=60)
    lengths = torch.tensor([40, 100, 16, 40, 77])
    values = features(5, 1, 120, 60)
    logits = network(values, lengths)
    for i, length in enumerate(lengths):
        alone = network(values[i : i + 1, :, :length], lengths[i : i + 1])
        torch.testing.assert_close(logits[i], alone[0], atol=1e-5, rtol=0)


def test_lcnn_trains_every_parameter():
    network = lcnn(dim=20).train()
    network(features(4, 1, 64, 20), torch.full((4,), 64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_lcnn_refuses():
    with pytest.raises(ConfigError, match="at least 16 frames"):
        lcnn(dim=13)
    with pytest.raises(ConfigError, match="at least 16 frames"):
        lcnn(n_frames=15)
    with pytest.raises(ConfigError, match="unknown key 'dropout'"):
        registry.build({"type": "lcnn", "dropout": 0.5}, n_channels=1, dim=60, n_frames=None)
    with pytest.raises(AudioError, match="a clip has 15"):
        lcnn(dim=20)(features(2, 1, 30, 20), torch.tensor([30, 15]))


# --- GMM -------------------------------------------------------------------------------------


def clips(seed=1, n=20, dim=4):
    rng = np.random.default_rng(seed)
    result = []
    for i in range(n):
        label = ("bonafide", "spoof")[i % 2]
        frames = rng.normal(size=(30 + i, dim)) * (1.0 + (i % 2))
        frames += 6 * rng.integers(0, 2, (30 + i, 1))
        result.append((frames.astype(np.float32), label))
    return result


def gmm(options=None, dim=4):
    options = {"components": 3, **(options or {})}
    return GMM(options, n_channels=1, dim=dim, n_frames=None)


def test_gmm_equals_scikit_learn():
    back_end, data = gmm(), clips()
    back_end.fit(data, seed=1)
    mixtures = {}
    for i, label in enumerate(("bonafide", "spoof")):
        mixture = GaussianMixture(3, covariance_type="diag")
        mixture.weights_ = back_end.log_weights[i].double().exp().numpy()
        mixture.means_ = back_end.means[i].double().numpy()
        mixture.covariances_ = back_end.variances[i].double().numpy()
        mixture.precisions_cholesky_ = 1 / np.sqrt(mixture.covariances_)
        mixtures[label] = mixture
        own = np.vstack([frames for frames, name in data if name == label])
        # The parameters are those of a maximum: no better than what scikit-learn finds itself.
        again = GaussianMixture(3, covariance_type="diag", random_state=0, n_init=5).fit(own)
        assert mixture.score(own) == pytest.approx(again.score(own), abs=0.05)
    values = torch.full((2, 1, 40, 4), torch.nan)
    for row, (frames, _) in zip(values, data, strict=False):
        row[0, : len(frames)] = torch.from_numpy(frames)
    logits = back_end(values, torch.tensor([30, 31]))
    assert logits.shape == (2, 1)
    for logit, (frames, _) in zip(logits, data, strict=False):
        bonafide, spoof = (mixtures[k].score_samples(frames) for k in ("bonafide", "spoof"))
        assert logit.item() == pytest.approx((bonafide - spoof).mean(), rel=1e-5, abs=1e-6)


def plain_em(frames, means, rounds):
    """Means, variances, weights and mean log-likelihood by textbook expectation-maximisation."""
    variances, weights = np.ones_like(means), np.full(len(means), 1 / len(means))
    for _ in range(rounds):
        squares = (frames[:, None] - means) ** 2 / variances
        logs = np.log(weights) - 0.5 * (squares + np.log(2 * np.pi * variances)).sum(axis=2)
        total = logsumexp(logs, axis=1, keepdims=True)
        shares = np.exp(logs - total)
        counts = shares.sum(axis=0)
        means = shares.T @ frames / counts[:, None]
        variances = shares.T @ frames**2 / counts[:, None] - means**2 + 1e-9
        weights = counts / len(frames)
    return means, variances, weights, total.mean()


@pytest.mark.filterwarnings("ignore:Best performing initialization did not converge")
def test_gmm_from_frames_is_plain_expectation_maximisation():
    options = {"initialisation": "frames", "restarts": 4, "max_iter": 7, "tolerance": 1e-12}
    back_end, data = gmm({**options, "reg_covar": 1e-9}), clips()
    back_end.fit(data, seed=1)
    for i, label in enumerate(("bonafide", "spoof")):
        own = np.vstack([frames for frames, name in data if name == label]).astype(np.float64)
        rng = rng_of("gmm", 1, label, "initial means")
        starts = [own[rng.choice(len(own), 3, replace=False)] for _ in range(4)]
        fits = [plain_em(own, start, 7) for start in starts]
        assert len({round(fit[3], 6) for fit in fits}) > 1
        means, variances, weights, _ = max(fits, key=lambda fit: fit[3])
        np.testing.assert_allclose(back_end.means[i], means, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(back_end.variances[i], variances, rtol=1e-4)
        np.testing.assert_allclose(back_end.log_weights[i].exp(), weights, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:Best performing initialization did not converge")
def test_gmm_stops_where_a_round_gains_less_than_the_tolerance():
    own = np.vstack([frames for frames, name in clips() if name == "spoof"]).astype(np.float64)
    loose, strict = gmm({"initialisation": "frames", "tolerance": 100.0}), gmm({"tolerance": 1e-9})
    for back_end in (loose, strict):
        back_end.fit(clips(), seed=1)
    rng = rng_of("gmm", 1, "spoof", "initial means")
    means, *_ = plain_em(own, own[rng.choice(len(own), 3, replace=False)], 2)
    np.testing.assert_allclose(loose.means[1], means, rtol=1e-3, atol=1e-4)
    assert not np.allclose(strict.means[1], means, rtol=1e-2)


def test_gmm_draws_whole_clips_uniformly():
    back_end = gmm({"components": 1, "max_clips": 100})
    blocks = [(np.full((10, 4), float(i)), "bonafide") for i in range(1000)]
    spoof = [(features(20, 4).numpy(), "spoof")]
    back_end.fit(blocks + spoof, seed=1)
    mean = back_end.means[0, 0, 0].item()
    assert mean == pytest.approx(499.5, abs=4 * 288.7 / 100**0.5)
    assert 100 * mean == pytest.approx(round(100 * mean), abs=1e-2)  # 100 clips count alike
    np.testing.assert_allclose(back_end.means[1, 0], spoof[0][0].mean(axis=0), rtol=1e-4)


def test_gmm_one_gaussian_in_closed_form():
    back_end, data = gmm({"components": 1, "reg_covar": 1e-12}), clips()
    back_end.fit(data, seed=1)
    for i, label in enumerate(("bonafide", "spoof")):
        own = np.vstack([frames for frames, name in data if name == label]).astype(np.float64)
        np.testing.assert_allclose(back_end.means[i, 0], own.mean(0), rtol=1e-5)
        np.testing.assert_allclose(back_end.variances[i, 0], own.var(0), rtol=1e-5)
        assert back_end.log_weights[i, 0].item() == pytest.approx(0, abs=1e-6)


def test_gmm_is_deterministic_and_survives_saving():
    first, second, other = gmm(), gmm(), gmm()
    first.fit(clips(), seed=1)
    second.fit(clips(), seed=1)
    other.load_state_dict(first.state_dict())
    values, lengths = features(2, 1, 9, 4), torch.tensor([9, 5])
    for name, buffer in first.state_dict().items():
        assert torch.equal(buffer, second.state_dict()[name])
        assert buffer.dtype == torch.float32
    assert torch.equal(first(values, lengths), other(values, lengths))
    assert (first.outputs, first.fitted_once) == (("bonafide",), True)


def test_gmm_separates_the_classes():
    back_end = gmm()
    back_end.fit(clips(seed=1), seed=1)
    for frames, label in clips(seed=2):
        logit = back_end(torch.from_numpy(frames)[None, None], torch.tensor([len(frames)]))
        assert (logit.item() > 0) == (label == "bonafide")


def test_gmm_draws_frames_uniformly():
    back_end = gmm({"components": 1, "max_frames": 300})
    blocks = [(np.full((10, 4), float(i)), "bonafide") for i in range(1000)]
    spoof = [(features(20, 4).numpy(), "spoof")]
    back_end.fit(blocks + spoof, seed=1)
    # 300 of 10,000 frames: the mean of 0 ... 999 within four standard errors.
    assert back_end.means[0, 0, 0].item() == pytest.approx(499.5, abs=4 * 288.7 / 300**0.5)
    other = gmm({"components": 1, "max_frames": 300})
    other.fit(blocks + spoof, seed=2)
    assert not torch.equal(back_end.means[0], other.means[0])


def test_gmm_padding_does_not_count():
    back_end = gmm()
    back_end.fit(clips(), seed=1)
    values = features(1, 1, 9, 4)
    padded = torch.cat([values, torch.full((1, 1, 5, 4), 100.0)], dim=2)
    lengths = torch.tensor([9])
    assert torch.equal(back_end(values, lengths), back_end(padded, lengths))


def test_gmm_refuses():
    with pytest.raises(DetectorError, match="train the detector first"):
        gmm()(features(1, 1, 9, 4), torch.tensor([9]))
    with pytest.raises(ConfigError, match="one channel"):
        GMM({}, n_channels=2, dim=4, n_frames=None)
    for options, message in (
        ({"reg_covar": 0.0}, "reg_covar must be a number above 0"),
        ({"tolerance": 0}, "tolerance must be a number above 0"),
        ({"restarts": 0}, "restarts must be"),
        ({"max_clips": 0}, "max_clips must be"),
        ({"initialisation": "random"}, "must be one of 'kmeans', 'frames'"),
    ):
        with pytest.raises(ConfigError, match=message):
            gmm(options)
    good = clips()
    for bad, message in (
        ([], "0 bonafide frames do not make 3"),
        (good[::2], "0 spoof frames do not make 3"),
        ([(good[0][0], "fake")], "label 'fake'"),
        ([(good[0][0][:, :3], "spoof")], r"expected frames \(N, 4\)"),
        ([(good[0][0] * np.nan, "spoof")], "NaN"),
    ):
        with pytest.raises(TrainingError, match=message):
            gmm().fit(bad, seed=1)
