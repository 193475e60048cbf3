"""SSL backbones: where they come from, how they are loaded, and tiny random ones.

A backbone is a pre-trained wav2vec 2.0 (Baevski et al., 2020), XLS-R (Babu et al., 2022), HuBERT
(Hsu et al., 2021), WavLM (Chen et al., 2022) or w2v-BERT 2.0 (Seamless Communication, 2023) encoder
in the format of the transformers library. The last one hears log mel energies instead of waveforms.
It is always loaded from a local folder. `fetch_backbone` fills that folder from a hub id pinned to
a commit, or with a tiny random network that has the real convolution strides, for trying out a
workflow without any download.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from spoofscope.errors import ConfigError, DetectorError, SpoofscopeError
from spoofscope.files import atomic_folder, one_line, read_json, write_json
from spoofscope.frontends.mel_frames import BANDS, HOP, RECEPTIVE_FIELD, STRIDE
from spoofscope.offline import OFFLINE, is_offline
from spoofscope.options import check_keys
from spoofscope.options.backbones import TinyBackbone

# Family -> (configuration class, model class) of transformers. XLS-R is a wav2vec 2.0 network.
_CLASSES = {
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model"),
    "hubert": ("HubertConfig", "HubertModel"),
    "wavlm": ("WavLMConfig", "WavLMModel"),
    "w2v_bert": ("Wav2Vec2BertConfig", "Wav2Vec2BertModel"),
}
# What transformers calls a family, where that is another name.
_MODEL_TYPES = {"w2v_bert": "wav2vec2-bert"}
_MEL = "w2v_bert"
"""The family that hears mel frames, see `mel_frames`."""
# With the last layer of a recogniser, which was trained with CTC.
_RECOGNISERS = {"wav2vec2": "Wav2Vec2ForCTC", "hubert": "HubertForCTC", "wavlm": "WavLMForCTC"}
_PREPROCESSOR = "preprocessor_config.json"
_VOCABULARY = "vocab.json"
_SAMPLE_RATE = 16000
FAMILIES = tuple(sorted(_CLASSES))

# Parts of pre-training and recognition checkpoints that are not part of the encoder.
_LAST_LAYER = "lm_head."
_HEADS = ("quantizer.", "project_q.", "project_hid.", _LAST_LAYER, "masked_spec_embed")


# XLS-R 2B, the largest that is published, has 2.2 thousand million.
_MOST_PARAMETERS = 4_000_000_000

_Rule = tuple[Callable[[Any], bool], str]


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _whole(low: int, high: int) -> _Rule:
    return (lambda value: _is_whole(value, low, high)), f"a whole number from {low} to {high}"


def _between(low: float, high: float) -> _Rule:
    def holds(value: Any) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and low <= value <= high

    return holds, f"a number from {low:g} to {high:g}"


def _one_of(*values: Any) -> _Rule:
    # 0 and 1 are equal to false and true, and something else here.
    names = ", ".join(map(json.dumps, values))
    return (lambda value: any(type(value) is type(v) and value == v for v in values)), names


def _wholes(low: int, high: int) -> _Rule:
    def holds(value: Any) -> bool:
        is_list = isinstance(value, (list, tuple)) and 1 <= len(value) <= 32
        return is_list and all(_is_whole(entry, low, high) for entry in value)

    return holds, f"a list of 1 to 32 whole numbers from {low} to {high}"


_SWITCH = _one_of(True, False)
_SHARE = _between(0.0, 1.0)
_ACTIVATION = _one_of("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu", "swish")
# What of config.json shapes an encoder, and what it may be. Nothing else of it is used: some of the
# keys that transformers knows make it import or fetch code.
_RULES: dict[str, _Rule] = {
    "hidden_size": _whole(1, 16384),
    "num_hidden_layers": _whole(1, 256),
    "num_attention_heads": _whole(1, 1024),
    "intermediate_size": _whole(1, 65536),
    "num_conv_pos_embeddings": _whole(1, 4096),
    "num_conv_pos_embedding_groups": _whole(1, 4096),
    "num_buckets": _whole(1, 65536),
    "max_bucket_distance": _whole(1, 1_000_000),
    "conv_dim": _wholes(1, 16384),
    "conv_kernel": _wholes(1, 1024),
    "conv_stride": _wholes(1, 1024),
    "conv_bias": _SWITCH,
    "do_stable_layer_norm": _SWITCH,
    "feat_proj_layer_norm": _SWITCH,
    "conv_pos_batch_norm": _SWITCH,
    "feat_extract_norm": _one_of("group", "layer"),
    "feat_extract_activation": _ACTIVATION,
    "hidden_act": _ACTIVATION,
    "hidden_dropout": _SHARE,
    "activation_dropout": _SHARE,
    "attention_dropout": _SHARE,
    "feat_proj_dropout": _SHARE,
    "initializer_range": _SHARE,
    "layer_norm_eps": _between(1e-20, 1.0),
    "feature_projection_input_dim": _whole(1, 16384),
    "position_embeddings_type": _one_of("relative_key", "relative", "rotary", None),
    "rotary_embedding_base": _whole(1, 100_000_000),
    "max_source_positions": _whole(1, 1_000_000),
    "left_max_position_embeddings": _whole(0, 65536),
    "right_max_position_embeddings": _whole(0, 65536),
    "conv_depthwise_kernel_size": _whole(1, 1023),
    "conformer_conv_dropout": _SHARE,
}
# Those of a family that have no meaning in the others.
_OF_MEL = frozenset(list(_RULES)[list(_RULES).index("feature_projection_input_dim") :])
_RATE = _whole(1000, 384_000)
# What of it shapes the last layer of a recogniser; the blank of CTC is what pads texts.
_LABEL_RULES: dict[str, _Rule] = {
    "vocab_size": _whole(2, 100_000),
    "pad_token_id": _whole(0, 99_999),
}
# The vocabulary of facebook/wav2vec2-base-960h.
_TINY_VOCABULARY = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")


@dataclass(frozen=True)
class Description:
    """What is known of an encoder without its weights.

    Attributes:
        config: the transformers configuration, LayerDrop and SpecAugment off.
        sample_rate: Hz.
        normalize: whether it was trained on waveforms of zero mean and unit variance.
        hears_mel: whether its input is that of `mel_frames` instead of the waveform.
        hop: samples from frame to frame.
        receptive_field: samples that the input of one frame is made of.
        pre_norm: whether a norm follows the last layer.
        masks_are_exact: whether a mask keeps padding from leaking into a clip. It does not through
            a group norm over time, which sees all of a row.
    """

    config: Any
    sample_rate: int
    normalize: bool
    hears_mel: bool
    hop: int
    receptive_field: int
    pre_norm: bool
    masks_are_exact: bool


def fetch_backbone(entry: Mapping[str, Any], folder: str | Path, seed: int) -> None:
    """Put a backbone of the study file on disk, as `load_backbone` wants it, atomically.

    A hub model is taken from the cache of huggingface_hub or downloaded (HF_HUB_OFFLINE forbids
    that), checked, and saved as the bare encoder in safetensors. Many older models exist as pickles
    only: those are read here, and only here, with torch's `weights_only` unpickler.

    Args:
        entry: `{family, hub, revision}` or `{family, tiny: {...}}`; with `head: ctc` it is a
            recogniser, whose last layer and vocabulary stay.
        folder: where to write; an existing folder is replaced.
        seed: of the random weights of a tiny backbone.

    Raises:
        ConfigError: an unknown family or key, not exactly one source, or a revision that is not a
            full commit (branches and tags move).
        DetectorError: the hub model cannot be found or is not what it should be, see
            `load_backbone`.
    """
    family = _family_of(entry)
    if "head" in entry and family not in _RECOGNISERS:
        names = ", ".join(map(repr, _RECOGNISERS))
        raise ConfigError(f"backbone: recognisers are of family {names}, not {family!r}")
    sources = [key for key in ("hub", "tiny") if key in entry]
    if len(sources) != 1:
        raise ConfigError("backbone: give either hub and revision, or tiny")
    if "tiny" in entry:
        check_keys(entry, ("family", "tiny", "head"), "tiny backbone")
        write_tiny_backbone(folder, family, entry["tiny"], seed, "head" in entry)
        return

    check_keys(entry, ("family", "hub", "revision", "head"), "hub backbone")
    revision = entry.get("revision")
    if not isinstance(revision, str) or not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ConfigError(
            f"backbone {entry['hub']}: revision must be a full commit of 40 hexadecimal digits, "
            f"not {revision!r}; a branch or tag may change under the study"
        )
    copied = [_PREPROCESSOR]
    snapshot = _snapshot(entry["hub"], revision)
    where = f"{entry['hub']} at {revision}"
    if "head" in entry:
        model = _recogniser(snapshot, family, where).network
        copied.append(_VOCABULARY)
    else:
        model = _load(snapshot, family, _describe(snapshot, family, where), where)
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        for name in copied:
            shutil.copyfile(snapshot / name, temporary / name)


def _snapshot(hub: str, revision: str) -> Path:
    """The folder of a hub model in the cache, with one format of weights, safetensors preferred."""
    from huggingface_hub import snapshot_download

    offline = is_offline()
    for weights in ("model*.safetensors", "pytorch_model*.bin"):
        patterns = ["config.json", _PREPROCESSOR, _VOCABULARY, weights, f"{weights}.index.json"]
        try:
            folder = Path(
                snapshot_download(
                    hub, revision=revision, allow_patterns=patterns, local_files_only=offline
                )
            )
        except Exception as error:  # the hub's client and its HTTP library have their own
            if offline:
                raise DetectorError(_to_be_placed(hub, revision)) from error
            raise DetectorError(
                f"the backbone {hub} at {revision} cannot be fetched: {one_line(error)}"
            ) from error
        if list(folder.glob(weights)):
            _check_blobs(folder, hub)
            return folder
    if offline:
        raise DetectorError(_to_be_placed(hub, revision))
    raise DetectorError(f"the backbone {hub} at {revision} has no weights for torch")


def _check_blobs(folder: Path, hub: str) -> None:
    """The files of a hub model in the cache are what their names there say.

    The hub's client compares sizes only. It keeps each file under its hash: SHA-256, or that of Git
    for small ones. A file that somebody put there by hand has no such name.
    """
    for path in sorted(folder.iterdir()):
        blob = path.resolve()
        if blob.parent.name != "blobs" or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob.name):
            continue
        # A mirror that calls it by the SHA-1 of its content alone is right, too.
        found = [hashlib.sha256()] if len(blob.name) == 64 else [hashlib.sha1(), hashlib.sha1()]
        if len(blob.name) == 40:
            found[0].update(b"blob %d\0" % blob.stat().st_size)
        with open(blob, "rb") as stream:
            while block := stream.read(1 << 20):
                for digest in found:
                    digest.update(block)
        if blob.name not in [digest.hexdigest() for digest in found]:
            raise DetectorError(
                f"the backbone {hub} was fetched damaged: {path.name} has the hash "
                f"{found[0].hexdigest()}, and the hub says {blob.name}; delete {blob}, and the "
                "next run fetches it anew"
            )


def _to_be_placed(hub: str, revision: str) -> str:
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    name = repo_folder_name(repo_id=hub, repo_type="model")
    return (
        f"{OFFLINE} is set, so nothing is downloaded, and the backbone {hub} at {revision} is not "
        f"in the cache of the model hub: fetch config.json, {_PREPROCESSOR} and model.safetensors "
        f"(or pytorch_model.bin) from https://huggingface.co/{hub}/tree/{revision} elsewhere, and "
        f"put them into {Path(HF_HUB_CACHE) / name / 'snapshots' / revision}"
    )


def _family_of(entry: Mapping[str, Any]) -> str:
    family = entry.get("family")
    if family not in FAMILIES:
        names = ", ".join(map(repr, FAMILIES))
        raise ConfigError(f"backbone: family must be one of {names}, not {family!r}")
    return str(family)


def write_tiny_backbone(
    folder: str | Path,
    family: str,
    options: Mapping[str, Any],
    seed: int,
    recogniser: bool = False,
) -> None:
    """Write a small random encoder, as a transformers folder, atomically.

    Its convolutions have the real kernels and strides (320-sample hop, 400-sample receptive field),
    so every frame count is that of a full-size model; they start as a crude filter bank, all else
    is random. The same arguments give the same bytes.

    Args:
        folder: where to write; an existing folder is replaced.
        family: one of `FAMILIES`.
        options: any of `options.backbones.TinyBackbone`. With the norm "group" the transformer is
            post-norm, as in base models; with "layer" it is pre-norm and its input normalised, as
            in large ones.
        seed: of the random weights.
        recogniser: with a last layer and the vocabulary of facebook/wav2vec2-base-960h.

    Raises:
        ConfigError: an unknown family or option, or sizes that do not fit each other.
    """
    owner = "tiny backbone"
    family = _family_of({"family": family})
    tiny = TinyBackbone.from_dict(options, owner)
    hidden_size, heads, norm = tiny.hidden_size, tiny.heads, tiny.norm
    if hidden_size % heads or hidden_size % 4:
        raise ConfigError(f"{owner}: hidden_size {hidden_size} must be a multiple of heads and 4")

    transformers = _transformers()
    config_class, model_class = _CLASSES[family]
    if family == _MEL:
        for key in ("conv_dim", "norm"):
            if key in options:
                raise ConfigError(
                    f"{owner}: {key} is of convolutions over the waveform, and {family} hears mel "
                    "frames; leave it out"
                )
        config = _config(
            family,
            {
                "hidden_size": hidden_size,
                "num_hidden_layers": tiny.layers,
                "num_attention_heads": heads,
                "intermediate_size": tiny.intermediate_size,
                "conv_depthwise_kernel_size": 7,
            },
        )
        _write_random(folder, getattr(transformers, model_class), config, seed, _MEL_PREPROCESSOR)
        return
    labels = {"vocab_size": len(_TINY_VOCABULARY), "pad_token_id": 0} if recogniser else {}
    config = getattr(transformers, config_class)(
        **labels,
        hidden_size=hidden_size,
        num_hidden_layers=tiny.layers,
        num_attention_heads=heads,
        intermediate_size=tiny.intermediate_size,
        conv_dim=(tiny.conv_dim,) * 7,
        conv_kernel=(10, 3, 3, 3, 3, 2, 2),
        conv_stride=(5, 2, 2, 2, 2, 2, 2),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
    )
    preprocessor = {
        "do_normalize": norm == "layer",
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": norm == "layer",
        "sampling_rate": _SAMPLE_RATE,
    }
    vocabulary = {label: place for place, label in enumerate(_TINY_VOCABULARY)}
    if recogniser:
        model_class = _RECOGNISERS[family]
    network = getattr(transformers, model_class)
    _write_random(folder, network, config, seed, preprocessor, vocabulary if recogniser else {})


# That of the published w2v-BERT 2.0.
_MEL_PREPROCESSOR = {
    "feature_extractor_type": "SeamlessM4TFeatureExtractor",
    "feature_size": BANDS,
    "num_mel_bins": BANDS,
    "padding_side": "right",
    "padding_value": 1,
    "return_attention_mask": True,
    "sampling_rate": _SAMPLE_RATE,
    "stride": STRIDE,
}


def _write_random(
    folder: str | Path,
    model_class: Any,
    config: Any,
    seed: int,
    preprocessor: Mapping[str, Any],
    vocabulary: Mapping[str, int] | None = None,
) -> None:
    import torch

    # transformers draws initial weights from torch's global generator: use it inside a fork.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)
    encoder = model.base_model
    if hasattr(encoder, "feature_extractor"):
        _start_as_filter_bank([layer.conv for layer in encoder.feature_extractor.conv_layers])
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        write_json(temporary / _PREPROCESSOR, preprocessor)
        if vocabulary:
            write_json(temporary / _VOCABULARY, vocabulary)


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
    if not Path(folder).is_dir():
        raise DetectorError(f"the backbone folder {folder} does not exist")
    return {"model_type": _model_type(family), **_settings(Path(folder), family, str(folder))}


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
        family = _family_of(source)
        settings = _checked(source["architecture"], family, "the architecture of the backbone")
        return _description(family, settings, _SAMPLE_RATE, normalize=False)
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


@dataclass(frozen=True)
class Recogniser:
    """A network that gives the probability of every label in every frame, trained with CTC.

    Attributes:
        network: of transformers, in evaluation mode.
        description: of its encoder.
        vocabulary: label to its place in the network's output.
        blank: the place of CTC's blank, which stands for no label.
    """

    network: Any
    description: Description
    vocabulary: dict[str, int]
    blank: int


def load_recogniser(source: Mapping[str, Any]) -> Recogniser:
    """Load an encoder with its last layer and its vocabulary, as strictly as `load_backbone`.

    Args:
        source: `{family, folder}`, as for :func:`describe_backbone`.

    Raises:
        ConfigError: the source is malformed.
        DetectorError: as `load_backbone`; also without a last layer, or with a vocabulary that does
            not fit it.
    """
    folder = _folder_of(source)
    return _recogniser(folder, _family_of(source), str(folder))


def _recogniser(folder: Path, family: str, where: str) -> Recogniser:
    name = f"the recogniser {where}"
    description = _describe(folder, family, where, _RULES | _LABEL_RULES)
    labels = _read(folder / "config.json", where)
    for key in _LABEL_RULES:
        _require(key in labels, name, key, "there, as it is in recognisers", labels.get(key))
    size, blank = labels["vocab_size"], labels["pad_token_id"]
    vocabulary = _read(folder / _VOCABULARY, where)
    places = sorted(place for place in vocabulary.values() if _is_whole(place, 0, size - 1))
    # Words that somebody added to the vocabulary alone have no place in the last layer.
    if len(set(places)) < len(vocabulary) or blank >= size:
        raise DetectorError(
            f"{name}: {_VOCABULARY} has {len(vocabulary)} labels, whose places are not all "
            f"different ones of the {size} that config.json says the network has"
        )
    network = _load(folder, family, description, where, _RECOGNISERS[family], _LAST_LAYER)
    return Recogniser(network, description, vocabulary, blank)


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


def _describe(
    folder: Path, family: str, where: str, rules: Mapping[str, _Rule] = _RULES
) -> Description:
    settings = _settings(folder, family, where, rules)
    name = f"the backbone {where}: {_PREPROCESSOR}"
    found = _read(folder / _PREPROCESSOR, where)
    # Those of transformers, for which a missing key stands.
    rate, normalize = found.get("sampling_rate", _SAMPLE_RATE), found.get("do_normalize", True)
    _require(_RATE[0](rate), name, "sampling_rate", _RATE[1], rate)
    _require(_SWITCH[0](normalize), name, "do_normalize", _SWITCH[1], normalize)
    if family == _MEL:
        for key, value in (("num_mel_bins", BANDS), ("stride", STRIDE)):
            holds, what = _one_of(value)
            _require(holds(found.get(key, value)), name, key, what, found.get(key))
        # Its extractor has no such key: a level is a constant in all mel bands, which have mean 0.
        normalize = False
    return _description(family, settings, rate, normalize)


def _description(
    family: str, settings: Mapping[str, Any], sample_rate: int, normalize: bool
) -> Description:
    config = _config(family, settings)
    if family == _MEL:
        return Description(
            *(config, sample_rate, normalize),
            hears_mel=True,
            hop=HOP,
            receptive_field=RECEPTIVE_FIELD,
            pre_norm=False,
            masks_are_exact=True,
        )
    hop, receptive_field = 1, 1
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        receptive_field += (kernel - 1) * hop
        hop *= stride
    return Description(
        *(config, sample_rate, normalize),
        hears_mel=False,
        hop=hop,
        receptive_field=receptive_field,
        pre_norm=bool(config.do_stable_layer_norm),
        masks_are_exact=config.feat_extract_norm == "layer",
    )


def _model_type(family: str) -> str:
    return _MODEL_TYPES.get(family, family)


def _read(path: Path, where: str) -> dict[str, Any]:
    try:
        found = read_json(path)
    except SpoofscopeError as error:
        raise DetectorError(f"the backbone {where} cannot be loaded: {error}") from error
    if not isinstance(found, dict):
        raise DetectorError(f"the backbone {where} cannot be loaded: {path} is no JSON object")
    return found


def _settings(
    folder: Path, family: str, where: str, rules: Mapping[str, _Rule] = _RULES
) -> dict[str, Any]:
    """What of config.json shapes the encoder, checked."""
    return _checked(_read(folder / "config.json", where), family, f"the backbone {where}", rules)


def _require(holds: bool, name: str, key: str, what: str, found: Any) -> None:
    if not holds:
        raise DetectorError(f"{name}: {key} must be {what}, not {repr(found)[:80]}")


def _checked(
    found: Any, family: str, name: str, rules: Mapping[str, _Rule] = _RULES
) -> dict[str, Any]:
    """The entries of a configuration that are used, each of the right type and of a possible size.

    Raises:
        DetectorError: one is not, or the configuration is of another family.
    """
    if not isinstance(found, Mapping):
        raise DetectorError(f"{name}: a mapping of settings is needed, not {repr(found)[:80]}")
    if found.get("model_type") != _model_type(family):
        raise DetectorError(
            f"{name} is of family {found.get('model_type')!r}, not {_model_type(family)!r}"
        )
    hears_mel = family == _MEL
    settings = {
        key: found[key] for key in rules if key in found and (key not in _OF_MEL or hears_mel)
    }
    for key, value in settings.items():
        holds, what = rules[key]
        _require(holds(value), name, key, what, value)
    # Not yet one of transformers, which has errors of its own.
    config = SimpleNamespace(**{**_config_class(family)().to_dict(), **settings})
    divisors = ["num_attention_heads"]
    if hears_mel:
        size = config.feature_projection_input_dim
        _require(
            size == STRIDE * BANDS, name, "feature_projection_input_dim", f"{STRIDE * BANDS}", size
        )
    else:
        divisors.append("num_conv_pos_embedding_groups")
        n_convolutions = len(config.conv_dim)
        for key in ("conv_kernel", "conv_stride"):
            size = len(getattr(config, key))
            what = f"as long as conv_dim ({n_convolutions})"
            _require(size == n_convolutions, name, key, what, getattr(config, key))
    hidden = config.hidden_size
    for key in divisors:
        divisor = getattr(config, key)
        _require(hidden % divisor == 0, name, key, f"a divisor of hidden_size {hidden}", divisor)
    n_parameters = _n_parameters(config)
    if n_parameters > _MOST_PARAMETERS:
        raise DetectorError(
            f"{name}: the configuration describes {n_parameters:.1e} parameters, more than any "
            f"encoder has ({_MOST_PARAMETERS:.1e} are possible here)"
        )
    return settings


def _n_parameters(config: Any) -> int:
    """Nearly: the weights of transformer layers and convolutions."""
    layer = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    if not hasattr(config, "conv_dim"):
        # A Conformer has two feed-forward parts.
        return int(
            config.num_hidden_layers * (layer + 2 * config.hidden_size * config.intermediate_size)
        )
    shapes = zip((1, *config.conv_dim), config.conv_dim, config.conv_kernel, strict=False)
    return config.num_hidden_layers * layer + sum(i * o * kernel for i, o, kernel in shapes)


def _config(family: str, settings: Mapping[str, Any]) -> Any:
    """The transformers configuration with what is random in training off, dropout apart."""
    return _config_class(family)(**settings, layerdrop=0.0, apply_spec_augment=False)


def _config_class(family: str) -> Any:
    return getattr(_transformers(), _CLASSES[family][0])


def _transformers() -> Any:
    """The library, without its progress bars: they end up between the lines about jobs."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    return transformers


