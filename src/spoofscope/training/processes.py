"""Training in several processes of one machine, each with a GPU where there are any.

`torchrun` around a script does the same. It is not used here because its processes outlive it when
it is killed, and because a job of the workflow is no script that can be started N times.
"""

import contextlib
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from spoofscope.errors import SpoofscopeError, TrainingError
from spoofscope.memory import keep_freed_memory
from spoofscope.training.loop import TrainingJob, train

_LOGGER = logging.getLogger(__name__)

# How long the others may go on after one has failed, so that the first to complain is not the one
# that merely misses it; and how long they may take to end.
_GRACE_SECONDS = 3.0


def train_in_processes(job: TrainingJob, out_dir: str | Path, work_dir: str | Path) -> None:
    """As `loop.train`, in as many processes as the recipe says; the files are laid out alike.

    The processes end with this one, however it ends.

    Raises:
        TrainingError: there are fewer GPUs than processes, or a process ended without a message of
            its own; and as `loop.train`: the first process that fails decides, the others are
            ended.
    """
    processes = job.recipe.processes
    if processes == 1:
        train(job, out_dir, work_dir)
        return
    if job.device == "cuda" and processes > torch.cuda.device_count():
        raise TrainingError(
            f"recipe: processes is {processes}, but PyTorch sees {torch.cuda.device_count()} "
            "GPU(s); give the job as many, or say `processes: 1` and `accumulate` as often"
        )
    # The store through which they find each other; the system chooses a port that is free.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    order = pickle.dumps((job, Path(out_dir), Path(work_dir)))
    workers: list[_Worker] = []
    try:
        for rank in range(processes):
            workers.append(_Worker(rank, processes, store.port))
        for worker in workers:
            worker.send(order)
        _wait(workers)
    finally:
        # Gently first, so that they delete what is half written.
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end()


class _Worker:
    """One of the processes: this module, run as a program."""

    def __init__(self, rank: int, processes: int, port: int) -> None:
        self.rank = rank
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // processes)),
            # Its lines go into a log, where progress bars are of no use.
            "TQDM_DISABLE": "1",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            # The store is here, not in the process of rank 0.
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._answer = b""
        # A pipe that nobody reads fills up, and stops who writes to it.
        self._readers = [threading.Thread(target=read) for read in (self._read, self._log)]
        for reader in self._readers:
            reader.start()

    def send(self, order: bytes) -> None:
        """Tell it what to do. The pipe stays open: when it closes, this process has ended."""
        stream = cast(IO[bytes], self.process.stdin)
        # One that is dead already is found by its exit code.
        with contextlib.suppress(BrokenPipeError):
            stream.write(order)
            stream.flush()

    def _read(self) -> None:
        self._answer = cast(IO[bytes], self.process.stdout).read()

    def _log(self) -> None:
        for line in cast(IO[bytes], self.process.stderr):
            _LOGGER.info("process %d: %s", self.rank, line.decode(errors="replace").rstrip())

    def error(self) -> SpoofscopeError | None:
        """What it has answered instead of doing its part."""
        for reader in self._readers:
            reader.join()
        return cast(SpoofscopeError, pickle.loads(self._answer)) if self._answer else None

    def end(self) -> None:
        """Wait for its end, which it has been asked for, but not for ever."""
        try:
            self.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            # What could not be sent to a dead process is still in the buffer.
            with contextlib.suppress(BrokenPipeError):
                cast(IO[bytes], stream).close()


def _wait(workers: Sequence[_Worker]) -> None:
    """Return when all have succeeded; raise when one has failed."""
    deadline = None
    while True:
        codes = [worker.process.poll() for worker in workers]
        running = None in codes
        failed = [i for i, code in enumerate(codes) if code]
        if not running and not failed:
            return
        if failed:
            deadline = deadline or time.monotonic() + _GRACE_SECONDS
            # Those that lose their partner fail too. Who has something to say is the first.
            for i in failed:
                error = workers[i].error()
                if error is not None:
                    raise error
            if not running or time.monotonic() > deadline:
                raise TrainingError(_epitaph(failed[0], len(workers), cast(int, codes[failed[0]])))
        time.sleep(0.05)


def _epitaph(rank: int, processes: int, code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; was memory short?" if name == "SIGKILL" else ""
        return f"process {rank} of {processes} was ended by {name}{hint}"
    return f"process {rank} of {processes} has failed (exit code {code}), see its lines above"


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    # Not sys.exit: the main thread may wait, for ever, for a process that has ended as well.
    os._exit(1)


def _stop(number: int, frame: Any) -> None:
    sys.exit(128 + number)


def _work() -> None:
    """What each process does: read the job, train, and answer with the error if there is one."""
    # What libraries print is no answer.
    answers = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, _stop)
    # Ctrl-C reaches all; the process that started these ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rank = int(os.environ["RANK"])
    logging.basicConfig(level=logging.WARNING if rank else logging.INFO, format="%(message)s")
    with open(0, "rb", closefd=False) as orders:
        job, out_dir, work_dir = pickle.load(orders)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    keep_freed_memory()
    try:
        train(job, out_dir, work_dir)
    except SpoofscopeError as error:
        os.write(answers, pickle.dumps(error))
        # Without a farewell to the others, which wait for this one.
        os._exit(1)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    _work()
