"""Measured costs of a detector: parameters, latency and peak memory.

Costs depend on the architecture and not on the weights, so no training is needed. Each detector is
measured in its own process, one after the other on the same device, so that the memory of an
earlier detector and the state of its allocator have no effect.
"""

import ctypes
import gc
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from spoofscope.errors import DetectorError
from spoofscope.options.layers import CostOptions

Config = Mapping[str, Any]


_WARM_UP = 2


def measure_costs(
    detectors: Sequence[Config], options: CostOptions, threads: int
) -> list[dict[str, Any]]:
    """Measure each detector, in a new process, on the GPU if there is one.

    Args:
        detectors: settings of SSL detectors: `frontend`, `backend`, `input`.
        options: see :class:`CostOptions`.
        threads: of torch.

    Returns:
        Per detector:

        * `n_layers`: transformer layers; `parameters`: of those and of all else that a forward pass
          needs, the back-end included; `backend_parameters`: of the back-end alone;
        * `latency_ms`: median time of a forward pass over the batch, from waveform to logits;
          `latency_low_ms`, `latency_high_ms`: its quartiles; `ms_per_second`: the median divided by
          the seconds of audio in the batch;
        * `peak_memory_mb`: 10^6 bytes, weights included: on a GPU, the most that torch had
          allocated; on a CPU, the growth of the resident set from before the detector was built to
          its peak during forward passes;
        * `device`, `threads`, `batch_size`, `seconds`, `repeats`: of the measurement.

    Raises:
        DetectorError: a detector cannot be built or run.
    """
    request = {"detectors": list(detectors), "options": asdict(options), "threads": threads}
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(request),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise DetectorError(f"costs could not be measured:\n{done.stderr[-4000:]}")
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def main() -> None:
    """Measure the detectors in the JSON on standard input; prints the results as JSON."""
    request = json.load(sys.stdin)
    # Only results go to the real standard output; output of libraries goes elsewhere.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Imported once, and before the processes branch off: it takes longer than measuring. Nothing
    # may be computed here, because a process that has started threads or a GPU cannot branch.
    import transformers

    for family in ("Wav2Vec2Model", "HubertModel", "WavLMModel"):
        getattr(transformers, family)
    context = multiprocessing.get_context("fork")
    results = []
    for settings in request["detectors"]:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=_send, args=(sender, settings, request["options"], request["threads"])
        )
        process.start()
        sender.close()
        try:
            results.append(receiver.recv())
        except EOFError:
            process.join()
            sys.exit(f"measuring ended with exit code {process.exitcode}: {settings}")
        process.join()
    with output:
        json.dump(results, output)


def _send(sender: Connection, settings: Config, options: Config, threads: int) -> None:
    sender.send(_measure(settings, CostOptions(**options), threads))
    sender.close()


def _measure(settings: Config, options: CostOptions, threads: int) -> dict[str, Any]:
    import torch

    from spoofscope.backends import registry as backends
    from spoofscope.frontends import registry as frontends
    from spoofscope.windows import InputPolicy

    before = _status("VmRSS")
    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    frontend: Any = frontends.build(settings["frontend"])
    policy = InputPolicy.from_dict(settings["input"])
    n_samples = policy.length or round(options.seconds * frontend.sample_rate)
    backend = backends.build(
        settings["backend"],
        n_channels=frontend.n_channels,
        dim=frontend.dim,
        n_frames=None if policy.length is None else frontend.n_frames(n_samples),
    )
    frontend.eval()
    backend.eval().to(device)
    parts = [*frontend.model.parameters(), *backend.parameters()]
    generator = torch.Generator().manual_seed(0)
    waveform = torch.randn((options.batch_size, n_samples), generator=generator).to(device)
    lengths = torch.full((options.batch_size,), n_samples, device=device)
    # Deleted layers were loaded, too.
    gc.collect()
    if device == "cpu":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    else:
        frontend.model.to(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    times = []
    with torch.inference_mode():
        for _ in range(_WARM_UP + options.repeats):
            started = time.perf_counter()
            backend(*frontend(waveform, lengths))
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(1000 * (time.perf_counter() - started))
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else _status("VmHWM") - before
    low, median, high = (
        torch.tensor(times[_WARM_UP:]).quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
    )
    seconds = n_samples / frontend.sample_rate
    return {
        "n_layers": len(frontend.model.encoder.layers),
        "parameters": sum(parameter.numel() for parameter in parts),
        "backend_parameters": sum(parameter.numel() for parameter in backend.parameters()),
        "latency_ms": median,
        "latency_low_ms": low,
        "latency_high_ms": high,
        "ms_per_second": median / (options.batch_size * seconds),
        "peak_memory_mb": peak / 1e6,
        "device": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "threads": threads,
        "batch_size": options.batch_size,
        "seconds": seconds,
        "repeats": options.repeats,
    }


def _status(key: str) -> int:
    """A size in bytes from the kernel's record of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return 1024 * int(line.split()[1])
    raise DetectorError(f"the kernel does not tell {key}; costs are measured on Linux")


def _processor() -> str:
    """The processor's name, as Linux knows it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


if __name__ == "__main__":
    main()
