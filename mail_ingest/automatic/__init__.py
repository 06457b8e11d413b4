"""Telling mail that a machine wrote from mail that a person wrote, so that no two machines ever talk to each other."""

from mail_ingest.automatic.classify import classify
from mail_ingest.automatic.marks import mail_system_mark, no_person_mark, report_type
from mail_ingest.automatic.subjects import is_reply_subject
from mail_ingest.automatic.verdict import Kind, Verdict

__all__ = [
    "Kind",
    "Verdict",
    "classify",
    "is_reply_subject",
    "mail_system_mark",
    "no_person_mark",
    "report_type",
]
