"""Figures and tables: records can be read without matplotlib, and say what the plan does."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from planning import plan_of, study_with_everything
from spoofscope import exhibits
from spoofscope.errors import SpoofscopeError
from spoofscope.exhibits import Exhibit, Figure, Table
from spoofscope.identity import code_closure
from spoofscope.plan.exhibits import Exhibits
from spoofscope.plan.figures import Figures
from spoofscope.plan.jobs import Product, script_of
from spoofscope.plan.study_plan import Plan
from spoofscope.study import MINI, Study
from spoofscope.study.reading import read_config

RECORDS = [
    *(("figures", "FIGURE", "draw", *item) for item in exhibits.figures().items()),
    *(("summaries", "TABLE", "make", *item) for item in exhibits.tables().items()),
]

EXHIBITS = {"figures": "figure", "summaries": "table"}


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    return plan_of(study_with_everything(tmp_path_factory.mktemp("outside")))


def module_of(room: str, name: str) -> ModuleType:
    return import_module(f"spoofscope.{room}.{name}")


@pytest.mark.parametrize(("room", "constant", "function", "name", "record"), RECORDS)
def test_what_is_read_is_what_the_module_says(room, constant, function, name, record: Exhibit):
    module = module_of(room, name)
    assert getattr(module, constant) == record
    assert callable(getattr(module, function))
    for text in (record.shows, record.caption):
        assert text[0].isupper()
        assert text.endswith(".")


@pytest.mark.parametrize(("room", "function"), [("figures", "draw"), ("summaries", "make")])
def test_every_module_that_makes_one_has_a_record(room, function):
    known = {name for kind, _, _, name, _ in RECORDS if kind == room}
    folder = Path(exhibits.__file__).parent / room
    modules = {path.stem for path in folder.glob("[a-z]*.py")}
    assert known == {name for name in modules if hasattr(module_of(room, name), function)}


def test_no_two_stand_in_the_same_place():
    for kind in (exhibits.figures(), exhibits.tables()):
        places = [record.place for record in kind.values()]
        assert places == sorted(set(places))


@pytest.mark.parametrize(("room", "constant", "function", "name", "record"), RECORDS)
def test_the_plan_gives_each_what_it_takes(plan, room, constant, function, name, record):
    """And knows all files among it as inputs."""
    stage: Exhibits = plan.figures if room == "figures" else plan.tables
    jobs = [job for made, _, job in stage.jobs() if made == name]
    assert jobs
    for job in jobs:
        given = job.work.settings["given"]
        inspect.signature(getattr(module_of(room, name), function)).bind(**given, outputs={})
        texts = {text for text in leaves(given) if text.startswith(plan.layout.root)}
        assert all(isinstance(text, Product) for text in texts)
        # Some lie outside.
        files = {text for text in leaves(given) if isinstance(text, Product)}
        assert texts <= files == set(job.work.inputs["files"])


def leaves(value: object) -> set[str]:
    """All texts in a value."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(leaves, value)) if isinstance(value, list | tuple) else set()


@pytest.mark.parametrize(("room", "constant", "function", "name", "record"), RECORDS)
def test_an_edit_makes_no_other_stale(room, constant, function, name, record):
    """What makes a figure or a table uses the module of no other figure, and of no other table."""
    root = Path(exhibits.__file__).parent
    script = root.parents[1] / "workflow/scripts" / f"{script_of(f'{EXHIBITS[room]}_{name}')}.py"
    closure = code_closure(script, [f"spoofscope.{room}.{name}"])
    known = {root / kind / f"{other}.py" for kind, _, _, other, _ in RECORDS if kind == room}
    assert known & set(closure) == {root / room / f"{name}.py"}


def test_planning_imports_no_drawing():
    code = (
        "import sys; sys.path.insert(0, 'tests'); from planning import plan_of\n"
        "from spoofscope.study import MINI, Study\n"
        "from spoofscope.study.reading import read_config\n"
        "plan = plan_of(Study(read_config(MINI)))\n"
        "assert len(plan.figures.described) > 15\n"
        "print([m for m in ('numpy', 'polars', 'matplotlib', 'torch') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_record_of_what_no_stage_offers_is_refused(plan):
    record = Figure("A title", "What it shows.", "A caption.", "shown_score", 1)
    offers = plan.figures._offers
    with pytest.raises(SpoofscopeError, match=r"figures/new\.py: .*'shown_score'.*'shown_scores'"):
        Exhibits(
            plan.figures.context,
            "figure",
            "figures",
            {"new": record},
            {offer.declared.function.__name__: offer for offer in offers.values()},
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TABLE = Table(title=TITLE, shows='')", "malformed node"),
        ("TABLE = Table(title='x', heading='y')", "heading"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(tmp_path, text, message):
    path = tmp_path / "new.py"
    path.write_text(f"{text}\n\n\ndef make():\n    pass\n")
    with pytest.raises(SpoofscopeError, match=f"new.py: TABLE: .*{message}"):
        exhibits.read_record(path, "TABLE", Table)


def test_a_module_without_a_record(tmp_path):
    path = tmp_path / "new.py"
    path.write_text("TABLE = 1\nFIGURE = Figure()\n")
    assert exhibits.read_record(path, "TABLE", Table) is None


def test_a_study_of_corpora_alone_has_no_figures():
    study = Study({"study": "bare", "corpora": read_config(MINI)["corpora"]})
    plan = plan_of(study)
    assert isinstance(plan.figures, Figures)
    assert plan.figures.jobs() == []
    assert [name for name, _, _ in plan.tables.jobs()] == ["runs"]
