# Parameters of the rule in rules/provenance.smk.
import json

import yaml


def params_provenance(wildcards):
    return with_code(
        "provenance",
        origins=[*result_origins(), *export_origins(), origin(params_report)],
        templates=["provenance.html.j2"],
        root=R,
        # As text, because the order of detectors counts; as a parameter, keys are sorted.
        study=yaml.safe_dump(
            json.loads(json.dumps(STUDY.written)), sort_keys=False, allow_unicode=True
        ),
    )
