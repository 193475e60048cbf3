# Inputs, parameters and targets of the rules in rules/grids.smk.
from spoofscope.options import nearest

GRIDS = STUDY.grids


# A point's label holds no more than a name does: small letters, digits and _.
wildcard_constraints:
    grid=one_of(GRIDS),
    point=r"\w+~\w+(?:/\w+~\w+)*",


@functools.cache
def paramspace(grid):
    """Where the table of each point lies below its grid's folder, such as "wavelet~sym5/order~2", to
    the point.
    """
    # Here, because it imports pandas, and most studies have no grid.
    from pandas import DataFrame
    from snakemake.utils import Paramspace

    points = GRIDS[grid].points
    space = Paramspace(
        DataFrame([point.labels for point in points]), single_wildcard="point"
    )
    return dict(zip(space.instance_patterns, points, strict=True))


def point_of(wildcards):
    points = paramspace(wildcards.grid)
    if wildcards.point not in points:
        raise ConfigError(
            f"grid {wildcards.grid!r} has no point {wildcards.point!r}; "
            f"{nearest(wildcards.point, points)}"
        )
    return points[wildcards.point]


def point_systems(wildcards):
    """(id, seed) of every training at a point, or of the fusion that it is."""
    entry = point_of(wildcards).entry
    if GRIDS[wildcards.grid].section == "fusion":
        return [(STUDY.fusion_id(entry), 0)]
    run = STUDY.run_of(entry)
    return [(run.id, seed) for seed in run.seeds]


def point_scorings(wildcards):
    return [
        (system, seed, corpus, split)
        for system, seed in point_systems(wildcards)
        for corpus, split in STUDY.scored_by(system)
    ]


def point_metrics(wildcards):
    return [
        f"{R}/metrics/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed, corpus, split in point_scorings(wildcards)
    ]


def point_detectors(wildcards):
    with_folder = STUDY.detector_seeds()
    return [
        f"{detector_folder(run, seed)}/detector.json"
        for run, seed in point_systems(wildcards)
        if (run, seed) in with_folder
    ]


def params_grid_point(wildcards):
    return with_code("grid_point", origins=metrics_origins(point_scorings(wildcards)))


def selection_data(entry):
    """What the models of a point were selected on, in words; "-" where it is not known."""
    if entry not in STUDY.config["detectors"]:
        return "-"
    if STUDY.run_of(entry).kind != "detector":
        return "-"
    return "; ".join(
        f"{source['corpus']}"
        + "".join(
            f", {key}: {' '.join(source[key])}"
            for key in sorted(source)
            if key != "corpus"
        )
        for source in STUDY.dev_sources(entry)
    )


def point_tables(wildcards):
    return [
        f"{R}/grids/{wildcards.grid}/{place}.tsv"
        for place in paramspace(wildcards.grid)
    ]


def params_grid_table(wildcards):
    return with_code(
        "grid_table",
        origins=[
            origin(params_grid_point, grid=wildcards.grid, point=place)
            for place in paramspace(wildcards.grid)
        ],
        points=[
            {
                "entry": point.entry,
                "labels": point.labels,
                "dev": selection_data(point.entry),
            }
            for point in GRIDS[wildcards.grid].points
        ],
        # The order of the labels, and so of the columns, is that of the study file.
        axes=list(GRIDS[wildcards.grid].axes),
    )


def axis_labels(grid):
    """The labels of every axis, [axis, labels] each, in the order of the study file."""
    return [
        [axis, list(dict.fromkeys(point.labels[axis] for point in GRIDS[grid].points))]
        for axis in GRIDS[grid].axes
    ]


def params_grid_figure(wildcards):
    return with_code(
        "grid_figure",
        origins=[origin(params_grid_table, grid=wildcards.grid)],
        axes=axis_labels(wildcards.grid),
        grid=wildcards.grid,
    )


def of_grid(params, grid):
    """The parameter function of a rule for one grid, for lists of figures and tables by name."""
    return lambda wildcards: params(SimpleNamespace(grid=grid))


FIGURES |= {f"grid_{grid}": of_grid(params_grid_figure, grid) for grid in GRIDS}
TABLES |= {f"grid_{grid}": of_grid(params_grid_table, grid) for grid in GRIDS}


def grids():
    """Every point, table and figure of every grid."""
    return [
        path
        for grid in GRIDS
        for path in (
            *point_tables(SimpleNamespace(grid=grid)),
            f"{R}/tables/grid_{grid}.tsv",
            *figure_outputs(f"grid_{grid}").values(),
        )
    ]
