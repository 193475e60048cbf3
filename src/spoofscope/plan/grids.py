"""What comes out of a grid: a table per point, of which a table and a figure of all are made."""

import functools
from collections.abc import Mapping

from spoofscope.errors import ConfigError
from spoofscope.grids import Point
from spoofscope.layout import Scoring
from spoofscope.options import nearest
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule
from spoofscope.plan.materials import Material, material
from spoofscope.plan.scoring import Scores
from spoofscope.plan.training import Training

NO_GRIDS = (
    "no detectors or fusions are points of a grid (an entry with the key `grid`, of more than one "
    "point)"
)


class Grids(Stage):
    """The grids of a study."""

    def __init__(self, context: Context, training: Training, scoring: Scores) -> None:
        super().__init__(context)
        self._training = training
        self._scoring = scoring

    @functools.cache  # noqa: B019
    def places(self, grid: str) -> Mapping[str, Point]:
        """Where the table of each point lies below its grid's folder, such as
        "wavelet~sym5/order~2", to the point.
        """
        return {
            "/".join(f"{axis}~{label}" for axis, label in point.labels.items()): point
            for point in self.study.grids[grid].points
        }

    def _point(self, grid: str, place: str) -> Point:
        places = self.places(grid)
        if place not in places:
            raise ConfigError(f"grid {grid!r} has no point {place!r}; {nearest(place, places)}")
        return places[place]

    @rule()
    def grid_point(self, grid: str, point: str) -> Work:
        """Summarise one point's error rates over its seeds."""
        entry = self._point(grid, point).entry
        systems: list[tuple[str, int]]
        if self.study.grids[grid].section == "fusion":
            systems = [(self.study.fusion_id(entry), 0)]
        else:
            run = self.study.run_of(entry)
            systems = [(run.id, seed) for seed in run.seeds]
        with_folder = self.study.detector_seeds()
        return Work(
            inputs={
                "detectors": [
                    self._training.described(*system) for system in systems if system in with_folder
                ],
                "metrics": self._scoring.metrics_of(
                    Scoring(system, seed, corpus, split)
                    for system, seed in systems
                    for corpus, split in self.study.scored_by(system)
                ),
            }
        )

    def points(self, grid: str) -> list[Product]:
        """The table of each point."""
        return [
            self.grid_point(grid, place).product(self.layout.grid_point(grid, place))
            for place in self.places(grid)
        ]

    def _selection_data(self, entry: str) -> str:
        """What the models of a point were selected on, in words; "-" where it is not known."""
        detectors = self.study.config["detectors"]
        if entry not in detectors or self.study.run_of(entry).kind != "detector":
            return "-"
        return "; ".join(
            source["corpus"]
            + "".join(
                f", {key}: {' '.join(source[key])}" for key in sorted(source) if key != "corpus"
            )
            for source in self.study.dev_sources(entry)
        )

    @material(absent=NO_GRIDS, over=lambda self: self.study.grids)
    def grid_points(self, grid: str) -> Material:
        """All points of a grid."""
        points = self.study.grids[grid].points
        return Material(
            {
                # The order of the labels, and so of the columns, is that of the study file.
                "axes": list(self.study.grids[grid].axes),
                "points": [
                    {
                        "entry": point.entry,
                        "labels": point.labels,
                        "dev": self._selection_data(point.entry),
                    }
                    for point in points
                ],
                "tables": self.points(grid),
            },
            {"Points": str(len(points))},
        )
