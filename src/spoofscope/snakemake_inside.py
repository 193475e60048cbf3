"""What reaches inside Snakemake, past what it promises: one function per touch, with its reason.

Where an upgrade of Snakemake breaks something, look here first; `tests/test_snakemake_inside.py`
has a test of each. Snakemake is imported when it is needed: jobs import this module as well.
"""

import _thread
import contextlib
import functools
import io
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

# --- the command line --------------------------------------------------------------------------


def targets_of(arguments: Sequence[str]) -> list[str]:
    """The targets among the arguments of the command `snakemake`.

    A workflow is not told what it was asked for while it is read.
    """
    from snakemake.cli import parse_args

    # It has said already which profile it takes.
    with contextlib.redirect_stderr(io.StringIO()):
        _, options = parse_args(list(arguments))
    return list(options.targets)


def configured_by_options(workflow: Any) -> dict[str, Any]:
    """What `--config` says, apart from files.

    Snakemake merges all of it before a workflow can look at a file for itself.
    """
    config: dict[str, Any] = workflow.config_settings.config
    return config


def study_files(workflow: Any) -> list[Path]:
    """The files that the configuration was read from; each overlays those before it.

    Snakemake lists a file that the Snakefile names by itself last, but has it overlaid by those of
    `--configfile`.
    """
    asked = list(workflow.config_settings.configfiles)
    named = [Path(path) for path in workflow.configfiles if path not in asked]
    return [*named, *asked]


def quote_interpreter() -> None:
    """Let Snakemake start jobs where the path of the environment has a blank.

    It puts the interpreter's path into the shell's commands as it is.
    """
    if not sys.executable.startswith("'"):
        sys.executable = shlex.quote(sys.executable)


# --- rules and paths ---------------------------------------------------------------------------


def taken_prefix(workflow: Any) -> Callable[[str], str]:
    """Take over the prefix that a module was given; returns what puts it before a path.

    Snakemake would put it before the paths of rules, whoever they belong to, and not before those
    that parameters hold.
    """
    from snakemake.path_modifier import PathModifier

    prefixed: Callable[[str], str] = workflow.modifier.path_modifier.replace_prefix
    workflow.modifier.path_modifier = PathModifier(None, None, workflow)
    return prefixed


def explain(workflow: Any, words: Mapping[str, str]) -> None:
    """Let `snakemake --list-target-rules` say what rules are for.

    A docstring has to stand in the rule as it is, and rules that are declared in a loop share it.

    Args:
        workflow: Snakemake's.
        words: name of a rule, as it stands in its file, to what is said of it.
    """
    for name, text in words.items():
        modified = workflow.modifier.modify_rulename(name)
        # A workflow that uses this one as a module may leave rules out.
        if workflow.is_rule(modified):
            workflow.get_rule(modified).docstring = text


def makers(workflow: Any, target: str) -> list[str]:
    """Names of the rules that a target is about: the rule of that name, or those that make it.

    Snakemake says which only when it has begun to plan, and not what a rule lacks.
    """
    if workflow.is_rule(target):
        return [target]
    return [rule.name for rule in workflow.rules if rule.is_producer(target)]


def rules_without_wildcards(workflow: Any) -> list[str]:
    """Names of the rules that can be asked for."""
    return [rule.name for rule in workflow.rules if not rule.has_wildcards()]


# --- a run that is about to start --------------------------------------------------------------


def outputs_to_make(workflow: Any) -> list[str]:
    """The outputs of all jobs that are about to run."""
    return [str(path) for job in workflow.dag.needrun_jobs() for path in job.output]


def only_touches(workflow: Any) -> bool:
    """Whether files get a new time and nothing is made (`--touch`)."""
    return bool(workflow.touch)


def fix_parameters(workflow: Any, study: object) -> None:
    """Work out the parameters of all jobs that are about to run, of the rules of one study.

    Snakemake does so once per job, when it is started; an edit until then would get into them.
    """
    for job in workflow.dag.needrun_jobs():
        if job.rule.module_globals.get("STUDY") is study:
            job.params  # noqa: B018


def slurm_prefix(workflow: Any) -> tuple[bool, str | None]:
    """Whether jobs go to Slurm, and what the profile puts before their names."""
    if workflow.executor_plugin.name != "slurm":
        return False, None
    return True, workflow.executor_settings.jobname_prefix


def slurm_run(workflow: Any) -> str | None:
    """What the Slurm jobs of this run are called; None where it has none."""
    if workflow.executor_plugin.name != "slurm":
        return None
    return str(workflow.scheduler._executor.run_uuid)


def give_cluster_jobs(workflow: Any, configfile: Path) -> None:
    """Let jobs on a cluster read this configuration file in place of those of the run.

    They would read the study file as it is then.
    """
    workflow.config_settings.configfiles = [configfile]


