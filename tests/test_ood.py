"""Detectors of unknown attacks: orientation, invariances, closed forms, refusals."""

import numpy as np
import pytest
from safetensors.numpy import load, save
from scipy.special import log_softmax, logsumexp, softmax
from scipy.stats import entropy

from spoofscope.errors import ConfigError, DetectorError
from spoofscope.metrics.rates import auc, eer
from spoofscope.ood import base
from spoofscope.ood.base import Outputs
from spoofscope.ood.gate import Gate
from spoofscope.ood.registry import OOD_DETECTORS, build, restore
from spoofscope.ood.thresholds import PolarityError, check_polarity, dev_auroc, dev_threshold
from unknown_attacks import toy

GATE = {"type": "gate", "members": [{"type": "msp"}, {"type": "knn", "k": 3}]}
CONFIGS = [GATE if name == "gate" else {"type": name} for name in OOD_DETECTORS.available()]
ALL = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config["type"])


def fitted(config):
    data = toy()
    detector = build(config).fit(data.train, data.classes)
    if isinstance(detector, Gate):
        detector.fit_on_dev(data.dev, data.known)
    return detector


def unit(some):
    vectors = some.vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1)[:, None]


def outputs(vectors, logits):
    return Outputs(np.asarray(vectors, dtype=np.float32), np.asarray(logits, dtype=np.float32))


@ALL
def test_unknown_attacks_score_higher(config):
    data = toy()
    scores = fitted(config).ood_scores(toy(2).dev)
    assert scores.dtype == np.float64
    assert auc(scores[~data.known], scores[data.known]) > 0.95


@ALL
def test_neither_order_nor_company_of_clips_counts(config, monkeypatch):
    data = toy()
    detector = fitted(config)
    scores = detector.ood_scores(data.dev)
    order = np.random.default_rng(3).permutation(len(data.dev))
    near = {"rtol": 1e-5, "atol": 1e-6}
    assert np.allclose(detector.ood_scores(data.dev.rows(order)), scores[order], **near)
    monkeypatch.setattr(base, "ROWS_AT_ONCE", 7)
    assert np.allclose(detector.ood_scores(data.dev), scores, **near)
    assert np.allclose(detector.ood_scores(data.dev.rows(slice(4, 5))), scores[4:5], **near)
    assert detector.ood_scores(data.dev.rows(slice(0, 0))).size == 0


@ALL
def test_the_order_of_train_does_not_count(config):
    data = toy()
    order = np.random.default_rng(4).permutation(len(data.train))
    other = build(config).fit(data.train.rows(order), data.classes[order])
    if isinstance(other, Gate):
        other.fit_on_dev(data.dev, data.known)
    assert np.allclose(
        other.ood_scores(data.dev), fitted(config).ood_scores(data.dev), rtol=1e-4, atol=1e-5
    )


@ALL
def test_a_class_may_have_one_clip(config):
    data = toy()
    kept = (data.classes < 4) | (np.cumsum(data.classes == 4) == 1)
    assert np.sum(data.classes[kept] == 4) == 1
    detector = build(config).fit(data.train.rows(kept), data.classes[kept])
    if isinstance(detector, Gate):
        detector.fit_on_dev(data.dev, data.known)
    scores = detector.ood_scores(data.dev)
    assert np.isfinite(scores).all()
    assert auc(scores[~data.known], scores[data.known]) > 0.8


@ALL
def test_a_detector_comes_back_from_its_arrays(config):
    detector = fitted(config)
    again = restore({"type": config["type"], **detector.config()}, load(save(detector.arrays())))
    dev = toy().dev
    assert np.array_equal(again.ood_scores(dev), detector.ood_scores(dev))
    with pytest.raises(DetectorError, match="not the arrays"):
        restore(config, {})


@ALL
def test_a_detector_is_fitted_before_it_is_asked_and_asked_about_the_same_tracer(config):
    data = toy()
    with pytest.raises(DetectorError, match="is not fitted"):
        build(config).ood_scores(data.dev)
    other = outputs(data.dev.vectors[:, :5], data.dev.logits)
    with pytest.raises(DetectorError, match=r"\[12, 5\] dimensions and is asked about \[5, 5\]"):
        fitted(config).ood_scores(other)


