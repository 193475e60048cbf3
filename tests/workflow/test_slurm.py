"""profiles/slurm on a real Slurm cluster, which is brought up on this machine and taken down."""

import shutil
import time
from collections.abc import Iterator

import checkout
import cluster
import pytest
from checkout import SPOKEN, WIDE_STUDY, WIDE_TARGETS, Checkout
from cluster import jobs_of, slurm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# Partition, CPUs, memory, time limit and GPUs of the rules that are submitted; all others are
# cheap, or need the network, and run beside Snakemake.
SUBMITTED = {
    "generate_corpus": ("cpu", "1", "4000M", "2:00:00", "N/A"),
    "generate_noise": ("cpu", "1", "4000M", "2:00:00", "N/A"),
    **({"speak_corpus": ("cpu", "2", "4000M", "4:00:00", "N/A")} if SPOKEN else {}),
    "manifest": ("cpu", "2", "8000M", "2:00:00", "N/A"),
    "audit_corpus_shard": ("cpu", "2", "8000M", "4:00:00", "N/A"),
    "audit_corpus": ("cpu", "2", "8000M", "4:00:00", "N/A"),
    "augment": ("cpu", "2", "8000M", "12:00:00", "N/A"),
    "align_shard": ("cpu", "1", "8000M", "8:00:00", "N/A"),
    "align": ("cpu", "1", "8000M", "8:00:00", "N/A"),
    "measure_artefacts_shard": ("cpu", "1", "8000M", "8:00:00", "N/A"),
    "measure_artefacts": ("cpu", "1", "8000M", "8:00:00", "N/A"),
    "correlate_artefacts": ("cpu", "1", "8000M", "4:00:00", "N/A"),
    "measure_fingerprints_shard": ("cpu", "1", "4000M", "4:00:00", "N/A"),
    "measure_fingerprints": ("cpu", "1", "4000M", "4:00:00", "N/A"),
    "extract_features": ("gpu", "1", "16000M", "4:00:00", "gres:gpu:1"),
    "train": ("gpu", "1", "32000M", "1-00:00:00", "gres:gpu:1"),
    "train_tracer": ("gpu", "1", "32000M", "1-00:00:00", "gres:gpu:1"),
    "embed_clips": ("gpu", "1", "16000M", "8:00:00", "gres:gpu:1"),
    "score": ("gpu", "1", "16000M", "4:00:00", "gres:gpu:1"),
    "centroid": ("gpu", "1", "16000M", "2:00:00", "gres:gpu:1"),
    "explain_shard": ("gpu", "1", "32000M", "8:00:00", "gres:gpu:1"),
    # What joins shards needs no GPU.
    "explain": ("cpu", "1", "32000M", "8:00:00", "N/A"),
    "score_masked_shard": ("gpu", "1", "16000M", "8:00:00", "gres:gpu:1"),
    "score_masked": ("cpu", "1", "16000M", "8:00:00", "N/A"),
    "score_cues_shard": ("gpu", "1", "16000M", "8:00:00", "gres:gpu:1"),
    "score_cues": ("cpu", "1", "16000M", "8:00:00", "N/A"),
    "score_laundered_shard": ("gpu", "1", "16000M", "8:00:00", "gres:gpu:1"),
    "score_laundered": ("cpu", "1", "16000M", "8:00:00", "N/A"),
    "average_attributions_shard": ("gpu", "1", "16000M", "8:00:00", "gres:gpu:1"),
    "average_attributions": ("cpu", "1", "16000M", "8:00:00", "N/A"),
    "pool_layers": ("gpu", "1", "16000M", "4:00:00", "gres:gpu:1"),
    "probe_layers": ("cpu", "1", "8000M", "8:00:00", "N/A"),
    "layer_costs": ("gpu", "1", "16000M", "4:00:00", "gres:gpu:1"),
}


@pytest.fixture(scope="module", autouse=True)
def slurm_cluster() -> Iterator[None]:
    with cluster.running_cluster():
        yield


