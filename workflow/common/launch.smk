# What happens when the jobs of a run are about to start. Dry runs never get here.
from spoofscope import launch
from spoofscope.identity import planned_digests

RULES = [
    SCRIPTS.parents[1] / "Snakefile",
    *sorted(SCRIPTS.parents[1].glob("workflow/*/*.smk")),
]
# Reading them now fixes their digests: what is recorded below is what this process has parsed.
for path in RULES:
    planned_digests(path)

# Each job of a cluster reads these files again on its node.
if not workflow.is_main_process:
    launch.check_cluster_job(STUDY.config)


onstart:
    launch.one_run_at_a_time()
    if workflow.executor_plugin.name == "slurm":
        launch.cancel_leftover_jobs(workflow.executor_settings.jobname_prefix)
    # Parameters are worked out once per job; now, so that no later edit can get into them.
    for job in workflow.dag.needrun_jobs():
        job.params
    # Cluster jobs are told the configuration files of this process: from now on, the record.
    workflow.config_settings.configfiles = [
        launch.record_launch(STUDY.config, CODE, RULES)
    ]
