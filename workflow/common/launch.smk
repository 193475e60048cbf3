# What happens when the jobs of a run are about to start. Dry runs never get here.
from spoofscope import launch
from spoofscope.errors import SpoofscopeError
from spoofscope.identity import planned_digests

RULES = [
    ROOT / "Snakefile",
    *sorted(ROOT.glob("workflow/*/*.smk")),
    *sorted(ROOT.glob("config/recipes/*.yaml")),
]
# Reading them now fixes their digests: what is recorded below is what this process has parsed.
for path in RULES:
    planned_digests(path)

launch.give_jobs_library(ROOT / "src")
launch.quote_interpreter()

# Each job of a cluster reads these files again on its node.
if not workflow.is_main_process:
    launch.check_cluster_job(STUDY.written)


def places():
    """The folders that this run writes to, which runs of other checkouts may write to as well."""
    made = [str(path) for job in workflow.dag.needrun_jobs() for path in job.output]
    return [
        place
        for place in (STUDY.root, STUDY.data_root)
        if any(Path(path).is_relative_to(place) for path in made)
    ]


def say_at_the_end():
    """What makes the numbers uncertain, once more: among a thousand jobs nobody saw it."""
    sidecars = [f"{LAYOUT.manifest(corpus)}.origin.json" for corpus in STUDY.corpora]
    for line in launch.warnings_of(dict(zip(STUDY.corpora, sidecars, strict=True))):
        logger.warning(line)


onsuccess:
    say_at_the_end()


onerror:
    say_at_the_end()


onstart:
    try:
        launch.one_run_at_a_time(places())
        if workflow.executor_plugin.name == "slurm":
            launch.cancel_leftover_jobs(workflow.executor_settings.jobname_prefix)
    except SpoofscopeError as error:
        # Of other exceptions Snakemake shows where in the code they come from.
        raise WorkflowError(str(error)) from None
    # Parameters are worked out once per job; now, so that no later edit can get into them.
    for job in workflow.dag.needrun_jobs():
        if job.rule.module_globals.get("STUDY") is STUDY:
            job.params
    recorded = launch.record_launch(
        STUDY.written, PLAN.code.sources, RULES, places()
    )
    # Cluster jobs are told the configuration files of this process: from now on, the record. A
    # module's study is a part of its caller's configuration, and its jobs refuse another one.
    if not IS_MODULE:
        workflow.config_settings.configfiles = [recorded]
