"""Draw the figure layer_pareto."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.layer_pareto import draw

    draw(
        cfg["curves"],
        snakemake.input.metrics,
        snakemake.input.costs[0],
        dict(snakemake.output.items()),
    )
