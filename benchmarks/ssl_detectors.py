"""How fast detectors on an SSL backbone are trained and score, against a plain loop.

    python benchmarks/ssl_detectors.py [truncation] [scoring] [training] [fine-tuning]

The plain loop does what the papers describe, and no more: batches of whole clips, filled with zeros
up to the longest, go in float32 through the whole backbone at every step, without gradients where
it is frozen; a head with factorised attention follows. Its detectors are as large as ours, but its
scores depend on the batch.

* truncation: a backbone cut to half its layers against the whole one, both ours, on windows of one
  length. With 12 layers the convolutions are a third of the work, and they stay.
* scoring: files to scores with half the layers, against the plain loop. Lengths vary as those of
  a corpus do, so half of the gain is that no zeros are computed.
* training: a frozen backbone, --epochs epochs; features are computed once and read again. The
  plain loop runs --plain-epochs, and its time for all of them is extrapolated from these.
* fine-tuning: all weights, bf16 against float32 and the plain loop, in seconds of audio per second,
  and how busy the GPU is. Only where there is a GPU, unless --device says otherwise; give it work:
  fine-tuning --clips 512 --batch-size 16.

The architecture is that of WavLM Base+ or, with --size large, of WavLM Large; weights are random,
clips are noise, and both lie in a temporary folder (400 MB or 1.3 GB). Run it on an idle machine.
"""

import argparse
import contextlib
import logging
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
import transformers
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.nn import functional

from spoofscope import audio
from spoofscope.detector import Detector
from spoofscope.features import FeatureReader, extract
from spoofscope.files import write_json
from spoofscope.frontends import registry as frontends
from spoofscope.objectives.detection import Detection
from spoofscope.scoring import score_shard
from spoofscope.tables import MANIFEST_COLUMNS, read_manifest, write_manifest
from spoofscope.training.data import Source
from spoofscope.training.loop import TrainingJob, train
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy

RATE = 16000
HEADS, COMPRESSION = 64, 128
# Log-normal durations: a mean of 3.4 s, a tenth of the clips above 5.5 s.
MEDIAN_S, SPREAD, SHORTEST_S, LONGEST_S = 3.1, 0.45, 1.0, 12.0
SIZES: dict[str, dict[str, object]] = {
    "tiny": {
        "hidden_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "conv_dim": (32,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    },
    "base": {},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
    },
}


@dataclass(frozen=True)
class Setting:
    """What every measurement starts from."""

    root: Path
    manifest: Path
    batch_size: int
    epochs: int
    plain_epochs: int
    device: str

    @property
    def backbone(self) -> dict[str, str]:
        return {"family": "wavlm", "folder": str(self.root / "backbone")}

    @property
    def layers(self) -> int:
        return int(
            transformers.WavLMConfig.from_pretrained(self.root / "backbone").num_hidden_layers
        )

    def rows(self, split: str) -> pl.DataFrame:
        return read_manifest(self.manifest).filter(pl.col("split") == split)

    def detector(self, n_layers: int, length: int | None) -> Detector:
        torch.manual_seed(1)
        return Detector(
            {"type": "ssl", "backbone": self.backbone, "n_layers": n_layers},
            {"type": "mhfa", "heads": HEADS, "compression": COMPRESSION},
            InputPolicy(length=length),
        )


def write_backbone(folder: Path, size: str) -> None:
    """A random encoder of a published architecture, in the format of transformers."""
    torch.manual_seed(0)
    config = transformers.WavLMConfig(**SIZES[size])
    transformers.WavLMModel(config).save_pretrained(folder)
    extractor = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": RATE}
    write_json(folder / "preprocessor_config.json", {**extractor, "do_normalize": False})


