"""The folder that a detector is kept in: which files, where its backbone is, and its card."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spoofscope.errors import DetectorError
from spoofscope.files import sha256_file
from spoofscope.identity import canonical_json
from spoofscope.selection.calibration import supported_text
from spoofscope.settings import NETWORK_FILE, SETTINGS_FILE, TRACER_FILE

WEIGHTS, CARD = "model.safetensors", "card.md"
_OVER_WINDOWS = {
    "mean": "the mean over windows",
    "median": "the median over windows",
    "max": "that of the window with the most evidence for spoof",
    "top_k": "the mean of the {k} windows with the most evidence for spoof",
}


def check_is_detector(folder: Path) -> None:
    """Refuse a folder that holds no detector, and say what it holds.

    Raises:
        DetectorError: a file is missing.
    """
    of_tracer = any((folder / name).is_file() for name in (TRACER_FILE, NETWORK_FILE))
    if of_tracer and not (folder / SETTINGS_FILE).is_file():
        raise DetectorError(
            f"{folder} is the folder of a tracer, which names attacks and gives no score of bona "
            f"fide speech; trace with `spoofscope trace`, or give a folder with a {SETTINGS_FILE}"
        )
    for name in (SETTINGS_FILE, WEIGHTS):
        if not (folder / name).is_file():
            raise DetectorError(f"{folder} is no detector folder: it has no {name}")


def check_target(folder: str | Path) -> None:
    """Refuse to replace a folder that holds anything but a detector.

    Raises:
        DetectorError: it does.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise DetectorError(f"{folder} is a file; a detector needs a folder")
    our_files = {SETTINGS_FILE, WEIGHTS, CARD, "history.tsv"}
    others = [
        path.name
        for path in (sorted(folder.iterdir()) if folder.exists() else [])
        if path.name not in our_files and not path.name.endswith(".origin.json")
    ]
    if others:
        raise DetectorError(
            f"{folder} holds other files ({', '.join(others[:5])}), which a detector written "
            "there would replace; choose another folder"
        )


def backbone_place(relative: str, detector: Path) -> str:
    """Where a backbone's folder is, see `Detector.load`; `relative` where it is nowhere."""
    if not Path(relative).is_dir():
        for above in detector.resolve().parents:
            if (above / relative).is_dir():
                return str(above / relative)
    return relative


def backbone_entry(frontend_config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The backbone entry of a front-end with the hash of its folder, or None without one."""
    entry = frontend_config.get("backbone")
    if entry is None:
        return None
    if "folder" not in entry:
        return dict(entry)
    if not Path(entry["folder"]).is_dir():
        raise DetectorError(
            f"the backbone folder {entry['folder']} does not exist; run from the folder where the "
            "study was run, or put the backbone there"
        )
    # Only what is loaded: notes that others keep in the folder are no part of the backbone.
    files = [
        *Path(entry["folder"]).glob("*.safetensors"),
        *Path(entry["folder"]).glob("*config.json"),
    ]
    hashes = {file.name: sha256_file(file) for file in files}
    return {**entry, "sha256": hashlib.sha256(canonical_json(hashes).encode()).hexdigest()}


def _score_of(backend: Mapping[str, Any]) -> str:
    if backend.get("n_outputs") == 0:
        return "the cosine to a prototype of bona fide speech (OC-softmax)"
    return "a number without a unit"


def card(settings: Mapping[str, Any]) -> str:
    """What `detector.json` says, in words."""
    policy, meta = settings["input"], settings["meta"]
    length, aggregate = policy["length"], settings["aggregate"]
    over_windows = _OVER_WINDOWS[aggregate["method"]].format(**aggregate)
    window = "whole clips" if length is None else f"{length / policy['sample_rate']:g} s windows"
    lines = [
        f"# Speech-deepfake detector: {settings['frontend']['type']} + "
        f"{settings['backend']['type']}",
        "",
        f"- Input: mono, {policy['sample_rate']} Hz, {window}; the score is {over_windows}.",
        f"- Score: {_score_of(settings['backend'])}, {settings['polarity']}.",
        f"- Logits: {', '.join(settings['outputs'])}.",
    ]
    backbone = settings["backbone"]
    if backbone is not None and "architecture" in backbone:
        lines.append(f"- Backbone: {backbone['family']}, all of its weights in this folder.")
    elif backbone is not None:
        source = backbone.get("hub") or backbone.get("folder")
        pin = backbone.get("revision") or backbone.get("sha256")
        lines.append(f"- Backbone: {source} ({pin}).")
    if meta["threshold"] is not None:
        lines.append(
            f"- Threshold at the development set's equal error rate: {meta['threshold']:.6g}."
        )
    if "dev_eer" in meta:
        lines.append(f"- Equal error rate on the development set: {100 * meta['dev_eer']:.2f} %.")
    if "imported" in meta:
        imported = meta["imported"]
        lines.append(
            f"- Published weights of format {imported['format']}, from {imported['file']} "
            f"(SHA-256 {imported['sha256']})."
        )
    for source in meta.get("trained_on", []):
        lines.append(
            f"- Trained on {source['manifest']}, split {source['split']}: "
            f"{source['n_bonafide']} bona fide, {source['n_spoof']} spoof."
        )
    judged = "not judged" if settings["reference"] else "not recognised as such"
    calibration = settings["calibration"]
    if calibration is None:
        lines.append("- Calibration: none, so there is no likelihood ratio and no probability.")
    else:
        lines.append(f"- Calibration: {supported_text(calibration)}.")
    lines += [
        f"- Recordings unlike the training data are {judged}.",
        "",
        "A likelihood ratio says how much more often development clips of one class than of the",
        "other scored like this clip. It is no proof: speech from other attacks, channels or",
        "codecs than those of the training may be judged wrongly.",
        "",
    ]
    return "\n".join(lines)
