"""w2v-BERT 2.0 as a backbone: transformers' own model and feature extractor are the oracle."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from folders import sha256_folder
from spoofscope.errors import AudioError, ConfigError, DetectorError
from spoofscope.frontends import registry
from spoofscope.frontends.backbones import read_architecture, write_tiny_backbone
from spoofscope.frontends.mel_frames import paired_mel_frames
from spoofscope.frontends.ssl import SSLFrontEnd

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("backbone") / "tiny"
    write_tiny_backbone(place, "w2v_bert", {"layers": 4}, seed=1)
    return place


def build(folder: Path, **options: Any) -> SSLFrontEnd:
    backbone = {"family": "w2v_bert", "folder": str(folder)}
    front_end = registry.build({"type": "ssl", "backbone": backbone, **options})
    assert isinstance(front_end, SSLFrontEnd)
    return front_end


def noise(rows: int, samples: int) -> torch.Tensor:
    x = 0.1 * torch.randn(rows, samples, generator=torch.Generator().manual_seed(3))
    return torch.cumsum(x, dim=1) * 0.05 + x


def extracted(folder: Path, x: torch.Tensor) -> Any:
    extractor = transformers.SeamlessM4TFeatureExtractor.from_pretrained(folder)
    return extractor(x.numpy(), sampling_rate=16000, return_tensors="pt")


@pytest.mark.parametrize("samples", [560, 719, 720, 8000, 8160, 8161])
def test_mel_frames_are_those_of_the_feature_extractor(folder: Path, samples: int) -> None:
    x = noise(1, samples)
    oracle = extracted(folder, x[0])
    frames = int(oracle.attention_mask.sum())
    inputs = paired_mel_frames(x, torch.tensor([samples]), 16000)
    assert inputs.shape == (1, frames, 160)
    assert frames == build(folder).n_frames(samples)
    expected = oracle.input_features[:, :frames]
    # Rounding grows where a band of a short clip hardly varies.
    torch.testing.assert_close(inputs, expected, atol=5e-3 if samples >= 8000 else 5e-2, rtol=0)
    assert (inputs - expected).abs().mean() < 1e-3


def test_states_are_those_of_transformers(folder: Path) -> None:
    x = noise(1, 8161)
    oracle = extracted(folder, x[0])
    model = transformers.Wav2Vec2BertModel.from_pretrained(folder).eval().requires_grad_(False)
    states = model(**oracle, output_hidden_states=True).hidden_states
    frames = int(oracle.attention_mask.sum())
    expected = torch.stack(states, dim=1)[:, :, :frames]
    assert expected.shape == (1, 5, 24, 48)
    values, lengths = build(folder)(x, torch.tensor([8161]))
    assert lengths.tolist() == [24]
    torch.testing.assert_close(values, expected, atol=5e-3, rtol=0)
    # TADA's layer: hidden state 4, after the fourth layer; deleting others changes no bit.
    front_end = build(folder, n_layers=3, embedding=False)
    assert len(front_end.model.encoder.layers) == front_end.n_channels == 3
    assert torch.equal(front_end(x, torch.tensor([8161])).values, values[:, 1:4])


def test_a_clip_gives_the_same_alone_and_in_any_batch(folder: Path) -> None:
    front_end = build(folder)
    lengths = torch.tensor([4000, 9000, 560, 6543])
    x = noise(4, 9600)  # what lies beyond the lengths is noise, not zeros
    values, frames = front_end(x, lengths)
    assert frames.tolist() == [front_end.n_frames(n) for n in lengths.tolist()]
    for row, length in enumerate(lengths.tolist()):
        alone = front_end(x[row : row + 1, :length], lengths[row : row + 1]).values[0]
        assert alone.shape[1] == frames[row]
        torch.testing.assert_close(values[row, :, : frames[row]], alone, rtol=0, atol=1e-5)


def test_fifty_frames_a_second_of_35_milliseconds(folder: Path) -> None:
    front_end = build(folder)
    assert front_end.hop_seconds == 0.02
    assert front_end.first_centre_seconds == 0.0175
    assert [front_end.n_frames(n) for n in (0, 559, 560, 879, 880, 64000)] == [0, 0, 1, 1, 2, 199]
    with pytest.raises(AudioError, match=r"559 samples .* needs 560"):
        front_end(noise(1, 600), torch.tensor([559]))
    # The level is none of what it hears, so clips are not normalised.
    assert not front_end.normalize


@pytest.mark.parametrize("tuned", [{"fine_tune": "all"}, {"fine_tune": "top", "top_layers": 1}])
def test_it_is_trained_as_asked(folder: Path, tuned: dict[str, Any]) -> None:
    front_end = build(folder, **tuned).train()
    x = noise(2, 4000).requires_grad_()
    values = front_end(x, torch.tensor([4000, 3500])).values
    assert values.shape[1] == 5
    (values * torch.randn(values.shape)).sum().backward()
    trained = {name for name, p in front_end.named_parameters() if p.requires_grad}
    top = {name for name, _ in front_end.named_parameters() if ".layers.3." in name}
    assert trained == (top if "top_layers" in tuned else set(dict(front_end.named_parameters())))
    assert front_end.model.feature_projection.training == (tuned["fine_tune"] == "all")
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_what_is_no_w2v_bert_is_refused(folder: Path, tmp_path: Path) -> None:
    for key, value in (("conv_dim", 16), ("norm", "layer")):
        with pytest.raises(ConfigError, match=f"{key} is of convolutions over the waveform"):
            write_tiny_backbone(tmp_path / "x", "w2v_bert", {key: value}, seed=1)
    with pytest.raises(DetectorError, match="is of family 'wav2vec2-bert', not 'wavlm'"):
        registry.build({"type": "ssl", "backbone": {"family": "wavlm", "folder": str(folder)}})
    with pytest.raises(ConfigError, match="final_norm is for pre-norm backbones"):
        build(folder, final_norm=True)
    write_tiny_backbone(tmp_path / "other", "w2v_bert", {"layers": 4}, seed=1)
    assert sha256_folder(tmp_path / "other") == sha256_folder(folder)
    for name, key, value in (
        ("config.json", "feature_projection_input_dim", 80),
        ("preprocessor_config.json", "stride", 1),
    ):
        write_tiny_backbone(tmp_path / name, "w2v_bert", {"layers": 1}, seed=1)
        file = tmp_path / name / name
        file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
        with pytest.raises(DetectorError, match=f"{key} must be"):
            build(tmp_path / name)


def test_a_detector_may_bring_all_weights(folder: Path) -> None:
    architecture = read_architecture(folder, "w2v_bert")
    assert architecture["model_type"] == "wav2vec2-bert"
    backbone = {"family": "w2v_bert", "architecture": architecture}
    front_end = registry.build({"type": "ssl", "backbone": backbone, "fine_tune": "all"})
    assert front_end(noise(1, 4000), torch.tensor([4000])).values.shape == (1, 5, 11, 48)
