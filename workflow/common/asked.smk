# Targets are checked before any job is planned, after all rules have been read.
from spoofscope.snakemake_inside import makers, rules_without_wildcards
from spoofscope.targets import asked_targets, check_targets


def check_asked(targets):
    check_targets(
        targets,
        rules_without_wildcards(workflow),
        PLAN.everything_kept(),
        lambda target: bool(makers(workflow, target)),
    )
    for target in targets:
        for maker in makers(workflow, target):
            if message := PLAN.lacking(maker):
                raise ConfigError(message)


if workflow.is_main_process and not IS_MODULE:
    try:
        check_asked(asked_targets(sys.argv))
    except ConfigError as error:
        refused(error)
