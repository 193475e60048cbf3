"""Reading a published state dict, and fitting it to the names and shapes of a detector."""

import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from spoofscope.errors import DetectorError

_LISTED = 20
# The largest encoders have about a thousand. More take torch minutes to read.
_MOST_ENTRIES = 20_000
_PARALLEL = "module."


def read_state_dict(path: Path, inside: str | None) -> dict[str, Tensor]:
    """The tensors of a file that torch.save wrote, by name, on the CPU.

    Nothing but tensors and plain containers is unpickled. The prefix that torch's DataParallel puts
    before every name, as often as it wraps a model, is taken off.

    Args:
        path: the file.
        inside: key under which the release has the state dict in a checkpoint, where it has one.

    Raises:
        DetectorError: the file is missing, damaged, no state dict, or holds NaN or infinity.
    """
    if not path.is_file():
        raise DetectorError(f"{path}: no such file")
    try:
        if _n_entries(path) > _MOST_ENTRIES:
            raise DetectorError(
                f"{path}: holds more than {_MOST_ENTRIES} tensors, as no model here does; it is no "
                "state dict of one"
            )
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except DetectorError:
        raise
    except Exception as error:
        # A damaged or hostile pickle may raise anything. torch's own message recommends to allow
        # the execution of code in the file, which this must not.
        raise DetectorError(
            f"{path}: cannot be read ({type(error).__name__}): it is damaged, or is no file of "
            "plain tensors; only state dicts that torch.save wrote are read"
        ) from error
    if inside is not None and isinstance(loaded, dict) and inside in loaded:
        loaded = loaded[inside]
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()
    ):
        raise DetectorError(
            f"{path}: holds something else than tensors by name; save the bare state dict of the "
            "model, without optimiser or epoch"
        )
    state: dict[str, Tensor] = loaded
    strange = [name for name, value in state.items() if not _is_plain(value)]
    if strange:
        raise DetectorError(
            f"{path}: what is stored of {_listing(strange)} is less than the whole tensor, or of a "
            "special layout; save a plain state dict"
        )
    while state and all(name.startswith(_PARALLEL) for name in state):
        state = {name.removeprefix(_PARALLEL): value for name, value in state.items()}
    broken = [name for name, value in state.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise DetectorError(f"{path}: NaN or infinite values in {_listing(broken)}")
    return state


def _n_entries(path: Path) -> int:
    # Files of former versions of torch are no zip archives.
    if not zipfile.is_zipfile(path):
        return 0
    with zipfile.ZipFile(path) as archive:
        return len(archive.infolist())


def _is_plain(tensor: Tensor) -> bool:
    """Whether every value is stored: a view can say that it is larger than any memory."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def fitted(
    state: Mapping[str, Tensor],
    names: Mapping[str, str],
    expected: Mapping[str, Tensor],
    *,
    ignored: Collection[str],
    source: str,
) -> dict[str, Tensor]:
    """The published tensors under our names.

    Args:
        state: published name to tensor.
        names: our name to published name, for every tensor of the detector.
        expected: our name to a tensor of the right shape.
        ignored: published names that may be there and are not used.
        source: begins the message of a refusal.

    Raises:
        DetectorError: tensors are missing, unexpected or of another shape; the message lists them
            by published name, 20 of each kind at most.
    """
    missing = [name for name in names.values() if name not in state]
    unexpected = sorted(state.keys() - set(names.values()) - set(ignored))
    misshapen = [
        f"{published}: {_shape(state[published])} instead of {_shape(expected[name])}"
        for name, published in names.items()
        if published in state and state[published].shape != expected[name].shape
    ]
    problems = [
        f"{len(entries)} {kind} ({_listing(entries)})"
        for kind, entries in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", misshapen),
        )
        if entries
    ]
    if problems:
        raise DetectorError(f"{source}: {'; '.join(problems)}")
    return {name: state[published] for name, published in names.items()}


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"


def _listing(entries: Sequence[str]) -> str:
    more = len(entries) - _LISTED
    return ", ".join(entries[:_LISTED]) + (f" and {more} more" if more > 0 else "")
