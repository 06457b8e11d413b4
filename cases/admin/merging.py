"""The form that names another case."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases import numbers
from cases.admin.forms import CaseForm
from cases.models import Case


class CaseNumberField(forms.CharField):
    """A case that exists, by its number, in any case of letters."""

    widget = forms.TextInput(attrs={"placeholder": "HC-…", "autocomplete": "off"})

    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=20, **more)

    def clean(self, value: Any) -> Case:
        number = str(super().clean(value)).upper()
        case = Case.objects.existing().filter(case_number=number).first() if numbers.is_valid(number) else None
        if case is None:
            raise ValidationError(_("There is no case %(number)s.") % {"number": number})
        return case


class MergeForm(CaseForm):
    into = CaseNumberField(
        label=gettext_lazy("Into case"),
        help_text=gettext_lazy("Its number. Conversations, open tasks, notes and tags go there; it can be taken back."),
    )