@pytest.mark.parametrize("name", [name for name in OOD_DETECTORS.available() if name != "gate"])
def test_the_published_sign_mirrors_the_error_rate(name):
    data = toy()
    detector = fitted({"type": name})
    published = fitted({"type": name, "as_published": True})
    known, unknown = data.dev.rows(data.known), data.dev.rows(~data.known)
    assert published.as_published
    assert not detector.as_published
    rate = eer(detector.ood_scores(unknown), detector.ood_scores(known)).value
    mirrored = eer(published.ood_scores(unknown), published.ood_scores(known)).value
    assert mirrored == pytest.approx(1 - rate, abs=1 / 150)


# --- closed forms --------------------------------------------------------------------------------


def scores_of(name, logits, **options):
    logits = np.asarray(logits, dtype=np.float32)
    some = outputs(np.ones((len(logits), 2)), logits)
    detector = build({"type": name, **options}).fit(some, np.zeros(len(logits), dtype=np.int64))
    return detector.ood_scores(some)


LOGITS = np.random.default_rng(5).normal(0, 3, (20, 6)).astype(np.float32)


def test_detectors_of_logits_are_their_formulas():
    z = LOGITS.astype(np.float64)
    p = softmax(z, axis=1)
    first, second = np.sort(p, axis=1)[:, :-3:-1].T
    expected = {
        "energy": -logsumexp(z, axis=1),
        "softmax_energy": -logsumexp(p, axis=1),
        "msp": 1 - first,
        "max_logit": -z.max(axis=1),
        "kl": -np.mean(np.log(1 / 6) - log_softmax(z, axis=1), axis=1),
        "entropy": entropy(p, axis=1),
        "margin": 1 - (first - second),
    }
    for name, values in expected.items():
        assert np.allclose(scores_of(name, LOGITS), values, rtol=1e-9), name
    t = 2.5
    assert np.allclose(
        scores_of("energy", LOGITS, temperature=t), -t * logsumexp(z / t, axis=1), rtol=1e-9
    )
    assert np.allclose(
        scores_of("softmax_energy", LOGITS, temperature=t), -t * logsumexp(p / t, axis=1)
    )


def test_softmax_energy_lies_between_equal_and_sure_probabilities():
    equal, sure = scores_of("softmax_energy", [[0, 0, 0, 0], [1000, 0, 0, 0]])
    assert equal == pytest.approx(-np.log(4 * np.exp(0.25)))
    assert sure == pytest.approx(-np.log(np.e + 3))


def test_sure_clips_are_told_apart():
    """Their largest probabilities are all 1 in floating point."""
    scores = scores_of("msp", [[50, 0], [60, 0], [70, 0]])
    assert scores[0] > scores[1] > scores[2] > 0
    scores = scores_of("margin", [[50, 0], [60, 0], [70, 0]])
    assert scores[0] > scores[1] > scores[2] > 0


def test_huge_numbers_stay_finite():
    huge = outputs(np.full((4, 3), 3e38), np.full((4, 2), 3e38))
    classes = np.array([0, 0, 1, 1])
    for name in ("energy", "softmax_energy", "msp", "kl", "entropy", "margin", "knn", "relation"):
        detector = build({"type": name} | ({"k": 1} if name == "knn" else {}))
        assert np.isfinite(detector.fit(huge, classes).ood_scores(huge)).all(), name


def test_nsd_is_the_dense_product_in_short():
    data = toy()
    of_train, energy = (logsumexp(x.logits.astype(np.float64), axis=1) for x in data[::2])
    dense = -energy * (unit(data.dev) @ (of_train[:, None] * unit(data.train)).T).mean(axis=1)
    assert np.allclose(fitted({"type": "nsd"}).ood_scores(data.dev), dense, rtol=1e-9)


def test_nsd_per_class_takes_the_nearest_class():
    train = outputs([[1, 0], [1, 0], [0, 1]], np.zeros((3, 3)))
    detector = build({"type": "nsd_per_class"}).fit(train, np.array([0, 0, 2]))
    test = outputs([[3, 4]], [[1, 1, 1]])
    expected = -(1 + np.log(3)) * np.log(3) * 0.8
    assert detector.ood_scores(test)[0] == pytest.approx(expected)


