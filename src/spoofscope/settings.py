"""`detector.json`: what a detector's folder says about the detector, checked value by value.

The file carries the hash of its own content, so that a digit that was changed by hand or by a disk
is seen before it changes a verdict. No torch at import: figures read calibrations from here.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from spoofscope.errors import DetectorError, SpoofscopeError
from spoofscope.files import read_json, write_json
from spoofscope.identity import canonical_json

SETTINGS_FILE = "detector.json"
TRACER_FILE, NETWORK_FILE = "tracer.json", "network.json"
"""What the folders of a tracer, and of its network, have in its place."""

POLARITY = "higher = bona fide"
DEFAULT_BAND = 0.1

_FORMAT = 2
_HASH = "settings_sha256"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_TRIALS = 10**12


def settings_hash(settings: Mapping[str, Any]) -> str:
    """SHA-256 of all settings but the hash itself, however the file is laid out."""
    content = {key: value for key, value in settings.items() if key != _HASH}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def write_settings(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write `detector.json` with format and hash; returns all that it holds."""
    content: dict[str, Any] = {"format": _FORMAT, **settings}
    content[_HASH] = settings_hash(content)
    write_json(folder / SETTINGS_FILE, content)
    return content


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read a `detector.json`.

    Raises:
        DetectorError: the file is missing, damaged or altered, of another format, or holds a value
            that has no meaning; the key is named.
    """
    path = Path(path)
    try:
        settings = read_json(path)
    except RecursionError:
        raise DetectorError(f"{path} is damaged: it is nested without end") from None
    except SpoofscopeError as error:
        raise DetectorError(str(error)) from error
    if not isinstance(settings, dict):
        raise DetectorError(f"{path} is no description of a detector: it holds no keys")
    _check_format(path, settings)
    missing = [key for key in (*_CHECKS, _HASH) if key not in settings]
    if missing:
        raise DetectorError(f"{path} lacks the key {missing[0]!r}: copy the detector again")
    unknown = [key for key in settings if key not in {*_CHECKS, _HASH, "format"}]
    if unknown:
        raise DetectorError(f"{path}: unknown key {unknown[0]!r}")
    try:
        same = settings[_HASH] == settings_hash(settings)
    except ValueError:  # canonical JSON knows no NaN
        same = False
    if not same:
        raise DetectorError(
            f"{path} is not as it was written (its {_HASH} is that of another content): it was "
            "altered or damaged; copy the detector again, or train or import it again"
        )
    for key, check in _CHECKS.items():
        try:
            check(settings[key])
        except _Odd as odd:
            raise DetectorError(f"{path}: {key}{odd}") from None
    return settings


def _check_format(path: Path, settings: Mapping[str, Any]) -> None:
    found = settings.get("format")
    if type(found) is int and found == _FORMAT:
        return
    if type(found) is int and found == 1:
        raise DetectorError(
            f"{path}: format 1 has neither a hash of its settings nor bounds of its likelihood "
            "ratios, so it cannot be verified: train the detector again, or import its published "
            "weights again"
        )
    raise DetectorError(
        f"{path}: format {found!r} cannot be read by this version, which reads format {_FORMAT}"
    )


class _Odd(Exception):
    """A value without a meaning; the text continues the key's name."""


