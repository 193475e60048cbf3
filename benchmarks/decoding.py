"""What reading costs: audio.info and audio.read beside the bare decoder, per clip of four seconds.

    .venv/bin/python benchmarks/decoding.py

Times are of the processor, in milliseconds, the least of seven rounds. The bare decoder is
libsndfile through soundfile, which compares no MD5 and no structure.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from spoofscope import audio

RATE = 16000
ROUNDS = 7
REPEATS = 30


def milliseconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(REPEATS):
            work()
        best = min(best, (time.process_time() - start) / REPEATS)
    return 1000 * best


def main() -> None:
    rng = np.random.default_rng(1)
    times = np.arange(4 * RATE) / RATE
    clip = 0.3 * np.sin(2 * np.pi * 200 * times) * (0.5 + 0.5 * np.sin(3 * times))
    clip += 0.02 * rng.standard_normal(clip.size)
    stereo = np.stack([clip, clip / 2], axis=1)
    print(f"{'file':12}{'info':>8}{'read':>8}{'bare':>8}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name, samples in (
            ("mono.wav", clip),
            ("mono.flac", clip),
            ("mono.ogg", clip),
            ("mono.mp3", clip),
            ("stereo.wav", stereo),
            ("stereo.flac", stereo),
        ):
            path = str(Path(folder) / name)
            soundfile.write(path, samples, RATE)
            info = milliseconds(lambda path=path: audio.info(path))
            read = milliseconds(lambda path=path: audio.read(path))
            bare = milliseconds(lambda path=path: soundfile.read(path, dtype="float32"))
            print(f"{name:12}{info:8.2f}{read:8.2f}{bare:8.2f}{read / bare:8.2f}")


if __name__ == "__main__":
    main()
