"""Tandem detection cost: the cost of a countermeasure in front of a given speaker verifier.

Two forms are in use, and their numbers cannot be compared: `2019`, as in ASVspoof 2019 (Kinnunen
et al., "t-DCF: a detection cost function for the tandem assessment of spoofing countermeasures and
automatic speaker verification", 2018), and `2021`, as in ASVspoof 2021 and 5 (Kinnunen et al.,
"Tandem assessment of spoofing countermeasures and automatic speaker verification: fundamentals",
2020), which also counts the errors that the verifier makes without any spoof. Both are affine in
the countermeasure's two error rates.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.errors import ConfigError, SpoofscopeError, TableError
from spoofscope.files import no_file
from spoofscope.options import check_keys
from spoofscope.options.tandem import TandemCosts
from spoofscope.rows import finite_number, rows
from spoofscope.selection.operating_points import Floats, check_class, det_curve, eer

FORMS = ("2019", "2021")
_KEYS = ("target", "nontarget", "spoof")


class AsvRates(NamedTuple):
    """Error rates of the speaker verifier at its threshold, shares in [0, 1].

    p_miss: of target trials rejected. p_fa: of nontarget trials accepted. p_fa_spoof: of spoofs
    accepted.
    """

    p_miss: float
    p_fa: float
    p_fa_spoof: float


class Tandem(NamedTuple):
    """The cost as a function of the countermeasure: floor + miss P_miss + fa P_fa, all >= 0.

    `floor` is the cost of the verifier alone, 0 in the form of 2019.
    """

    floor: float
    miss: float
    fa: float

    @property
    def default(self) -> float:
        """The cost of the better of accepting all trials and rejecting all trials."""
        return self.floor + min(self.miss, self.fa)


def read_asv_scores(path: str | Path) -> dict[str, Floats]:
    """Read a verifier's scores: lines that end in the key and the score.

    That is the form of the files that come with ASVspoof 2019, `source key score`. Keys are target,
    nontarget and spoof; higher scores speak for the claimed speaker.

    Returns:
        Key to scores (n,).

    Raises:
        TableError: the file is missing, a line does not end so, a score is not finite, or a key has
            no trials; file and line are named.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError(no_file(path, "file of ASV scores"))
    scores: dict[str, list[float]] = {key: [] for key in _KEYS}
    for number, fields in rows(path, " "):
        if len(fields) < 2 or fields[-2] not in scores:
            raise TableError(
                f"{path}: line {number}: {' '.join(fields)!r} does not end in a key "
                f"({', '.join(_KEYS)}) and a score"
            )
        value = finite_number(fields[-1])
        if value is None:
            raise TableError(f"{path}: line {number}: {fields[-1]!r} is no finite number")
        scores[fields[-2]].append(value)
    for key, values in scores.items():
        if not values:
            raise TableError(f"{path}: there are no trials with key {key!r}")
    return {key: np.array(values) for key, values in scores.items()}


def asv_rates(target: npt.ArrayLike, nontarget: npt.ArrayLike, spoof: npt.ArrayLike) -> AsvRates:
    """The verifier's error rates at its equal error rate between targets and nontargets.

    Raises:
        SpoofscopeError: as `check_class`, for any of the three.
    """
    names = ("target", "nontarget", "spoof")
    targets, others, spoofs = map(check_class, names, (target, nontarget, spoof))
    threshold = eer(targets, others).threshold
    return AsvRates(
        float(np.mean(targets < threshold)),
        float(np.mean(others >= threshold)),
        float(np.mean(spoofs >= threshold)),
    )