def _random(family: str, description: Description) -> Any:
    import torch
    import transformers

    with torch.random.fork_rng(devices=[]):
        model = getattr(transformers, _CLASSES[family][1])(description.config)
    return _without_mask(model).eval()


def _without_mask(model: Any) -> Any:
    # SpecAugment's replacement vector is never used: neither train nor store it.
    if hasattr(model.base_model, "masked_spec_embed"):
        del model.base_model.masked_spec_embed
    return model


def _load(
    folder: Path,
    family: str,
    description: Description,
    where: str,
    model_class: str = "",
    needed: str = "",
) -> Any:
    """Load a network.

    Args:
        model_class: of transformers; by default that of the bare encoder.
        needed: begins the names of what is no part of the encoder, and has to be there.
    """
    transformers = _transformers()
    if (folder / "adapter_config.json").exists():
        # peft, where it is installed, would look for another model, on the hub if need be.
        raise DetectorError(f"the backbone {where} is an adapter of another model, and no encoder")
    stored = sum(
        path.stat().st_size
        for pattern in ("*.safetensors", "pytorch_model*.bin")
        for path in folder.glob(pattern)
    )
    n_parameters = _n_parameters(description.config)
    if n_parameters > stored:  # a parameter has a byte at the very least
        raise DetectorError(
            f"the backbone {where} cannot be loaded: its weights have {stored} bytes, its "
            f"configuration describes {n_parameters} parameters; they do not belong together, or "
            "the weights are cut"
        )
    try:
        model, report = getattr(transformers, model_class or _CLASSES[family][1]).from_pretrained(
            folder,
            config=description.config,
            dtype="float32",
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, with the names
        )
    except Exception as error:  # damaged weights make transformers raise anything
        raise DetectorError(f"the backbone {where} cannot be loaded: {one_line(error)}") from error
    _check_loading(report, where, tuple(head for head in _HEADS if head != needed), family)
    return _without_mask(model).eval()


def _check_loading(
    report: Mapping[str, Any], where: str, ignored: tuple[str, ...], family: str
) -> None:
    def counted(keys: Iterable[str]) -> list[str]:
        # Inside of a recogniser the encoder has the name of its family.
        return sorted(k for k in keys if not k.removeprefix(f"{family}.").startswith(ignored))

    missing, unexpected = counted(report["missing_keys"]), counted(report["unexpected_keys"])
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