def test_relation_is_a_mean_over_classes_of_means():
    data = toy()
    of_train, p = (softmax(x.logits, axis=1) for x in data[::2])
    pairs = np.maximum(0, unit(data.dev) @ unit(data.train).T) * (p @ of_train.T)
    pairs[pairs <= 0.03] = 0
    means = [pairs[:, data.classes == each].mean(axis=1) for each in range(5)]
    assert np.allclose(
        fitted({"type": "relation"}).ood_scores(data.dev), -np.mean(means, axis=0), rtol=1e-4
    )


def test_relation_does_not_follow_the_largest_class():
    """A sum over clips gives the smallest class less than unknown clips near the largest one."""
    data = toy()
    scores = fitted({"type": "relation"}).ood_scores(data.dev)
    of_smallest = scores[120:150]
    assert of_smallest.max() < scores[~data.known].min()


@pytest.mark.parametrize("options", [{}, {"rank": 159}, {"explained_variance": 0.999}])
def test_vim_is_finite_for_vectors_of_160_dimensions(options):
    rng = np.random.default_rng(6)
    train = outputs(rng.normal(size=(400, 160)), rng.normal(2, 1, (400, 24)))
    detector = build({"type": "vim", **options}).fit(train, np.arange(400) % 24)
    assert np.isfinite(detector.ood_scores(train)).all()
    assert detector.arrays()["rest"].shape[1] >= 1


@pytest.mark.parametrize("options", [{}, {"unit_length": False, "shrinkage": 0.0}])
def test_mahalanobis_is_the_least_of_the_distances_to_all_means(options):
    data = toy()
    arrays = build({"type": "mahalanobis", **options}).fit(data.train, data.classes).arrays()
    # Far from the origin, sums of squares have no digits left for the distance to a mean.
    shifted = {**arrays, "means": arrays["means"] + 1e4}
    shifted["centre"] = arrays["centre"] - 1e4 * np.linalg.solve(arrays["whitening"].T, np.ones(12))
    detector = restore({"type": "mahalanobis", **options}, shifted)
    vectors = unit(data.dev) if not options else data.dev.vectors.astype(np.float64)
    away = (vectors - arrays["centre"]) @ arrays["whitening"]
    plain = ((away[:, None] - arrays["means"]) ** 2).sum(axis=2).min(axis=1)
    assert np.allclose(detector.ood_scores(data.dev), plain, rtol=1e-6)


def test_vim_measures_what_the_main_directions_lack():
    base_vectors = np.array([[10, 0, 1], [-10, 0, -1], [10, 0, -1], [-10, 0, 1]])
    train = outputs(base_vectors, np.full((4, 2), 3.0))
    detector = build({"type": "vim", "rank": 1}).fit(train, np.zeros(4, dtype=np.int64))
    test = outputs([[100, 0, 0], [0, 3, 4]], np.zeros((2, 2)))
    # The mean residual is 1 and the mean largest logit is 3, so alpha is 3.
    assert np.allclose(detector.ood_scores(test), [-np.log(2), 15 - np.log(2)])


def test_vim_counts_log_probabilities_from_their_mean():
    vectors = np.array([[10, 0, 1], [-10, 0, -1], [10, 0, -1], [-10, 0, 1]])
    classes = np.zeros(4, dtype=np.int64)
    train = outputs(vectors, np.tile([-1.0, -5.0], (4, 1)))
    # The mean residual is 1, and the largest logit is 2 above the mean.
    test = outputs([[0, 3, 4]], np.zeros((1, 2)))
    detector = build({"type": "vim", "rank": 1}).fit(train, classes)
    assert np.allclose(detector.ood_scores(test), [10 - np.log(2)])
    with pytest.raises(DetectorError, match="alike and not above 0"):
        build({"type": "vim", "rank": 1}).fit(outputs(vectors, np.zeros((4, 2))), classes)


# --- gate ----------------------------------------------------------------------------------------


def test_a_gate_finds_the_sign_of_its_members():
    data = toy()
    members = [{"type": "knn"}, {"type": "energy", "as_published": True}]
    gate = build({"type": "gate", "members": members}).fit(data.train, data.classes)
    gate.fit_on_dev(data.dev, data.known)
    first, second = gate.arrays()["slopes"]
    assert first > 0 > second
    scores = gate.ood_scores(data.dev)
    assert dev_auroc(scores, data.known) > 0.99
    # Log-odds, with as much weight for the known as for the unknown clips.
    assert scores[~data.known].min() > 0 > scores[data.known].max()


