import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.torch
import soundfile
import torch

from calibrations import calibration_of
from noise_and_tones import write_corpus
from spoofscope import audio, tables
from spoofscope.detector import Detector, predict_files
from spoofscope.errors import AudioError, ConfigError, DetectorError
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.judging import Logits, logits_of_clips
from spoofscope.network import Network
from spoofscope.settings import settings_hash
from spoofscope.windows import InputPolicy

# Networks this small are slower with several threads than with one.
torch.set_num_threads(1)

LFCC = {"type": "lfcc"}
KEYS = {
    "reasons",
    "flags",
    "measures",
    "window_starts_s",
    "detector",
    "spoofscope",
    "path",
    "score",
    "llr",
    "log10_llr",
    "p_bonafide",
    "calibration",
    "validation",
    "decision",
    "duration_s",
    "n_windows",
    "logits",
    "window_scores",
    "window_logits",
}


def lfcc_detector(seed: int = 0, **backend: object) -> Detector:
    torch.manual_seed(seed)
    settings = {"type": "linear", "n_outputs": 2, **backend}
    return Detector(LFCC, settings, InputPolicy(length=8000)).eval()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    audio.write(path, 0.1 * np.random.default_rng(1).standard_normal(20000), 16000)
    return path


@pytest.fixture
def backbone(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "backbone"
    write_tiny_backbone(folder, "wavlm", {"hidden_size": 16, "layers": 2, "norm": "layer"}, 1)
    return {"family": "wavlm", "folder": str(folder)}


def test_saved_detector_judges_as_before(tmp_path: Path, clip: Path) -> None:
    detector = lfcc_detector()
    detector.meta["threshold"] = -100.0
    detector.save(tmp_path / "d")
    loaded = Detector.load(tmp_path / "d")
    before, after = detector.predict(clip), loaded.predict(clip)
    assert before == after
    assert len(after["detector"]) == 12
    assert lfcc_detector().predict(clip)["detector"] is None
    assert set(after) == KEYS
    assert json.loads(json.dumps(after, allow_nan=False)) == after
    assert after["n_windows"] == 3 == len(after["window_scores"]) == len(after["window_logits"])
    assert after["score"] == pytest.approx(np.mean(after["window_scores"]))
    assert after["score"] == pytest.approx(after["logits"][1] - after["logits"][0])
    assert after["duration_s"] == 1.25
    assert after["window_starts_s"] == [0, 0.5, 0.75]
    assert after["decision"] == "bonafide"


def test_same_detector_is_saved_as_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        lfcc_detector().save(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["card.md", "detector.json", "model.safetensors"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_window_logits_do_not_depend_on_the_batch() -> None:
    detector = lfcc_detector()
    rng = np.random.default_rng(0)
    windows = [rng.standard_normal(n).astype(np.float32) for n in (8000, 4000, 8000, 4000, 900)]
    together = detector.logits(windows, 4)
    for window, logits in zip(windows, together, strict=True):
        assert detector.logits([window], 1)[0] == pytest.approx(logits, abs=1e-5)


def test_score_follows_the_names_of_the_logits() -> None:
    detector = lfcc_detector()
    logits = torch.tensor([[1.0, 3.0]])
    assert detector.outputs == ("spoof", "bonafide")
    assert detector.score_tensor(logits).item() == 2.0
    detector.outputs = ("bonafide", "spoof")
    assert detector.score_tensor(logits).item() == -2.0
    assert lfcc_detector(n_outputs=1).score_tensor(torch.tensor([[0.5]])).item() == 0.5


def test_only_maps_have_their_channels_last() -> None:
    """For convolutions over three axes PyTorch has another format."""

    class Own(torch.nn.Module):
        outputs = ("bonafide",)

        def __init__(self) -> None:
            super().__init__()
            self.of_map = torch.nn.Conv2d(2, 2, 3)
            self.of_volume = torch.nn.Conv3d(1, 2, 3)

    backend = Own()
    Network({"type": "lfcc"}, InputPolicy(length=16000), lambda **axes: backend)
    assert backend.of_map.weight.is_contiguous(memory_format=torch.channels_last)
    assert backend.of_volume.weight.is_contiguous()


def test_short_clip_is_extended_and_other_rates_are_resampled() -> None:
    detector = lfcc_detector()
    time = np.arange(24000) / 48000
    tone = np.sin(2 * np.pi * 500 * time).astype(np.float32)
    assert detector.score(tone, 48000) == pytest.approx(detector.score(tone[::3], 16000), abs=0.05)
    assert detector.predict((tone[:100], 16000))["n_windows"] == 1
    with pytest.raises(AudioError):
        detector.score(tone[:0], 16000)


def test_arrays_are_judged_as_the_files_that_hold_them(tmp_path: Path) -> None:
    detector = lfcc_detector()
    pcm = np.random.default_rng(2).integers(-9000, 9000, (2, 30000)).astype(np.int16)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, pcm.T, 22050, subtype="PCM_16")
    by_file, by_array, by_tensor = detector.predict(
        [path, (pcm, 22050), (torch.from_numpy(pcm / 32768), 22050)]
    )
    assert by_file["path"] == str(path)
    assert by_array["path"] is None
    assert by_file["window_scores"] == by_array["window_scores"]
    assert by_tensor["score"] == pytest.approx(by_file["score"], abs=1e-5)
    assert detector.score(pcm, 22050) == by_file["score"]
    assert detector.predict([]) == []


def test_channels_that_cancel_are_told(tmp_path):
    clip = (0.1 * np.random.default_rng(6).standard_normal(20000)).astype(np.float32)
    for name, second in (("opposite", -clip), ("alike", clip)):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.stack([clip, second], axis=1), 16000, subtype="FLOAT")
        judgement = lfcc_detector().predict(path)
        assert judgement["flags"]["one_channel"] == (name == "opposite")
        # Either way the clip is heard.
        assert judgement["score"] == pytest.approx(lfcc_detector().score(clip, 16000), abs=1e-5)
    assert lfcc_detector().predict((clip, 16000))["flags"]["one_channel"] is None


def test_one_clipped_channel_is_told(tmp_path):
    clip = (0.1 * np.random.default_rng(6).standard_normal(20000)).astype(np.float32)
    for name, gain in (("clipped", 20), ("whole", 1)):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.stack([clip, (gain * clip).clip(-1, 1)], axis=1), 16000)
        assert lfcc_detector().predict(path)["flags"]["clipped"] == (name == "clipped")


