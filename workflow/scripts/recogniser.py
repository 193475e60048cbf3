"""Put a recogniser on disk: from the model hub at a pinned revision, or a tiny random one."""

import os

# One of the two rules that may reach for the network; the other is `backbone`.
os.environ["HF_HUB_OFFLINE"] = os.environ.get("HF_HUB_OFFLINE", "0")

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.frontends.backbones import fetch_backbone

    entry = dict(cfg["entry"])
    seed = entry.pop("seed", 0)
    fetch_backbone(entry, Path(snakemake.output.model).parent, seed)
