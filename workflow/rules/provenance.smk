# The research object: everything that the study made, and from what.


rule provenance:
    """Collect the sidecars of all results into a Workflow Run RO-Crate and a readable page."""
    input:
        unpack(PLAN.report.provenance.inputs),
    output:
        crate=LAYOUT.crate("ro-crate-metadata.json"),
        page=LAYOUT.crate("ro-crate-preview.html"),
        study=LAYOUT.crate("provenance/study.yaml"),
        workflow=LAYOUT.crate("provenance/Snakefile"),
    log:
        f"{LOGS}/provenance.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.report.provenance.params,
    script:
        "../scripts/provenance.py"
