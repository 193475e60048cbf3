"""How fast convolutional back-ends are with the channels last in memory, as networks keep them.

    python benchmarks/convolutions.py [back-ends]

Of every back-end a step of training (forward and backward) and an evaluation of one batch, with
PyTorch's default order of memory and with the channels last; in turn, the median of --repeats.
The largest difference between the logits of both is printed with the times. Features are noise.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from spoofscope.backends import registry as backends

# Settings, and the batch (B, C, N, D) that it is given.
CASES: dict[str, tuple[dict[str, Any], tuple[int, int, int, int]]] = {
    "cnn": ({}, (8, 1, 180, 80)),
    "resnet": ({}, (8, 1, 180, 80)),
    "lcnn": ({}, (16, 1, 100, 60)),
    "dcnn": ({"channels": [6, 6, 12, 16, 8]}, (16, 1, 71, 256)),
    "aasist": ({}, (2, 1, 201, 1024)),
}


def seconds(function: Callable[[], object]) -> float:
    """CPU seconds of a call; they bear a busy machine better than those of the clock."""
    start = time.process_time()
    function()
    return time.process_time() - start


def step(network: nn.Module, values: Tensor, lengths: Tensor) -> None:
    network.train()
    network(values, lengths).sum().backward()
    network.zero_grad()


def evaluate(network: nn.Module, values: Tensor, lengths: Tensor) -> Tensor:
    network.eval()
    with torch.inference_mode():
        logits: Tensor = network(values, lengths)
    return logits


def compare(name: str, repeats: int) -> None:
    """Print the times of a back-end, in both orders of memory, and their ratio."""
    settings, shape = CASES[name]
    batch, channels, frames, dim = shape
    torch.manual_seed(1)
    values, lengths = torch.randn(shape), torch.full((batch,), frames)
    networks: list[Any] = []
    for _ in range(2):
        torch.manual_seed(2)
        config = {"type": name, **settings}
        networks.append(backends.build(config, n_channels=channels, dim=dim, n_frames=frames))
    networks[1].to(memory_format=torch.channels_last)
    first, last = (evaluate(network, values, lengths) for network in networks)
    line = f"{name:8}"
    for what, work in (("step", step), ("evaluation", evaluate)):
        times: list[list[float]] = [[], []]
        for _ in range(repeats + 1):
            for network, spent in zip(networks, times, strict=True):
                spent.append(seconds(lambda n=network, w=work: w(n, values, lengths)))
        # The first ones warm up.
        plain, ours = (1000 * statistics.median(spent[1:]) for spent in times)
        line += f"  {what} {plain:6.1f} -> {ours:6.1f} ms ({plain / ours:.2f} times as fast)"
    print(f"{line}  logits differ by {float((first - last).abs().max()):.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backends", nargs="*", default=list(CASES), metavar="back-end")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.backends:
        compare(name, arguments.repeats)


if __name__ == "__main__":
    main()
