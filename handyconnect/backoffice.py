"""How the admin looks and what its menu holds; the setting UNFOLD. Who sees what follows from the role."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

CONFIGURE = "accounts.admin_base.may_configure"


def _item(title: Any, icon: str, model: str, *, permission: str = "") -> dict[str, Any]:
    item = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}
    return {**item, "permission": permission} if permission else item


NAVIGATION: list[dict[str, Any]] = [
    {
        "title": "",
        "items": [
            {"title": _("Home"), "icon": "home", "link": reverse_lazy("admin:index")},
            {"title": _("Desk"), "icon": "support_agent", "link": reverse_lazy("desk:home"), "active": False},
        ],
    },
    {
        "title": _("Work"),
        "items": [
            _item(_("Cases"), "inbox", "cases_case"),
            _item(_("Tasks"), "task_alt", "tasks_task"),
            _item(_("Customers"), "groups", "cases_customer"),
            _item(_("Contractors"), "engineering", "tasks_contractor"),
            _item(_("Categories"), "account_tree", "cases_category"),
            _item(_("Tags"), "sell", "cases_tag"),
        ],
    },
    {
        "title": _("Mail"),
        "items": [
            _item(_("Mailboxes"), "mail", "mail_ingest_mailbox"),
            _item(_("Intake ledger"), "receipt_long", "mail_ingest_inboundmessage"),
            _item(_("Conversations"), "forum", "mail_ingest_emailthread"),
            _item(_("Messages"), "drafts", "mail_ingest_emailmessage"),
            _item(_("Outbound queue"), "outgoing_mail", "mail_ingest_outboundmessage"),
            _item(_("Triage results"), "psychology", "mail_ingest_triageresult"),
            _item(_("Backfills"), "manage_history", "mail_ingest_backfill"),
            _item(_("Microsoft 365 notices"), "notifications_active", "mail_ingest_graphnotice"),
        ],
    },
    {
        "title": _("Service levels"),
        "items": [
            _item(_("Policies"), "timer", "sla_slapolicy"),
            _item(_("Calendars"), "calendar_month", "sla_businesscalendar"),
            _item(_("Clocks"), "hourglass_top", "sla_slaclock"),
        ],
    },
    {
        "title": _("Rules"),
        "items": [
            _item(_("Rules"), "rule", "workflows_workflowrule"),
            _item(_("Runs"), "play_circle", "workflows_rulerun"),
            _item(_("Templates"), "article", "notifications_notificationtemplate"),
            _item(_("Notifications"), "notifications", "notifications_notification"),
        ],
    },
    {
        "title": _("People"),
        "items": [
            _item(_("Users"), "person", "accounts_user"),
            _item(_("Teams"), "diversity_3", "accounts_team"),
            _item(_("API tokens"), "key", "knox_authtoken", permission=CONFIGURE),
        ],
    },
    {
        "title": _("Log"),
        "items": [
            _item(_("Timeline"), "history", "cases_timelineevent"),
            _item(_("Events set aside"), "report", "cases_listenerfailure"),
            _item(_("Listeners"), "hearing", "cases_listenercursor"),
            _item(_("Configuration versions"), "difference", "cases_configversion"),
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "HandyConnect",
    "SITE_HEADER": "HandyConnect",
    "SITE_SUBHEADER": _("Back office"),
    "SITE_SYMBOL": "support_agent",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("desk/icon.svg")},
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": "analytics.cockpit.environment",
    "DASHBOARD_CALLBACK": "analytics.cockpit.cockpit",
    "STYLES": [
        lambda _request: static("desk/parts.css"),
        lambda _request: static("desk/admin.css"),
    ],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {  # teal, dark enough from 600 on for white text (4.5 : 1 and more)
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(70.4% .14 182.503)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(33% .055 190)",
            "950": "oklch(27.7% .046 192.524)",
        },
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": NAVIGATION},
}
