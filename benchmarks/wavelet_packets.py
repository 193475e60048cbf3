"""How fast wavelet packets are computed and trained on, against the PyTorch wavelet toolbox (ptwt).

    python benchmarks/wavelet_packets.py [transform] [training]

* transform: all packets of a batch of one-second clips, in the order of frequency, by ours and by
  ptwt's `WaveletPacket` as released, whose nodes are stacked; in turn, the median of --repeats.
  The largest difference of the two is printed with the times.
* training: an epoch of the dilated CNN on --clips one-second clips, and the scores of a development
  set of a quarter as many. Ours computes the packets once, before the first epoch, and keeps them;
  what that took is printed. The plain loop does what the authors' training does, and no more: it
  decodes each frame when its turn comes, and transforms each batch with ptwt. Both train the same
  network; most of an epoch's time is in there.

Clips are noise at 22,050 Hz; files lie in a temporary folder. Run it on an idle machine.
"""

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import soundfile
import torch
from torch import Tensor
from torch.nn import functional

from spoofscope import audio
from spoofscope.backends import registry as backends
from spoofscope.features import FeatureReader, extract
from spoofscope.frontends import registry as frontends
from spoofscope.frontends.wavelet_packets import packets, packets_by_ptwt
from spoofscope.objectives.detection import Detection
from spoofscope.tables import MANIFEST_COLUMNS, read_manifest, write_manifest
from spoofscope.training.data import Source
from spoofscope.training.loop import TrainingJob, train
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy

RATE = 22050
BANDS = 256


@dataclass(frozen=True)
class Setting:
    """What every measurement starts from."""

    wavelet: str
    level: int
    batch_size: int
    repeats: int
    clips: int
    epochs: int
    device: str


class Spent(NamedTuple):
    """Seconds by the clock, and of processors: the latter bear a busy machine better."""

    wall: float
    cpu: float


def spent(function: Callable[[], object], device: str) -> Spent:
    """What a call takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    if device == "cuda":
        torch.cuda.synchronize()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def report(what: str, ours: Spent, other: Spent, against: str) -> None:
    print(
        f"{what:44} {ours.wall:8.3f} s   {against} {other.wall:8.3f} s   "
        f"ratio {other.wall / ours.wall:5.2f}, of CPU time {other.cpu / ours.cpu:5.2f}",
        flush=True,
    )


# --- the transform -------------------------------------------------------------------------


def measure_transform(setting: Setting) -> None:
    generator = torch.Generator().manual_seed(0)
    clips = 0.1 * torch.randn(setting.batch_size, RATE, generator=generator)
    clips = clips.to(setting.device)
    arguments = clips, setting.wavelet, setting.level
    times: dict[str, list[Spent]] = {"ours": [], "ptwt": []}
    with torch.inference_mode():
        # The first calls also warm up.
        difference = (packets(*arguments) - packets_by_ptwt(*arguments)).abs().max()
        largest = packets(*arguments).abs().max()
        for _ in range(setting.repeats):
            times["ours"].append(spent(lambda: packets(*arguments), setting.device))
            times["ptwt"].append(spent(lambda: packets_by_ptwt(*arguments), setting.device))
    ours, theirs = (
        Spent(*(statistics.median(column) for column in zip(*of_one, strict=True)))
        for of_one in times.values()
    )
    what = f"transform: {setting.batch_size} clips, {setting.wavelet}, level {setting.level}"
    report(what, ours, theirs, "ptwt")
    print(f"    largest difference {float(difference / largest):.1e} of the largest coefficient")


# --- training ------------------------------------------------------------------------------


def write_clips(root: Path, sizes: dict[str, int]) -> Path:
    """One-second clips of noise; their manifest."""
    rng = np.random.default_rng(0)
    rows = []
    for split, count in sizes.items():
        for i in range(count):
            path = root / "clips" / f"{split}{i}.wav"
            audio.write(path, np.clip(0.1 * rng.standard_normal(RATE), -1, 1), RATE)
            label, attack = ("spoof", "A1") if i % 2 else ("bonafide", "-")
            rows.append((f"{split}{i}", str(path), split, label, attack, "s1", 1.0, RATE))
    manifest = root / "manifest.tsv"
    write_manifest(manifest, pl.DataFrame(rows, MANIFEST_COLUMNS, orient="row"))
    return manifest


def train_ours(setting: Setting, manifest: Path, root: Path) -> tuple[Spent, Spent]:
    """What the packets take, and an epoch: two trainings' difference, so that the start cancels."""
    frontend = {
        "type": "wavelet_packets",
        "sample_rate": RATE,
        "wavelet": setting.wavelet,
        "level": setting.level,
    }
    policy = InputPolicy(sample_rate=RATE, length=RATE)
    shards = {split: root / f"{split}.safetensors" for split in ("train", "dev")}

    def extract_all() -> None:
        for split, shard in shards.items():
            rows = read_manifest(manifest).filter(pl.col("split") == split)
            extract(frontends.build(frontend), policy, rows, shard, device=setting.device)

    def train_for(epochs: int) -> None:
        recipe = {"epochs": epochs, "batch_size": setting.batch_size, "optimizer": "adam"}
        job = TrainingJob(
            objective=Detection,
            frontend=frontend,
            backend={"type": "dcnn"},
            policy=policy,
            recipe=resolve_recipe({**recipe, "lr": 4e-4, "weight_decay": 1e-3}),
            train=[Source(manifest, "train")],
            dev=[Source(manifest, "dev")],
            seed=1,
            device=setting.device,
            train_features=FeatureReader([shards["train"]]),
            dev_features=FeatureReader([shards["dev"]]),
        )
        train(job, root / f"ours{epochs}", root / f"ours{epochs}_work")

    extraction = spent(extract_all, setting.device)
    short = spent(lambda: train_for(1), setting.device)
    long = spent(lambda: train_for(1 + setting.epochs), setting.device)
    epoch = Spent(*((b - a) / setting.epochs for a, b in zip(short, long, strict=True)))
    return extraction, epoch


