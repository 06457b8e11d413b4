from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cases.constraints import one_of
from handyconnect.encryption import EncryptedTextField
from mail_ingest import smtp_urls


class MailboxKind(models.TextChoices):
    FOLDER = "folder", _("Folder of .eml files")
    MAILDIR = "maildir", _("Maildir")
    IMAP = "imap", _("IMAP")
    GRAPH = "graph", _("Microsoft 365")


class MailboxHealth(models.TextChoices):
    UNKNOWN = "unknown", _("Not checked yet")
    GOOD = "good", _("Good")
    FAILING = "failing", _("Failing")


class AfterFiling(models.TextChoices):
    LEAVE = "leave", _("Leave it as it is")
    MARK_READ = "mark_read", _("Mark it as read")
    MOVE = "move", _("Move it to another folder")


class SendsBy(models.TextChoices):
    SERVER = "server", _("As EMAIL_URL says")
    GRAPH = "graph", _("Microsoft 365")
    SMTP = "smtp", _("An SMTP server of its own")


class ImapSecurity(models.TextChoices):
    TLS = "tls", _("TLS from the start (993)")
    STARTTLS = "starttls", _("STARTTLS (143)")
    NONE = "none", _("None: only on this machine")


class ImapLogin(models.TextChoices):
    PASSWORD = "password", _("Password")
    OAUTH2 = "oauth2", _("OAuth2 (XOAUTH2)")


