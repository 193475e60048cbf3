"""Unpack the archives of a corpus into one folder."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.corpora.download import file_name, unpack_all
    from spoofscope.files import write_json
    from spoofscope.study.references import checksum_of, transfer_of, used_by

    folder = Path(snakemake.output[0]).with_suffix("")
    # No parameters: in an entry of another name they are the same archives.
    uses = used_by(cfg["archives"], snakemake.config)
    names = []
    for archive in cfg["archives"]:
        transfer = transfer_of(checksum_of(archive), snakemake.config["corpora"])
        names.append(", ".join([*uses, transfer.get("file", file_name(archive["url"]))]))
    files = unpack_all([Path(archive) for archive in snakemake.input], folder, names)
    write_json(snakemake.output[0], {"archives": cfg["archives"], "files": files})
