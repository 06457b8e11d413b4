"""Every change of a case: one call, one event; refusals that say what would be right."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.actors import Actor
from accounts.models import User
from cases import numbers
from cases.lifecycle import TRANSITIONS
from cases.models import Case, CaseLink, Category, ConfigVersion, Customer, TimelineEvent
from cases.services import (
    CaseGone,
    CustomerInfo,
    GuardObjects,
    TransitionNotAllowed,
    VersionStale,
    add_note,
    apply_triage,
    assign_case,
    change_status,
    delete_case,
    delete_configuration,
    escalate_case,
    link_cases,
    remember_customer,
    restore_case,
    save_configuration,
    unlink_cases,
    update_case,
)
from handyconnect.refusals import Invalid
from tests.factories import NOON, SYSTEM, CategoryFactory, TeamFactory, UserFactory, later, make_case, make_task

pytestmark = pytest.mark.django_db


def events_of(case: Case) -> list[str]:
    return list(TimelineEvent.objects.filter(case=case).order_by("id").values_list("kind", flat=True))


class TestCaseNumbers:
    def test_have_the_check_digit_of_the_standard(self) -> None:
        assert numbers.check_digit("0794") == "5"  # the example of ISO/IEC 7064, MOD 11,10

    @pytest.mark.parametrize("number", ["HC-10014", "hc-10014 "])
    def test_are_known_however_they_are_typed(self, number: str) -> None:
        digits = "1001" + numbers.check_digit("1001")
        assert numbers.is_valid(number.replace("10014", digits))

    @pytest.mark.parametrize("number", ["HC-", "HC-1", "10015", "XX-10015", "HC-1001\u0665", "HC-abc"])
    def test_are_told_from_other_words(self, number: str) -> None:
        assert not numbers.is_valid(number)

    def test_catch_every_single_wrong_digit(self) -> None:
        good = numbers.issue(at=NOON)
        for place in range(len(numbers.PREFIX), len(good)):
            for digit in set("0123456789") - {good[place]}:
                assert not numbers.is_valid(good[:place] + digit + good[place + 1 :])

    def test_are_never_given_twice(self) -> None:
        first = make_case()
        with transaction.atomic():
            make_case()
            transaction.set_rollback(True)
        second = make_case()
        assert first.case_number != second.case_number
        assert numbers.is_valid(second.case_number)


class TestCreateCase:
    def test_opens_a_case_and_tells_of_it_once(self) -> None:
        case = make_case(
            title="  Water in the cellar ", tags=["cellar", "urgent "], received_at=NOON - timedelta(hours=2)
        )
        case.refresh_from_db()
        assert (case.title, case.status, case.received_at) == ("Water in the cellar", "new", NOON - timedelta(hours=2))
        assert sorted(case.tags.values_list("name", flat=True)) == ["cellar", "urgent"]
        assert events_of(case) == ["case_created"]

    def test_cuts_a_title_and_makes_one_up(self) -> None:
        assert len(make_case(title="x" * 1000).title) == 300
        assert make_case(title="  ", email="nobody@home.example").title == "nobody@home.example"

    def test_never_dates_the_receipt_after_the_opening(self) -> None:
        assert make_case(received_at=later(days=1)).received_at == NOON

    def test_notes_which_labels_a_person_chose(self, agent: User) -> None:
        case = make_case(actor=Actor.user(agent), priority="high")
        assert case.provenance["priority"]["by"] == "person"
        assert (case.created_by, case.updated_by) == (agent, agent)


class TestRememberCustomer:
    def test_knows_an_address_in_any_case(self) -> None:
        first = remember_customer(CustomerInfo(email="Tina@Home.example"), at=NOON, actor=SYSTEM)
        second = remember_customer(CustomerInfo(email=" tina@home.EXAMPLE "), at=NOON, actor=SYSTEM)
        assert first == second
        assert Customer.objects.count() == 1

    def test_fills_gaps_but_replaces_only_for_a_person(self, agent: User) -> None:
        remember_customer(CustomerInfo(email="t@home.example", name="Tina"), at=NOON, actor=SYSTEM)
        told = CustomerInfo(email="t@home.example", name="Martina", phone="030 1234", customer_type="tenant")
        customer = remember_customer(told, at=NOON, actor=SYSTEM)
        assert (customer.name, customer.phone, customer.customer_type) == ("Tina", "030 1234", "tenant")
        customer = remember_customer(told, at=NOON, actor=Actor.user(agent), overwrite=True)
        assert customer.name == "Martina"
        assert TimelineEvent.objects.filter(kind="customer_updated").count() == 2

    def test_cuts_what_does_not_fit(self) -> None:
        customer = remember_customer(CustomerInfo(email="t@home.example", phone="1" * 500), at=NOON, actor=SYSTEM)
        assert len(customer.phone) == 60


class TestChangeStatus:
    @pytest.mark.parametrize(
        ("old", "new"), [(old, new) for old, moves in TRANSITIONS.items() for new in sorted(moves)]
    )
    def test_makes_every_move_of_the_lifecycle(self, old: str, new: str) -> None:
        case = make_case()
        path = {"new": [], "closed": ["resolved", "closed"]}.get(old, [old])
        for step in path:
            change_status(case.pk, step, at=NOON, actor=SYSTEM)
        case = change_status(case.pk, new, at=later(hours=1), actor=SYSTEM)
        assert (case.status, case.status_changed_at) == (new, later(hours=1))

    @pytest.mark.parametrize("status", ["merged", "new"])
    def test_refuses_a_move_that_the_lifecycle_does_not_have(self, status: str) -> None:
        case = make_case()
        change_status(case.pk, "resolved", at=NOON, actor=SYSTEM)
        with pytest.raises(TransitionNotAllowed) as refusal:
            change_status(case.pk, status, at=NOON, actor=SYSTEM)
        assert refusal.value.facts == {"allowed": ["in_progress", "closed"]}

    def test_is_silent_when_nothing_changes(self) -> None:
        case = make_case()
        change_status(case.pk, "new", at=later(hours=1), actor=SYSTEM)
        assert events_of(case) == ["case_created"]

    def test_refuses_to_resolve_while_a_required_task_is_open(self) -> None:
        case = make_case()
        task = make_task(case=case, is_required=True, subject="Change the lock")
        with pytest.raises(GuardObjects, match="Change the lock") as refusal:
            change_status(case.pk, "resolved", at=NOON, actor=SYSTEM)
        assert (refusal.value.code, refusal.value.facts) == ("open_required_tasks", {"blocking": [str(task.pk)]})

    def test_counts_and_clears_when_a_case_is_reopened(self) -> None:
        case = make_case()
        change_status(case.pk, "closed", at=later(hours=1), actor=SYSTEM)
        case = change_status(case.pk, "in_progress", at=later(hours=2), actor=SYSTEM)
        assert (case.reopen_count, case.resolved_at, case.closed_at) == (1, None, None)
        assert TimelineEvent.objects.filter(case=case).latest("id").data == {"reopened": True}

    def test_refuses_a_stale_version_and_a_case_that_is_gone(self, agent: User) -> None:
        case = make_case()
        change_status(case.pk, "in_progress", at=NOON, actor=Actor.user(agent))
        with pytest.raises(VersionStale):
            change_status(case.pk, "resolved", at=NOON, actor=Actor.user(agent), expected_version=1)
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        with pytest.raises(CaseGone):
            change_status(case.pk, "resolved", at=NOON, actor=SYSTEM)


class TestUpdateCase:
    def test_writes_old_and_new_and_who(self, agent: User) -> None:
        category = CategoryFactory.create(slug="heating")
        case = make_case(priority="low")
        case = update_case(
            case.pk,
            {"priority": "high", "category": category, "title": "Cold"},
            at=NOON,
            actor=Actor.user(agent),
            tags=["b", "a", "a"],
            customer=CustomerInfo(email="other@home.example"),
        )
        event = TimelineEvent.objects.get(kind="case_updated")
        assert event.changes["priority"] == ["low", "high"]
        assert event.changes["category"] == [None, "heating"]
        assert event.changes["tags"] == [[], ["a", "b"]]
        assert (event.detail.body or {})["changes"]["title"] == ["The heating is cold", "Cold"]
        assert "title" not in event.changes
        assert (case.version, case.provenance["priority"]["by"]) == (2, "person")
        assert case.customer.email == "other@home.example"

    def test_is_silent_when_nothing_changes(self) -> None:
        case = make_case(priority="low")
        update_case(case.pk, {"priority": "low"}, at=NOON, actor=SYSTEM, tags=[])
        assert events_of(case) == ["case_created"]

    def test_notes_that_a_rule_set_a_label_and_leaves_the_version(self) -> None:
        case = make_case()
        case = update_case(case.pk, {"priority": "urgent"}, at=NOON, actor=Actor.rule(1, cause_id=None, depth=1))
        assert (case.provenance["priority"]["by"], case.version) == ("rule", 1)


class TestApplyTriage:
    def apply(self, case: Case, **labels: Any) -> Case:
        return apply_triage(case.pk, labels, source="offline", confidence={"priority": 0.8}, at=NOON, actor=SYSTEM)

    def test_sets_free_labels_with_source_and_confidence(self) -> None:
        case = self.apply(make_case(), priority="urgent")
        assert case.priority == "urgent"
        assert case.provenance["priority"] == {"by": "offline", "at": NOON.isoformat(), "confidence": 0.8}

    @pytest.mark.parametrize("setter", [Actor.rule(1, cause_id=None, depth=1), None])
    def test_never_overwrites_a_person_or_a_rule(self, setter: Actor | None, agent: User) -> None:
        case = make_case()
        update_case(case.pk, {"priority": "low"}, at=NOON, actor=setter or Actor.user(agent))
        assert self.apply(case, priority="urgent").priority == "low"
        assert "case_triaged" not in events_of(case)


class TestAssignCase:
    def test_gives_takes_and_says_why(self) -> None:
        ana, team = UserFactory.create(username="ana"), TeamFactory.create(slug="repairs")
        case = make_case()
        assign_case(case.pk, at=NOON, actor=SYSTEM, assigned_to=ana, assigned_team=team, reason="fewest open")
        case = assign_case(case.pk, at=NOON, actor=SYSTEM, assigned_to=None)
        assert (case.assigned_to, case.assigned_team) == (None, team)
        first, second = TimelineEvent.objects.filter(kind="case_assigned").order_by("id")
        assert first.changes == {"assigned_to": [None, "ana"], "assigned_team": [None, "repairs"]}
        assert first.data == {"reason": "fewest open"}
        assert second.changes == {"assigned_to": ["ana", None]}

    def test_is_silent_when_nothing_changes(self) -> None:
        case = make_case()
        assign_case(case.pk, at=NOON, actor=SYSTEM, assigned_to=None)
        assert events_of(case) == ["case_created"]


class TestOtherChanges:
    def test_escalation_counts_up(self) -> None:
        case = make_case()
        escalate_case(case.pk, at=NOON, actor=SYSTEM, reason="breached")
        assert escalate_case(case.pk, at=NOON, actor=SYSTEM).escalation_level == 2

    def test_deleting_hides_and_restoring_brings_back(self) -> None:
        case = make_case()
        delete_case(case.pk, at=NOON, actor=SYSTEM)
        assert not Case.objects.existing().filter(pk=case.pk).exists()
        restore_case(case.pk, at=NOON, actor=SYSTEM)
        restore_case(case.pk, at=NOON, actor=SYSTEM)
        assert events_of(case) == ["case_created", "case_deleted", "case_restored"]

    def test_a_note_needs_words(self) -> None:
        case = make_case()
        with pytest.raises(Invalid) as refusal:
            add_note(case.pk, " \n", at=NOON, actor=SYSTEM)
        assert refusal.value.field == "body"

    def test_links_are_made_and_taken_away_once(self) -> None:
        one, two = make_case(), make_case()
        link = link_cases(one.pk, two.pk, "related", at=NOON, actor=SYSTEM)
        assert link_cases(one.pk, two.pk, "related", at=NOON, actor=SYSTEM) == link
        with pytest.raises(Invalid):
            link_cases(one.pk, one.pk, "related", at=NOON, actor=SYSTEM)
        unlink_cases(link.pk, at=NOON, actor=SYSTEM)
        unlink_cases(link.pk, at=NOON, actor=SYSTEM)
        assert not CaseLink.objects.exists()
        assert events_of(one) == ["case_created", "case_linked", "case_unlinked"]


class TestTheDatabase:
    @pytest.mark.parametrize(
        "change",
        [
            {"status": "bananas"},
            {"priority": "bananas"},
            {"title": ""},
            {"status": "merged"},
            {"status": "resolved", "resolved_at": None},
            {"resolved_at": NOON - timedelta(days=1)},
        ],
    )
    def test_refuses_a_state_that_cannot_be(self, change: dict[str, Any]) -> None:
        case = make_case()
        with pytest.raises(IntegrityError), transaction.atomic():
            Case.objects.filter(pk=case.pk).update(**change)


class TestConfiguration:
    def test_keeps_a_version_and_an_event_for_every_change(self, administrator: User) -> None:
        actor = Actor.user(administrator)
        category = save_configuration(Category(slug="heating", name="Heating"), at=NOON, actor=actor)
        save_configuration(category, at=NOON, actor=actor)  # nothing changed, nothing written
        category.name = "Heat"
        save_configuration(category, at=NOON, actor=actor)
        delete_configuration(category, at=NOON, actor=actor)
        versions = list(ConfigVersion.objects.order_by("number"))
        assert [version.number for version in versions] == [1, 2, 3]
        assert versions[1].event.changes == {"name": ["Heating", "Heat"]}
        assert versions[2].state == {}
        assert versions[2].event.data == {"version": 3, "deleted": True}

    def test_refuses_what_is_not_valid_and_names_the_field(self) -> None:
        parent = CategoryFactory.create()
        child = CategoryFactory.create(parent=parent)
        with pytest.raises(ValidationError) as refusal:
            save_configuration(Category(slug="deep", name="Deep", parent=child), at=NOON, actor=SYSTEM)
        assert list(refusal.value.message_dict) == ["parent"]
