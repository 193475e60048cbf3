"""Draw the figure attribution_examples."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.attribution_examples import draw

    draw(
        cfg["explained"],
        snakemake.input.attributions,
        snakemake.input.manifest,
        snakemake.input.segments,
        dict(snakemake.output.items()),
    )
