"""From a mail to the report that it is, if it is one."""

import re
from collections.abc import Sequence

from mail_ingest import automatic
from mail_ingest.bounces import fields, reasons, returned, signs, texts
from mail_ingest.bounces.fields import Fields
from mail_ingest.bounces.report import Action, BounceReport, Kind, Reason, Result
from mail_ingest.bounces.returned import Returned
from mail_ingest.bounces.texts import Section
from mail_ingest.parsing import ParsedMail

_MAX_DIAGNOSTIC_CHARS = 500
_ACTION = re.compile(r"[a-z]+")
_ACTIONS = {
    "failed": Action.FAILED,
    "failure": Action.FAILED,
    "expired": Action.FAILED,
    "delayed": Action.DELAYED,
    "delay": Action.DELAYED,
    "delivered": Action.DELIVERED,
    "relayed": Action.RELAYED,
    "expanded": Action.EXPANDED,
}
_ARRIVED = {Action.DELIVERED, Action.RELAYED, Action.EXPANDED}
# While a mail is only late, the way there being down is the same as not having arrived in time.
_LATE = {Reason.NETWORK, Reason.HOST_UNKNOWN, Reason.SYSTEM_ERROR, None}


def read(mail: ParsedMail) -> BounceReport | None:
    """The report that a mail is: RFC 3464 (with the codes of RFC 3463), RFC 5965, RFC 8098, or what servers send instead of them.

    None for every other mail, automatic or not. Time is bounded, whatever the mail holds. Raises nothing.
    """
    own, behind = texts.divide(mail.text)
    return _receipt(mail, own, behind) or _complaint(mail, own, behind) or _bounce(mail, own, behind)


def _receipt(mail: ParsedMail, own: str, behind: str) -> BounceReport | None:
    if automatic.report_type(mail.content_type) != "disposition-notification":
        return None
    group = fields.of_message(mail, "disposition") or Fields()
    # "manual-action/MDN-sent-manually; deleted", or just the last word.
    outcome = group.first("disposition").rpartition(";")[2].strip().lower()
    action = Action.DELETED if outcome.startswith("deleted") else Action.DISPLAYED
    result = Result(
        recipient=_address(group.first("final-recipient")) or (mail.sender.key if mail.sender else ""),
        original_recipient=_address(group.first("original-recipient")),
        action=action,
        reason=Reason.DELIVERED,
    )
    original = returned.read(mail, returned_text=behind, own_text=own, groups=[group])
    return _report(Kind.READ, "RFC 8098 disposition-notification", [result], original)


def _complaint(mail: ParsedMail, own: str, behind: str) -> BounceReport | None:
    group = fields.of_message(mail, "feedback-type")
    is_standard = automatic.report_type(mail.content_type) == "feedback-report"
    if not (is_standard or (group and group.first("user-agent", "version")) or signs.is_complaint(mail)):
        return None
    group = group or Fields()
    original = returned.read(mail, returned_text=behind, own_text=own, groups=[group])
    named = [*group.all("original-rcpt-to"), *group.all("removal-recipient")] or list(original.recipients)[:1]
    results = [
        Result(
            recipient=recipient,
            action=Action.DELIVERED,
            reason=Reason.FEEDBACK,
            diagnostic=_line(group.first("feedback-type")),
        )
        for recipient in dict.fromkeys(_address(one) for one in named) or [""]
    ]
    rule = "RFC 5965 feedback-report" if group else "a provider's feedback loop"
    return _report(Kind.COMPLAINT, rule, results, original)


def _bounce(mail: ParsedMail, own: str, behind: str) -> BounceReport | None:
    groups = fields.of_recipients(mail, own)
    rule = _rule(mail, own, groups)
    if not rule:
        return None
    original = returned.read(mail, returned_text=behind, own_text=own, groups=[*groups, *_first_group(mail)])
    is_late = signs.says_delay(mail, own)
    results = _from_groups(mail, groups, own, original) if groups else _from_text(mail, own, original, is_late=is_late)
    actions = {result.action for result in results}
    kind = Kind.FAILURE if Action.FAILED in actions else Kind.DELAY if Action.DELAYED in actions else Kind.SUCCESS
    return _report(kind, rule, results, original)


def _rule(mail: ParsedMail, own: str, groups: list[Fields]) -> str:
    """The form that makes the mail a report of a mail server, else ''."""
    if automatic.report_type(mail.content_type) == "delivery-status":
        return "RFC 3464 delivery-status"
    system = signs.system_mark(mail)
    if groups and system:
        return f"RFC 3464 fields, and {system}"
    if system and signs.says_failure(mail, own):
        return f"words of a mail server, and {system}"
    return ""


def _first_group(mail: ParsedMail) -> list[Fields]:
    """The fields about the message as a whole (RFC 3464, 2.2)."""
    group = fields.of_message(mail, "reporting-mta")
    return [group] if group else []


