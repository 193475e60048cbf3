"""The released networks once more, as plain functions on a state dict in its released names.

Nothing here uses the package: tests hold our modules to these functions, in float64.
"""

import numpy as np
import pywt
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

# Shares of nodes kept by pool_S, pool_T and the pools of the heterogeneous stacks.
RATIOS = {64: (0.5, 0.7, 0.5), 24: (0.4, 0.5, 0.7)}
SSL_RATIOS = (0.5, 0.5, 0.5)


# --- layout ----------------------------------------------------------------------------------


def _layer(shapes: Shapes, name: str, *weight: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = weight, weight[:1]


def _norm(shapes: Shapes, name: str, size: int) -> None:
    for leaf in ("weight", "bias", "running_mean", "running_var"):
        shapes[f"{name}.{leaf}"] = (size,)
    shapes[f"{name}.num_batches_tracked"] = ()


def _graph_shapes(width: int, bands: int) -> Shapes:
    shapes: Shapes = {"pos_S": (1, bands, width)}
    shapes["master1"] = shapes["master2"] = (1, 1, width)
    _norm(shapes, "first_bn", 1)
    channels = (1, 32, 32, width, width, width, width)
    for i in range(6):
        cin, cout = channels[i], channels[i + 1]
        block = f"encoder.{i}.0"
        if i:
            _norm(shapes, f"{block}.bn1", cin)
        _layer(shapes, f"{block}.conv1", cout, cin, 2, 3)
        _norm(shapes, f"{block}.bn2", cout)
        _layer(shapes, f"{block}.conv2", cout, cout, 2, 3)
        if cin != cout:
            _layer(shapes, f"{block}.conv_downsample", cout, cin, 1, 3)
    for kind in "ST":
        graph = f"GAT_layer_{kind}"
        shapes[f"{graph}.att_weight"] = (width, 1)
        for leaf in ("att_proj", "proj_with_att", "proj_without_att"):
            _layer(shapes, f"{graph}.{leaf}", width, width)
        _norm(shapes, f"{graph}.bn", width)
        _layer(shapes, f"pool_{kind}.proj", 1, width)
    for stack in "12":
        for layer, size in (("1", width), ("2", 32)):
            graph = f"HtrgGAT_layer_ST{stack}{layer}"
            for leaf in ("11", "22", "12", "M"):
                shapes[f"{graph}.att_weight{leaf}"] = (32, 1)
            for leaf in ("proj_type1", "proj_type2"):
                _layer(shapes, f"{graph}.{leaf}", size, size)
            for leaf in ("att_proj", "proj_with_att", "proj_without_att"):
                _layer(shapes, f"{graph}.{leaf}", 32, size)
                _layer(shapes, f"{graph}.{leaf}M", 32, size)
            _norm(shapes, f"{graph}.bn", 32)
        for kind in "ST":
            _layer(shapes, f"pool_h{kind}{stack}.proj", 1, 32)
    _layer(shapes, "out_layer", 2, 160)
    return shapes


def raw_shapes(width: int) -> Shapes:
    """Names and shapes of the AASIST release (width 64) or of AASIST-L (24)."""
    return _graph_shapes(width, 23)


def ssl_shapes(hidden_size: int) -> Shapes:
    """Those of the SSL + AASIST release behind the backbone."""
    shapes = _graph_shapes(64, 42)
    _layer(shapes, "LL", 128, hidden_size)
    _norm(shapes, "first_bn1", 64)
    _layer(shapes, "attention.0", 128, 64, 1, 1)
    _norm(shapes, "attention.2", 128)
    _layer(shapes, "attention.3", 64, 128, 1, 1)
    return shapes


def random_state(shapes: Shapes, seed: int) -> State:
    """Float32 values for a layout, such that every entry matters to the logits.

    Attention vectors are large, because a temperature of 100 would hide small ones; weights of
    pools are small, because saturated scores are ties in float32.
    """
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(1000)
            continue
        values = torch.randn(shape, generator=generator)
        leaf = name.rpartition(".")[2]
        if leaf == "running_var":
            values = 0.5 + values.abs()
        elif leaf.startswith("att_weight"):
            values *= 30 if "Htrg" in name else 2
        elif leaf == "weight" and len(shape) == 1:
            values = 1 + 0.2 * values
        elif leaf == "weight":
            values /= values[0].numel() ** 0.5
            if name.startswith("pool_"):
                values *= 0.1
        elif leaf == "bias":
            values *= 0.2
        state[name] = values
    return state


# Numbers in the names of convolutions, their PReLUs and the batch norms behind them.
_POOLED = ((0, 1, 3), (4, 5, 6), (7, 8, 10), (11, 12, 13), (14, 15, 16), (17, 18, None))
_STRIDED = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 13, 14), (15, 16, None))


