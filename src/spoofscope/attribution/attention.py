"""Relevance of attention: which frames the layers of a transformer have looked at for the score."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spoofscope.attribution.integrated import Attribution
from spoofscope.attribution.methods import Windowed, described
from spoofscope.errors import ConfigError
from spoofscope.frontends.base import FrontEnd
from spoofscope.frontends.ssl import SSLFrontEnd


def attention_relevance(windows: Windowed) -> list[Attribution]:
    """Attention times its gradient, rolled out over the layers of the front-end.

    Chefer, Gur and Wolf, "Generic attention-model explainability for interpreting bi-modal and
    encoder-decoder transformers" (ICCV 2021), equations 5 and 6: R starts as the identity, and each
    layer with attention A adds mean over heads((grad A * A)+) R. There is no class token here, and
    back-ends read several layers, so the relevance of a frame is the mean over all frames of what R
    has of it beyond the identity. Relevance is never negative; to say for which class a frame
    speaks, that for the other class (the gradient with the opposite sign) is subtracted.

    One value per frame, in no unit: the sum is not the difference of scores.

    Raises:
        ConfigError: the front-end has no transformer.
    """
    maps = [
        _relevance(windows, torch.from_numpy(waveform).to(x.device))[None, :, None]
        for waveform, x in zip(windows.waveforms, windows.inputs, strict=True)
    ]
    return described(windows, maps, windows.baselines)


def _relevance(windows: Windowed, waveform: Tensor) -> Tensor:
    """Relevance (N,) of the frames of a window (n_samples,)."""
    frontend = windows.detector.frontend
    lengths = torch.full((1,), len(waveform), device=waveform.device)
    with captured_attention(frontend) as attentions:
        # Frozen layers record a graph only because of their input.
        features = frontend(waveform[None].clone().requires_grad_(), lengths)
    score = windows.function(features.values).sum()
    gradients = torch.autograd.grad(score, attentions, allow_unused=True)
    pairs = [
        (attention[0].detach(), gradient[0])
        for attention, gradient in zip(attentions, gradients, strict=True)
        # What no back-end reads has no gradient.
        if gradient is not None
    ]
    n_frames = features.values.shape[2]
    return _rolled_out(pairs, n_frames, 1.0) - _rolled_out(pairs, n_frames, -1.0)


def _rolled_out(pairs: list[tuple[Tensor, Tensor]], n_frames: int, sign: float) -> Tensor:
    """Relevance (N,) from the attention (heads, N, N) of each layer, and its gradient."""
    identity = torch.eye(n_frames, dtype=torch.float64)
    relevance = identity.clone()
    for attention, gradient in pairs:
        weighted = (sign * gradient * attention).clamp(min=0).mean(dim=0)
        relevance = relevance + weighted.double().cpu() @ relevance
    return (relevance - identity).mean(dim=0)


@contextmanager
def captured_attention(frontend: FrontEnd) -> Iterator[list[Tensor]]:
    """The attention (B, heads, N, N) of each layer in what the front-end computes inside, in the
    order of the layers, as parts of the graph that lead to its features.

    Raises:
        ConfigError: the front-end has no transformer.
    """
    if not isinstance(frontend, SSLFrontEnd):
        raise ConfigError(
            f"attribution: attention_relevance: front-end {frontend.name} has no attention"
        )
    model = frontend.model
    captured: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, outputs: Any) -> None:
        captured.append(outputs[1])

    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        with ExitStack() as stack:
            for layer in model.encoder.layers:
                attention = layer.attention if hasattr(layer, "attention") else layer.self_attn
                if hasattr(attention, "torch_multi_head_self_attention"):
                    stack.enter_context(_plain_wavlm(attention, captured.append))
                else:
                    stack.callback(attention.register_forward_hook(keep).remove)
            yield captured
    finally:
        model.set_attn_implementation(before)


@contextmanager
def _plain_wavlm(attention: Any, keep: Callable[[Tensor], None]) -> Iterator[None]:
    """WavLM's attention in plain steps inside: PyTorch's own, which transformers calls there, gives
    no weights that lead to its result.
    """

    def plain(
        hidden_states: Tensor, attention_mask: Tensor | None, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        batch, n_frames, width = hidden_states.shape

        def heads(projection: nn.Module) -> Tensor:
            values: Tensor = projection(hidden_states)
            return values.view(batch, n_frames, attention.num_heads, -1).transpose(1, 2)

        logits = heads(attention.q_proj) @ heads(attention.k_proj).transpose(2, 3)
        logits = logits * attention.head_dim**-0.5 + bias.view_as(logits)
        if attention_mask is not None:
            logits = logits.masked_fill(attention_mask.ne(1)[:, None, None, :], -torch.inf)
        weights = logits.softmax(dim=-1)
        keep(weights)
        joined = (weights @ heads(attention.v_proj)).transpose(1, 2).reshape(batch, n_frames, width)
        return attention.out_proj(joined), weights

    attention.torch_multi_head_self_attention = plain
    try:
        yield
    finally:
        # The method of the class is behind it.
        del attention.torch_multi_head_self_attention
