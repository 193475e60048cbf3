# The common part of all rules: the study, its plan, and the patterns of wildcards. The inputs and
# settings of jobs come from src/spoofscope/plan.
# No heavy package may be imported, because every cluster job parses this file again.
import re
import sys

from snakemake.logging import logger

from spoofscope.columns import check_columns
from spoofscope.errors import ConfigError
from spoofscope.files import one_line
from spoofscope.identity import keep_digests_in
from spoofscope.launch import check_command_line, check_folder, local_gpu
from spoofscope.layout import Scoring
from spoofscope.needs import as_text, missing
from spoofscope.outside import Outside
from spoofscope.plan.jobs import Code, Context
from spoofscope.plan.study_plan import Plan
from spoofscope.plan.tables import PRINTED
from spoofscope.snakemake_inside import (
    configured_by_options,
    explain,
    study_files,
    taken_prefix,
)
from spoofscope.study import Study
from spoofscope.study.reading import located, merged, read_config, typed

# The values of `--config`.
OPTIONS = {}


def refused(error):
    """End with one line about a user's mistake; Snakemake would add the place in the rules."""
    if IS_MODULE:
        raise error
    logger.error(f"ConfigError: {one_line(error)}")
    raise SystemExit(1) from error


def study_refused(error):
    """The same, with the line of the study file that is wrong."""
    refused(error if IS_MODULE else located(error, study_files(workflow), OPTIONS))


# Snakemake silently keeps the last value of a repeated key, and the last of two options.
if not IS_MODULE:
    try:
        check_folder(ROOT)
        if workflow.is_main_process:
            check_command_line(sys.argv)
        for configured in workflow.configfiles:
            read_config(configured)
    except ConfigError as error:
        refused(error)
    OPTIONS = typed(configured_by_options(workflow))
    config = merged(config, OPTIONS)

# A module can have a prefix, the folder for all files that it makes. The prefix stands before the
# three folders of made files.
_prefixed = taken_prefix(workflow)


def placed(folder):
    return _prefixed(f"{folder}/").removesuffix("/")


try:
    STUDY = Study(config, placed=placed)
    PLAN = Plan(
        Context(
            STUDY,
            Outside(workflow.is_main_process, logger.warning),
            Code(
                ROOT / "workflow" / "scripts", ROOT / "src" / "spoofscope" / "templates"
            ),
        )
    )
except ConfigError as error:
    study_refused(error)
# Captions read the configuration.
config["title"] = STUDY.config["title"]
# So do jobs: were the folder a parameter, moving it would make all features stale.
if PLAN.features.store is not None:
    config["feature_store"] = str(PLAN.features.store.root)
LAYOUT = STUDY.layout
LOGS = placed(f"logs/{STUDY.name}")
ENVIRONMENT = ROOT / "envs" / "environment.yaml"

keep_digests_in(".snakemake/spoofscope/syntax.json")

# Score files in outputs, whose names are wildcards.
OF_SYSTEM = Scoring("{system}", "{seed}", "{corpus}", "{split}")
OF_RUN = OF_SYSTEM._replace(system="{run}")
OF_TRACER = OF_SYSTEM._replace(system="{tracer}")


def one_of(names):
    # A pattern that matches these names only; with none it matches nothing at all.
    return "|".join(sorted(map(re.escape, names))) or "(?!)"


wildcard_constraints:
    corpus=one_of([*STUDY.corpora, *STUDY.copies]),
    # A corpus, or a corpus and a method of attribution.
    explained=one_of(PLAN.attribution.explanation_names),
    run=one_of(STUDY.runs),
    tracer=one_of(STUDY.tracers),
    pretrained=one_of(PLAN.training.pretrained),
    external_scores=one_of(PLAN.scoring.external_scores),
    fusion=one_of(PLAN.scoring.fusions),
    system=one_of([*STUDY.runs, *PLAN.scoring.fusions]),
    features=one_of(PLAN.features.ids),
    seed=r"\d+",
    split="train|dev|eval",
    shard=r"\d+-of-\d+",
    backbone=one_of(PLAN.features.made_backbones),
    pool=one_of(PLAN.layers.pools),
    probe=one_of(PLAN.layers.probes),
    disagreement=one_of(PLAN.disagreements.entries),
    aligner=one_of(PLAN.alignment.aligners),
    recogniser=one_of(PLAN.alignment.recognisers),
    textgrids=one_of(PLAN.alignment.textgrids),
    grid=one_of(STUDY.grids),
    # A point's label holds no more than a name does: small letters, digits and _.
    point=r"\w+~\w+(?:/\w+~\w+)*",


# Without a GPU in this machine the demand is 0, so that CPU jobs run side by side. On a cluster
# the profile states it.
LOCAL_GPU = local_gpu()


def gpu_unless_joined(wildcards, input):
    """No GPU for a job that joins what other jobs have worked out."""
    return 0 if input.parts else LOCAL_GPU


def growing(mb):
    """Memory of a job in MB, times the number of the attempt."""
    return lambda wildcards, attempt: mb * attempt


def figure_files(name):
    """The outputs of a figure; its PNG is marked for `snakemake --report`."""
    files = {suffix: LAYOUT.figure(name, suffix) for suffix in ("pdf", "png", "tsv")}
    files["png"] = report(
        files["png"],
        caption="../report/exhibit.rst",
        category="Figures",
        labels={"figure": name.replace("_", " ")},
    )
    return files


def table_files(name, more):
    """The outputs of a table; the first is marked for `snakemake --report`."""
    table = report(
        LAYOUT.table(name),
        caption="../report/exhibit.rst",
        category="Tables",
        labels={"table": name},
    )
    tables = {"table": table, **{part: LAYOUT.table(f"{name}.{part}") for part in more}}
    printed = {
        f"{part}_{suffix}": LAYOUT.printed_table(
            name if part == "table" else f"{name}.{part}", suffix
        )
        for part in tables
        for suffix in PRINTED
    }
    return {**tables, **printed}


# Printed before any job starts, also by dry runs, which do not need these data.
if workflow.is_main_process:
    try:
        check_columns(STUDY)
    except ConfigError as error:
        study_refused(error)
    if absent := missing(STUDY):
        logger.warning(
            f"Study {STUDY.name} needs what is not there yet:\n{as_text(absent)}\n"
        )
