"""Writing to the customer, and to each other: the composer of a case's page. It calls the same services as the API."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.admin_base import actor_of, person_of
from accounts.models import User
from cases.models import Case, Note
from desk.acts import act, case_to_work_on, page_of
from desk.forms import NoteForm, ReplyForm
from desk.page import case_page
from handyconnect.refusals import Invalid, Refusal
from mail_ingest import services
from mail_ingest.conversation import ConversationState, others_mails, people_s_mail, state_of
from mail_ingest.models import Draft, OutboundMessage, Upload
from mail_ingest.parsing import Address
from mail_ingest.services import ConversationMoved, NoMailbox, ReplyDraft
from mail_ingest.services.addressing import addresses_of
from mail_ingest.services.uploads import of_person

NEWS_CHARS = 160
STILL_WRITING = timedelta(days=1)


def composer(
    case: Case,
    reader: User,
    *,
    now: datetime,
    reply: ReplyForm | None = None,
    note: NoteForm | None = None,
    news: Sequence[str] = (),
) -> dict[str, Any] | None:
    """What the composer's template shows; None for whoever only looks, and where the case goes on elsewhere."""
    if not reader.may_write or case.merged_into_id:
        return None
    drafts = {draft.kind: draft for draft in Draft.objects.filter(case=case, author=reader)}
    seen = state_of(case.pk).tag()
    uploads = list(_kept(case, reader, drafts.get(Draft.Kind.REPLY)) if reply is None else _chosen(case, reader, reply))
    warnings: Sequence[str] = ()
    if reply is None:
        initial, warnings = _begun(case, reader, drafts.get(Draft.Kind.REPLY))
        reply = ReplyForm(
            initial={**initial, "seen": seen}, case=case, uploads=uploads, auto_id="reply-%s", label_suffix=""
        )
    if note is None:
        begun = drafts.get(Draft.Kind.NOTE)
        note = NoteForm(initial={"body": begun.body if begun else "", "seen": seen}, auto_id="note-%s", label_suffix="")
    others = Draft.objects.filter(case=case, updated_at__gt=now - STILL_WRITING).exclude(author=reader)
    return {
        "reply": reply,
        "note": note,
        "news": news,
        "warnings": warnings,
        "uploads": uploads,
        "has_draft": Draft.Kind.REPLY in drafts,
        "others": sorted({str(draft.author) for draft in others.select_related("author") if draft.body.strip()}),
        "shown": "note" if note.is_bound else "reply",
        "draft_url": reverse("case-draft", args=[case.pk]),
    }


@login_required
@require_POST
def reply(request: HttpRequest, number: str) -> HttpResponse:
    """Queue a reply. What is wrong, and what has come in meanwhile, is shown above the text, which is kept."""
    case, reader, now = case_to_work_on(request, number), person_of(request), timezone.now()
    mine = list(of_person(case.pk, reader.pk))
    form = ReplyForm(request.POST, request.FILES, case=case, uploads=mine, auto_id="reply-%s", label_suffix="")
    is_right = form.is_valid()
    uploads = [*form.cleaned_data.get("uploads", []), *_uploaded(request, case, form, at=now)]
    if is_right and not form.errors:
        values = form.cleaned_data
        draft = ReplyDraft(
            body=values["body"].replace("\r\n", "\n"),
            to=values["to"],
            cc=values["cc"],
            bcc=values["bcc"],
            thread_id=values["thread"],
            upload_ids=uploads,
            then_status=values["then_status"],
            send_at=values["send_at"],
        )
        seen = ConversationState.parse(values["seen"])
        try:
            _outbound, warned = services.queue_reply(case.pk, draft, at=now, actor=actor_of(request), seen=seen)
        except ConversationMoved as error:
            return _again(request, case, reply=_renewed(form, case, uploads), news=news_since(case, error.seen))
        except Refusal as error:
            _refuse(form, error)
        else:
            for warning in warned:
                messages.warning(request, warning.detail)
            return redirect(page_of(case))
    return _again(request, case, reply=_renewed(form, case, uploads))


@login_required
@require_POST
def note(request: HttpRequest, number: str) -> HttpResponse:
    """Add an internal note."""
    case = case_to_work_on(request, number)
    form = NoteForm(request.POST, auto_id="note-%s", label_suffix="")
    if form.is_valid():
        try:
            services.write_note(
                case.pk,
                form.cleaned_data["body"].replace("\r\n", "\n"),
                at=timezone.now(),
                actor=actor_of(request),
            )
        except Refusal as error:
            _refuse(form, error)
        else:
            messages.success(request, _("The note was added. Only colleagues see it."))
            return redirect(page_of(case))
    return _again(request, case, note=form)


@act(forms.Form)
def undo(request: HttpRequest, case: Case, _values: dict[str, Any], outbound_id: int) -> tuple[str, str | None]:
    """Take back a mail that waits; its text is in the composer again."""
    services.cancel(_own(case, outbound_id), at=timezone.now(), actor=actor_of(request))
    return _("It was not sent. The text is back where it was written."), f"{page_of(case)}#composer"


