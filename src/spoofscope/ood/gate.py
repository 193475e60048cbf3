"""Several detectors as one: a logistic regression over their scores."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from spoofscope.errors import DetectorError
from spoofscope.ood.base import Array, Classes, Fitted, Floats, OodDetector, Outputs
from spoofscope.ood.registry import build, restore
from spoofscope.ood.thresholds import check_kinds
from spoofscope.options.ood import Gate as GateOptions
from spoofscope.selection.calibration import fit_logistic


class Gate(OodDetector[GateOptions]):
    """w . s + b, the log-odds of unknown, with the standardised scores s of the members.

    The members are fitted on train, the weights on dev with as much weight for the known clips as
    for the unknown ones. So dev has to have unknown attacks, and eval others.
    """

    options_type = GateOptions

    def __init__(self, options: GateOptions) -> None:
        """Build the members.

        Raises:
            ConfigError: a member or one of its options is none.
            DetectorError: a member is a gate itself.
        """
        super().__init__(options)
        self._members = [build(member) for member in options.members]
        if any(isinstance(member, Gate) for member in self._members):
            raise DetectorError("a member of a gate cannot be a gate; list its members")

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        for member in self._members:
            member.fit(train, classes)
        return self._of_members()

    def _of_members(self) -> dict[str, Array]:
        return {
            f"{place}.{name}": values
            for place, member in enumerate(self._members)
            for name, values in member.arrays().items()
        }

    def fit_on_dev(self, dev: Outputs, known: npt.NDArray[np.bool_]) -> Self:
        """Fit the weights, after :meth:`fit`.

        Args:
            dev: of clips of known and of unknown attacks.
            known: (n,) which are known.

        Returns:
            itself.

        Raises:
            DetectorError: no known or no unknown clip; a member says the same of all of them.
        """
        arrays = self.arrays()
        check_kinds(known, "dev")
        scores = self._member_scores(dev)
        same = np.ptp(scores, axis=0) == 0
        if same.any():
            member = self.options.members[int(np.argmax(same))]["type"]
            raise DetectorError(
                f"the member {member!r} of a gate says the same of all clips of dev; leave it out"
            )
        centre, spread = scores.mean(axis=0), scores.std(axis=0)
        weights = np.where(known, 0.5 / known.sum(), 0.5 / (~known).sum())
        fitted = fit_logistic(
            (scores - centre) / spread,
            (~known).astype(np.float64),
            weights,
            0.0,
            self.options.ridge,
        )
        slopes = fitted[:-1] / spread
        self._fitted = {**arrays, "slopes": slopes, "offset": fitted[-1:] - slopes @ centre}
        return self

    def _member_scores(self, outputs: Outputs) -> Floats:
        return np.stack([member.ood_scores(outputs) for member in self._members], axis=1)

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        if "slopes" not in fitted:
            raise DetectorError("a gate has to be fitted on dev, too, before it is asked")
        scores: Floats = self._member_scores(block) @ fitted["slopes"] + fitted["offset"]
        return scores

    @classmethod
    def from_arrays(cls, options: GateOptions, arrays: Mapping[str, Array]) -> Self:
        """As of every detector; its members are fitted, too."""
        gate = super().from_arrays(options, arrays)
        gate._members = [
            restore(
                member,
                {
                    name.removeprefix(f"{place}."): values
                    for name, values in arrays.items()
                    if name.startswith(f"{place}.")
                },
            )
            for place, member in enumerate(options.members)
        ]
        return gate

    def config(self) -> dict[str, Any]:
        """Its options and those of its members as plain values, without the key `type`."""
        members = [
            {"type": member["type"], **own.config()}
            for member, own in zip(self.options.members, self._members, strict=True)
        ]
        return {**super().config(), "members": members}
