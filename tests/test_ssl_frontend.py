"""The SSL front-end and its backbones, on tiny random encoders of every family and norm."""

import functools
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from folders import sha256_folder
from spoofscope.detector import Detector
from spoofscope.errors import AudioError, ConfigError, DetectorError
from spoofscope.frontends import registry
from spoofscope.frontends.backbones import (
    _CLASSES,
    _describe,
    _load,
    describe_backbone,
    fetch_backbone,
    keep_layers,
    load_backbone,
    write_tiny_backbone,
)
from spoofscope.frontends.backbones import (
    FAMILIES as ALL_FAMILIES,
)
from spoofscope.frontends.ssl import SSLFrontEnd
from spoofscope.offline import OFFLINE
from spoofscope.windows import InputPolicy

# The other one hears no waveforms, see test_w2v_bert.py.
FAMILIES = tuple(family for family in ALL_FAMILIES if family != "w2v_bert")
VARIANTS = [(family, norm) for family in FAMILIES for norm in ("group", "layer")]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    root = tmp_path_factory.mktemp("backbones")
    for family, norm in VARIANTS:
        write_tiny_backbone(root / family / norm, family, {"norm": norm, "layers": 4}, seed=1)
    return {(family, norm): root / family / norm for family, norm in VARIANTS}


Build = Callable[..., SSLFrontEnd]


@pytest.fixture
def build(folders: dict[tuple[str, str], Path]) -> Build:
    def make(family: str = "wavlm", norm: str = "group", **options: Any) -> SSLFrontEnd:
        backbone = {"family": family, "folder": str(folders[family, norm])}
        front_end = registry.build({"type": "ssl", "backbone": backbone, **options})
        assert isinstance(front_end, SSLFrontEnd)
        return front_end

    return make


