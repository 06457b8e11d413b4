"""ETags, If-Match and Idempotency-Key: nothing is overwritten unseen, and nothing happens twice."""

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import idempotency
from accounts.idempotency import claim
from accounts.models import IdempotencyKey, User
from accounts.tasks import forget_idempotency_keys
from cases.models import Case
from cases.services import CustomerInfo, add_note, remember_customer, update_case
from tests.conftest import client_of
from tests.factories import NOON, SYSTEM, UserFactory, later, make_case, make_task

pytestmark = pytest.mark.django_db
NEW = {"case_title": "No hot water", "customer_info": {"email": "tina@home.example"}}


class TestConditionalGet:
    def test_answers_304_while_nothing_has_changed(self, agent_client: APIClient) -> None:
        url = f"/api/cases/{make_case().pk}"
        tag = agent_client.get(url).headers["ETag"]
        response = agent_client.get(url, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", tag)
        assert agent_client.get(url, headers={"If-None-Match": '"v1.0"'}).status_code == 200

    def test_sees_changes_that_no_person_made(self, agent_client: APIClient) -> None:
        case = make_case()
        url = f"/api/cases/{case.pk}"
        seen = [agent_client.get(url).headers["ETag"]]
        add_note(case.pk, "From a rule.", at=NOON, actor=SYSTEM)
        seen.append(agent_client.get(url).headers["ETag"])
        make_task(case=case)
        seen.append(agent_client.get(url).headers["ETag"])
        remember_customer(CustomerInfo(email=case.customer.email, phone="110"), at=NOON, actor=SYSTEM)
        seen.append(agent_client.get(url).headers["ETag"])
        assert len(set(seen)) == 4

    def test_works_for_tasks(self, agent_client: APIClient) -> None:
        task = make_task()
        url = f"/api/tasks/{task.pk}"
        tag = agent_client.get(url).headers["ETag"]
        assert agent_client.get(url, headers={"If-None-Match": tag}).status_code == 304
        agent_client.patch(f"{url}/status", {"status": "in_progress"})
        assert agent_client.get(url, headers={"If-None-Match": tag}).status_code == 200


class TestIfMatch:
    @pytest.mark.parametrize(
        ("method", "suffix", "body"),
        [
            ("patch", "", {"priority": "high"}),
            ("put", "", NEW),
            ("patch", "/status", {"status": "in_progress"}),
            ("patch", "/assign", {"assigned_to": "ana"}),
            ("delete", "", None),
        ],
    )
    def test_refuses_an_edit_of_what_somebody_else_has_edited(
        self, agent_client: APIClient, method: str, suffix: str, body: Any
    ) -> None:
        case = make_case()
        tag = agent_client.get(f"/api/cases/{case.pk}").headers["ETag"]
        client_of(UserFactory.create()).patch(f"/api/cases/{case.pk}", {"case_title": "Theirs"})
        url = f"/api/cases/{case.pk}{suffix}"
        response = getattr(agent_client, method)(url, body, headers={"If-Match": tag})
        assert response.status_code == 412
        assert response.json()["version"] == 2
        assert Case.objects.get(pk=case.pk).title == "Theirs"
        fresh = agent_client.get(f"/api/cases/{case.pk}").headers["ETag"]
        assert getattr(agent_client, method)(url, body, headers={"If-Match": fresh}).status_code in {200, 204}

    def test_does_not_mind_mails_rules_and_sweeps_in_between(self, agent_client: APIClient) -> None:
        case = make_case()
        tag = agent_client.get(f"/api/cases/{case.pk}").headers["ETag"]
        update_case(case.pk, {"priority": "high"}, at=NOON, actor=SYSTEM)
        add_note(case.pk, "From a rule.", at=NOON, actor=SYSTEM)
        response = agent_client.patch(f"/api/cases/{case.pk}", {"case_title": "Mine"}, headers={"If-Match": tag})
        assert response.status_code == 200

    @pytest.mark.parametrize(
        ("header", "status"),
        [
            ("*", 200),
            ('"v1"', 200),
            ('"v1.99"', 200),
            ('W/"v1.99"', 200),
            ('"v7.1", "v1.1"', 200),
            ('"v7.1"', 412),
            ('"v7.1", "v8.1"', 412),
            ('"something-else"', 412),
            ('""', 412),
            ("v1.1", 400),
            ("", 400),
            ('"v1.1', 400),
            ('"v1.1",', 400),
        ],
    )
    def test_reads_the_header_as_the_standard_says(self, agent_client: APIClient, header: str, status: int) -> None:
        url = f"/api/cases/{make_case().pk}"
        response = agent_client.patch(url, {"priority": "high"}, headers={"If-Match": header})
        assert response.status_code == status, response.content

    def test_counts_for_tasks_too(self, agent_client: APIClient) -> None:
        task = make_task()
        url = f"/api/tasks/{task.pk}"
        tag = agent_client.get(url).headers["ETag"]
        client_of(UserFactory.create()).patch(url, {"subject": "Theirs"})
        for method, suffix, body in (
            ("patch", "", {"subject": "Mine"}),
            ("put", "", {"subject": "Mine"}),
            ("patch", "/status", {"status": "in_progress"}),
            ("patch", "/assign", {"assigned_to": "ana"}),
            ("delete", "", None),
        ):
            response = getattr(agent_client, method)(f"{url}{suffix}", body, headers={"If-Match": tag})
            assert response.status_code == 412, (method, suffix)


class TestIdempotencyKey:
    def test_gives_the_same_answer_and_does_it_once(self, agent_client: APIClient) -> None:
        headers = {"Idempotency-Key": "abc"}
        first = agent_client.post("/api/cases", NEW, headers=headers)
        again = agent_client.post("/api/cases", dict(reversed(NEW.items())), headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        for name in ("ETag", "Location"):
            assert again.headers[name] == first.headers[name]
        assert again.headers["Idempotent-Replayed"] == "true"
        assert Case.objects.count() == 1

    def test_refuses_another_body(self, agent_client: APIClient) -> None:
        headers = {"Idempotency-Key": "abc"}
        agent_client.post("/api/cases", NEW, headers=headers)
        response = agent_client.post("/api/cases", {**NEW, "case_title": "Other"}, headers=headers)
        assert response.status_code == 422
        assert response.json()["errors"][0]["code"] == "idempotency_key_reused"
        assert Case.objects.count() == 1

    def test_belongs_to_one_person_and_one_route(self, agent_client: APIClient) -> None:
        headers = {"Idempotency-Key": "abc"}
        one = agent_client.post("/api/cases", NEW, headers=headers).json()
        two = client_of(UserFactory.create(username="ben")).post("/api/cases", NEW, headers=headers).json()
        assert one["case_id"] != two["case_id"]
        assert two["created_by"] == "ben"
        note = agent_client.post(f"/api/cases/{one['case_id']}/notes", {"body": "x"}, headers=headers)
        assert note.status_code == 201

    def test_is_free_again_after_a_request_that_did_nothing(self, agent_client: APIClient) -> None:
        headers = {"Idempotency-Key": "abc"}
        assert agent_client.post("/api/cases", {}, headers=headers).status_code == 400
        assert not IdempotencyKey.objects.exists()
        assert agent_client.post("/api/cases", NEW, headers=headers).status_code == 201

    def test_says_so_while_the_first_request_is_under_way(self, agent: User, agent_client: APIClient) -> None:
        body_sha256 = idempotency.digest(NEW)
        claim(user=agent, route="POST /api/cases", key="abc", body_sha256=body_sha256, at=timezone.now())
        response = agent_client.post("/api/cases", NEW, headers={"Idempotency-Key": "abc"})
        assert response.status_code == 409
        assert response.json()["errors"][0]["code"] == "idempotency_key_in_progress"

    def test_is_taken_over_when_the_first_request_died(self, agent: User) -> None:
        first = claim(user=agent, route="r", key="k", body_sha256="b", at=NOON)
        second = claim(user=agent, route="r", key="k", body_sha256="b", at=later(minutes=3))
        assert first.pk != second.pk
        assert second.status_code is None

    def test_holds_a_day(self, agent: User) -> None:
        row = claim(user=agent, route="r", key="k", body_sha256="b", at=NOON)
        IdempotencyKey.objects.filter(pk=row.pk).update(status_code=201, answer={"body": {}, "headers": {}})
        assert claim(user=agent, route="r", key="k", body_sha256="b", at=later(hours=23)).status_code == 201
        assert claim(user=agent, route="r", key="k", body_sha256="other", at=later(hours=25)).status_code is None

    def test_is_forgotten_by_the_nightly_task(self, agent: User) -> None:
        claim(user=agent, route="r", key="old", body_sha256="b", at=NOON)
        claim(user=agent, route="r", key="new", body_sha256="b", at=timezone.now())
        forget_idempotency_keys()
        assert [row.key for row in IdempotencyKey.objects.all()] == ["new"]

    def test_of_a_slow_request_that_was_taken_over_undoes_it(self, agent: User, agent_client: APIClient) -> None:
        with pytest.MonkeyPatch.context() as patch:
            keep = idempotency._keep

            def taken_over(kept: IdempotencyKey, response: Any) -> None:
                IdempotencyKey.objects.filter(pk=kept.pk).delete()
                keep(kept, response)

            patch.setattr(idempotency, "_keep", taken_over)
            response = agent_client.post("/api/cases", NEW, headers={"Idempotency-Key": "abc"})
        assert response.status_code == 409
        assert not Case.objects.exists()

    @pytest.mark.parametrize("key", ["", "x" * 201, "schlüssel"])
    def test_has_to_be_printable_and_short(self, agent_client: APIClient, key: str) -> None:
        response = agent_client.post("/api/cases", NEW, headers={"Idempotency-Key": key})
        assert response.status_code == 400
        assert response.json()["errors"][0]["attr"] == "Idempotency-Key"


@pytest.mark.django_db(transaction=True)
def test_the_effect_and_the_kept_answer_are_one_transaction(agent_client: APIClient) -> None:
    """A process that dies between the two leaves neither."""

    def dies(*_args: Any) -> None:
        assert transaction.get_connection().in_atomic_block
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idempotency, "_keep", dies)
        with pytest.raises(SystemExit):
            agent_client.post("/api/cases", NEW, headers={"Idempotency-Key": "abc"})
    assert not Case.objects.exists()
