"""SSL + AASIST (Tak et al., Odyssey 2022): fine-tuned XLS-R 300M of fairseq, AASIST behind it.

Both are in one state dict, the backbone under fairseq's names. The back-end reads what fairseq's
encoder gives out: the last hidden state after the final layer norm. Clips are not normalised,
although XLS-R was pre-trained on normalised ones.
"""

from collections.abc import Mapping
from typing import Any

from spoofscope.detector import Detector
from spoofscope.errors import DetectorError
from spoofscope.frontends.backbones import read_architecture
from spoofscope.published.aasist import BLOCK, GRAPH_MODULES, GRAPH_TENSORS, POLICY

_BACKBONE = "ssl_model.model."

INSIDE: str | None = None
IGNORED = tuple(
    f"{_BACKBONE}{name}"
    for name in (
        "mask_emb",
        "quantizer.vars",
        "quantizer.weight_proj.weight",
        "quantizer.weight_proj.bias",
        "project_q.weight",
        "project_q.bias",
        "final_proj.weight",
        "final_proj.bias",
    )
)
"""What only the pre-training of the backbone needed."""

_MODULES = {
    **GRAPH_MODULES,
    "compress": "LL",
    "norm_in": "first_bn",
    "norm_out": "first_bn1",
    **{f"attention.{i}": f"attention.{i}" for i in (0, 2, 3)},
    **{
        f"encoder.{i}.{part}": f"encoder.{i}.0.{name}"
        for i in range(6)
        for part, name in BLOCK.items()
    },
}

# transformers to fairseq. The weight norm of the positional convolution is a parametrization there.
_ENCODER_MODULES = {
    "feature_projection.layer_norm": "layer_norm",
    "feature_projection.projection": "post_extract_proj",
    "encoder.layer_norm": "encoder.layer_norm",
}
_ENCODER_TENSORS = {
    "encoder.pos_conv_embed.conv.bias": "encoder.pos_conv.0.bias",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original0": "encoder.pos_conv.0.weight_g",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original1": "encoder.pos_conv.0.weight_v",
}
_CONVOLUTION = {"conv": "0", "layer_norm": "2.1"}
_LAYER = {
    "attention.k_proj": "self_attn.k_proj",
    "attention.v_proj": "self_attn.v_proj",
    "attention.q_proj": "self_attn.q_proj",
    "attention.out_proj": "self_attn.out_proj",
    "layer_norm": "self_attn_layer_norm",
    "feed_forward.intermediate_dense": "fc1",
    "feed_forward.output_dense": "fc2",
    "final_layer_norm": "final_layer_norm",
}


def untrained(format_name: str, arguments: Mapping[str, Any]) -> Detector:
    """A detector of the architecture that the backbone's configuration describes.

    Args:
        format_name: for the message.
        arguments: `backbone`, a transformers folder.

    Raises:
        DetectorError: there is no backbone. ConfigError: it is of another architecture.
    """
    if "backbone" not in arguments:
        raise DetectorError(f"format {format_name} needs the folder of a backbone (--backbone)")
    architecture = read_architecture(str(arguments["backbone"]), "wav2vec2")
    front_end = {
        "type": "ssl",
        "backbone": {"family": "wav2vec2", "architecture": architecture},
        "n_layers": architecture["num_hidden_layers"],
        "fine_tune": "all",
        "final_norm": True,
        "normalize": False,
    }
    back_end = {"type": "aasist", "residual": "as_published", "n_outputs": 2}
    return Detector(front_end, back_end, POLICY)


def published_name(name: str) -> str:
    """The published name of a tensor of the detector."""
    if name.startswith("frontend.model."):
        return _BACKBONE + _fairseq_name(name.removeprefix("frontend.model."))
    name = name.removeprefix("backend.")
    if name in GRAPH_TENSORS:
        return GRAPH_TENSORS[name]
    module, _, leaf = name.rpartition(".")
    return f"{_MODULES[module]}.{leaf}"


def _fairseq_name(name: str) -> str:
    if name in _ENCODER_TENSORS:
        return _ENCODER_TENSORS[name]
    module, _, leaf = name.rpartition(".")
    if module in _ENCODER_MODULES:
        return f"{_ENCODER_MODULES[module]}.{leaf}"
    # Such as encoder.layers.3.attention.k_proj.
    group, kind, number, part = module.split(".", 3)
    parts = {"conv_layers": _CONVOLUTION, "layers": _LAYER}[kind]
    return f"{group}.{kind}.{number}.{parts[part]}.{leaf}"
