"""Jobs and commands without the imports of torch, Snakemake and others, which take most of them.

`FILE --serve DESCRIPTOR [PACKAGE ...]` is a server at a socket. It imports these packages once, but
for those that are named, which nobody can import then. It forks itself for every request. Who asks
is this file, too, started in place of Python: as `FILE SCRIPT` by Snakemake for the script of a
job, as `FILE -m MODULE ...` and `FILE docs/make_*.py` by tests, and by Snakemake for a job on a
cluster. It ends as the fork does. What is asked for otherwise, it leaves to Python.

The library is imported from the checkout that PYTHONPATH names, by the fork. From the second
request for the same files on, the server leaves this checkout's requests to a fork that has
imported most of the library: one request knows nothing of another, and none of files that have
changed.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import importlib.machinery
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

# Where the server listens, and which Python to start for other work.
SOCKET = "SPOOFSCOPE_WARM"
PYTHON = "SPOOFSCOPE_COLDPYTHON"
# What is asked for by `-m`; other modules measure what a process of their own takes.
_MODULES = ("snakemake", "spoofscope.cli", "spoofscope.provenance.plan", "pytest")

_LENGTH = 8
_PR_SET_PDEATHSIG = 1
_MADV_COLLAPSE = 25
_HUGE_PAGE = 2 << 20

_PACKAGES = (
    *("numpy", "scipy.stats", "scipy.signal", "scipy.optimize", "scipy.sparse"),
    *("torch", "torchaudio.functional", "safetensors.torch", "safetensors.numpy"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf"),
    *("matplotlib.colors", "jinja2", "yaml", "psutil", "soundfile", "pywt", "sklearn.linear_model"),
    *("transformers", "transformers.models.wavlm.modeling_wavlm"),
    *("transformers.models.wav2vec2.modeling_wav2vec2", "snakemake.script", "snakemake.logging"),
    *("snakemake.api", "snakemake.cli", "jsonschema", "polars"),
    *("accelerate", "torch.utils.tensorboard", "tensorboard.compat.proto.event_pb2", "nbformat"),
    *("requests", "fontTools.ttLib", "PIL.PngImagePlugin"),
)
# What most jobs, or the Snakefile, import of the library.
_MODULES_OF_MOST = ("spoofscope.job", "spoofscope.plan.study_plan", "spoofscope.tables")
# Polars starts its own threads when it works, and one at its import that does not matter to a fork:
# it deletes what did not fit into memory.
_THREAD_OF_POLARS = "polars-ooc-clea"
_MOST_LIBRARIES = 4


class Refuse:
    """Packages that cannot be imported. It is no harm to ask whether they are installed."""

    def __init__(self, packages: Collection[str]) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] in self._packages:
            return importlib.machinery.ModuleSpec(name, self)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: Any) -> Any:
        raise ImportError(f"{spec.name} is not needed here")

    def exec_module(self, module: Any) -> None:
        pass


def serve(listener: socket.socket, refused: Collection[str] = ()) -> None:
    """Run jobs for whoever asks, until the process that started this one ends.

    Args:
        refused: packages that nobody can import.
    """
    _end_with_parent()
    if refused:
        sys.meta_path.insert(0, Refuse(refused))  # type: ignore[arg-type]
    # As `spoofscope.job` sets it before the package is imported.
    os.environ["HF_HUB_OFFLINE"] = "1"
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    # The allocator of Polars.
    os.environ["_RJEM_MALLOC_CONF"] = "background_thread:false"
    # No library yet, of whichever checkout: its logger is a plugin that Snakemake imports.
    paths = list(sys.path)
    sys.path[:] = [path for path in paths if not os.path.isdir(os.path.join(path, "spoofscope"))]
    # What is imported stays.
    gc.disable()
    for package in _PACKAGES:
        # Others than the refused ones may need these.
        with contextlib.suppress(ImportError) if refused else contextlib.nullcontext():
            importlib.import_module(package)
    # It finds and imports the plugins.
    sys.modules["snakemake.cli"].get_argument_parser()
    _settle()
    sys.path[:] = paths
    assert "spoofscope" not in sys.modules
    threads = set(os.listdir("/proc/self/task")) - {str(os.getpid())}
    names = [_read(f"/proc/self/task/{thread}/comm").strip() for thread in threads]
    assert names == [_THREAD_OF_POLARS], names
    _Server(listener).run()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _import(modules: Iterable[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    _settle()


def _settle() -> None:
    """Make what is in memory cheap to fork: no collection touches it, and it lies in huge pages."""
    gc.freeze()
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for line in _read("/proc/self/maps").splitlines():
        addresses, access, _, _, _, *file = line.split()
        if access == "rw-p" and file in ([], ["[heap]"]):
            start, end = (int(address, 16) for address in addresses.split("-"))
            start += -start % _HUGE_PAGE
            # A kernel that cannot, or not here, leaves the pages as they are.
            madvise(start, max(end - end % _HUGE_PAGE - start, 0), _MADV_COLLAPSE)


def _read(path: str) -> str:
    with open(path) as stream:
        return stream.read()


class _Request(NamedTuple):
    client: socket.socket
    streams: list[int]
    wanted: dict[str, Any]

    def close(self) -> None:
        self.client.close()
        for stream in self.streams:
            os.close(stream)


def _receive(source: socket.socket, descriptors: int) -> tuple[list[int], dict[str, Any]]:
    """Descriptors and a request; none of both where nobody will ask any more."""
    begun, numbers, _, _ = socket.recv_fds(source, 1, descriptors)
    if not begun:
        return [], {}
    length = int(source.recv(_LENGTH, socket.MSG_WAITALL))
    return numbers, json.loads(source.recv(length, socket.MSG_WAITALL))


def _send(target: socket.socket, descriptors: list[int], request: dict[str, Any]) -> None:
    text = json.dumps(request).encode()
    socket.send_fds(target, [b"x"], descriptors)
    target.sendall(f"{len(text):>{_LENGTH}}".encode() + text)


class _Forks:
    """A process that forks itself for every request that comes from a socket."""

    def __init__(self, source: socket.socket) -> None:
        self.source = source
        self._poll = select.poll()
        self._poll.register(source, select.POLLIN)
        self._clients: dict[int, tuple[int, socket.socket]] = {}
        self._ends: dict[int, int] = {}

    def next_request(self) -> _Request | None:
        """One that has come and is to be answered here."""
        raise NotImplementedError

    def goes_on(self) -> bool:
        return True

    def run(self) -> None:
        while self.goes_on():
            for number, _ in self._poll.poll():
                if number == self.source.fileno():
                    if request := self.next_request():
                        self._start(request)
                elif number in self._ends:
                    self._answer(number)
                elif number in self._clients:
                    child, client = self._clients[number]
                    asked = client.recv(_LENGTH)
                    # Who asked was killed, or passes a signal on.
                    os.kill(child, int(asked) if asked else signal.SIGKILL)
                    if not asked:
                        self._poll.unregister(client)

    def _start(self, request: _Request) -> None:
        child = os.fork()
        if child == 0:
            self.forget()
            _run(request)
        for stream in request.streams:
            os.close(stream)
        end = os.pidfd_open(child)
        self._clients[request.client.fileno()] = child, request.client
        self._ends[end] = request.client.fileno()
        self._poll.register(end, select.POLLIN)
        self._poll.register(request.client, select.POLLIN)

    def _answer(self, end: int) -> None:
        """Tell a client how its process has ended."""
        child, client = self._clients.pop(self._ends.pop(end))
        self._poll.unregister(end)
        os.close(end)
        with contextlib.suppress(KeyError):
            self._poll.unregister(client)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            client.sendall(f"{status:>{_LENGTH}}".encode())
        client.close()

    def forget(self) -> None:
        """Close, in a fork, what belongs to others."""
        self.source.close()
        for _, client in self._clients.values():
            client.close()
        for end in self._ends:
            os.close(end)


class _Library(_Forks):
    """A fork that has imported a checkout's library and takes its requests from the server."""

    asked = True

    def next_request(self) -> _Request | None:
        numbers, wanted = _receive(self.source, 4)
        if not numbers:
            self.asked = False
            self._poll.unregister(self.source)
            return None
        *streams, client = numbers
        return _Request(socket.socket(fileno=client), streams, wanted)

    def goes_on(self) -> bool:
        return self.asked or bool(self._clients)


