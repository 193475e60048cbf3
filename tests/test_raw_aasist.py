"""The raw-waveform AASIST and its sinc filter bank, held to the released networks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import published_networks as released
from noise_and_tones import write_corpus
from spoofscope.backends import registry as backends
from spoofscope.backends.raw_aasist import RawAASIST
from spoofscope.detector import Detector
from spoofscope.errors import AudioError, ConfigError
from spoofscope.frontends import registry as frontends
from spoofscope.objectives.detection import Detection
from spoofscope.plan.study_plan import checked
from spoofscope.training.data import Source
from spoofscope.training.loop import TrainingJob, train
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy

WIDTHS = {"full": 64, "light": 24}


def build(**options: Any) -> RawAASIST:
    config = {"type": "raw_aasist", **options}
    back_end = backends.build(config, n_channels=1, dim=23, n_frames=None)
    assert isinstance(back_end, RawAASIST)
    return back_end


def noise(rows: int, samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(rows, samples, generator=torch.Generator().manual_seed(3))


def test_the_filter_bank_is_the_published_one_bit_for_bit() -> None:
    front_end = frontends.build({"type": "raw"})
    assert torch.equal(front_end.filters[:, 0], released.sinc_filters())
    assert not list(front_end.parameters())
    assert not front_end.state_dict()
    assert front_end.frozen


def test_a_filter_passes_its_band_alone() -> None:
    front_end = frontends.build({"type": "raw"})
    time = torch.arange(4000) / 16000
    tones = torch.stack([torch.sin(2 * torch.pi * f * time) for f in (200.0, 1000.0, 6000.0)])
    bands = front_end(tones, torch.full((3,), 4000)).values.amax(dim=2)[:, 0]
    top = 2595 * np.log10(1 + 8000 / 700)
    expected = [2595 * np.log10(1 + f / 700) / top * 70 // 3 for f in (200.0, 1000.0, 6000.0)]
    assert bands.argmax(dim=1).tolist() == expected


def test_frames_are_where_the_front_end_says() -> None:
    front_end = frontends.build({"type": "raw"})
    assert front_end.n_frames(64600) == 21490
    assert front_end.n_frames(131) == 1
    assert front_end.n_frames(130) == 0
    click = torch.zeros(1, 1000)
    click[0, 500] = 1.0
    values = front_end(click, torch.tensor([1000])).values[0, 0].sum(dim=1)
    centres = front_end.first_centre_seconds + front_end.hop_seconds * torch.arange(len(values))
    centre_of_mass = float((values * centres).sum() / values.sum())
    assert centre_of_mass == pytest.approx(500.5 / 16000, abs=1.5 / 16000)


def test_features_do_not_depend_on_padding() -> None:
    front_end = frontends.build({"type": "raw"})
    waveform, lengths = noise(2, 3000), torch.tensor([3000, 1000])
    together = front_end(waveform, lengths)
    assert together.lengths.tolist() == [957, 290]
    alone = front_end(waveform[1:, :1000], lengths[1:]).values
    torch.testing.assert_close(together.values[1:, :, :290], alone, rtol=0, atol=1e-6)
    with pytest.raises(AudioError, match="100 samples"):
        front_end(waveform, torch.tensor([3000, 100]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "size", "untrained", "pooled", "final"),
    [("full", 297_866, 512, (11, 20), (5, 10)), ("light", 85_306, 272, (9, 14), (6, 9))],
)
def test_published_sizes_and_shapes(
    variant: str, size: int, untrained: int, pooled: tuple[int, int], final: tuple[int, int]
) -> None:
    back_end = build(variant=variant).eval()
    parameters = list(back_end.parameters())
    assert sum(p.numel() for p in parameters) == size
    assert sum(p.numel() for p in parameters if not p.requires_grad) == untrained
    assert len(back_end.state_dict()) == 229
    seen: dict[str, tuple[int, ...]] = {}

    def watch(name: str, module: torch.nn.Module) -> None:
        module.register_forward_hook(
            lambda _m, _i, out: seen.__setitem__(name, tuple(out.shape[1:]))
        )

    for i, block in enumerate(back_end.encoder):
        watch(f"block {i}", block)
    watch("spectral", back_end.graph_spectral)
    watch("temporal", back_end.graph_temporal)
    watch("spectral pooled", back_end.pool_spectral)
    watch("temporal pooled", back_end.pool_temporal)
    watch("spectral final", back_end.stacks[0].pool_spectral)
    watch("temporal final", back_end.stacks[1].pool_temporal)
    watch("readout", back_end.dropout)
    features = frontends.build({"type": "raw"})(noise(1, 64600), torch.tensor([64600]))
    assert features.values.shape == (1, 1, 21490, 23)
    with torch.no_grad():
        assert back_end(*features).shape == (1, 2)
    width = WIDTHS[variant]
    frames = (7163, 2387, 795, 265, 88, 29)
    channels = (32, 32, width, width, width, width)
    assert seen == {
        **{f"block {i}": (channels[i], 23, frames[i]) for i in range(6)},
        "spectral": (23, width),
        "temporal": (29, width),
        "spectral pooled": (pooled[0], width),
        "temporal pooled": (pooled[1], width),
        "spectral final": (final[0], 32),
        "temporal final": (final[1], 32),
        "readout": (160,),
    }


@pytest.mark.parametrize("variant", ["full", "light"])
def test_logits_depend_neither_on_padding_nor_on_batch_mates(variant: str) -> None:
    back_end = build(variant=variant).eval()
    lengths = torch.tensor([729, 1500, 729])
    values = noise(3, 1600 * 23).view(3, 1, 1600, 23)
    with torch.no_grad():
        together = back_end(values, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = back_end(values[row : row + 1, :, :length], lengths[row : row + 1])
            torch.testing.assert_close(together[row], alone[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("residual", ["as_published", "preactivated"])
def test_every_trained_parameter_gets_a_gradient(residual: str) -> None:
    back_end = build(variant="light", residual=residual).train()
    back_end(noise(2, 1500 * 23).view(2, 1, 1500, 23), torch.tensor([1500, 1500])).sum().backward()
    for name, parameter in back_end.named_parameters():
        frozen = residual == "as_published" and ".norm1." in name
        assert parameter.requires_grad != frozen, name
        assert (parameter.grad is None) == frozen, name


def test_too_short_clips_and_impossible_options_are_refused() -> None:
    with pytest.raises(AudioError, match="2315 samples"):
        build()(torch.zeros(1, 1, 800, 23), torch.tensor([728]))
    assert frontends.build({"type": "raw"}).n_frames(2315) == 729
    with pytest.raises(ConfigError, match="one channel"):
        backends.build({"type": "raw_aasist"}, n_channels=2, dim=23, n_frames=None)
    with pytest.raises(ConfigError, match="at least 729 frames"):
        backends.build({"type": "raw_aasist"}, n_channels=1, dim=23, n_frames=600)
    with pytest.raises(ConfigError, match="variant must be one of 'full', 'light'"):
        build(variant="large")


@pytest.mark.slow
def test_training_teaches_it_noise_from_tones(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path / "corpus", {"train": 16, "dev": 12}, samples=(2800, 3000))
    job = TrainingJob(
        objective=Detection,
        frontend={"type": "raw"},
        backend={"type": "raw_aasist", "variant": "light"},
        policy=InputPolicy(length=3000),
        recipe=resolve_recipe({"epochs": 3, "lr": 1e-3, "batch_size": 4}),
        train=[Source(manifest, "train")],
        dev=[Source(manifest, "dev")],
        seed=1,
    )
    train(job, tmp_path / "detector", tmp_path / "work")
    detector = Detector.load(tmp_path / "detector")
    assert detector.meta["dev_eer"] < 0.35
    assert detector.calibration is not None


def test_a_study_trains_it_without_caching_its_features() -> None:
    study = checked(
        {
            "study": "raw",
            "title": "Raw waveforms",
            "seed": 1,
            "data_root": "resources",
            "scatter_shards": {},
            "corpora": {"mini": {"type": "mini"}},
            "frontends": {"raw": {"type": "raw"}, "lfcc": {"type": "lfcc"}},
            "detectors": {
                "aasist_l": {
                    "frontend": "raw",
                    "backend": {"type": "raw_aasist", "variant": "light"},
                    "train": {"data": [{"corpus": "mini"}]},
                },
                "lfcc_lcnn": {
                    "frontend": "lfcc",
                    "backend": {"type": "lcnn"},
                    "train": {"data": [{"corpus": "mini"}]},
                },
            },
            "score": [{"corpus": "mini", "splits": ["dev"]}],
        }
    )
    assert not study.is_cached(study.run_of("aasist_l").id)
    assert study.is_cached(study.run_of("lfcc_lcnn").id)
