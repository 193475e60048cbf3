"""Published weights become detectors whose logits are those of the released networks."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from numpy.typing import NDArray

import published_networks as released
from spoofscope import audio, cli, tables
from spoofscope.attribution.explain import explain
from spoofscope.attribution.integrated import integrated_gradients, score_function
from spoofscope.baselines import window_features
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.files import sha256_file
from spoofscope.frontends import registry as frontends
from spoofscope.frontends.backbones import read_architecture, write_tiny_backbone
from spoofscope.fusion import apply_to_trials, fit_on_trials
from spoofscope.options.attribution import ExplainOptions
from spoofscope.published import aasist, ganpolice_dcnn
from spoofscope.published.importing import import_detector
from spoofscope.scoring import score_shard

WIDTHS = {"clovaai-aasist": 64, "clovaai-aasist-l": 24, "asvspoof5-aasist": 64}


# What the release of the DCNN does not say: mean and standard deviation, here rounded guesses.
DCNN = {"stft": (-7.96, 4.74), "sym5": (-13.06, 4.82), "coif4": (-13.53, 4.88)}


def clip(samples: int, seed: int = 1, rate: int = 16000) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).standard_normal(samples)
    time = np.arange(samples) / rate
    return (0.05 * noise + 0.2 * np.sin(2 * np.pi * 300 * time)).astype(np.float32)


def dcnn_arguments(which: str) -> list[str]:
    """What the command line is told besides format, file and folder."""
    front_end = ["--stft"] if which == "stft" else ["--wavelet", which]
    mean, std = DCNN[which]
    return [*front_end, "--mean", str(mean), "--std", str(std)]


def save(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random state dict of every raw format, under the released names."""
    root = tmp_path_factory.mktemp("weights")
    return {
        name: save(root / f"{name}.pth", released.random_state(released.raw_shapes(width), seed))
        for seed, (name, width) in enumerate(WIDTHS.items())
    }


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random checkpoint of every DCNN, as the release has them."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {
        which: save(
            root / f"{which}.pt", released.dcnn_checkpoint(released.dcnn_state(which, seed))
        )
        for seed, which in enumerate(DCNN)
    }