def noise(rows: int, samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(rows, samples, generator=torch.Generator().manual_seed(3))


def test_the_last_state_alone(build: Build) -> None:
    x, lengths = noise(2, 8000), torch.tensor([8000, 6000])
    stack = build(n_layers=3).raw(x, lengths)
    last = build(n_layers=3, states="last")
    assert (last.n_channels, last.dim) == (1, stack.values.shape[-1])
    torch.testing.assert_close(last.raw(x, lengths).values, stack.values[:, -1:], rtol=0, atol=0)
    assert last.config["states"] == "last"
    tuned = build(n_layers=3, states="last", fine_tune="top", top_layers=1)
    assert tuned(x, lengths).values.shape == last.raw(x, lengths).values.shape


@pytest.mark.slow
@pytest.mark.parametrize(("family", "norm"), VARIANTS)
def test_deleting_upper_layers_changes_no_bit_of_the_others(
    build: Build, folders: dict[tuple[str, str], Path], family: str, norm: str
) -> None:
    x = noise(2, 8000)
    reference_class = {
        "hubert": transformers.HubertModel,
        "wav2vec2": transformers.Wav2Vec2Model,
        "wavlm": transformers.WavLMModel,
    }[family]
    reference = reference_class.from_pretrained(folders[family, norm]).eval()
    # torch chooses another matrix product, with other rounding, for weights that need a gradient.
    reference.requires_grad_(False)
    expected = torch.stack(reference(x, output_hidden_states=True).hidden_states, dim=1)
    assert expected.shape == (2, 5, 24, 48)
    lengths = torch.tensor([8000, 8000])
    for n_layers in (1, 2, 4, None):
        kept = n_layers or 4
        front_end = build(family, norm, n_layers=n_layers)
        assert len(front_end.model.encoder.layers) == kept
        values, frames = front_end(x, lengths)
        assert torch.equal(values, expected[:, : kept + 1])
        assert frames.tolist() == [24, 24]
        bare = build(family, norm, n_layers=n_layers, embedding=False)
        assert bare.n_channels == kept
        assert torch.equal(bare(x, lengths).values, expected[:, 1 : kept + 1])


@pytest.mark.parametrize("family", FAMILIES)
def test_final_norm_changes_the_last_state_alone(build: Build, family: str) -> None:
    x, lengths = noise(2, 8000), torch.tensor([8000, 5000])
    plain = build(family, "layer").raw(x, lengths).values
    front_end = build(family, "layer", final_norm=True)
    values = front_end.raw(x, lengths).values
    assert torch.equal(values[:, :-1], plain[:, :-1])
    assert torch.equal(values[:, -1], front_end.model.encoder.layer_norm(plain[:, -1]))
    reference = load_backbone(front_end.config["backbone"]).requires_grad_(False)
    assert torch.equal(front_end.raw(x[:1], lengths[:1]).values[:, -1], reference(x[:1])[0])
    with pytest.raises(ConfigError, match="pre-norm"):
        build(family, "group", final_norm=True)


@pytest.mark.parametrize(("family", "norm"), VARIANTS)
def test_a_clip_gives_the_same_alone_and_in_any_batch(build: Build, family: str, norm: str) -> None:
    front_end = build(family, norm)
    lengths = torch.tensor([4000, 9000, 400, 4000, 6543])
    x = noise(5, 9600)  # what lies beyond the lengths is noise, not zeros
    values, frames = front_end(x, lengths)
    assert values.shape == (5, 5, front_end.n_frames(9000), 48)
    assert frames.tolist() == [front_end.n_frames(n) for n in lengths.tolist()]
    for row, length in enumerate(lengths.tolist()):
        alone = front_end(x[row : row + 1, :length], lengths[row : row + 1]).values[0]
        assert alone.shape[1] == frames[row]
        torch.testing.assert_close(values[row, :, : frames[row]], alone, rtol=0, atol=1e-5)


def test_padding_would_leak_through_group_norm(build: Build) -> None:
    # The reason for running such models length by length; if this stops failing, a mask would do.
    model = build("wavlm", "group").model
    x = noise(1, 4000)
    padded = torch.nn.functional.pad(x, (0, 4000))
    mask = (torch.arange(8000) < 4000).long()[None]
    alone = model(x).last_hidden_state
    masked = model(padded, attention_mask=mask).last_hidden_state[:, : alone.shape[1]]
    assert (alone - masked).abs().max() > 1e-2


def test_frame_count_is_that_of_the_convolutions(build: Build) -> None:
    front_end = build()
    golden = {400: 1, 16000: 49, 64000: 199, 64600: 201, 160000: 499, 399: 0, 0: 0, 719: 1, 720: 2}
    assert {n: front_end.n_frames(n) for n in golden} == golden
    for n in (400, 719, 720, 1039, 1040, 5000):
        values = front_end(noise(1, n), torch.tensor([n])).values
        assert values.shape[2] == front_end.n_frames(n) == (n - 400) // 320 + 1
    assert front_end.hop_seconds == 0.02
    assert front_end.first_centre_seconds == 0.0125


def test_too_short_a_clip_is_refused(build: Build) -> None:
    with pytest.raises(AudioError, match="399 samples"):
        build()(noise(2, 500), torch.tensor([500, 399]))


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_frozen_backbone_ignores_train_mode(build: Build, norm: str) -> None:
    front_end = build("wavlm", norm)
    assert front_end.frozen
    x, lengths = noise(2, 4000), torch.tensor([4000, 4000])
    before = front_end(x, lengths).values
    torch.nn.Sequential(front_end).train()
    assert front_end.training
    assert not any(module.training for module in front_end.model.modules())
    after = front_end(x, lengths).values
    assert torch.equal(before, after)
    assert not after.requires_grad


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("family", FAMILIES)
def test_fine_tune_all_reaches_every_parameter(build: Build, family: str, norm: str) -> None:
    front_end = build(family, norm, fine_tune="all").train()
    assert not front_end.frozen
    assert front_end.model.encoder.training
    values = front_end(noise(2, 4000), torch.tensor([4000, 4000])).values
    assert values.shape[1] == 5  # LayerDrop would have shortened the stack
    (values * torch.randn(values.shape)).sum().backward()
    without = [n for n, p in front_end.named_parameters() if p.grad is None or not p.grad.any()]
    # A key bias shifts all logits of a query alike, so its gradient is rounding noise or 0.
    assert [name for name in without if "k_proj.bias" not in name] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_layer_drop_and_spec_augment_are_off_in_training(build: Build, family: str) -> None:
    front_end = build(family, "group", fine_tune="all")
    for module in front_end.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    x, lengths = noise(2, 16000), torch.tensor([16000, 16000])
    expected = front_end.eval()(x, lengths).values
    for _ in range(5):
        torch.testing.assert_close(front_end.train()(x, lengths).values, expected)


def test_fine_tune_top_trains_only_the_top(build: Build) -> None:
    front_end = build(fine_tune="top", top_layers=2, n_layers=3).train()
    layers = front_end.model.encoder.layers
    assert [layer.training for layer in layers] == [False, True, True]
    assert not front_end.model.feature_extractor.training
    assert not front_end.model.encoder.dropout.training
    values = front_end(noise(1, 4000), torch.tensor([4000])).values
    values.sum().backward()
    trained = {name for name, p in front_end.named_parameters() if p.requires_grad}
    assert trained == {
        name
        for name, _ in front_end.named_parameters()
        if name.startswith(("model.encoder.layers.1.", "model.encoder.layers.2."))
    }
    for name, parameter in front_end.named_parameters():
        assert (parameter.grad is not None) == (name in trained)
    front_end.eval()
    assert not any(module.training for module in front_end.modules())


@pytest.mark.parametrize(
    ("norm", "final_norm"), [("layer", True), ("layer", False), ("group", False)]
)
def test_fine_tune_top_trains_a_norm_that_is_above_it(
    build: Build, norm: str, final_norm: bool
) -> None:
    front_end = build("hubert", norm, fine_tune="top", top_layers=1, final_norm=final_norm)
    trained = {name for name, p in front_end.named_parameters() if p.requires_grad}
    assert ("model.encoder.layer_norm.weight" in trained) == final_norm
    values = front_end.train()(noise(1, 4000), torch.tensor([4000])).values
    (values * torch.randn(values.shape)).sum().backward()
    assert {name for name, p in front_end.named_parameters() if p.grad is not None} == trained


def test_freeze_and_unfreeze_follow_the_configuration(build: Build) -> None:
    front_end = build(fine_tune="top", top_layers=1).train()
    before = {name for name, p in front_end.named_parameters() if p.requires_grad}
    front_end.freeze()
    assert front_end.frozen
    assert not any(module.training for module in front_end.model.modules())
    front_end.unfreeze()
    assert {name for name, p in front_end.named_parameters() if p.requires_grad} == before
    assert front_end.model.encoder.layers[-1].training
    assert not front_end.model.encoder.layers[0].training


def test_gradients_with_respect_to_the_waveform_remain_possible(build: Build) -> None:
    x = noise(1, 4000).requires_grad_()
    build()(x, torch.tensor([4000])).values.square().sum().backward()
    assert x.grad is not None
    assert x.grad.any()


def test_normalisation_is_read_from_the_preprocessor(build: Build) -> None:
    assert build("wav2vec2", "layer").normalize is True
    assert build("wav2vec2", "group").normalize is False
    assert build("wav2vec2", "group").sample_rate == 16000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_layers": 5}, "the backbone has 4"),
        ({"n_layers": 0}, "at least 1"),
        ({"fine_tune": "top"}, "top_layers"),
        ({"fine_tune": "all", "top_layers": 1}, "top_layers"),
        ({"fine_tune": "top", "top_layers": 3, "n_layers": 2}, "only 2 layers"),
        ({"fine_tune": "some"}, "fine_tune"),
        ({"embedding": "yes"}, "embedding"),
        ({"nlayers": 2}, "did you mean 'n_layers'"),
    ],
)
def test_impossible_options_are_refused(
    build: Build, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**options)


