"""Self-supervised front-end: the hidden states of a pre-trained speech transformer."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from spoofscope.batches import apply_by_length, valid_mask
from spoofscope.errors import AudioError, ConfigError
from spoofscope.frontends.backbones import describe_backbone, keep_layers, load_backbone
from spoofscope.frontends.base import Features, FrontEnd
from spoofscope.frontends.mel_frames import paired_mel_frames
from spoofscope.options.frontends.ssl import EncoderOptions


def _trained(part: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in part.parameters())


class SSLFrontEnd(FrontEnd):
    """All hidden states of a wav2vec 2.0, XLS-R, HuBERT, WavLM or w2v-BERT encoder, every 20 ms.

    Features are (B, L, N, D): L hidden states in the order of the layers, N frames, D the hidden
    size. They are the residual stream as transformers 5 reports it: for pre-norm (large) models
    the last one is taken before the final layer norm.

    The option `backbone` is `{family, folder}`, which the study's name of one stands for; or
    `{family, architecture}` in a detector that brings all weights, with `fine_tune: all` only. See
    `backbones.load_backbone`. What kept layers compute does not depend on those that are deleted.
    `fine_tune: top` trains the uppermost `top_layers` transformer layers, and the norm behind them
    where `final_norm` is on; whatever lies before them stays as it is, in particular
    `encoder.layer_norm` of a post-norm encoder, which is before the first layer. `final_norm` gives
    what fairseq hands to a back-end (transformers: `last_hidden_state`). `normalize` is for
    published detectors that were fine-tuned on clips as they are.

    Frozen parts stay in evaluation mode whatever the mode of the detector around them, and record
    no autograd graph. A backbone that is frozen as a whole is loaded when it is first used, so that
    work on cached features never loads it, and is no part of the module's parameters. LayerDrop
    and SpecAugment are off always: the first would shorten the stack of hidden states in training.
    Dropout is active in trained parts, at the backbone's own rates.

    Attributes:
        normalize: whether it expects clips of zero mean and unit variance. The input policy has to
            do that, on whole clips; the front-end does not touch the waveform.
        receptive_field: samples that the input of one frame is made of.
        hop: samples from frame to frame.
    """

    name = "ssl"
    declared = EncoderOptions
    options: EncoderOptions
    channel_axis: ClassVar[Literal["layer", "channel"]] = "layer"
    dim_axis: ClassVar[Literal["embedding", "cepstrum", "band"]] = "embedding"

    def __init__(self, config: Mapping[str, Any]) -> None:
        options = dict(config)
        source = options.pop("backbone", None)
        super().__init__(options)
        owner = "front-end ssl"
        if source is None:
            raise ConfigError(f"{owner}: key 'backbone' is missing")
        self.config["backbone"] = source
        fine_tune, normalize = self.options.fine_tune, self.options.normalize
        final_norm = self.options.final_norm
        if "architecture" in source and fine_tune != "all":
            raise ConfigError(f"{owner}: a backbone without weights goes with fine_tune: all only")
        backbone = describe_backbone(self.config["backbone"])
        self.sample_rate = backbone.sample_rate
        self.normalize = backbone.normalize if normalize is None else normalize
        settings = backbone.config
        if final_norm and not backbone.pre_norm:
            raise ConfigError(f"{owner}: final_norm is for pre-norm backbones; this one has none")
        self._n_layers = n_layers = self._kept_layers(owner, int(settings.num_hidden_layers))
        self.hop, self.receptive_field = backbone.hop, backbone.receptive_field
        is_stack = self.options.states == "all"
        self.n_channels = n_layers + int(self.options.embedding) if is_stack else 1
        self.dim = int(settings.hidden_size)
        self.hop_seconds = self.hop / self.sample_rate
        self.first_centre_seconds = self.receptive_field / 2 / self.sample_rate
        self._masks_are_exact = backbone.masks_are_exact
        self._hears_mel, self._pre_norm = backbone.hears_mel, backbone.pre_norm
        # Outside of the registered modules, so that it is no part of the detector's state.
        self._frozen_model: list[Any] = []
        if fine_tune != "none":
            # Registered by hand, because the property of the same name stands in add_module's way.
            self._modules["model"] = self._load(n_layers)
        self.unfreeze()

    def _kept_layers(self, owner: str, available: int) -> int:
        n_layers = self.options.n_layers or available
        if n_layers > available:
            raise ConfigError(f"{owner}: n_layers is {n_layers}, the backbone has {available}")
        top_layers = self.options.top_layers
        if top_layers is not None and top_layers > n_layers:
            raise ConfigError(
                f"{owner}: top_layers is {top_layers}, only {n_layers} layers are kept"
            )
        return n_layers

    def _load(self, n_layers: int) -> Any:
        model = load_backbone(self.config["backbone"])
        keep_layers(model, n_layers)
        if self._pre_norm and not self.options.final_norm:
            # The norm after the last layer of a pre-norm encoder is in no hidden state.
            model.encoder.layer_norm = nn.Identity()
        return model

    @property
    def model(self) -> Any:
        """The transformers encoder. A frozen one is loaded when it is first used."""
        trained = self._modules.get("model")
        if trained is not None:
            return trained
        if not self._frozen_model:
            self._frozen_model.append(self._load(self._n_layers).requires_grad_(False).eval())
        return self._frozen_model[0]

    def unfreeze(self) -> None:
        """Train what `fine_tune` says."""
        self.requires_grad_(self.options.fine_tune == "all")
        if self.options.fine_tune == "top":
            top_layers = self.options.top_layers or 0
            self.model.encoder.layers[-top_layers:].requires_grad_(True)
            if self.options.final_norm:
                self.model.encoder.layer_norm.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "SSLFrontEnd":
        """Set the mode, except for parts without a trained parameter: those stay in evaluation."""
        super().train(mode)
        if "model" in self._modules and not _trained(self.model.feature_projection):
            self.model.eval()
            for layer in self.model.encoder.layers:
                layer.train(mode and _trained(layer))
        return self

    def n_frames(self, n_samples: int) -> int:
        """floor((n_samples - 400) / 320) + 1 for the strides of every published model; with 560
        for 400 in w2v-BERT, which hears two windows of 400 samples at a time.
        """
        return max(0, (n_samples - self.receptive_field) // self.hop + 1)

    def raw(self, waveform: Tensor, lengths: Tensor) -> Features:
        """Hidden states (B, L, N, D) of waveforms (B, n_samples); see the base class.

        A row's values do not depend on its padding or on the other rows, up to float rounding.

        Raises:
            AudioError: a row is shorter than the receptive field of one frame (25 ms; 35 ms in
                w2v-BERT).
        """
        shortest = int(lengths.min())
        if shortest < self.receptive_field:
            raise AudioError(
                f"a clip of {shortest} samples is too short for one frame of the SSL front-end, "
                f"which needs {self.receptive_field}"
            )
        frames = (lengths - self.receptive_field) // self.hop + 1
        waveform = waveform[:, : int(lengths.max())]
        if self._hears_mel:
            inputs = paired_mel_frames(waveform, lengths, self.sample_rate)
            return Features(
                self._hidden_states(inputs, valid_mask(frames, inputs.shape[1])), frames
            )
        if self._masks_are_exact and shortest < waveform.shape[1]:
            mask = valid_mask(lengths, waveform.shape[1])
            return Features(self._hidden_states(waveform, mask.long()), frames)

        n_frames = self.n_frames(waveform.shape[1])

        def padded_states(rows: Tensor) -> Tensor:
            states = self._hidden_states(rows)
            return nn.functional.pad(states, (0, 0, 0, n_frames - states.shape[2]))

        return Features(apply_by_length(padded_states, waveform, lengths, dim=1), frames)

    def _hidden_states(self, waveform: Tensor, mask: Tensor | None = None) -> Tensor:
        model = self.model.to(waveform.device)
        output = model(waveform, attention_mask=mask, output_hidden_states=True)
        states = output.hidden_states if self.options.embedding else output.hidden_states[1:]
        if self.options.final_norm:
            states = (*states[:-1], output.last_hidden_state)
        return torch.stack(states[-self.n_channels :], dim=1)
