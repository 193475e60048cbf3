"""Section `tracers` of study files: what is planned of it, and what is refused."""

import copy
from typing import Any

import pytest

from planning import jobs_of, plan_of
from spoofscope.errors import ConfigError
from spoofscope.plan.study_plan import checked
from spoofscope.study import MINI
from spoofscope.study.reading import read_config


@pytest.fixture(scope="module")
def mini() -> dict[str, Any]:
    return dict(read_config(MINI))


def without_tracers(config: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in config.items()
        if key not in ("tracers", "tracing", "verification")
    }


def test_tracers_make_no_other_job_stale(mini):
    """Detection is what a training is for without a word, so no detector is trained anew."""
    with_them = jobs_of(plan_of(checked(mini)).everything_kept())
    before = jobs_of(plan_of(checked(without_tracers(mini))).everything_kept())
    # Report, research object and table of runs tell of the whole study.
    told = ("report", "provenance", "check_crate", "table_runs")
    changed = {
        key
        for key, job in before.items()
        if key[0] not in told and job.params != with_them[key].params
    }
    assert changed == set()
    added = {rule for rule, _ in with_them} - {rule for rule, _ in before}
    assert "train_tracer" in added


def test_detectors_have_the_ids_that_they_had(mini):
    runs = checked(without_tracers(mini)).runs
    assert {"fbank_cnn-0f1208e3", "wavlm_mhfa-daefe259", "lfcc_gmm-f5da6a52"} <= set(runs)
    assert set(checked(mini).runs) == set(runs)


def test_objective_and_backend_decide_a_tracer(mini):
    ids = {next(iter(checked(mini).tracers))}
    for change in (
        {"objective": {"type": "cross_entropy", "regmixup": 0.5}},
        {"objective": {"type": "nearest"}},
        {"backend": {"type": "resnet"}},
    ):
        config = copy.deepcopy(mini)
        config["tracers"]["names"].update(change)
        ids.add(next(iter(checked(config).tracers)))
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": {"type": "softmax"}}, r"tracers\.names\.objective\.type: 'softmax'"),
        ({"objective": {"type": "ge2e", "clips": 1}}, r"tracers\.names\.objective\.clips"),
        ({"frontend": "fbanc"}, r"tracers\.names\.frontend: 'fbanc' .* 'fbank'"),
        ({"trace": [{"corpus": "nini", "splits": ["eval"]}]}, r"tracers\.names\.trace\[0\]"),
        ({"score": []}, r"tracers\.names: unknown key 'score'"),
        (
            {"ood": ["energy", "kn"]},
            r"tracers\.names\.ood\[1\]: 'kn' is not in tracing\.ood.*'knn'",
        ),
        ({"ood": ["knn"]}, r"names\.decide_by: 'energy' \(of tracing\.decide_by\) is not in"),
        ({"ood": ["knn"], "decide_by": "msp"}, r"names\.decide_by: 'msp' is not in tracers\.names"),
        ({"decide_by": "kn"}, r"names\.decide_by: 'kn' is not in tracing\.ood; .*'knn'"),
        (
            {"train": {"data": [{"corpus": "mini"}], "recipe": {"loss": "bce"}}},
            r"recipe\.loss: .* `objective`",
        ),
    ],
)
def test_tracers_that_cannot_be_trained(mini, change, message):
    config = copy.deepcopy(mini)
    config["tracers"]["names"].update(change)
    with pytest.raises(ConfigError, match=message):
        checked(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decide_by": "nsd"}, r"tracing\.decide_by: 'nsd' is not in tracing\.ood"),
        (
            {"ood": {"energy": {"type": "enery"}}},
            r"tracing\.ood\.energy\.type: 'enery' .* 'energy'",
        ),
        ({"ood": {"energy": {"type": "energy", "k": 3}}}, r"tracing\.ood\.energy: unknown key 'k'"),
        ({"corpora": ["maxi"]}, r"tracing\.corpora\[0\]: 'maxi'"),
        ({"threshold_by": "f1"}, r"tracing\.threshold_by: 'f1'"),
    ],
)
def test_what_tells_unknown_attacks_is_checked(mini, change, message):
    config = copy.deepcopy(mini)
    config["tracing"].update(change)
    with pytest.raises(ConfigError, match=message):
        checked(config)


