"""AASIST (Jung et al., ICASSP 2022) in the variant for SSL features (Tak et al., Odyssey 2022).

Spectral and temporal nodes of a residual network's feature map form two graphs; graph attention,
pooling and two parallel heterogeneous stacks that combine the graphs lead to a read-out. The
original, for raw waveforms, shares these graphs: see `raw_aasist`.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spoofscope.backends.base import BackEnd, gain_corrected
from spoofscope.batches import apply_by_length
from spoofscope.errors import AudioError
from spoofscope.options.backends.aasist import AASISTOptions

_COMPRESSION = 128
_POOL = 3
_STACK_DIM = 32


class ResidualBlock(nn.Module):
    """Two convolutions with an identity path; the map (B, C, bands, frames) keeps its size.

    Args:
        channels_in: C of the input.
        channels_out: C of the output.
        first: the first block has no pre-activation.
        preactivated: whether the first convolution reads the pre-activation (batch norm and SELU)
            or, as in the published networks, the raw input. In the latter case the pre-activation's
            parameters exist, so that published weights fit, and are not trained.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, first: bool, preactivated: bool
    ) -> None:
        super().__init__()
        self.norm1 = None if first else nn.BatchNorm2d(channels_in)
        self.preactivated = preactivated and not first
        if self.norm1 is not None and not preactivated:
            self.norm1.requires_grad_(False)
        # Kernels of height 2: the first grows the map by one band, the second takes it back.
        self.conv1 = nn.Conv2d(channels_in, channels_out, (2, 3), padding=(1, 1))
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, (2, 3), padding=(0, 1))
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.shortcut = nn.Conv2d(channels_in, channels_out, (1, 3), padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, bands, frames) -> (B, channels_out, bands, frames)."""
        inner = x
        if self.norm1 is not None and self.preactivated:
            inner = functional.selu(self.norm1(x))
        inner = self.conv2(functional.selu(self.norm2(self.conv1(inner))))
        result: Tensor = inner + self.shortcut(x)
        return result


def _normalised_nodes(norm: nn.BatchNorm1d, nodes: Tensor) -> Tensor:
    # Batch norm over all nodes of all graphs: the feature axis must be the second.
    return functional.selu(norm(nodes.transpose(1, 2)).transpose(1, 2))


class GraphAttention(nn.Module):
    """Graph attention over a complete graph.

    a_ij = softmax_j( v . tanh(W (x_i * x_j)) / temperature ), and node i becomes
    SELU(BN(W_1 sum_j a_ij x_j + W_2 x_i)).
    """

    def __init__(self, dim_in: int, dim_out: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.pair = nn.Linear(dim_in, dim_out)
        self.vector = nn.Parameter(torch.empty(dim_out, 1))
        nn.init.xavier_normal_(self.vector)
        self.attended = nn.Linear(dim_in, dim_out)
        self.own = nn.Linear(dim_in, dim_out)
        self.norm = nn.BatchNorm1d(dim_out)
        self.dropout = nn.Dropout(0.2)

    def forward(self, nodes: Tensor) -> Tensor:
        """Nodes (B, n, dim_in) -> (B, n, dim_out)."""
        nodes = self.dropout(nodes)
        pairs = torch.tanh(self.pair(nodes[:, :, None] * nodes[:, None]))
        attention = ((pairs @ self.vector).squeeze(3) / self.temperature).softmax(dim=2)
        return _normalised_nodes(self.norm, self.attended(attention @ nodes) + self.own(nodes))


class HeterogeneousGraphAttention(nn.Module):
    """Graph attention over temporal and spectral nodes together, with a master node.

    Each kind of node has its own projection, each kind of pair (temporal-temporal,
    spectral-spectral, mixed) its own attention vector. The master attends to all nodes.
    """

    def __init__(self, dim_in: int, dim_out: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.temporal = nn.Linear(dim_in, dim_in)
        self.spectral = nn.Linear(dim_in, dim_in)
        self.pair = nn.Linear(dim_in, dim_out)
        self.master_pair = nn.Linear(dim_in, dim_out)
        self.vector_temporal = nn.Parameter(torch.empty(dim_out, 1))
        self.vector_spectral = nn.Parameter(torch.empty(dim_out, 1))
        self.vector_mixed = nn.Parameter(torch.empty(dim_out, 1))
        self.vector_master = nn.Parameter(torch.empty(dim_out, 1))
        for vector in (
            self.vector_temporal,
            self.vector_spectral,
            self.vector_mixed,
            self.vector_master,
        ):
            nn.init.xavier_normal_(vector)
        self.attended = nn.Linear(dim_in, dim_out)
        self.own = nn.Linear(dim_in, dim_out)
        self.master_attended = nn.Linear(dim_in, dim_out)
        self.master_own = nn.Linear(dim_in, dim_out)
        self.norm = nn.BatchNorm1d(dim_out)
        self.dropout = nn.Dropout(0.2)

    def forward(
        self, temporal: Tensor, spectral: Tensor, master: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Temporal (B, T, in), spectral (B, S, in), master (B, 1, in) -> the same with dim_out."""
        n = temporal.shape[1]
        nodes = torch.cat([self.temporal(temporal), self.spectral(spectral)], dim=1)
        nodes = self.dropout(nodes)

        pairs = torch.tanh(self.pair(nodes[:, :, None] * nodes[:, None]))
        mixed = (pairs @ self.vector_mixed).squeeze(3)
        logits = torch.cat(
            [
                torch.cat(
                    [(pairs[:, :n, :n] @ self.vector_temporal).squeeze(3), mixed[:, :n, n:]], dim=2
                ),
                torch.cat(
                    [mixed[:, n:, :n], (pairs[:, n:, n:] @ self.vector_spectral).squeeze(3)], dim=2
                ),
            ],
            dim=1,
        )
        attention = (logits / self.temperature).softmax(dim=2)

        to_master = torch.tanh(self.master_pair(nodes * master)) @ self.vector_master
        weights = (to_master / self.temperature).softmax(dim=1)  # (B, nodes, 1)
        gathered = weights.transpose(1, 2) @ nodes
        master = self.master_attended(gathered) + self.master_own(master)

        nodes = _normalised_nodes(self.norm, self.attended(attention @ nodes) + self.own(nodes))
        return nodes[:, :n], nodes[:, n:], master


