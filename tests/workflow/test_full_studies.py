"""The full-scale studies: all trainings are counted, and one seed of each is planned without data;
what is to be fetched is listed."""

import re
import time
from collections.abc import Callable
from typing import NamedTuple

import checkout
import pytest
from checkout import ROOT, Checkout

from spoofscope.plan.study_plan import checked
from spoofscope.study.reading import read_config

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Fixed(NamedTuple):
    """What a paper fixes: trainings, jobs per rule with one seed of each, scored sets of all."""

    trainings: int
    jobs: dict[str, int]
    scorings: int | None = None


STUDIES = {
    # 3 families x (4 + 6 depths) x 2 back-ends x 7 corpora x 3 seeds; 60 encoders with back-end and
    # 3 seeds on the 11 test sets of 7 corpora; 30 encoders and depths are timed.
    "layerwise": Fixed(
        420 * 3, {"train": 420, "score": 660, "manifest": 11, "backbone": 6}, 660 * 3
    ),
    # 3 detectors on dev in 4 parts and eval in 16.
    "ig_detectors": Fixed(
        3,
        {
            "train": 3,
            "score": 60,
            "apply_fusion": 2,
            "explain": 3,
            "score_masked": 3,
            "score_laundered": 3,
        },
        6,
    ),
    # 2 detectors on dev, and on 5 test sets in 4 parts.
    "two_stage": Fixed(2, {"train": 2, "score": 42, "manifest": 5, "backbone": 1}, 12),
    # With 5 seeds: 28 wavelets with and without signs, the Fourier spectrum, 3 + 1 changes of the
    # network on 3 spectra, 3 light networks, 3 spectra on 9 other generators and without each of
    # 10, 2 on other corpora at 3 lengths. With 3: mixtures on 2 cepstra and 3 sets of data. Once:
    # the nearest fingerprint.
    "wavelet_packets": Fixed(
        (56 + 1 + 12 + 3 + 27 + 30 + 6) * 5 + 6 * 3 + 1,
        {"train": 56 + 1 + 12 + 3 + 27 + 30 + 6 + 6 + 1, "manifest": 6},
    ),
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Checkout:
    return checkout.clone(tmp_path_factory.mktemp("full") / "checkout")


@pytest.mark.parametrize("study", STUDIES)
def test_dry_run(study: str, empty: Checkout, record_property: Callable[[str, object], None]):
    config = read_config(ROOT / f"config/studies/{study}.yaml")
    resolved = checked(config)
    fixed = STUDIES[study]
    trained = set(resolved.detector_seeds())
    assert len(trained) == fixed.trainings
    scored = [scoring for scoring in resolved.scorings() if scoring[:2] in trained]
    assert fixed.scorings in (None, len(scored))
    # Seeds multiply jobs, and add nothing to the shape of the plan.
    for detector in config["detectors"].values():
        if "seeds" in detector:
            detector["seeds"] = detector["seeds"][:1]
    began = time.monotonic()
    text = empty.make("-n", "--quiet", "rules", "--configfile", empty.write_study(config))
    seconds = time.monotonic() - began
    jobs = {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    print(f"{study}: {jobs['total']} jobs planned in {seconds:.0f} s")
    record_property("seconds", seconds)
    assert jobs["total"] == sum(jobs.values()) - jobs["total"]
    for rule, count in fixed.jobs.items():
        assert jobs[rule] == count, rule
    assert jobs["compute_metrics"] >= jobs["gather_scores"] >= jobs["train"]
    assert jobs["report"] == jobs["provenance"] == 1
    # What is not there is listed, and does not hinder the plan.
    assert f"Study {study} needs what is not there yet:" in text
    assert (
        len(re.findall(r"^corpus \w+: missing: put it there", text, re.MULTILINE))
        == jobs["manifest"]
    )
    fetched = re.findall(r"^backbone \w+: to be downloaded by the workflow", text, re.MULTILINE)
    assert len(fetched) == jobs.get("backbone", 0) + jobs.get("recogniser", 0)
    assert not (empty.folder / "results").exists()


def test_a_run_without_the_data_says_which_folder(empty: Checkout):
    text = empty.refuse(
        "results/two_stage/manifests/la19.tsv", "--configfile", "config/studies/two_stage.yaml"
    )
    assert re.search(
        r"resources/corpora/ASVspoof2019: no such folder; corpora\.la19\.path must name", text
    )
