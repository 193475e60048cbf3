"""SSL backbones: where they come from, how they are loaded, and tiny random ones.

A backbone is a pre-trained wav2vec 2.0 (Baevski et al., 2020), XLS-R (Babu et al., 2022), HuBERT
(Hsu et al., 2021) or WavLM (Chen et al., 2022) encoder in the format of the transformers library.
It is always loaded from a local folder. `fetch_backbone` fills that folder from a hub id pinned to
a commit, or with a tiny random network that has the real convolution strides, for trying out a
workflow without any download.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from spoofscope.components import one_of, positive_int, resolve
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.files import atomic_folder, write_json
from spoofscope.options import check_keys

# Family -> (configuration class, model class) of transformers. XLS-R is a wav2vec 2.0 network.
_CLASSES = {
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model"),
    "hubert": ("HubertConfig", "HubertModel"),
    "wavlm": ("WavLMConfig", "WavLMModel"),
}
_PREPROCESSOR = "preprocessor_config.json"
_SAMPLE_RATE = 16000
FAMILIES = tuple(sorted(_CLASSES))

_TINY_DEFAULTS: dict[str, Any] = {
    "hidden_size": 48,
    "layers": 3,
    "heads": 4,
    "intermediate_size": 96,
    "conv_dim": 32,
    "norm": "group",
}

# Parts of pre-training and recognition checkpoints that are not part of the encoder.
_HEADS = ("quantizer.", "project_q.", "project_hid.", "lm_head.", "masked_spec_embed")


@dataclass(frozen=True)
class Description:
    """What is known of an encoder without its weights.

    Attributes:
        config: the transformers configuration, LayerDrop and SpecAugment off.
        sample_rate: Hz.
        normalize: whether it was trained on waveforms of zero mean and unit variance.
    """

    config: Any
    sample_rate: int
    normalize: bool


def fetch_backbone(entry: Mapping[str, Any], folder: str | Path, seed: int) -> None:
    """Put a backbone of the study file on disk, as `load_backbone` wants it, atomically.

    A hub model is taken from the cache of huggingface_hub or downloaded (HF_HUB_OFFLINE forbids
    that), checked, and saved as the bare encoder in safetensors. Many older models exist as pickles
    only: those are read here, and only here, with torch's `weights_only` unpickler.

    Args:
        entry: `{family, hub, revision}` or `{family, tiny: {...}}`.
        folder: where to write; an existing folder is replaced.
        seed: of the random weights of a tiny backbone.

    Raises:
        ConfigError: an unknown family or key, not exactly one source, or a revision that is not a
            full commit (branches and tags move).
        DetectorError: the hub model cannot be found or is not what it should be, see
            `load_backbone`.
    """
    family = _family_of(entry)
    sources = [key for key in ("hub", "tiny") if key in entry]
    if len(sources) != 1:
        raise ConfigError("backbone: give either hub and revision, or tiny")
    if "tiny" in entry:
        check_keys(entry, ("family", "tiny"), "tiny backbone")
        write_tiny_backbone(folder, family, entry["tiny"], seed)
        return

    check_keys(entry, ("family", "hub", "revision"), "hub backbone")
    revision = entry.get("revision")
    if not isinstance(revision, str) or not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ConfigError(
            f"backbone {entry['hub']}: revision must be a full commit of 40 hexadecimal digits, "
            f"not {revision!r}; a branch or tag may change under the study"
        )
    snapshot = _snapshot(entry["hub"], revision)
    where = f"{entry['hub']} at {revision}"
    model = _load(snapshot, family, _describe(snapshot, family, where), where)
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        shutil.copyfile(snapshot / _PREPROCESSOR, temporary / _PREPROCESSOR)


def _snapshot(hub: str, revision: str) -> Path:
    """The folder of a hub model in the cache, with one format of weights, safetensors preferred."""
    from huggingface_hub import snapshot_download

    for weights in ("model*.safetensors", "pytorch_model*.bin"):
        patterns = ["config.json", _PREPROCESSOR, weights, f"{weights}.index.json"]
        try:
            folder = Path(snapshot_download(hub, revision=revision, allow_patterns=patterns))
        except (OSError, ValueError) as error:
            raise DetectorError(
                f"the backbone {hub} at {revision} cannot be fetched: {error}"
            ) from error
        if list(folder.glob(weights)):
            return folder
    raise DetectorError(f"the backbone {hub} at {revision} has no weights for torch")


def _family_of(entry: Mapping[str, Any]) -> str:
    return str(one_of({"family": None, **entry}, "family", FAMILIES, "backbone"))


def write_tiny_backbone(
    folder: str | Path, family: str, options: Mapping[str, Any], seed: int
) -> None:
    """Write a small random encoder, as a transformers folder, atomically.

    Its convolutions have the real kernels and strides (320-sample hop, 400-sample receptive field),
    so every frame count is that of a full-size model; they start as a crude filter bank, all else
    is random. The same arguments give the same bytes.

    Args:
        folder: where to write; an existing folder is replaced.
        family: "wav2vec2", "hubert" or "wavlm".
        options: any of `hidden_size`, `layers`, `heads`, `intermediate_size`, `conv_dim`, and
            `norm`: "group" (post-norm transformer, as the base models) or "layer" (layer
            norm in the convolutions, pre-norm transformer, normalised input, as the large ones).
        seed: of the random weights.

    Raises:
        ConfigError: an unknown family or option, or sizes that do not fit each other.
    """
    owner = "tiny backbone"
    family = _family_of({"family": family})
    options = resolve(options, _TINY_DEFAULTS, owner)
    norm = one_of(options, "norm", ("group", "layer"), owner)
    hidden_size = positive_int(options, "hidden_size", owner)
    heads = positive_int(options, "heads", owner)
    if hidden_size % heads or hidden_size % 4:
        raise ConfigError(f"{owner}: hidden_size {hidden_size} must be a multiple of heads and 4")

    import torch
    import transformers

    config_class, model_class = _CLASSES[family]
    config = getattr(transformers, config_class)(
        hidden_size=hidden_size,
        num_hidden_layers=positive_int(options, "layers", owner),
        num_attention_heads=heads,
        intermediate_size=positive_int(options, "intermediate_size", owner),
        conv_dim=(positive_int(options, "conv_dim", owner),) * 7,
        conv_kernel=(10, 3, 3, 3, 3, 2, 2),
        conv_stride=(5, 2, 2, 2, 2, 2, 2),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
    )
    # transformers draws initial weights from torch's global generator: use it inside a fork.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, model_class)(config)
    _start_as_filter_bank([layer.conv for layer in model.feature_extractor.conv_layers])
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        write_json(
            temporary / _PREPROCESSOR,
            {
                "do_normalize": norm == "layer",
                "feature_extractor_type": "Wav2Vec2FeatureExtractor",
                "feature_size": 1,
                "padding_side": "right",
                "padding_value": 0.0,
                "return_attention_mask": norm == "layer",
                "sampling_rate": 16000,
            },
        )


def _start_as_filter_bank(convolutions: list[Any]) -> None:
    """Make a tiny encoder hear: its random convolutions start as a crude filter bank.

    Through seven purely random convolutions almost nothing about the spectrum survives (a linear
    map from the frames explains 3 % to 12 % of the variance of the lower LFCCs). Here the first
    one holds band-pass filters in sine and cosine phase, raised by 6 dB per octave against the
    tilt of speech; the others mostly average over time, so that with the rectifying activations
    they follow the energy in each band (about 40 %).
    """
    import torch

    with torch.no_grad():
        first = convolutions[0].weight  # (channels, 1, taps)
        channels, _, taps = first.shape
        index = torch.arange(channels)
        frequency = (index // 2 + 0.5) / ((channels + 1) // 2) / 2  # cycles per sample
        phase = index % 2 * torch.pi / 2
        time = torch.arange(taps) - (taps - 1) / 2
        window = torch.hann_window(taps + 2, periodic=False)[1:-1]
        bank = window * torch.cos(2 * torch.pi * frequency[:, None] * time + phase[:, None])
        gain = 20 * frequency / bank.norm(dim=1)
        first.copy_((gain[:, None] * bank)[:, None])
        for convolution in convolutions[1:]:
            weight = convolution.weight  # (channels, channels, taps)
            weight.mul_(0.3)
            weight[index, index] += 2 / weight.shape[2]


def read_architecture(folder: str | Path, family: str) -> dict[str, Any]:
    """What `{family, architecture}` needs of a transformers folder: its config.json alone.

    Raises:
        ConfigError: no such family.
        DetectorError: the folder has no readable config.json, or is of another family.
    """
    family = _family_of({"family": family})
    # transformers would take a folder that is not there for a model on the hub.
    if not Path(folder).is_dir():
        raise DetectorError(f"the backbone folder {folder} does not exist")
    found = _settings(Path(folder), family, str(folder))
    return {
        key: value
        for key, value in found.items()
        if key not in ("_name_or_path", "architectures", "transformers_version")
    }


def describe_backbone(source: Mapping[str, Any]) -> Description:
    """Read the configuration of an encoder; its weights stay on disk.

    Importing transformers' models takes seconds and loading a large encoder gigabytes, which a job
    that works on cached features can spare.

    Args:
        source: `{family, folder}`; `hub` and `revision` may say where the folder's content is from.
            Or `{family, architecture}`, see `read_architecture`.

    Raises:
        ConfigError: the source is malformed.
        DetectorError: the folder is missing or incomplete, of another family, or has pickled
            weights.
    """
    if "architecture" in source:
        check_keys(source, ("family", "architecture"), "backbone")
        config = _config_class(_family_of(source)).from_dict(dict(source["architecture"]))
        return Description(_plain(config), _SAMPLE_RATE, False)
    folder = _folder_of(source)
    return _describe(folder, _family_of(source), str(folder))


def load_backbone(source: Mapping[str, Any]) -> Any:
    """Load an encoder from a folder, strictly, from safetensors only, without network.

    Of an architecture without weights it makes the network, whose weights are then random.

    Returns:
        The transformers model, in evaluation mode, LayerDrop and SpecAugment off.

    Args:
        source: as for :func:`describe_backbone`.

    Raises:
        ConfigError: the source is malformed.
        DetectorError: the folder is missing or incomplete, of another family, has pickled weights,
            or its weights are not exactly those of the encoder (heads of pre-training apart).
    """
    if "architecture" in source:
        return _random(_family_of(source), describe_backbone(source))
    folder, family = _folder_of(source), _family_of(source)
    return _load(folder, family, _describe(folder, family, str(folder)), str(folder))


def keep_layers(model: Any, n_layers: int) -> None:
    """Delete all transformer layers of an encoder but the lowest `n_layers`, in place.

    The hidden states of those that stay keep every bit, except that the last one of a pre-norm
    encoder is then followed by its final norm.
    """
    model.encoder.layers = model.encoder.layers[:n_layers]
    model.config.num_hidden_layers = n_layers


def _folder_of(source: Mapping[str, str]) -> Path:
    check_keys(source, ("family", "folder", "hub", "revision"), "backbone")
    if "folder" not in source:
        raise ConfigError("backbone: folder is missing (fetch_backbone makes it from hub or tiny)")
    folder = Path(source["folder"])
    if not folder.is_dir():
        raise DetectorError(f"the backbone folder {folder} does not exist")
    if not list(folder.glob("*.safetensors")):
        raise DetectorError(
            f"the backbone folder {folder} has no *.safetensors; pickled weights are not read "
            "here: convert them once with save_pretrained"
        )
    return folder


def _describe(folder: Path, family: str, where: str) -> Description:
    import transformers

    _settings(folder, family, where)
    try:
        config = _config_class(family).from_pretrained(folder)
        extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise DetectorError(f"the backbone {where} cannot be loaded: {error}") from error
    return Description(_plain(config), int(extractor.sampling_rate), bool(extractor.do_normalize))


def _settings(folder: Path, family: str, where: str) -> dict[str, Any]:
    """The content of config.json."""
    import transformers

    try:
        found: dict[str, Any] = transformers.PretrainedConfig.get_config_dict(folder)[0]
    except (OSError, ValueError) as error:
        raise DetectorError(f"the backbone {where} cannot be loaded: {error}") from error
    if found.get("model_type") != family:
        raise DetectorError(
            f"the backbone {where} is of family {found.get('model_type')!r}, not {family!r}"
        )
    return found


def _config_class(family: str) -> Any:
    import transformers

    return getattr(transformers, _CLASSES[family][0])


def _plain(config: Any) -> Any:
    """The configuration with what is random in training switched off, dropout apart."""
    config.layerdrop = 0.0
    config.apply_spec_augment = False
    return config


def _random(family: str, description: Description) -> Any:
    import torch
    import transformers

    with torch.random.fork_rng(devices=[]):
        model = getattr(transformers, _CLASSES[family][1])(description.config)
    return _without_mask(model).eval()


def _without_mask(model: Any) -> Any:
    # SpecAugment's replacement vector is never used: neither train nor store it.
    if hasattr(model, "masked_spec_embed"):
        del model.masked_spec_embed
    return model


def _load(folder: Path, family: str, description: Description, where: str) -> Any:
    import transformers
    from safetensors import SafetensorError

    _, model_class = _CLASSES[family]
    try:
        model, report = getattr(transformers, model_class).from_pretrained(
            folder,
            config=description.config,
            dtype="float32",
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, with the names
        )
    except (OSError, ValueError, RuntimeError, SafetensorError, UnpicklingError) as error:
        raise DetectorError(f"the backbone {where} cannot be loaded: {error}") from error
    _check_loading(report, where)
    return _without_mask(model).eval()


def _check_loading(report: Mapping[str, Any], where: str) -> None:
    missing = sorted(key for key in report["missing_keys"] if not key.startswith(_HEADS))
    unexpected = sorted(key for key in report["unexpected_keys"] if not key.startswith(_HEADS))
    problems = [
        f"{len(keys)} {kind} ({', '.join(map(str, keys[:5]))})"
        for kind, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", sorted(map(str, report["mismatched_keys"]))),
        )
        if keys
    ]
    if problems:
        raise DetectorError(
            f"the weights of the backbone {where} do not fit its configuration: "
            f"{'; '.join(problems)}"
        )
