"""Draw a figure: the function `draw` of its module in `spoofscope.figures`."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from importlib import import_module

    from spoofscope.figures.style import use_names

    use_names(cfg["names"])
    figure = import_module(f"spoofscope.figures.{cfg['name']}")
    figure.draw(**cfg["given"], outputs=dict(snakemake.output.items()))