def test_tiny_backbone_is_reproducible(tmp_path: Path) -> None:
    torch.manual_seed(0)
    write_tiny_backbone(tmp_path / "a", "wavlm", {}, seed=1)
    state = torch.get_rng_state()
    torch.manual_seed(99)
    write_tiny_backbone(tmp_path / "b", "wavlm", {}, seed=1)
    write_tiny_backbone(tmp_path / "c", "wavlm", {}, seed=2)
    assert sha256_folder(tmp_path / "a") == sha256_folder(tmp_path / "b")
    assert sha256_folder(tmp_path / "a") != sha256_folder(tmp_path / "c")
    torch.manual_seed(0)
    assert torch.equal(state, torch.get_rng_state())  # the global generator was left alone
    with pytest.raises(ConfigError, match="multiple of heads"):
        write_tiny_backbone(tmp_path / "d", "wavlm", {"hidden_size": 50}, seed=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c"]


@pytest.mark.parametrize(("family", "norm"), VARIANTS)
def test_a_linear_probe_on_a_tiny_backbone_learns_a_simple_task(
    build: Build, family: str, norm: str
) -> None:
    # Random features are weak, but they must tell a buzz from noise, at any level and pitch.
    generator = torch.Generator().manual_seed(8)
    time = torch.arange(8000) / 16000
    clips, labels = [], []
    for i in range(60):
        pitch, level = (1 + torch.rand(2, generator=generator)).tolist()
        buzz = torch.stack([torch.sin(2 * torch.pi * 100 * pitch * k * time) for k in range(1, 20)])
        hiss = torch.randn(8000, generator=generator)
        clip = hiss if i % 2 else buzz.mean(0) / buzz.mean(0).std() + 0.1 * hiss
        clips.append(0.05 * level * clip)
        labels.append(i % 2)
    front_end = build(family, norm)
    values = front_end(torch.stack(clips), torch.full((60,), 8000)).values.mean(dim=(1, 2))
    target = torch.tensor(labels).double() * 2 - 1
    train = torch.cat([values, torch.ones(60, 1)], dim=1).double()
    weights = torch.linalg.lstsq(
        train[:40].T @ train[:40] + 1e-4 * torch.eye(49), train[:40].T @ target[:40]
    ).solution
    assert ((train[40:] @ weights > 0) == (target[40:] > 0)).double().mean() >= 0.95


def test_fetching_a_tiny_backbone_writes_it(tmp_path: Path) -> None:
    write_tiny_backbone(tmp_path / "a", "hubert", {"layers": 2}, seed=4)
    fetch_backbone({"family": "hubert", "tiny": {"layers": 2}}, tmp_path / "b", seed=4)
    assert sha256_folder(tmp_path / "a") == sha256_folder(tmp_path / "b")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"family": "wavlm"}, "either hub and revision, or tiny"),
        ({"family": "wavlm", "hub": "a/b", "tiny": {}}, "either hub and revision, or tiny"),
        ({"family": "whisper", "tiny": {}}, "family"),
        ({"tiny": {}}, "family"),
        ({"family": "wavlm", "hub": "a/b"}, "full commit"),
        ({"family": "wavlm", "hub": "a/b", "revision": "main"}, "full commit"),
        ({"family": "wavlm", "tiny": {}, "revision": COMMIT}, "unknown key 'revision'"),
        ({"family": "wavlm", "tiny": {"layer": 3}}, "did you mean 'layers'"),
    ],
)
def test_ambiguous_sources_are_refused(entry: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        fetch_backbone(entry, tmp_path / "x", seed=1)
    assert not list(tmp_path.iterdir())


def test_offline_it_says_which_files_belong_where(
    folders: dict[tuple[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OFFLINE, "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    entry = {"family": "wavlm", "hub": "someone/wavlm", "revision": COMMIT}
    place = tmp_path / f"hub/models--someone--wavlm/snapshots/{COMMIT}"
    with pytest.raises(DetectorError, match="is set, so nothing is downloaded") as refused:
        fetch_backbone(entry, tmp_path / "made", 1)
    assert "fetch config.json, preprocessor_config.json and model.safetensors" in str(refused.value)
    assert str(refused.value).endswith(f"put them into {place}")
    # A folder without weights is not enough.
    place.mkdir(parents=True)
    with pytest.raises(DetectorError, match="is set, so nothing is downloaded"):
        fetch_backbone(entry, tmp_path / "made", 1)
    source = folders["wavlm", "group"]
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (place / name).write_bytes((source / name).read_bytes())
    fetch_backbone(entry, tmp_path / "made", 1)
    assert (tmp_path / "made/model.safetensors").is_file()


@pytest.fixture
def copy(folders: dict[tuple[str, str], Path], tmp_path: Path) -> Path:
    shutil.copytree(folders["wav2vec2", "group"], tmp_path / "copy")
    return tmp_path / "copy"


def load(folder: Path, family: str = "wav2vec2") -> None:
    load_backbone({"family": family, "folder": str(folder)})


def test_weights_that_do_not_fit_are_refused(copy: Path) -> None:
    load(copy)
    weights = load_file(copy / "model.safetensors")
    key = "encoder.layers.1.attention.q_proj.weight"

    save_file(
        {k: v for k, v in weights.items() if k != key}, copy / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(DetectorError, match=f"1 missing \\({key}"):
        load(copy)
    save_file(
        {**weights, "extra.weight": torch.zeros(2)}, copy / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(DetectorError, match=r"1 unexpected \(extra.weight"):
        load(copy)
    save_file({**weights, key: torch.zeros(3, 3)}, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(DetectorError, match=key):
        load(copy)
    (copy / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(DetectorError, match="cannot be loaded"):
        load(copy)


def test_another_family_is_refused(copy: Path) -> None:
    with pytest.raises(DetectorError, match="of family 'wav2vec2', not 'hubert'"):
        load(copy, "hubert")


def test_pickles_are_refused(copy: Path) -> None:
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(DetectorError, match="pickled weights are not read"):
        load(copy)


def test_missing_files_are_named(copy: Path) -> None:
    with pytest.raises(DetectorError, match="does not exist"):
        load(copy / "nowhere")
    (copy / "preprocessor_config.json").unlink()
    with pytest.raises(DetectorError, match="preprocessor_config"):
        load(copy)


@pytest.mark.parametrize("pickled", [False, True])
def test_hub_models_are_fetched_from_the_cache_without_network(
    folders: dict[tuple[str, str], Path],
    tmp_path: Path,
    pickled: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The cache layout of huggingface_hub, and what its offline switch amounts to.
    original = folders["hubert", "layer"]
    snapshot = tmp_path / "hub" / "models--lab--encoder" / "snapshots" / COMMIT
    shutil.copytree(original, snapshot)
    if pickled:
        torch.save(load_file(snapshot / "model.safetensors"), snapshot / "pytorch_model.bin")
        (snapshot / "model.safetensors").unlink()
    source = {"family": "hubert", "hub": "lab/encoder", "revision": COMMIT}
    cached = functools.partial(huggingface_hub.snapshot_download, cache_dir=tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    fetch_backbone(source, tmp_path / "got", seed=1)
    with pytest.raises(DetectorError, match=f"lab/encoder at {COMMIT[::-1]} cannot be fetched"):
        fetch_backbone({**source, "revision": COMMIT[::-1]}, tmp_path / "not", seed=1)
    assert not (tmp_path / "not").exists()
    got = load_backbone({"family": "hubert", "folder": str(tmp_path / "got"), **source})
    assert describe_backbone({"family": "hubert", "folder": str(tmp_path / "got")}).normalize
    expected = load_backbone({"family": "hubert", "folder": str(original)}).state_dict()
    for key, value in got.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_a_hub_model_that_arrived_damaged_is_refused(
    folders: dict[tuple[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache of the hub's client names files by their hashes, which it does not check."""
    cache = tmp_path / "hub/models--lab--encoder"
    (cache / "blobs").mkdir(parents=True)
    snapshot = cache / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for path in folders["hubert", "layer"].iterdir():
        content = path.read_bytes()
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        large = path.suffix == ".safetensors"
        name = hashlib.sha256(content).hexdigest() if large else git
        (cache / "blobs" / name).write_bytes(content)
        (snapshot / path.name).symlink_to(cache / "blobs" / name)
    monkeypatch.setenv(OFFLINE, "1")
    cached = functools.partial(huggingface_hub.snapshot_download, cache_dir=tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    entry = {"family": "hubert", "hub": "lab/encoder", "revision": COMMIT}
    fetch_backbone(entry, tmp_path / "got", 1)
    for name in ("model.safetensors", "config.json"):
        blob = (snapshot / name).resolve()
        content = bytearray(blob.read_bytes())
        content[len(content) // 2] ^= 1
        kept = blob.read_bytes()
        blob.write_bytes(content)
        with pytest.raises(DetectorError, match=f"{name} has the hash .* says {blob.name}; delete"):
            fetch_backbone(entry, tmp_path / "not", 1)
        blob.write_bytes(kept)
    assert not (tmp_path / "not").exists()


def test_a_pickle_that_runs_code_is_refused(copy: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    (copy / "model.safetensors").unlink()
    torch.save({"weight": Bomb()}, copy / "pytorch_model.bin")
    with pytest.raises(DetectorError, match="cannot be loaded"):
        _load(copy, "wav2vec2", _describe(copy, "wav2vec2", "the test's"), "the test's")
    assert not (tmp_path / "ran").exists()


def test_heads_of_pre_training_are_left_out(copy: Path) -> None:
    config = transformers.Wav2Vec2Config.from_pretrained(copy)
    encoder = transformers.Wav2Vec2Model.from_pretrained(copy)
    config.codevector_dim = config.proj_codevector_dim = 16
    config.num_codevectors_per_group = 8
    pre_training = transformers.Wav2Vec2ForPreTraining(config)
    pre_training.wav2vec2.load_state_dict(encoder.state_dict())
    pre_training.save_pretrained(copy)
    names = load_file(copy / "model.safetensors")
    assert any(name.startswith("quantizer.") for name in names)
    loaded = load_backbone({"family": "wav2vec2", "folder": str(copy)})
    expected = {k: v for k, v in encoder.state_dict().items() if k != "masked_spec_embed"}
    assert loaded.state_dict().keys() == expected.keys()
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, expected[key]), key


# What the configurations of the published large models have in common. Those of the base models are
# the defaults of transformers.
LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}


@pytest.mark.parametrize(
    ("family", "options", "expected", "kept"),
    [
        ("wav2vec2", {}, 94_371_712, 51_844_480),  # wav2vec2-base
        ("wav2vec2", {**LARGE, "conv_bias": True}, 315_438_720, 164_284_032),  # xls-r-300m
        ("hubert", {}, 94_371_712, 51_844_480),  # hubert-base-ls960
        ("hubert", {**LARGE, "conv_bias": True}, 315_438_720, 164_284_032),  # hubert-large-ll60k
        ("wavlm", {}, 94_381_936, 51_851_512),  # wavlm-base-plus
        ("wavlm", LARGE, 315_453_120, 164_292_000),  # wavlm-large
    ],
)
def test_published_sizes_whole_and_with_half_of_the_layers(
    family: str, options: dict[str, Any], expected: int, kept: int
) -> None:
    # No weights: the architecture alone. Nothing of the network needs them to be built.
    config_class, model_class = (getattr(transformers, name) for name in _CLASSES[family])
    with torch.device("meta"):
        model = model_class(config_class(**options))
    assert sum(p.numel() for p in model.parameters()) == expected
    keep_layers(model, len(model.encoder.layers) // 2)
    assert sum(p.numel() for p in model.parameters()) == kept


@pytest.mark.parametrize(
    ("norm", "options", "expected"),
    [
        ("layer", {}, True),
        ("group", {}, False),
        ("layer", {"normalize": False}, False),
        ("group", {"normalize": True}, True),
    ],
)
def test_the_detector_records_whether_clips_are_normalised(
    build: Build, tmp_path: Path, norm: str, options: dict[str, Any], expected: bool
) -> None:
    config = {"type": "ssl", **build("hubert", norm, **options).config}
    detector = Detector(config, {"type": "linear"}, InputPolicy(length=4000))
    detector.save(tmp_path / "detector")
    record = json.loads((tmp_path / "detector/detector.json").read_text())
    assert record["input"]["normalize"] is expected
    # What is recorded is what happens: the level counts for nothing only where it is normalised.
    loaded = Detector.load(tmp_path / "detector")
    clip = noise(1, 4000).numpy()[0]
    quiet, loud = (
        loaded.logits(list(loaded.policy.windows(clip * level).values), batch_size=1)
        for level in (0.003, 1.0)
    )
    assert (abs(loud - quiet).max() < 1e-3) == expected


def test_config_rebuilds_the_front_end(build: Build) -> None:
    first = build("hubert", "layer", n_layers=2)
    again = registry.build({"type": "ssl", **json.loads(json.dumps(first.config))})
    x, lengths = noise(1, 2000), torch.tensor([2000])
    assert torch.equal(first(x, lengths).values, again(x, lengths).values)


def test_a_frozen_backbone_is_loaded_when_it_is_first_used(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[object] = []

    def counted(source: Any) -> Any:
        loads.append(source)
        return load_backbone(source)

    monkeypatch.setattr("spoofscope.frontends.ssl.load_backbone", counted)
    front_end = build("wavlm", "group", n_layers=2)
    assert (front_end.n_channels, front_end.n_frames(16000)) == (3, 49)
    assert front_end.state_dict() == {}
    assert loads == []
    front_end(noise(1, 4000), torch.tensor([4000]))
    front_end(noise(1, 4000), torch.tensor([4000]))
    assert len(loads) == 1
