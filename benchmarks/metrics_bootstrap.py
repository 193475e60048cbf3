"""Seconds for a bootstrap of all metrics, against a plain loop over scikit-learn's roc_curve.

    python benchmarks/metrics_bootstrap.py [--trials N] [--resamples R] [--loop K]

The plain loop runs K resamples, and its time for R is extrapolated from these.
"""

import argparse
import time

import numpy as np
from sklearn.metrics import roc_curve

from spoofscope.metrics.bootstrap import Draws
from spoofscope.metrics.measure import METRICS, measure


def plain_resample(
    bonafide: np.ndarray, spoof: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    scores = np.concatenate([rng.choice(bonafide, bonafide.size), rng.choice(spoof, spoof.size)])
    labels = np.repeat([1, 0], [bonafide.size, spoof.size])
    p_fa, hit, _ = roc_curve(labels, scores)
    p_miss = 1 - hit
    nearest = np.argmin(np.abs(p_miss - p_fa))
    return (p_miss[nearest] + p_fa[nearest]) / 2, float(np.min(1.9 * p_miss + p_fa))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--loop", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    n_bonafide = options.trials // 5
    bonafide = rng.normal(3.0, 1.0, n_bonafide)
    spoof = rng.normal(0.0, 1.0, options.trials - n_bonafide)
    speakers = rng.integers(700, size=options.trials)
    print(f"{options.trials} trials, {options.resamples} resamples")
    is_bonafide = np.arange(options.trials) < n_bonafide
    seconds = {}
    for name, clusters in (("trials", None), ("700 speakers", speakers)):
        start = time.perf_counter()
        draws = Draws(is_bonafide, clusters, options.resamples, rng)
        units = draws.units[is_bonafide], draws.units[~is_bonafide]
        found = measure(bonafide, spoof, METRICS, units, draws)
        seconds[name] = time.perf_counter() - start
        print(f"spoofscope, {name:13}{seconds[name]:7.2f} s")
        for metric, (value, interval, _) in found.items():
            print(f"    {metric:9} {value:.4f} [{interval.low:.4f}, {interval.high:.4f}]")

    start = time.perf_counter()
    for _ in range(options.loop):
        plain_resample(bonafide, spoof, rng)
    plain = (time.perf_counter() - start) / options.loop * options.resamples
    print(f"plain loop of EER and minDCF {plain:7.2f} s, extrapolated from {options.loop}")
    print(f"ratio {plain / seconds['trials']:.1f}")


if __name__ == "__main__":
    main()