def remember_checksums() -> None:
    """Let Snakemake read a file once for its checksum, as long as it does not change.

    When a job has ended, Snakemake reads all of its inputs once for each of its outputs; features
    that several trainings use would be read by the main process dozens of times.
    """
    from snakemake.io import _IOFile

    compute: Any = _IOFile.checksum
    if hasattr(compute, "__wrapped__"):
        return
    known: dict[tuple[Any, ...], str | None] = {}

    @functools.wraps(compute)
    async def checksum(
        file: Any, threshold: int | None = None, force: bool = False, algorithm: Any = None
    ) -> str | None:
        try:
            status = None if file.is_storage else os.stat(file.file)
        except OSError:
            status = None
        if status is None:
            # Snakemake has its own answer to a file that is not there, or lies elsewhere.
            return cast("str | None", await compute(file, threshold, force, algorithm))
        path = os.path.abspath(file.file)
        # A copy can keep its old time (`cp -p`), but not the time at which it was put there.
        times = (status.st_mtime_ns, status.st_ctime_ns)
        state = (path, status.st_dev, status.st_ino, status.st_size, *times)
        question = (*state, threshold, force, algorithm)
        if question not in known:
            known[question] = await compute(file, threshold, force, algorithm)
        return known[question]

    _IOFile.checksum = checksum


def end_when_asked() -> None:
    """Let Snakemake end by SIGTERM at any moment.

    Its handler waits for the lock of the scheduler. The main thread, which the signal interrupts,
    may hold that lock, and then waits for itself for ever.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    exit_gracefully: Any = JobScheduler.exit_gracefully
    if hasattr(exit_gracefully, "__wrapped__"):
        return

    @functools.wraps(exit_gracefully)
    def exit_beside(scheduler: Any, *signal: Any) -> None:
        # `Thread.start` takes a lock, too, which the main thread may hold.
        _thread.start_new_thread(exit_gracefully, (scheduler, *signal))

    JobScheduler.exit_gracefully = exit_beside


# --- records of files --------------------------------------------------------------------------


class Records:
    """Snakemake's records of finished jobs in `.snakemake`, one per output.

    Snakemake writes them when a job ends, and has no way to bring them along with results.

    metadata, incomplete: folders of the records, and of the marks of unfinished jobs.
    """

    def __init__(self) -> None:
        from snakemake.persistence.file import FilePersistence

        self._records: Any = FilePersistence(nolock=True)
        self.metadata = Path(self._records._metadata_path)
        self.incomplete = Path(self._records._incomplete_path)

    def lacks(self, output: str) -> bool:
        """Whether an output has no record."""
        return not os.path.exists(self._records._record_path(self._records._metadata_path, output))

    def delete(self, output: str) -> None:
        """Delete the record of an output."""
        self._records._delete_record(output)

    def write(self, output: str, **values: Any) -> None:
        """Write the record of an output."""
        from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord

        record = MetadataRecord(
            record_format_version=RECORD_FORMAT_VERSION, incomplete=False, **values
        )
        self._records._write_record(output, record)

    @staticmethod
    def check(record: Any) -> None:
        """Check what a file of records holds.

        Raises:
            ValueError: it is no record of this version of Snakemake.
        """
        from snakemake.persistence import MetadataRecord

        MetadataRecord.model_validate(record)


# --- a plan without a run ----------------------------------------------------------------------


@contextlib.contextmanager
def planned(configfiles: Sequence[str], profile: dict[str, Any], records: Path) -> Iterator[Any]:
    """The workflow of the Snakefile here with all its jobs, as `snakemake -n` plans them.

    Snakemake only prints its plan. It also writes about files while it plans, and would do so in
    the folder of a run that goes on.

    Args:
        configfiles: study files.
        profile: the content of the profile, whose triggers decide what is stale.
        records: the folder that it writes to, with a copy of `.snakemake`.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.cli import parse_size_in_bytes
    from snakemake.persistence.file import FilePersistence
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        RerunTrigger,
        ResourceSettings,
    )

    opened = FilePersistence.__init__

    def open_there(self: Any, **settings: Any) -> None:
        opened(self, **{**settings, "path": records})

    FilePersistence.__init__ = open_there
    try:
        with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as snakemake:
            # The settings as `snakemake --profile PROFILE -n` would make them.
            api = snakemake.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(configfiles=[Path(name) for name in configfiles]),
                snakefile=Path("Snakefile"),
            )
            api.dag(
                DAGSettings(
                    rerun_triggers=RerunTrigger.parse_choices_set(profile["rerun-triggers"]),
                    max_checksum_file_size=parse_size_in_bytes(profile["max-checksum-file-size"]),
                    force_incomplete=profile["rerun-incomplete"],
                )
            )
            workflow = api._workflow
            workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True)
            workflow._build_dag()
            yield workflow
    finally:
        FilePersistence.__init__ = opened


def interrupted_outputs(workflow: Any) -> set[str]:
    """Outputs of planned jobs that Snakemake knows to be begun and not finished."""

    async def incomplete() -> set[str]:
        return {
            str(file)
            for job in workflow.dag.jobs
            for file in await workflow.persistence.incomplete(job)
        }

    outputs: set[str] = workflow.async_run(incomplete())
    return outputs


def planned_jobs(workflow: Any) -> Iterator[tuple[Any, str]]:
    """All planned jobs that make something, in the order of their dependencies.

    With each comes the reason why it would run, empty where it would not.
    """
    dag = workflow.dag
    for level in dag.toposorted():
        for job in sorted(level, key=lambda job: list(map(str, job.output))):
            if job.output:
                yield job, str(dag.reason(job)) if dag.needrun(job) else ""


def temporary_outputs(job: Any) -> list[str]:
    """The outputs of a job that are deleted when nothing needs them any more."""
    from snakemake.io import is_flagged

    return [str(file) for file in job.output if is_flagged(file, "temp")]
