"""Seconds of audio per second of computing, for every effect, on one core.

Run from the repository: python benchmarks/augmentation.py. Needs no data: clips and noises are
synthetic and live in a temporary folder.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from spoofscope.audio import write
from spoofscope.augmentation.chain import Chain, utterance_rng
from spoofscope.augmentation.codec import codecs_available

RATE = 16000
CLIP_SECONDS = 4.0
CLIPS = 25


def make_sources(root: Path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    for category in ("noise", "music", "speech"):
        for number in range(8):
            noise = 0.3 * rng.uniform(-1, 1, 30 * RATE)
            write(root / "musan" / category / "made" / f"{number}.wav", noise, RATE)
    response = 0.02 * rng.standard_normal(RATE // 2) * np.exp(-np.arange(RATE // 2) / 2000)
    response[60] = 0.9
    for room in ("smallroom", "mediumroom", "largeroom"):
        write(root / "rirs" / "simulated_rirs" / room / "Room001" / "1.wav", response, RATE)
    return {"musan": root / "musan", "rirs": root / "rirs"}


def main() -> None:
    steps = [{"effect": "musan", "categories": {c: [5, 15]}} for c in ("noise", "speech")]
    steps.append({"effect": "rir"})
    steps.extend({"effect": "rawboost", "algorithm": number} for number in range(1, 9))
    steps.extend({"effect": "codec", "codecs": [{"name": name}]} for name in codecs_available())
    rng = np.random.default_rng(1)
    envelope = np.abs(np.sin(np.arange(int(CLIP_SECONDS * RATE)) / 4000))
    clips = [
        (0.2 * envelope * rng.uniform(-1, 1, envelope.size)).astype(np.float32)
        for _ in range(CLIPS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        sources = make_sources(Path(folder))
        for step in steps:
            chain = Chain([step], sources, RATE)
            start = time.perf_counter()
            for number, clip in enumerate(clips):
                chain(clip, utterance_rng(0, 0, str(number)))
            speed = CLIPS * CLIP_SECONDS / (time.perf_counter() - start)
            options = {key: value for key, value in step.items() if key != "effect"}
            print(f"{step['effect']:9s} {speed:8.0f} x real time  {options or ''}")


if __name__ == "__main__":
    main()
