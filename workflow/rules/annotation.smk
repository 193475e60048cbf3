# Clips that people label.


rule annotation_pack:
    """Put explained clips, with the evidence of each detector, into a folder for annotators."""
    input:
        unpack(PLAN.annotation.annotation_pack.inputs),
    output:
        clips=LAYOUT.annotation_file("clips.tsv"),
        content=LAYOUT.annotation_file("pack.json"),
        evidence=LAYOUT.annotation_file("evidence.safetensors"),
    log:
        f"{LOGS}/annotation_pack.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.annotation.annotation_pack.params,
    script:
        "../scripts/annotation_pack.py"
