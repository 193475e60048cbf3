"""Which figures a study has."""

from collections.abc import Mapping
from functools import cached_property

from spoofscope import exhibits
from spoofscope.errors import ConfigError
from spoofscope.plan.exhibits import Exhibits
from spoofscope.plan.grids import NO_GRIDS, Grids
from spoofscope.plan.jobs import Context, Product, target
from spoofscope.plan.materials import Offer
from spoofscope.plan.tables import Tables
from spoofscope.study import MOST_SHOWN, Config, Study

SUFFIXES = ("pdf", "png", "tsv")


class Figures(Exhibits[exhibits.Figure]):
    """One rule per figure, in the order of the report."""

    @staticmethod
    def check(study: Study) -> None:
        """Which systems figures show, and whether a figure has room for them."""
        for section in ("reliability", "figures"):
            study.references.check_systems(section)
        if "figures" in study.config and len(study.shown()) > MOST_SHOWN:
            raise ConfigError(
                f"figures.systems: with their seeds these are {len(study.shown())}; figures can "
                f"show {MOST_SHOWN}"
            )

    def __init__(
        self, context: Context, grids: Grids, tables: Tables, offers: Mapping[str, Offer]
    ) -> None:
        super().__init__(context, "figure", "figures", exhibits.figures(), offers)
        self._grids = grids
        self._tables = tables

    @cached_property
    def described(self) -> list[Config]:
        """What the report says of all figures of the study, and where they are."""
        return [
            {
                "name": file,
                "title": self.records[name].title,
                "caption": self.records[name].caption,
                "section": self.records[name].section,
                # What `snakemake` makes it again by.
                "target": f"figure_{name}" if file == name else self.layout.figure(file, "pdf"),
                "image": job.product(self.layout.figure(file, "png")),
            }
            for name, file, job in self.jobs()
        ]

    @target()
    def figures(self) -> list[Product]:
        """Every figure of the study."""
        return [
            job.product(self.layout.figure(file, suffix))
            for _, file, job in self.jobs()
            for suffix in SUFFIXES
        ]

    @target(absent=NO_GRIDS)
    def grids(self) -> list[Product]:
        """Error rates over the points of every grid: tables and figures."""
        return [
            path
            for grid in self.study.grids
            for path in (
                *self._grids.points(grid),
                self._tables.of("grid", grid),
                *(
                    self.job("grid", grid).product(self.layout.figure(f"grid_{grid}", suffix))
                    for suffix in SUFFIXES
                ),
            )
        ]