@pytest.fixture(scope="module")
def from_cluster(tmp_path_factory, slurm_cluster) -> Checkout:
    """A study with a job of every rule that is submitted, made from nothing on the cluster."""
    study = checkout.clone(tmp_path_factory.mktemp("cluster") / "checkout")
    started = time.monotonic()
    # What starts cold on a node is shown by the trainings of `test_slurm_faults.py`.
    targets = (*WIDE_TARGETS, "--configfile", study.write_study(WIDE_STUDY))
    cluster.make(study, *targets, timeout=3000, start=False)
    print(f"\nthe study on the cluster: {time.monotonic() - started:.0f} s")
    return study


def contents(study: Checkout) -> dict[str, bytes]:
    """All results, without temporary files and the records of when and how fast they were made."""
    results = study.folder / "results/tiny"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in results.rglob("*")
        if path.is_file()
        # A PDF has the roundings of its layout, which its picture and its numbers have not.
        and path.suffix != ".pdf"
        and path.relative_to(results).parts[0] not in ("benchmarks", "work", "provenance")
        and "shards" not in path.parts
        and not path.name.endswith(".origin.json")
        and not path.name.startswith(("ro-crate-", "layer_pareto."))
    }


def test_a_cluster_makes_the_same_bytes(wide, from_cluster):
    made, wanted = contents(from_cluster), contents(wide)
    assert len(wanted) > 100
    assert set(made) == set(wanted)
    assert [name for name in wanted if made[name] != wanted[name]] == []


def test_what_is_asked_for(from_cluster):
    jobs = jobs_of(from_cluster)
    asked = {
        job.rule: {
            (j.partition, j.cpus, j.memory, j.limit, j.gpus) for j in jobs if j.rule == job.rule
        }
        for job in jobs
    }
    assert asked == {rule: {resources} for rule, resources in SUBMITTED.items()}
    assert {job.gres for job in jobs} == {"N/A"}
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert {job.node for job in jobs} >= {"c1", "g1", "g2", "g3", "g4"}
    assert len({job.name for job in jobs}) == len(jobs)
    logs = list((from_cluster.folder / "logs/slurm").rglob("*.log"))
    assert len(logs) == len(jobs)


@pytest.mark.parametrize("profile", ["profiles/local", "profiles/slurm"])
def test_what_a_cluster_made_is_fresh(from_cluster, profile):
    assert from_cluster.plan(*WIDE_TARGETS, "--configfile", "study.yaml", profile=profile) == []


def test_sites(tiny_copy):
    """The overlays of a site with its own partitions, generic resources and caps, at once."""
    for name, nodes, hours in (
        ("short", "c[1-2]", 4),
        ("long", "c[1-2]", 168),
        ("gpu_short", "g[1-4]", 4),
        ("gpu_long", "g[1-4]", 48),
    ):
        slurm(
            *("scontrol", "create", f"partitionname={name}", f"nodes={nodes}"),
            f"maxtime={hours}:00:00",
        )
    for folder in ("audits", "detectors", "work"):
        shutil.rmtree(tiny_copy.folder / "results/tiny" / folder)
    (shard,) = (tiny_copy.folder / "results/tiny/features").glob("*/talkers/train-*.safetensors")
    shard.unlink()
    plan = tiny_copy.plan("--configfile", "study.yaml")
    (weights,) = (job.outputs[0] for job in plan if job.rule == "train")
    sites = [f"profiles/slurm/sites/{name}.yaml" for name in ("gres", "partitions", "caps")]
    cluster.make(
        tiny_copy,
        *cluster.arguments(*sites)[len(cluster.PROFILES) :],
        *("--configfile", "study.yaml", "--", weights, "results/tiny/audits/talkers.tsv"),
        start=False,
    )
    asked = {
        job.rule: (job.partition, job.cpus, job.memory, job.limit, job.gres, job.gpus)
        for job in jobs_of(tiny_copy)
    }
    assert asked == {
        "audit_corpus_shard": ("short", "2", "8000M", "4:00:00", "N/A", "N/A"),
        "audit_corpus": ("short", "2", "8000M", "4:00:00", "N/A", "N/A"),
        "extract_features": ("gpu_short", "1", "16000M", "4:00:00", "gres:gpu:1", "N/A"),
        # The rule asks for a day; the cap is half of it.
        "train": ("gpu_long", "1", "32000M", "12:00:00", "gres:gpu:1", "N/A"),
    }
    assert {job.state for job in jobs_of(tiny_copy)} == {"COMPLETED"}
