"""Multi-head factorised attentive pooling (Peng et al., SLT 2022)."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spoofscope.backends.base import BackEnd
from spoofscope.batches import valid_mask
from spoofscope.options.backends.mhfa import FactorisedOptions, MHFAOptions


class FactorisedAttention(BackEnd):
    """Attention over time whose keys and values are two separate mixes of the layers.

    K = sum_l softmax(w_k)_l x_l and V = sum_l softmax(w_v)_l x_l are each compressed by a linear
    layer. Every head turns the keys into one weight per frame (softmax over the valid frames); all
    heads average the same values; their averages are concatenated and mapped to the logits.

    A subclass says how its heads read the keys.
    """

    options: FactorisedOptions

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        heads, compression = self.options.heads, self.options.compression
        self.key_mix = nn.Parameter(torch.ones(n_channels))
        self.value_mix = nn.Parameter(torch.ones(n_channels))
        self.key = nn.Linear(dim, compression)
        self.value = nn.Linear(dim, compression)
        self.attention = self._attention_layer(heads, compression)
        self.output = self.output_layer(heads * compression)

    @abstractmethod
    def _attention_layer(self, heads: int, compression: int) -> nn.Module:
        """What `attention_logits` works with."""

    @abstractmethod
    def attention_logits(self, keys: Tensor, valid: Tensor) -> Tensor:
        """Compressed keys (B, N, compression) -> (B, N, heads); `valid` (B, N, 1) is False in
        padding, whose keys mean nothing and whose logits are ignored."""

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) with `lengths` (B,) valid frames."""
        # One pass over the stack for both mixes: it is by far the largest tensor here.
        mixes = torch.stack([self.key_mix.softmax(0), self.value_mix.softmax(0)])
        keys, contents = torch.einsum("kc,bcnd->kbnd", mixes, values)
        valid = valid_mask(lengths, values.shape[2])[:, :, None]
        attention = self.attention_logits(self.key(keys), valid)
        attention = attention.masked_fill(~valid, -torch.inf).softmax(dim=1)
        pooled = attention.transpose(1, 2) @ self.value(contents)  # (B, heads, compression)
        logits: Tensor = self.output(pooled.flatten(1))
        return logits

    def layer_weights(self) -> dict[str, Tensor]:
        """The softmax mixes over C, as "key" and "value", each (C,)."""
        return {
            "key": self.key_mix.detach().softmax(0),
            "value": self.value_mix.detach().softmax(0),
        }

    def layer_logits(self) -> dict[str, Tensor]:
        """The arguments of the softmaxes, as "key" and "value", each (C,)."""
        return {"key": self.key_mix.detach(), "value": self.value_mix.detach()}


class MHFA(FactorisedAttention):
    """Factorised attention whose heads read one frame of the keys each.

    For 13 hidden states of size 768 and 64 heads without bias it has 213,275 parameters.
    """

    name = "mhfa"
    declared = MHFAOptions
    options: MHFAOptions

    def _attention_layer(self, heads: int, compression: int) -> nn.Module:
        return nn.Linear(compression, heads, bias=self.options.attention_bias)

    def attention_logits(self, keys: Tensor, valid: Tensor) -> Tensor:
        """Keys (B, N, compression) -> (B, N, heads), frame by frame."""
        logits: Tensor = self.attention(keys)
        return logits