def _from_groups(mail: ParsedMail, groups: list[Fields], own: str, original_mail: Returned) -> list[Result]:
    sections = {section.recipient: section for section in texts.sections(own)}
    found: dict[tuple[str, str], Result] = {}
    for group in groups:
        final = _address(group.first("final-recipient"))
        original = _address(group.first("original-recipient"))
        action = _ACTIONS.get(_word(group.first("action")), Action.FAILED)
        section = sections.get(final) or sections.get(original)
        if not original and not texts.is_address(final) and len(groups) == 1:
            # A file, a pipe or half an address: the mail was sent to somebody else, whom only other places name.
            named = [*_failed_recipients(mail), *sections, *original_mail.recipients]
            original = next(iter(named), "")
        words = [
            _unlabelled(group.first("diagnostic-code")),
            group.first("status"),
            section.text if section else "",
            own if len(groups) == 1 else "",
        ]
        result = _result(
            final or original or _address(group.first("x-actual-recipient")),
            original=original if original != final else "",
            action=action,
            words=words,
            status=texts.status_in(group.first("status")),
        )
        found.setdefault((result.recipient, result.action), result)
    return list(found.values())


def _from_text(mail: ParsedMail, own: str, original: Returned, *, is_late: bool) -> list[Result]:
    action = Action.DELAYED if is_late else Action.FAILED
    return [
        _result(
            section.recipient,
            original=section.original,
            action=action,
            words=[texts.reply_in(section.text), section.text, own],
        )
        for section in _sections(mail, own, original)
    ]


def _sections(mail: ParsedMail, own: str, original: Returned) -> Sequence[Section]:
    """The recipients that the text names; else those of Exim's header, of the text at all, of the returned mail; else nobody."""
    failed = _failed_recipients(mail)
    found = texts.sections(own)
    if failed:
        # Exim also names who a recipient was rewritten to, and files and pipes; Google only names it here.
        said = {section.recipient: section for section in found}
        known = [said[one] for one in failed if one in said]
        return known or [Section(one, lines=own.split("\n")) for one in failed]
    ours = {
        *original.senders,
        *(address.key for address in (*mail.to, *mail.cc)),
        mail.sender.key if mail.sender else "",
    }
    likely = [section for section in found if section.recipient not in ours] or found
    if likely:
        return likely
    named = [one for one in texts.addresses(own) if one not in ours] or list(original.recipients) or [""]
    return [Section(one, lines=own.split("\n")) for one in named[:1]]


def _failed_recipients(mail: ParsedMail) -> list[str]:
    return texts.addresses(" ".join(value for name, value in mail.headers if name.lower() == "x-failed-recipients"))


def _result(recipient: str, *, original: str, action: Action, words: list[str], status: str = "") -> Result:
    """`words` are what was said about this recipient, the surest first."""
    said = next((one for one in words if one.strip()), "")
    codes = "\n".join(words[:3])
    if not status or status.endswith(".0.0"):
        status = texts.status_in(codes) or status
    smtp_code = texts.smtp_code_in(words[0]) or texts.smtp_code_in("\n".join(words[2:3]))
    return Result(
        recipient=recipient,
        original_recipient=original,
        action=action,
        reason=_reason(words, action, status, smtp_code),
        status=status,
        smtp_code=smtp_code,
        diagnostic=_line(said),
        is_permanent=action == Action.FAILED and (status or smtp_code or "5")[0] == "5",
    )


def _reason(words: list[str], action: Action, status: str, smtp_code: str) -> Reason:
    if action in _ARRIVED:
        return Reason.DELIVERED
    reason = (
        reasons.by_words(words[0])
        or reasons.by_status(status)
        or next(filter(None, map(reasons.by_words, words[1:])), None)
        or reasons.by_vague_status(status)
        or reasons.by_reply(smtp_code)
    )
    if action == Action.DELAYED and reason in _LATE:
        return Reason.EXPIRED
    return reason or Reason.UNDEFINED


def _report(kind: Kind, rule: str, results: list[Result], original: Returned) -> BounceReport:
    return BounceReport(
        kind=kind,
        rule=rule,
        results=tuple(results[: texts.MAX_RECIPIENTS]),
        original_message_ids=tuple(original.message_ids),
        original_senders=tuple(original.senders),
        original_subject=original.subject,
    )


def _address(value: str) -> str:
    """The address in a typed field (`rfc822; ada@example.com`), lower-case; what is none stays as it is."""
    value = value.rpartition(";")[2] if ";" in value else value
    return (next(iter(texts.addresses(value)), "") or value.strip(" <>\"'").lower())[:320]


def _unlabelled(value: str) -> str:
    """A diagnostic without its type (`smtp;`)."""
    kind, mark, rest = value.partition(";")
    return rest.strip() if mark and " " not in kind.strip() else value


def _word(value: str) -> str:
    match = _ACTION.search(value.lower())
    return match.group() if match else ""


def _line(text: str) -> str:
    return " ".join(text.split())[:_MAX_DIAGNOSTIC_CHARS]