def dcnn_shapes(which: str) -> Shapes:
    """Names and shapes of the DCNN releases "stft", "sym5" and "coif4"."""
    rows = 13 if which == "coif4" else 12
    channels, kernels = (1, 64, 64, 96, 128, 32, 64), (3, 1, 3, 3, 3, 3)
    shapes: Shapes = {}
    for i, (conv, slope, norm) in enumerate(_STRIDED if which == "coif4" else _POOLED):
        _layer(shapes, f"cnn.{conv}", channels[i + 1], channels[i], kernels[i], kernels[i])
        shapes[f"cnn.{slope}.weight"] = (1,)
        if norm is not None:
            shapes[f"cnn.{norm}.running_mean"] = shapes[f"cnn.{norm}.running_var"] = (
                channels[i + 1],
            )
            shapes[f"cnn.{norm}.num_batches_tracked"] = ()
    for i, kernel in enumerate((3, 5, 7)):
        _norm(shapes, f"dil_conv.{3 * i}", rows)
        _layer(shapes, f"dil_conv.{3 * i + 1}", rows, rows, kernel, kernel)
        shapes[f"dil_conv.{3 * i + 2}.weight"] = (1,)
    _layer(shapes, "fc.1", 2, 320)
    return shapes


def dcnn_state(which: str, seed: int) -> State:
    """Random values: slopes of PReLUs well below 1, and kernels that let no window look alike."""
    state = random_state(dcnn_shapes(which), seed)
    for name, value in state.items():
        if value.shape == (1,):
            state[name] = 0.2 * value
        elif value.dim() == 4:
            state[name] = 1.5 * value
    return state


def dcnn_checkpoint(state: State) -> dict[str, object]:
    """The state dict in the file that the release has it in."""
    wrapped = {f"module.module.{name}": value for name, value in state.items()}
    return {"MODEL_STATE": wrapped, "EPOCHS_RUN": 9}


# --- forward pass ----------------------------------------------------------------------------


