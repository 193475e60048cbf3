"""Read the learned mix of SSL layers out of a trained detector."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.detector import Detector
    from spoofscope.layers.weights import layer_weights
    from spoofscope.tables import write_table

    detector = Detector.load(cfg["folder"])
    write_table(snakemake.output[0], layer_weights(detector, cfg["run"], cfg["seed"]))