def tandem(form: str, rates: AsvRates, costs: TandemCosts | None = None) -> Tandem:
    """The cost function behind a verifier with these error rates.

    2019: miss = p_target (c_miss_cm - c_miss p_miss) - p_nontarget c_fa p_fa and
    fa = c_fa_spoof p_spoof p_fa_spoof. 2021: floor = p_target c_miss p_miss + p_nontarget c_fa
    p_fa, miss = p_target c_miss - floor, fa = p_spoof c_fa_spoof p_fa_spoof.

    Raises:
        ConfigError: an unknown form, a rate outside [0, 1], or priors that do not sum to 1.
        SpoofscopeError: the verifier is so bad that rejecting bona fide trials would pay, or
            accepts no spoof at all, so that there is nothing to be gained.
    """
    costs = costs or TandemCosts()
    if form not in FORMS:
        raise ConfigError(f"tdcf: form must be one of {', '.join(FORMS)}, not {form!r}")
    for name, rate in rates._asdict().items():
        if not 0 <= rate <= 1:
            raise ConfigError(f"tdcf: the ASV error rate {name} must be from 0 to 1, not {rate}")
    if not math.isclose(costs.p_target + costs.p_nontarget + costs.p_spoof, 1, abs_tol=1e-9):
        raise ConfigError("tdcf: p_target, p_nontarget and p_spoof must sum to 1")
    by_itself = (
        costs.p_target * costs.c_miss * rates.p_miss + costs.p_nontarget * costs.c_fa * rates.p_fa
    )
    fa = costs.p_spoof * costs.c_fa_spoof * rates.p_fa_spoof
    if form == "2019":
        result = Tandem(0.0, costs.p_target * costs.c_miss_cm - by_itself, fa)
    else:
        result = Tandem(by_itself, costs.p_target * costs.c_miss - by_itself, fa)
    if min(result.miss, result.fa) <= 0:
        raise SpoofscopeError(
            f"tdcf: a verifier with P_miss {rates.p_miss:.4g}, P_fa {rates.p_fa:.4g} and "
            f"{rates.p_fa_spoof:.4g} of the spoofs accepted leaves a countermeasure nothing to "
            "gain; are its scores higher for targets?"
        )
    return result


def tandem_from(options: Mapping[str, Any], scores: str | Path | None) -> Tandem:
    """The cost function of an entry of the study file's section `tdcf`.

    Args:
        options: form; rates (p_miss, p_fa, p_fa_spoof) where there are no scores; costs.
        scores: the verifier's score file, or None.

    Raises:
        ConfigError: an unknown key. Otherwise as :func:`tandem` and :func:`read_asv_scores`.
    """
    costs = options.get("costs", {})
    if scores is not None:
        rates = asv_rates(**read_asv_scores(scores))
    else:
        check_keys(options["rates"], AsvRates._fields, "tdcf.rates")
        rates = AsvRates(**options["rates"])
    return tandem(options["form"], rates, TandemCosts.from_dict(costs))


def min_tdcf(bonafide: npt.ArrayLike, spoof: npt.ArrayLike, cost: Tandem) -> float:
    """Minimum normalised tandem cost over all thresholds of the countermeasure.

    Divided by the cost of the better of its two trivial decisions, so 1 is as good as none. A
    perfect countermeasure reaches 0 in the form of 2019 and floor / (floor + min(miss, fa)) in that
    of 2021.

    Raises:
        SpoofscopeError: as `check_scores`.
    """
    curve = det_curve(bonafide, spoof)
    costs = cost.floor + cost.miss * curve.p_miss + cost.fa * curve.p_fa
    return float(costs.min()) / cost.default


def act_tdcf(bonafide: npt.ArrayLike, spoof: npt.ArrayLike, cost: Tandem) -> float:
    """Normalised tandem cost at the Bayes threshold ln(fa / miss); can exceed 1.

    The scores are read as natural-log likelihood ratios, bona fide over spoof, so the value means
    something for calibrated scores only.

    Raises:
        SpoofscopeError: as `check_scores`.
    """
    threshold = math.log(cost.fa / cost.miss)
    p_miss = float(np.mean(check_class("bona fide", bonafide) < threshold))
    p_fa = float(np.mean(check_class("spoof", spoof) >= threshold))
    return (cost.floor + cost.miss * p_miss + cost.fa * p_fa) / cost.default
