"""AASIST and AASIST-L (Jung et al., ICASSP 2022): the authors' release and ASVspoof 5's baseline.

All are plain state dicts of one layout; AASIST-L is narrower. They were trained on 64,600 samples
of 16 kHz audio in [-1, 1]: the first ones of longer clips, shorter clips repeated.
"""

from collections.abc import Mapping
from typing import Any

from spoofscope.detector import Detector
from spoofscope.windows import InputPolicy

INSIDE: str | None = None
IGNORED: tuple[str, ...] = ()

POLICY = InputPolicy(sample_rate=16000, length=64600, long="crop", short="tile", normalize=False)

_ATTENTION = {
    "pair": "att_proj",
    "attended": "proj_with_att",
    "own": "proj_without_att",
    "norm": "bn",
}
_STACK_LAYER = {
    **_ATTENTION,
    "temporal": "proj_type1",
    "spectral": "proj_type2",
    "master_pair": "att_projM",
    "master_attended": "proj_with_attM",
    "master_own": "proj_without_attM",
}
_STACK_VECTORS = {
    "vector_temporal": "att_weight11",
    "vector_spectral": "att_weight22",
    "vector_mixed": "att_weight12",
    "vector_master": "att_weightM",
}
BLOCK = {
    "norm1": "bn1",
    "conv1": "conv1",
    "norm2": "bn2",
    "conv2": "conv2",
    "shortcut": "conv_downsample",
}


def _graph_names() -> tuple[dict[str, str], dict[str, str]]:
    """Our modules and our single tensors behind the encoder, to the published names."""
    modules = {
        "pool_spectral.score": "pool_S.proj",
        "pool_temporal.score": "pool_T.proj",
        "output": "out_layer",
    }
    tensors = {"position": "pos_S"}
    for kind, letter in (("spectral", "S"), ("temporal", "T")):
        ours, theirs = f"graph_{kind}", f"GAT_layer_{letter}"
        tensors[f"{ours}.vector"] = f"{theirs}.att_weight"
        modules |= {f"{ours}.{part}": f"{theirs}.{name}" for part, name in _ATTENTION.items()}
    for stack in (0, 1):
        tensors[f"stacks.{stack}.master"] = f"master{stack + 1}"
        modules[f"stacks.{stack}.pool_spectral.score"] = f"pool_hS{stack + 1}.proj"
        modules[f"stacks.{stack}.pool_temporal.score"] = f"pool_hT{stack + 1}.proj"
        for layer in (1, 2):
            ours = f"stacks.{stack}.layer{layer}"
            theirs = f"HtrgGAT_layer_ST{stack + 1}{layer}"
            modules |= {f"{ours}.{part}": f"{theirs}.{name}" for part, name in _STACK_LAYER.items()}
            tensors |= {
                f"{ours}.{part}": f"{theirs}.{name}" for part, name in _STACK_VECTORS.items()
            }
    return modules, tensors


GRAPH_MODULES, GRAPH_TENSORS = _graph_names()

_MODULES = {
    **GRAPH_MODULES,
    "norm_in": "first_bn",
    **{
        f"encoder.{i}.0.{part}": f"encoder.{i}.0.{name}"
        for i in range(6)
        for part, name in BLOCK.items()
    },
}


def untrained(format_name: str, arguments: Mapping[str, Any]) -> Detector:
    """A detector of the format's architecture, its weights still random; no arguments."""
    del arguments
    variant = "light" if format_name == "clovaai-aasist-l" else "full"
    back_end = {"type": "raw_aasist", "variant": variant, "residual": "as_published"}
    return Detector({"type": "raw"}, back_end, POLICY)


def published_name(name: str) -> str:
    """The published name of a tensor of the detector."""
    name = name.removeprefix("backend.")
    if name in GRAPH_TENSORS:
        return GRAPH_TENSORS[name]
    module, _, leaf = name.rpartition(".")
    return f"{_MODULES[module]}.{leaf}"
