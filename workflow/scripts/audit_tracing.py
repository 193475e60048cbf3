"""What a corpus would teach a tracer besides attacks."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.corpora.registry import build
    from spoofscope.report.audit_page import write_findings
    from spoofscope.tables import read_manifest
    from spoofscope.tracing.audit import CHECKS, audit_tracing
    from spoofscope.tracing.systems import read_systems

    settings = {key: value for key, value in cfg["settings"].items() if key != "options"}
    systems = read_systems(snakemake.input.systems)
    corpus = build(settings, cfg["root"], key=cfg["corpus"])
    misplaced = corpus.misplaced(systems.filter(known="yes")["attack"].to_list())
    found = audit_tracing(read_manifest(snakemake.input.manifest), systems, misplaced)
    title = f"{cfg['corpus']}: source tracing"
    write_findings(found, CHECKS, snakemake.output.table, snakemake.output.page, title)
