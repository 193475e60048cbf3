"""Attributions: closed forms, completeness, captum, and the equality of what is scored."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from noise_and_tones import write_corpus
from spoofscope import baselines, tables
from spoofscope.attribution.domains import reduce_map
from spoofscope.attribution.explain import explain
from spoofscope.attribution.faithfulness import (
    FRACTIONS,
    gradient_times_input,
    masking_curves,
    occlusion,
)
from spoofscope.attribution.integrated import (
    Attribution,
    Passes,
    clenshaw_curtis,
    integrated_gradients,
    point_counts,
    score_function,
)
from spoofscope.attribution.regions import odd_frames, smooth, top_regions
from spoofscope.attribution.store import MASKINGS, Attributions
from spoofscope.backends import registry as backends
from spoofscope.backends.aasist import GraphPool
from spoofscope.baselines import (
    BonafideFrames,
    baseline_features,
    bonafide_centroid,
    bonafide_frames,
    frame_levels,
    read_centroid,
    read_frames,
    window_features,
    write_centroid,
)
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, DetectorError, TableError
from spoofscope.features import FeatureReader, extract
from spoofscope.frames import frame_indices
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.options.attribution import ExplainOptions
from spoofscope.randomised import randomised_backend
from spoofscope.selection.utterances import select_utterances
from spoofscope.windows import InputPolicy

LFCC = {"type": "lfcc", "n_filters": 10, "n_coefficients": 8}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def backend_function(
    config: dict[str, Any], *, n_channels: int, dim: int, n_frames: int
) -> Callable[[Tensor], Tensor]:
    torch.manual_seed(1)
    built = backends.build(config, n_channels=n_channels, dim=dim, n_frames=n_frames).eval()

    def function(values: Tensor) -> Tensor:
        logits = built(values, torch.full((values.shape[0],), values.shape[2]))
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]

    return function


# --- Integrated Gradients ------------------------------------------------------------------------


def of_one(
    function: Callable[[Tensor], Tensor], x: Tensor, b: Tensor, **options: Any
) -> Attribution:
    (attribution,) = integrated_gradients(function, [x], [b], **options)
    return attribution


def test_polynomials_have_their_closed_form():
    x, b = normal(2, 3, 4, seed=1), normal(2, 3, 4, seed=2)

    def cubes(values: Tensor) -> Tensor:
        return (values**3).sum(dim=(1, 2, 3))

    got = of_one(cubes, x, b)
    # The integral of 3 (b + a (x - b))^2 over a, times (x - b), is x^3 - b^3.
    torch.testing.assert_close(got.values, x**3 - b**3, atol=1e-5, rtol=1e-4)
    assert got.converged
    assert got.steps == 50

    def product(values: Tensor) -> Tensor:
        return values[:, 0, 0, 0] * values[:, 0, 0, 1]

    got = of_one(product, x, torch.zeros_like(x))
    # The product is shared in equal parts; what it does not use gets nothing.
    half = x[0, 0, 0] * x[0, 0, 1] / 2
    expected = torch.zeros_like(x)
    expected[0, 0, :2] = half
    torch.testing.assert_close(got.values, expected)


def test_a_linear_back_end_is_attributed_exactly_with_one_step():
    function = backend_function({"type": "linear"}, n_channels=3, dim=5, n_frames=7)
    x, b = normal(3, 7, 5, seed=1), normal(3, 7, 5, seed=2)
    got = of_one(function, x, b, steps=1)
    torch.testing.assert_close(got.values, gradient_times_input(function, x, b))
    assert got.relative_error < 1e-4
    assert got.steps == 1


def test_mhfa_is_complete_to_a_percent_with_fifty_steps_and_as_by_captum():
    function = backend_function({"type": "mhfa", "heads": 8}, n_channels=4, dim=24, n_frames=60)
    x, b = 2 * normal(4, 60, 24, seed=1), normal(4, 1, 24, seed=2).expand(4, 60, 24)
    got = of_one(function, x, b, steps=50, max_steps=50, tolerance=0.01)
    assert got.converged
    direct = IntegratedGradients(function).attribute(x[None], baselines=b[None], n_steps=50)
    torch.testing.assert_close(got.values, direct[0].float(), atol=1e-6, rtol=1e-4)
    # And as by a plain sum over midpoints, without captum.
    values = torch.zeros_like(x)
    for i in range(400):
        point = (b + (i + 0.5) / 400 * (x - b)).requires_grad_()
        values += torch.autograd.grad(function(point[None]).sum(), point)[0]
    torch.testing.assert_close(got.values, (x - b) * values / 400, atol=1e-5, rtol=1e-3)


def test_layer_first_features_are_no_attribution_of_aasist(monkeypatch):
    # AASIST jumps where its best nodes change, and no gradient sees a jump; without the selection
    # it is smooth, and completeness must hold.
    monkeypatch.setattr(
        GraphPool, "forward", lambda self, nodes: nodes * self.score(nodes).sigmoid()
    )
    x, b = 0.3 * normal(4, 12, 24, seed=3), torch.zeros(4, 12, 24)
    torch.manual_seed(1)
    aasist = backends.build({"type": "aasist"}, n_channels=4, dim=24, n_frames=None).eval()

    def function(values: Tensor) -> Tensor:
        return aasist(values, torch.full((values.shape[0],), values.shape[2]))[:, 0]

    got = of_one(function, x, b, steps=50, max_steps=50, tolerance=0.05)
    difference = got.output - got.baseline_output
    assert abs(difference) > 1e-3
    assert got.converged
    # Only the last layer is looked at.
    assert not got.values[:-1].any()

    def layer_first(stack: Tensor) -> Tensor:
        return function(stack.transpose(0, 1))

    wrong = IntegratedGradients(layer_first).attribute(x[:, None], baselines=b[:, None], n_steps=50)
    assert abs(float(wrong.sum()) - difference) > 0.9 * abs(difference)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 16, 31, 50])
def test_the_rule_is_exact_for_polynomials_as_its_degree_promises(n):
    nodes, weights = clenshaw_curtis(n)
    assert nodes.size == weights.size == n
    for degree in range(n):
        assert weights @ nodes**degree == pytest.approx(1 / (degree + 1), abs=1e-12)
    following = clenshaw_curtis(max(3, 2 * n - 1))[0]
    # All points are among those of the next attempt, where `_Path` expects them.
    places = np.array([1]) if n == 1 else 2 * np.arange(n)
    assert following[places] == pytest.approx(nodes, abs=1e-15)


def test_no_point_is_computed_twice():
    calls: list[Tensor] = []

    def steep(values: Tensor) -> Tensor:
        if values.requires_grad:
            calls.append(values.detach()[:, 0, 0, 0].clone())
        return torch.sigmoid(60 * (values[:, 0, 0, 0] - 0.503))

    x, b = torch.ones(1, 1, 1), torch.zeros(1, 1, 1)
    got = of_one(steep, x, b, steps=9, max_steps=100, tolerance=1e-9, passes=Passes(points=4))
    assert point_counts(9, 100) == [9, 17, 33, 65]
    points = torch.cat(calls)
    assert max(len(part) for part in calls) == 4
    assert len(points) == len(points.unique()) == got.steps
    # The sums that were carried on are those of one attempt with all points.
    direct = of_one(steep, x, b, steps=got.steps, max_steps=got.steps, tolerance=1e-9)
    torch.testing.assert_close(got.values, direct.values)


@pytest.mark.parametrize("passes", [Passes(points=3), Passes(points=1000), Passes(values=1)])
def test_windows_in_one_call_are_as_each_alone(passes):
    function = backend_function({"type": "mhfa", "heads": 8}, n_channels=4, dim=24, n_frames=None)
    shapes = [(4, 20, 24), (4, 31, 24), (4, 20, 24), (4, 20, 24)]
    inputs = [(1 + i) * normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    baselines = [normal(*shape, seed=9) for shape in shapes]
    # So few points that windows need different numbers of attempts.
    options: dict[str, Any] = {"steps": 2, "max_steps": 60, "tolerance": 1e-3}
    together = integrated_gradients(function, inputs, baselines, passes=passes, **options)
    again = integrated_gradients(function, inputs, baselines, passes=passes, **options)
    assert len({attribution.steps for attribution in together}) > 1
    for got, same, x, b in zip(together, again, inputs, baselines, strict=True):
        alone = of_one(function, x, b, **options)
        assert got.steps == alone.steps
        torch.testing.assert_close(got.values, alone.values, atol=1e-5, rtol=1e-4)
        assert torch.equal(got.values, same.values)


def test_graded_points_give_the_same_integral():
    x, b = normal(2, 3, 4, seed=1), torch.zeros(2, 3, 4)

    def near_nothing(values: Tensor) -> Tensor:
        level = values.square().sum(dim=(1, 2, 3))
        return values[:, 0, 0, 0] / (level + 1e-4).sqrt()

    plain = of_one(near_nothing, x, b, steps=4001, max_steps=4001)
    graded = of_one(near_nothing, x, b, steps=65, max_steps=65, grading=4)
    torch.testing.assert_close(graded.values, plain.values, atol=1e-3, rtol=1e-2)
    assert graded.relative_error < 1e-3
    few = of_one(near_nothing, x, b, steps=65, max_steps=65)
    assert few.relative_error > 10 * graded.relative_error


def test_a_pass_has_no_more_values_than_it_may():
    values = torch.zeros(2, 10, 5)
    assert Passes(16, 1000).size(values) == 10
    assert Passes(16, 10**6).size(values) == 16
    assert Passes(16, 1000, values_per_input=5.0).size(values) == 2
    # A single input goes through, however large.
    assert Passes(16, 10).size(values) == 1


def test_steps_adapt_until_completeness_holds():
    x, b = torch.ones(1, 1, 2), torch.zeros(1, 1, 2)

    def steep(values: Tensor) -> Tensor:
        return torch.sigmoid(60 * (values[:, 0, 0, 0] - 0.503))

    few = of_one(steep, x, b, steps=10, max_steps=10, tolerance=0.01)
    assert (few.converged, few.steps) == (False, 10)
    enough = of_one(steep, x, b, steps=10, max_steps=5000, tolerance=0.01)
    assert enough.converged
    assert enough.relative_error < 0.01
    assert enough.steps in (19, 37, 73, 145, 289, 577, 1153, 2305, 4609)


def test_a_function_that_jumps_is_reported_and_does_not_take_all_steps():
    x, b = torch.ones(1, 1, 2), torch.zeros(1, 1, 2)

    def jump(values: Tensor) -> Tensor:
        return values[:, 0, 0, 0] + (values[:, 0, 0, 1] > 0.5).float()

    got = of_one(jump, x, b, steps=10, max_steps=10_000, tolerance=0.01)
    assert not got.converged
    assert got.delta == pytest.approx(-1.0, abs=1e-5)
    assert got.relative_error == pytest.approx(0.5, abs=1e-5)
    assert got.steps == 19


def test_shapes_and_infinities_are_refused():
    function = backend_function({"type": "linear"}, n_channels=1, dim=2, n_frames=3)
    with pytest.raises(DetectorError, match="channels, frames, dimensions"):
        of_one(function, torch.zeros(1, 3, 2), torch.zeros(1, 2))
    with pytest.raises(DetectorError, match="NaN"):
        of_one(
            lambda values: values.sum(dim=(1, 2, 3)).sqrt(),
            torch.ones(1, 3, 2),
            -torch.ones(1, 3, 2),
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "dim", "scale"),
    [
        ({"type": "gmm", "components": 4}, 32, 1.0),
        ({"type": "lcnn"}, 32, 30.0),
        ({"type": "dcnn", "dropout_cnn": 0.0}, 256, 10.0),
        ({"type": "cnn"}, 32, 3.0),
        ({"type": "resnet", "width": 8}, 32, 3.0),
    ],
    ids=["gmm", "lcnn", "dcnn", "cnn", "resnet"],
)
def test_every_other_back_end_can_be_explained(backend, dim, scale):
    n_frames = 24
    torch.manual_seed(1)
    built = backends.build(backend, n_channels=1, dim=dim, n_frames=n_frames)
    if backend["type"] == "gmm":
        rng = np.random.default_rng(0)
        frames = [
            (rng.standard_normal((300, dim)) + shift, label)
            for shift, label in ((0.0, "bonafide"), (0.5, "spoof"))
        ]
        built.fit(frames, seed=1)
    built.eval()
    x, b = scale * normal(1, n_frames, dim, seed=1), torch.zeros(1, n_frames, dim)

    def function(values: Tensor) -> Tensor:
        logits = built(values, torch.full((values.shape[0],), values.shape[2]))
        return logits[:, built.outputs.index("bonafide")]

    got = of_one(function, x, b, tolerance=0.05, max_steps=100)
    assert got.converged
    assert abs(got.output - got.baseline_output) > 1e-3


# --- cross-checks and sanity checks --------------------------------------------------------------


def additive(values: Tensor) -> Tensor:
    """The sum over everything: each frame contributes on its own."""
    return values.sum(dim=(1, 2, 3))


def test_occlusion_of_an_additive_function_is_the_contribution_of_each_block():
    x, b = normal(2, 7, 3, seed=1), normal(2, 7, 3, seed=2)
    got = occlusion(additive, x, b, block=3, internal_batch=2)
    per_frame = (x - b).sum(dim=(0, 2)).numpy()
    assert got == pytest.approx([per_frame[:3].sum(), per_frame[3:6].sum(), per_frame[6]], abs=1e-5)


def test_masking_takes_the_strongest_frames_first_and_beats_its_control():
    x, b = normal(1, 100, 1, seed=1).abs(), torch.zeros(1, 100, 1)
    evidence = x[0, :, 0].numpy()
    got = masking_curves(
        additive,
        x,
        b,
        evidence,
        controls=20,
        rng=np.random.default_rng(0),
        internal_batch=16,
    )
    strongest = np.cumsum(np.sort(evidence)[::-1])
    counts = [round(100 * fraction) for fraction in FRACTIONS]
    taken = strongest[np.array(counts) - 1]
    assert got.insertion == pytest.approx(taken, rel=1e-5)
    assert got.deletion == pytest.approx(taken, rel=1e-5)
    # A control has the size of its mask and takes what it happens to hit: the average.
    expected = evidence.sum() * np.array(FRACTIONS)
    assert got.insertion_control == pytest.approx(expected, rel=0.25)
    assert got.deletion_control == pytest.approx(got.insertion_control)
    # Where the function is below its baseline, evidence against comes first.
    negative = masking_curves(
        lambda values: -additive(values),
        x,
        b,
        -evidence,
        controls=20,
        rng=np.random.default_rng(0),
        internal_batch=7,
    )
    for one, other in zip(got, negative, strict=True):
        assert one == pytest.approx(other)


def test_randomising_keeps_the_values_and_loses_their_places():
    torch.manual_seed(1)
    built = backends.build({"type": "mhfa"}, n_channels=3, dim=8, n_frames=None)
    with torch.no_grad():
        built.key_mix.copy_(torch.tensor([1.0, 2.0, 3.0]))
    before = {name: tensor.clone() for name, tensor in built.state_dict().items()}
    shuffled = randomised_backend(built, seed=1)
    for name, tensor in shuffled.state_dict().items():
        assert torch.equal(tensor.flatten().sort().values, before[name].flatten().sort().values)
        assert torch.equal(built.state_dict()[name], before[name])
    assert not torch.equal(shuffled.state_dict()["key.weight"], before["key.weight"])
    again = randomised_backend(built, seed=1).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in shuffled.state_dict().items())
    other = randomised_backend(built, seed=2).state_dict()
    assert not torch.equal(shuffled.state_dict()["key.weight"], other["key.weight"])


# --- choices, time axis, regions -----------------------------------------------------------------


def manifest(per_attack: int) -> pl.DataFrame:
    rows = []
    for attack in ("-", "A", "B"):
        for i in range(per_attack):
            label = "bonafide" if attack == "-" else "spoof"
            rows.append((f"{attack}{i}", f"{i}.wav", "eval", label, attack, "s", 1.0, 16000))
    return pl.DataFrame(rows, schema=tables.MANIFEST_COLUMNS, orient="row")


def test_the_choice_is_stratified_and_depends_on_the_seed_alone():
    rows = manifest(20)
    scores = rows.select("utt_id").with_columns(score=pl.lit(1.0)).head(50)
    chosen = select_utterances(rows, scores, 4, seed=1)
    assert dict(chosen["attack"].value_counts().iter_rows()) == {"-": 4, "A": 4, "B": 4}
    assert set(chosen["utt_id"]) <= set(scores["utt_id"])
    shuffled = select_utterances(
        rows.sample(fraction=1, shuffle=True, seed=3), scores.reverse(), 4, 1
    )
    assert shuffled.equals(chosen)
    assert not select_utterances(rows, scores, 4, seed=2).equals(chosen)
    # A stratum that is too small is taken whole.
    assert select_utterances(rows, scores, 15, seed=1).height == 40
    with pytest.raises(TableError, match="not in the manifest, such as 'B9'"):
        select_utterances(rows.filter(pl.col("utt_id") != "B9"), scores, 4, seed=1)


def test_frames_of_windows_find_their_place_in_the_clip():
    detector = lfcc_detector(InputPolicy(length=4096, hop=2048))  # centred frames every 256 samples
    policy, frontend = detector.policy, detector.frontend
    windows = policy.windows(np.zeros(4096 + 2048 + 300, dtype=np.float32))
    assert windows.starts.tolist() == [0, 2048, 2348]
    first, second, last = frame_indices(frontend, policy, windows, [17, 17, 17])
    assert first.tolist() == list(range(17))
    assert second.tolist() == list(range(8, 25))
    assert last.tolist() == list(range(9, 26))  # 2348 / 256 = 9.17

    # 2432 / 256 = 9.5: frames stay one behind the other.
    halfway = policy.windows(np.zeros(4096 + 2432, dtype=np.float32))
    *_, last = frame_indices(frontend, policy, halfway, [17, 17, 17])
    assert last.tolist() == [*range(10, 26), 25]

    short = policy.windows(np.zeros(1024, dtype=np.float32))
    (tiled,) = frame_indices(frontend, policy, short, [17])
    assert tiled.tolist() == [0, 1, 2, 3] * 4 + [0]
    zeros = replace(policy, short="zero")
    (padded,) = frame_indices(frontend, zeros, short, [17])
    assert padded.tolist() == [0, 1, 2, 3] + [-1] * 13


def test_smoothing_is_centred_and_short_at_the_ends():
    curve = np.array([0.0, 0, 0, 3, 0, 0, 0])
    assert smooth(curve, 3).tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert smooth(np.arange(5.0), 3).tolist() == [0.5, 1, 2, 3, 3.5]
    assert smooth(curve, 1).tolist() == curve.tolist()
    with pytest.raises(ConfigError, match="odd"):
        smooth(curve, 4)
    assert [odd_frames(seconds, 0.02) for seconds in (0.001, 0.05, 0.1, 0.119, 0.14)] == [
        1,
        3,
        5,
        5,
        7,
    ]


def test_regions_surround_separate_peaks():
    evidence = np.zeros(40)
    evidence[5:8] = [2, 4, 2]
    evidence[20:25] = [0.9, 1.8, 3, 1.8, 0.9]
    evidence[30] = -9
    found = top_regions(evidence, 5)
    assert [(region.first, region.last) for region in found] == [(5, 7), (21, 23)]
    assert found[0].mean == pytest.approx(8 / 3)
    assert found[1].total == pytest.approx(6.6)
    assert len(top_regions(evidence, 1)) == 1
    assert top_regions(-np.ones(5), 3) == []


def test_options_are_checked():
    assert ExplainOptions.from_dict({"steps": 20}).steps == 20
    with pytest.raises(ConfigError, match="did you mean 'max_steps'"):
        ExplainOptions.from_dict({"max_step": 20})
    for bad in ({"target": "fake"}, {"baseline": "mean"}, {"max_steps": 3}, {"tolerance": 0}):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            ExplainOptions.from_dict(bad)


# --- detectors -----------------------------------------------------------------------------------


def lfcc_detector(policy: InputPolicy, backend: str = "mhfa", seed: int = 3) -> Detector:
    torch.manual_seed(seed)
    settings: dict[str, Any] = {"type": backend, "n_outputs": 2}
    return Detector(LFCC, settings, policy).eval()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("corpus")
    return tables.read_manifest(write_corpus(folder, {"train": 6, "eval": 8}, seed=4))


@pytest.fixture(scope="module")
def ssl_detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    write_tiny_backbone(folder, "wavlm", {"hidden_size": 16, "layers": 2}, seed=1)
    frontend = {"type": "ssl", "backbone": {"family": "wavlm", "folder": str(folder)}}
    torch.manual_seed(3)
    return Detector(frontend, {"type": "mhfa", "heads": 4}, InputPolicy(length=8000)).eval()


def scored(detector: Detector, rows: pl.DataFrame) -> pl.DataFrame:
    scores = [detector.predict(path)["score"] for path in rows["path"]]
    return rows.with_columns(score=pl.Series(scores), chosen_by=pl.lit("per_attack"))


def run_explain(
    detector: Detector,
    rows: pl.DataFrame,
    folder: Path,
    centroid: Tensor | None = None,
    **options: Any,
) -> tuple[Attributions, pl.DataFrame, pl.DataFrame]:
    files = folder / "a.safetensors", folder / "r.tsv", folder / "s.tsv"
    folder.mkdir(exist_ok=True)
    chosen = ExplainOptions(**{"baseline": "zeros", "controls": 2, "randomised": 1, **options})
    explain(detector, rows, *files, chosen, centroid=centroid, seed=1)
    numbers = {"start": pl.Float64(), "end": pl.Float64(), "share": pl.Float64()}
    regions = tables.read_table(files[1], {"utt_id": pl.String(), **numbers})
    columns = ("score", "baseline_score", "relative_error", "outside", "deletion")
    summary = tables.read_table(files[2], {name: pl.Float64() for name in columns})
    return Attributions(files[0]), regions, summary


POLICIES = [
    InputPolicy(length=8000),
    InputPolicy(length=8000, hop=3000),
    InputPolicy(length=8000, short="zero", tail="drop"),
    InputPolicy(length=8000, long="crop"),
    InputPolicy(length=None),
]


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES, ids=["tile", "overlap", "zero", "crop", "whole"])
def test_what_is_explained_is_what_was_scored(policy, corpus, tmp_path):
    detector = lfcc_detector(policy)
    rows = scored(detector, corpus.filter(split="eval"))
    got, regions, summary = run_explain(detector, rows, tmp_path / "x")
    assert got.utt_ids == rows["utt_id"].to_list() == summary["utt_id"].to_list()
    for row in rows.iter_rows(named=True):
        item = got[row["utt_id"]]
        assert item.score == pytest.approx(row["score"], abs=1e-5)
        assert item.converged
        # The curve of the utterance, not only of its windows, adds up to the score.
        total = item.map.sum(dtype=np.float64) + item.outside
        assert total == pytest.approx(item.score - item.baseline_score + item.delta, abs=1e-4)
        assert abs(item.delta) < 0.05 * abs(item.score - item.baseline_score) + 1e-3
        assert item.map.shape == (24, item.coverage.size)
        assert (item.times[item.seen] <= row["duration"] + 1e-9).all()
        assert set(item.maskings) == set(MASKINGS)
    assert summary["score"].to_list() == pytest.approx(rows["score"].to_list(), abs=1e-5)
    if policy.short == "zero":
        short = rows["duration"] * 16000 < 8000
        assert ((summary["outside"] != 0) == short).all()
        assert short.any()
    else:
        assert (summary["outside"] == 0).all()
    durations = dict(rows.select("utt_id", "duration").iter_rows())
    for row in regions.iter_rows(named=True):
        assert 0 <= row["start"] < row["end"] <= durations[row["utt_id"]]
        assert 0 < row["share"] <= 1 + 1e-6
    assert set(regions["evidence"]) == {"bonafide", "spoof"}


def test_hidden_states_are_mapped_by_layer_and_frame(ssl_detector, corpus, tmp_path):
    rows = scored(ssl_detector, corpus.filter(split="eval"))
    centroid = bonafide_centroid(ssl_detector, corpus.filter(split="train"))
    got, _, summary = run_explain(
        ssl_detector, rows, tmp_path / "x", centroid, baseline="centroid", tolerance=0.01
    )
    assert (got.settings.row_axis, got.settings.n_rows) == ("layer", 3)
    for item in got:
        assert item.map.shape[0] == 3
        assert item.score == pytest.approx(
            ssl_detector.predict(path_of(rows, item.utt_id))["score"], abs=1e-5
        )
        assert np.diff(item.times) == pytest.approx(0.02)
        assert item.times[0] == pytest.approx(0.0125)
    assert (summary["relative_error"] < 0.01).all()
    # One of the eight utterances was compared with a randomised back-end.
    assert (summary["randomised_spearman"] != "").sum() == 1


def path_of(rows: pl.DataFrame, utt_id: str) -> str:
    return rows.filter(utt_id=utt_id)["path"][0]


@pytest.mark.slow
def test_the_same_files_come_out_twice_and_spoof_is_the_negative(corpus, tmp_path):
    detector = lfcc_detector(InputPolicy(length=8000))
    rows = scored(detector, corpus.filter(split="eval").head(3))
    first, _, _ = run_explain(detector, rows, tmp_path / "a", baseline="noise")
    run_explain(detector, rows, tmp_path / "b", baseline="noise")
    for name in ("a.safetensors", "r.tsv", "s.tsv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    spoof, _, _ = run_explain(detector, rows, tmp_path / "c", baseline="noise", target="spoof")
    # The regions are named by the class that they speak for, so they are the same.
    assert (tmp_path / "a" / "r.tsv").read_bytes() == (tmp_path / "c" / "r.tsv").read_bytes()
    for item in first:
        negative = spoof[item.utt_id]
        np.testing.assert_array_equal(negative.map, -item.map)
        np.testing.assert_array_equal(negative.evidence("spoof"), item.evidence("spoof"))
        assert (negative.score, negative.baseline_score) == (item.score, item.baseline_score)
        for name in MASKINGS:
            np.testing.assert_allclose(negative.maskings[name], item.maskings[name])


def test_a_linear_detector_passes_every_check_perfectly(corpus, tmp_path):
    detector = lfcc_detector(InputPolicy(length=8000), backend="linear")
    rows = scored(detector, corpus.filter(split="eval"))
    _, _, summary = run_explain(detector, rows, tmp_path / "x", randomised=0)
    for name in ("gradient_spearman", "occlusion_spearman"):
        assert summary[name].cast(pl.Float64).to_list() == pytest.approx([1.0] * 8, abs=1e-3)
    deletion = summary["deletion"]
    assert (deletion > summary["deletion_control"].cast(pl.Float64)).all()
    # Frames of a linear detector add up, whichever of them are there.
    assert deletion.to_list() == pytest.approx(
        summary["insertion"].cast(pl.Float64).to_list(), rel=1e-3, abs=1e-4
    )
    assert (summary["randomised_spearman"] == "").all()


def test_a_score_of_another_detector_is_refused(corpus, tmp_path):
    detector = lfcc_detector(InputPolicy(length=8000))
    rows = scored(detector, corpus.filter(split="eval").head(2))
    moved = rows.with_columns(score=pl.col("score") + 1.0)
    with pytest.raises(DetectorError, match=f"{rows['utt_id'][0]!r}: its score file says"):
        run_explain(detector, moved, tmp_path / "x")
    assert list((tmp_path / "x").iterdir()) == []
    with pytest.raises(TableError, match="no utterances"):
        run_explain(detector, rows.clear(), tmp_path / "x")


def test_a_detector_in_training_mode_is_not_explained():
    detector = lfcc_detector(InputPolicy(length=8000))
    detector.train()
    with pytest.raises(DetectorError, match="training mode"):
        score_function(detector, "bonafide")


def test_utterances_that_fail_are_named(corpus, tmp_path, caplog):
    detector = lfcc_detector(InputPolicy(length=8000))
    rows = scored(detector, corpus.filter(split="eval").head(2))
    _, _, summary = run_explain(
        detector, rows, tmp_path / "x", steps=1, max_steps=1, tolerance=1e-9
    )
    assert set(summary["converged"]) == {"false"}
    assert all(utt_id in caplog.text for utt_id in rows["utt_id"])


# --- baselines -----------------------------------------------------------------------------------


def test_the_centroid_is_the_mean_of_all_bona_fide_frames(ssl_detector, corpus, tmp_path):
    rows = corpus.filter(split="train")
    frames = []
    for path in rows.filter(label="bonafide")["path"]:
        samples = tables_audio(path)
        for window in ssl_detector.policy.windows(samples).values:
            with torch.no_grad():
                values = ssl_detector.frontend(
                    torch.from_numpy(window[None]), torch.tensor([8000])
                ).values
            frames.append(values[0].double().numpy())
    expected = np.concatenate(frames, axis=1).mean(axis=1)
    centroid = bonafide_centroid(ssl_detector, rows)
    assert centroid.shape == (3, 16)
    np.testing.assert_allclose(centroid.numpy(), expected, atol=1e-6)

    extract(ssl_detector.frontend, ssl_detector.policy, rows, tmp_path / "f.safetensors")
    reader = FeatureReader([tmp_path / "f.safetensors"])
    torch.testing.assert_close(bonafide_centroid(ssl_detector, rows, reader), centroid)
    with pytest.raises(DetectorError, match="other settings"):
        bonafide_centroid(lfcc_detector(InputPolicy(length=8000)), rows, reader)
    with pytest.raises(TableError, match="no bona fide"):
        bonafide_centroid(ssl_detector, rows.filter(label="spoof"))

    write_centroid(tmp_path / "c.safetensors", centroid)
    assert torch.equal(read_centroid(tmp_path / "c.safetensors"), centroid)
    with pytest.raises(DetectorError, match="holds no centroid"):
        read_centroid(tmp_path / "f.safetensors")
    with pytest.raises(DetectorError, match=r"gone\.safetensors"):
        read_centroid(tmp_path / "gone.safetensors")


def test_bona_fide_passages_are_drawn_with_their_levels(corpus, tmp_path, monkeypatch):
    detector = lfcc_detector(InputPolicy(length=8000))
    rows = corpus.filter(split="train")
    frames = bonafide_frames(detector, rows, seed=1)
    hop, first = detector.frontend.hop_seconds, detector.frontend.first_centre_seconds
    expected: dict[bytes, np.ndarray] = {}
    for path in rows.filter(label="bonafide")["path"]:
        for window in detector.policy.windows(tables_audio(path)).values:
            (values,) = window_features(detector, [window])
            centres = [round((first + i * hop) * 16000) for i in range(values.shape[1])]
            around = [window[max(0, at - 256) : at + 256].astype(np.float64) for at in centres]
            levels = [10 * np.log10(np.mean(part**2) + 1e-10) for part in around]
            expected[values.transpose(0, 1).numpy().tobytes()] = np.array(levels)
    assert len(frames.firsts) == len(expected) > 5
    for start, end in itertools.pairwise([*frames.firsts, len(frames.levels)]):
        of_window = expected[frames.values[start:end].numpy().tobytes()]
        assert frames.levels[start:end] == pytest.approx(of_window, abs=0.2)

    extract(detector.frontend, detector.policy, rows, tmp_path / "f.safetensors")
    cached = bonafide_frames(detector, rows, FeatureReader([tmp_path / "f.safetensors"]), seed=1)
    torch.testing.assert_close(cached.values, frames.values)
    with pytest.raises(TableError, match="no bona fide"):
        bonafide_frames(detector, rows.filter(label="spoof"), seed=1)

    write_centroid(tmp_path / "c.safetensors", torch.zeros(1, 8), frames)
    again = read_frames(tmp_path / "c.safetensors")
    assert again is not None
    assert torch.equal(again.values, frames.values)
    assert (again.levels == frames.levels).all()
    assert (again.firsts == frames.firsts).all()
    write_centroid(tmp_path / "c.safetensors", torch.zeros(1, 8))
    assert read_frames(tmp_path / "c.safetensors") is None

    length = int(frames.firsts[1])
    for n, firsts in ((3 * length, 3), (3 * length + 1, 4)):
        monkeypatch.setattr(baselines, "MOST_FRAMES", n)
        fewer = bonafide_frames(detector, rows, seed=1)
        assert fewer.firsts.tolist() == [i * length for i in range(firsts)]
        assert torch.equal(fewer.values, frames.values[:n])
        assert (fewer.levels == frames.levels[:n]).all()


def passages(n: int, length: int, seed: int = 0) -> BonafideFrames:
    """Passages whose levels rise and fall as speech does; each frame holds its own number."""
    smooth = np.exp(-np.square(np.arange(-20, 21) / 8))
    noise = np.random.default_rng(seed).standard_normal((n, length + 40))
    levels = np.array([np.convolve(row, smooth, "valid") for row in noise])
    levels = (-30 + 12 * levels / levels.std()).ravel()
    numbers = torch.arange(levels.size).float()[:, None, None]
    return BonafideFrames(numbers, levels, np.arange(0, levels.size, length))


def test_no_cheaper_joined_passages_exist():
    """All ways through two of four short passages, tried one by one."""
    joined = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        firsts = np.arange(0, 12, 3)
        frames = BonafideFrames(torch.zeros(12, 1, 1), rng.normal(-30, 20, 12), firsts)
        levels = rng.normal(-30, 20, 5)
        drawn = np.random.default_rng(seed).permutation(4)[:2]
        among = np.concatenate([np.arange(3 * i, 3 * i + 3) for i in drawn])
        taken = frames.places(levels, np.random.default_rng(seed))
        ways = among[np.indices((6,) * 5).reshape(5, -1).T]
        joins = ((ways[:, 1:] != ways[:, :-1] + 1) | (ways[:, 1:] % 3 == 0)).sum(axis=1)
        known = frames.levels[among]
        wanted = levels.clip(known.min(), known.max())
        costs = 1000.0 * joins + np.square(frames.levels[ways] - wanted).sum(axis=1)
        own = (ways == taken).all(axis=1)
        assert costs[own] == pytest.approx(costs.min())
        joined.add(int(joins[own][0]))
    # Five frames need a join of passages of three; some are worth another.
    assert {1, 2} <= joined


def test_passages_stand_in_that_are_about_as_loud_and_seldom_joined():
    frames, wanted = passages(60, 200), passages(1, 200, 1).levels
    taken = np.array([frames.places(wanted, np.random.default_rng(i)) for i in range(10)])
    error = np.sqrt(np.square(frames.levels[taken] - wanted).mean(axis=1))
    # Any other passage differs by 12 dB times the root of 2; single frames as loud make 199 joins.
    assert (error < 5).all()
    joins = (np.diff(taken) != 1) | np.isin(taken[:, 1:], frames.firsts)
    assert (joins.sum(axis=1) <= 10).all()
    # Draws that share the best passages are alike.
    assert len({tuple(row) for row in taken}) > 5
    assert frames.alike(wanted, np.random.default_rng(0))[0, :, 0].tolist() == taken[0].tolist()


def test_the_softest_and_the_loudest_stand_in_for_levels_beyond_them():
    frames = passages(60, 200)
    for level, end in ((-200.0, frames.levels.min()), (50.0, frames.levels.max())):
        taken = frames.places(np.full(200, level), np.random.default_rng(0))
        assert taken.tolist() == frames.places(np.full(200, end), np.random.default_rng(0)).tolist()


def test_stand_ins_follow_the_levels_of_a_window():
    levels = np.linspace(-60.0, 0.0, 1000)
    firsts = np.arange(0, 1000, 10)
    frames = BonafideFrames(torch.from_numpy(levels).float()[:, None, None], levels, firsts)
    detector = lfcc_detector(InputPolicy(length=8000))
    x = np.concatenate([np.full(4000, 1e-3), np.full(4000, 0.1)]).astype(np.float32)
    values = window_features(detector, [x])
    n = values[0].shape[1]
    of_levels = frame_levels(detector, x, n)
    assert of_levels[[3, -4]] == pytest.approx([-60.0, -20.0], abs=0.1)
    wide = BonafideFrames(frames.values.expand(-1, *values[0][:, 0].shape), levels, firsts)
    (stand_in,) = baseline_features(
        "bonafide", detector, x[None], values, centroid=None, frames=wide, seed_parts=(1, "u")
    )
    assert stand_in.shape == values[0].shape
    # A passage rises by 0.6 dB, and half of them are there. In the step, a join is not worth it.
    steady = np.minimum(np.abs(of_levels + 60), np.abs(of_levels + 20)) < 0.1
    assert steady.sum() >= len(steady) - 4
    assert np.abs(stand_in[0, :, 0].double().numpy() - of_levels)[steady].max() <= 3.1
    with pytest.raises(ConfigError, match="needs frames"):
        baseline_features("bonafide", detector, x[None], values, centroid=None, seed_parts=(1,))
    with pytest.raises(DetectorError, match=r"frames are \(1, 1\)"):
        baseline_features(
            "bonafide", detector, x[None], values, centroid=None, frames=frames, seed_parts=(1,)
        )


def test_constancy_is_absent_from_bona_fide_frames_and_not_from_their_mean():
    """What a detector of a constant passage hears: little change between neighbours."""
    rng = np.random.default_rng(0)
    pool = torch.from_numpy(rng.standard_normal((400, 1, 4))).float()
    frames = BonafideFrames(pool, np.zeros(400), np.zeros(1, dtype=np.int64))
    x = frames.alike(np.zeros(60), rng)
    x[:, 20:40] = 1.3

    def spoof(values: Tensor) -> Tensor:
        change = values.diff(dim=2).square().mean(dim=(1, 3))
        return torch.sigmoid(1 - 2 * change).sum(dim=1)

    def evidence(baseline: Tensor) -> np.ndarray:
        (found,) = integrated_gradients(spoof, [x], [baseline], steps=33, max_steps=65)
        return found.values.double().sum(dim=(0, 2)).numpy()

    against_speech = evidence(frames.alike(np.zeros(60), rng))
    assert against_speech[20:40].sum() > 0.8 * against_speech.sum() > 0
    # The mean frame, repeated, is as constant, so that nothing in the passage speaks for spoof.
    against_mean = evidence(pool.mean(dim=0)[:, None].expand_as(x))
    assert against_mean.sum() < 0
    assert against_mean[21:39].sum() < 0.1 * against_speech[21:39].sum()


def tables_audio(path: str) -> np.ndarray:
    from spoofscope import audio

    return audio.read(path)[0]


def test_baselines_are_what_they_say(ssl_detector):
    rng = np.random.default_rng(0)
    windows = (0.1 * rng.standard_normal((2, 8000))).astype(np.float32)
    features = window_features(ssl_detector, list(windows))
    centroid = normal(3, 16)

    def of(kind: str, *seed: int | str, centroid: Tensor | None = None) -> list[Tensor]:
        return baseline_features(
            kind, ssl_detector, windows, features, centroid=centroid, seed_parts=seed or (1, "u")
        )

    assert all(not values.any() for values in of("zeros"))
    for values in of("centroid", centroid=centroid):
        assert values.shape == features[0].shape
        assert torch.equal(values, centroid[:, None].expand_as(values))
    silence = window_features(ssl_detector, [np.zeros(8000, dtype=np.float32)])[0]
    assert torch.equal(of("silence")[1], silence)
    noise = of("noise")
    assert torch.equal(noise[0], of("noise")[0])
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0], of("noise", 2, "u")[0])
    assert not torch.equal(noise[0], of("noise", 1, "v")[0])
    with pytest.raises(ConfigError, match="needs a centroid"):
        of("centroid")
    with pytest.raises(DetectorError, match=r"\(2, 16\)"):
        of("centroid", centroid=centroid[:2])
    with pytest.raises(ConfigError, match="baseline must be one of"):
        of("mean")


def test_maps_of_spectral_front_ends_have_bands_as_rows():
    detector = lfcc_detector(InputPolicy(length=8000))
    values = normal(1, 5, 24)
    assert torch.equal(
        torch.from_numpy(reduce_map(detector.frontend, values)), values[0].T.double()
    )


# --- files ---------------------------------------------------------------------------------------


def test_attributions_are_read_without_torch(corpus, tmp_path):
    detector = lfcc_detector(InputPolicy(length=8000))
    rows = scored(detector, corpus.filter(split="eval").head(1))
    run_explain(detector, rows, tmp_path / "x")
    code = (
        "import sys; from spoofscope.attribution import localisation, store; "
        f"item = next(iter(store.Attributions({str(tmp_path / 'x' / 'a.safetensors')!r}))); "
        "print(item.utt_id, item.map.dtype, [m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=2) == [rows["utt_id"][0], "float32", "[]\n"]


def test_other_files_are_no_attributions(tmp_path):
    write_centroid(tmp_path / "c.safetensors", torch.zeros(1, 2))
    (tmp_path / "text.safetensors").write_text("hello")
    for name in ("c.safetensors", "text.safetensors", "gone.safetensors"):
        with pytest.raises(DetectorError, match=name):
            Attributions(tmp_path / name)
