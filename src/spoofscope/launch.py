"""What a run of the workflow was started with, and whether a job still has the same.

A run takes hours, and people edit files meanwhile. Parameters of local jobs are fixed when the run
starts; jobs on a cluster work theirs out again on their node; both import the library when they
start. So the main process records the study and the code that it plans with, cluster jobs read that
study, and a job whose code differs refuses: it would make something else than what is recorded.
"""

import getpass
import hashlib
import logging
import os
import platform
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from spoofscope.errors import ConfigError, ProvenanceError, SpoofscopeError
from spoofscope.files import printable, read_json, write_json
from spoofscope.identity import hash8, planned_digests, source_digests
from spoofscope.locks import FOLDER, LOCK, SHARED, forget_claims, is_held, keep_lock
from spoofscope.provenance.record import LAUNCH
from spoofscope.provenance.sidecars import read_sidecar

_logger = logging.getLogger("spoofscope.launch")

# Slurm needs half a minute to kill a job that does not end by itself.
_CANCEL_SECONDS = 180


def give_jobs_library(folder: Path) -> None:
    """Let the jobs of this process import the library from `folder`.

    Snakemake puts the workflow's paths behind those of a job's environment, where another version
    may be installed.
    """
    paths = [str(folder), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))


def local_gpu() -> int:
    """1 where this machine has an NVIDIA GPU, else 0; found without importing torch."""
    return int(Path("/dev/nvidia0").exists())


def warnings_of(manifests: Mapping[str, str | Path]) -> list[str]:
    """What the manifests of a study have warned of, in lines for the end of a run.

    Args:
        manifests: corpus to the sidecar of its manifest. One that is not there, or is damaged, has
            nothing to say: its job is still to be done.
    """
    lines = []
    for corpus, sidecar in manifests.items():
        try:
            told = read_sidecar(sidecar, ["outputs"]).get("warnings", [])
        except (FileNotFoundError, ProvenanceError):
            continue
        lines += [printable(f"corpus {corpus}: {warning}") for warning in told]
    if not lines:
        return []
    return ["Before you use the numbers (see also the top of the report):", *lines]


def check_folder(folder: Path) -> None:
    """Refuse a checkout whose path Snakemake would take for a pattern.

    Raises:
        ConfigError: the path, or that of the working directory, has braces.
    """
    for place in (folder, Path.cwd()):
        if set("{}") & set(str(place)):
            raise ConfigError(
                f"{place}: a folder of this path has braces in its name, which Snakemake takes for "
                "wildcards; rename the folder"
            )


def check_command_line(arguments: Sequence[str]) -> None:
    """Refuse an option of which Snakemake would drop all but the last.

    Raises:
        ConfigError: `--configfile` is there more than once.
    """
    # Snakemake takes every beginning of an option that is no other's.
    given = [word for word in arguments if word.partition("=")[0].startswith("--configf")]
    if len(given) > 1:
        raise ConfigError(
            "--configfile is given twice, and Snakemake would drop the first; give all study files "
            "after one: TARGET --configfile own.yaml overlay.yaml"
        )


def _folder_of(study: str, folder: Path) -> Path:
    """Where the lock and the records of the runs of a study lie."""
    return folder / "runs" / study


def one_run_at_a_time(study: str, places: Iterable[str | Path] = (), folder: Path = FOLDER) -> None:
    """Hold a study here, and folders written to, until this process ends, however it ends.

    Runs of other studies may go on beside it.

    Args:
        study: its name.
        places: the folders, which other checkouts may use as well, through links or by their path,
            as may other studies: two of them cannot make corpora in one `data_root` at once.
        folder: where locks of the working directory lie.

    Raises:
        SpoofscopeError: another run of the workflow holds one of them.
    """
    keep_lock(
        _folder_of(study, folder) / LOCK,
        f"another run of the study {study} goes on in {Path.cwd()}",
    )
    forget_claims(folder)
    for place in sorted({os.path.realpath(place) for place in places}):
        locks = Path(place) / SHARED
        keep_lock(locks / LOCK, f"another run of the workflow writes to {place}")
        forget_claims(locks)