def _affine(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def _batch_norm(state: State, name: str, x: Tensor, axis: int) -> Tensor:
    shape = [1] * x.dim()
    shape[axis] = -1
    weight, bias, mean, variance = (
        state[f"{name}.{leaf}"].view(shape)
        for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def _selu(x: Tensor) -> Tensor:
    return 1.0507009873554804934 * torch.where(x > 0, x, 1.6732632423543772848 * torch.expm1(x))


def _convolution(state: State, name: str, x: Tensor, padding: tuple[int, int]) -> Tensor:
    return functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)


def _encode(state: State, x: Tensor, pool: bool) -> Tensor:
    """(1, 1, bands, frames) -> (channels, bands, frames')."""
    for i in range(6):
        block = f"encoder.{i}.0"
        # The first convolution reads the block's input: batch norm 1 and SELU are thrown away.
        inner = _convolution(state, f"{block}.conv1", x, (1, 1))
        inner = _selu(_batch_norm(state, f"{block}.bn2", inner, 1))
        inner = _convolution(state, f"{block}.conv2", inner, (0, 1))
        if f"{block}.conv_downsample.weight" in state:
            x = _convolution(state, f"{block}.conv_downsample", x, (0, 1))
        x = inner + x
        if pool:
            x = functional.max_pool2d(x, (1, 3))
    return x[0]


def _attended(weights: Tensor, nodes: Tensor) -> Tensor:
    return weights.softmax(dim=-1) @ nodes


def _graph_attention(state: State, name: str, nodes: Tensor) -> Tensor:
    pairs = torch.tanh(_affine(state, f"{name}.att_proj", nodes[:, None] * nodes[None]))
    gathered = _attended((pairs @ state[f"{name}.att_weight"])[..., 0] / 2, nodes)
    new = _affine(state, f"{name}.proj_with_att", gathered)
    new = new + _affine(state, f"{name}.proj_without_att", nodes)
    return _selu(_batch_norm(state, f"{name}.bn", new, 1))


def _heterogeneous(
    state: State, name: str, temporal: Tensor, spectral: Tensor, master: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    n = len(temporal)
    nodes = torch.cat(
        [
            _affine(state, f"{name}.proj_type1", temporal),
            _affine(state, f"{name}.proj_type2", spectral),
        ]
    )
    kind = torch.arange(len(nodes)) >= n
    pairs = torch.tanh(_affine(state, f"{name}.att_proj", nodes[:, None] * nodes[None]))
    weights = torch.where(
        kind[:, None] != kind[None],
        (pairs @ state[f"{name}.att_weight12"])[..., 0],
        torch.where(
            kind[:, None],
            (pairs @ state[f"{name}.att_weight22"])[..., 0],
            (pairs @ state[f"{name}.att_weight11"])[..., 0],
        ),
    )
    to_master = torch.tanh(_affine(state, f"{name}.att_projM", nodes * master))
    gathered = _attended((to_master @ state[f"{name}.att_weightM"])[:, 0] / 100, nodes)
    new_master = _affine(state, f"{name}.proj_with_attM", gathered)
    new_master = new_master + _affine(state, f"{name}.proj_without_attM", master)
    new = _affine(state, f"{name}.proj_with_att", _attended(weights / 100, nodes))
    new = _selu(
        _batch_norm(state, f"{name}.bn", new + _affine(state, f"{name}.proj_without_att", nodes), 1)
    )
    return new[:n], new[n:], new_master


def _pool(state: State, name: str, nodes: Tensor, ratio: float) -> Tensor:
    scores = torch.sigmoid(_affine(state, f"{name}.proj", nodes)[:, 0])
    kept = scores.sort(descending=True).indices[: max(int(len(nodes) * ratio), 1)]
    return nodes[kept] * scores[kept, None]


def _graphs(
    state: State, temporal: Tensor, spectral: Tensor, ratios: tuple[float, float, float]
) -> Tensor:
    """Nodes (T, width), (S, width) -> logits (2,)."""
    spectral = _graph_attention(state, "GAT_layer_S", spectral + state["pos_S"][0])
    spectral = _pool(state, "pool_S", spectral, ratios[0])
    temporal = _graph_attention(state, "GAT_layer_T", temporal)
    temporal = _pool(state, "pool_T", temporal, ratios[1])
    stacks = []
    for i in "12":
        t, s, m = _heterogeneous(
            state, f"HtrgGAT_layer_ST{i}1", temporal, spectral, state[f"master{i}"][0, 0]
        )
        t, s = (
            _pool(state, f"pool_hT{i}", t, ratios[2]),
            _pool(state, f"pool_hS{i}", s, ratios[2]),
        )
        change = _heterogeneous(state, f"HtrgGAT_layer_ST{i}2", t, s, m)
        stacks.append([x + y for x, y in zip((t, s, m), change, strict=True)])
    t, s, m = (torch.maximum(x, y) for x, y in zip(*stacks, strict=True))
    readout = torch.cat([t.abs().amax(0), t.mean(0), s.abs().amax(0), s.mean(0), m])
    return _affine(state, "out_layer", readout)


def _doubles(state: State) -> State:
    return {name: value.double() for name, value in state.items()}


def sinc_filters() -> Tensor:
    """The filter bank (70, 129) with the operations, types included, of the released code."""
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 71)
    edges = 700 * (10 ** (mel / 2595) - 1)
    taps = torch.arange(-64.0, 65.0)
    bank = torch.zeros(70, 129)
    for i in range(70):
        low, high = edges[i], edges[i + 1]
        above = (2 * high / 16000) * np.sinc(2 * high * taps / 16000)
        below = (2 * low / 16000) * np.sinc(2 * low * taps / 16000)
        bank[i] = torch.Tensor(np.hamming(129)) * torch.Tensor(above - below)
    return bank


def raw_logits(state: State, samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logits (2,) of samples (n,), by AASIST or AASIST-L, as the state's shapes say."""
    state = _doubles(state)
    x = torch.from_numpy(np.asarray(samples, dtype=np.float64))
    filtered = functional.conv1d(x[None, None], sinc_filters().double()[:, None])
    x = functional.max_pool2d(filtered.abs()[None], (3, 3))
    maps = _encode(state, _selu(_batch_norm(state, "first_bn", x, 1)), pool=True).abs()
    spectral, temporal = maps.amax(dim=2).T, maps.amax(dim=1).T
    ratios = RATIOS[state["pos_S"].shape[2]]
    return _graphs(state, temporal, spectral, ratios).numpy()


def ssl_logits(state: State, features: Tensor) -> NDArray[np.float64]:
    """Logits (2,) of the backbone's output (frames, hidden size), by SSL + AASIST."""
    state = _doubles(state)
    x = _affine(state, "LL", features.double()).T[None, None]
    x = _selu(_batch_norm(state, "first_bn", functional.max_pool2d(x, (3, 3)), 1))
    x = _encode(state, x, pool=False)[None]
    x = _selu(_batch_norm(state, "first_bn1", x, 1))
    w = _selu(_convolution(state, "attention.0", x, (0, 0)))
    w = _convolution(state, "attention.3", _batch_norm(state, "attention.2", w, 1), (0, 0))
    spectral = (x * w.softmax(dim=3)).sum(dim=3)[0].T
    temporal = (x * w.softmax(dim=2)).sum(dim=2)[0].T
    return _graphs(state, temporal, spectral, SSL_RATIOS).numpy()


def first_64600(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The published input policy: cut, or repeat floor(64600 / n) + 1 times and cut."""
    repeated: NDArray[np.float32] = np.tile(samples, 64600 // len(samples) + 1)
    return samples[:64600] if len(samples) >= 64600 else repeated[:64600]


# --- DCNN ------------------------------------------------------------------------------------


def dcnn_logits(state: State, which: str, image: NDArray[np.floating]) -> NDArray[np.float64]:
    """Two logits, real and fake, of one normalised image (frames, 256)."""
    strided = which == "coif4"
    state = {name: value.double() for name, value in state.items()}
    x = torch.from_numpy(image).double()[None, None]
    paddings = (2, 0, 1, 1, 1, 0 if strided else 1)
    for i, (conv, slope, norm) in enumerate(_STRIDED if strided else _POOLED):
        weight, bias = state[f"cnn.{conv}.weight"], state[f"cnn.{conv}.bias"]
        halved = i in (0, 2, 5)
        stride = 2 if strided and halved else 1
        x = functional.conv2d(x, weight, bias, stride, paddings[i])
        x = torch.where(x > 0, x, state[f"cnn.{slope}.weight"] * x)
        if halved and not strided:
            x = functional.max_pool2d(x, 2)
        if norm is not None:
            mean, variance = state[f"cnn.{norm}.running_mean"], state[f"cnn.{norm}.running_var"]
            x = (x - mean.view(1, -1, 1, 1)) / torch.sqrt(variance.view(1, -1, 1, 1) + 1e-5)
    x = x.permute(0, 2, 1, 3)
    for i, (padding, dilation) in enumerate(((1, 1), (2, 2), (2, 4))):
        x = _batch_norm(state, f"dil_conv.{3 * i}", x, 1)
        weight, bias = state[f"dil_conv.{3 * i + 1}.weight"], state[f"dil_conv.{3 * i + 1}.bias"]
        x = functional.conv2d(x, weight, bias, padding=padding, dilation=dilation)
        x = torch.where(x > 0, x, state[f"dil_conv.{3 * i + 2}.weight"] * x)
    logits: NDArray[np.float64] = _affine(state, "fc.1", x.flatten(2)).mean(dim=1)[0].numpy()
    return logits


def dcnn_image(samples: NDArray[np.float32], which: str) -> NDArray[np.float64]:
    """Log power (frames, 256) of one second at 22,050 Hz, not normalised, in double precision."""
    if which == "stft":
        window = torch.hann_window(511, dtype=torch.float64)
        spectrum = torch.stft(
            torch.from_numpy(samples).double(), 511, 220, 511, window, return_complex=True
        )
        power = spectrum.abs().square().T.numpy()
    else:
        packet = pywt.WaveletPacket(samples.astype(np.float64), which, "reflect", 8)
        power = np.stack([node.data for node in packet.get_level(8, "freq")], axis=1) ** 2
    image: NDArray[np.float64] = np.log(power + 1e-12)
    return image


def dcnn_windows(samples: NDArray[np.float32], rate: int) -> list[NDArray[np.float32]]:
    """Successive seconds, each resampled to 22,050 Hz by itself."""
    starts = range(0, len(samples) - rate + 1, rate)
    return [
        torchaudio.functional.resample(
            torch.from_numpy(samples[start : start + rate]), rate, 22050
        ).numpy()
        for start in starts
    ]
