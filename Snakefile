"""spoofscope: one study file in; every score, table, figure and explanation of a paper out."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

# The library lies beside this file; jobs inherit the path.
sys.path.insert(0, str(Path(workflow.basedir) / "src"))


# A study file is complete in itself; only without one (or with a mere overlay) the mini study is
# the base.
if "study" not in config:

    configfile: Path(workflow.basedir) / "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/common/study.smk"
include: "workflow/common/records.smk"
include: "workflow/common/launch.smk"
include: "workflow/common/corpora.smk"
include: "workflow/common/augmentation.smk"
include: "workflow/common/features.smk"
include: "workflow/common/training.smk"
include: "workflow/common/scoring.smk"
include: "workflow/common/fusion.smk"
include: "workflow/common/attribution.smk"
include: "workflow/common/artefacts.smk"
include: "workflow/common/layers.smk"
include: "workflow/common/report.smk"
include: "workflow/common/provenance.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/augmentation.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/scoring.smk"
include: "workflow/rules/fusion.smk"
include: "workflow/rules/attribution.smk"
include: "workflow/rules/artefacts.smk"
include: "workflow/rules/layers.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/provenance.smk"


rule all:
    default_target: True
    input:
        manifests(),
        audits(),
        weights(),
        scores(),
        metrics(),
        attributions(),
        artefacts(),
        layers(),
        figures(),
        tables(),
        f"{R}/report/index.html",
        f"{R}/ro-crate-metadata.json",
    localrule: True
