from django.urls import path

from mail_ingest.api import Mailboxes, MessageFiles, Messages, Outbound, Threads

urlpatterns = [
    path("messages", Messages.as_view({"get": "list"}), name="messages"),
    path("messages/<int:message_id>", Messages.as_view({"get": "retrieve"}), name="message"),
    path("messages/<int:message_id>/replay", Messages.as_view({"post": "replay"}), name="message-replay"),
    path("messages/<int:message_id>/raw", MessageFiles.as_view({"get": "raw"}), name="message-raw"),
    path(
        "messages/<int:message_id>/attachments/<int:rank>",
        MessageFiles.as_view({"get": "attachment"}),
        name="message-attachment",
    ),
    path("outbound", Outbound.as_view({"get": "list"}), name="outbound"),
    path("outbound/<int:outbound_id>", Outbound.as_view({"get": "retrieve"}), name="outbound-message"),
    path("threads", Threads.as_view({"get": "list"}), name="threads"),
    path("threads/<int:thread_id>", Threads.as_view({"get": "retrieve"}), name="thread"),
    path("mailboxes", Mailboxes.as_view({"get": "list"}), name="mailboxes"),
    path("mailboxes/<slug:slug>", Mailboxes.as_view({"get": "retrieve"}), name="mailbox"),
]
