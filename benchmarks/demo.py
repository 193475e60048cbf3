"""How long the demo takes: from nothing, again, as a dry run; and what importing the library costs.

Run with the environment of `make setup`, on an otherwise idle machine:

    .venv/bin/python benchmarks/demo.py

The study runs in a temporary copy of the committed checkout. Each time is printed beside a
baseline of the same run: the start of Snakemake, or of Python.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = [str(Path(sys.executable).with_name("snakemake"))]
PROFILE = ["--profile", "profiles/local"]


def seconds(command: list[str], folder: Path, repeats: int = 1) -> float:
    """Shortest wall time of a command; a failing command ends the benchmark."""
    times = []
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def line(what: str, time_s: float, limit_s: float, baseline: str, baseline_s: float) -> None:
    """Print one result."""
    ratio = time_s / baseline_s
    print(f"{what:38} {time_s:8.2f} s   (at most {limit_s:g} s)   {ratio:7.1f} x {baseline}")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "spoofscope"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        start = seconds([*SNAKEMAKE, "--version"], folder, repeats=3)
        python = seconds([sys.executable, "-c", "pass"], folder, repeats=5)
        imported = seconds([sys.executable, "-c", "import spoofscope"], folder, repeats=5)
        command = seconds([sys.executable, "-m", "spoofscope.cli", "--help"], folder, repeats=5)
        dry = seconds([*SNAKEMAKE, *PROFILE, "-n", "all"], folder, repeats=3)
        whole = seconds([*SNAKEMAKE, *PROFILE, "all"], folder)
        again = seconds([*SNAKEMAKE, *PROFILE, "all"], folder, repeats=3)
        line("mini study from nothing", whole, 360, "snakemake --version", start)
        line("second run, nothing to do", again, 15, "snakemake --version", start)
        line("dry run from nothing", dry, 6, "snakemake --version", start)
        line("import spoofscope (with Python's start)", imported, 0.3, "python -c pass", python)
        line("spoofscope --help (the same)", command, 0.3, "python -c pass", python)


if __name__ == "__main__":
    main()
