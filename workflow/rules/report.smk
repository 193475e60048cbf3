# Figures, tables and the report. A figure is a module of src/spoofscope/figures, a table one of
# src/spoofscope/summaries; the record in it says what the rule needs to know. No torch in any.


for NAME in PLAN.figures.records:

    rule:
        name:
            f"figure_{NAME}"
        input:
            unpack(PLAN.rules[f"figure_{NAME}"].inputs),
        output:
            **figure_files(PLAN.figures.pattern(NAME)),
        log:
            f"{LOGS}/{PLAN.figures.log(NAME)}.log",
        localrule: True
        conda:
            ENVIRONMENT
        params:
            cfg=PLAN.rules[f"figure_{NAME}"].params,
        script:
            "../scripts/figure.py"


for NAME in PLAN.tables.records:

    rule:
        name:
            f"table_{NAME}"
        input:
            unpack(PLAN.rules[f"table_{NAME}"].inputs),
        output:
            **table_files(PLAN.tables.pattern(NAME), PLAN.tables.records[NAME].more),
        log:
            f"{LOGS}/{PLAN.tables.log(NAME)}.log",
        localrule: True
        conda:
            ENVIRONMENT
        params:
            cfg=PLAN.rules[f"table_{NAME}"].params,
        script:
            "../scripts/table.py"


rule report:
    """Write one self-contained page: detectors, data, every number and figure, and the caveats."""
    input:
        unpack(PLAN.report.report.inputs),
    output:
        page=report(
            LAYOUT.report(),
            caption="../report/report.rst",
            category="Report",
            labels={"page": "the whole study"},
        ),
        md=LAYOUT.methods("md"),
        tex=LAYOUT.methods("tex"),
        bib=LAYOUT.methods("bib"),
        costs_tsv=LAYOUT.costs("tsv"),
        costs_csv=LAYOUT.costs("csv"),
        costs_tex=LAYOUT.costs("tex"),
    log:
        f"{LOGS}/report.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.report.report.params,
    script:
        "../scripts/report.py"
