# What comes out of a grid: a table per point, and one and a figure of all.


rule grid_point:
    """Mean, spread and range over training seeds of one point's error rates."""
    input:
        detectors=point_detectors,
        metrics=point_metrics,
    output:
        f"{R}/grids/{{grid}}/{{point}}.tsv",
    log:
        f"{LOGS}/grid_point/{{grid}}/{{point}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_grid_point,
    script:
        "../scripts/grid_point.py"


rule grid_table:
    """All points of a grid, best first by the data that models were selected on."""
    input:
        point_tables,
    output:
        report(
            f"{R}/tables/grid_{{grid}}.tsv",
            caption="../report/grid_table.rst",
            category="Tables",
            labels={"table": "grid {grid}"},
        ),
    log:
        f"{LOGS}/grid_table/{{grid}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_grid_table,
    script:
        "../scripts/grid_table.py"


rule grid_figure:
    """EER over the axes of a grid: points with their spread, or a heat map."""
    input:
        table=f"{R}/tables/grid_{{grid}}.tsv",
    output:
        pdf=f"{R}/figures/grid_{{grid}}.pdf",
        png=report(
            f"{R}/figures/grid_{{grid}}.png",
            caption="../report/grid_figure.rst",
            category="Figures",
            labels={"figure": "grid {grid}"},
        ),
        tsv=f"{R}/figures/grid_{{grid}}.tsv",
    log:
        f"{LOGS}/grid_figure/{{grid}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_grid_figure,
    script:
        "../scripts/grid_figure.py"
