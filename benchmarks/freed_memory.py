"""How much faster a small network trains on the CPU where freed memory is kept (see `memory`).

    python benchmarks/freed_memory.py [--repeats 3]

Steps of training of the back-end `cnn` on noise, in processes of their own, with glibc's own
behaviour and with ours in turn; the medians of CPU time per step, of which the system's part, and
of page faults.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys

WARM_UP, STEPS = 5, 60


def work(kept: bool) -> None:
    """Train, and print seconds of user and system and the page faults, per step."""
    import torch

    from spoofscope.backends import registry as backends
    from spoofscope.memory import keep_freed_memory

    if kept:
        keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    network = backends.build({"type": "cnn"}, n_channels=1, dim=80, n_frames=180)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters())
    values, lengths = torch.randn(8, 1, 180, 80), torch.full((8,), 180)
    before = None
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            before = resource.getrusage(resource.RUSAGE_SELF)
        network(values, lengths).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    after = resource.getrusage(resource.RUSAGE_SELF)
    fields = ("ru_utime", "ru_stime", "ru_minflt")
    print(json.dumps([(getattr(after, f) - getattr(before, f)) / STEPS for f in fields]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", choices=["given back", "kept"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work == "kept")
        return
    measured: dict[str, list[list[float]]] = {"given back": [], "kept": []}
    for _ in range(arguments.repeats):
        for name, rows in measured.items():
            command = [sys.executable, __file__, "--work", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rows.append(json.loads(done.stdout))
    totals = []
    for name, rows in measured.items():
        user, system, faults = (statistics.median(column) for column in zip(*rows, strict=True))
        totals.append(user + system)
        print(
            f"{name:10}  {1000 * (user + system):6.1f} ms a step, of which the system "
            f"{1000 * system:5.1f}; {faults:6.0f} page faults"
        )
    print(f"kept is {totals[0] / totals[1]:.2f} times as fast")


if __name__ == "__main__":
    main()