class _Server(_Forks):
    """The process that clients ask. Per library it knows the state of its files, and the fork."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener)
        self._libraries: dict[str, tuple[_State, socket.socket | None]] = {}

    def next_request(self) -> _Request | None:
        client = self.source.accept()[0]
        streams, wanted = _receive(client, 3)
        if not wanted:
            # Who asked was killed before the question.
            client.close()
            return None
        request = _Request(client, streams, wanted)
        library = self._library(request)
        if library is None:
            return request
        _send(library, [*request.streams, client.fileno()], request.wanted)
        request.close()
        return None

    def _library(self, request: _Request) -> socket.socket | None:
        """Where the fork with a library takes requests; nowhere at the first one."""
        folder = request.wanted["environment"].get("PYTHONPATH", "").split(os.pathsep)[0]
        state = _state(os.path.join(folder, "spoofscope"))
        if not state:
            return None
        before, channel = self._libraries.pop(folder, (None, None))
        if before == state:
            channel = channel or self._fork(folder, request)
        elif channel:
            channel.close()
            channel = None
        self._libraries[folder] = state, channel
        if len(self._libraries) > _MOST_LIBRARIES:
            # The one that has not been asked for the longest time ends with its last request.
            _, unused = self._libraries.pop(next(iter(self._libraries)))
            if unused:
                unused.close()
        return channel

    def _fork(self, folder: str, request: _Request) -> socket.socket:
        ours, theirs = socket.socketpair()
        if os.fork():
            theirs.close()
            return ours
        # Which comes again, through the socket.
        request.close()
        self.forget()
        ours.close()
        _end_with_parent()
        sys.path.insert(0, folder)
        # Tests break the library: whoever needs the broken part is told.
        with contextlib.suppress(Exception):
            _import(_MODULES_OF_MOST)
        sys.path.remove(folder)
        _Library(theirs).run()
        os._exit(0)

    def forget(self) -> None:
        super().forget()
        for _, channel in self._libraries.values():
            if channel:
                channel.close()


_State = frozenset[tuple[str, int, int]]


def _state(folder: str) -> _State:
    """Path, time and size of all files of a library."""
    files = set()
    for place, folders, names in os.walk(folder):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        for name in names:
            path = os.path.join(place, name)
            # It may have gone since.
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(path)
                files.add((path, status.st_mtime_ns, status.st_size))
    return frozenset(files)


def _run(request: _Request) -> None:
    """Become the process that a client asks for."""
    gc.enable()
    request.client.close()
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    # The server's own ones may be of files, which can be searched.
    sys.stdin, sys.stdout = _stream(0, "r"), _stream(1, "w")
    sys.stderr = _stream(2, "w", buffering=1, errors="backslashreplace")
    code = 1
    try:
        _become(request.wanted)
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


def _stream(number: int, mode: str, **options: Any) -> Any:
    return open(number, mode, closefd=False, **options)


def _become(request: dict[str, Any]) -> None:
    """Do what `python SCRIPT` or `python -m MODULE ARGUMENTS` does."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    paths = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
    if SOCKET in os.environ:
        # With which it starts the scripts of jobs, and others of these modules.
        sys.executable = request["client"]
    if sys.argv[0] == "-m":
        sys.path[:1] = [request["folder"], *paths]
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[:1] = [os.path.dirname(sys.argv[0]), *paths]
        runpy.run_path(sys.argv[0], run_name="__main__")


def ask() -> int:
    """Let the server run a script or a module, and end as that does."""
    client, *arguments = sys.argv
    script = len(arguments) == 1 and "/.snakemake/scripts/" in arguments[0]
    page = len(arguments) == 1 and arguments[0].startswith("docs/make_")
    module = arguments[:1] == ["-m"] and arguments[1] in _MODULES and "--logger" not in arguments
    if not (script or page or module):
        python = os.environ[PYTHON]
        os.execv(python, [python, *arguments])
    environment = dict(os.environ)
    server = socket.socket(socket.AF_UNIX)
    server.connect(environment.pop(SOCKET) if script else environment[SOCKET])
    request = {
        "folder": os.getcwd(),
        "environment": environment,
        "client": client,
        "arguments": arguments,
    }
    _send(server, [0, 1, 2], request)

    def forward(number: int, frame: Any) -> None:
        server.sendall(f"{number:>{_LENGTH}}".encode())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    answer = server.recv(_LENGTH, socket.MSG_WAITALL)
    code = int(answer) if answer else 255
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(socket.socket(fileno=int(sys.argv[2])), sys.argv[3:])
    sys.exit(ask())
