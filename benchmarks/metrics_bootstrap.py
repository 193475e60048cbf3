"""Seconds for a bootstrap of EER and minDCF, against a plain loop over scikit-learn's roc_curve.

    python benchmarks/metrics_bootstrap.py [--trials N] [--resamples R] [--loop K]

The plain loop runs K resamples, and its time for R is extrapolated from these.
"""

import argparse
import time

import numpy as np
from sklearn.metrics import roc_curve

from spoofscope.metrics.bootstrap import percentile_interval, resample, resample_clusters


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
    print(f"{options.trials} trials, {options.resamples} resamples of EER and minDCF")

    start = time.perf_counter()
    fast = resample(bonafide, spoof, options.resamples, rng)
    seconds = time.perf_counter() - start
    print(f"spoofscope, trials     {seconds:9.2f} s  {interval(fast.eer, fast.min_dcf)}")

    start = time.perf_counter()
    clusters = speakers[:n_bonafide], speakers[n_bonafide:]
    clustered = resample_clusters(bonafide, spoof, clusters, options.resamples, rng)
    clustered_seconds = time.perf_counter() - start
    print(
        f"spoofscope, 700 speakers {clustered_seconds:7.2f} s  "
        f"{interval(clustered.eer, clustered.min_dcf)}"
    )

    start = time.perf_counter()
    for _ in range(options.loop):
        plain_resample(bonafide, spoof, rng)
    plain = (time.perf_counter() - start) / options.loop * options.resamples
    print(f"plain loop             {plain:9.2f} s  (extrapolated from {options.loop} resamples)")
    print(f"ratio                  {plain / seconds:9.1f}")


def interval(eer: np.ndarray, min_dcf: np.ndarray) -> str:
    (low, high), (cost_low, cost_high) = percentile_interval(eer), percentile_interval(min_dcf)
    return f"EER {low:.4f} to {high:.4f}, minDCF {cost_low:.4f} to {cost_high:.4f}"


if __name__ == "__main__":
    main()
