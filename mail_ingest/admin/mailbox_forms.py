"""The form of a mailbox, and the small forms on its page."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mail_ingest.admin.secrets import SecretField, SecretsForm
from mail_ingest.models import Mailbox


class AddressList(forms.CharField):
    """Addresses, one on each line (or with commas between them); a list of them in small letters, each once."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        words = str(super().to_python(value) or "").replace(",", " ").replace(";", " ").split()
        addresses = list(dict.fromkeys(word.strip("<>").lower() for word in words))
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError:
                raise ValidationError(_("“%(text)s” is no e-mail address.") % {"text": address}) from None
        return addresses

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial or []) != (data or ""))


class MailboxForm(SecretsForm):
    """What the chosen kind needs is asked for by name, and not left to the database to refuse."""

    aliases = AddressList(
        label=gettext_lazy("Other addresses of ours"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "hc-json-input"}),
        help_text=gettext_lazy("One on each line: addresses whose mail also lands here. Replies leave them out."),
    )
    new_client_secret = SecretField(
        label=gettext_lazy("Client secret"),
        help_text=gettext_lazy("Empty: MICROSOFT_CLIENT_SECRET of the server's settings."),
    )
    new_imap_password = SecretField(label=gettext_lazy("Password"))
    new_oauth_refresh_token = SecretField(
        label=gettext_lazy("Refresh token"),
        help_text=gettext_lazy("Empty: the application logs in by itself (client credentials)."),
    )
    new_smtp_url = SecretField(
        label=gettext_lazy("SMTP address"),
        help_text=gettext_lazy("For a server of its own: smtp+tls://user:password@mail.example.com:587"),
    )

    class Meta:
        model = Mailbox
        exclude = (*Mailbox.SECRETS, *Mailbox.BOOKKEEPING)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        kind = values.get("kind")
        needed = {
            "folder": kind in {Mailbox.Kind.FOLDER, Mailbox.Kind.MAILDIR},
            "imap_host": kind == Mailbox.Kind.IMAP,
            "filed_folder": kind != Mailbox.Kind.FOLDER and values.get("after_filing") == Mailbox.AfterFiling.MOVE,
        }
        for name, is_needed in needed.items():
            if is_needed and name in self.fields and not values.get(name):
                self.add_error(name, _("Fill this in: this kind of mailbox needs it."))
        if values.get("sends_by") == Mailbox.SendsBy.SMTP and not self.secret_stands("smtp_url"):
            self.add_error("new_smtp_url", _("Give the server's address, or let it send in another way."))
        return values


class BackfillForm(forms.Form):
    """Days in the reader's time zone; the last one is meant whole."""

    since = forms.DateField(label=gettext_lazy("From"), widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(
        label=gettext_lazy("Until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Empty: until now. What is found is filed, and answered by nobody."),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        since, until = values.get("since"), values.get("until")
        if since is None or self.errors:
            return values
        now = timezone.now()
        start, end = _midnight(since), min(_midnight(until + timedelta(days=1)), now) if until else now
        return {"since": start, "until": end}


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone.get_current_timezone()).astimezone(UTC)
