# The research object: everything that the study made, and from what.


rule provenance:
    """Collect the sidecars of all results into a Workflow Run RO-Crate and a readable page."""
    input:
        f"{R}/report/index.html",
        artefacts(),
        attributions(),
        audits(),
        exports(),
        figures(),
        metrics(),
        scores(),
        tables(),
        weights(),
    output:
        crate=f"{R}/ro-crate-metadata.json",
        page=f"{R}/ro-crate-preview.html",
        study=f"{R}/provenance/study.yaml",
        workflow=f"{R}/provenance/Snakefile",
    log:
        f"{LOGS}/provenance.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_provenance,
    script:
        "../scripts/provenance.py"
