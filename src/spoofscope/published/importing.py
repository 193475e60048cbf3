"""From a published state dict to a detector folder."""

from importlib import import_module
from pathlib import Path

from spoofscope.detector import Detector, check_target
from spoofscope.errors import DetectorError
from spoofscope.files import sha256_file
from spoofscope.options import nearest
from spoofscope.published.formats import FORMATS
from spoofscope.published.state import fitted, read_state_dict


def import_detector(
    format_name: str,
    weights: str | Path,
    out_dir: str | Path,
    *,
    backbone: str | Path | None = None,
) -> Detector:
    """Read published weights and write them as a detector folder, whole or not at all.

    The folder's `meta.imported` names the format, the file and its SHA-256. There is no threshold
    and no calibration, so decisions are `inconclusive` until one is fitted.

    Args:
        format_name: a key of `formats.FORMATS`.
        weights: the state dict, as torch.save wrote it.
        out_dir: a new folder, or one with a detector, which is replaced.
        backbone: for formats with an SSL backbone and only for those: a transformers folder of the
            same architecture. Only its config.json is read; the weights are the published ones.

    Raises:
        DetectorError: no such format; the file cannot be read, or has other names or shapes than
            the format; `out_dir` holds something else; the backbone is missing or does not fit.
        ConfigError: the backbone is of another architecture than the format's.
    """
    if format_name not in FORMATS:
        raise DetectorError(f"no format {format_name!r}; {nearest(format_name, FORMATS)}")
    known = FORMATS[format_name]
    if known.needs_backbone != (backbone is not None):
        raise DetectorError(
            f"format {format_name} needs the folder of a backbone (--backbone)"
            if known.needs_backbone
            else f"format {format_name} has no backbone: leave out --backbone"
        )
    check_target(out_dir)
    weights = Path(weights)
    state = read_state_dict(weights)
    family = import_module(known.module)
    detector: Detector = family.untrained(format_name, backbone)
    expected = detector.stored_state()
    names = {name: family.published_name(name) for name in expected}
    source = f"{weights} does not fit the format {format_name}"
    fitting = fitted(state, names, expected, ignored=family.IGNORED, source=source)
    detector.load_stored_state(fitting, str(weights))
    detector.meta["imported"] = {
        "format": format_name,
        "file": weights.name,
        "sha256": sha256_file(weights),
    }
    detector.save(out_dir)
    return detector
