"""Take a detector folder from elsewhere into the study."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.files import copy_checked
    from spoofscope.settings import read_settings

    # An altered folder is refused here, not by each of the jobs that would use it.
    read_settings(snakemake.input.detector)
    for name, key in (("detector", "sha256"), ("model", "weights_sha256")):
        copy_checked(snakemake.input[name], snakemake.output[name], cfg[key])
