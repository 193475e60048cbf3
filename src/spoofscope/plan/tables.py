"""Which tables a study has."""

from collections.abc import Mapping
from functools import cached_property

from spoofscope import exhibits
from spoofscope.plan.attribution import NO_ATTRIBUTION, Attribution
from spoofscope.plan.comparisons import NO_COMPARISONS, NO_DECIDED, NO_FUSIONS, Comparisons
from spoofscope.plan.exhibits import Exhibits, file_name
from spoofscope.plan.generators import NO_GENERATORS, Generators
from spoofscope.plan.grids import NO_GRIDS
from spoofscope.plan.jobs import Context, Product, target
from spoofscope.plan.masking import NO_CUE_USE, NO_MASKING, Masking
from spoofscope.plan.materials import Material, Offer, material
from spoofscope.plan.robustness import NO_ROBUSTNESS, Robustness
from spoofscope.plan.shortcuts import NO_SHORTCUTS, Shortcuts
from spoofscope.study import Config

PRINTED = ("tex", "csv")
"""The forms in which papers and spreadsheets take a table."""


class Tables(Exhibits[exhibits.Table]):
    """One rule per table, in the order of the report. Some figures are drawn from tables."""

    def __init__(
        self,
        context: Context,
        attribution: Attribution,
        comparisons: Comparisons,
        generators: Generators,
        masking: Masking,
        shortcuts: Shortcuts,
        robustness: Robustness,
        offers: Mapping[str, Offer],
    ) -> None:
        super().__init__(context, "table", "summaries", exhibits.tables(), offers)
        self._attribution = attribution
        self._comparisons = comparisons
        self._generators = generators
        self._masking = masking
        self._shortcuts = shortcuts
        self._robustness = robustness

    def of(self, name: str, *values: str) -> Product:
        """A table."""
        return self.job(name, *values).product(self.layout.table(file_name(name, values)))

    def known(self, name: str) -> Product | None:
        """A table; None where the study has it not."""
        return self.of(name) if self.rules()[f"table_{name}"].lacking() is None else None

    @target()
    def tables(self) -> list[Product]:
        """Every table of the study."""
        return [
            job.product(path)
            for name, file, job in self.jobs()
            for part in (file, *(f"{file}.{more}" for more in self.records[name].more))
            for path in (
                self.layout.table(part),
                *(self.layout.printed_table(part, suffix) for suffix in PRINTED),
            )
        ]

    @cached_property
    def described(self) -> list[Config]:
        """What the report says of all tables of the study."""
        return [
            {
                "name": file,
                "title": self.records[name].title,
                "more_names": [f"{file}.{more}" for more in self.records[name].more],
            }
            for name, file, _ in self.jobs()
        ]

    def more_settings(self, record: exhibits.Table) -> Config:
        """How LaTeX and CSV show it."""
        return {"print": {"columns": list(record.printed), "interval_of": record.interval_of}}

    @material(absent=NO_COMPARISONS, when=lambda self: self._comparisons.compared)
    def table_of_comparisons(self) -> Material:
        """Differences between systems in pairs."""
        return Material({"table": self.of("comparisons")}, self._comparisons.about)

    @material(absent=NO_DECIDED, when=lambda self: self._comparisons.decided)
    def table_of_consensus(self) -> Material:
        """Trials that all detectors get right or wrong."""
        return Material({"table": self.of("consensus")}, self._comparisons.about)

    @material(absent=NO_FUSIONS, when=lambda self: self._comparisons.fusions)
    def table_of_fusion_value(self) -> Material:
        """What fusions lose without each of their detectors."""
        return Material({"table": self.of("fusion_value")}, self._comparisons.about)

    @material(absent=NO_GENERATORS, when=lambda self: self._generators.drawn)
    def table_of_generators(self) -> Material:
        """Detectors against generators, where there are no more than a figure can show."""
        return Material({"table": self.of("generator_matrix")}, self._generators.about)

    @material(absent=NO_ATTRIBUTION, when=lambda self: self._attribution.explained)
    def tables_of_attribution_groups(self) -> Material:
        """Mean evidence of groups of clips and frames: over rows of maps, and of each row."""
        name = "attribution_groups"
        rows = self.job(name).product(self.layout.table(f"{name}.rows"))
        return Material({"table": self.of(name), "rows": rows}, self._attribution.about)

    @material(absent=NO_MASKING, when=lambda self: self._masking.heard)
    def table_of_masking(self) -> Material:
        """What masks do to error rates."""
        return Material({"table": self.of("masking")}, self._masking.about)

    @material(absent=NO_CUE_USE, when=lambda self: self._masking.judged_cues)
    def table_of_cue_use(self) -> Material:
        """Whether detectors use known artefacts."""
        return Material({"table": self.of("cue_use")}, self._masking.about)

    @material(absent=NO_SHORTCUTS, when=lambda self: self._shortcuts.heard)
    def table_of_shortcuts(self) -> Material:
        """Whether decisions follow suspected cues."""
        return Material({"table": self.of("shortcuts")}, self._shortcuts.about)

    @material(absent=NO_ROBUSTNESS, when=lambda self: self._robustness.heard)
    def table_of_robustness(self) -> Material:
        """Error rates of laundered recordings."""
        return Material({"table": self.of("robustness")}, self._robustness.about)

    @material(absent=NO_GRIDS, over=lambda self: self.study.grids)
    def table_of_grid(self, grid: str) -> Material:
        """All points of a grid."""
        points = self.study.grids[grid].points
        axes = [
            [axis, list(dict.fromkeys(point.labels[axis] for point in points))]
            for axis in self.study.grids[grid].axes
        ]
        return Material(
            {"table": self.of("grid", grid), "axes": axes},
            {"Axes": [f"{axis} ({len(labels)} values)" for axis, labels in axes]},
        )
