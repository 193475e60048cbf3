"""Scripts of jobs without the imports of torch and others, which take most of a small job.

`serve` imports these packages once and forks itself for every script that it is asked for. This
file is also the program that asks: Snakemake starts it in place of Python, as `FILE SCRIPT`, and
it ends as the script does. Anything else than a script it leaves to Python. The library is
imported by the fork, from the checkout that its PYTHONPATH names.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

# Where the server listens, and which Python to start for other work.
SOCKET = "SPOOFSCOPE_WARM_SCRIPTS"
PYTHON = "SPOOFSCOPE_COLD_PYTHON"

_LENGTH = 8
_PR_SET_PDEATHSIG = 1

# Not Polars: it starts threads, which a fork loses.
_PACKAGES = (
    *("numpy", "scipy.stats", "scipy.signal", "scipy.optimize", "scipy.sparse"),
    *("torch", "torchaudio.functional", "safetensors.torch", "safetensors.numpy"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf"),
    *("matplotlib.colors", "jinja2", "yaml", "psutil", "soundfile", "pywt", "sklearn.linear_model"),
    *("transformers", "transformers.models.wavlm.modeling_wavlm"),
    *("transformers.models.wav2vec2.modeling_wav2vec2", "snakemake.script", "snakemake.logging"),
)


def write_client(folder: Path) -> Path:
    """A program that asks the server, and needs a tenth of a start of Python."""
    client = folder / "python"
    client.write_text(f"#!{sys.executable} -IS\n{Path(__file__).read_text(encoding='utf-8')}")
    client.chmod(0o755)
    return client


def listen(path: str) -> socket.socket:
    """Where the server is asked."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    return listener


def serve(listener: socket.socket) -> None:
    """Run scripts for whoever asks, until the process that started this one ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # As `spoofscope.job` sets it before the package is imported.
    os.environ["HF_HUB_OFFLINE"] = "1"
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    for package in _PACKAGES:
        importlib.import_module(package)
    assert len(os.listdir("/proc/self/task")) == 1, "a package has started a thread"
    gc.collect()
    gc.freeze()
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    clients: dict[int, tuple[int, socket.socket]] = {}
    ends: dict[int, int] = {}
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                client = listener.accept()[0]
                child = _start(client, listener)
                end = os.pidfd_open(child)
                clients[client.fileno()], ends[end] = (child, client), client.fileno()
                poll.register(end, select.POLLIN)
                poll.register(client, select.POLLIN)
            elif number in ends:
                child, client = clients.pop(ends.pop(number))
                poll.unregister(number)
                poll.unregister(client)
                os.close(number)
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                with contextlib.suppress(BrokenPipeError):
                    client.sendall(f"{status:>{_LENGTH}}".encode())
                client.close()
            elif number in clients:
                child, client = clients[number]
                asked = client.recv(_LENGTH)
                # Who asked was killed, or passes a signal on.
                os.kill(child, int(asked) if asked else signal.SIGKILL)
                if not asked:
                    poll.unregister(client)


def _start(client: socket.socket, listener: socket.socket) -> int:
    """The process that runs the script which a client asks for."""
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    length = int(client.recv(_LENGTH, socket.MSG_WAITALL))
    request = json.loads(client.recv(length, socket.MSG_WAITALL))
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        return child
    listener.close()
    client.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    code = 1
    try:
        _become(request)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    # What Python does at its end, but for taking every module apart, which copies their memory.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _become(request: dict[str, Any]) -> None:
    """Do what `python SCRIPT` does."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    script = request["script"]
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:1] = [os.path.dirname(script), *paths]
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")


def ask() -> int:
    """Let the server run a script, and end as it does."""
    if len(sys.argv) != 2 or "/.snakemake/scripts/" not in sys.argv[1]:
        python = os.environ[PYTHON]
        os.execv(python, [python, *sys.argv[1:]])
    environment = dict(os.environ)
    server = socket.socket(socket.AF_UNIX)
    server.connect(environment.pop(SOCKET))
    request = {"folder": os.getcwd(), "environment": environment, "script": sys.argv[1]}
    text = json.dumps(request).encode()
    socket.send_fds(server, [b"x"], [0, 1, 2])
    server.sendall(f"{len(text):>{_LENGTH}}".encode() + text)

    def forward(number: int, frame: Any) -> None:
        server.sendall(f"{number:>{_LENGTH}}".encode())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    answer = server.recv(_LENGTH, socket.MSG_WAITALL)
    code = int(answer) if answer else 255
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(ask())