def test_a_gate_needs_dev_with_both_kinds():
    data = toy()
    gate = build(GATE).fit(data.train, data.classes)
    with pytest.raises(DetectorError, match="fitted on dev"):
        gate.ood_scores(data.dev)
    with pytest.raises(DetectorError, match="dev has no clips of unknown attacks"):
        gate.fit_on_dev(data.train, np.ones(len(data.train), dtype=np.bool_))
    with pytest.raises(DetectorError, match="cannot be a gate"):
        build({"type": "gate", "members": [GATE]})
    with pytest.raises(ConfigError, match="no detector of unknown attacks 'knm'; did you mean"):
        build({"type": "gate", "members": [{"type": "knm"}]})
    same = build({"type": "gate", "members": [{"type": "msp"}]}).fit(data.train, data.classes)
    zeros = outputs(data.dev.vectors, np.zeros_like(data.dev.logits))
    with pytest.raises(DetectorError, match="the member 'msp' of a gate says the same"):
        same.fit_on_dev(zeros, data.known)


# --- thresholds ----------------------------------------------------------------------------------


def test_the_threshold_is_that_of_equal_errors_on_dev():
    scores = np.array([0.0, 1.0, 2.0, 5.0, 3.0, 4.0, 6.0, 7.0])
    known = np.array([True] * 4 + [False] * 4)
    threshold = dev_threshold(scores, known)
    assert np.mean(scores[known] >= threshold) == np.mean(scores[~known] < threshold) == 0.25
    assert dev_auroc(scores, known) == pytest.approx(14 / 16)


@pytest.mark.parametrize("there", [True, False])
def test_no_threshold_without_both_kinds(there):
    missing = "unknown" if there else "known"
    for choose in (dev_threshold, dev_auroc):
        with pytest.raises(DetectorError, match=f"dev has no clips of {missing} .* add clips"):
            choose(np.arange(3.0), np.full(3, there))


def test_an_inverted_polarity_is_refused():
    scores, known = np.array([3.0, 2.0, 1.0]), np.array([True, False, False])
    aurocs = {"energy": dev_auroc(scores, known), "knn": 0.7, "msp": 0.25}
    # All of them are named, with the tracer and what to do.
    start = (
        "tracer t: the polarities of energy (AUROC 0.000, mirrored 1.000) and msp (AUROC 0.250, "
    )
    start += (
        "mirrored 0.750) are inverted: on dev, known attacks score as more unknown than unknown "
    )
    out = "leave them out, by `ood: [knn, gate]` in `tracers.t`"
    gate = "make them members of a gate, which finds their signs on dev"
    assert refusal(aurocs, [*aurocs, "gate"], "knn") == f"{start}ones; {out}; or {gate}"
    # A constant score tells nothing, which is no question of its sign.
    assert dev_auroc(np.zeros(3), known) == 0.5
    check_polarity({"msp": 0.5}, "t", ["msp"], "msp")


def refusal(aurocs: dict[str, float], fitted: list[str], decide_by: str) -> str:
    gates = [name for name in fitted if name.startswith("gate")]
    with pytest.raises(PolarityError) as caught:
        check_polarity(aurocs, "t", fitted, decide_by, gates)
    return str(caught.value)


@pytest.mark.parametrize(
    ("inverted", "fitted", "decide_by", "way"),
    [
        (
            ["msp"],
            ["msp", "knn"],
            "knn",
            "leave it out, by `ood: [knn]` in `tracers.t`; or make it a member of a gate, which "
            "finds the sign on dev",
        ),
        # Whoever decides has a successor.
        (
            ["msp", "kl"],
            ["msp", "kl", "knn"],
            "kl",
            "leave them out, by `ood: [knn]` and `decide_by: knn` in `tracers.t`; or make them "
            "members of a gate, which finds their signs on dev",
        ),
        (
            ["msp"],
            ["msp", "knn", "vim"],
            "msp",
            "leave it out, by `ood: [knn, vim]` and one of these as `decide_by` in `tracers.t`; or "
            "make it a member of a gate, which finds the sign on dev",
        ),
        # None is left.
        (
            ["msp", "kl", "knn"],
            ["msp", "kl", "knn"],
            "kl",
            "define other detectors in `tracing.ood`, and name them in `tracers.t.ood` and "
            "`tracers.t.decide_by`; or make them members of a gate, which finds their signs on dev",
        ),
        # A gate is no member of a gate.
        (
            ["gate"],
            ["gate", "knn"],
            "knn",
            "leave it out, by `ood: [knn]` in `tracers.t`; or list other members of gate",
        ),
        (
            ["msp", "gate"],
            ["msp", "gate", "knn"],
            "knn",
            "leave them out, by `ood: [knn]` in `tracers.t`; or make msp a member of a gate, which "
            "finds the sign on dev; or list other members of gate",
        ),
    ],
)
def test_the_way_out_of_an_inverted_polarity_fits_the_case(inverted, fitted, decide_by, way):
    aurocs = {name: 0.2 if name in inverted else 0.8 for name in fitted}
    assert refusal(aurocs, fitted, decide_by).partition("unknown ones; ")[2] == way


