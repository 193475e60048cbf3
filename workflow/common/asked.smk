# What was asked for by name is looked at before any job is planned: with all rules read.
from spoofscope.targets import asked_targets, check_targets


def makers(target):
    """The rules that a target is about."""
    if workflow.is_rule(target):
        return [workflow.get_rule(target)]
    return [rule for rule in workflow.rules if rule.is_producer(target)]


def check_asked(targets):
    check_targets(
        targets,
        [rule.name for rule in workflow.rules if not rule.has_wildcards()],
        PLAN.everything_kept(),
        lambda target: bool(makers(target)),
    )
    for target in targets:
        # Named so that the linter does not take the line for the head of a rule.
        for maker in makers(target):
            if message := PLAN.lacking(maker.name):
                raise ConfigError(message)


if workflow.is_main_process and not IS_MODULE:
    try:
        check_asked(asked_targets(sys.argv))
    except ConfigError as error:
        refused(error)
