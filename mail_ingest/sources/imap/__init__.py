"""The IMAP source (RFC 3501, RFC 9051): password or OAuth2, any server, nothing marked as read by reading it."""

from mail_ingest.sources.imap.reader import ImapReader, opened

__all__ = ["ImapReader", "opened"]
