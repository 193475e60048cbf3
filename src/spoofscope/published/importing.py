"""From a published state dict to a detector folder."""

from importlib import import_module
from pathlib import Path

from spoofscope.detector import Detector
from spoofscope.detector_folder import check_target
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
    wavelet: str | None = None,
    stft: bool = False,
    mean: float | None = None,
    std: float | None = None,
) -> Detector:
    """Read published weights and write them as a detector folder, whole or not at all.

    The folder's `meta.imported` names the format, the file and its SHA-256, and what else the
    import was told. There is no threshold and no calibration, so decisions are `inconclusive` until
    one is fitted.

    What a format takes of the arguments behind the folder is in `formats.FORMATS`.

    Args:
        format_name: a key of `formats.FORMATS`.
        weights: the state dict, or the checkpoint that it is in, as torch.save wrote it.
        out_dir: a new folder, or one with a detector, which is replaced.
        backbone: of an SSL model: a transformers folder of the same architecture. Only its
            config.json is read; the weights are the published ones.
        wavelet, stft: the front-end: a wavelet of the packets, or whether it is an STFT.
        mean, std: of the training set's features.

    Raises:
        DetectorError: no such format; the file cannot be read, or has other names or shapes than
            the format; `out_dir` holds something else; an argument is missing, does not fit, or is
            none of the format's.
        ConfigError: the backbone is of another architecture than the format's.
    """
    if format_name not in FORMATS:
        raise DetectorError(f"no format {format_name!r}; {nearest(format_name, FORMATS)}")
    known = FORMATS[format_name]
    possible = {
        "backbone": backbone,
        "wavelet": wavelet,
        "stft": stft or None,
        "mean": mean,
        "std": std,
    }
    arguments = {name: value for name, value in possible.items() if value is not None}
    for name in arguments:
        if name not in known.takes:
            raise DetectorError(f"format {format_name} has no {name}: leave out --{name}")
    check_target(out_dir)
    family = import_module(known.module)
    detector: Detector = family.untrained(format_name, arguments)
    weights = Path(weights)
    state = read_state_dict(weights, family.INSIDE)
    expected = detector.stored_state()
    names = {name: theirs for name in expected if (theirs := family.published_name(name))}
    source = f"{weights} does not fit the format {format_name}"
    fitting = fitted(state, names, expected, ignored=family.IGNORED, source=source)
    detector.load_stored_state({**expected, **fitting}, str(weights))
    detector.meta["imported"] = {
        "format": format_name,
        "file": weights.name,
        "sha256": sha256_file(weights),
        # The backbone's folder may go: what was read of it is in the front-end's settings.
        **{name: value for name, value in arguments.items() if name != "backbone"},
    }
    detector.save(out_dir)
    return detector
