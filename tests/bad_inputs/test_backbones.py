"""Backbone folders of other people: every setting is checked, none can fetch or run code."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from spoofscope.errors import SpoofscopeError
from spoofscope.frontends import registry
from spoofscope.frontends.backbones import (
    describe_backbone,
    load_backbone,
    read_architecture,
    write_tiny_backbone,
)

pytestmark = pytest.mark.timeout(60)

CONFIG, PREPROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    write_tiny_backbone(folder, "wavlm", {"layers": 1}, seed=1)
    return folder


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "backbone"))


def use(folder: Path) -> torch.Tensor:
    """Everything that is done with a backbone, up to the hidden states of a second of noise."""
    source = {"family": "wavlm", "folder": str(folder)}
    front_end = registry.build({"type": "ssl", "backbone": source})
    waveform = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return front_end.raw(waveform, torch.tensor([16000])).values


def change(folder: Path, name: str, **entries: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


BAD_CONFIG: dict[str, tuple[dict[str, Any], str]] = {
    "text for a number": ({"hidden_size": "48"}, "hidden_size must be a whole number"),
    "a fraction": ({"hidden_size": 48.5}, "hidden_size must be a whole number"),
    "true": ({"hidden_size": True}, "hidden_size must be a whole number"),
    "null": ({"hidden_size": None}, "hidden_size must be a whole number"),
    "negative": ({"num_hidden_layers": -1}, "num_hidden_layers must be a whole number from 1"),
    "no layers": ({"num_hidden_layers": 0}, "num_hidden_layers must be a whole number from 1"),
    "10^9 layers": ({"num_hidden_layers": 10**9}, "num_hidden_layers must be a whole number"),
    "10^100 layers": ({"num_hidden_layers": 10**100}, "num_hidden_layers must be a whole number"),
    "no heads": ({"num_attention_heads": 0}, "num_attention_heads must be"),
    "5 heads": ({"num_attention_heads": 5}, "num_attention_heads must be a divisor"),
    "groups": ({"num_conv_pos_embedding_groups": 7}, "must be a divisor of hidden_size 48"),
    "huge": (
        {"hidden_size": 16384, "num_hidden_layers": 256, "intermediate_size": 65536},
        "more than any encoder has",
    ),
    "larger than its weights": ({"num_hidden_layers": 200}, "cannot be loaded: its weights have"),
    "another size": ({"hidden_size": 96}, "do not fit its configuration"),
    "one convolution": ({"conv_dim": [32]}, "conv_kernel must be as long as conv_dim (1)"),
    "no convolution": ({"conv_dim": []}, "conv_dim must be a list of 1 to 32"),
    "convolutions as text": ({"conv_dim": "32"}, "conv_dim must be a list"),
    "a convolution of text": ({"conv_dim": ["32"] * 7}, "conv_dim must be a list"),
    "a stride of 0": ({"conv_stride": [0] * 7}, "conv_stride must be a list"),
    "a kernel of 10^9": ({"conv_kernel": [10**9] * 7}, "conv_kernel must be a list"),
    "1000 convolutions": ({"conv_dim": [32] * 1000}, "conv_dim must be a list of 1 to 32"),
    "an activation": ({"hidden_act": "x"}, 'hidden_act must be "gelu"'),
    "another activation": (
        {"feat_extract_activation": ["gelu"]},
        "feat_extract_activation must be",
    ),
    "a norm": ({"feat_extract_norm": "batch"}, 'feat_extract_norm must be "group", "layer"'),
    "a switch as text": ({"do_stable_layer_norm": "false"}, "do_stable_layer_norm must be true"),
    "a switch as number": ({"conv_bias": 0}, "conv_bias must be true, false, not 0"),
    "a share of 2": ({"hidden_dropout": 2}, "hidden_dropout must be a number from 0 to 1"),
    "NaN": ({"attention_dropout": float("nan")}, "attention_dropout must be a number"),
    "an epsilon of 0": ({"layer_norm_eps": 0}, "layer_norm_eps must be a number"),
    "buckets as list": ({"num_buckets": []}, "num_buckets must be a whole number"),
    "another family": ({"model_type": "hubert"}, "is of family 'hubert', not 'wavlm'"),
    "no family": ({"model_type": None}, "is of family None"),
    "family as list": ({"model_type": []}, "is of family []"),
}


@pytest.mark.parametrize("case", BAD_CONFIG)
def test_config_json(copy: Path, case: str) -> None:
    entries, words = BAD_CONFIG[case]
    change(copy, CONFIG, **entries)
    refused(copy, words)


def refused(folder: Path, words: str) -> None:
    start = time.monotonic()
    with pytest.raises(SpoofscopeError) as caught:
        use(folder)
    assert time.monotonic() - start < 20
    message = str(caught.value)
    assert words in message
    assert str(folder) in message
    assert "\n" not in message


@pytest.mark.parametrize("name", [CONFIG, PREPROCESSOR])
@pytest.mark.parametrize(
    "content",
    ["", "5", "[]", "null", "{", '"x"', "\ufeff{}", "[" * 100_000, '{"a": ' * 100_000],
    ids=lambda content: content[:5] or "empty",
)
def test_files_that_are_no_settings(copy: Path, name: str, content: str) -> None:
    (copy / name).write_text(content)
    refused(copy, name)


@pytest.mark.parametrize("name", [CONFIG, PREPROCESSOR, WEIGHTS])
def test_missing_files(copy: Path, name: str) -> None:
    (copy / name).unlink()
    refused(copy, "safetensors" if name == WEIGHTS else name)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"sampling_rate": 0}, "sampling_rate must be a whole number from 1000"),
        ({"sampling_rate": -16000}, "sampling_rate must be"),
        ({"sampling_rate": "16000"}, "sampling_rate must be"),
        ({"sampling_rate": 16000.5}, "sampling_rate must be"),
        ({"sampling_rate": None}, "sampling_rate must be"),
        ({"sampling_rate": 10**12}, "sampling_rate must be"),
        ({"do_normalize": "false"}, "do_normalize must be true, false, not 'false'"),
        ({"do_normalize": 0}, "do_normalize must be true, false, not 0"),
        ({"do_normalize": None}, "do_normalize must be"),
    ],
)
def test_preprocessor(copy: Path, entries: dict[str, Any], words: str) -> None:
    change(copy, PREPROCESSOR, **entries)
    refused(copy, words)


CODE: dict[str, dict[str, Any]] = {
    "attention from the hub": {"_attn_implementation": "kernels-community/flash-attn3"},
    "attention, as new": {"attn_implementation": "kernels-community/flash-attn3"},
    "internal attention": {"_attn_implementation_internal": "x/y"},
    "quantization": {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
    "quantization by AWQ": {"quantization_config": {"quant_method": "awq"}},
    "own classes": {"auto_map": {"AutoConfig": "code.C", "AutoModel": "evil/repo--code.M"}},
    "trust": {"trust_remote_code": True},
    "another place": {"_name_or_path": "evil/repo"},
    "another class": {"architectures": ["Evil"]},
    "another dtype": {"dtype": "float16", "torch_dtype": "x"},
    "kernels": {"use_kernels": True, "compression_config": {}},
    "sub-models": {"base_model_pp_plan": 5, "base_model_tp_plan": {"*": "x"}},
    "outputs": {"output_hidden_states": "x", "return_dict": False, "output_attentions": True},
    "layer drop": {"layerdrop": 1.0, "apply_spec_augment": True, "mask_time_prob": 1.0},
}


@pytest.mark.parametrize("case", CODE)
def test_settings_that_could_fetch_code_do_nothing(
    original: Path, copy: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "code.py").write_text("raise SystemExit('code of the folder was run')")
    change(copy, CONFIG, **CODE[case])
    # What would be imported to fetch kernels from the hub, and to look there for models.
    monkeypatch.setitem(sys.modules, "kernels", None)
    assert torch.equal(use(copy), use(original))
    described = describe_backbone({"family": "wavlm", "folder": str(copy)})
    kept = read_architecture(copy, "wavlm")
    for key in CODE[case]:
        assert key not in kept
    assert described.config.layerdrop == 0.0
    assert not described.config.apply_spec_augment


def test_an_adapter_is_no_encoder(copy: Path) -> None:
    (copy / "adapter_config.json").write_text('{"base_model_name_or_path": "evil/repo"}')
    refused(copy, "is an adapter of another model")


BAD_WEIGHTS: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"no tensors" * 100_000),
    "a huge header": lambda path: path.write_bytes(b"\xff" * 200_000),
    "no metadata": lambda path: save_file({"x": torch.zeros(60_000)}, path),
    "another layer": lambda path: save_file(
        {key.replace("layers.0", "layers.7"): value for key, value in load_file(path).items()},
        path,
        {"format": "pt"},
    ),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
@pytest.mark.filterwarnings("ignore")
def test_weights(copy: Path, case: str) -> None:
    BAD_WEIGHTS[case](copy / WEIGHTS)
    refused(copy, "backbone")


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (5, "a mapping of settings is needed, not 5"),
        (None, "a mapping of settings is needed"),
        ([], "a mapping of settings is needed"),
        ({}, "is of family None"),
        ({"model_type": "wavlm", "hidden_size": "x"}, "hidden_size must be a whole number"),
        ({"model_type": "wavlm", "num_hidden_layers": 10**9}, "num_hidden_layers must be"),
        ({"model_type": "wavlm", "conv_dim": [32]}, "conv_kernel must be as long as conv_dim"),
    ],
)
def test_architectures_of_detectors(architecture: Any, words: str) -> None:
    source = {"family": "wavlm", "architecture": architecture}
    with pytest.raises(SpoofscopeError) as caught:
        load_backbone(source)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_an_architecture_keeps_rebuilds_the_encoder(original: Path) -> None:
    kept = read_architecture(original, "wavlm")
    rebuilt = load_backbone({"family": "wavlm", "architecture": kept}).state_dict()
    loaded = load_backbone({"family": "wavlm", "folder": str(original)}).state_dict()
    assert {key: value.shape for key, value in rebuilt.items()} == {
        key: value.shape for key, value in loaded.items()
    }
