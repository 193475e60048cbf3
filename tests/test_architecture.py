"""The floors hold: a module imports only from floors below its own."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "spoofscope"

HOUSE = SOURCE.parents[1] / "docs" / "architecture.md"


def floors() -> dict[str, float]:
    """Room (module or package directly below spoofscope) to floor, as the page has them."""
    table = HOUSE.read_text(encoding="utf-8").partition("| floor | rooms |")[2].partition("\n\n")[0]
    found: dict[str, float] = {}
    for row in table.splitlines()[2:]:
        floor, rooms = row.split("|")[1:3]
        for room in re.findall(r"`(\w+)/?`", rooms):
            assert room not in found, f"{HOUSE.name}: {room} is there twice"
            found[room] = float(floor)
    return found


FLOORS = floors()
# Within these floors rooms may use each other; in all others they may not.
OPEN_FLOORS: set[float] = {0, 2}
# Floor 1 stands on shelves that all its rooms may use.
SHELVES = {"batches", "selection"}
FIGURES = ", ".join(
    f"spoofscope.figures.{path.stem}" for path in sorted((SOURCE / "figures").glob("[a-z]*.py"))
)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


@functools.cache
def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.startswith("spoofscope.")}


def test_every_room_has_a_floor():
    rooms = {
        path.stem if path.is_file() else path.name
        for path in SOURCE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert rooms - {"__init__"} == set(FLOORS)


def test_imports_only_go_down():
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        room = relative.parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for name in sorted(imports_of(path)):
            other = room_of(name)
            if other == room or other not in FLOORS:
                continue
            down = FLOORS[other] < FLOORS[room]
            beside = FLOORS[other] == FLOORS[room] and (
                FLOORS[room] in OPEN_FLOORS or (other in SHELVES and room not in SHELVES)
            )
            if not (down or beside):
                wrong.append(f"{relative} (floor {FLOORS[room]}) imports {name}")
    assert not wrong, "\n".join(wrong)


def test_no_import_cycles():
    graph: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        module = ".".join(("spoofscope", *path.relative_to(SOURCE).with_suffix("").parts))
        graph[module.removesuffix(".__init__")] = imports_of(path)
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in done or module not in graph:
            return
        for other in sorted(graph[module] & set(graph)):
            if other != module:
                visit(other, (*trail, module))
        done.add(module)

    for module in sorted(graph):
        visit(module, ())


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("imports", "heavy"),
    [
        ("spoofscope, spoofscope.cli", "torch numpy pandas polars matplotlib sklearn"),
        (
            "spoofscope.study, spoofscope.identity, spoofscope.frontends.registry, "
            "spoofscope.backends.registry, spoofscope.augmentation.registry, "
            "spoofscope.corpora.registry, spoofscope.plan.study_plan, spoofscope.outside, "
            "spoofscope.columns, spoofscope.needs, spoofscope.launch, spoofscope.records",
            "torch numpy pandas polars matplotlib",
        ),
        (
            f"{FIGURES}, "
            "spoofscope.report.page, spoofscope.summaries.headline, spoofscope.job, "
            "spoofscope.metrics.tables, spoofscope.fusion, spoofscope.gathering, "
            "spoofscope.corpora.manifest, "
            "spoofscope.augmentation.copies, spoofscope.provenance.audit, "
            "spoofscope.provenance.crate, spoofscope.provenance.page, spoofscope.provenance.record",
            "torch pandas sklearn transformers",
        ),
    ],
)
def test_what_is_imported_often_stays_light(imports: str, heavy: str):
    code = f"import sys, {imports}; print([m for m in '{heavy}'.split() if m in sys.modules])"
    assert run_python(code) == "[]"
