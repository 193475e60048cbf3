"""Methods of attribution side by side: one registry, files and checks of each, refusals."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from noise_and_tones import write_corpus
from planning import jobs_of, plan_of, study_with_everything
from spoofscope import tables
from spoofscope.attribution.explain import explain
from spoofscope.attribution.store import Attributions
from spoofscope.attribution_methods import ATTRIBUTION_METHODS, METHOD_TITLES, named
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError
from spoofscope.options.attribution import METHODS, PATH_INTEGRAL, ExplainOptions
from spoofscope.plan.study_plan import Plan, checked
from spoofscope.study import Study
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
    detector: Detector, rows: pl.DataFrame, folder: Path, method: str, **options: Any
) -> tuple[Attributions, pl.DataFrame]:
    folder.mkdir(exist_ok=True)
    files = folder / "a.safetensors", folder / "r.tsv", folder / "s.tsv"
    scores = [detector.predict(path)["score"] for path in rows["path"]]
    scored = rows.with_columns(score=pl.Series(scores), chosen_by=pl.lit("per_attack"))
    chosen = ExplainOptions(**{"baseline": "zeros", "randomised": 1, **options})
    explain(detector, scored, *files, chosen, method=method, seed=1)
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


def test_occlusion_has_one_row_and_its_frames_share_the_value_of_their_block(corpus, tmp_path):
    detector = detector_of(LFCC, "mhfa")
    got, _ = explained(detector, corpus.head(1), tmp_path, "occlusion_time", block_seconds=0.08)
    assert (got.settings.row_axis, got.settings.n_rows) == ("all", 1)
    (item,) = got
    assert item.map.shape == (1, item.coverage.size)
    # Blocks of five frames; the clip is as long as its window, or longer.
    assert len(set(item.map[0, :5].tolist())) == 1
    assert len(set(item.map[0, :15].tolist())) == 3


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
        (
            {"method_detectors": {"integrated_gradients": []}},
            r"attribution\.detectors: no method explains 'fbank_cnn'",
        ),
    ],
)
def test_what_a_study_cannot_ask_for(config, options, message):
    with pytest.raises(ConfigError, match=message):
        checked({**config, "attribution": {**config["attribution"], **options}})
