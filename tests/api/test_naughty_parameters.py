"""Whatever stands behind a parameter of a list, the answer is rows or a reason, never an error on our side."""

import pytest
from django_filters import FilterSet
from rest_framework.test import APIClient

from mail_ingest.filters import MailboxFilter, MessageFilter, OutboundFilter, ThreadFilter
from notifications.filters import NotificationFilter
from sla.filters import CalendarFilter, PolicyFilter
from tests.factories import MailboxFactory, PolicyFactory, make_case
from workflows.filters import RuleFilter, RunFilter, StatisticsFilter

pytestmark = pytest.mark.django_db

LISTS: dict[str, type[FilterSet]] = {
    "/api/messages": MessageFilter,
    "/api/outbound": OutboundFilter,
    "/api/threads": ThreadFilter,
    "/api/mailboxes": MailboxFilter,
    "/api/notifications": NotificationFilter,
    "/api/sla/policies": PolicyFilter,
    "/api/sla/calendars": CalendarFilter,
    "/api/workflows/rules": RuleFilter,
    "/api/workflows/runs": RunFilter,
    "/api/workflows/statistics": StatisticsFilter,
}
NAUGHTY = [
    "\x00",
    "\ud800",
    "\u202e",
    ",",
    "a,,b",
    "99999999999999999999999999",
    "-1",
    "'; DROP TABLE cases_case; --",
    "%",
    "é" * 500,
    "1e999",
    "0001-01-01",
    "9999-12-31T23:59:59+14:00",
    "٣",
    "me",
    "none",
    "true",
]


@pytest.mark.parametrize("text", NAUGHTY, ids=range(len(NAUGHTY)))
def test_every_parameter_is_answered_or_refused(administrator_client: APIClient, text: str) -> None:
    administrator_client.raise_request_exception = True
    MailboxFactory.create()
    PolicyFactory.create()
    make_case()
    for url, filters in LISTS.items():
        for name in (*filters.base_filters, "cursor", "ordering", "limit", "count"):
            response = administrator_client.get(url, {name: text.encode("utf-8", "surrogatepass")})
            assert response.status_code in {200, 400}, (url, name, response.content)
    for scope in ("/api/analytics", "/api/cases/analytics"):
        for report in ("dashboard", "trends", "performance", "reports"):
            for name in ("days", "interval", "group_by"):
                response = administrator_client.get(f"{scope}/{report}", {name: text.encode("utf-8", "surrogatepass")})
                assert response.status_code == 400, (scope, report, name)
