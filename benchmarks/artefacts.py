"""Speed of measuring artefacts, and of their permutation tests against a plain loop.

    python benchmarks/artefacts.py [--seconds S] [--trials N] [--measures M] [--permutations P]

The tests correlate M measures with the scores of N trials, most of them with nothing to find, in P
permutations at most. The plain loop permutes the ranks P times for every measure that is left; its
time is extrapolated from a few of these. Times are CPU seconds of one core: run with
OMP_NUM_THREADS=1. By default the last line takes minutes, and longer where others work, too.
"""

import argparse
import time

import numpy as np

from spoofscope.artefacts.measures import MEASURES, measure
from spoofscope.artefacts.published import measure_as_published
from spoofscope.metrics.correlation import permutation_spearman, standard_ranks

RATE = 16000
# Permutations of the plain loop that are timed, and measures that do correlate.
TIMED, PLANTED = 10, 5


def voice(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A gliding voice with pauses, and some noise."""
    times = np.arange(int(seconds * RATE)) / RATE
    phase = np.cumsum(120 * 2 ** (0.3 * np.sin(2 * np.pi * 0.7 * times))) / RATE
    sound = sum(np.cos(2 * np.pi * k * phase) / k for k in range(1, 20))
    sound *= 0.05 * (np.sin(2 * np.pi * 1.5 * times) > -0.5)
    return (sound + 1e-3 * rng.standard_normal(times.size)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of a clip")
    parser.add_argument("--trials", type=int, default=680_000)
    parser.add_argument("--measures", type=int, default=len(MEASURES))
    parser.add_argument("--permutations", type=int, default=10_000)
    options = parser.parse_args()
    rng = np.random.default_rng(1)

    clip = voice(options.seconds, rng)
    for name, function in (("measures", measure), ("as published", measure_as_published)):
        function(clip, RATE)
        start = time.process_time()
        for _ in range(10):
            function(clip, RATE)
        took = (time.process_time() - start) / 10
        hours = took * 100_000 / 3600
        print(
            f"{name:13}{1000 * took:6.0f} ms per clip of {options.seconds:g} s, "
            f"{options.seconds / took:.0f} times real time; 100,000 clips in {hours:.1f} core hours"
        )

    target = rng.standard_normal(options.trials)
    columns = rng.standard_normal((options.trials, options.measures))
    columns[:, :PLANTED] += 0.05 * target[:, None]
    ranks = np.stack([standard_ranks(column) for column in columns.T])
    of_target = standard_ranks(target)
    observed = np.abs(ranks @ of_target)
    start = time.process_time()
    for _ in range(TIMED):
        permuted = rng.permutation(of_target)
        _ = np.abs(ranks @ permuted) >= observed
    plain = (time.process_time() - start) / TIMED * options.permutations
    print(f"{options.trials:,} trials, {options.measures} measures, {options.permutations:,} times")
    print(f"plain loop   {plain:8.1f} s, extrapolated from {TIMED} permutations")
    seconds = {}
    for name, chosen in (("nothing there", columns[:, PLANTED:]), ("some there", columns)):
        start = time.process_time()
        permutation_spearman(chosen, target, options.permutations, rng)
        seconds[name] = time.process_time() - start
        print(f"{name:13}{seconds[name]:8.1f} s, {plain / seconds[name]:.1f} times as fast")


if __name__ == "__main__":
    main()
