"""Hashes, seeds and code digests: stable where they must be, different where they must be."""

import ast
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spoofscope.identity import (
    canonical_json,
    code_closure,
    code_digest,
    hash8,
    plain,
    rng_of,
    seed_of,
)

# --- canonical JSON, hashes and seeds ------------------------------------------------------------


def test_canonical_json_ignores_the_order_of_keys_and_keeps_letters():
    assert canonical_json({"b": [1, 2.5], "a": {"d": None, "c": "é"}}) == (
        '{"a":{"c":"é","d":null},"b":[1,2.5]}'
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_hash8_is_the_start_of_the_sha256_of_the_canonical_json():
    # printf '{"a":1}' | sha256sum
    assert hash8({"a": 1}) == "015abd7f"
    assert hash8({"a": 1, "b": 2}) == hash8({"b": 2, "a": 1})
    assert hash8({"a": [1, 2]}) != hash8({"a": [2, 1]})


def test_seeds_depend_on_every_part_and_on_no_process():
    assert seed_of(1, "mini") != seed_of(1, "maxi") != seed_of(2, "mini")
    # Text and number are different parts, and parts do not run into each other.
    assert len({seed_of(1), seed_of("1"), seed_of("a", "b"), seed_of("ab"), seed_of("a,b")}) == 5
    assert 0 <= seed_of("x") < 2**63
    code = "from spoofscope.identity import seed_of; print(seed_of(7, 'utterance'))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": salt, "PYTHONPATH": str(Path(__file__).parents[1] / "src")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert printed == {f"{seed_of(7, 'utterance')}\n"}


def test_generators_of_equal_parts_are_equal():
    assert np.array_equal(rng_of(1, "a").normal(size=5), rng_of(1, "a").normal(size=5))
    assert not np.array_equal(rng_of(1, "a").normal(size=5), rng_of(1, "b").normal(size=5))


# --- code digests --------------------------------------------------------------------------------

SCRIPT = """
from house.job import job

with job(snakemake) as cfg:
    from house.work import double

    double(cfg["x"])
"""
WORK = '''
"""The work."""

from house import shelf


def double(x: int) -> int:
    """Twice x."""
    from house.lazy import two

    return two() * x  # two times
'''


@pytest.fixture
def house(tmp_path):
    """A small package with an eager import, a lazy one and a module that nobody imports."""
    count = 0

    def build(**changes: str) -> tuple[Path, Path]:
        # A new folder each time: the parser remembers files by name, as nothing changes in a run.
        nonlocal count
        count += 1
        root = tmp_path / f"house{count}"
        package = root / "house"
        package.mkdir(parents=True)
        files = {
            "__init__": "",
            "job": "def job(x): ...\n",
            "work": WORK,
            "shelf": "SIZE = 1\n",
            "lazy": "def two():\n    return 2\n",
            "plugin": "import house.deep\n",
            "deep": "DEPTH = 3\n",
            "unused": "x = 1\n",
        }
        files.update({key: text for key, text in changes.items() if key != "script"})
        for name, text in files.items():
            (package / f"{name}.py").write_text(text)
        script = root / "script.py"
        script.write_text(changes.get("script", SCRIPT))
        return script, root

    return build


def digest(built: tuple[Path, Path], modules: tuple[str, ...] = ()) -> str:
    script, root = built
    return code_digest(script, modules, root, "house")


def test_closure_follows_lazy_imports_and_given_modules(house):
    script, root = house()

    def names(*modules: str) -> list[str]:
        return [path.stem for path in code_closure(script, modules, root, "house")]

    found = ["__init__", "job", "lazy", "shelf", "work", "script"]
    assert names() == found
    assert sorted(names("house.plugin")) == sorted([*found, "plugin", "deep"])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"work": WORK.replace("Twice x.", "Two times x.")}, id="docstring"),
        pytest.param({"work": WORK.replace('    """Twice x."""\n', "")}, id="no docstring"),
        pytest.param({"work": WORK.replace("# two times", "# explained better")}, id="comment"),
        pytest.param({"work": WORK.replace("two() * x", "(two()  *  x)")}, id="format"),
        pytest.param({"shelf": 'SIZE = 1\n"""How many."""\n'}, id="attribute docstring"),
        pytest.param({"unused": "x = 2\n"}, id="module that nobody imports"),
    ],
)
def test_digest_stays(house, changes):
    assert digest(house(**changes)) == digest(house())


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"script": SCRIPT.replace('"x"', '"y"')}, id="script"),
        pytest.param({"work": WORK.replace("two() * x", "two() + x")}, id="imported"),
        pytest.param({"shelf": "SIZE = 2\n"}, id="imported by the imported"),
        pytest.param({"lazy": "def two():\n    return 2.0\n"}, id="imported inside a function"),
        pytest.param({"__init__": "import os\n"}, id="package above"),
    ],
)
def test_digest_changes_with_the_code(house, changes):
    assert digest(house(**changes)) != digest(house())


