"""Detector folders that were damaged, altered or made up: each is refused in one line, or judges as
the whole one does."""

import json
import pickle
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from spoofscope.detector import Detector
from spoofscope.errors import DetectorError
from spoofscope.files import sha256_file
from spoofscope.settings import settings_hash
from spoofscope.tables import LABELS
from spoofscope.windows import InputPolicy

CLIP = (0.1 * np.random.default_rng(1).standard_normal(20000)).astype(np.float32), 16000
RIGHT = "judges as before"
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated detector that knows its training data."""
    torch.manual_seed(0)
    detector = Detector(
        {"type": "lfcc"},
        {"type": "gmm", "components": 2},
        InputPolicy(length=8000),
        {"threshold": 0.5, "dev_eer": 0.1, "trained_on": [], "dev": []},
        {
            **{"scale": 1.5, "offset": -0.25, "prior": 0.5, "band": 0.1, "lower": -3.0},
            **{"upper": 2.5, "n_bonafide": 48, "n_spoof": 48, "n_speakers": 4},
        },
    )
    rng = np.random.default_rng(0)
    frames = ((rng.standard_normal((20, 60)).astype(np.float32), name) for name in LABELS)
    detector.backend.fit(frames, 1)  # type: ignore[operator]
    clips = [(0.1 * rng.standard_normal(20000)).astype(np.float32) for _ in range(30)]
    detector.learn_likeness([(clip, f"s{i % 5}") for i, clip in enumerate(clips)])
    folder = tmp_path_factory.mktemp("detectors") / "whole"
    detector.save(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    copy = tmp_path / "d"
    copy.mkdir()
    for file in whole.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def check(folder: Path, whole: Path, expected: str) -> None:
    """`expected` is RIGHT, or what the refusal says."""
    if expected == RIGHT:
        assert Detector.load(folder).predict(CLIP) == Detector.load(whole).predict(CLIP)
        return
    with pytest.raises(DetectorError) as refused:
        Detector.load(folder).predict(CLIP)
    message = str(refused.value)
    assert expected in message
    assert str(folder) in message or expected == "has not been fitted"
    assert "Traceback" not in message


def written(folder: Path, settings: Any, sealed: bool) -> None:
    """`sealed`: with the hash of what is written, as a program would, or as it was before."""
    if sealed and isinstance(settings, dict):
        try:
            settings["settings_sha256"] = settings_hash(settings)
        except ValueError:
            settings["settings_sha256"] = "0" * 64  # NaN has none
    (folder / "detector.json").write_text(json.dumps(settings, indent=1))


RAW = {
    "empty": b"",
    "a list": b"[]",
    "a number": b"5",
    "null": b"null",
    "no key": b"{}",
    "cut": b'{"format": 2',
    "no text": b"\xff\xfe",
    "nested": b'{"a":' * 100_000,
    "NUL": b"\0" * 4096,
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_a_file_that_is_no_settings(folder: Path, whole: Path, raw: bytes) -> None:
    (folder / "detector.json").write_bytes(raw)
    check(folder, whole, "detector.json")


def put(*path: str, value: Any) -> Change:
    def change(settings: dict[str, Any]) -> None:
        for key in path[:-1]:
            settings = settings[key]
        settings[path[-1]] = value

    return change


# What is changed, to what, and a word of the refusal where a program sealed it with a hash.
CHANGES: list[tuple[str, Any, str]] = [
    ("frontend.type", "os.system", "no front-end"),
    ("frontend.type", None, "frontend.type"),
    ("frontend", [], "frontend"),
    ("frontend", "lfcc", "frontend"),
    ("frontend.x", 1, "unknown key 'x'"),
    ("frontend.n_fft", -1, "n_fft"),
    ("frontend.n_fft", True, "n_fft"),
    ("frontend.n_fft", 2**40, ""),
    ("frontend.n_fft", "512", "n_fft"),
    ("frontend.n_fft", 512.5, "n_fft"),
    ("frontend.f_min", "low", "f_min"),
    ("frontend.f_max", [], "f_max"),
    ("frontend.log_offset", True, "log_offset"),
    ("frontend.deltas", 1, "deltas"),
    ("frontend.normalise", [], "normalise"),
    ("backend.type", "../x", "no back-end"),
    ("backend.type", {}, "backend.type"),
    ("backend.components", 10**9, "at most"),
    ("backend.components", 0, "components"),
    ("backend.components", None, "components"),
    ("backend.components", 3, "do not fit"),
    ("backend.reg_covar", "x", "reg_covar"),
    ("backend.max_clips", 1.5, "max_clips"),
    ("input", [], "input"),
    ("input.x", 1, "unknown key 'x'"),
    ("input.sample_rate", 0, "sample_rate"),
    ("input.sample_rate", 8000, "8000"),
    ("input.sample_rate", "16000", "sample_rate"),
    ("input.sample_rate", 16000.0, "sample_rate"),
    ("input.length", 1, "too short"),
    ("input.length", -5, "length"),
    ("input.length", 8000.5, "length"),
    ("input.length", True, "length"),
    ("input.length", "8000", "length"),
    ("input.length", 10**12, "length"),
    ("input.hop", 0, "hop"),
    ("input.hop", 0.5, "hop"),
    ("input.long", 3, "long"),
    ("input.tail", [], "tail"),
    ("input.short", None, "short"),
    ("input.min_samples", 0, "min_samples"),
    ("input.min_samples", "x", "min_samples"),
    ("input.normalize", "false", "normalize"),
    ("input.resample", "never", "resample"),
    ("aggregate", None, "aggregate"),
    ("aggregate", {"method": "sum"}, "sum"),
    ("aggregate", {"method": "top_k", "k": -1}, "k must be"),
    ("aggregate", {"method": "top_k", "k": 1.5}, "k must be"),
    ("aggregate", {"method": []}, "aggregate"),
    ("outputs", ["spoof", "bonafide"], "outputs"),
    ("outputs", ["x"], "outputs"),
    ("outputs", "bonafide", "outputs"),
    ("outputs", [], "outputs"),
    ("polarity", "higher = spoof", "polarity"),
    ("calibration", [1], "calibration"),
    ("calibration", {}, "calibration.scale"),
    ("calibration.scale", -1.5, "calibration.scale"),
    ("calibration.scale", 0, "calibration.scale"),
    ("calibration.scale", 1e308, "calibration.scale"),
    ("calibration.scale", float("nan"), "altered or damaged"),
    ("calibration.scale", float("inf"), "altered or damaged"),
    ("calibration.scale", "1", "calibration.scale"),
    ("calibration.scale", True, "calibration.scale"),
    ("calibration.offset", None, "calibration.offset"),
    ("calibration.offset", False, "calibration.offset"),
    ("calibration.prior", 0, "calibration.prior"),
    ("calibration.prior", 1, "calibration.prior"),
    ("calibration.band", 0.5, "calibration.band"),
    ("calibration.lower", 0.1, "calibration.lower"),
    ("calibration.upper", -0.1, "calibration.upper"),
    ("calibration.upper", 1e9, "calibration.upper"),
    ("calibration.n_spoof", 0, "calibration.n_spoof"),
    ("calibration.n_bonafide", 4.5, "calibration.n_bonafide"),
    ("calibration.n_speakers", "4", "calibration.n_speakers"),
    ("calibration.x", 1, "calibration"),
    ("backbone", [], "backbone"),
    ("backbone", {"folder": 5}, "backbone.folder"),
    ("backbone", {"folder": "/nowhere"}, "backbone"),
    ("reference", "yes", "reference"),
    ("reference", False, "disagree"),
    ("weights_sha256", 5, "weights_sha256"),
    ("weights_sha256", "5" * 64, "is not the file"),
    ("meta", [], "meta"),
    ("meta", None, "meta"),
    ("meta.threshold", "high", "meta.threshold"),
    ("meta.threshold", True, "meta.threshold"),
    ("meta.dev_eer", 2, "meta.dev_eer"),
    ("meta.trained_on", "mini", "meta.trained_on"),
    ("format", 3, "format"),
    ("format", True, "format"),
    ("format", "2", "format"),
    ("format", 1, "train the detector again"),
    ("more", 1, "unknown key 'more'"),
]


@pytest.mark.parametrize(("where", "value", "message"), CHANGES)
def test_a_setting_without_meaning(
    folder: Path, whole: Path, where: str, value: Any, message: str
) -> None:
    settings = json.loads((folder / "detector.json").read_text())
    put(*where.split("."), value=value)(settings)
    # Whoever changes a value by hand leaves the hash as it was.
    written(folder, settings, sealed=False)
    check(folder, whole, "detector.json")
    written(folder, settings, sealed=True)
    check(folder, whole, message)


@pytest.mark.parametrize(
    "key", ["frontend", "backend", "input", "aggregate", "calibration", "meta", "settings_sha256"]
)
def test_a_setting_that_is_missing(folder: Path, whole: Path, key: str) -> None:
    settings = json.loads((folder / "detector.json").read_text())
    del settings[key]
    (folder / "detector.json").write_text(json.dumps(settings))
    check(folder, whole, f"lacks the key {key!r}")


def test_another_layout_of_the_same_settings_is_the_same_detector(
    folder: Path, whole: Path
) -> None:
    settings = json.loads((folder / "detector.json").read_text())
    (folder / "detector.json").write_text(json.dumps(dict(reversed(settings.items()))))
    check(folder, whole, RIGHT)


def test_every_flipped_bit_of_a_number_is_seen(folder: Path, whole: Path) -> None:
    """A digit of scale, offset, band or threshold is one bit from another one."""
    text = (whole / "detector.json").read_bytes()
    digits = [i for i, byte in enumerate(text) if chr(byte).isdigit()]
    before = json.loads(text)
    for place in random.Random(0).sample(digits, 60):
        spoilt = bytearray(text)
        spoilt[place] ^= 1
        (folder / "detector.json").write_bytes(spoilt)
        try:
            # The last of many digits may be lost on the way into a number.
            same = json.loads(spoilt) == before
        except ValueError:
            same = False
        check(folder, whole, RIGHT if same else "detector.json")


def reseal(folder: Path) -> None:
    """As a program that wrote other weights would."""
    settings = json.loads((folder / "detector.json").read_text())
    settings["weights_sha256"] = sha256_file(folder / "model.safetensors")
    written(folder, settings, sealed=True)


def flipped(place: int) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return spoil


def header(edit: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Changes the header of a safetensors file."""

    def spoil(path: Path) -> None:
        content = path.read_bytes()
        size = struct.unpack("<Q", content[:8])[0]
        told = json.loads(content[8 : 8 + size])
        edit(told)
        text = json.dumps(told).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])

    return spoil