def _said(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _need(condition: bool, value: object, what: str, key: str = "") -> None:
    if not condition:
        raise _Odd(f"{key} must be {what}, not {_said(value)}")


def is_number(value: object) -> bool:
    """Whether a value is a finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object, least: int) -> bool:
    return type(value) is int and least <= value <= _MOST_TRIALS


def _component(value: Any) -> None:
    _need(isinstance(value, dict), value, "a mapping")
    _need(isinstance(value.get("type"), str), value.get("type"), "a name", ".type")


def _mapping(value: Any) -> None:
    _need(isinstance(value, dict), value, "a mapping")


def _outputs(value: Any) -> None:
    good = isinstance(value, list) and all(isinstance(name, str) for name in value)
    _need(good and value, value, "a list of names")


def _polarity(value: Any) -> None:
    _need(value == POLARITY, value, repr(POLARITY))


def _boolean(value: Any) -> None:
    _need(isinstance(value, bool), value, "true or false")


def _sha256(value: Any) -> None:
    good = isinstance(value, str) and _SHA256.fullmatch(value)
    _need(bool(good), value, "64 hexadecimal digits")


def _backbone(value: Any) -> None:
    _need(value is None or isinstance(value, dict), value, "a mapping or null")
    for key, entry in (value or {}).items():
        if key in ("family", "folder", "hub", "revision", "sha256"):
            _need(isinstance(entry, str), entry, "a text", f".{key}")


def _meta(value: Any) -> None:
    _mapping(value)
    threshold = value.get("threshold")
    _need(threshold is None or is_number(threshold), threshold, "a number or null", ".threshold")
    if "dev_eer" in value:
        rate = value["dev_eer"]
        _need(is_number(rate) and 0 <= rate <= 1, rate, "a number from 0 to 1", ".dev_eer")
    for key in ("trained_on", "dev"):
        sources = value.get(key, [])
        good = isinstance(sources, list) and all(isinstance(source, dict) for source in sources)
        _need(good, sources, "a list of mappings", f".{key}")
    if "imported" in value:
        _need(isinstance(value["imported"], dict), value["imported"], "a mapping", ".imported")


def _calibration(value: Any) -> None:
    if value is None:
        return
    _mapping(value)
    for key in value:
        _need(key in _CALIBRATION, key, f"one of {', '.join(_CALIBRATION)}", ", a key,")
    for key, (check, what) in _CALIBRATION.items():
        _need(key in value and check(value[key]), value.get(key), what, f".{key}")


_CALIBRATION: dict[str, tuple[Callable[[Any], bool], str]] = {
    "scale": (
        lambda x: is_number(x) and 1e-9 <= x <= 1e9,
        "a number from 1e-9 to 1e9 (a negative scale would turn the scores round)",
    ),
    "offset": (lambda x: is_number(x) and abs(x) <= 1e9, "a number"),
    "prior": (lambda x: is_number(x) and 0 < x < 1, "a number between 0 and 1"),
    "band": (lambda x: is_number(x) and 0 <= x < 0.5, "a number from 0 to below 0.5"),
    "lower": (lambda x: is_number(x) and -50 <= x <= 0, "a natural logarithm of at most 0"),
    "upper": (lambda x: is_number(x) and 0 <= x <= 50, "a natural logarithm of at least 0"),
    "n_bonafide": (lambda x: _is_count(x, 1), "a number of trials"),
    "n_spoof": (lambda x: _is_count(x, 1), "a number of trials"),
    "n_speakers": (lambda x: x is None or _is_count(x, 1), "a number of speakers or null"),
}

_CHECKS: dict[str, Callable[[Any], None]] = {
    "frontend": _component,
    "backend": _component,
    "input": _mapping,
    "aggregate": _mapping,
    "outputs": _outputs,
    "polarity": _polarity,
    "calibration": _calibration,
    "backbone": _backbone,
    "reference": _boolean,
    "weights_sha256": _sha256,
    "meta": _meta,
}


def checked_calibration(calibration: Mapping[str, Any]) -> dict[str, Any]:
    """A calibration as `detector.json` keeps it.

    Args:
        calibration: as `selection.calibration.fit_calibration` gives it; `band` (default 0.1),
            within which of one half a posterior decides nothing, and `n_speakers`, of the
            development set, None (the default) where they are not known.

    Raises:
        DetectorError: a number is missing, not finite or out of range, or a key is unknown.
    """
    values = {"band": DEFAULT_BAND, "n_speakers": None, **calibration}
    try:
        _calibration(values)
    except _Odd as odd:
        raise DetectorError(f"calibration{odd}") from None
    return values


def stored_calibration(path: str | Path) -> dict[str, Any] | None:
    """How the scores of a detector or of a fusion become likelihood ratios; None where unknown.

    Args:
        path: a `detector.json`, or the file of a fusion.

    Raises:
        SpoofscopeError: the file is missing or damaged.
    """
    calibration: dict[str, Any] | None = _stored(path)["calibration"]
    return calibration


def stored_threshold(path: str | Path) -> float | None:
    """The score at the equal error rate on development data; None where none is known.

    Args:
        path: a `detector.json`, or the file of a fusion.

    Raises:
        SpoofscopeError: the file is missing or damaged.
    """
    told = _stored(path)
    threshold: float | None = told.get("meta", told).get("threshold")
    return threshold


def _stored(path: str | Path) -> dict[str, Any]:
    if Path(path).name == SETTINGS_FILE:
        return read_settings(path)
    fusion: dict[str, Any] = read_json(path)
    return fusion


def read_sealed(path: Path, form: int, keys: Iterable[str], what: str) -> dict[str, Any]:
    """Read a JSON file that carries the hash of its own content, see :func:`settings_hash`.

    Args:
        path: the file.
        form: the value of its key `format`.
        keys: that it has to have.
        what: it describes, for messages, such as "tracer".

    Raises:
        DetectorError: the file is missing, damaged or altered, or of another format.
    """
    try:
        settings = read_json(path)
    except SpoofscopeError as error:
        raise DetectorError(str(error)) from error
    if not isinstance(settings, dict) or settings.get("format") != form:
        raise DetectorError(f"{path} describes no {what} of format {form}")
    missing = [key for key in (*keys, _HASH) if key not in settings]
    if missing:
        raise DetectorError(f"{path} lacks the key {missing[0]!r}: copy the {what} again")
    try:
        same = settings[_HASH] == settings_hash(settings)
    except ValueError:  # canonical JSON knows no NaN
        same = False
    if not same:
        raise DetectorError(
            f"{path} is not as it was written: it was altered or damaged; copy the {what} again"
        )
    return settings