def test_a_tracer_may_have_detectors_of_unknown_attacks_of_its_own(mini):
    """They are fitted to it; nothing is trained anew, and nothing else of the study changes."""
    config = copy.deepcopy(mini)
    config["tracers"]["other"] = {**config["tracers"]["names"], "backend": {"type": "resnet"}}
    before = jobs_of(plan_of(checked(config)).tracing.traces.products)
    config["tracers"]["other"] |= {"ood": ["knn", "msp"], "decide_by": "msp"}
    after = jobs_of(plan_of(checked(config)).tracing.traces.products)
    assert before.keys() == after.keys()
    changed = [key for key, job in after.items() if job.params != before[key].params]
    assert {values[0].partition("-")[0] for _, values in changed} == {"other"}
    rules = {rule for rule, _ in changed}
    assert rules == {"fit_tracer", "trace_clips", "tracing_metrics", "decide_clips"}
    (fitted,) = (after[key] for key in changed if key[0] == "fit_tracer")
    assert fitted.params["decide_by"] == "msp"
    assert fitted.params["ood"] == {name: config["tracing"]["ood"][name] for name in ("knn", "msp")}


def test_tracers_need_the_section_tracing(mini):
    config = {key: value for key, value in mini.items() if key != "tracing"}
    with pytest.raises(ConfigError, match=r"tracers\.names: key 'tracing' is missing"):
        checked(config)


def test_a_name_is_that_of_one_thing(mini):
    config = copy.deepcopy(mini)
    config["tracers"]["fbank_cnn"] = config["tracers"]["names"]
    with pytest.raises(ConfigError, match=r"tracers\.fbank_cnn: detectors\.fbank_cnn has the same"):
        checked(config)


def test_a_tracer_learns_no_attack_that_is_called_as_an_answer(mini):
    config = copy.deepcopy(mini)
    config["tracers"]["names"]["train"]["data"][0]["attacks"].append("unknown")
    with pytest.raises(ConfigError, match=r"data\[0\]\.attacks: 'unknown' is the answer .* rename"):
        checked(config)


def test_a_dev_split_that_cannot_have_known_attacks_is_refused_when_it_is_planned(mini):
    """Features of 700,000 clips would come first."""
    config = copy.deepcopy(mini)
    config["corpora"]["stopa"] = {"type": "stopa", "path": "d"}
    config["tracers"]["names"]["train"] = {"data": [{"corpus": "stopa"}]}
    with pytest.raises(ConfigError, match=r"names\.train\.dev: .*`corpora\.stopa\.dev_speakers`"):
        checked(config)
    config["corpora"]["stopa"]["dev_speakers"] = 0.1
    checked(config)
    config["tracers"]["names"]["train"]["data"].append({"corpus": "mini"})
    del config["corpora"]["stopa"]["dev_speakers"]
    checked(config)


@pytest.mark.parametrize(
    "corpus",
    [
        {"type": "mini", "tracing": True},
        {"type": "stopa", "path": "d"},
        {"type": "mlaad", "path": "d", "protocol": "lists.zip"},
    ],
)
@pytest.mark.parametrize("key", ["data", "dev"])
def test_a_detector_needs_bona_fide_speech_when_it_is_planned(mini, corpus, key):
    config = copy.deepcopy(without_tracers(mini))
    config["corpora"]["spoofs"] = corpus
    train = config["detectors"]["lfcc_gmm_vocoders"]["train"]
    train[key] = [{"corpus": "spoofs"}]
    train.setdefault("dev", [{"corpus": "mini"}])
    with pytest.raises(ConfigError, match=rf"vocoders\.train\.{key}: spoofs has no bona fide"):
        checked(config)
    # Beside bona fide speech, they are spoofs like others.
    train[key].append({"corpus": "mini"})
    checked(config)