def plain_epochs(setting: Setting, manifest: Path) -> None:
    """Train the same network, frame by frame decoded and batch by batch transformed."""
    rows = {
        split: read_manifest(manifest).filter(pl.col("split") == split)
        for split in ("train", "dev")
    }
    # As many frames as our front-end makes: a different number would be a different network.
    n_frames = packets(torch.zeros(1, RATE), setting.wavelet, setting.level).shape[2]
    network = backends.build({"type": "dcnn"}, n_channels=1, dim=BANDS, n_frames=n_frames)
    network.to(setting.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-4, weight_decay=1e-3)

    def logits(group: pl.DataFrame) -> Tensor:
        clips = [soundfile.read(path, dtype="float32")[0] for path in group["path"]]
        waveform = torch.from_numpy(np.stack(clips)).to(setting.device)
        with torch.no_grad():
            nodes = packets_by_ptwt(waveform, setting.wavelet, setting.level)
            values = (nodes.abs().square() + 1e-12).log().transpose(1, 2)[:, None]
        lengths = torch.full((len(values),), n_frames, device=setting.device)
        result: Tensor = network(values, lengths)
        return result

    for epoch in range(setting.epochs):
        network.train()
        order = np.random.default_rng(epoch).permutation(rows["train"].height)
        for group in rows["train"][order].iter_slices(setting.batch_size):
            targets = torch.tensor((group["label"] == "spoof").to_list()).long()
            loss = functional.cross_entropy(logits(group), targets.to(setting.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for group in rows["dev"].iter_slices(setting.batch_size):
                logits(group).cpu()


def measure_training(setting: Setting) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        sizes = {"train": setting.clips, "dev": max(4, setting.clips // 4)}
        manifest = write_clips(root, sizes)
        extraction, ours = train_ours(setting, manifest, root)
        plain = spent(lambda: plain_epochs(setting, manifest), setting.device)
    epoch = Spent(*(seconds / setting.epochs for seconds in plain))
    what = f"training: an epoch of {setting.clips} clips"
    report(what, ours, epoch, "plain loop")
    print(
        f"    packets, once before all epochs: {extraction.wall:.2f} s, "
        f"{extraction.cpu:.2f} s of CPU time"
    )


MEASUREMENTS = {"transform": measure_transform, "training": measure_training}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", choices=[*MEASUREMENTS, []], metavar="what")
    parser.add_argument("--wavelet", default="sym5")
    parser.add_argument("--level", type=int, default=8)
    parser.add_argument("--batch-size", type=int, help="default: 128; of training on the CPU, 32")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--clips", type=int, default=512, help="of train; dev: a quarter")
    parser.add_argument("--epochs", type=int, default=1, help="that are measured")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)
    where = f"{options.threads} threads" if options.device == "cpu" else "cuda"
    print(f"one-second clips at {RATE} Hz, float32, {where}, ptwt as released")
    for name in options.what or MEASUREMENTS:
        usual = 32 if name == "training" and options.device == "cpu" else 128
        MEASUREMENTS[name](
            Setting(
                options.wavelet,
                options.level,
                options.batch_size or usual,
                options.repeats,
                options.clips,
                options.epochs,
                options.device,
            )
        )


if __name__ == "__main__":
    main()