class Mailbox(models.Model):
    """A support address whose mail becomes cases. Its secrets are encrypted, and no version or event shows them."""

    Kind = MailboxKind
    Health = MailboxHealth
    AfterFiling = AfterFiling
    SendsBy = SendsBy
    ImapSecurity = ImapSecurity
    ImapLogin = ImapLogin
    REMOTE = (MailboxKind.IMAP, MailboxKind.GRAPH)
    SECRETS = ("client_secret", "imap_password", "oauth_refresh_token", "smtp_url")
    BOOKKEEPING = ("health", "health_detail", "checked_at")

    slug = models.SlugField(_("slug"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=100)
    address = models.EmailField(
        _("address"), max_length=320, help_text=_("Mail from this address is our own and opens no case.")
    )
    aliases = models.JSONField(
        _("other addresses of ours"),
        default=list,
        blank=True,
        help_text=_(
            "A list of addresses whose mail also lands here: replies leave them out, as they do the address itself."
        ),
    )
    kind = models.CharField(_("kind"), max_length=20, choices=MailboxKind, default=MailboxKind.FOLDER)
    is_active = models.BooleanField(_("read"), default=True)
    team = models.ForeignKey(
        "accounts.Team",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="mailboxes",
        verbose_name=_("team"),
        help_text=_("New cases from this mailbox start with this team."),
    )

    folder = models.CharField(
        _("folder"),
        max_length=500,
        blank=True,
        default="mail/inbox",
        help_text=_(
            "Where .eml files are dropped, or where the Maildir is, seen from the state folder. Only for those two kinds."
        ),
    )

    tenant_id = models.CharField(
        _("tenant"), max_length=200, blank=True, help_text=_("Empty: MICROSOFT_TENANT_ID of the server's settings.")
    )
    client_id = models.CharField(
        _("application (client) id"),
        max_length=200,
        blank=True,
        help_text=_("Empty: MICROSOFT_CLIENT_ID of the server's settings."),
    )
    client_secret = EncryptedTextField(
        _("client secret"), blank=True, help_text=_("Empty: MICROSOFT_CLIENT_SECRET of the server's settings.")
    )

    imap_host = models.CharField(_("IMAP server"), max_length=255, blank=True)
    imap_port = models.PositiveIntegerField(_("port"), default=993)
    imap_security = models.CharField(_("encryption"), max_length=20, choices=ImapSecurity, default=ImapSecurity.TLS)
    imap_login = models.CharField(_("log-in"), max_length=20, choices=ImapLogin, default=ImapLogin.PASSWORD)
    imap_username = models.CharField(
        _("user name"), max_length=320, blank=True, help_text=_("Empty: the mailbox's address.")
    )
    imap_password = EncryptedTextField(_("password"), blank=True)
    oauth_token_url = models.CharField(
        _("token address"),
        max_length=500,
        blank=True,
        help_text=_("Where an access token is fetched. Empty: Microsoft's, with the tenant and application above."),
    )
    oauth_scope = models.CharField(
        _("scope"), max_length=500, blank=True, default="https://outlook.office365.com/.default"
    )
    oauth_refresh_token = EncryptedTextField(
        _("refresh token"), blank=True, help_text=_("Empty: the application logs in by itself (client credentials).")
    )

    inbox_folder = models.CharField(
        _("inbox"), max_length=300, blank=True, help_text=_("The folder that mail arrives in. Empty: the inbox.")
    )
    reads_sent = models.BooleanField(
        _("read sent items"),
        default=True,
        help_text=_("A reply that a colleague typed in Outlook joins its case and counts as an answer."),
    )
    sent_folder = models.CharField(
        _("sent items"), max_length=300, blank=True, help_text=_("Empty: the folder that the server calls so.")
    )
    after_filing = models.CharField(
        _("after filing"),
        max_length=20,
        choices=AfterFiling,
        default=AfterFiling.LEAVE,
        help_text=_("What becomes of a message in its mailbox once it is filed here."),
    )
    filed_folder = models.CharField(
        _("move to"), max_length=300, blank=True, default="HandyConnect", help_text=_("Made when it is not there.")
    )

    sends_by = models.CharField(_("sends by"), max_length=20, choices=SendsBy, default=SendsBy.SERVER)
    smtp_url = EncryptedTextField(
        _("SMTP address"),
        blank=True,
        help_text=_("For a server of its own: smtp+tls://user:password@mail.example.com:587"),
    )
    undo_seconds = models.PositiveSmallIntegerField(
        _("undo (seconds)"),
        default=10,
        help_text=_("How long a colleague's reply waits, so that it can be taken back."),
    )
    answer_within_hours = models.PositiveIntegerField(
        _("answer within (hours)"),
        default=24,
        help_text=_("Mail that was older than this when it came in is filed but answered by nobody."),
    )
    acknowledges = models.BooleanField(
        _("acknowledges"), default=True, help_text=_("Sends an acknowledgment for a new case.")
    )

    health = models.CharField(_("health"), max_length=20, choices=MailboxHealth, default=MailboxHealth.UNKNOWN)
    health_detail = models.TextField(_("what is wrong"), blank=True)
    checked_at = models.DateTimeField(_("last read"), null=True, blank=True)

    class Meta:
        verbose_name = _("mailbox")
        verbose_name_plural = _("mailboxes")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("address"), name="mailbox_address_once"),
            one_of("kind", MailboxKind, name="mailbox_kind_known"),
            one_of("health", MailboxHealth, name="mailbox_health_known"),
            one_of("after_filing", AfterFiling, name="mailbox_after_filing_known"),
            one_of("sends_by", SendsBy, name="mailbox_sends_by_known"),
            one_of("imap_security", ImapSecurity, name="mailbox_imap_security_known"),
            one_of("imap_login", ImapLogin, name="mailbox_imap_login_known"),
            models.CheckConstraint(
                name="mailbox_folder_given", condition=~Q(kind__in=["folder", "maildir"]) | ~Q(folder="")
            ),
            models.CheckConstraint(name="mailbox_imap_host_given", condition=~Q(kind="imap") | ~Q(imap_host="")),
            models.CheckConstraint(
                name="mailbox_filed_folder_given", condition=~Q(after_filing="move") | ~Q(filed_folder="")
            ),
            models.CheckConstraint(name="mailbox_smtp_given", condition=~Q(sends_by="smtp") | ~Q(smtp_url="")),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"

    def clean(self) -> None:
        """Raises ValidationError, which names the field, for an SMTP address that mail cannot be sent by."""
        if self.smtp_url:
            try:
                smtp_urls.read(self.smtp_url)
            except smtp_urls.BadServer as error:
                raise ValidationError({"smtp_url": str(error)}) from error

    @property
    def is_remote(self) -> bool:
        """Whether reading it means calling another server."""
        return self.kind in self.REMOTE