# --- bad input -----------------------------------------------------------------------------------


def test_numbers_that_are_not_finite_are_refused_by_row():
    vectors = np.ones((5, 3), dtype=np.float32)
    vectors[3, 1] = np.nan
    with pytest.raises(DetectorError, match=r"vectors of a tracer: those of 1 of 5 .* row 3;"):
        Outputs(vectors, np.ones((5, 2), dtype=np.float32))
    logits = np.ones((5, 2), dtype=np.float32)
    logits[[2, 4], 0] = np.inf
    with pytest.raises(DetectorError, match=r"logits of a tracer: those of 2 of 5 .* row 2;"):
        Outputs(np.ones((5, 3), dtype=np.float32), logits)


def test_shapes_and_ids_that_do_not_fit_are_refused():
    with pytest.raises(DetectorError, match="expected float32 with a row per clip, got float64"):
        Outputs(np.ones((5, 3)), np.ones((5, 2), dtype=np.float32))
    with pytest.raises(DetectorError, match="5 vectors and 4 rows of logits"):
        outputs(np.ones((5, 3)), np.ones((4, 2)))
    some = outputs(np.ones((3, 3)), np.ones((3, 2)))
    for ids, message in (
        ([0, 1, 2], "row 2 of train has the id 2; known attacks have ids from 0 to 1"),
        ([-1, 1, 1], "row 0 of train has the id -1"),
        ([0, 1], "expected int64 of 3 clips"),
    ):
        with pytest.raises(DetectorError, match=message):
            build({"type": "msp"}).fit(some, np.array(ids))
    with pytest.raises(DetectorError, match="train, which is empty"):
        build({"type": "msp"}).fit(some.rows(slice(0, 0)), np.empty(0, dtype=np.int64))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "knn", "k": 5}, "5 neighbours are asked for, and train has 4 clips"),
        ({"type": "nnguide", "k": 5}, "5 neighbours are asked for"),
        ({"type": "vim", "rank": 3}, "rank 3 leaves none of 3 dimensions; set it to 2 or less"),
        ({"type": "vim", "rank": 2}, "lie in the 2 main directions of ViM altogether"),
        ({"type": "mahalanobis", "shrinkage": 0.0}, "do not vary in all of their 3 dimensions"),
    ],
)
def test_what_cannot_be_fitted_is_refused(config, message):
    train = outputs([[1, 0, 0], [2, 1, 0], [0, 1, 0], [3, 2, 0]], np.ones((4, 2)))
    with pytest.raises(DetectorError, match=message):
        build(config).fit(train, np.zeros(4, dtype=np.int64))


def test_a_spread_needs_two_clips_of_a_class():
    train = outputs(np.eye(3), np.ones((3, 3)))
    with pytest.raises(DetectorError, match="no two training clips of any class differ"):
        build({"type": "mahalanobis"}).fit(train, np.arange(3))


def test_a_margin_needs_two_known_attacks():
    one = outputs(np.ones((2, 2)), np.ones((2, 1)))
    with pytest.raises(DetectorError, match="take max_logit"):
        build({"type": "margin"}).fit(one, np.zeros(2, dtype=np.int64))


def test_options_are_checked():
    with pytest.raises(ConfigError, match="k must be an integer of at least 1, not 0"):
        build({"type": "knn", "k": 0})
    with pytest.raises(ConfigError, match="unknown key 'kk'"):
        build({"type": "knn", "kk": 1})
