"""spoofscope: one study file in; every score, table, figure and explanation of a paper out."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.20")

# The folder of this file, also where another workflow uses it as a module.
ROOT = Path(workflow.snakefile).resolve().parent
IS_MODULE = not workflow.modifier.is_main_snakefile()

if not (ROOT / "src").is_dir():
    raise WorkflowError(
        "spoofscope is more than its rules: clone its repository at the tag that you want, and give "
        "the path of the clone's Snakefile (docs/module.md)"
    )

# The library lies beside this file.
sys.path.insert(0, str(ROOT / "src"))


# A study file is complete in itself; only without one (or with a mere overlay) the mini study is
# the base.
if "study" not in config:

    configfile: ROOT / "config/config.yaml"


# A module has no say in what the report of a workflow begins with.
if not IS_MODULE:

    report: "workflow/report/workflow.rst"


include: "workflow/common/study.smk"
include: "workflow/common/records.smk"
include: "workflow/common/launch.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/augmentation.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/pretrained.smk"
include: "workflow/rules/scoring.smk"
include: "workflow/rules/fusion.smk"
include: "workflow/rules/attribution.smk"
include: "workflow/rules/artefacts.smk"
include: "workflow/rules/layers.smk"
include: "workflow/rules/fingerprints.smk"
include: "workflow/rules/exports.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/grids.smk"
include: "workflow/rules/disagreements.smk"
include: "workflow/rules/provenance.smk"


rule all:
    """Everything, the default."""
    default_target: True
    input:
        PLAN.all_files,
    localrule: True


rule manifests:
    """One list of utterances per corpus and augmented copy."""
    input:
        PLAN.targets["manifests"].files,
    localrule: True


rule audits:
    """One page per corpus: what is wrong with it, or could mislead detectors."""
    input:
        PLAN.targets["audits"].files,
    localrule: True


rule features:
    """The output of frozen front-ends, for training and scoring."""
    input:
        PLAN.targets["features"].files,
    localrule: True


rule detectors:
    """Every detector, trained with every seed."""
    input:
        PLAN.targets["detectors"].files,
    localrule: True


rule scores:
    """The scores of every detector and fusion; higher = more bona fide."""
    input:
        PLAN.targets["scores"].files,
    localrule: True


rule metrics:
    """Error rates of every detector and fusion, pooled and per condition."""
    input:
        PLAN.targets["metrics"].files,
    localrule: True


rule attributions:
    """What in a clip speaks for which class, and whether that is where the artefacts are."""
    input:
        PLAN.targets["attributions"].files,
    localrule: True


rule artefacts:
    """Signal measures against labels, scores and attributions."""
    input:
        PLAN.targets["artefacts"].files,
    localrule: True


rule layers:
    """How every detector weighs the layers of its backbone."""
    input:
        PLAN.targets["layers"].files,
    localrule: True


rule disagreements:
    """Clips that one system gets right and another wrong, some of them as audio."""
    input:
        PLAN.targets["disagreements"].files,
    localrule: True


rule fingerprints:
    """Mean spectra of generators, whether they are stable, what they sound like, who is nearest."""
    input:
        PLAN.targets["fingerprints"].files,
    localrule: True


rule exports:
    """Scores in the submission format of ASVspoof 5."""
    input:
        PLAN.targets["exports"].files,
    localrule: True


rule grids:
    """Error rates over the points of every grid: tables and figures."""
    input:
        PLAN.targets["grids"].files,
    localrule: True


rule figures:
    """Every figure of the study."""
    input:
        PLAN.targets["figures"].files,
    localrule: True


rule tables:
    """Every table of the study."""
    input:
        PLAN.targets["tables"].files,
    localrule: True


include: "workflow/common/asked.smk"
