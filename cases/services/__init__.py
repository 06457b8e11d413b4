"""Every change of a case is one of these calls: one transaction, one event."""

from cases.services.cases import (
    UNSET,
    CaseDraft,
    Unset,
    apply_triage,
    assign_case,
    change_status,
    create_case,
    delete_case,
    escalate_case,
    locked,
    restore_case,
    touch,
    update_case,
)
from cases.services.configuration import delete_configuration, save_configuration
from cases.services.customers import CustomerInfo, normal_email, remember_customer, update_customer
from cases.services.errors import CaseGone, GuardObjects, TransitionNotAllowed, VersionStale
from cases.services.merges import (
    AlreadyMerged,
    NotMerged,
    absorbed_ids,
    came_with,
    living_id,
    lock_living,
    merge_cases,
    unmerge_case,
)
from cases.services.notes import add_note, link_cases, unlink_cases
from cases.services.people import note_password_change, revoke_token, save_person

__all__ = [
    "UNSET",
    "AlreadyMerged",
    "CaseDraft",
    "CaseGone",
    "CustomerInfo",
    "GuardObjects",
    "NotMerged",
    "TransitionNotAllowed",
    "Unset",
    "VersionStale",
    "absorbed_ids",
    "add_note",
    "apply_triage",
    "assign_case",
    "came_with",
    "change_status",
    "create_case",
    "delete_case",
    "delete_configuration",
    "escalate_case",
    "link_cases",
    "living_id",
    "lock_living",
    "locked",
    "merge_cases",
    "normal_email",
    "note_password_change",
    "remember_customer",
    "restore_case",
    "revoke_token",
    "save_configuration",
    "save_person",
    "touch",
    "unlink_cases",
    "unmerge_case",
    "update_case",
    "update_customer",
]