@pytest.mark.slow
def test_long_clips_are_judged_block_by_block(tmp_path: Path, backbone: dict[str, str]) -> None:
    """Beyond one minute, and with a policy that needs mean and variance of the whole clip."""
    frontend = {"type": "ssl", "backbone": backbone, "n_layers": 1}
    torch.manual_seed(0)
    detector = Detector(frontend, {"type": "linear"}, InputPolicy(length=160000, hop=120000)).eval()
    rng = np.random.default_rng(3)
    clip = (0.1 * rng.standard_normal(8000 * 125) + 0.05).astype(np.float32)
    path = tmp_path / "long.flac"
    audio.write(path, clip, 8000)
    whole = detector.policy.windows(audio.read(path, 16000)[0])
    for judgement in (detector.predict(path), detector.predict((clip, 8000))):
        assert judgement["window_starts_s"] == (whole.starts / 16000).tolist()
        assert judgement["n_windows"] == 17
        logits = detector.logits(list(whole.values), 8)
        assert np.array(judgement["window_logits"]) == pytest.approx(logits, abs=1e-4)


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (np.zeros(16000), "a pair of samples and their rate"),
        ((np.zeros(16000),), "a pair of samples and their rate"),
        ((np.zeros(16000), 0), "sample rate"),
        ((np.zeros(16000), 16000.5), "sample rate"),
        ((np.zeros((16000, 2)), 16000), "transpose"),
        ("nowhere.wav", r"nowhere\.wav: no such audio file"),
    ],
)
def test_what_is_no_recording_is_refused(recording: Any, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        lfcc_detector().predict(recording)


@pytest.mark.parametrize(
    ("score", "decision"),
    [(-5.0, "spoof"), (0.9, "inconclusive"), (1.1, "inconclusive"), (5.0, "bonafide")],
)
def test_calibrated_probability_and_decision(score: float, decision: str) -> None:
    detector = Detector(
        LFCC,
        {"type": "linear"},
        InputPolicy(length=8000),
        {"threshold": -100.0},
        calibration_of(2.0, -1.0, 0.25, n=10**5),
    )
    llr = 2 * score - 1
    assert detector.llr(score) == pytest.approx(llr)
    expected = 1 / (1 + math.exp(-(llr + math.log(0.25 / 0.75))))
    assert detector.p_bonafide(score) == pytest.approx(expected)
    assert detector.decide(score) == decision
    # No score says more than the development trials.
    assert detector.llr(1e6) == math.log(10**5) == -detector.llr(-1e6)
    assert detector.p_bonafide(1e6) == pytest.approx(1 / (1 + 3e-5))
    assert detector.p_bonafide(-1e6) == pytest.approx(1 / (1 + 3e5))


def test_decision_without_calibration() -> None:
    detector = lfcc_detector()
    assert detector.p_bonafide(1.0) is None
    assert detector.decide(1.0) == "inconclusive"
    detector.meta["threshold"] = 0.5
    assert [detector.decide(s) for s in (0.4, 0.5)] == ["spoof", "bonafide"]


@pytest.mark.parametrize(
    "calibration",
    [
        {"scale": 1.0, "offset": 0.0, "prior": 0.5},
        calibration_of(prior=1.0),
        calibration_of(band=0.5),
        calibration_of(math.nan),
        calibration_of(-1.0),
        calibration_of(bands=0.1),
        calibration_of() | {"upper": -1.0},
        calibration_of() | {"n_spoof": True},
        calibration_of() | {"n_speakers": 0},
    ],
)
def test_bad_calibration_is_refused(calibration: dict[str, float]) -> None:
    with pytest.raises(DetectorError, match="calibration"):
        Detector(LFCC, {"type": "linear"}, InputPolicy(), calibration=calibration)


def edit(folder: Path, key: str, value: object) -> None:
    settings = json.loads((folder / "detector.json").read_text())
    settings[key] = value
    settings["settings_sha256"] = settings_hash(settings)
    (folder / "detector.json").write_text(json.dumps(settings))


def replace_weights(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    import hashlib

    path = folder / "model.safetensors"
    safetensors.torch.save_file(weights, path)
    edit(folder, "weights_sha256", hashlib.sha256(path.read_bytes()).hexdigest())


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    with pytest.raises(DetectorError, match=r"no detector\.json"):
        Detector.load(folder)
    detector = lfcc_detector()

    def fresh() -> dict[str, torch.Tensor]:
        detector.save(folder)
        return safetensors.torch.load_file(folder / "model.safetensors")

    weights = fresh()
    weights.pop("backend.output.bias")
    replace_weights(folder, weights)
    with pytest.raises(DetectorError, match=r"1 missing \(backend\.output\.bias\)"):
        Detector.load(folder)
    replace_weights(folder, {**fresh(), "backend.more": torch.zeros(1)})
    with pytest.raises(DetectorError, match=r"1 unexpected \(backend\.more\)"):
        Detector.load(folder)
    replace_weights(folder, {**fresh(), "backend.mix": torch.zeros(7)})
    with pytest.raises(DetectorError, match=r"another shape \(backend\.mix\)"):
        Detector.load(folder)
    fresh()
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(DetectorError, match="altered or damaged"):
        Detector.load(folder)
    for key, value in (("polarity", "higher = spoof"), ("format", 99), ("outputs", ["bonafide"])):
        fresh()
        edit(folder, key, value)
        with pytest.raises(DetectorError, match=key):
            Detector.load(folder)


def test_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DetectorError, match=r"thesis\.tex"):
        lfcc_detector().save(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    lfcc_detector(1).save(tmp_path / "d")
    before = (tmp_path / "d" / "model.safetensors").read_bytes()
    lfcc_detector(2).save(tmp_path / "d")
    assert (tmp_path / "d" / "model.safetensors").read_bytes() != before


def test_failed_save_keeps_the_old_detector(tmp_path: Path) -> None:
    lfcc_detector(1).save(tmp_path / "d")
    before = (tmp_path / "d" / "model.safetensors").read_bytes()
    broken = lfcc_detector(2)
    broken.meta["threshold"] = math.nan  # JSON has no NaN
    with pytest.raises(ValueError, match="JSON"):
        broken.save(tmp_path / "d")
    assert (tmp_path / "d" / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_frozen_backbone_stays_where_it_is(
    tmp_path: Path, backbone: dict[str, str], clip: Path
) -> None:
    torch.manual_seed(0)
    frontend = {"type": "ssl", "backbone": backbone, "n_layers": 1}
    detector = Detector(frontend, {"type": "linear"}, InputPolicy(length=8000)).eval()
    assert detector.policy.normalize
    detector.save(tmp_path / "d")
    names = set(safetensors.torch.load_file(tmp_path / "d" / "model.safetensors"))
    assert names == {"backend.mix", "backend.output.weight", "backend.output.bias"}
    assert Detector.load(tmp_path / "d").predict(clip) == detector.predict(clip)

    (Path(backbone["folder"]) / "notes.txt").write_text("not part of the model")
    Detector.load(tmp_path / "d")
    write_tiny_backbone(
        backbone["folder"], "wavlm", {"hidden_size": 16, "layers": 2, "norm": "layer"}, 2
    )
    with pytest.raises(DetectorError, match="is not the one"):
        Detector.load(tmp_path / "d")
    Path(backbone["folder"]).rename(tmp_path / "moved")
    with pytest.raises(DetectorError, match="does not exist"):
        Detector.load(tmp_path / "d")


def test_backbone_of_the_same_checkout_is_found_from_anywhere(
    tmp_path: Path, backbone: dict[str, str], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frontend = {"type": "ssl", "backbone": {**backbone, "folder": "backbone"}, "n_layers": 1}
    Detector(frontend, {"type": "linear"}, InputPolicy(length=8000)).save("results/detectors/d")
    expected = Detector.load("results/detectors/d").predict(clip)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert Detector.load(tmp_path / "results/detectors/d").predict(clip) == expected
    (tmp_path / "results").rename(elsewhere / "results")
    (tmp_path / "backbone").rename(tmp_path / "moved")
    with pytest.raises(DetectorError, match="folder backbone does not exist"):
        Detector.load("results/detectors/d")


def test_tuned_layers_are_stored_even_while_they_are_frozen(
    tmp_path: Path, backbone: dict[str, str], clip: Path
) -> None:
    frontend = {"type": "ssl", "backbone": backbone, "fine_tune": "top", "top_layers": 1}
    detector = Detector(frontend, {"type": "linear"}, InputPolicy(length=8000)).eval()
    with torch.no_grad():
        for parameter in detector.frontend.parameters():
            if parameter.requires_grad:
                parameter.mul_(1.5)
    detector.frontend.freeze()
    detector.save(tmp_path / "d")
    names = safetensors.torch.load_file(tmp_path / "d" / "model.safetensors").keys()
    assert {name.split(".")[4] for name in names if name.startswith("frontend")} == {"1"}
    # PyTorch multiplies in another order where a matrix wants a gradient: compare like with like.
    detector.frontend.unfreeze()
    assert Detector.load(tmp_path / "d").predict(clip) == detector.predict(clip)


def test_policy_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="8000 Hz"):
        Detector(LFCC, {"type": "linear"}, InputPolicy(sample_rate=8000))
    with pytest.raises(ConfigError, match="too short for one frame"):
        Detector(LFCC, {"type": "linear"}, InputPolicy(length=100))


def test_predict_files_goes_on_after_an_unreadable_file(tmp_path: Path, clip: Path) -> None:
    lfcc_detector().save(tmp_path / "d")
    (tmp_path / "empty.wav").touch()
    files = [clip, tmp_path / "empty.wav", tmp_path / "none.wav", clip]
    results = list(predict_files(Detector.load(tmp_path / "d"), files))
    assert [set(r) == KEYS for r in results] == [True, False, False, True]
    assert "0 bytes" in results[1]["error"]
    assert results[0] == results[3]
    # What is known is told before the next file is opened.
    asked = (clip if i == 0 else 1 / 0 for i in range(2))
    first = next(predict_files(Detector.load(tmp_path / "d"), asked))
    assert first == results[0]


class Counting:
    """A network of three outputs, which are a window's first value times 1, 2 and 3."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, list[str]]] = []

    def logits(
        self,
        windows: Sequence[npt.NDArray[np.float32]],
        batch_size: int,
        names: Sequence[str] | None = None,
    ) -> Logits:
        self.calls.append((len(windows), batch_size, list(names or ())))
        return np.array([window[:1] * [1, 2, 3] for window in windows], dtype=np.float32)


def test_logits_of_clips_are_cut_where_clips_end() -> None:
    numbers = {"a": [1.0, 2.0], "b": [3.0], "c": [4.0, 5.0, 6.0]}
    read: list[str] = []

    def clips() -> Any:
        for utt_id, values in numbers.items():
            read.append(utt_id)
            yield utt_id, [np.full(4, value, dtype=np.float32) for value in values]

    network = Counting()
    made = {}
    for utt_id, logits in logits_of_clips(network, clips(), 2):
        made[utt_id] = logits[:, 0].tolist()
        assert logits.shape == (len(numbers[utt_id]), 3)
        # Clips are read when their group is worked on, and no sooner.
        assert read == (["a", "b"] if utt_id in "ab" else ["a", "b", "c"])
    assert made == numbers
    assert network.calls == [(3, 2, ["a", "a", "b"]), (3, 2, ["c"] * 3)]
    assert list(logits_of_clips(network, [], 2)) == []


def test_logits_that_are_not_finite_are_refused(clip: Path) -> None:
    detector = lfcc_detector()
    with torch.no_grad():
        detector.backend.get_parameter("mix").fill_(torch.nan)
    with pytest.raises(DetectorError, match=rf"utterance '{clip}': .* not finite"):
        detector.predict(clip)
    windows = [np.zeros(8000, np.float32)] * 2
    with pytest.raises(DetectorError, match=r"utterance 'second': .* not finite"):
        detector.logits(windows, 1, ["second", "third"])


def test_corpus_helper_writes_a_valid_manifest(tmp_path: Path) -> None:
    manifest = tables.read_manifest(write_corpus(tmp_path, {"train": 4, "dev": 2}))
    assert manifest["label"].to_list() == ["bonafide", "spoof"] * 3