def write_clips(root: Path, sizes: dict[str, int]) -> Path:
    """Clips of noise, lengths as in a corpus; their manifest."""
    rng = np.random.default_rng(0)
    rows = []
    for split, count in sizes.items():
        for i in range(count):
            seconds = float(MEDIAN_S * math.exp(SPREAD * rng.standard_normal()))
            n = int(RATE * min(max(seconds, SHORTEST_S), LONGEST_S))
            path = root / "clips" / f"{split}{i}.wav"
            audio.write(path, np.clip(0.1 * rng.standard_normal(n), -1, 1), RATE)
            label, attack = ("spoof", "A1") if i % 2 else ("bonafide", "-")
            rows.append((f"{split}{i}", str(path), split, label, attack, "s1", n / RATE, RATE))
    manifest = root / "manifest.tsv"
    write_manifest(manifest, pl.DataFrame(rows, MANIFEST_COLUMNS, orient="row"))
    return manifest


# --- the plain loop ------------------------------------------------------------------------


class PlainHead(nn.Module):
    """Two mixes of the layers, attention of several heads over time, one logit."""

    def __init__(self, layers: int, dim: int) -> None:
        super().__init__()
        self.mixes = nn.Parameter(torch.ones(2, layers))
        self.key, self.value = nn.Linear(dim, COMPRESSION), nn.Linear(dim, COMPRESSION)
        self.attention = nn.Linear(COMPRESSION, HEADS, bias=False)
        self.output = nn.Linear(HEADS * COMPRESSION, 1)

    def forward(self, states: tuple[Tensor, ...]) -> Tensor:
        keys, values = torch.einsum("kl,lbnd->kbnd", self.mixes.softmax(1), torch.stack(states))
        weights = self.attention(self.key(keys)).softmax(dim=1)
        pooled = torch.einsum("bnh,bnc->bhc", weights, self.value(values))
        logits: Tensor = self.output(pooled.flatten(1)).squeeze(1)
        return logits


class PlainDetector(nn.Module):
    """The whole backbone and a head."""

    def __init__(self, folder: str, *, trained: bool) -> None:
        super().__init__()
        self.backbone = transformers.WavLMModel.from_pretrained(
            folder, layerdrop=0.0, apply_spec_augment=False
        )
        self.backbone.requires_grad_(trained)
        self.trained = trained
        config = self.backbone.config
        self.head = PlainHead(config.num_hidden_layers + 1, config.hidden_size)

    def forward(self, waveform: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.trained and torch.is_grad_enabled()):
            states = self.backbone(waveform, output_hidden_states=True).hidden_states
        logits: Tensor = self.head(states)
        return logits


