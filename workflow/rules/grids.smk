# What comes out of a grid: a table per point, and one and a figure of all.


rule grid_point:
    """Mean, spread and range over training seeds of one point's error rates."""
    input:
        unpack(PLAN.grids.grid_point.inputs),
    output:
        LAYOUT.grid_point("{grid}", "{point}"),
    log:
        f"{LOGS}/grid_point/{{grid}}/{{point}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.grids.grid_point.params,
    script:
        "../scripts/grid_point.py"


rule grid_table:
    """All points of a grid, best first by the data that models were selected on."""
    input:
        unpack(PLAN.grids.grid_table.inputs),
    output:
        table_file("grid_{grid}", "grid {grid}", "grid_table"),
    log:
        f"{LOGS}/grid_table/{{grid}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.grids.grid_table.params,
    script:
        "../scripts/grid_table.py"


rule grid_figure:
    """EER over the axes of a grid: points with their spread, or a heat map."""
    input:
        unpack(PLAN.grids.grid_figure.inputs),
    output:
        **figure_files("grid_{grid}", "grid {grid}", "grid_figure"),
    log:
        f"{LOGS}/grid_figure/{{grid}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.grids.grid_figure.params,
    script:
        "../scripts/grid_figure.py"
