# Parameters of the rule in rules/provenance.smk.


def params_provenance(wildcards):
    return with_code(
        "provenance",
        origins=[*result_origins(), origin(params_report)],
        templates=["provenance.html.j2"],
        config=STUDY.config,
        root=R,
    )