def plain_batches(rows: pl.DataFrame, size: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Padded waveforms and labels of consecutive rows, read when they are needed."""
    for start in range(0, rows.height, size):
        group = rows.slice(start, size)
        clips = [torch.from_numpy(audio.read(path, RATE)[0]) for path in group["path"]]
        labels = torch.tensor((group["label"] == "bonafide").to_list()).float()
        yield nn.utils.rnn.pad_sequence(clips, batch_first=True).to(device), labels.to(device)


def plain_scores(detector: PlainDetector, rows: pl.DataFrame, setting: Setting) -> list[float]:
    detector.eval()
    scores: list[float] = []
    with torch.no_grad():
        for waveform, _ in plain_batches(rows, setting.batch_size, setting.device):
            scores += detector(waveform).tolist()
    return scores


def plain_epochs(detector: PlainDetector, setting: Setting, epochs: int) -> None:
    """Train for some epochs, scoring dev after each."""
    parameters = [p for p in detector.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5)
    for epoch in range(epochs):
        detector.train()
        if not detector.trained:
            detector.backbone.eval()
        order = np.random.default_rng(epoch).permutation(setting.rows("train").height)
        shuffled = setting.rows("train")[order]
        for waveform, labels in plain_batches(shuffled, setting.batch_size, setting.device):
            loss = functional.binary_cross_entropy_with_logits(detector(waveform), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        plain_scores(detector, setting.rows("dev"), setting)


# --- measurements --------------------------------------------------------------------------


class Spent(NamedTuple):
    """Seconds by the clock, and of processors: the latter bear a busy machine better."""

    wall: float
    cpu: float

    def times(self, factor: float) -> "Spent":
        return Spent(self.wall * factor, self.cpu * factor)


class Stopwatch:
    """The time that a `with` block takes."""

    def __enter__(self) -> "Stopwatch":
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.spent = Spent(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def report(what: str, ours: Spent, other: Spent, against: str) -> None:
    print(
        f"{what:48} {ours.wall:7.2f} s   {against} {other.wall:7.2f} s   "
        f"ratio {other.wall / ours.wall:5.2f}, of CPU time {other.cpu / ours.cpu:5.2f}",
        flush=True,
    )


def measure_truncation(setting: Setting) -> None:
    whole, half = (setting.detector(n, 64600) for n in (setting.layers, setting.layers // 2))
    window = 0.1 * np.random.default_rng(1).standard_normal(64600).astype(np.float32)
    seconds: dict[str, list[Spent]] = {"whole": [], "half": []}
    for _ in range(4):
        for name, detector in (("whole", whole), ("half", half)):
            with Stopwatch() as watch:
                detector.logits([window] * 4, batch_size=4)
            seconds[name].append(watch.spent)
    # The first round loads the weights.
    half_s, whole_s = min(seconds["half"][1:]), min(seconds["whole"][1:])
    what = f"truncation: {setting.layers // 2} of {setting.layers} layers, 4 windows"
    report(what, half_s, whole_s, "all layers")


def measure_scoring(setting: Setting) -> None:
    rows = setting.rows("eval")
    setting.detector(setting.layers // 2, None).save(setting.root / "half")
    with Stopwatch() as ours:
        score_shard(
            setting.root / "half",
            rows,
            setting.root / "scores.tsv",
            setting.root / "work",
            batch_size=setting.batch_size,
        )
    with Stopwatch() as plain:
        detector = PlainDetector(setting.backbone["folder"], trained=False)
        plain_scores(detector, rows, setting)
    what = f"scoring: {rows.height} files, {setting.layers // 2} of {setting.layers} layers"
    report(what, ours.spent, plain.spent, "plain loop")
    padded = sum(
        group.height * group["duration"].max() for group in rows.iter_slices(setting.batch_size)
    )
    print(
        f"    {rows['duration'].sum():.0f} s of audio, {padded:.0f} s with the plain loop's zeros"
    )


def measure_training(setting: Setting) -> None:
    frontend = {"type": "ssl", "backbone": setting.backbone}
    policy = InputPolicy(length=None)
    recipe = {"epochs": setting.epochs, "batch_size": setting.batch_size, "lr": 1e-3}
    with Stopwatch() as ours:
        readers = []
        for split in ("train", "dev"):
            shard = setting.root / f"{split}.safetensors"
            extract(frontends.build(frontend), policy, setting.rows(split), shard)
            readers.append(FeatureReader([shard]))
        job = TrainingJob(
            objective=Detection,
            frontend=frontend,
            backend={"type": "mhfa", "heads": HEADS, "compression": COMPRESSION},
            policy=policy,
            recipe=resolve_recipe(recipe),
            train=[Source(setting.manifest, "train")],
            dev=[Source(setting.manifest, "dev")],
            seed=1,
            train_features=readers[0],
            dev_features=readers[1],
        )
        train(job, setting.root / "frozen", setting.root / "frozen_work")
    detector = PlainDetector(setting.backbone["folder"], trained=False)
    with Stopwatch() as plain:
        plain_epochs(detector, setting, setting.plain_epochs)
    expected = plain.spent.times(setting.epochs / setting.plain_epochs)
    what = f"training: frozen backbone, {setting.epochs} epochs"
    report(what, ours.spent, expected, f"plain loop (from {setting.plain_epochs} epochs)")


def fine_tuning_seconds(setting: Setting, precision: str) -> float:
    """Seconds of one epoch of ours: the difference of two trainings, so that the start cancels."""
    # The library keeps one precision per process.
    AcceleratorState._reset_state(reset_partial_state=True)
    seconds = []
    # The first one warms up.
    for number, epochs in enumerate((1, 1, 1 + setting.plain_epochs)):
        job = TrainingJob(
            objective=Detection,
            frontend={"type": "ssl", "backbone": setting.backbone, "fine_tune": "all"},
            backend={"type": "mhfa", "heads": HEADS, "compression": COMPRESSION},
            policy=InputPolicy(length=64600),
            recipe=resolve_recipe(
                {
                    "preset": "joint_fine_tuning",
                    "epochs": epochs,
                    "batch_size": setting.batch_size,
                    "accumulate": 1,
                    "mixed_precision": precision,
                }
            ),
            train=[Source(setting.manifest, "train")],
            dev=[Source(setting.manifest, "dev")],
            seed=1,
            device=setting.device,
        )
        folder = setting.root / f"{precision}{number}"
        with Stopwatch() as watch:
            train(job, folder, setting.root / f"{folder.name}_work")
        seconds.append(watch.spent.wall)
    return (seconds[2] - seconds[1]) / setting.plain_epochs


@contextlib.contextmanager
def gpu_load() -> Iterator[list[float]]:
    """The GPU's utilisation in percent, five times a second, as the driver reports it."""
    samples: list[float] = []
    if not torch.cuda.is_available():
        yield samples
        return
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    with subprocess.Popen([*command, "-lms", "200"], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield samples
        finally:
            process.terminate()
            assert process.stdout is not None
            samples += [float(line) for line in process.stdout if line.strip()]


def measure_fine_tuning(setting: Setting) -> None:
    rows = setting.rows("train")
    # A window of 64,600 samples of every clip; the plain loop hears whole clips.
    window_s = rows.height * 64600 / RATE
    speeds = {}
    for precision in ("no", "bf16"):
        with gpu_load() as load:
            seconds = fine_tuning_seconds(setting, precision)
        busy = f"GPU {np.mean(load):.0f} % busy, start included" if load else "no GPU"
        speeds[precision] = window_s / seconds
        name = "float32" if precision == "no" else precision
        print(f"fine-tuning, {name:8} {speeds[precision]:8.1f} s of audio per second   {busy}")
    detector = PlainDetector(setting.backbone["folder"], trained=True).to(setting.device)
    plain_epochs(detector, setting, 1)
    with Stopwatch() as watch:
        plain_epochs(detector, setting, setting.plain_epochs)
    plain = setting.plain_epochs * float(rows["duration"].sum()) / watch.spent.wall
    print(f"fine-tuning, plain    {plain:8.1f} s of audio per second")
    print(
        f"fine-tuning, bf16: {speeds['bf16'] / speeds['no']:.2f} x float32, "
        f"{speeds['bf16'] / plain:.2f} x the plain loop"
    )


MEASUREMENTS = {
    "truncation": measure_truncation,
    "scoring": measure_scoring,
    "training": measure_training,
    "fine-tuning": measure_fine_tuning,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", choices=[*MEASUREMENTS, []], metavar="what")
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument(
        "--clips", type=int, default=32, help="of train and of eval; dev: a quarter"
    )
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--plain-epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", choices=("cpu", "cuda"), help="of fine-tuning")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    device = options.device or ("cuda" if torch.cuda.is_available() else None)
    chosen = options.what or [n for n in MEASUREMENTS if n != "fine-tuning" or device]
    print(
        f"WavLM {options.size}, random weights; {options.threads} threads, device {device or 'cpu'}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_backbone(root / "backbone", options.size)
        sizes = {"train": options.clips, "dev": options.clips // 4, "eval": options.clips}
        setting = Setting(
            root,
            write_clips(root, sizes),
            options.batch_size,
            options.epochs,
            options.plain_epochs,
            device or "cpu",
        )
        for name in chosen:
            # Only fine-tuning leaves the CPU.
            measured = setting if name == "fine-tuning" else replace(setting, device="cpu")
            MEASUREMENTS[name](measured)


if __name__ == "__main__":
    main()
