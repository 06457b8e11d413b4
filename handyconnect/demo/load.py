"""Loads the demo: its people, then its weeks, deed by deed, through the same services that real work goes through.

It is one transaction: a start that is stopped in the middle leaves nothing behind, and the next one begins anew.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts.actors import Actor
from accounts.models import Membership, Team, User
from cases.listeners import drain
from cases.models import Case
from cases.services import (
    CustomerInfo,
    add_note,
    assign_case,
    change_status,
    remember_customer,
    save_configuration,
)
from handyconnect.demo import mails, story
from handyconnect.demo.mails import DemoMail
from handyconnect.demo.story import DemoStep
from mail_ingest import pipeline
from mail_ingest.models import InboundMessage, Mailbox
from mail_ingest.services import record_reply, store
from sla.services import sweep_clocks
from tasks.models import Contractor, Task
from tasks.services import change_task_status
from workflows.services import run_time_rules

ACTOR = Actor.system("demo")
LOGINS_FILE = "demo-logins.txt"
PASSWORD_WORDS = ("linden", "maple", "cedar", "birch", "aspen", "rowan", "hazel", "alder")


class NotHere(RuntimeError):
    """The demo, with its passwords, is for the embedded profile only."""


def is_first() -> bool:
    """Whether nothing was ever done here: nobody has an account and no mail has come."""
    return not User.objects.exists() and not InboundMessage.objects.exists()


def load_demo(*, now: datetime, say: Callable[[int, int], None] = lambda _done, _all: None) -> int:
    """Load everything; the number of mails. `say` is told how many deeds of how many are done. Raises NotHere.

    Its mail counts as imported: it is filed, clocked and run through the rules, and answered by nobody.
    """
    if not settings.EMBEDDED:
        raise NotHere("The demo can be loaded only into the embedded profile, without DATABASE_URL.")
    password = f"{secrets.choice(PASSWORD_WORDS)}-{secrets.randbelow(9000) + 1000}"
    with transaction.atomic():
        start = now - timedelta(days=60)
        _people(password=password, at=start)
        mailbox = _mailbox(at=start)
        deeds: list[DemoMail | DemoStep] = [*mails.build(now), *story.build(now)]
        deeds.sort(key=_moment)
        cases: dict[str, int] = {}
        time_rules_ran_at = start
        for done, deed in enumerate(deeds, start=1):
            at = _moment(deed)
            sweep_clocks(now=at)
            if at - time_rules_ran_at >= timedelta(hours=12):
                run_time_rules(now=at)
                time_rules_ran_at = at
            if isinstance(deed, DemoMail):
                cases[deed.key] = _receive(deed, mailbox)
            else:
                _do(deed, Case.objects.get(inbound=cases[deed.mail]))
            drain(now=at)
            say(done, len(deeds))
        sweep_clocks(now=now)
        run_time_rules(now=now)
        drain(now=now)
    _write_logins(password)
    return len(cases)


def _moment(deed: DemoMail | DemoStep) -> datetime:
    return deed.received_at if isinstance(deed, DemoMail) else deed.at


def _people(*, password: str, at: datetime) -> None:
    people = story.people()
    hashed = make_password(password)  # once: hashing is slow on purpose
    teams = {team["slug"]: save_configuration(Team(**team), at=at, actor=ACTOR) for team in people["teams"]}
    for person in people["users"]:
        facts = dict(person)
        names = facts.pop("teams")
        user = User(
            **facts,
            is_staff=facts["role"] in {User.Role.ADMINISTRATOR, User.Role.SUPERVISOR},
            is_superuser=facts["role"] == User.Role.ADMINISTRATOR,
            date_joined=at,
            password=hashed,
        )
        user.save()
        Membership.objects.bulk_create(Membership(user=user, team=teams[name]) for name in names)
    Contractor.objects.bulk_create(Contractor(**contractor) for contractor in people["contractors"])
    for email, facts in people["customers"].items():
        remember_customer(CustomerInfo(email=email, **facts), at=at, actor=ACTOR)


def _mailbox(*, at: datetime) -> Mailbox:
    mailbox = Mailbox.objects.get(slug="support")
    mailbox.name, mailbox.address = "Linden & Partner", mails.MAILBOX
    mailbox.team = Team.objects.get(slug="front-desk")
    return save_configuration(mailbox, at=at, actor=ACTOR)


def _receive(mail: DemoMail, mailbox: Mailbox) -> int:
    inbound, _created = store(
        mailbox,
        source_id=hashlib.sha256(mail.raw).hexdigest(),
        raw=mail.raw,
        received_at=mail.received_at,
        at=mail.received_at,
        origin=InboundMessage.Origin.IMPORT,
    )
    pipeline.process_message(inbound.pk, now=mail.received_at)
    return inbound.pk


def _do(step: DemoStep, case: Case) -> None:
    by = User.objects.get(username=step.by)
    actor = Actor.user(by)
    match step.do:
        case "assign":
            person = User.objects.filter(username=step.assigned_to).first()
            team = Team.objects.filter(slug=step.assigned_team).first()
            assign_case(case.pk, at=step.at, actor=actor, assigned_to=person, assigned_team=team or case.assigned_team)
        case "status":
            change_status(case.pk, step.status, at=step.at, actor=actor)
        case "close":
            change_status(case.pk, Case.Status.CLOSED, at=step.at, actor=actor)
        case "note":
            add_note(case.pk, step.text, at=step.at, actor=actor)
        case "reply":
            record_reply(case, body=step.text, at=step.at, actor=actor)
        case "resolve_task":
            for task in _open_tasks(case, step.which):
                change_task_status(task.pk, Task.Status.RESOLVED, at=step.at, actor=actor)


def _open_tasks(case: Case, which: str) -> Iterator[Task]:
    tasks = Task.objects.of_case(case.pk).open().order_by("id")
    yield from tasks[:1] if which == "first" else tasks


def _write_logins(password: str) -> None:
    """Put the log-ins where the start prints them from. Only their owner can read the file."""
    lines = [f"{user.username:<10} {password:<14} {user.get_role_display()}" for user in User.objects.order_by("id")]
    path = Path(settings.VAR) / LOGINS_FILE
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
