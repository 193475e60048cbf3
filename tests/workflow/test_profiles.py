"""The profiles and their overlays fit the rules and each other."""

import copy
import re
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, TINY_STUDY, WIDE_STUDY, Checkout, clone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SITES = sorted(path.name for path in (ROOT / "profiles/slurm/sites").glob("*.yaml"))


def settings(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text())


def rules() -> dict[str, str]:
    """The text of every rule that runs on a cluster's nodes."""
    found = {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for block in re.split(r"\n(?=rule )", path.read_text())[1:]:
            name = re.match(r"rule (\w+):", block)[1]
            if "localrule: True" not in block:
                found[name] = block
    assert {"manifest", "train", "score"} <= set(found)
    return found


def test_every_rule_on_a_node_says_what_it_needs():
    for name, text in rules().items():
        assert re.search(r"^    resources:\n(        .*\n)+", text, re.MULTILINE), name
        assert re.search(r"^        mem_mb=growing\(\d+\),$", text, re.MULTILINE), name
        assert re.search(r"^        runtime=\d+,$", text, re.MULTILINE), name
        assert "retries:" not in text, name


def asking_for_gpus() -> dict[str, str]:
    """What each rule that may use a GPU says of it."""
    asked = {
        name: re.search(r"^        gpu=(.+),$", text, re.MULTILINE)
        for name, text in rules().items()
    }
    return {name: match[1] for name, match in asked.items() if match}


def test_gpus_are_asked_for_where_they_are_used():
    """Snakemake silently ignores the resources of a rule that does not exist."""
    using = asking_for_gpus()
    assert len(using) > 3
    # Of aligners, recognisers alone run on one.
    aligning = {"align", "align_shard"}
    joined = {name for name in using if f"{name}_shard" in using} - aligning
    assert {name for name, asked in using.items() if asked == "gpu_unless_joined"} == joined
    assert len(joined) == 5
    # A training has as many threads as processes, and each process has a GPU.
    trainings = ("train", "train_tracer")
    special = dict.fromkeys(trainings, "threads")
    special |= dict.fromkeys(joined, "0 if input.parts else 1")
    special["align_shard"] = "1 if input.backbone else 0"
    special["align"] = "1 if input.backbone and not input.parts else 0"
    base = settings("profiles/slurm/profile.yaml")["set-resources"]
    assert base == {name: {"gpu": special.get(name, 1)} for name in using}
    special = dict.fromkeys(trainings, "f'gpu:{threads}'")
    special |= dict.fromkeys(joined, "None if input.parts else 'gpu:1'")
    special["align_shard"] = "'gpu:1' if input.backbone else None"
    special["align"] = "'gpu:1' if input.backbone and not input.parts else None"
    gres = settings("profiles/slurm/sites/gres.yaml")["set-resources"]
    assert gres == {name: {"gpu": 0, "gres": special.get(name, "gpu:1")} for name in using}


def test_profiles_hold_nothing_else_about_rules():
    profiles = sorted(ROOT.glob("profiles/**/*.yaml"))
    assert len(profiles) > 5
    naming = {
        str(path.relative_to(ROOT / "profiles"))
        for path in profiles
        if {"set-resources", "set-threads", "groups"} & set(yaml.safe_load(path.read_text()))
    }
    assert naming == {"slurm/profile.yaml", "slurm/sites/gres.yaml"}


def test_both_profiles_see_the_same_files_as_fresh():
    local, slurm = settings("profiles/local/profile.yaml"), settings("profiles/slurm/profile.yaml")
    for key in ("rerun-triggers", "max-checksum-file-size", "nolock", "rerun-incomplete"):
        assert local[key] == slurm[key]
    assert "retries" in slurm


def test_overlays_compose():
    """Of a key that two profiles have, all of the later one counts."""
    keys = {name: set(settings(f"profiles/slurm/sites/{name}")) for name in SITES}
    assert len(keys) == 5
    for one, other in combinations(SITES, 2):
        assert not keys[one] & keys[other]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Checkout:
    made = clone(tmp_path_factory.mktemp("profiles") / "checkout")
    made.write_study(TINY_STUDY)
    return made


def asked(study: Checkout, *sites: str) -> dict[str, set[str]]:
    """Resources of each rule that a dry run would submit, as `key=value`."""
    profiles = [part for name in sites for part in ("--profile", f"profiles/slurm/sites/{name}")]
    # By itself a dry run plans for one core: no job has more threads then.
    done = study.snakemake(
        "-n", "--cores", "8", *profiles, "--configfile", "study.yaml", profile="profiles/slurm"
    )
    assert done.returncode == 0, done.stdout
    found = re.findall(
        r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)", done.stdout, re.MULTILINE
    )
    return {rule: set(resources.split(", ")) for rule, resources in found}


def test_overlays_say_what_they_should(study):
    base = asked(study)
    assert {"manifest", "train", "score"} <= set(base)
    assert {"gpu=1", "runtime=1440", "mem_mb=32000"} <= base["train"]
    assert not any(value.startswith("gpu") for value in base["manifest"])

    gres = asked(study, "gres.yaml")
    # Not both, even when the login node has a GPU.
    assert gres["train"] >= {"gres=gpu:1", "gpu=0", "runtime=1440", "mem_mb=32000"}
    assert gres["manifest"] == base["manifest"]

    # Two whose keys are others, see above.
    both = asked(study, "account.yaml", "caps.yaml")
    assert both["manifest"] >= base["manifest"] | {"slurm_account=my_project"}
    assert all("slurm_account=my_project" in values for values in both.values())
    assert {"gpu=1", "runtime=720", "mem_mb=32000"} <= both["train"]

    shared = copy.deepcopy(TINY_STUDY)
    shared["detectors"]["lfcc_linear"]["train"]["recipe"]["processes"] = 2
    study.write_study(shared)
    assert "gpu=2" in asked(study)["train"]
    assert {"gres=gpu:2", "gpu=0"} <= asked(study, "gres.yaml")["train"]
    study.write_study(TINY_STUDY)

    everything = asked(study, *SITES)
    assert {"gres=gpu:1", "runtime=720", "slurm_account=my_project"} <= everything["train"]


def test_who_joins_shards_asks_for_no_gpu(study):
    cut, whole = WIDE_STUDY, WIDE_STUDY | {"scatter_shards": {"eval": 1}}
    for sites, gpu in ((), "gpu=1"), (("gres.yaml",), "gres=gpu:1"):
        for config, joins in ((cut, True), (whole, False)):
            study.write_study(config)
            asking = {rule for rule, resources in asked(study, *sites).items() if gpu in resources}
            for rule in (
                "explain",
                "score_masked",
                "score_cues",
                "score_laundered",
                "average_attributions",
            ):
                assert (rule in asking, f"{rule}_shard" in asking) == (not joins, joins)
    study.write_study(TINY_STUDY)


def test_partition_files_are_complete():
    files = [Path("partitions.yaml"), *(ROOT / "profiles/slurm/sites/partitions").glob("*.yaml")]
    for path in files:
        partitions = yaml.safe_load((ROOT / "profiles/slurm" / path).read_text())["partitions"]
        assert any(limits.get("max_gpu", 0) for limits in partitions.values())
        assert any("max_gpu" not in limits for limits in partitions.values())
