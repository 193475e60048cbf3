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
include: "workflow/common/outside.smk"
include: "workflow/common/corpora.smk"
include: "workflow/common/augmentation.smk"
include: "workflow/common/features.smk"
include: "workflow/common/training.smk"
include: "workflow/common/adoption.smk"
include: "workflow/common/scoring.smk"
include: "workflow/common/fusion.smk"
include: "workflow/common/attribution.smk"
include: "workflow/common/artefacts.smk"
include: "workflow/common/layers.smk"
include: "workflow/common/fingerprints.smk"
include: "workflow/common/report.smk"
include: "workflow/common/disagreements.smk"
include: "workflow/common/comparison.smk"
include: "workflow/common/generators.smk"
include: "workflow/common/grids.smk"
include: "workflow/common/provenance.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/augmentation.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/adoption.smk"
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
        target(manifests),
        target(audits),
        target(weights),
        target(scores),
        target(metrics),
        target(attributions),
        target(artefacts),
        target(layers),
        target(fingerprints),
        target(disagreements),
        target(exports),
        target(grids),
        target(figures),
        target(tables),
        f"{R}/report/index.html",
        f"{R}/ro-crate-metadata.json",
    localrule: True


rule manifests:
    """One list of utterances per corpus and augmented copy."""
    input:
        target(manifests),
    localrule: True


rule audits:
    """One page per corpus: what is wrong with it, or could mislead detectors."""
    input:
        target(audits),
    localrule: True


rule features:
    """The output of frozen front-ends, for training and scoring."""
    input:
        target(features, absent=NO_FEATURES),
    localrule: True


rule detectors:
    """Every detector, trained with every seed."""
    input:
        target(weights),
    localrule: True


rule scores:
    """The scores of every detector and fusion; higher = more bona fide."""
    input:
        target(scores),
    localrule: True


rule metrics:
    """Error rates of every detector and fusion, pooled and per condition."""
    input:
        target(metrics),
    localrule: True


rule attributions:
    """What in a clip speaks for which class, and whether that is where the artefacts are."""
    input:
        target(attributions, absent=NO_ATTRIBUTION),
    localrule: True


rule artefacts:
    """Signal measures against labels, scores and attributions."""
    input:
        target(artefacts, absent=NO_ARTEFACTS),
    localrule: True


rule layers:
    """How every detector weighs the layers of its backbone."""
    input:
        target(layers, absent=NO_LAYERS),
    localrule: True


rule disagreements:
    """Clips that one system gets right and another wrong, some of them as audio."""
    input:
        target(disagreements, absent=NO_DISAGREEMENTS),
    localrule: True


rule fingerprints:
    """Mean spectra of generators, whether they are stable, what they sound like, who is nearest."""
    input:
        target(fingerprints, absent=NO_FINGERPRINTS),
    localrule: True


rule exports:
    """Scores in the submission format of ASVspoof 5."""
    input:
        target(exports, absent=NO_EXPORTS),
    localrule: True


rule grids:
    """Error rates over the points of every grid: tables and figures."""
    input:
        target(grids, absent=NO_GRIDS),
    localrule: True


rule figures:
    """Every figure of the study."""
    input:
        target(figures),
    localrule: True


rule tables:
    """Every table of the study."""
    input:
        target(tables),
    localrule: True


include: "workflow/common/asked.smk"