def tensors(edit: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        state = safetensors.torch.load_file(path)
        edit(state)
        safetensors.torch.save_file(state, path)

    return spoil


def first(told: dict[str, Any]) -> str:
    return next(key for key in told if key != "__metadata__")


def not_a_number(prefix: str) -> Callable[[dict[str, torch.Tensor]], None]:
    def edit(state: dict[str, torch.Tensor]) -> None:
        for name, tensor in state.items():
            if name.startswith(prefix) and tensor.is_floating_point():
                tensor.fill_(torch.nan)

    return edit


WEIGHTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "header flipped": (flipped(20), "model.safetensors"),
    "endless header": (
        lambda path: path.write_bytes(struct.pack("<Q", 2**63) + path.read_bytes()[8:]),
        "damaged",
    ),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "damaged"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged"),
    "offsets beyond": (
        header(lambda told: told[first(told)].update(data_offsets=[0, 10**12])),
        "damaged",
    ),
    "overlapping": (
        header(lambda told: [told[key].update(data_offsets=[0, 4]) for key in told]),
        "damaged",
    ),
    "unknown type": (header(lambda told: told[first(told)].update(dtype="X9")), "damaged"),
    "other type": (header(lambda told: told[first(told)].update(dtype="I32")), ""),
    "other shape": (
        header(lambda told: told[first(told)].update(shape=[1, *told[first(told)]["shape"]])),
        "shape",
    ),
    "renamed": (header(lambda told: told.update({"x": told.pop("backend.means")})), "unexpected"),
    "of no number": (tensors(not_a_number("backend.")), "has not been fitted"),
    "reference lacks an array": (
        tensors(lambda state: state.pop("reference.seconds.mean")),
        "'seconds.mean' missing",
    ),
    "reference of no number": (tensors(not_a_number("reference.")), "not finite"),
    "reference with an unknown array": (
        tensors(lambda state: state.update({"reference.x": torch.zeros(1)})),
        "'x' missing or too much",
    ),
    "reference with a zero scale": (
        tensors(lambda state: state["reference.seconds.scale"].fill_(0)),
        "not positive",
    ),
    "reference of complex numbers": (
        tensors(
            lambda state: state.update(
                {"reference.seconds.mean": torch.zeros(26, dtype=torch.complex64)}
            )
        ),
        "complex64",
    ),
    "no reference": (
        tensors(
            lambda state: [state.pop(name) for name in list(state) if name.startswith("reference")]
        ),
        "disagree",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights_of_another_content(
    folder: Path, whole: Path, spoil: Callable[[Path], Any], message: str
) -> None:
    spoil(folder / "model.safetensors")
    check(folder, whole, "altered or damaged")
    reseal(folder)
    check(folder, whole, message)


def test_the_whole_one_judges(folder: Path, whole: Path) -> None:
    check(folder, whole, RIGHT)
    judged = Detector.load(folder).predict(CLIP)
    assert judged["flags"]["out_of_distribution"] is False
    assert judged["llr"] is not None
