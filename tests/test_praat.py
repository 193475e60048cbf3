"""Pitch, jitter, shimmer and harmonicity against Praat, on voices whose cycles are known.

Where ours deviates, and by how much, is in the limits here and in docs/explanations.md.
"""

import numpy as np
import parselmouth
import pytest
from parselmouth.praat import call
from scipy.signal import lfilter, resample_poly

from spoofscope.artefacts.measures import measure

RATE = 16000
# Mean change between two independent normal values of standard deviation 1.
CHANGE = 2 / np.sqrt(np.pi)


def voice(f0: float, jitter: float = 0.0, shimmer: float = 0.0, noise: float = 1e-3) -> np.ndarray:
    """Two seconds of pulses through three formants.

    Args:
        f0: mean pitch in Hz.
        jitter, shimmer: standard deviation of every period, and of every amplitude, as a share.
        noise: standard deviation of white noise; the voice has 0.1.
    """
    rng = np.random.default_rng(1)
    # Pulses stand at samples of eight times the rate, so that periods are exact enough.
    rate = 8 * RATE
    x = np.zeros(2 * rate)
    time = 0.05
    while time < 1.95:
        x[int(time * rate)] = 1 + shimmer * rng.standard_normal()
        time += (1 + jitter * rng.standard_normal()) / f0
    for formant, width in ((500, 80), (1500, 120), (2500, 160)):
        radius = np.exp(-np.pi * width / rate)
        angle = 2 * np.pi * formant / rate
        x = lfilter([1], [1, -2 * radius * np.cos(angle), radius**2], x)
    y = resample_poly(x, 1, 8)
    return (0.1 * y / np.std(y) + noise * rng.standard_normal(y.size)).astype(np.float32)


def by_praat(x: np.ndarray) -> dict[str, float]:
    """Praat's numbers, with its usual settings and our range of pitch."""
    sound = parselmouth.Sound(x.astype(np.float64), RATE)
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=60, pitch_ceiling=400)
    f0 = pitch.selected_array["frequency"]
    pulses = call([sound, pitch], "To PointProcess (cc)")
    ratios = sound.to_harmonicity_cc(time_step=0.01, minimum_pitch=60).values
    return {
        "f0_median": float(np.median(f0[f0 > 0])),
        "jitter": call(pulses, "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3),
        "shimmer": call([sound, pulses], "Get shimmer (local)", 0, 0, 0.0001, 0.02, 1.3, 1.6),
        # Where nothing sounds it is -200 dB.
        "harmonicity": float(np.median(ratios[ratios > -200])),
    }


@pytest.mark.parametrize("f0", [90.0, 140.0, 220.0])
def test_a_steady_voice(f0):
    x = voice(f0)
    ours, praat = measure(x, RATE), by_praat(x)
    assert ours["f0_median"] == pytest.approx(praat["f0_median"], rel=1e-3)
    assert ours["jitter"] < 0.001
    assert abs(ours["shimmer"] - praat["shimmer"]) < 0.002
    assert max(ours["jitter"], praat["jitter"]) < 0.0015


@pytest.mark.parametrize("jitter", [0.005, 0.02])
def test_jitter(jitter):
    x = voice(100.0, jitter=jitter)
    ours, praat = measure(x, RATE)["jitter"], by_praat(x)["jitter"]
    assert ours == pytest.approx(CHANGE * jitter, rel=0.15)
    assert ours == pytest.approx(praat, rel=0.2)


@pytest.mark.parametrize("shimmer", [0.05, 0.15])
def test_shimmer(shimmer):
    x = voice(100.0, shimmer=shimmer)
    ours, praat = measure(x, RATE)["shimmer"], by_praat(x)["shimmer"]
    assert ours == pytest.approx(CHANGE * shimmer, rel=0.2)
    assert ours == pytest.approx(praat, rel=0.03)


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1])
def test_harmonicity_follows_the_noise(noise):
    """Ours is lower by up to 3 dB: its frames of 40 ms hold fewer cycles."""
    x = voice(150.0, noise=noise)
    ours, praat = measure(x, RATE)["harmonicity"], by_praat(x)["harmonicity"]
    assert ours == pytest.approx(20 * np.log10(0.1 / noise), abs=3)
    assert ours == pytest.approx(praat, abs=3)
