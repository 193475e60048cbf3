"""Scalograms: levels of tones, and which clips are shown."""

import numpy as np
import polars as pl
import pytest
import pywt

from spoofscope import audio
from spoofscope.errors import TableError
from spoofscope.fingerprints import scalogram
from spoofscope.fingerprints.scalogram import (
    centre_frequencies,
    one_clip_each,
    read_passages,
    scalograms,
)

RATE = 8000


def tone(hertz: float, magnitude: float = 1.0) -> np.ndarray:
    return (magnitude * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("row", [0, 20, -1])
def test_a_sinusoid_has_its_level_at_its_frequency(row):
    hertz = centre_frequencies(RATE)
    levels = scalograms(np.stack([tone(hertz[row]), tone(hertz[row], 0.01)]), RATE, 10)
    assert levels.shape == (2, hertz.size, 10)
    assert levels[0, row, 2:-2] == pytest.approx(0, abs=0.1)
    assert levels[1] == pytest.approx(np.maximum(levels[0] - 40, scalogram.SILENCE_DB), abs=0.01)
    assert (levels[0].argmax(axis=0)[2:-2] == range(hertz.size)[row]).all()


def test_levels_are_those_of_pywavelets():
    samples = np.random.default_rng(1).standard_normal(1000)
    hertz = centre_frequencies(RATE)[[10, 40]]
    padded = np.pad(samples, 1000, mode="symmetric")
    coefficients, found = pywt.cwt(padded, RATE / hertz, scalogram.WAVELET, 1 / RATE, precision=15)
    assert found == pytest.approx(hertz)
    gains = 4 * hertz / RATE / np.sinc(hertz / RATE) ** 2
    power = np.abs(coefficients[:, 1000:2000]) ** 2 * gains[:, None]
    expected = 10 * np.log10(power.reshape(2, 10, 100).mean(axis=2))
    assert scalograms(samples[None], RATE, 10)[0, [10, 40]] == pytest.approx(expected, abs=1e-6)


def test_silence_has_the_lowest_level():
    assert (scalograms(np.zeros((1, 800), np.float32), RATE, 4) == scalogram.SILENCE_DB).all()


def listed(*rows: tuple[str, str]) -> pl.DataFrame:
    sources, groups = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "utt_id": [f"{source}/{i}" for i, source in enumerate(sources)],
            "source": sources,
            "voice": "-",
            "group": groups,
        }
    )


def test_clips_say_the_same_where_they_can():
    rows = [("bonafide", g) for g in "abcd"]
    rows += (
        [("one", g) for g in "cdef"] + [("two", g) for g in "afc"] + [("three", g) for g in "xy"]
    )
    for seed in range(5):
        chosen = one_clip_each(listed(*rows), seed)
        assert chosen["source"].to_list() == ["bonafide", "one", "two", "three"]
        assert chosen["group"][:3].to_list() == ["c"] * 3
        assert chosen["group"][3] in "xy"
    drawn = {one_clip_each(listed(*rows), seed)["utt_id"][3] for seed in range(20)}
    assert len(drawn) == 2


def test_the_choice_does_not_depend_on_the_order_of_clips():
    rows = listed(*[(source, g) for source in ("bonafide", "one") for g in "abcdefgh"] * 2)
    chosen = one_clip_each(rows, 1)
    for shuffle in range(5):
        of_source = rows.sample(fraction=1, shuffle=True, seed=shuffle).sort(
            "source", maintain_order=True
        )
        assert one_clip_each(of_source, 1).equals(chosen)


def test_passages_are_the_starts_of_clips(tmp_path):
    for name, hertz in (("a", 500), ("b", 900)):
        audio.write(tmp_path / f"{name}.wav", tone(hertz, 0.5), RATE)
    clips = pl.DataFrame({"path": [str(tmp_path / f"{name}.wav") for name in "ab"]})
    passages, rate = read_passages(clips, 0.25, None)
    assert (passages.shape, rate) == ((2, 2000), RATE)
    assert passages[1] == pytest.approx(tone(900, 0.5)[:2000], abs=1e-4)
    assert read_passages(clips, 0.5, 16000)[0].shape == (2, 8000)
    with pytest.raises(TableError, match=r"a\.wav: it has 1\.000 s"):
        read_passages(clips, 1.5, None)
