# Parameters of the rule in rules/provenance.smk.


def params_provenance(wildcards):
    return with_code(
        "provenance", templates=["provenance.html.j2"], config=STUDY.config, root=R
    )
