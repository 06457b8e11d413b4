from cases.models.case import Case, CaseLink, CaseNumber, Tag
from cases.models.category import Category
from cases.models.configuration import ConfigVersion
from cases.models.customer import Customer
from cases.models.merge import CaseMerge
from cases.models.note import Note
from cases.models.timeline import EventDetail, ListenerCursor, ListenerFailure, LogHead, TimelineEvent

__all__ = [
    "Case",
    "CaseLink",
    "CaseMerge",
    "CaseNumber",
    "Category",
    "ConfigVersion",
    "Customer",
    "EventDetail",
    "ListenerCursor",
    "ListenerFailure",
    "LogHead",
    "Note",
    "Tag",
    "TimelineEvent",
]
