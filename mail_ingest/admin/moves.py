"""Small forms on the page of a message: put it where it belongs, or open a case of its own for it."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_base import Act, actor_of
from cases.admin.merging import CaseNumberField
from mail_ingest.models import EmailMessage
from mail_ingest.services import moves


class MoveForm(forms.Form):
    case = CaseNumberField(
        label=gettext_lazy("To case"),
        help_text=gettext_lazy("The number of its own case puts it into a conversation of its own there."),
    )
    thread = forms.IntegerField(
        label=gettext_lazy("Conversation"),
        required=False,
        min_value=1,
        help_text=gettext_lazy("Its number; empty for the newest one of that case."),
    )


class SplitForm(forms.Form):
    title = forms.CharField(
        label=gettext_lazy("Title"),
        required=False,
        max_length=300,
        help_text=gettext_lazy("Empty: the mail's subject."),
    )
    and_later = forms.BooleanField(
        label=gettext_lazy("With what follows"),
        required=False,
        help_text=gettext_lazy("Take the later messages of this conversation along."),
    )


def _move(request: HttpRequest, message: EmailMessage, values: dict[str, Any]) -> str:
    case = values["case"]
    moves.move_message(
        message.pk, to_case=case.pk, to_thread=values["thread"], at=timezone.now(), actor=actor_of(request)
    )
    return _("The message is now in %(number)s. Answers to it follow it.") % {"number": case.case_number}


def _split(request: HttpRequest, message: EmailMessage, values: dict[str, Any]) -> str:
    if message.thread.case_id is None:
        raise moves.NotFiledYet(_("This message is still being filed. Try again in a moment."))
    case = moves.split_case(
        message.thread.case_id,
        [message.pk],
        title=values["title"],
        and_later=values["and_later"],
        at=timezone.now(),
        actor=actor_of(request),
    )
    return _("It is now a case of its own: %(number)s.") % {"number": case.case_number}


def _is_filed(message: EmailMessage) -> bool:
    return message.thread.case_id is not None


MOVE: Act[EmailMessage] = Act(
    "move", gettext_lazy("Move"), _move, MoveForm, gettext_lazy("Move it there"), offered=_is_filed
)
SPLIT: Act[EmailMessage] = Act(
    "split",
    gettext_lazy("Split off"),
    _split,
    SplitForm,
    gettext_lazy("Open a case of its own"),
    offered=lambda message: _is_filed(message) and message.direction == EmailMessage.Direction.INBOUND,
)
