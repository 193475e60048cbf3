"""Draw the figure train_test_matrix."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.train_test_matrix import draw

    draw(cfg["systems"], snakemake.input.metrics, dict(snakemake.output.items()))