class GraphPool(nn.Module):
    """Keep the nodes with the highest scores, each multiplied by its score.

    The kept nodes are in the order of falling scores, and that order matters: the two stacks of
    AASIST are later compared node by node.

    Args:
        dim: D of the nodes.
        ratio: the share of the nodes to keep, rounded down, but at least one.
    """

    def __init__(self, dim: int, ratio: float = 0.5) -> None:
        super().__init__()
        self.ratio = ratio
        self.score = nn.Linear(dim, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, nodes: Tensor) -> Tensor:
        """Nodes (B, n, dim) -> (B, max(int(n * ratio), 1), dim)."""
        scores = torch.sigmoid(self.score(self.dropout(nodes)))
        kept = scores.topk(max(int(nodes.shape[1] * self.ratio), 1), dim=1).indices
        return (nodes * scores).gather(1, kept.expand(-1, -1, nodes.shape[2]))


class Stack(nn.Module):
    """One of the two parallel stacks: two heterogeneous layers with pooling in between."""

    def __init__(self, dim: int, ratio: float) -> None:
        super().__init__()
        self.master = nn.Parameter(torch.randn(1, 1, dim))
        self.layer1 = HeterogeneousGraphAttention(dim, _STACK_DIM, temperature=100.0)
        self.pool_temporal = GraphPool(_STACK_DIM, ratio)
        self.pool_spectral = GraphPool(_STACK_DIM, ratio)
        self.layer2 = HeterogeneousGraphAttention(_STACK_DIM, _STACK_DIM, temperature=100.0)
        self.dropout = nn.Dropout(0.2)

    def forward(self, temporal: Tensor, spectral: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, dim), (B, S, dim) -> the pooled (B, T', 32), (B, S', 32), master (B, 1, 32)."""
        master = self.master.expand(temporal.shape[0], -1, -1)
        temporal, spectral, master = self.layer1(temporal, spectral, master)
        temporal, spectral = self.pool_temporal(temporal), self.pool_spectral(spectral)
        change = self.layer2(temporal, spectral, master)
        return (
            self.dropout(temporal + change[0]),
            self.dropout(spectral + change[1]),
            self.dropout(master + change[2]),
        )


class GraphBackEnd(BackEnd):
    """What the variants of AASIST share: from spectral and temporal nodes to logits."""

    def _build_graphs(self, bands: int, width: int, ratios: tuple[float, float, float]) -> None:
        """Add the layers.

        Args:
            bands: spectral nodes.
            width: D of the nodes.
            ratios: shares of nodes to keep: of spectral and temporal ones before the stacks, and of
                both within them.
        """
        self.position = nn.Parameter(torch.randn(1, bands, width))
        self.graph_spectral = GraphAttention(width, width, temperature=2.0)
        self.graph_temporal = GraphAttention(width, width, temperature=2.0)
        self.pool_spectral = GraphPool(width, ratios[0])
        self.pool_temporal = GraphPool(width, ratios[1])
        self.stacks = nn.ModuleList([Stack(width, ratios[2]), Stack(width, ratios[2])])
        self.dropout = nn.Dropout(0.5)
        self.output = self.output_layer(5 * _STACK_DIM)

    def _graph_logits(self, temporal: Tensor, spectral: Tensor) -> Tensor:
        """Nodes (B, T, width) and (B, bands, width), without positions -> (B, n_outputs)."""
        spectral = self.pool_spectral(self.graph_spectral(spectral + self.position))
        temporal = self.pool_temporal(self.graph_temporal(temporal))
        branches = [stack(temporal, spectral) for stack in self.stacks]
        temporal, spectral, master = (torch.maximum(*pair) for pair in zip(*branches, strict=True))
        readout = torch.cat(
            [
                temporal.abs().amax(dim=1),
                temporal.mean(dim=1),
                spectral.abs().amax(dim=1),
                spectral.mean(dim=1),
                master.squeeze(1),
            ],
            dim=1,
        )
        logits: Tensor = self.output(self.dropout(readout))
        return logits


class AASIST(GraphBackEnd):
    """AASIST on SSL features.

    Clips of different lengths in a batch are processed length by length, because no mask is exact
    through the max-pooling and the graphs. For D = 768, the last layer and one output it has
    414,313 parameters.
    """

    name = "aasist"
    declared = AASISTOptions
    options: AASISTOptions

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        residual = self.options.residual
        self.mix: nn.Parameter | None = None
        self.mix_norm: nn.BatchNorm2d | None = None
        if self.options.layer == "weighted":
            self.mix = nn.Parameter(torch.ones(n_channels))
            self.mix_norm = nn.BatchNorm2d(n_channels)

        self.compress = nn.Linear(dim, _COMPRESSION)
        self.norm_in = nn.BatchNorm2d(1)
        width = self.options.channels
        widths = (1, 32, 32, width, width, width, width)
        self.encoder = nn.Sequential(
            *(
                ResidualBlock(*pair, first=i == 0, preactivated=residual == "preactivated")
                for i, pair in enumerate(pairwise(widths))
            )
        )
        self.norm_out = nn.BatchNorm2d(width)
        self.attention = nn.Sequential(
            nn.Conv2d(width, 128, 1), nn.SELU(), nn.BatchNorm2d(128), nn.Conv2d(128, width, 1)
        )
        self._build_graphs(_COMPRESSION // _POOL, width, (0.5, 0.5, 0.5))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) with `lengths` (B,) valid frames.

        Raises:
            AudioError: a row has fewer than 3 frames.
        """
        if int(lengths.min()) < _POOL:
            raise AudioError(
                f"a clip of {int(lengths.min())} frames is too short for the back-end aasist, "
                f"which needs {_POOL} (1040 samples of a 20 ms SSL front-end)"
            )
        return apply_by_length(self._logits, values, lengths, dim=2)

    def _logits(self, values: Tensor) -> Tensor:
        return self._graph_logits(*self._nodes(self._mixed(values)))

    def _mixed(self, values: Tensor) -> Tensor:
        """(B, C, N, D) -> (B, N, D)."""
        if self.mix is None or self.mix_norm is None:
            return values[:, -1]
        return torch.einsum("c,bcnd->bnd", self.mix.softmax(0), self.mix_norm(values))

    def _nodes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, D) -> temporal nodes (B, N // 3, channels), spectral (B, 42, channels)."""
        bands = self.compress(x).transpose(1, 2)[:, None]  # (B, 1, 128, N)
        x = functional.selu(self.norm_in(functional.max_pool2d(bands, _POOL)))
        x = functional.selu(self.norm_out(self.encoder(x)))  # (B, channels, 42, N // 3)
        weights = self.attention(x)
        spectral = (x * weights.softmax(dim=3)).sum(dim=3).transpose(1, 2)
        temporal = (x * weights.softmax(dim=2)).sum(dim=2).transpose(1, 2)
        return temporal, spectral

    def layer_weights(self) -> dict[str, Tensor] | None:
        """With `layer: weighted`, two distributions over C, each (C,) and of sum 1.

        "mix" is the softmax itself. "mix_times_gain" is each weight times the size of its batch
        norm's gain, rescaled: what the layer really contributes, because the gain is trained too.
        """
        if self.mix is None or self.mix_norm is None:
            return None
        mix = self.mix.detach().softmax(0)
        gain = self.mix_norm.weight.detach()
        return {"mix": mix, "mix_times_gain": gain_corrected(mix, gain)}

    def layer_logits(self) -> dict[str, Tensor] | None:
        """With `layer: weighted`, the argument of the softmax, as "mix" (C,)."""
        return None if self.mix is None else {"mix": self.mix.detach()}