@act(forms.Form)
def retry(request: HttpRequest, case: Case, _values: dict[str, Any], outbound_id: int) -> tuple[str, str | None]:
    """Send again what failed, or what may have been sent."""
    services.retry(_own(case, outbound_id), at=timezone.now(), actor=actor_of(request))
    return _("It is being sent again."), None


@act(forms.Form)
def discard(request: HttpRequest, case: Case, _values: dict[str, Any]) -> tuple[str, str | None]:
    """Throw the own draft of a reply away."""
    services.discard_draft(case.pk, Draft.Kind.REPLY, actor=actor_of(request))
    return _("The draft was thrown away."), None


def news_since(case: Case, seen: ConversationState) -> list[str]:
    """What came after that state of the conversation, a line each."""
    mails = others_mails(case.pk).filter(pk__gt=seen.mail).order_by("pk")
    notes = Note.objects.filter(case=case, pk__gt=seen.note).select_related("author").order_by("pk")
    replies = people_s_mail(case.pk).filter(pk__gt=seen.reply).exclude(state=OutboundMessage.State.CANCELLED)
    return [
        *(_line(mail.from_name or mail.from_email, mail.visible_text or mail.subject) for mail in mails),
        *(
            _line(_("%(person)s (reply)") % {"person": one.author}, one.body)
            for one in replies.select_related("author")
        ),
        *(_line(_("%(person)s (note)") % {"person": one.author or _("A rule")}, one.body) for one in notes),
    ]


def _line(who: str, text: str) -> str:
    return f"{who}: {Truncator(' '.join(text.split())).chars(NEWS_CHARS)}"


def _begun(case: Case, reader: User, draft: Draft | None) -> tuple[dict[str, Any], Sequence[str]]:
    """What the reply starts with: the person's draft, else whom the conversation asks for; and what looks like a slip."""
    try:
        proposal = services.propose(case, thread_id=draft.thread_id if draft else None, reader=reader)
    except NoMailbox as error:
        return {}, [error.detail]
    to_whom, thread = proposal.recipients, proposal.thread
    initial: dict[str, Any] = {
        "thread": thread.pk if thread else None,
        "to": to_whom.to,
        "cc": to_whom.cc,
        "bcc": to_whom.bcc,
        "body": draft.body if draft else "",
    }
    if draft and (draft.to or draft.cc or draft.bcc):
        return initial | {name: _typed(getattr(draft, name)) for name in ("to", "cc", "bcc")}, ()
    return initial, [warning.detail for warning in proposal.warnings]


def _typed(stored: Any) -> list[Address]:
    return addresses_of(one for one in stored if isinstance(one, dict))


def _kept(case: Case, reader: User, draft: Draft | None) -> QuerySet[Upload]:
    kept = of_person(case.pk, reader.pk)
    return kept.filter(pk__in=draft.uploads.values_list("pk", flat=True)) if draft else kept.none()


def _chosen(case: Case, reader: User, form: ReplyForm) -> QuerySet[Upload]:
    return of_person(case.pk, reader.pk).filter(pk__in=cast("QueryDict", form.data).getlist("uploads"))


def _uploaded(request: HttpRequest, case: Case, form: ReplyForm, *, at: datetime) -> list[int]:
    """Keep the files that came along, whatever else is wrong: nobody likes to choose them twice."""
    kept = []
    for file in form.cleaned_data.get("attachments") or []:
        try:
            upload = services.keep_upload(
                case.pk,
                filename=file.name,
                content=file.read(),
                declared_type=file.content_type or "",
                at=at,
                actor=actor_of(request),
            )
        except Refusal as error:
            form.add_error("attachments", f"{file.name}: {error.detail}")
        else:
            kept.append(upload.pk)
    return kept


def _renewed(form: ReplyForm, case: Case, uploads: Iterable[int]) -> ReplyForm:
    """The form as it was filled in, written against what is on the page now and with the files that are here by now."""
    data = cast("QueryDict", form.data).copy()
    data["seen"] = state_of(case.pk).tag()
    data.setlist("uploads", [str(pk) for pk in uploads])
    form.data = data
    return form


def _refuse(form: forms.Form, error: Refusal) -> None:
    form.add_error(error.field if isinstance(error, Invalid) and error.field in form.fields else None, error.detail)


def _again(
    request: HttpRequest,
    case: Case,
    *,
    reply: ReplyForm | None = None,
    note: NoteForm | None = None,
    news: Sequence[str] = (),
) -> HttpResponse:
    now = timezone.localtime()
    parts = composer(case, person_of(request), now=now, reply=reply, note=note, news=news)
    return case_page(
        request, case, now=now, composer=parts, status=HTTPStatus.CONFLICT if news else HTTPStatus.UNPROCESSABLE_ENTITY
    )


def _own(case: Case, outbound_id: int) -> int:
    """The mail, if it is the case's. Raises Http404."""
    if not OutboundMessage.objects.filter(pk=outbound_id, case=case).exists():
        raise Http404
    return outbound_id
