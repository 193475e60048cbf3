"""Files of what a tracer gives for the clips of a split: read-out vectors and logits.

One safetensors file: `vectors` float32 (n, D), `logits` float32 (n, K), and `utt_ids`, the ids as
UTF-8 text with a line each, as uint8.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from spoofscope.errors import DetectorError, TableError
from spoofscope.files import atomic_path
from spoofscope.ood.base import Outputs


def write_outputs(path: str | Path, utt_ids: Sequence[str], outputs: Outputs) -> None:
    """Write the outputs for clips, whole or not at all.

    Args:
        path: the file.
        utt_ids: of the clips, n of them; none has a line break.
        outputs: in their order.
    """
    text = "\n".join(utt_ids).encode()
    arrays = {
        "utt_ids": np.frombuffer(text, dtype=np.uint8),
        "vectors": np.ascontiguousarray(outputs.vectors),
        "logits": np.ascontiguousarray(outputs.logits),
    }
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file(arrays, temporary)


def read_outputs(path: str | Path) -> tuple[list[str], Outputs]:
    """The ids of clips, and the outputs in their order.

    Raises:
        TableError: the file is missing or damaged.
        DetectorError: a value is not finite.
    """
    try:
        arrays = safetensors.numpy.load_file(path)
        utt_ids = arrays["utt_ids"].tobytes().decode().split("\n")
        vectors, logits = arrays["vectors"], arrays["logits"]
    except (OSError, safetensors.SafetensorError, KeyError, UnicodeDecodeError) as error:
        raise TableError(f"{path} is no file of a tracer's outputs, or damaged: {error}") from error
    if not len(utt_ids) == len(vectors) == len(logits):
        raise TableError(f"{path} has {len(utt_ids)} ids and {len(vectors)} clips; make it anew")
    for name, values in (("vectors", vectors), ("logits", logits)):
        bad = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        if bad.any():
            raise DetectorError(
                f"{path}: the {name} of {int(bad.sum())} of {len(bad)} clips are not finite, those "
                f"of {utt_ids[int(np.argmax(bad))]!r} first; delete the file, so that it is made "
                "anew"
            )
    return utt_ids, Outputs(vectors, logits)
