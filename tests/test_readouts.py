"""Back-ends that end with their read-out vector, as tracers use them."""

import pytest
import torch

from spoofscope.backends import registry
from spoofscope.backends.base import BackEnd

READ_OUT = [
    *("aasist", "attentive_statistics", "ca_mhfa", "ffn"),
    *("linear", "mhfa", "projection", "sls"),
]


def build(kind: str, n_outputs: int, dim: int = 12) -> BackEnd:
    torch.manual_seed(0)
    config = {"type": kind, "n_outputs": n_outputs}
    return registry.build(config, n_channels=3, dim=dim, n_frames=None).eval()


@pytest.mark.parametrize("kind", READ_OUT)
def test_logits_are_a_linear_layer_on_the_readout(kind):
    whole, readout = build(kind, 2), build(kind, 0)
    state = whole.state_dict()
    last = [key for key in state if key not in readout.state_dict()]
    readout.load_state_dict({key: state[key] for key in readout.state_dict()})
    values = torch.randn(2, 3, 60, 12, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([60, 41])
    vectors = readout(values, lengths)
    assert vectors.shape == (2, readout.readout_dim)
    weight, bias = (state[key] for key in sorted(last, reverse=True))
    torch.testing.assert_close(vectors @ weight.T + bias, whole(values, lengths))


def test_aasist_has_as_many_parameters_as_the_published_tracer():
    # Source-tracing baseline (Interspeech 2025): 418,016 with 24 systems on features of size 768,
    # 450,784 of size 1024; the head is a linear layer of 160 to 24.
    for dim, published in ((768, 418_016), (1024, 450_784)):
        with torch.device("meta"):
            backend = registry.build(
                {"type": "aasist", "n_outputs": 0}, n_channels=1, dim=dim, n_frames=None
            )
        assert backend.readout_dim == 160
        head = 160 * 24 + 24
        assert sum(p.numel() for p in backend.parameters()) + head == published
