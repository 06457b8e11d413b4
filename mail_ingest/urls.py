from typing import Any

from django.urls import path

from mail_ingest import webhooks
from mail_ingest.api import (
    Conversation,
    Drafts,
    Mailboxes,
    MessageFiles,
    Messages,
    Outbound,
    OwnDraft,
    ReplyProposals,
    Threads,
    UploadFiles,
    Uploads,
)
from mail_ingest.display import EmailPages
from mail_ingest.moves_api import CaseSplits, MessageMoves

own_draft: dict[str, Any] = {"get": "retrieve", "put": "update", "delete": "destroy"}

urlpatterns = [
    path("graph/notifications", webhooks.graph_notifications, name="graph-notifications"),
    path(
        "cases/<uuid:case_id>/messages",
        Conversation.as_view({"get": "list", "post": "create"}),
        name="case-messages",
    ),
    path(
        "cases/<uuid:case_id>/messages/recipients",
        ReplyProposals.as_view({"get": "recipients"}),
        name="case-messages-recipients",
    ),
    path("cases/<uuid:case_id>/drafts", Drafts.as_view({"get": "list"}), name="case-drafts"),
    path("cases/<uuid:case_id>/draft", OwnDraft.as_view(own_draft), name="case-draft"),
    path("cases/<uuid:case_id>/uploads", Uploads.as_view({"get": "list", "post": "create"}), name="case-uploads"),
    path(
        "cases/<uuid:case_id>/uploads/<int:upload_id>",
        UploadFiles.as_view({"get": "retrieve", "delete": "destroy"}),
        name="case-upload",
    ),
    path("cases/<uuid:case_id>/split", CaseSplits.as_view({"post": "split"}), name="case-split"),
    path("messages", Messages.as_view({"get": "list"}), name="messages"),
    path("messages/<int:message_id>", Messages.as_view({"get": "retrieve"}), name="message"),
    path("messages/<int:message_id>/replay", Messages.as_view({"post": "replay"}), name="message-replay"),
    path("messages/<int:message_id>/move", MessageMoves.as_view({"post": "move"}), name="message-move"),
    path("messages/<int:message_id>/raw", MessageFiles.as_view({"get": "raw"}), name="message-raw"),
    path(
        "messages/<int:message_id>/attachments/<int:rank>",
        MessageFiles.as_view({"get": "attachment"}),
        name="message-attachment",
    ),
    path("messages/<int:message_id>/html", EmailPages.as_view({"get": "html"}), name="message-html"),
    path("emails/<int:email_id>/html", EmailPages.as_view({"get": "html"}), name="email-html"),
    path(
        "emails/<int:email_id>/attachments/<int:rank>",
        EmailPages.as_view({"get": "attachment"}),
        name="email-attachment",
    ),
    path("outbound", Outbound.as_view({"get": "list"}), name="outbound"),
    path(
        "outbound/<int:outbound_id>",
        Outbound.as_view({"get": "retrieve", "delete": "destroy"}),
        name="outbound-message",
    ),
    path("outbound/<int:outbound_id>/retry", Outbound.as_view({"post": "retry"}), name="outbound-retry"),
    path("threads", Threads.as_view({"get": "list"}), name="threads"),
    path("threads/<int:thread_id>", Threads.as_view({"get": "retrieve"}), name="thread"),
    path("mailboxes", Mailboxes.as_view({"get": "list"}), name="mailboxes"),
    path("mailboxes/<slug:slug>", Mailboxes.as_view({"get": "retrieve"}), name="mailbox"),
]
