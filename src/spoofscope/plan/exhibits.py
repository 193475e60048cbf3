"""The rules of figures and tables: one per record, made of what a stage offers."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from spoofscope.errors import SpoofscopeError
from spoofscope.exhibits import Exhibit
from spoofscope.options import nearest
from spoofscope.plan.jobs import Context, Job, Rule, Stage, Work
from spoofscope.plan.materials import Offer
from spoofscope.study import Config

E = TypeVar("E", bound=Exhibit)


class Exhibits(Stage, Generic[E]):
    """All figures, or all tables.

    records: name to record, in the order of the report.

    Args:
        kind: `figure` or `table`: its rules are `{kind}_{name}`.
        room: the package with a module per record.
        offers: what they can be made of, see `plan.materials.offers_of`.

    Raises:
        SpoofscopeError: a record needs what no stage offers.
    """

    def __init__(
        self,
        context: Context,
        kind: str,
        room: str,
        records: Mapping[str, E],
        offers: Mapping[str, Offer],
    ) -> None:
        super().__init__(context)
        self.records = records
        self._kind = kind
        self._room = room
        self._offers: dict[str, Offer] = {}
        self._rules: dict[str, Rule[...]] = {}
        for name, record in records.items():
            if record.needs not in offers:
                raise SpoofscopeError(
                    f"{room}/{name}.py: no stage of the plan offers {record.needs!r}; "
                    f"{nearest(record.needs, offers)}"
                )
            self._offers[name] = offers[record.needs]
            self._rules[f"{kind}_{name}"] = self._rule(name, record, offers[record.needs])

    def _rule(self, name: str, record: E, offer: Offer) -> Rule[...]:
        def work(stage: Stage, *values: str) -> Work:
            material = offer(*values)
            return Work(
                inputs={"files": material.products},
                settings={
                    "name": name,
                    "title": record.title,
                    "caption": record.caption,
                    "about": material.about,
                    "names": self.study.config["names"],
                    **self.more_settings(record),
                    "given": material.given,
                },
                modules=[f"spoofscope.{self._room}.{name}"],
            )

        return Rule(
            f"{self._kind}_{name}",
            self,
            work,
            offer.wildcards,
            offer.absent,
            lambda stage: offer.values,
        )

    def more_settings(self, record: E) -> Config:
        """What its script is told besides."""
        return {}

    def rules(self) -> dict[str, Rule[...]]:
        """Its rules by name, in the order of the report."""
        return self._rules

    def absent(self, name: str) -> str:
        """Why a study may have none of that name; empty where every study has it."""
        return self._offers[name].absent

    def pattern(self, name: str) -> str:
        """The name of its files, with wildcards."""
        return file_name(name, [f"{{{wildcard}}}" for wildcard in self._offers[name].wildcards])

    def log(self, name: str) -> str:
        """The name of its log, with wildcards in folders of their own."""
        wildcards = [f"{{{wildcard}}}" for wildcard in self._offers[name].wildcards]
        return "/".join([f"{self._kind}_{name}", *wildcards])

    def jobs(self) -> list[tuple[str, str, Job]]:
        """Of all that the study has: the record's name, the name of its files, and the job."""
        return [
            (name, file_name(name, values), self.job(name, *values))
            for name, offer in self._offers.items()
            for values in offer.values
        ]

    def job(self, name: str, *values: str) -> Job:
        """The job that makes a figure or table."""
        return self._rules[f"{self._kind}_{name}"](*values)


def file_name(name: str, values: Sequence[str]) -> str:
    """The name of the files of a figure or table, such as `grid_wider_n`."""
    return "_".join((name, *values))
