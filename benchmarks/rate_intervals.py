"""How often the interval of an error rate holds the truth where errors gather in speakers.

    python benchmarks/rate_intervals.py [--studies N] [--resamples R]

Each simulated study has K speakers with M trials each. The error rate of a speaker is drawn from a
beta distribution with mean P and intraclass correlation C, and the errors from it. Prints the share
of studies whose 95 % interval holds P, of the bootstrap over speakers alone (the baseline), and of
it together with `metrics.limits.rate_limits`, which is what the workflow reports; and the median
widths of both. Exits with 1 when ours holds the truth in fewer than 94 % of any kind of study.
"""

import argparse
import itertools
import sys

import numpy as np

from spoofscope.metrics.limits import Trials, hull, percentile_interval, rate_limits

SPEAKERS = (4, 7, 15, 40, 67)
TRIALS = (10, 100)
CORRELATIONS = (0.0, 0.05, 0.2, 0.5, 0.9)
RATES = (0.003, 0.01, 0.03, 0.1, 0.25)


def errors(
    n_speakers: int, n_trials: int, correlation: float, rate: float, rng: np.random.Generator
) -> np.ndarray:
    """(n_speakers,) errors of each speaker."""
    shares: float | np.ndarray = rate
    if correlation > 0:
        size = (1 - correlation) / correlation
        shares = rng.beta(rate * size, (1 - rate) * size, n_speakers)
    return rng.binomial(n_trials, shares, n_speakers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=400)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    worst = {"bootstrap": 1.0, "ours": 1.0}
    print("speakers trials correlation  rate   bootstrap: holds, width   ours: holds, width")
    for k, m, correlation, rate in itertools.product(SPEAKERS, TRIALS, CORRELATIONS, RATES):
        holds: dict[str, list[bool]] = {"bootstrap": [], "ours": []}
        widths: dict[str, list[float]] = {"bootstrap": [], "ours": []}
        for _ in range(options.studies):
            wrong = errors(k, m, correlation, rate, rng)
            resampled = rng.multinomial(k, np.full(k, 1 / k), options.resamples) @ wrong / (k * m)
            drawn = percentile_interval(resampled)
            limits = rate_limits(float(wrong.sum() / (k * m)), resampled, Trials(k, k * m))
            for name, interval in (("bootstrap", drawn), ("ours", hull(drawn, limits))):
                holds[name].append(interval.low <= rate <= interval.high)
                widths[name].append(interval.high - interval.low)
        shares = {name: float(np.mean(values)) for name, values in holds.items()}
        worst = {name: min(worst[name], share) for name, share in shares.items()}
        cells = "   ".join(
            f"{shares[name]:18.1%}, {np.median(widths[name]):6.1%}" for name in shares
        )
        print(f"{k:8} {m:6} {correlation:11} {rate:6.1%}{cells}", flush=True)
    print("fewest: " + ", ".join(f"{name} {share:.1%}" for name, share in worst.items()))
    sys.exit(worst["ours"] < 0.94)


if __name__ == "__main__":
    main()