def test_digest_covers_modules_found_by_name(house):
    shallow, deeper = house(), house(deep="DEPTH = 4\n")
    assert digest(shallow) == digest(deeper)
    assert digest(shallow, ("house.plugin",)) != digest(deeper, ("house.plugin",))
    assert digest(shallow, ("house.plugin",)) != digest(shallow)


def test_digest_does_not_depend_on_where_the_checkout_lies(house):
    assert digest(house()) == digest(house())


@pytest.mark.slow
def test_the_wrapper_of_every_script_is_no_part_of_any_digest():
    scripts = sorted((Path(__file__).parents[1] / "workflow/scripts").glob("*.py"))
    assert scripts
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        assert re.search(r"from spoofscope\.job import (given, |from_store, )?job\b", text), (
            script.name
        )
        closure = {path.name for path in code_closure(script)}
        assert script.name in closure
        assert "job.py" not in closure, script.name


def test_digests_are_remembered_by_content_alone(tmp_path):
    package = tmp_path / "tree" / "house"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "room.py").write_text("CHAIRS = 4\n")
    script = tmp_path / "script.py"
    script.write_text("from house import room\n")
    memory = tmp_path / "memory" / "syntax.json"
    program = (
        "import sys; from pathlib import Path; from spoofscope import identity\n"
        "identity.keep_digests_in(sys.argv[1])\n"
        "parse = identity.ast.parse\n"
        "identity.ast.parse = lambda *a, **k: print('parsed') or parse(*a, **k)\n"
        "print(identity.code_digest(sys.argv[2], root=Path(sys.argv[3]), package='house'))\n"
    )

    def run() -> list[str]:
        command = [sys.executable, "-c", program, str(memory), str(script), str(package.parent)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    first = run()
    assert first[:-1] == ["parsed"] * 3
    assert not memory.parent.exists()
    memory.parent.mkdir()
    assert run() == first
    assert run() == first[-1:]
    (package / "room.py").write_text("# An edit of a comment.\nCHAIRS = 4\n")
    assert run() == ["parsed", first[-1]]
    (package / "room.py").write_text("CHAIRS = 5\n")
    edited = run()
    assert edited[0] == "parsed"
    assert edited[1] != first[-1]
    memory.write_text('{"kind": ')
    assert run() == ["parsed"] * 3 + edited[1:]
    assert run() == edited[1:]


def test_parameters_end_no_script_of_a_page():
    """Snakemake writes the `repr` of parameters into a script of its report as it is."""
    title = "a</script><!-- \\x3c 'b'"
    made = plain({"config": {"title": title, title: [title, 1]}})
    assert "<" not in repr(made)
    assert ast.literal_eval(repr(made)) == {"config": {"title": title, title: [title, 1]}}
    assert type(pickle.loads(pickle.dumps(made["config"]["title"]))) is str
    assert repr(plain({"title": "x > y"})) == "{'title': 'x > y'}"
