"""Fields for secrets: what is stored never gets as far as the form, so that no page can show it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Model, Q
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

if TYPE_CHECKING:  # django-unfold is not typed; its widgets are Django's with another look
    from django.forms import PasswordInput as PasswordWidget
else:
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordWidget

PREFIX = "new_"


class SecretInput(PasswordWidget):
    """A password box that is always empty, and where a secret is stored a box to tick that forgets it.

    Its value is None to keep what is stored, "" to forget it, or the new secret.
    """

    is_set = False

    def __init__(self) -> None:
        super().__init__(attrs={"autocomplete": "new-password", "spellcheck": "false"})

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        hint = {"placeholder": _("is set; leave empty to keep it")} if self.is_set else {}
        box = super().render(name, None, {**(attrs or {}), **hint}, renderer)
        if not self.is_set:
            return box
        return format_html(
            '{}<label class="hc-forget"><input type="checkbox" name="{}-forget"> {}</label>',
            box,
            name,
            _("Forget it"),
        )

    def value_from_datadict(self, data: Mapping[str, Any], _files: Any, name: str) -> str | None:
        if typed := data.get(name):
            return str(typed)
        return "" if data.get(f"{name}-forget") else None

    def value_omitted_from_data(self, _data: Any, _files: Any, _name: str) -> bool:
        return False


class SecretField(forms.Field):
    """None: keep what is stored. Text, also none: store that instead."""

    widget = SecretInput

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def clean(self, value: str | None) -> str | None:
        return None if value is None else value.strip()

    def has_changed(self, _initial: Any, data: str | None) -> bool:
        return data is not None


class SecretsForm(forms.ModelForm[Any]):
    """A form with a `new_…` field for each of the model's SECRETS. It writes them, and never reads them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = secrets_set(self.instance)
        for name, field in self.fields.items():
            if isinstance(field.widget, SecretInput):
                field.widget.is_set = name.removeprefix(PREFIX) in stored

    def secret_stands(self, name: str) -> bool:
        """Whether there is one once this form is saved."""
        new = self.cleaned_data.get(f"{PREFIX}{name}")
        return bool(new) if new is not None else name in secrets_set(self.instance)

    def _post_clean(self) -> None:
        for name, value in self.cleaned_data.items():
            if value is not None and isinstance(self.fields[name].widget, SecretInput):
                setattr(self.instance, name.removeprefix(PREFIX), value)
        super()._post_clean()  # type: ignore[misc] # Django's, and unknown to the stubs


def secrets_set(row: Model) -> frozenset[str]:
    """Which of a stored row's SECRETS are not empty. The database is asked; nothing is decrypted."""
    if row.pk is None:
        return frozenset()
    names: tuple[str, ...] = getattr(row, "SECRETS", ())
    questions = {f"has_{name}": ~Q(**{name: ""}) for name in names}
    found = type(row)._default_manager.filter(pk=row.pk).annotate(**questions).values(*questions).first() or {}  # noqa: SLF001 - Django's public name for it
    return frozenset(name for name in names if found.get(f"has_{name}"))
