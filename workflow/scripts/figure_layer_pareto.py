"""Draw the figure layer_pareto."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.layer_pareto import draw

    draw(
        cfg["curves"],
        snakemake.input.metrics,
        snakemake.input.costs,
        dict(snakemake.output.items()),
    )