def lock_folder(output: str | Path) -> Path:
    """Where the claim on an output lies, wherever the job that makes it was started."""
    record = _record()
    for place in [] if record is None else record["places"]:
        if Path(os.path.realpath(output)).is_relative_to(place):
            return Path(place) / SHARED
    return FOLDER


def record_launch(
    name: str,
    study: Mapping[str, Any],
    code: Mapping[str, Sequence[Path]],
    rules: Iterable[Path],
    places: Iterable[str | Path] = (),
    slurm_run: str | None = None,
    folder: Path = FOLDER,
) -> Path:
    """Write down what the run is started with, and tell its jobs where.

    Args:
        name: of the study.
        study: the study file as it was written.
        code: code digests of all jobs to run, each with the source files behind it.
        rules: Snakefile and rule files, which cluster jobs read again.
        places: as for :func:`one_run_at_a_time`.
        slurm_run: what the Slurm jobs of this run are called; None where it has none.
        folder: where the records lie; those of former runs of the study are deleted.

    Returns:
        a file with the study, for the configuration of cluster jobs.
    """
    main = psutil.Process()
    files = sorted({path for paths in code.values() for path in paths})
    record = {
        "main": {"host": platform.node(), "pid": main.pid, "started": main.create_time()},
        "study": hash8(study),
        "slurm_run": slurm_run,
        "places": sorted({os.path.realpath(place) for place in places}),
        "code": {digest: [str(path) for path in paths] for digest, paths in code.items()},
        "files": {str(path): planned_digests(path) for path in files},
        "rules": {str(path): planned_digests(path) for path in rules},
    }
    digits, own = hash8(record), _folder_of(name, folder)
    former = [*own.glob("launch-*.json"), *own.glob("study-*.json")]
    study_file = (own / f"study-{digits}.json").absolute()
    launch_file = (own / f"launch-{digits}.json").absolute()
    write_json(study_file, dict(study))
    write_json(launch_file, record)
    for path in former:
        path.unlink(missing_ok=True)
    os.environ[LAUNCH] = str(launch_file)
    return study_file


def _record() -> dict[str, Any] | None:
    path = os.environ.get(LAUNCH)
    if path is None:
        return None
    if not Path(path).exists():
        raise ConfigError(
            f"{path}: the record of the run that this job belongs to is gone, because another run "
            "of the study was started here; the job is not needed any more"
        )
    record: dict[str, Any] = read_json(path)
    return record


def _is_edited(path: str, digests: Sequence[str]) -> bool:
    # Comparing the text is cheap; only a file whose text differs is parsed.
    content, syntax = digests
    try:
        text = Path(path).read_text(encoding="utf-8")
        if hashlib.sha256(text.encode()).hexdigest() == content:
            return False
        return source_digests(path)[1] != syntax
    except (OSError, SyntaxError, UnicodeDecodeError):
        return True


def _refuse(edited: Iterable[str], what: str) -> ConfigError:
    names = ", ".join(os.path.relpath(path) for path in edited) or "the code"
    return ConfigError(
        f"{names} was edited after the workflow was started: {what} would not be what is recorded "
        "for it. Nothing was made; start the workflow again"
    )


def check_code(code: str) -> None:
    """Compare the code behind a job with the one that the run was started with.

    Documentation and layout do not count. Without a record, for instance when the rules are used
    from another workflow, there is nothing to compare with.

    Args:
        code: the digest among the job's parameters.

    Raises:
        ConfigError: it was edited meanwhile; the message names the files.
    """
    record = _record()
    if record is None:
        return
    known = code in record["code"]
    files = record["code"][code] if known else list(record["files"])
    edited = [path for path in files if _is_edited(path, record["files"][path])]
    if edited or not known:
        raise _refuse(edited, "what this job makes")


