"""Reading what mail servers report about mail of ours: not delivered, delayed, delivered, read, or complained about.

A pure core: a ParsedMail in, plain values out. Whoever writes a report may have made it up; it says what it claims, no more.
"""

from mail_ingest.bounces.reader import read
from mail_ingest.bounces.report import Action, BounceReport, Kind, Reason, Result

__all__ = ["Action", "BounceReport", "Kind", "Reason", "Result", "read"]
