"""Back-ends for SSL features: sizes, formulas, padding."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spoofscope.backends import aasist, registry
from spoofscope.backends.aasist import AASIST
from spoofscope.backends.base import BackEnd
from spoofscope.backends.mhfa import MHFA
from spoofscope.detector import Detector
from spoofscope.errors import AudioError, ConfigError
from spoofscope.frontends import registry as frontends
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.windows import InputPolicy

BACK_ENDS: list[dict[str, Any]] = [
    {"type": "linear"},
    {"type": "linear", "n_outputs": 2},
    {"type": "linear", "layer": "last"},
    {"type": "attentive_statistics", "attention": 5},
    {"type": "attentive_statistics", "layer": "weighted", "n_outputs": 2},
    {"type": "projection", "hidden": 7, "size": 5},
    {"type": "mhfa", "heads": 4, "compression": 8},
    {"type": "mhfa", "heads": 3, "compression": 8, "attention_bias": True, "n_outputs": 2},
    {"type": "ca_mhfa", "heads": 3, "compression": 8},
    {"type": "ca_mhfa", "heads": 3, "compression": 8, "context_frames": 0, "n_outputs": 2},
    {"type": "ffn"},
    {"type": "ffn", "legacy_pooling": True, "n_outputs": 2},
    {"type": "sls"},
    {"type": "sls", "as_published": True, "n_outputs": 2},
    {"type": "aasist"},
    {"type": "aasist", "channels": 8},
    {"type": "aasist", "residual": "as_published", "layer": "weighted", "n_outputs": 2},
]


# One of each kind that takes any features and any length; what stands on other front-ends has tests
# of its own.
KINDS = {config["type"]: config for config in reversed(BACK_ENDS)}


def build(config: dict[str, Any], n_channels: int = 3, dim: int = 12) -> BackEnd:
    torch.manual_seed(0)
    return registry.build(config, n_channels=n_channels, dim=dim, n_frames=None)


def size(config: dict[str, Any], n_channels: int, dim: int) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build(config, n_channels, dim).parameters())


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    """Every parameter and statistic away from its initial value, so that no term can hide."""
    generator = torch.Generator().manual_seed(5)
    for name, tensor in module.state_dict().items():
        if tensor.dtype.is_floating_point:
            noise = torch.randn(tensor.shape, generator=generator) * 0.3
            noise /= max(1, tensor[:1].numel()) ** 0.5  # keeps the size of what flows through
            tensor.add_(noise.abs() if name.endswith("running_var") else noise)
    return module


@pytest.mark.parametrize(
    ("config", "n_channels", "dim", "expected"),
    [
        ({"type": "mhfa", "heads": 64}, 13, 768, 213_275),
        ({"type": "mhfa", "heads": 64, "attention_bias": True}, 13, 768, 213_275 + 64),
        ({"type": "aasist"}, 13, 768, 414_313),
        ({"type": "aasist", "residual": "as_published"}, 13, 768, 414_313),
        ({"type": "aasist", "layer": "weighted", "n_outputs": 2}, 6, 768, 414_492),
        ({"type": "aasist", "layer": "weighted", "n_outputs": 2}, 12, 768, 414_510),
        ({"type": "aasist", "layer": "weighted", "n_outputs": 2}, 12, 1024, 447_278),
        ({"type": "aasist", "layer": "weighted", "n_outputs": 2}, 24, 1024, 447_314),
        ({"type": "linear"}, 13, 768, 13 + 768 + 1),
        ({"type": "linear", "n_outputs": 2}, 13, 768, 13 + 2 * 768 + 2),
        ({"type": "linear", "layer": "last", "n_outputs": 2}, 13, 768, 1_538),
        ({"type": "ca_mhfa", "context_frames": 0}, 13, 768, 213_275),
        ({"type": "ca_mhfa", "context_frames": 4}, 13, 768, 213_275 + 32_768),
        ({"type": "ffn", "n_outputs": 2}, 6, 768, 164_756),
        ({"type": "ffn", "n_outputs": 2}, 12, 768, 164_774),
        ({"type": "ffn", "n_outputs": 2}, 12, 1024, 197_542),
        ({"type": "ffn", "n_outputs": 2, "legacy_pooling": True}, 24, 1024, 197_578),
        ({"type": "sls", "as_published": True}, 13, 768, 13_175_044),
        ({"type": "sls"}, 13, 768, 395_524),
    ],
)
def test_published_sizes(config: dict[str, Any], n_channels: int, dim: int, expected: int) -> None:
    assert size(config, n_channels, dim) == expected


def test_the_page_on_detectors_states_sizes_and_shapes() -> None:
    page = (Path(__file__).parents[1] / "docs/detectors.md").read_text(encoding="utf-8")
    section = page.partition("## Back-ends for SSL features")[2].partition("### ")[0]
    stated = dict(re.findall(r"^\| `(\w+)` \|.*\| ([\d,]+)[^|]*\|$", section, re.MULTILINE))
    assert stated == {kind: f"{size({'type': kind}, 13, 768):,}" for kind in stated}
    assert set(stated) == set(KINDS)
    for kind in ("lfcc", "wavelet_packets", "raw"):
        front_end = frontends.build({"type": kind})
        shape = (front_end.n_channels, front_end.n_frames(64600), front_end.dim)
        assert re.search(rf"^\| `{kind}` \|.*\| {re.escape(str(shape))} \|$", page, re.MULTILINE)


@pytest.mark.parametrize("config", BACK_ENDS, ids=str)
def test_logits_depend_neither_on_padding_nor_on_batch_mates(config: dict[str, Any]) -> None:
    back_end = randomised(build(config)).eval()
    lengths = torch.tensor([20, 31, 3, 20, 9])
    values = torch.randn(5, 3, 40, 12)
    with torch.no_grad():
        together = back_end(values, lengths)
        assert together.shape == (5, len(back_end.outputs))
        for row, length in enumerate(lengths.tolist()):
            alone = back_end(values[row : row + 1, :, :length], lengths[row : row + 1])
            torch.testing.assert_close(together[row], alone[0], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    root = tmp_path_factory.mktemp("backbones")
    found = {}
    for norm, family in (("group", "wavlm"), ("layer", "wav2vec2")):
        write_tiny_backbone(root / norm, family, {"norm": norm, "layers": 2}, seed=1)
        found[norm] = {"family": family, "folder": str(root / norm)}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("kind", [*KINDS, "lcnn"])
def test_a_clip_scores_the_same_alone_and_in_any_batch(
    backbones: dict[str, dict[str, str]], kind: str, norm: str
) -> None:
    torch.manual_seed(0)
    detector = Detector(
        {"type": "ssl", "backbone": backbones[norm]},
        KINDS.get(kind, {"type": kind}),
        InputPolicy(length=None),
    )
    randomised(detector.backend)
    detector.eval()
    lengths = torch.tensor([6000, 9000, 5500, 6000, 6543])
    waveform = 0.1 * torch.randn(5, 9600)  # what lies beyond the lengths is noise, not zeros
    clips = [waveform[row, :length] for row, length in enumerate(lengths.tolist())]
    with torch.no_grad():
        alone = torch.cat(
            [detector(clip[None], lengths[i : i + 1]) for i, clip in enumerate(clips)]
        )
        padded = detector(waveform, lengths)
    assert alone.std() > 1e-3  # the scores do differ from clip to clip
    torch.testing.assert_close(padded, alone, rtol=0, atol=1e-5)
    for order in ([0, 1, 2, 3, 4], [3, 4, 0]):
        scored = detector.logits([clips[i].numpy() for i in order], batch_size=2)
        torch.testing.assert_close(torch.from_numpy(scored), alone[order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", BACK_ENDS, ids=str)
def test_every_trained_parameter_gets_a_gradient(config: dict[str, Any]) -> None:
    back_end = randomised(build(config)).eval()
    values = torch.randn(4, 3, 30, 12, requires_grad=True)
    back_end(values, torch.tensor([30, 30, 12, 12])).square().sum().backward()
    for name, parameter in back_end.named_parameters():
        frozen = config.get("residual") == "as_published" and ".norm1." in name
        assert parameter.requires_grad != frozen, name
        assert (parameter.grad is None) == frozen, name
    assert values.grad is not None
    assert not values.grad[2:, :, 12:].any()  # nothing flows into padding
    layers = values.grad.abs().sum(dim=(0, 2, 3)) > 0
    ends_at_the_top = ("aasist", "attentive_statistics", "projection")
    default = "last" if config["type"] in ends_at_the_top else "weighted"
    only_last = config.get("layer", default) == "last"
    assert layers.tolist() == ([False, False, True] if only_last else [True, True, True])


@pytest.mark.parametrize("config", BACK_ENDS, ids=str)
def test_mixed_precision_trains_and_stays_near_float32(config: dict[str, Any]) -> None:
    back_end = randomised(build(config)).eval()
    values, lengths = torch.randn(4, 3, 30, 12), torch.tensor([30, 30, 12, 12])
    expected = back_end(values, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = back_end(values, lengths)
    logits.float().square().sum().backward()
    assert all(p.grad is not None for p in back_end.parameters() if p.requires_grad)
    error = (logits.float() - expected).abs().max()
    assert 0 < error < 0.1 * expected.abs().max().clamp_min(1.0)


def softmax(x: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=axis, keepdims=True)
    return result


def numpy_of(module: torch.nn.Module) -> dict[str, NDArray[np.float64]]:
    return {k: v.detach().double().numpy() for k, v in module.state_dict().items()}


@pytest.mark.parametrize("bias", [False, True])
def test_mhfa_equals_its_formula(bias: bool) -> None:
    back_end = randomised(
        build({"type": "mhfa", "heads": 5, "compression": 7, "attention_bias": bias})
    )
    p = numpy_of(back_end)
    values = torch.randn(2, 3, 11, 12)
    lengths = torch.tensor([11, 6])
    got = back_end(values, lengths).detach().numpy()
    for row, n in enumerate(lengths.tolist()):
        x = values[row, :, :n].double().numpy()
        keys = sum(w * layer for w, layer in zip(softmax(p["key_mix"], 0), x, strict=True))
        contents = sum(w * layer for w, layer in zip(softmax(p["value_mix"], 0), x, strict=True))
        keys = keys @ p["key.weight"].T + p["key.bias"]
        contents = contents @ p["value.weight"].T + p["value.bias"]
        pooled = []
        for head in range(5):
            logits = keys @ p["attention.weight"][head] + (p["attention.bias"][head] if bias else 0)
            pooled.append(softmax(logits, 0) @ contents)
        expected = p["output.weight"] @ np.concatenate(pooled) + p["output.bias"]
        np.testing.assert_allclose(got[row], expected, rtol=0, atol=1e-5)


def test_attention_bias_of_mhfa_changes_nothing() -> None:
    back_end = randomised(build({"type": "mhfa", "heads": 5, "attention_bias": True}))
    assert isinstance(back_end, MHFA)
    values, lengths = torch.randn(2, 3, 11, 12), torch.tensor([11, 6])
    before = back_end(values, lengths)
    back_end.attention.bias.data += 3.0
    torch.testing.assert_close(back_end(values, lengths), before)


def test_linear_equals_its_formula() -> None:
    back_end = randomised(build({"type": "linear"}))
    p = numpy_of(back_end)
    values = torch.randn(1, 3, 9, 12)
    mean = np.einsum("c,cnd->d", softmax(p["mix"], 0), values[0, :, :4].double().numpy()) / 4
    expected = p["output.weight"] @ mean + p["output.bias"]
    got = back_end(values, torch.tensor([4])).detach().numpy()[0]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    last = randomised(build({"type": "linear", "layer": "last"}))
    p = numpy_of(last)
    expected = p["output.weight"] @ values[0, -1, :4].double().numpy().mean(0) + p["output.bias"]
    got = last(values, torch.tensor([4])).detach().numpy()[0]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    assert last.layer_weights() is None
    assert last.layer_logits() is None


def test_context_of_ca_mhfa_equals_a_loop_over_frames() -> None:
    back_end = randomised(
        build({"type": "ca_mhfa", "heads": 3, "compression": 7, "context_frames": 4})
    )
    p = numpy_of(back_end)
    values, lengths = torch.randn(2, 3, 11, 12), torch.tensor([11, 6])
    got = back_end(values, lengths).detach().numpy()
    for row, n in enumerate(lengths.tolist()):
        x = values[row, :, :n].double().numpy()
        keys, contents = (
            np.tensordot(softmax(p[f"{name}_mix"], 0), x, 1) @ p[f"{name}.weight"].T
            + p[f"{name}.bias"]
            for name in ("key", "value")
        )
        pooled = []
        for head in p["attention.weight"]:  # (7, 5)
            logits = np.zeros(n)
            for t in range(n):
                for tap in range(5):
                    if 0 <= t + tap - 2 < n:
                        logits[t] += keys[t + tap - 2] @ head[:, tap]
            pooled.append(softmax(logits, 0) @ contents)
        expected = p["output.weight"] @ np.concatenate(pooled) + p["output.bias"]
        np.testing.assert_allclose(got[row], expected, rtol=0, atol=1e-5)


def test_ca_mhfa_without_context_is_mhfa() -> None:
    mhfa = randomised(build({"type": "mhfa", "heads": 3, "compression": 7}))
    other = build({"type": "ca_mhfa", "heads": 3, "compression": 7, "context_frames": 0})
    state = mhfa.state_dict()
    state["attention.weight"] = state["attention.weight"][:, :, None]
    other.load_state_dict(state)
    values, lengths = torch.randn(2, 3, 11, 12), torch.tensor([11, 6])
    torch.testing.assert_close(other(values, lengths), mhfa(values, lengths), rtol=0, atol=1e-6)


@pytest.mark.parametrize("legacy", [False, True])
def test_ffn_equals_its_formula(legacy: bool) -> None:
    back_end = randomised(build({"type": "ffn", "legacy_pooling": legacy})).eval()
    p = numpy_of(back_end)
    values, lengths = torch.randn(2, 3, 11, 12), torch.tensor([11, 6])
    got = back_end(values, lengths).detach().numpy()
    for row, n in enumerate(lengths.tolist()):
        layers = values[row, :, :n].double().numpy()
        mixed = np.zeros((n, 12))
        for i, weight in enumerate(softmax(p["mix"], 0)):
            scale = p["mix_norm.weight"][i] / np.sqrt(p["mix_norm.running_var"][i] + 1e-5)
            shifted = layers[i] - p["mix_norm.running_mean"][i]
            mixed += weight * (shifted * scale + p["mix_norm.bias"][i])
        x = np.maximum(mixed @ p["frames.0.weight"].T + p["frames.0.bias"], 0)
        x = np.maximum(x @ p["frames.2.weight"].T + p["frames.2.bias"], 0)
        projected = x @ p["attention.weight"].T + p["attention.bias"]
        attention = softmax(np.tanh(projected @ p["vector"]), 0)
        mean = attention @ x
        if legacy:
            mean = mean / n
            second = attention @ x**2 - mean**2
        else:
            second = attention @ (x - mean) ** 2
        hidden = p["output.0.weight"] @ np.concatenate([mean, second]) + p["output.0.bias"]
        expected = p["output.2.weight"] @ np.maximum(hidden, 0) + p["output.2.bias"]
        np.testing.assert_allclose(got[row], expected, rtol=0, atol=1e-5)


def test_attentive_statistics_of_equal_weights_are_mean_and_variance() -> None:
    # As coded upstream, the mean of 50 frames comes out 50 times too small, and the "variance" is
    # nearly the second moment.
    x = torch.rand(2, 50, 128)
    uniform, lengths = torch.full((2, 50), 1 / 50), torch.tensor([50, 50])
    mean, variance = x.mean(1), x.var(1, correction=0)
    corrected = build({"type": "ffn"})._statistics(x, uniform, lengths)
    torch.testing.assert_close(corrected, torch.cat([mean, variance], dim=1))
    legacy = build({"type": "ffn", "legacy_pooling": True})._statistics(x, uniform, lengths)
    second = x.square().mean(1) - (mean / 50).square()
    torch.testing.assert_close(legacy, torch.cat([mean / 50, second], dim=1))


@pytest.mark.parametrize(
    ("config", "norm"), [({"type": "ffn"}, "mix_norm"), ({"type": "sls"}, "norm")]
)
def test_padding_enters_no_batch_statistics_in_training(config: dict[str, Any], norm: str) -> None:
    values, lengths = torch.randn(3, 3, 12, 12), torch.tensor([9, 12, 6])
    outcomes = []
    for filling in (0.0, 1000.0):
        back_end = build(config).train()
        for row, length in enumerate(lengths.tolist()):
            values[row, :, length:] = filling
        logits = back_end(values, lengths)
        logits.sum().backward()
        gradients = [p.grad for p in back_end.parameters()]
        outcomes.append([logits, getattr(back_end, norm).running_var, *gradients])
    torch.testing.assert_close(*outcomes)


def sls_readout(p: dict[str, NDArray[np.float64]], layers: NDArray[np.float64]) -> Any:
    """The pooled map (steps, dims) of features (C, N, D), by loops."""
    mixed = np.zeros(layers.shape[1:])
    for layer in layers:
        gate = 1 / (1 + np.exp(-(p["gate.weight"][0] @ layer.mean(0) + p["gate.bias"][0])))
        mixed += gate * layer
    scale = p["norm.weight"] / np.sqrt(p["norm.running_var"] + 1e-5)
    x = selu((mixed - p["norm.running_mean"]) * scale + p["norm.bias"])
    steps, dims = x.shape[0] // 3, x.shape[1] // 3
    return x[: 3 * steps, : 3 * dims].reshape(steps, 3, dims, 3).max(axis=(1, 3))


def test_sls_equals_its_formula() -> None:
    back_end = randomised(build({"type": "sls"}, dim=13)).eval()
    p = numpy_of(back_end)
    values, lengths = torch.randn(2, 3, 11, 13), torch.tensor([11, 7])
    got = back_end(values, lengths).detach().numpy()
    for row, n in enumerate(lengths.tolist()):
        pooled = sls_readout(p, values[row, :, :n].double().numpy())
        readout = np.concatenate([pooled.mean(0), np.sqrt(pooled.var(0) + 1e-5)])
        hidden = selu(p["output.0.weight"] @ readout + p["output.0.bias"])
        expected = p["output.2.weight"] @ hidden + p["output.2.bias"]
        np.testing.assert_allclose(got[row], expected, rtol=0, atol=1e-5)


def test_sls_as_published_equals_its_formula_and_hears_201_frames() -> None:
    back_end = randomised(build({"type": "sls", "as_published": True})).eval()
    p = numpy_of(back_end)
    values = torch.randn(2, 3, 250, 12, requires_grad=True)
    lengths = torch.tensor([250, 90])
    logits = back_end(values, lengths)
    for row, n in enumerate(lengths.tolist()):
        layers = np.zeros((3, 201, 12))
        layers[:, : min(n, 201)] = values[row, :, : min(n, 201)].detach().numpy()
        hidden = p["output.0.weight"] @ sls_readout(p, layers).ravel() + p["output.0.bias"]
        expected = p["output.2.weight"] @ selu(hidden) + p["output.2.bias"]
        np.testing.assert_allclose(logits[row].detach().numpy(), expected, rtol=0, atol=1e-5)
    logits.sum().backward()
    assert values.grad is not None
    assert (values.grad[0, :, 201:] == 0).all()
    assert (values.grad[0, :, 200] != 0).any()


def test_sls_refuses_fewer_than_three_frames() -> None:
    with pytest.raises(AudioError, match="2 frames"):
        build({"type": "sls"})(torch.randn(2, 3, 5, 12), torch.tensor([5, 2]))


def selu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    result: NDArray[np.float64] = scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return result


def batch_norm(p: dict[str, NDArray[np.float64]], x: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = (x - p["norm.running_mean"]) / np.sqrt(p["norm.running_var"] + 1e-5)
    result: NDArray[np.float64] = centred * p["norm.weight"] + p["norm.bias"]
    return result


def affine(p: dict[str, NDArray[np.float64]], name: str, x: NDArray[np.float64]) -> Any:
    return p[f"{name}.weight"] @ x + p[f"{name}.bias"]


def test_graph_attention_equals_a_loop_over_pairs() -> None:
    layer = randomised(aasist.GraphAttention(6, 4, temperature=2.0)).eval()
    p = numpy_of(layer)
    nodes = torch.randn(2, 5, 6)
    got = layer(nodes).detach().numpy()
    for row in range(2):
        x = nodes[row].double().numpy()
        for i in range(5):
            logits = np.array(
                [np.tanh(affine(p, "pair", x[i] * x[j])) @ p["vector"][:, 0] / 2 for j in range(5)]
            )
            gathered = softmax(logits, 0) @ x
            new = affine(p, "attended", gathered) + affine(p, "own", x[i])
            np.testing.assert_allclose(got[row, i], selu(batch_norm(p, new)), rtol=0, atol=1e-5)


def test_heterogeneous_attention_equals_a_loop_over_pairs() -> None:
    layer = randomised(aasist.HeterogeneousGraphAttention(6, 4, temperature=3.0)).eval()
    p = numpy_of(layer)
    temporal, spectral, master = torch.randn(1, 3, 6), torch.randn(1, 2, 6), torch.randn(1, 1, 6)
    got = [t[0].detach().numpy() for t in layer(temporal, spectral, master)]

    x = [affine(p, "temporal", node) for node in temporal[0].double().numpy()]
    x += [affine(p, "spectral", node) for node in spectral[0].double().numpy()]
    m = master[0, 0].double().numpy()
    for i in range(5):
        logits = []
        for j in range(5):
            kind = "mixed" if (i < 3) != (j < 3) else "temporal" if i < 3 else "spectral"
            pair = np.tanh(affine(p, "pair", x[i] * x[j]))
            logits.append(pair @ p[f"vector_{kind}"][:, 0] / 3)
        gathered = softmax(np.array(logits), 0) @ np.array(x)
        new = selu(batch_norm(p, affine(p, "attended", gathered) + affine(p, "own", x[i])))
        np.testing.assert_allclose(np.concatenate(got[:2])[i], new, rtol=0, atol=1e-5)
    pairs = np.array([np.tanh(affine(p, "master_pair", node * m)) for node in x])
    gathered = softmax(pairs @ p["vector_master"][:, 0] / 3, 0) @ np.array(x)
    new = affine(p, "master_attended", gathered) + affine(p, "master_own", m)
    np.testing.assert_allclose(got[2][0], new, rtol=0, atol=1e-5)


def test_graph_pool_keeps_falling_score_order() -> None:
    pool = aasist.GraphPool(1).eval()
    pool.score.weight.data.fill_(1.0)
    pool.score.bias.data.zero_()
    nodes = torch.tensor([[[-1.0], [3.0], [0.5], [2.0], [-4.0]]])
    expected = torch.tensor([3.0, 2.0]) * torch.sigmoid(torch.tensor([3.0, 2.0]))
    torch.testing.assert_close(pool(nodes)[0, :, 0], expected)
    assert pool(nodes[:, :1]).shape == (1, 1, 1)


@pytest.mark.parametrize("preactivated", [True, False])
def test_residual_block_reads_what_it_says(preactivated: bool) -> None:
    block = randomised(aasist.ResidualBlock(4, 6, first=False, preactivated=preactivated)).eval()
    x = torch.randn(2, 4, 5, 7)
    f = torch.nn.functional
    inner = f.selu(block.norm1(x)) if preactivated else x
    inner = block.conv2(f.selu(block.norm2(block.conv1(inner))))
    torch.testing.assert_close(block(x), inner + block.shortcut(x))
    assert block(x).shape == (2, 6, 5, 7)
    first = aasist.ResidualBlock(4, 4, first=True, preactivated=preactivated)
    assert not any(name.startswith("norm1") for name in first.state_dict())


@pytest.mark.parametrize(
    ("frames", "temporal", "pooled", "final"), [(201, 67, 33, 16), (500, 166, 83, 41), (3, 1, 1, 1)]
)
def test_aasist_node_counts(frames: int, temporal: int, pooled: int, final: int) -> None:
    back_end = build({"type": "aasist"}, dim=16).eval()
    assert isinstance(back_end, AASIST)
    seen: dict[str, tuple[int, ...]] = {}

    def watch(name: str, module: torch.nn.Module) -> None:
        module.register_forward_hook(
            lambda _m, _i, out: seen.__setitem__(name, tuple(out.shape[1:]))
        )

    watch("map", back_end.encoder)
    watch("temporal", back_end.graph_temporal)
    watch("spectral", back_end.graph_spectral)
    watch("temporal pooled", back_end.pool_temporal)
    watch("spectral pooled", back_end.pool_spectral)
    watch("temporal final", back_end.stacks[0].pool_temporal)
    watch("spectral final", back_end.stacks[1].pool_spectral)
    watch("readout", back_end.dropout)
    with torch.no_grad():
        assert back_end(torch.randn(1, 3, frames, 16), torch.tensor([frames])).shape == (1, 1)
    assert seen == {
        "map": (64, 42, temporal),
        "temporal": (temporal, 64),
        "spectral": (42, 64),
        "temporal pooled": (pooled, 64),
        "spectral pooled": (21, 64),
        "temporal final": (final, 32),
        "spectral final": (10, 32),
        "readout": (160,),
    }


def test_aasist_refuses_fewer_than_three_frames() -> None:
    with pytest.raises(AudioError, match="2 frames"):
        build({"type": "aasist"})(torch.randn(2, 3, 5, 12), torch.tensor([5, 2]))


def test_aasist_trains_on_a_batch_of_mixed_lengths() -> None:
    back_end = build({"type": "aasist", "layer": "weighted"}).train()
    back_end(torch.randn(4, 3, 30, 12), torch.tensor([30, 12, 30, 12])).sum().backward()
    assert back_end.mix_norm.weight.grad is not None


def test_layer_weights_are_distributions() -> None:
    for config, names in (
        ({"type": "linear"}, ["mix"]),
        ({"type": "mhfa"}, ["key", "value"]),
        ({"type": "ca_mhfa"}, ["key", "value"]),
        ({"type": "ffn"}, ["mix", "mix_times_gain"]),
        ({"type": "aasist", "layer": "weighted"}, ["mix", "mix_times_gain"]),
    ):
        back_end = randomised(build(config))
        weights, logits = back_end.layer_weights(), back_end.layer_logits()
        assert list(weights) == names
        assert list(logits) == [name for name in names if name != "mix_times_gain"]
        for name, values in logits.items():
            assert not values.requires_grad
            torch.testing.assert_close(values.softmax(0), weights[name])
        for weight in weights.values():
            assert weight.shape == (3,)
            assert not weight.requires_grad
            assert weight.sum().item() == pytest.approx(1.0)
    assert build({"type": "aasist"}).layer_weights() is None
    assert build({"type": "aasist"}).layer_logits() is None
    assert build({"type": "sls"}).layer_weights() is None
    for config in ({"type": "aasist", "layer": "weighted"}, {"type": "ffn"}):
        back_end = build(config)
        back_end.mix_norm.weight.data = torch.tensor([1.0, -2.0, 1.0])
        corrected = back_end.layer_weights()["mix_times_gain"]
        assert corrected.tolist() == pytest.approx([0.25, 0.5, 0.25])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "mhfa", "head": 4}, "did you mean 'heads'"),
        ({"type": "mhfa", "heads": 0}, "at least 1"),
        ({"type": "mhfa", "attention_bias": 1}, "attention_bias"),
        (
            {"type": "ca_mhfa", "context_frames": 3},
            "divisible by 2, not 3",
        ),
        ({"type": "ca_mhfa", "context_frames": -2}, "divisible by 2"),
        ({"type": "ca_mhfa", "attention_bias": True}, "unknown key 'attention_bias'"),
        ({"type": "ffn", "legacy_pooling": "yes"}, "legacy_pooling"),
        ({"type": "sls", "as_published": 1}, "as_published"),
        ({"type": "aasist", "channels": 0}, "at least 1"),
        ({"type": "aasist", "layer": "first"}, "'last', 'weighted'"),
        ({"type": "aasist", "residual": None}, "residual"),
        ({"type": "linear", "n_outputs": 3}, "n_outputs"),
        ({"type": "linear", "n_outputs": True}, "n_outputs"),
        ({"type": "transformer"}, "no back-end 'transformer'"),
        ({}, "no back-end None"),
    ],
)
def test_impossible_options_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(config)


def test_registries_import_nothing_heavy() -> None:
    code = (
        "import sys; from spoofscope.backends import registry as b; "
        "from spoofscope.frontends import registry as f; "
        "b.BACK_ENDS.available(); f.FRONT_ENDS.available(); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
