# Actions when the jobs of a run are about to start. Dry runs do not run them.
from spoofscope import launch
from spoofscope.errors import SpoofscopeError
from spoofscope.identity import planned_digests
from spoofscope.snakemake_inside import (
    end_when_asked,
    fix_parameters,
    give_cluster_jobs,
    only_touches,
    outputs_to_make,
    quote_interpreter,
    remember_checksums,
    slurm_prefix,
    slurm_run,
)

RULES = [
    ROOT / "Snakefile",
    *sorted(ROOT.glob("workflow/*/*.smk")),
    *sorted(ROOT.glob("src/spoofscope/recipes/*.yaml")),
]
# Reading them now fixes their digests: what is recorded below is what this process has parsed.
for path in RULES:
    planned_digests(path)

launch.give_jobs_library(ROOT / "src")
quote_interpreter()
remember_checksums()
end_when_asked()

# Each job of a cluster reads these files again on its node.
if not workflow.is_main_process:
    launch.check_cluster_job(STUDY.written)


def places():
    """The folders that this run writes to, which runs of other checkouts may write to as well."""
    outputs = outputs_to_make(workflow)
    return [
        place
        for place in (STUDY.root, STUDY.data_root)
        if any(Path(path).is_relative_to(place) for path in outputs)
    ]


def keep_archives():
    """Snakemake deletes what it makes again, and an archive is the same whatever code fetches it."""
    from spoofscope.corpora.download import set_aside

    for path in PLAN.corpora.archive_files.intersection(outputs_to_make(workflow)):
        set_aside(path)


def say_at_the_end():
    """Repeat the warnings about numbers at the end, because they are lost among many jobs."""
    sidecars = [f"{LAYOUT.manifest(corpus)}.origin.json" for corpus in STUDY.corpora]
    for line in launch.warnings_of(dict(zip(STUDY.corpora, sidecars, strict=True))):
        logger.warning(line)


onsuccess:
    say_at_the_end()


onerror:
    say_at_the_end()


onstart:
    try:
        launch.one_run_at_a_time(STUDY.name, places())
        on_slurm, prefix = slurm_prefix(workflow)
        if on_slurm:
            launch.cancel_leftover_jobs(STUDY.name, prefix)
    except SpoofscopeError as error:
        # Of other exceptions Snakemake shows where in the code they come from.
        raise WorkflowError(str(error)) from None
    if not only_touches(workflow):
        keep_archives()
    fix_parameters(workflow, STUDY)
    recorded = launch.record_launch(
        STUDY.name,
        STUDY.written,
        PLAN.code.sources,
        RULES,
        places(),
        slurm_run(workflow),
    )
    # A module's study is a part of its caller's configuration, and its jobs refuse another one.
    if not IS_MODULE:
        give_cluster_jobs(workflow, recorded)
