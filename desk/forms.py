"""The forms of a case's page at the desk."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.admin.merging import CaseNumberField
from cases.models import Case
from mail_ingest.models import Upload
from mail_ingest.parsing import Address
from mail_ingest.recipients import BadAddress, checked

MAX_TEXT = 100_000
LOCAL_MOMENT = "%Y-%m-%dT%H:%M"  # what a browser's datetime-local sends
_PARTS = re.compile(r'(?:"[^"]*"|[^,;\n"]|")+')
_NAMED = re.compile(r"(?P<name>.*)<(?P<email>[^<>]*)>", re.DOTALL)
_NEEDS_QUOTES = re.compile(r"[,;<>@]")


class MoveForm(forms.Form):
    """Where a message belongs."""

    to_case = CaseNumberField(label=_("Case"))


class SplitForm(forms.Form):
    """A message, and what follows it, as a case of its own."""

    and_later = forms.BooleanField(required=False)


class MergeForm(forms.Form):
    """The case that this one goes into."""

    into = CaseNumberField(label=_("Case"))


class AddressesField(forms.CharField):
    """Addresses as people type them: with names or without, between commas, semicolons or on lines of their own."""

    widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(written, value)) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        try:
            return [_address(part) for part in split_addresses(str(super().clean(value) or ""))]
        except BadAddress as error:
            raise ValidationError(str(error)) from error


class Files(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files."""

    widget = Files(attrs={"multiple": True})

    def clean(self, data: Any, initial: Any = None) -> Any:
        one = super().clean
        return [one(file, initial) for file in data or []]


class ReplyForm(forms.Form):
    """A mail to the customer, or to whoever else helps with the case."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)
    thread = forms.IntegerField(widget=forms.HiddenInput, required=False)
    to = AddressesField(label=_("To"))
    cc = AddressesField(label=_("Copy to"), required=False)
    bcc = AddressesField(label=_("Hidden copy to"), required=False)
    body = forms.CharField(
        label=_("Text"), required=False, max_length=MAX_TEXT, strip=False, widget=forms.Textarea(attrs={"rows": 8})
    )
    uploads = forms.TypedMultipleChoiceField(coerce=int, required=False)
    attachments = FilesField(label=_("Files"), required=False)
    then_status = forms.ChoiceField(label=_("Then set the status"), required=False)
    send_at = forms.DateTimeField(
        label=_("Not before"),
        required=False,
        input_formats=[LOCAL_MOMENT],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_MOMENT),
    )

    def __init__(self, *args: Any, case: Case, uploads: Iterable[Upload], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        status = cast("forms.ChoiceField", self.fields["then_status"])
        labels = dict(Case.Status.choices)
        status.choices = [
            ("", _("Leave it as it is")),
            *((move, labels[Case.Status(move)]) for move in case.allowed_moves),
        ]
        cast("forms.ChoiceField", self.fields["uploads"]).choices = [(one.pk, one.filename) for one in uploads]

    def clean_send_at(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["send_at"]
        if moment and moment <= timezone.now():
            raise ValidationError(_("This moment is over. Leave it empty to send at once."))
        return moment


class NoteForm(forms.Form):
    """Words for colleagues."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)
    body = forms.CharField(
        label=_("Note"),
        max_length=MAX_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": _("Write something first.")},
    )


def split_addresses(text: str) -> list[str]:
    """The single addresses in what somebody typed; a comma inside of quotes parts nothing."""
    return [part.strip() for part in _PARTS.findall(text) if part.strip()]


def written(address: Address) -> str:
    """An address as people write it, so that it can be read again."""
    if not address.name or not address.email:
        return address.email
    name = address.name.replace('"', "'")
    return f'"{name}" <{address.email}>' if _NEEDS_QUOTES.search(name) else f"{name} <{address.email}>"


def _address(text: str) -> Address:
    match = _NAMED.fullmatch(text)
    return checked(match["email"], match["name"].strip().strip('"')) if match else checked(text)
