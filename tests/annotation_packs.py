"""Packs of clips to label, made by hand."""

import numpy as np

from spoofscope import audio
from spoofscope.labelling.pack import Pack, PackedDetector, write_pack

RATE = 16000
DETECTORS = ("first", "second")


def detector(name):
    return PackedDetector(
        name=name,
        run=f"{name}-01234567",
        seed=1,
        method="integrated_gradients",
        hop_seconds=0.01,
        first_centre_seconds=0.005,
        threshold=0.0,
    )


def clip(path, utt_id, label="spoof", attack="A01", **more):
    """The row of a manifest, with scores and evidence."""
    row = {
        "utt_id": utt_id,
        "path": str(path),
        "split": "eval",
        "label": label,
        "attack": attack,
        "speaker": "S1",
        "duration": 1.0,
        "sample_rate": RATE,
        **more,
    }
    evidence = np.zeros(100, np.float32)
    evidence[40:60] = 1.5
    evidence[60:70] = -0.5
    evidence[95:] = np.nan
    return row, dict.fromkeys(DETECTORS, -1.25), dict.fromkeys(DETECTORS, evidence)


def make_pack(folder, n=3, about=None):
    """A pack of short clips, whose odd ones are bona fide."""
    rng = np.random.default_rng(1)
    folder.parent.mkdir(parents=True, exist_ok=True)
    clips = []
    for i in range(n):
        path = folder.parent / f"clip{i}.wav"
        audio.write(path, 0.1 * rng.standard_normal(RATE), RATE)
        classes = ("bonafide", "-") if i % 2 else ("spoof", "A01")
        clips.append(clip(path, f"U{i}", *classes, codec="none"))
    about = about or {"study": "s", "corpus": "c", "split": "eval"}
    write_pack(folder, about, 1, [detector(name) for name in DETECTORS], clips)
    return Pack(folder)
