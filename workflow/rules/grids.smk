# A table per point of a grid; the table and the figure of all are in report.smk.


rule grid_point:
    """Summarise the error rates of one point: mean, spread and range over training seeds."""
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
