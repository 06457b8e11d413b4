"""What is wrong with a rule that somebody wants to save. Everything at once, each by its name and place."""

from collections.abc import Mapping

from django.utils.translation import gettext as _

from workflows import actions, silence
from workflows.catalogue import catalogue
from workflows.conditions import InvalidConditions, parse
from workflows.models import Trigger, WorkflowRule

MAX_ACTIONS = 50


def problems(rule: WorkflowRule) -> dict[str, list[str]]:
    """Field of the rule → messages; empty when it can be saved."""
    found = {
        "trigger_options": _of_trigger(rule.trigger, rule.trigger_options),
        "conditions": _of_conditions(rule.conditions),
        "actions": _of_actions(rule.actions),
    }
    return {field: messages for field, messages in found.items() if messages}


def _of_trigger(trigger: str, options: object) -> list[str]:
    if trigger == Trigger.SILENCE:
        return silence.problems(options)
    if options in ({}, None):
        return []
    return [_("The trigger “%(trigger)s” takes no options.") % {"trigger": trigger}]


def _of_conditions(conditions: object) -> list[str]:
    try:
        parse(conditions, catalogue())
    except InvalidConditions as invalid:
        return [f"{path}: {message}" for path, message in invalid.errors]
    return []


def _of_actions(listed: object) -> list[str]:
    if not isinstance(listed, list) or not listed:
        return [_("actions: must be a list of at least one action")]
    if len(listed) > MAX_ACTIONS:
        return [_("actions: has more than %(most)s actions") % {"most": MAX_ACTIONS}]
    return [
        f"actions[{index}]{place}: {message}"
        for index, item in enumerate(listed)
        for place, message in _of_action(item)
    ]


def _of_action(item: object) -> list[tuple[str, str]]:
    if not isinstance(item, Mapping):
        return [("", _("must be an object"))]
    try:
        _action, params = actions.read(item)
    except actions.UnknownAction as unknown:
        return [(".do", str(unknown))]
    except actions.InvalidParams as invalid:
        return [(f".{path}", message) for path, message in invalid.errors]
    return [(f".{path}", message) for path, message in params.problems()]
