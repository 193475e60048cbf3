"""Train one detector with one seed."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import torch

    from spoofscope.features import FeatureReader
    from spoofscope.objectives.detection import Detection
    from spoofscope.training.planned import planned_job
    from spoofscope.training.processes import train_in_processes

    torch.set_num_threads(snakemake.threads)
    settings = cfg["settings"]
    options = {
        key: settings[key] for key in ("aggregate", "abstain", "objective") if key in settings
    }
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ordered = planned_job(cfg, Detection, options, device, FeatureReader)
    train_in_processes(ordered, cfg["folder"], cfg["work"])
