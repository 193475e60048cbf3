"""Who is who: canonical JSON, run ids, seeds and code digests.

This module is imported while the workflow is parsed, so it uses the standard library only.
"""

import ast
import atexit
import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

_SOURCE_ROOT = Path(__file__).resolve().parent.parent

# The wrapper of every script logs and records; it decides no byte of any result. Were it part of
# the digests, an edit there would make every result of every study stale.
_WRAPPER = "spoofscope.job"


def canonical_json(obj: Any) -> str:
    """One text per value: sorted keys, no spaces, no NaN, UTF-8 kept."""
    return json.dumps(
        obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def plain(obj: Any) -> Any:
    """The value as JSON gives it back: dicts with sorted keys, lists for tuples, all the way down.

    Two values that are equal but for the order of keys have the same text, then. Texts that could
    end a script are :class:`ScriptSafe`.
    """
    return _script_safe(json.loads(canonical_json(obj)))


class ScriptSafe(str):
    """A text whose `repr` can stand in a script of a page: without "<".

    `snakemake --report` writes the `repr` of parameters into a script as it is, where `</script>`
    in a title would end the script, and begin what follows. It is the same text, and pickled as an
    ordinary one.
    """

    def __repr__(self) -> str:
        return super().__repr__().replace("<", r"\x3c")

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def _script_safe(value: Any) -> Any:
    if isinstance(value, dict):
        return {_script_safe(key): _script_safe(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_script_safe(inner) for inner in value]
    return ScriptSafe(value) if isinstance(value, str) and "<" in value else value


def hash8(obj: Any) -> str:
    """The first 8 hexadecimal digits of the SHA-256 of the canonical JSON of `obj`."""
    return hashlib.sha256(canonical_json(obj).encode()).hexdigest()[:8]


def seed_of(*parts: int | str) -> int:
    """A seed in [0, 2**63) that depends on all parts and on nothing else.

    Unlike `hash()`, it is the same in every process, on every machine and Python version.
    """
    digest = hashlib.sha256(canonical_json(list(parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def rng_of(*parts: int | str) -> "numpy.random.Generator":
    """A NumPy generator seeded by :func:`seed_of`."""
    import numpy

    return numpy.random.Generator(numpy.random.PCG64(seed_of(*parts)))


def _without_docstrings(tree: ast.AST) -> ast.AST:
    """The tree without statements that are nothing but a text: docstrings, also of attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                statement
                for statement in node.body
                if not (
                    isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                )
            ]
    return tree


@functools.cache
def _module_file(name: str, root: Path) -> Path | None:
    path = root.joinpath(*name.split("."))
    if (path / "__init__.py").is_file():
        return path / "__init__.py"
    module = path.with_suffix(".py")
    return module if module.is_file() else None


def _imports(tree: ast.AST, package: str) -> set[str]:
    """Names of our own modules that the tree imports, with the packages above them."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
            # `from package import module` names a module, `from module import thing` does not;
            # names that are no files drop out later.
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    own = {name for name in names if name == package or name.startswith(f"{package}.")}
    own = {name for name in own if name != _WRAPPER and not name.startswith(f"{_WRAPPER}.")}
    for name in list(own):
        parts = name.split(".")
        own.update(".".join(parts[:i]) for i in range(1, len(parts)))
    return own


class _Memory:
    """Digests and imports of sources that some process has parsed, by their content.

    Parsing is the largest part of what this workflow adds to the start of Snakemake, and every
    job on a cluster starts it twice.
    """

    def __init__(self) -> None:
        self._file: Path | None = None
        self._entries: dict[str, tuple[str, list[str]]] = {}
        self._is_new = False
        # Another way of taking digests, or another Python, begins anew.
        code = f"{sys.version}\0{Path(__file__).read_text(encoding='utf-8')}"
        self._kind = hashlib.sha256(code.encode()).hexdigest()

    def keep_in(self, file: Path) -> None:
        """Take what the file has, and write it again at the end of this process."""
        if self._file is None:
            atexit.register(self._save)
        self._file = file
        # What cannot be read is parsed.
        with suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(file.read_text(encoding="utf-8"))
            if stored["kind"] == self._kind:
                self._entries = {
                    key: (syntax, list(n)) for key, (syntax, n) in stored["of"].items()
                }

    def parse(self, text: str, content: str, path: Path, package: str) -> tuple[str, list[str]]:
        """SHA-256 of the syntax without docstrings and comments, and the modules imported."""
        key = f"{package} {content}"
        if key not in self._entries:
            tree = ast.parse(text, filename=str(path))
            imports = sorted(_imports(tree, package))
            syntax = ast.dump(_without_docstrings(tree))
            self._entries[key] = hashlib.sha256(syntax.encode()).hexdigest(), imports
            self._is_new = True
        return self._entries[key]

    def _save(self) -> None:
        if self._file is None or not self._is_new or not self._file.parent.is_dir():
            return
        temporary = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        # On a full disk the next process parses again.
        with suppress(OSError):
            try:
                temporary.write_text(json.dumps({"kind": self._kind, "of": self._entries}))
                temporary.replace(self._file)
            finally:
                temporary.unlink(missing_ok=True)


_MEMORY = _Memory()


def keep_digests_in(file: str | Path) -> None:
    """Remember in this file what parsed sources gave, for the processes to come.

    It is keyed by their content, so it is never out of date. Where its folder is missing, nothing
    is written.
    """
    _MEMORY.keep_in(Path(file).absolute())


def _parse(path: Path, package: str) -> tuple[str, str, frozenset[str]]:
    text = path.read_text(encoding="utf-8")
    content = hashlib.sha256(text.encode()).hexdigest()
    if path.suffix != ".py":
        return content, content, frozenset()
    syntax, imports = _MEMORY.parse(text, content, path, package)
    return content, syntax, frozenset(imports)


# A file is read once per process, so that all digests of one process agree.
_parsed = functools.cache(_parse)


def source_digests(path: str | Path) -> tuple[str, str]:
    """SHA-256 of a source file's text, and of its syntax without docstrings and comments.

    For a file that is no Python both are taken over its text.
    """
    return _parse(Path(path).resolve(), "")[:2]


def planned_digests(path: str | Path, package: str = "spoofscope") -> tuple[str, str]:
    """:func:`source_digests` of a file as it was when this process first read it.

    The code digests of this process were taken from the same reading.
    """
    return _parsed(Path(path).resolve(), package)[:2]


@functools.cache
def _imported_files(path: Path, root: Path, package: str) -> tuple[Path, ...]:
    """The files of our modules that a file imports."""
    files = (_module_file(name, root) for name in sorted(_parsed(path, package)[2]))
    return tuple(file for file in files if file is not None)


@functools.cache
def _code_closure(
    script: Path, modules: tuple[str, ...], files: tuple[Path, ...], root: Path, package: str
) -> tuple[Path, ...]:
    found = {script: None, **dict.fromkeys(files)}
    pending = [script]
    wanted = set(modules)
    for name in modules:
        parts = name.split(".")
        wanted.update(".".join(parts[:i]) for i in range(1, len(parts)))
    for name in sorted(wanted):
        file = _module_file(name, root)
        if file is not None and file not in found:
            found[file] = None
            pending.append(file)
    while pending:
        for file in _imported_files(pending.pop(), root, package):
            if file not in found:
                found[file] = None
                pending.append(file)
    return tuple(sorted(found))


def code_closure(
    script: str | Path,
    modules: Iterable[str] = (),
    root: Path = _SOURCE_ROOT,
    package: str = "spoofscope",
    files: Iterable[str | Path] = (),
) -> list[Path]:
    """The script and every module of ours that it imports, directly or not, sorted by path.

    Imports inside functions count; modules that are found by name at run time (front-ends and
    back-ends, through their registries) have to be given in `modules`, and files that decide the
    result without being modules (templates of pages) in `files`.
    """
    return list(_code_closure(*_code_key(script, modules, files), root, package))


def _code_key(
    script: str | Path, modules: Iterable[str], files: Iterable[str | Path]
) -> tuple[Path, tuple[str, ...], tuple[Path, ...]]:
    return (
        Path(script).resolve(),
        tuple(sorted(set(modules))),
        tuple(sorted({Path(file).resolve() for file in files})),
    )


@functools.cache
def _code_digest(
    script: Path, modules: tuple[str, ...], files: tuple[Path, ...], root: Path, package: str
) -> str:
    digest = hashlib.sha256()
    for path in _code_closure(script, modules, files, root, package):
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        digest.update(f"{name}\0{_parsed(path, package)[1]}\n".encode())
    return digest.hexdigest()[:12]


def code_digest(
    script: str | Path,
    modules: Iterable[str] = (),
    root: Path = _SOURCE_ROOT,
    package: str = "spoofscope",
    files: Iterable[str | Path] = (),
) -> str:
    """12 hexadecimal digits that change when the code behind a script changes.

    Taken over the syntax trees of :func:`code_closure` with docstrings and comments left out, so
    reformatting, documenting or touching a file changes nothing.
    """
    return _code_digest(*_code_key(script, modules, files), root, package)
