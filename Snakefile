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
include: "workflow/rules/alignment.smk"
include: "workflow/rules/attribution.smk"
include: "workflow/rules/annotation.smk"
include: "workflow/rules/masking.smk"
include: "workflow/rules/shortcuts.smk"
include: "workflow/rules/robustness.smk"
include: "workflow/rules/artefacts.smk"
include: "workflow/rules/layers.smk"
include: "workflow/rules/fingerprints.smk"
include: "workflow/rules/tracing.smk"
include: "workflow/rules/verification.smk"
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


# All other targets by name, except single figures and tables.
for NAME, TARGET in PLAN.targets.items():

    rule:
        name:
            NAME
        input:
            TARGET.files,
        localrule: True


explain(workflow, PLAN.explained)


include: "workflow/common/asked.smk"
