"""The small CNN and ResNet18: sizes, shapes, statistics, padding, repetition, learning."""

from itertools import pairwise

import pytest
import torch

from spoofscope.backends import registry
from spoofscope.backends.convolutional import statistics_over_time
from spoofscope.errors import AudioError, ConfigError

BACK_ENDS = [{"type": "cnn"}, {"type": "resnet", "width": 8}]


def features(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def build(config, *, n_channels=1, dim=80, n_frames=None):
    torch.manual_seed(1)
    return registry.build(config, n_channels=n_channels, dim=dim, n_frames=n_frames).eval()


def convolutions(*channels, kernel=3):
    """Weights of convolutions without bias, and gain and offset of the batch norms behind them."""
    return sum(before * after * kernel**2 + 2 * after for before, after in pairwise(channels))


@pytest.mark.parametrize("dim", [80, 256])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_size_of_the_cnn(dim, n_channels):
    pooled = 2 * 64 * (dim // 16)
    expected = convolutions(n_channels, 16, 32, 64, 64) + (pooled * 64 + 64) + (64 + 1)
    found = sum(
        p.numel() for p in build({"type": "cnn"}, dim=dim, n_channels=n_channels).parameters()
    )
    assert found == expected
    if (dim, n_channels) == (80, 1):
        assert found == 101_489


@pytest.mark.parametrize(("width", "expected"), [(16, 701_169), (64, 11_172_801)])
def test_size_of_the_resnet(width, expected):
    w = width
    blocks = convolutions(1, w, w, w, w, w)
    for before, after in ((w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)):
        blocks += convolutions(before, after, after, after, after)
        blocks += convolutions(before, after, kernel=1)
    # 80 bands: halved by the pool to 40, then to 20, 10 and 5.
    assert blocks + 2 * 8 * w * 5 + 1 == expected
    assert sum(p.numel() for p in build({"type": "resnet", "width": w}).parameters()) == expected


def test_shapes_of_the_resnet():
    network = build({"type": "resnet"})
    maps = network.network(features(2, 1, 201, 80))
    assert maps.shape == (2, 128, 13, 5)
    weighted = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    # 18 layers with weights, and the three projections.
    assert len(weighted) == 18 + 3


def test_shapes_of_the_cnn():
    network = build({"type": "cnn", "n_outputs": 2})
    assert network.blocks(features(2, 1, 201, 80)).shape == (2, 64, 12, 5)
    assert network(features(2, 1, 201, 80), torch.tensor([201, 201])).shape == (2, 2)
    assert network.outputs == ("spoof", "bonafide")


def test_statistics_are_mean_and_standard_deviation():
    maps = features(2, 3, 7, 4)
    std, mean = torch.std_mean(maps.transpose(1, 2).flatten(2), dim=1, correction=0)
    torch.testing.assert_close(statistics_over_time(maps), torch.cat([mean, std], dim=1))
    still = torch.ones(1, 2, 5, 3, requires_grad=True)
    statistics_over_time(still).sum().backward()
    assert still.grad.isfinite().all()


@pytest.mark.parametrize("config", BACK_ENDS)
def test_a_row_depends_neither_on_padding_nor_on_batch_mates(config):
    network = build(config)
    values, lengths = features(4, 1, 120, 80), torch.tensor([120, 40, 16, 40])
    together = network(values, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = network(values[row : row + 1, :, :length], lengths[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("config", BACK_ENDS)
def test_it_learns_and_repeats(config):
    values, lengths = features(8, 1, 40, 80), torch.full((8,), 40)
    values[:4, :, :, 50:] += 1
    target = torch.tensor([0.0] * 4 + [1.0] * 4)[:, None]
    trained = []
    for _ in range(2):
        network = build({**config, "dropout": 0.1}).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
        losses = []
        for _ in range(10):
            logits = network(values, lengths)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.2 * losses[0]
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
        trained.append(network.eval()(values, lengths))
    assert torch.equal(*trained)


@pytest.mark.parametrize("config", BACK_ENDS)
def test_too_little_is_refused(config):
    with pytest.raises(ConfigError, match="at least 16 frames of 16 values, not 15 of 80"):
        build(config, n_frames=15)
    with pytest.raises(ConfigError, match="any number of 13"):
        build(config, dim=13)
    with pytest.raises(AudioError, match="at least 16 frames, a clip has 15"):
        build(config)(features(2, 1, 30, 80), torch.tensor([30, 15]))
    with pytest.raises(ConfigError, match="dropout must be a number of at least 0 and below 1"):
        build({**config, "dropout": 1})
    with pytest.raises(ConfigError, match="n_outputs must be one of"):
        build({**config, "n_outputs": 3})
