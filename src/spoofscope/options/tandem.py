"""Priors and costs of the tandem detection cost."""

from dataclasses import InitVar, dataclass

from spoofscope.options.declared import Options, option


@dataclass(frozen=True, kw_only=True)
class TandemCosts(Options):
    """Priors of the three kinds of trials, and costs; the defaults are those of all challenges."""

    place: InitVar[str] = "tdcf.costs"

    p_target: float = option(0.9405, minimum=0, maximum=1)
    """Prior of targets; the three priors sum to 1."""
    p_nontarget: float = option(0.0095, minimum=0, maximum=1)
    """Of nontargets."""
    p_spoof: float = option(0.05, minimum=0, maximum=1)
    """Of spoofs."""
    c_miss: float = option(1.0, minimum=0)
    """Of a target that is rejected; in the form of 2019 by the verifier."""
    c_fa: float = option(10.0, minimum=0)
    """Of a nontarget accepted."""
    c_fa_spoof: float = option(10.0, minimum=0)
    """Of a spoof accepted; in the form of 2019 by the detector."""
    c_miss_cm: float = option(1.0, minimum=0)
    """Of a bona fide clip that the detector rejects, in the form of 2019."""
