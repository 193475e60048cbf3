"""Backbones of SSL front-ends."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import Options, option, optional, required


@dataclass(frozen=True, kw_only=True)
class TinyBackbone(Options):
    """A small random encoder, for tests and demonstrations."""

    hidden_size: int = option(48, minimum=8, maximum=16384)
    """Size of a hidden state; a multiple of `heads` and of 4."""
    layers: int = option(3, minimum=1, maximum=200)
    """Transformer layers."""
    heads: int = option(4, minimum=1, maximum=1024)
    """Attention heads."""
    intermediate_size: int = option(96, minimum=8, maximum=65536)
    """Size between the two linear layers of a transformer layer."""
    conv_dim: int = option(32, minimum=8, maximum=16384)
    """Channels of the convolutions; not for `w2v_bert`, as `norm`."""
    norm: Literal["group", "layer"] = option("group")
    """Of the convolutions: group as in base models, layer as in large ones."""


@dataclass(frozen=True, kw_only=True)
class Backbone(Options):
    """A pre-trained encoder, from exactly one of `hub`, `folder` and `tiny`."""

    family: Literal["wav2vec2", "hubert", "wavlm", "w2v_bert"] = required()
    """XLS-R is wav2vec2, w2v-BERT 2.0 is w2v_bert."""
    hub: str = optional(pattern="^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$")
    """Model id on the Hugging Face hub; needs `revision`."""
    revision: str = optional(
        pattern="^[0-9a-f]{40}$",
        title="the 40 digits of a commit, not the name of a branch: on the model's page under "
        "Files and versions, History, or in the answer of `git ls-remote "
        "https://huggingface.co/MODEL HEAD`",
    )
    """Pinned commit of the hub model."""
    folder: str = optional()
    """Local folder in the form of save_pretrained."""
    tiny: TinyBackbone = optional()
    """Write a small random model of that family, for tests and demonstrations."""
    head: Literal["ctc"] = optional()
    """Keep the last layer and the vocabulary of a recogniser that was trained with CTC, for
    aligners; front-ends take backbones without it."""
