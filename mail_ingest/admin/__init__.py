from cases import panels
from mail_ingest.admin import channel, conversation, ledger, mailboxes

panels.register(conversation.PANEL)

__all__ = ["channel", "ledger", "mailboxes"]
