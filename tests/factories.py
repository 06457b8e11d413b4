"""Test data. Rows that services make are made by services, so that no test stands on a state that cannot be."""

from datetime import UTC, datetime, timedelta
from typing import Any

from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from accounts.actors import Actor
from accounts.models import Membership, Team, User
from cases.models import Case, Category
from cases.services import CaseDraft, CustomerInfo, create_case
from mail_ingest.models import Mailbox
from sla.models import BusinessCalendar, SLAPolicy
from tasks.models import Contractor, Task
from tasks.services import TaskDraft, create_task

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
SYSTEM = Actor.system("tests")


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = Sequence(lambda n: f"person{n}")
    email = LazyAttribute(lambda user: f"{user.username}@staff.example")
    role = User.Role.AGENT


class TeamFactory(DjangoModelFactory[Team]):
    class Meta:
        model = Team

    name = Sequence(lambda n: f"Team {n}")
    slug = Sequence(lambda n: f"team-{n}")


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    user = SubFactory(UserFactory)
    team = SubFactory(TeamFactory)


class CategoryFactory(DjangoModelFactory[Category]):
    class Meta:
        model = Category

    slug = Sequence(lambda n: f"category-{n}")
    name = Sequence(lambda n: f"Category {n}")


class ContractorFactory(DjangoModelFactory[Contractor]):
    class Meta:
        model = Contractor

    name = Sequence(lambda n: f"Contractor {n}")
    email = Sequence(lambda n: f"contractor{n}@trades.example")


class MailboxFactory(DjangoModelFactory[Mailbox]):
    class Meta:
        model = Mailbox

    slug = Sequence(lambda n: f"mailbox-{n}")
    name = Sequence(lambda n: f"Mailbox {n}")
    address = Sequence(lambda n: f"support{n}@house.example")


class CalendarFactory(DjangoModelFactory[BusinessCalendar]):
    class Meta:
        model = BusinessCalendar

    slug = Sequence(lambda n: f"calendar-{n}")
    name = Sequence(lambda n: f"Calendar {n}")
    time_zone = "UTC"
    hours = LazyFunction(lambda: {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")})


class PolicyFactory(DjangoModelFactory[SLAPolicy]):
    """The targets of the shipped policy, in working minutes."""

    class Meta:
        model = SLAPolicy

    slug = Sequence(lambda n: f"policy-{n}")
    name = Sequence(lambda n: f"Policy {n}")
    calendar = SubFactory(CalendarFactory)
    targets = LazyFunction(
        lambda: {
            priority: {"first_response_minutes": first * 60, "resolution_minutes": resolution * 60}
            for priority, first, resolution in (
                ("critical", 1, 4),
                ("urgent", 2, 8),
                ("high", 4, 24),
                ("medium", 8, 48),
                ("low", 24, 168),
            )
        }
    )
    pause_statuses = LazyFunction(lambda: ["awaiting_customer"])


def make_case(*, at: datetime = NOON, actor: Actor = SYSTEM, email: str = "tenant@home.example", **draft: Any) -> Case:
    """A case as a mail or a person would open it. `draft` are fields of CaseDraft; labels may be given by name."""
    labels: dict[str, Any] = {
        name: draft.pop(name) for name in ("priority", "case_type", "sentiment", "category") if name in draft
    }
    customer = draft.pop("customer", None) or CustomerInfo(email=email, name="Tina Tenant")
    return create_case(
        CaseDraft(title=draft.pop("title", "The heating is cold"), customer=customer, labels=labels, **draft),
        at=at,
        actor=actor,
    )


def make_task(*, at: datetime = NOON, actor: Actor = SYSTEM, **draft: Any) -> Task:
    return create_task(TaskDraft(subject=draft.pop("subject", "Send a plumber"), **draft), at=at, actor=actor)


def later(*, days: int = 0, hours: int = 0, minutes: int = 0) -> datetime:
    """NOON and so much."""
    return NOON + timedelta(days=days, hours=hours, minutes=minutes)
