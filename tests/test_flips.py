"""Tests whose unit is the speaker: against lists of all flips, and how often they find nothing."""

import itertools

import numpy as np
import pytest
import scipy.stats

from spoofscope.metrics.flips import LISTED, flipped_spearman, mcnemar_p


def listed(parts):
    """Share of all flips at least as far from 0, one by one."""
    sums = [abs(np.dot(signs, parts)) for signs in itertools.product((1, -1), repeat=len(parts))]
    return float(np.mean(np.array(sums) >= abs(np.sum(parts)) - 1e-12))


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (0, 5), (5, 0), (7, 7), (3, 12), (900, 1000)]
)
def test_a_clip_per_cluster_is_the_binomial_test(first, second):
    n = first + second
    expected = scipy.stats.binomtest(first, n).pvalue if n else 1.0
    assert mcnemar_p([1] * first + [-1] * second + [0, 0]) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("parts", [[3, -1, 2, 0, 5], [4, 4, 4], [-2, 7], [1, -1], [10]])
def test_mcnemar_of_clusters_is_the_list_of_flips(parts):
    assert mcnemar_p(parts) == pytest.approx(listed(parts), abs=1e-12)


@pytest.mark.parametrize("k", [2, 5, LISTED])
def test_correlations_of_few_clusters_are_the_list_of_flips(k):
    rng = np.random.default_rng(k)
    clusters = np.concatenate([np.arange(k), rng.integers(0, k, 4 * k)])
    x, y = rng.standard_normal((2, clusters.size))
    rho, p = flipped_spearman(x, y, clusters)
    assert rho == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    a, b = (scipy.stats.rankdata(each) - (clusters.size + 1) / 2 for each in (x, y))
    parts = [float(np.sum(a[clusters == c] * b[clusters == c])) for c in range(k)]
    assert p == pytest.approx(listed(parts) if k < LISTED else p)
    assert p >= 2.0 ** (1 - k)


def test_many_clusters_are_close_to_the_list_of_few():
    """The normal sum takes over where the list ends, without a step."""
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(40):
        x = rng.standard_normal(LISTED)
        exact = flipped_spearman(x, rng.standard_normal(LISTED) + 0.5 * x, np.arange(LISTED))[1]
        x = rng.standard_normal(LISTED + 1)
        y = rng.standard_normal(LISTED + 1) + 0.5 * x
        normal = flipped_spearman(x, y, np.arange(LISTED + 1))[1]
        ratios.append((exact, normal))
    means = np.mean(ratios, axis=0)
    assert means[0] == pytest.approx(means[1], abs=0.12)


def test_what_is_constant_has_no_correlation():
    assert flipped_spearman([1, 1, 1], [1, 2, 3], ["a", "b", "c"]) is None


@pytest.mark.parametrize("same_speakers", [False, True])
def test_where_there_is_nothing_5_percent_are_below_5_percent(same_speakers):
    """Speakers differ and classes do not; Mann and Whitney find that often."""
    rng = np.random.default_rng(4)
    label = np.repeat([1.0, 0.0], 100)
    clusters = np.repeat(np.arange(20), 10) % (10 if same_speakers else 20)
    found, naive = [], []
    for _ in range(400):
        values = rng.standard_normal(20)[clusters] + rng.standard_normal(200)
        if same_speakers:
            # Each speaker's copies are off by something of their own.
            values += rng.standard_normal(20)[clusters] * label
        found.append(flipped_spearman(values, label, clusters)[1])
        naive.append(scipy.stats.mannwhitneyu(values[:100], values[100:]).pvalue)
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(np.array(naive) <= 0.05) > 0.2
