"""Train the network of one tracer with one seed."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import torch

    from spoofscope.features import FeatureReader
    from spoofscope.objectives.tracing import Tracing
    from spoofscope.training.planned import planned_job
    from spoofscope.training.processes import train_in_processes

    torch.set_num_threads(snakemake.threads)
    options = cfg["settings"]["objective"]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ordered = planned_job(cfg, Tracing, options, device, FeatureReader)
    train_in_processes(ordered, cfg["folder"], cfg["work"])