@pytest.fixture(scope="module")
def dcnns(
    checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Their detector folders."""
    root = tmp_path_factory.mktemp("dcnns")
    for which, file in checkpoints.items():
        arguments = ["import", "ganpolice-dcnn", str(file), str(root / which)]
        assert cli.main([*arguments, *dcnn_arguments(which)]) == 0
    return {which: root / which for which in checkpoints}


@pytest.fixture(scope="module")
def light(weights: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An imported detector folder."""
    folder = tmp_path_factory.mktemp("detectors") / "aasist_l"
    import_detector("clovaai-aasist-l", weights["clovaai-aasist-l"], folder)
    return folder


@pytest.fixture(scope="module")
def brief(light: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but for windows of 0.25 s, which cost less than 4 s."""
    detector = Detector.load(light)
    detector.policy = replace(detector.policy, length=4000)
    folder = tmp_path_factory.mktemp("brief") / "aasist_l"
    detector.save(folder)
    return folder


# --- the networks ----------------------------------------------------------------------------


def test_the_layout_is_the_released_one() -> None:
    for width, size in ((64, 297_866), (24, 85_306)):
        state = released.random_state(released.raw_shapes(width), 0)
        assert len(state) == 229
        statistics = ("running_mean", "running_var", "num_batches_tracked")
        assert size == sum(v.numel() for k, v in state.items() if not k.endswith(statistics))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "samples"),
    [("clovaai-aasist", 18000), ("clovaai-aasist-l", 18000), ("asvspoof5-aasist", 2400)],
)
def test_logits_equal_the_released_forward_pass_in_double_precision(
    name: str, samples: int, weights: dict[str, Path]
) -> None:
    state = torch.load(weights[name], weights_only=True)
    detector = aasist.untrained(name, {})
    names = {ours: aasist.published_name(ours) for ours in detector.stored_state()}
    assert sorted(names.values()) == sorted(state)
    detector.load_stored_state({ours: state[theirs] for ours, theirs in names.items()}, "test")
    detector = detector.double().eval()
    x = clip(samples)
    with torch.no_grad():
        logits = detector(torch.from_numpy(x)[None].double(), torch.tensor([samples]))[0].numpy()
    np.testing.assert_allclose(logits, released.raw_logits(state, x), rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "samples"), [("clovaai-aasist", 70000), ("clovaai-aasist-l", 25000)]
)
def test_predict_gives_the_published_logits_of_long_and_short_files(
    name: str, samples: int, weights: dict[str, Path], tmp_path: Path
) -> None:
    audio.write(tmp_path / "clip.wav", clip(samples), 16000)
    assert cli.main(["import", name, str(weights[name]), str(tmp_path / "detector")]) == 0
    judged = Detector.load(tmp_path / "detector").predict(tmp_path / "clip.wav")
    heard, _ = audio.read(tmp_path / "clip.wav")
    state = torch.load(weights[name], weights_only=True)
    expected = released.raw_logits(state, released.first_64600(heard))
    np.testing.assert_allclose(judged["logits"], expected, rtol=0, atol=5e-5)
    assert judged["n_windows"] == 1
    assert judged["score"] == pytest.approx(expected[1] - expected[0], abs=1e-4)
    assert judged["decision"] == "inconclusive"  # nothing is calibrated


# --- the detector ----------------------------------------------------------------------------


def test_the_folder_says_where_it_comes_from(light: Path, weights: dict[str, Path]) -> None:
    settings = json.loads((light / "detector.json").read_text())
    source = weights["clovaai-aasist-l"]
    assert settings["meta"]["imported"] == {
        "format": "clovaai-aasist-l",
        "file": source.name,
        "sha256": sha256_file(source),
    }
    assert settings["outputs"] == ["spoof", "bonafide"]
    assert settings["input"]["length"] == 64600
    assert settings["input"]["long"] == "crop"
    assert sha256_file(source) in (light / "card.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "samples", "rate", "n_frames"),
    [
        ("aasist_l", 3500, 16000, 1124),
        ("stft", 29000, 24000, 101),
        ("coif4", 99000, 48000, 218),
    ],
)
def test_an_imported_detector_is_scored_explained_and_fused(
    name: str,
    samples: int,
    rate: int,
    n_frames: int,
    brief: Path,
    dcnns: dict[str, Path],
    tmp_path: Path,
) -> None:
    folder = {"aasist_l": brief, **dcnns}[name]
    rows = []
    for i, label in enumerate(("bonafide", "spoof")):
        path = tmp_path / f"u{i}.wav"
        audio.write(path, clip(samples, i, rate), rate)
        attack = "-" if label == "bonafide" else "A1"
        rows.append((f"u{i}", str(path), "dev", label, attack, f"s{i}", samples / rate, rate))
    manifest = pl.DataFrame(rows, tables.MANIFEST_COLUMNS, orient="row")
    score_shard(folder, manifest, tmp_path / "scores.tsv", tmp_path / "work")
    scores = tables.read_scores(tmp_path / "scores.tsv")
    detector = Detector.load(folder)
    expected = [detector.predict(tmp_path / f"u{i}.wav")["score"] for i in range(2)]
    assert scores["score"].to_list() == pytest.approx(expected, abs=1e-4)

    options = ExplainOptions(
        baseline="zeros", steps=2, max_steps=2, block_seconds=0.1, controls=1, randomised=0
    )
    sample = pl.lit("per_attack").alias("chosen_by")
    explained = manifest.join(scores, on="utt_id").with_columns(sample)[:1]
    summary = tmp_path / "summary.tsv"
    explain(
        detector,
        explained,
        tmp_path / "maps.safetensors",
        tmp_path / "regions.tsv",
        summary,
        options,
        seed=1,
    )
    (row,) = pl.read_csv(summary, separator="\t").to_dicts()
    assert row["score"] == pytest.approx(explained["score"][0], abs=2e-4)
    assert row["n_frames"] == pytest.approx(n_frames, abs=50)

    systems = {"imported": scores, "other": scores.with_columns(score=pl.Series([2.0, -1.0]))}
    model = fit_on_trials(systems, manifest, "mean")
    fused = apply_to_trials(model, systems, manifest, manifest)
    assert fused["utt_id"].to_list() == ["u0", "u1"]


def test_integrated_gradients_reach_the_bands_that_are_heard(light: Path) -> None:
    detector = Detector.load(light)
    features = window_features(detector, [clip(3000)])[0]
    function = score_function(detector, "bonafide")
    found = integrated_gradients(
        function, [features], [torch.zeros_like(features)], steps=8, max_steps=8
    )[0]
    assert found.values.shape == (1, 957, 23)
    assert bool(found.values.any(dim=1).all())  # every band


# --- refusals --------------------------------------------------------------------------------


def test_weights_of_another_layout_are_refused_with_all_that_is_wrong(
    weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "detector"
    source = weights["clovaai-aasist-l"]
    assert cli.main(["import", "clovaai-aasist", str(source), str(out)]) == 2
    message = capsys.readouterr().err
    assert "does not fit the format clovaai-aasist" in message
    assert "pos_S: 1 x 23 x 24 instead of 1 x 23 x 64" in message
    assert "more" in message
    assert not out.exists()

    state = torch.load(weights["clovaai-aasist"], weights_only=True)
    del state["pool_hT2.proj.bias"], state["encoder.3.0.bn1.running_var"]
    state["LL.weight"] = torch.zeros(1)
    state["encoder.0.0.bn2.num_batches_tracked"] = torch.zeros(2)
    broken = save(tmp_path / "broken.pth", state)
    with pytest.raises(DetectorError) as refusal:
        import_detector("clovaai-aasist", broken, out)
    assert str(refusal.value).partition(": ")[2] == (
        "2 missing (encoder.3.0.bn1.running_var, pool_hT2.proj.bias); 1 unexpected (LL.weight); "
        "1 of another shape (encoder.0.0.bn2.num_batches_tracked: 2 instead of a single number)"
    )
    strange = save(tmp_path / "strange.pth", {f"layer{i:02}": torch.zeros(1) for i in range(25)})
    with pytest.raises(
        DetectorError, match=r"229 missing .* and 209 more\); 25 unexpected"
    ) as refusal:
        import_detector("clovaai-aasist", strange, out)
    assert "layer19 and 5 more" in str(refusal.value)
    assert sorted(tmp_path.iterdir()) == [broken, strange]


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("executed",))


def test_files_that_are_no_state_dict_are_refused(
    weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(weights["clovaai-aasist-l"], weights_only=True)
    whole = weights["clovaai-aasist-l"].read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.pth").write_text("not weights")
    torch.save({"weights": Hostile()}, tmp_path / "hostile.pth")
    save(tmp_path / "wrapped.pth", {"model": state, "epoch": 3})
    save(tmp_path / "nan.pth", {**state, "master1": torch.full((1, 1, 24), torch.nan)})
    for name, reason in (
        ("absent", "no such file"),
        ("cut", "damaged"),
        ("empty", "damaged"),
        ("text", "damaged"),
        ("hostile", "no file of plain tensors"),
        ("wrapped", "save the bare state dict"),
        ("nan", "NaN or infinite values in master1"),
    ):
        with pytest.raises(DetectorError, match=reason):
            import_detector("clovaai-aasist-l", tmp_path / f"{name}.pth", tmp_path / "detector")
    assert not (tmp_path / "detector").exists()
    assert "executed" not in capsys.readouterr().out


def test_only_detectors_are_overwritten(
    light: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(DetectorError, match=r"thesis\.tex"):
        import_detector("asvspoof5-aasist", weights["asvspoof5-aasist"], mine)
    assert [path.name for path in mine.iterdir()] == ["thesis.tex"]

    folder = shutil.copytree(light, tmp_path / "detector")
    state = torch.load(weights["asvspoof5-aasist"], weights_only=True)
    parallel = save(tmp_path / "parallel.pth", {f"module.{k}": v for k, v in state.items()})
    import_detector("asvspoof5-aasist", parallel, folder)
    assert Detector.load(folder).meta["imported"]["format"] == "asvspoof5-aasist"


def test_a_backbone_goes_with_the_formats_that_have_one(
    weights: dict[str, Path], tmp_path: Path
) -> None:
    source = weights["clovaai-aasist"]
    with pytest.raises(DetectorError, match="leave out --backbone"):
        import_detector("clovaai-aasist", source, tmp_path / "x", backbone=tmp_path)
    with pytest.raises(DetectorError, match="needs the folder of a backbone"):
        import_detector("ssl-aasist", source, tmp_path / "x")
    with pytest.raises(DetectorError, match="did you mean 'clovaai-aasist'"):
        import_detector("clovaai_aasist", source, tmp_path / "x")


# --- DCNN ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "n_frames", "parameters"),
    [("stft", 101, 239_015), ("sym5", 95, 239_015), ("coif4", 109, 241_099)],
)
def test_dcnn_logits_equal_the_released_forward_pass_in_double_precision(
    which: str, n_frames: int, parameters: int, dcnns: dict[str, Path]
) -> None:
    state = released.dcnn_state(which, list(DCNN).index(which))
    assert len(state) == 59
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert parameters == sum(v.numel() for k, v in state.items() if not k.endswith(statistics))
    detector = Detector.load(dcnns[which]).double()
    assert parameters == sum(parameter.numel() for parameter in detector.parameters())
    second = clip(22050, rate=22050)
    mean, std = (float(np.float32(value)) for value in DCNN[which])
    image = (released.dcnn_image(second, which) - mean) / std
    assert image.shape == (n_frames, 256)
    with torch.no_grad():
        logits = detector(torch.from_numpy(second)[None].double(), torch.tensor([22050]))[0]
    expected = released.dcnn_logits(state, which, image)
    np.testing.assert_allclose(logits.numpy(), expected, rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("which", "atol"), [("stft", 1e-4), ("sym5", 1e-3), ("coif4", 1e-3)])
@pytest.mark.parametrize("rate", [22050, 48000])
def test_predict_gives_the_published_logits_of_every_second(
    which: str,
    atol: float,
    rate: int,
    dcnns: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "clip.wav"
    loud = np.hanning(2 * rate + 2 * rate // 3)
    audio.write(file, loud * clip(loud.size, rate=rate), rate)
    assert cli.main(["predict", "--json", "--detector", str(dcnns[which]), str(file)]) == 0
    (judged,) = json.loads(capsys.readouterr().out)
    heard, _ = audio.read(file)
    state = released.dcnn_state(which, list(DCNN).index(which))
    mean, std = DCNN[which]
    expected = np.array(
        [
            released.dcnn_logits(state, which, (released.dcnn_image(window, which) - mean) / std)
            for window in released.dcnn_windows(heard, rate)
        ]
    )
    assert expected.shape == (2, 2)
    np.testing.assert_allclose(judged["window_logits"], expected, rtol=0, atol=atol)
    assert np.ptp(expected, axis=0).max() > 30 * atol
    assert judged["window_starts_s"] == [0.0, 1.0]
    assert judged["duration_s"] == pytest.approx(heard.size / rate, abs=1e-4)
    # Index 0 is real, so its surplus is the score.
    assert judged["score"] == pytest.approx(np.mean(expected[:, 0] - expected[:, 1]), abs=2 * atol)


def test_recordings_that_the_dcnn_cannot_judge_are_errors_of_their_own(
    dcnns: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("brief.wav", "good.wav", "coarse.wav")]
    for file, samples, rate in zip(
        files, (23999, 24000, 32000), (24000, 24000, 16000), strict=True
    ):
        audio.write(file, clip(samples, rate=rate), rate)
    assert cli.main(["predict", "--json", "--detector", str(dcnns["stft"]), *map(str, files)]) == 1
    brief, good, coarse = json.loads(capsys.readouterr().out)
    assert brief == {
        "path": str(files[0]),
        "error": "the recording is too short: 22049 samples at 22050 Hz, and the detector needs "
        "22050",
        "detector": good["detector"],
        "spoofscope": good["spoofscope"],
    }
    assert good["n_windows"] == 1
    assert coarse["error"].startswith("the recording has 16000 Hz, and the detector needs 22050 Hz")


def test_the_dcnn_folder_says_what_it_was_told(dcnns: dict[str, Path]) -> None:
    settings = json.loads((dcnns["coif4"] / "detector.json").read_text())
    imported = settings["meta"]["imported"]
    assert (imported["wavelet"], imported["mean"], imported["std"]) == ("coif4", *DCNN["coif4"])
    assert settings["outputs"] == ["bonafide", "spoof"]
    assert settings["input"]["resample"] == "window"
    assert settings["backend"]["downsampling"] == "stride"


def test_a_dcnn_is_imported_as_what_it_is(
    checkpoints: dict[str, Path],
    weights: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refusal(file: Path, *arguments: str, name: str = "ganpolice-dcnn") -> str:
        assert cli.main(["import", name, str(file), str(tmp_path / "x"), *arguments]) == 2
        assert not (tmp_path / "x").exists()
        return capsys.readouterr().err

    numbers = ("--mean", "-13", "--std", "5")
    sym5, coif4 = checkpoints["sym5"], checkpoints["coif4"]
    message = refusal(sym5, "--wavelet", "coif4", *numbers)
    assert "missing (cnn.2.running_mean," in message
    assert "unexpected (cnn.10.num_batches_tracked, cnn.10.running_mean," in message
    assert "dil_conv.0.weight: 12 instead of 13" in message
    assert "dil_conv.0.weight: 13 instead of 12" in refusal(coif4, "--stft", *numbers)
    assert "one of --wavelet sym5, --wavelet coif4 and --stft" in refusal(sym5, *numbers)
    assert "one of" in refusal(sym5, "--stft", "--wavelet", "sym5", *numbers)
    assert "did you mean 'coif4'" in refusal(sym5, "--wavelet", "coif5", *numbers)
    message = refusal(sym5, "--wavelet", "sym5", "--mean", "0")
    assert "needs --mean and --std" in message
    assert "stft -7.9646 and 4.7369, sym5 -13.0602 and 4.8204, coif4 -13.5261 and 4.8786" in message
    assert "--mean -13.0602 --std 4.8204" in message
    for std in ("0", "-1", "nan", "inf"):
        assert "--std positive" in refusal(sym5, "--stft", "--mean", "0", "--std", std)
    assert "leave out --backbone" in refusal(sym5, "--stft", *numbers, "--backbone", "y")
    aasist_file = weights["clovaai-aasist"]
    assert "leave out --mean" in refusal(aasist_file, "--mean", "0", name="clovaai-aasist")
    # A checkpoint that somebody has unpacked is a state dict like any other.
    bare = save(tmp_path / "bare.pt", released.dcnn_state("sym5", 1))
    detector = import_detector("ganpolice-dcnn", bare, tmp_path / "x", stft=True, mean=0.0, std=1.0)
    assert detector.policy == ganpolice_dcnn.POLICY


# --- SSL + AASIST ----------------------------------------------------------------------------


def backbone_config() -> transformers.Wav2Vec2Config:
    """XLS-R, but small: pre-norm, layer norm and biases in the convolutions."""
    return transformers.Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        conv_dim=(16,) * 7,
        conv_bias=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-trained backbone, whose preprocessor normalises, as that of XLS-R does."""
    folder = tmp_path_factory.mktemp("backbone")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        transformers.Wav2Vec2Model(backbone_config()).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def fine_tuned() -> transformers.Wav2Vec2Model:
    """The same network with other weights, none of them at its initial value."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = transformers.Wav2Vec2Model(backbone_config()).eval()
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def fairseq_state(model: transformers.Wav2Vec2Model) -> released.State:
    """The state dict as fairseq names it, with the heads of pre-training."""
    state = {}
    for name, value in model.state_dict().items():
        for ours, theirs in (
            ("masked_spec_embed", "mask_emb"),
            ("feature_projection.projection", "post_extract_proj"),
            ("feature_projection.layer_norm", "layer_norm"),
            (".conv.weight", ".0.weight"),
            (".conv.bias", ".0.bias"),
            ("pos_conv_embed", "pos_conv"),
            (".conv.parametrizations.weight.original0", ".0.weight_g"),
            (".conv.parametrizations.weight.original1", ".0.weight_v"),
            (".feed_forward.intermediate_dense", ".fc1"),
            (".feed_forward.output_dense", ".fc2"),
        ):
            name = name.replace(ours, theirs)
        if name.startswith("feature_extractor"):
            name = name.replace(".layer_norm.", ".2.1.")
        elif name.startswith("encoder.layers"):
            name = name.replace(".layer_norm.", ".self_attn_layer_norm.")
            name = name.replace(".attention.", ".self_attn.")
        state[name] = value
    state["quantizer.vars"] = torch.zeros(1, 8, 4)
    for head in ("quantizer.weight_proj", "project_q", "final_proj"):
        state[f"{head}.weight"], state[f"{head}.bias"] = torch.zeros(4, 4), torch.zeros(4)
    return state


def ssl_state(model: transformers.Wav2Vec2Model) -> released.State:
    backbone = {f"ssl_model.model.{k}": v for k, v in fairseq_state(model).items()}
    return {**backbone, **released.random_state(released.ssl_shapes(32), 9)}


def test_fairseq_names_are_those_of_the_release(fine_tuned: transformers.Wav2Vec2Model) -> None:
    names = set(fairseq_state(fine_tuned))
    assert {
        "mask_emb",
        "feature_extractor.conv_layers.0.0.weight",
        "feature_extractor.conv_layers.0.0.bias",
        "feature_extractor.conv_layers.6.2.1.weight",
        "post_extract_proj.bias",
        "layer_norm.weight",
        "encoder.pos_conv.0.weight_g",
        "encoder.pos_conv.0.weight_v",
        "encoder.pos_conv.0.bias",
        "encoder.layers.0.self_attn.k_proj.weight",
        "encoder.layers.1.self_attn.out_proj.bias",
        "encoder.layers.2.self_attn_layer_norm.weight",
        "encoder.layers.2.fc1.weight",
        "encoder.layers.2.fc2.bias",
        "encoder.layers.2.final_layer_norm.bias",
        "encoder.layer_norm.weight",
    } <= names
    assert len(names) == len(fine_tuned.state_dict()) + 7


def test_ssl_aasist_gives_the_logits_of_fine_tuned_backbone_and_back_end(
    backbone: Path, fine_tuned: transformers.Wav2Vec2Model, tmp_path: Path
) -> None:
    state = ssl_state(fine_tuned)
    source = save(tmp_path / "ssl.pth", state)
    out, configured = tmp_path / "detector", tmp_path / "configured"
    configured.mkdir()
    shutil.copy(backbone / "config.json", configured)
    arguments = ["import", "ssl-aasist", str(source), str(out), "--backbone", str(configured)]
    assert cli.main(arguments) == 0
    shutil.rmtree(configured)
    detector = Detector.load(out)
    assert not detector.policy.normalize
    assert detector.frontend.config["n_layers"] == 3
    assert "all of its weights in this folder" in (out / "card.md").read_text()
    audio.write(tmp_path / "clip.wav", 0.3 * clip(20000), 16000)
    heard, _ = audio.read(tmp_path / "clip.wav")
    window = torch.from_numpy(released.first_64600(heard))[None]
    with torch.no_grad():
        features = fine_tuned(window).last_hidden_state[0]
    expected = released.ssl_logits(state, features)
    judged = detector.predict(tmp_path / "clip.wav")
    np.testing.assert_allclose(judged["logits"], expected, rtol=0, atol=1e-4)
    assert judged["score"] == pytest.approx(expected[1] - expected[0], abs=2e-4)


def test_a_backbone_of_another_architecture_is_refused(
    backbone: Path, fine_tuned: transformers.Wav2Vec2Model, tmp_path: Path
) -> None:
    state = ssl_state(fine_tuned)
    del state["ssl_model.model.encoder.layers.2.fc1.bias"]
    state["ssl_model.model.target_glu.0.weight"] = torch.zeros(1)
    broken = save(tmp_path / "broken.pth", state)
    with pytest.raises(
        DetectorError,
        match=r"1 missing \(ssl_model\.model\.encoder\.layers\.2\.fc1\.bias\); "
        r"1 unexpected \(ssl_model\.model\.target_glu\.0\.weight\)",
    ):
        import_detector("ssl-aasist", broken, tmp_path / "x", backbone=backbone)
    wavlm = tmp_path / "wavlm"
    write_tiny_backbone(wavlm, "wavlm", {"norm": "layer"}, 1)
    with pytest.raises(DetectorError, match="of family 'wavlm', not 'wav2vec2'"):
        import_detector("ssl-aasist", broken, tmp_path / "x", backbone=wavlm)
    with pytest.raises(DetectorError, match="absent does not exist"):
        import_detector("ssl-aasist", broken, tmp_path / "x", backbone=tmp_path / "absent")
    post_norm = tmp_path / "post_norm"
    write_tiny_backbone(post_norm, "wav2vec2", {"norm": "group"}, 1)
    with pytest.raises(ConfigError, match="pre-norm"):
        import_detector("ssl-aasist", broken, tmp_path / "x", backbone=post_norm)
    assert not (tmp_path / "x").exists()


def test_a_backbone_without_weights_is_for_detectors_that_bring_them(backbone: Path) -> None:
    source = {"family": "wav2vec2", "architecture": read_architecture(backbone, "wav2vec2")}
    with pytest.raises(ConfigError, match="fine_tune: all only"):
        frontends.build({"type": "ssl", "backbone": source})
