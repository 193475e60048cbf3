"""The published rules of the Snakemake workflow catalog, and files that other services read."""

import json
import re
import tomllib

import checkout
import pytest
import yaml
from checkout import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_plain_listing():
    """README with both words, and at least one .smk in the folder of rules."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert list((ROOT / "workflow/rules").glob("*.smk"))
    assert (ROOT / "LICENSE").is_file()


def test_standardized_usage():
    assert (ROOT / "workflow/Snakefile").is_file()
    assert (ROOT / "config/README.md").stat().st_size > 500
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) <= {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    deployment = usage["software-stack-deployment"]
    assert set(deployment) <= {"conda", "apptainer", "apptainer+conda"}
    assert any(deployment.values())
    assert all(isinstance(value, bool) for value in [*deployment.values(), usage["report"]])


def test_flags_of_the_catalog_name_a_profile():
    flags = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    profile = flags["mandatory-flags"]["flags"].removeprefix("--profile ")
    assert (ROOT / profile / "profile.yaml").is_file()


@pytest.mark.slow
def test_both_snakefiles_plan_the_same(tmp_path):
    bare = checkout.clone(tmp_path / "checkout")
    target = ("-n", "figure_det_curves")
    rules = {job.rule for job in bare.plan(*target)}
    assert "figure_det_curves" in rules
    assert {job.rule for job in bare.plan(*target, "--snakefile", "workflow/Snakefile")} == rules


def test_metadata_name_the_version_of_the_package():
    codemeta = json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {codemeta["version"], zenodo["version"], citation["version"]} == {VERSION}
    assert {zenodo["license"], citation["license"]} == {"MIT"}
    assert codemeta["license"].endswith("/MIT")
    names = {author["name"] for author in citation["authors"]}
    assert {author["name"] for author in codemeta["author"]} == names
    assert {creator["name"] for creator in zenodo["creators"]} == names


@pytest.mark.parametrize("name", ["lint", "test", "release"])
def test_actions_run_what_people_run(name):
    text = (ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8")
    action = yaml.safe_load(text)
    assert action["permissions"]
    for job in action["jobs"].values():
        assert job["timeout-minutes"]
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"run: make (\w+)", text):
        assert f"\n{target}:" in makefile
    if name == "test":
        assert ".ci/run" in text
        assert (ROOT / ".ci/run").is_file()


def test_configuration_page_links_to_what_exists():
    for page in ("config/README.md", "profiles/README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            assert ((ROOT / page).parent / link).exists(), (page, link)
