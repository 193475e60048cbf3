"""Methods of attribution side by side: one registry, files and checks of each, refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from captum.attr import GradientShap, IntegratedGradients
from torch import Tensor

from noise_and_tones import write_corpus
from planning import jobs_of, plan_of, study_with_everything
from spoofscope import tables
from spoofscope.attribution.attention import _rolled_out, captured_attention
from spoofscope.attribution.checks import check_means
from spoofscope.attribution.domains import DOMAINS
from spoofscope.attribution.explain import explain, explain_utterances
from spoofscope.attribution.integrated import Passes, integrated_gradients
from spoofscope.attribution.methods import Windowed
from spoofscope.attribution.store import Attributions
from spoofscope.attribution.verdicts import conclusion, judged, read_checks
from spoofscope.attribution_methods import ATTRIBUTION_METHODS, METHOD_TITLES, named
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.features import FeatureReader, extract
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.options.attribution import METHODS, PATH_INTEGRAL, ExplainOptions
from spoofscope.plan.study_plan import Plan, checked
from spoofscope.study import Study
from spoofscope.tables import write_table
from spoofscope.windows import InputPolicy

LFCC = {"type": "lfcc", "n_filters": 10, "n_coefficients": 8}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("corpus")
    return tables.read_manifest(write_corpus(folder, {"eval": 8}, seed=4))


def detector_of(frontend: dict[str, Any], backend: str) -> Detector:
    torch.manual_seed(3)
    return Detector(frontend, {"type": backend, "n_outputs": 2}, InputPolicy(length=8000)).eval()


def explained(
    detector: Detector,
    rows: pl.DataFrame,
    folder: Path,
    method: str,
    features: FeatureReader | None = None,
    **options: Any,
) -> tuple[Attributions, pl.DataFrame]:
    folder.mkdir(exist_ok=True)
    files = folder / "a.safetensors", folder / "r.tsv", folder / "s.tsv"
    scores = [detector.predict(path)["score"] for path in rows["path"]]
    scored = rows.with_columns(score=pl.Series(scores), chosen_by=pl.lit("per_attack"))
    chosen = ExplainOptions(**{"baseline": "zeros", "randomised": 1, **options})
    explain(detector, scored, *files, chosen, method=method, features=features, seed=1)
    return Attributions(files[0]), pl.read_csv(files[2], separator="\t")


# --- the registry --------------------------------------------------------------------------------


def test_the_registry_knows_every_method_of_study_files():
    assert set(ATTRIBUTION_METHODS.available()) == set(METHODS) == set(METHOD_TITLES)
    for name in METHODS:
        assert callable(ATTRIBUTION_METHODS.member(name))
    with pytest.raises(ConfigError, match="did you mean 'occlusion_time'"):
        ATTRIBUTION_METHODS.member("occlusion_tim")


def test_a_detector_is_named_with_its_method_only_where_there_are_several():
    assert named("a", PATH_INTEGRAL, [PATH_INTEGRAL, PATH_INTEGRAL]) == "a"
    both = [PATH_INTEGRAL, "gradient_x_input"]
    assert named("a", "gradient_x_input", both) == "a, gradient × input"


# --- maps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gradient_x_input", "occlusion_time"])
def test_all_methods_agree_on_a_linear_detector(method, corpus, tmp_path):
    detector = detector_of(LFCC, "linear")
    rows = corpus.head(3)
    path, _ = explained(detector, rows, tmp_path / "a", PATH_INTEGRAL)
    other, summary = explained(detector, rows, tmp_path / "b", method, block_seconds=0.016)
    assert (path.settings.method, other.settings.method) == (PATH_INTEGRAL, method)
    for item in path:
        curve = other[item.utt_id].map.sum(axis=0)
        assert curve == pytest.approx(item.map.sum(axis=0), abs=1e-4)
        assert other[item.utt_id].converged
    # A method is not held against itself.
    own = {"gradient_x_input": "gradient_spearman", "occlusion_time": "occlusion_spearman"}
    for check in own.values():
        assert summary[check].is_null().all() == (check == own[method])
    means = check_means(summary, rows, resamples=0, seed=1)
    write_table(tmp_path / "checks.tsv", means)
    judged_checks = {check.check for check in read_checks(str(tmp_path / "checks.tsv"), method)}
    assert set(own.values()) - judged_checks == {own[method]}


def test_occlusion_has_one_row_and_its_frames_share_the_value_of_their_block(corpus, tmp_path):
    detector = detector_of(LFCC, "mhfa")
    got, _ = explained(detector, corpus.head(1), tmp_path, "occlusion_time", block_seconds=0.08)
    assert (got.settings.row_axis, got.settings.n_rows) == ("all", 1)
    (item,) = got
    assert item.map.shape == (1, item.coverage.size)
    # Blocks of five frames; the clip is as long as its window, or longer.
    assert len(set(item.map[0, :5].tolist())) == 1
    assert len(set(item.map[0, :15].tolist())) == 3


def test_rectangles_of_an_additive_detector_give_their_sums(corpus, tmp_path):
    torch.manual_seed(3)
    detector = Detector(
        {"type": "stft", "normalise": "none"},
        {"type": "linear", "n_outputs": 2},
        InputPolicy(length=4000),
    ).eval()
    rows = corpus.head(1)
    path, _ = explained(detector, rows, tmp_path / "a", PATH_INTEGRAL)
    got, _ = explained(detector, rows, tmp_path / "b", "occlusion_band", block_seconds=0.05)
    assert got.settings.band_edges == path.settings.band_edges
    (exact,), (item,) = path, got
    assert item.map.shape == exact.map.shape
    assert item.map.sum() == pytest.approx(exact.map.sum(), abs=1e-4)
    rows_of_block = -(-exact.map.shape[0] // 8)
    lowest = slice(0, rows_of_block)
    assert item.map[lowest].sum() == pytest.approx(exact.map[lowest].sum(), abs=1e-4)
    with pytest.raises(ConfigError, match="lfcc has no frequency axis"):
        explained(detector_of(LFCC, "linear"), rows, tmp_path / "c", "occlusion_band")


def test_gradient_shap_is_seeded(corpus, tmp_path):
    detector = detector_of(LFCC, "mhfa")
    options = {"baseline": "zeros", "other_baselines": ("noise",), "steps": 100, "max_steps": 100}
    for name in ("a", "b"):
        explained(detector, corpus.head(2), tmp_path / name, "gradient_shap", **options)
    for name in ("a.safetensors", "s.tsv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.slow
def test_gradient_shap_tends_to_the_mean_of_path_integrals(corpus, tmp_path):
    detector = detector_of(LFCC, "mhfa")
    rows = corpus.head(2)
    options = {"baseline": "zeros", "other_baselines": ("noise",), "steps": 4000, "max_steps": 4000}
    got, summary = explained(detector, rows, tmp_path / "a", "gradient_shap", **options)
    paths = [
        explained(detector, rows, tmp_path / kind, PATH_INTEGRAL, baseline=kind)[0]
        for kind in ("zeros", "noise")
    ]
    for item in got:
        mean = sum(path[item.utt_id].map for path in paths) / 2
        scale = float(abs(mean).max())
        assert item.map == pytest.approx(mean, abs=0.15 * scale)
        assert item.relative_error < 0.1
    assert summary["noise_baseline_spearman"].is_not_null().all()


@pytest.mark.slow
def test_gradient_shap_is_as_captums(corpus):
    x = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(1))
    sets = [[torch.zeros_like(x)], [torch.full_like(x, 0.5)]]

    def cubes(values: Tensor) -> Tensor:
        return (values**3).sum(dim=(1, 2, 3))

    windowed = Windowed(
        detector=detector_of(LFCC, "linear"),
        function=cubes,
        target="bonafide",
        waveforms=[],
        inputs=[x],
        baseline_sets=sets,
        seeds=[(1, "u", 0)],
        options=ExplainOptions(steps=20_000, max_steps=20_000),
        block=1,
        grading=1,
        passes=Passes(points=1000),
    )
    (own,) = ATTRIBUTION_METHODS.member("gradient_shap")(windowed)
    torch.manual_seed(1)
    theirs = GradientShap(cubes).attribute(
        x[None], baselines=torch.stack([of_kind[0] for of_kind in sets]), n_samples=20_000
    )[0]
    scale = float(theirs.abs().max())
    torch.testing.assert_close(own.values, theirs, atol=0.03 * scale, rtol=0.03)


# --- attention -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["wavlm", "wav2vec2", "hubert", "w2v_bert"])
def ssl_detector(request, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    write_tiny_backbone(folder, request.param, {"hidden_size": 16, "layers": 2}, seed=1)
    backbone = {"family": request.param, "folder": str(folder)}
    torch.manual_seed(3)
    settings = {"type": "mhfa", "heads": 4, "n_outputs": 2}
    return Detector(
        {"type": "ssl", "backbone": backbone}, settings, InputPolicy(length=8000)
    ).eval()


def test_attention_is_captured_as_it_leads_to_the_features(ssl_detector):
    frontend = ssl_detector.frontend
    waveform = torch.randn(1, 8000, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([8000])
    with torch.no_grad():
        plain = frontend(waveform, lengths).values
    with captured_attention(frontend) as attentions:
        features = frontend(waveform.clone().requires_grad_(), lengths).values
    torch.testing.assert_close(features, plain, atol=1e-4, rtol=1e-4)
    n_frames = plain.shape[2]
    assert len(attentions) == 2
    for attention in attentions:
        assert attention.shape[-2:] == (n_frames, n_frames)
        torch.testing.assert_close(attention.sum(dim=-1), torch.ones(attention.shape[:-1]))
    gradients = torch.autograd.grad(features.square().sum(), attentions)
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    # Afterwards everything is as before.
    with torch.no_grad():
        torch.testing.assert_close(frontend(waveform, lengths).values, plain, atol=0, rtol=0)


@pytest.mark.slow
def test_relevance_has_one_signed_value_per_frame(ssl_detector, corpus, tmp_path):
    rows = corpus.head(2)
    got, summary = explained(ssl_detector, rows, tmp_path / "a", "attention_relevance")
    spoof, _ = explained(ssl_detector, rows, tmp_path / "b", "attention_relevance", target="spoof")
    assert (got.settings.row_axis, got.settings.n_rows) == ("all", 1)
    for item in got:
        assert item.map.shape == (1, item.coverage.size)
        assert abs(item.map).max() > 0
        # What speaks for one class speaks against the other.
        assert spoof[item.utt_id].map == pytest.approx(-item.map, abs=1e-7)
    assert summary["deletion"].is_not_null().all()
    with pytest.raises(ConfigError, match="lfcc has no attention"):
        explained(detector_of(LFCC, "mhfa"), rows, tmp_path / "c", "attention_relevance")


def test_relevance_of_one_layer_has_its_closed_form():
    torch.manual_seed(0)
    attention = torch.rand(3, 5, 5).softmax(dim=-1)
    gradient = torch.randn(3, 5, 5)
    weighted = (gradient * attention).clamp(min=0).mean(dim=0).double()
    one = _rolled_out([(attention, gradient)], 5, 1.0)
    torch.testing.assert_close(one, weighted.mean(dim=0))
    two = _rolled_out([(attention, gradient)] * 2, 5, 1.0)
    torch.testing.assert_close(two, (2 * weighted + weighted @ weighted).mean(dim=0))


# --- samples -------------------------------------------------------------------------------------

FRONT_ENDS = [
    LFCC,
    {"type": "mfcc"},
    {"type": "fbank", "normalise": "none"},
    {"type": "stft", "normalise": "none"},
    {"type": "wavelet_packets", "wavelet": "sym5", "level": 6, "normalise": "none"},
    {"type": "raw"},
]


@pytest.mark.parametrize("frontend", FRONT_ENDS, ids=lambda frontend: frontend["type"])
def test_gradients_reach_the_samples_of_every_front_end(frontend):
    torch.manual_seed(3)
    backend = "raw_aasist" if frontend["type"] == "raw" else "linear"
    detector = Detector(frontend, {"type": backend}, InputPolicy(length=8000)).eval()
    windows = 0.1 * np.random.default_rng(1).standard_normal((1, 8000)).astype(np.float32)
    domain = DOMAINS["waveform"](detector, "bonafide")
    (blocks,) = domain.inputs(windows, None)
    for values in (blocks, 0 * blocks):
        point = values[None].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(domain.function(8000)(point).sum(), point)
        assert torch.isfinite(gradient).all()
    assert torch.equal(blocks.flatten()[:8000], torch.from_numpy(windows[0]))


@pytest.mark.slow
def test_samples_are_explained_block_by_block(ssl_detector, corpus, tmp_path):
    rows = corpus.head(1)
    options = {"wrt": "waveform", "baseline": "silence", "steps": 33, "max_steps": 257}
    got, _ = explained(ssl_detector, rows, tmp_path / "a", PATH_INTEGRAL, **options)
    assert (got.settings.wrt, got.settings.row_axis) == ("waveform", "all")
    assert got.settings.first_centre_seconds == pytest.approx(0.01)
    for item in got:
        assert item.map.shape == (1, item.coverage.size)
        assert item.map.sum() + item.outside == pytest.approx(
            item.score - item.baseline_score + item.delta, abs=1e-4
        )
        with torch.no_grad():
            silent = ssl_detector(torch.zeros(1, 8000), torch.tensor([8000]))
        assert item.baseline_score == pytest.approx(
            float(ssl_detector.score_tensor(silent)), abs=1e-4
        )
    occluded, _ = explained(ssl_detector, rows, tmp_path / "b", "occlusion_time", **options)
    assert occluded.settings.n_rows == 1


@pytest.mark.slow
def test_captum_attributes_samples_alike(ssl_detector):
    windows = 0.1 * np.random.default_rng(1).standard_normal((1, 8000)).astype(np.float32)
    domain = DOMAINS["waveform"](ssl_detector, "bonafide")
    (blocks,) = domain.inputs(windows, None)
    function = domain.function(8000)
    baseline = 0.5 * blocks
    (own,) = integrated_gradients(function, [blocks], [baseline], steps=65, max_steps=65)
    theirs = IntegratedGradients(function).attribute(
        blocks[None], baselines=baseline[None], n_steps=100, internal_batch_size=10
    )
    mine, other = own.values.sum(dim=2), theirs[0].float().sum(dim=2)
    torch.testing.assert_close(mine, other, atol=0.02 * float(other.abs().max()), rtol=0.02)


# --- checks that a study asks for ----------------------------------------------------------------


@pytest.mark.slow
def test_other_baselines_and_noise_are_compared_where_asked(corpus, tmp_path):
    detector = detector_of(LFCC, "mhfa")
    _, plain = explained(detector, corpus, tmp_path / "a", PATH_INTEGRAL)
    assert not {"silence_baseline_spearman", "noise_spearman"} & set(plain.columns)
    options = {"other_baselines": ("silence", "noise")}
    _, quiet = explained(
        detector, corpus, tmp_path / "b", PATH_INTEGRAL, noise_snr_db=80.0, **options
    )
    _, loud = explained(
        detector, corpus, tmp_path / "c", PATH_INTEGRAL, noise_snr_db=0.0, **options
    )
    # The checks that are always made do not change.
    assert quiet.select(plain.columns).equals(plain)
    assert (quiet["noise_spearman"] > loud["noise_spearman"]).all()
    assert (quiet["noise_spearman"] > 0.9).all()
    for kind in ("silence", "noise"):
        assert quiet[f"{kind}_baseline_spearman"].is_between(-1, 1).all()
    asked = ["silence_baseline_spearman", "noise_baseline_spearman", "noise_spearman"]
    means = check_means(quiet, corpus, resamples=100, seed=1, asked=asked)
    overall = means.filter(attack="all", metric="noise_spearman")
    assert overall["value"].item() == pytest.approx(quiet["noise_spearman"].mean())
    write_table(tmp_path / "checks.tsv", means)
    checks = {check.check: check for check in read_checks(str(tmp_path / "checks.tsv"))}
    assert set(asked) <= set(checks)
    said = conclusion("it", list(checks.values()))
    assert "agreement under inaudible noise" in said.partition("Relative to other baselines")[0]
    assert "agreement with the baseline of silence" in said.partition("Relative to")[2]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.8, 0.9, "passes"), (0.2, 0.6, "fails"), (0.6, 0.8, "undecided"), (None, None, "undecided")],
)
def test_maps_have_to_be_alike_under_noise_that_nobody_hears(low, high, verdict):
    assert judged("noise_spearman", low, high, 1.0) == verdict


# --- cached features, batches --------------------------------------------------------------------


def test_cached_features_give_the_same_explanations(corpus, tmp_path):
    detector = detector_of(LFCC, "mhfa")
    extract(detector.frontend, detector.policy, corpus, tmp_path / "f.safetensors")
    reader = FeatureReader([tmp_path / "f.safetensors"])
    computed, _ = explained(detector, corpus, tmp_path / "a", PATH_INTEGRAL)
    calls = []
    raw = detector.frontend.raw
    detector.frontend.raw = lambda *given: calls.append(given) or raw(*given)
    cached, _ = explained(detector, corpus, tmp_path / "b", PATH_INTEGRAL, features=reader)
    to_explain_and_score = len(calls)
    calls.clear()
    for path in corpus["path"]:
        detector.predict(path)
    assert to_explain_and_score == len(calls)
    for item in computed:
        assert cached[item.utt_id].map == pytest.approx(item.map, abs=1e-5)
    other = detector_of({**LFCC, "n_filters": 12}, "mhfa")
    with pytest.raises(DetectorError, match="other settings"):
        explained(other, corpus, tmp_path / "c", PATH_INTEGRAL, features=reader)


def test_a_batch_that_was_cut_by_a_kill_ends_as_one_that_was_not(corpus, tmp_path):
    detector = detector_of(LFCC, "mhfa")
    scores = [detector.predict(path)["score"] for path in corpus["path"]]
    rows = corpus.with_columns(score=pl.Series(scores), chosen_by=pl.lit("per_attack"))
    options = ExplainOptions(baseline="zeros", randomised=0)
    whole: dict[str, Any] = {}
    explain_utterances(detector, rows, options, whole, seed=1)
    cut = {utt_id: whole[utt_id] for utt_id in rows["utt_id"].head(3)}
    explain_utterances(detector, rows, options, cut, seed=1)
    for utt_id, result in whole.items():
        assert np.array_equal(cut[utt_id]["map"], result["map"])
        assert cut[utt_id]["scalars"] == result["scalars"]


@pytest.mark.slow
def test_a_small_pass_changes_no_more_than_rounding(corpus, tmp_path):
    detector = detector_of(LFCC, "mhfa")
    large, _ = explained(detector, corpus, tmp_path / "a", PATH_INTEGRAL, internal_batch=512)
    small, _ = explained(detector, corpus, tmp_path / "b", PATH_INTEGRAL, largest_pass=1)
    for item in large:
        assert small[item.utt_id].map == pytest.approx(item.map, abs=1e-5)
        assert small[item.utt_id].steps == item.steps


@pytest.mark.slow
@pytest.mark.parametrize("method", [PATH_INTEGRAL, "gradient_shap", "occlusion_time"])
def test_nothing_that_is_computed_has_more_values_than_a_pass_may(method, corpus, tmp_path):
    """Not the checks, either: deletion, insertion and occlusion go through the network, too."""
    detector = detector_of(LFCC, "mhfa")
    scored = corpus.head(1).with_columns(
        score=pl.Series([detector.predict(corpus["path"][0])["score"]]),
        chosen_by=pl.lit("per_attack"),
    )
    sizes = []
    detector.backend.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    options = ExplainOptions(
        baseline="zeros", other_baselines=("noise",), noise_snr_db=60, randomised=0, largest_pass=1
    )
    explain_utterances(detector, scored, options, {}, method=method, seed=1)
    assert set(sizes) == {1}


# --- in studies ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return study_with_everything(tmp_path_factory.mktemp("outside")).config


def plan_with(config: dict[str, Any], **options: Any) -> Plan:
    return plan_of(Study({**config, "attribution": {**config["attribution"], **options}}))


def test_every_method_has_files_checks_and_localisation_of_its_own(config):
    plan = plan_with(config, methods=["integrated_gradients", "occlusion_time"])
    names = {path.rpartition("/")[2] for path in plan.attribution.attributions.products}
    for suffix in ("safetensors", "regions.tsv", "summary.tsv", "checks.tsv"):
        assert {f"mini.{suffix}", f"mini.occlusion_time.{suffix}"} <= names
    jobs = jobs_of(plan.attribution.attributions.products)
    (run, seed), *_ = plan.attribution.explained
    works = {
        name: jobs["explain", (run, seed, name)].work for name in ("mini", "mini.occlusion_time")
    }
    assert [work.settings["method"] for work in works.values()] == [
        "integrated_gradients",
        "occlusion_time",
    ]
    for kind in ("check_explanations", "localise"):
        assert (kind, (run, seed, "mini.occlusion_time")) in jobs


def test_methods_are_for_the_detectors_that_are_listed(config):
    attribution = {
        **config["attribution"],
        "detectors": ["wavlm_mhfa", "fbank_cnn"],
        "methods": ["integrated_gradients", "occlusion_time"],
        "method_detectors": {"occlusion_time": ["fbank_cnn"]},
    }
    plan = plan_with(config, **attribution)
    found = [(run.partition("-")[0], method) for run, _, method in plan.attribution.maps]
    assert found == [
        ("wavlm_mhfa", "integrated_gradients"),
        ("fbank_cnn", "integrated_gradients"),
        ("fbank_cnn", "occlusion_time"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["occlusion_tim"]}, "did you mean 'occlusion_time'"),
        ({"methods": []}, "methods"),
        (
            {"method_detectors": {"occlusion_time": ["wavlm_mhfa"]}},
            r"method_detectors\.occlusion_time: not among attribution\.methods",
        ),
        (
            {"method_detectors": {"integrated_gradients": ["wavlm_mhf"]}},
            r"method_detectors\.integrated_gradients\[0\]: .*did you mean 'wavlm_mhfa'",
        ),
        ({"methods": ["attention_relevance"]}, "front-end of 'fbank_cnn', fbank, has no attention"),
        ({"methods": ["occlusion_band"]}, "front-end of 'wavlm_mhfa', ssl, has no frequency axis"),
        ({"wrt": "waveform"}, "'centroid' is made of features and no waveform"),
        (
            {"wrt": "waveform", "baseline": "silence", "other_baselines": ["zeros"]},
            "zeros and silence are the same waveform",
        ),
        (
            {
                "wrt": "waveform",
                "baseline": "silence",
                "methods": ["occlusion_band"],
                "detectors": ["fbank_cnn"],
            },
            "occlusion_band explains features only",
        ),
        ({"other_baselines": ["centroid"]}, "'centroid', which is the baseline itself"),
        (
            {"method_detectors": {"integrated_gradients": []}},
            r"attribution\.detectors: no method explains 'fbank_cnn'",
        ),
    ],
)
def test_what_a_study_cannot_ask_for(config, options, message):
    with pytest.raises(ConfigError, match=message):
        checked({**config, "attribution": {**config["attribution"], **options}})
