"""Dry runs of the full-scale studies: the whole plan without data, and what is to be fetched."""

import re
import time
from collections.abc import Callable

import checkout
import pytest
from checkout import Checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# Study to jobs per rule that its paper fixes: trainings, then scored sets.
STUDIES = {
    # 3 families x (4 + 6 depths) x 2 back-ends x 7 corpora x 3 seeds; 60 encoders with back-end and
    # 3 seeds on the 11 test sets of 7 corpora; 30 encoders and depths are timed.
    "layerwise": {"train": 1260, "score": 1980, "manifest": 11, "backbone": 6},
    # 3 detectors on dev in 4 parts and eval in 16.
    "ig_detectors": {"train": 3, "score": 60, "apply_fusion": 2, "explain": 3, "centroid": 3},
    # 2 detectors on dev, and on 5 test sets in 4 parts.
    "two_stage": {"train": 2, "score": 42, "manifest": 5, "backbone": 1},
    # With 5 seeds: 28 wavelets with and without signs, the Fourier spectrum, 3 + 1 changes of the
    # network on 3 spectra, 3 light networks, 3 spectra on 9 other generators and without each of
    # 10, 2 on other corpora at 3 lengths. With 3: mixtures on 2 cepstra and 3 sets of data. Once:
    # the nearest fingerprint.
    "wavelet_packets": {"train": (56 + 1 + 12 + 3 + 27 + 30 + 6) * 5 + 18 + 1, "manifest": 6},
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Checkout:
    return checkout.clone(tmp_path_factory.mktemp("full") / "checkout")


@pytest.mark.parametrize("study", STUDIES)
def test_dry_run(study: str, empty: Checkout, record_property: Callable[[str, object], None]):
    began = time.monotonic()
    text = empty.make("-n", "--quiet", "rules", "--configfile", f"config/studies/{study}.yaml")
    seconds = time.monotonic() - began
    jobs = {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    print(f"{study}: {jobs['total']} jobs planned in {seconds:.0f} s")
    record_property("seconds", seconds)
    assert jobs["total"] == sum(jobs.values()) - jobs["total"]
    for rule, count in STUDIES[study].items():
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
    assert len(fetched) == jobs.get("backbone", 0)
    assert not (empty.folder / "results").exists()


def test_a_run_without_the_data_says_which_folder(empty: Checkout):
    text = empty.refuse(
        "results/two_stage/manifests/la19.tsv", "--configfile", "config/studies/two_stage.yaml"
    )
    assert re.search(
        r"resources/corpora/ASVspoof2019: no such folder; corpora\.la19\.path must name", text
    )
