"""The small forms on a case's page, and the form that opens a case by hand."""

from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import ActForm
from accounts.models import Team, User
from cases.models import Case, Category, Customer


def workers() -> Any:
    """The people whom a case can be given to."""
    return User.objects.active().filter(role__in=[User.Role.AGENT, User.Role.SUPERVISOR, User.Role.ADMINISTRATOR])


class CaseForm(ActForm):
    """Knows which version of the case was on the screen, so that two people cannot overwrite each other unseen."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, row: Case, **kwargs: Any) -> None:
        super().__init__(*args, row=row, **kwargs)
        self.fields["version"].initial = row.version


class StatusForm(CaseForm):
    status = forms.ChoiceField(label=_("Status"))

    def __init__(self, *args: Any, row: Case, **kwargs: Any) -> None:
        super().__init__(*args, row=row, **kwargs)
        labels = dict(Case.Status.choices)
        status = cast("forms.ChoiceField", self.fields["status"])
        status.choices = [(row.status, _("%(status)s (now)") % {"status": labels[Case.Status(row.status)]})] + [
            (move, labels[Case.Status(move)]) for move in row.allowed_moves
        ]
        status.initial = row.status


class AssignForm(CaseForm):
    assigned_to = forms.ModelChoiceField(
        User.objects.none(), label=_("Person"), required=False, empty_label=_("Nobody")
    )
    assigned_team = forms.ModelChoiceField(
        Team.objects.none(), label=_("Team"), required=False, empty_label=_("No team")
    )

    def __init__(self, *args: Any, row: Case, **kwargs: Any) -> None:
        super().__init__(*args, row=row, **kwargs)
        person = cast("forms.ModelChoiceField[User]", self.fields["assigned_to"])
        team = cast("forms.ModelChoiceField[Team]", self.fields["assigned_team"])
        person.queryset, person.initial = workers().order_by("first_name", "username"), row.assigned_to_id
        team.queryset, team.initial = Team.objects.all(), row.assigned_team_id


class LabelsForm(CaseForm):
    priority = forms.ChoiceField(label=_("Priority"), choices=Case.Priority.choices)
    case_type = forms.ChoiceField(label=_("Type"), choices=Case.Type.choices)
    category = forms.ModelChoiceField(
        Category.objects.none(), label=_("Category"), required=False, empty_label=_("None")
    )

    def __init__(self, *args: Any, row: Case, **kwargs: Any) -> None:
        super().__init__(*args, row=row, **kwargs)
        self.fields["priority"].initial, self.fields["case_type"].initial = row.priority, row.case_type
        category = cast("forms.ModelChoiceField[Category]", self.fields["category"])
        category.queryset, category.initial = Category.objects.select_related("parent"), row.category_id


class NoteForm(forms.Form):
    body = forms.CharField(
        label=_("Note"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Only colleagues see it."),
        error_messages={"required": _("Write something first.")},
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), required=False, max_length=300)


class NewCaseForm(forms.Form):
    """For a case that no mail opened: a call, a visitor, something seen on a round."""

    title = forms.CharField(label=_("Title"), max_length=300)
    description = forms.CharField(label=_("Description"), required=False, widget=forms.Textarea(attrs={"rows": 6}))
    email = forms.EmailField(
        label=_("Customer's e-mail"), max_length=320, help_text=_("A customer who is new is added to the customers.")
    )
    name = forms.CharField(label=_("Customer's name"), required=False, max_length=200)
    phone = forms.CharField(label=_("Customer's phone"), required=False, max_length=60)
    customer_type = forms.ChoiceField(
        label=_("Kind of customer"),
        required=False,
        choices=[("", "–"), *Customer.Type.choices],  # noqa: RUF001 - an en dash
    )
    priority = forms.ChoiceField(label=_("Priority"), choices=Case.Priority.choices, initial=Case.Priority.MEDIUM)
    case_type = forms.ChoiceField(label=_("Type"), choices=Case.Type.choices, initial=Case.Type.GENERAL)
    category = forms.ModelChoiceField(
        Category.objects.none(), label=_("Category"), required=False, empty_label=_("None")
    )
    assigned_to = forms.ModelChoiceField(
        User.objects.none(), label=_("Person"), required=False, empty_label=_("Nobody")
    )
    assigned_team = forms.ModelChoiceField(
        Team.objects.none(), label=_("Team"), required=False, empty_label=_("No team")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        querysets = {
            "category": Category.objects.filter(is_active=True).select_related("parent"),
            "assigned_to": workers().order_by("first_name", "username"),
            "assigned_team": Team.objects.all(),
        }
        for name, queryset in querysets.items():
            cast("forms.ModelChoiceField[Any]", self.fields[name]).queryset = queryset