def check_cluster_job(study: Mapping[str, Any]) -> None:
    """Compare what a process of a cluster job has read with what the run was started with.

    Args:
        study: the study file as it was written.

    Raises:
        ConfigError: the study, or a rule file, is another one.
    """
    record = _record()
    if record is None:
        return
    edited = [path for path, digests in record["rules"].items() if _is_edited(path, digests)]
    if edited:
        raise _refuse(edited, "what this job makes")
    if hash8(study) != record["study"]:
        raise _refuse(["the study file"], "what this job makes")


def end_with_main_process() -> None:
    """Let this job end soon after the Snakemake process that started it, should that be killed.

    Jobs of a cluster are not children of that process, and not concerned.
    """
    record = _record()
    if record is None or record["main"]["host"] != platform.node():
        return
    pid, started = record["main"]["pid"], record["main"]["started"]
    parents = (parent for parent in psutil.Process().parents() if parent.pid == pid)
    main = next(parents, None)
    if main is None or abs(main.create_time() - started) > 1:
        return

    def watch() -> None:
        while _alive(main):
            time.sleep(1)
        _logger.error("the workflow's main process has ended")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="main process").start()


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _slurm(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(
            f"jobs that a former run left cannot be looked for, {command[0]} fails: {error}"
        ) from error
    if done.returncode:
        raise ConfigError(
            f"jobs that a former run left cannot be looked for, {command[0]} fails: "
            f"{done.stderr.strip()}"
        )
    return done.stdout


def _living_runs(study: str, folder: Path) -> set[str]:
    """What the Slurm jobs of the runs are called that go on here, of other studies."""
    names = set()
    for lock in folder.glob(f"runs/*/{LOCK}"):
        # That of the study is held by this run; the records there are of a former one.
        if lock.parent == _folder_of(study, folder) or not is_held(lock):
            continue
        # A run without a record has not submitted any job yet.
        for path in lock.parent.glob("launch-*.json"):
            try:
                names.add(read_json(path)["slurm_run"])
            except (SpoofscopeError, KeyError):
                # Another run of that study has just begun, and deletes what a former one left.
                continue
    return names


def _leftover_jobs(study: str, prefix: str | None, folder: Path) -> list[str]:
    living = _living_runs(study, folder)
    # The executor names all jobs of a run [prefix_]uuid.
    start = f"{re.escape(prefix)}_" if prefix else ""
    name_pattern = re.compile(start + "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    here = os.path.realpath(Path.cwd())
    found = []
    for line in _slurm("squeue", "-u", getpass.getuser(), "-h", "-o", "%i|%j|%Z").splitlines():
        job, name, place = line.split("|", 2)
        left = name_pattern.fullmatch(name) and name not in living
        if left and os.path.realpath(place) == here:
            found.append(job)
    return found


def cancel_leftover_jobs(study: str, prefix: str | None, folder: Path = FOLDER) -> None:
    """Cancel the Slurm jobs that killed runs left in this folder, and wait until they are gone.

    Jobs of runs that go on are left alone. Call it with the study's lock held and before any job is
    submitted.

    Args:
        study: the name of this run's study.
        prefix: what the profile puts before the names of jobs.
        folder: as for :func:`one_run_at_a_time`.

    Raises:
        ConfigError: Slurm does not answer, or jobs do not end.
    """
    jobs = _leftover_jobs(study, prefix, folder)
    if not jobs:
        return
    _logger.warning("cancelling jobs that a former run left: %s", " ".join(jobs))
    _slurm("scancel", *jobs)
    deadline = time.monotonic() + _CANCEL_SECONDS
    while jobs:
        if time.monotonic() > deadline:
            raise ConfigError(
                f"jobs of a former run do not end: {' '.join(jobs)}; see `squeue -j` and start "
                "again when they are gone"
            )
        time.sleep(1)
        jobs = _leftover_jobs(study, prefix, folder)
    _logger.warning("they are gone")
