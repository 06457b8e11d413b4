"""Says in plain words what is wrong with a mailbox and what to do next. No token, no secret, no raw answer."""

from django.utils.translation import gettext_lazy as _

from mail_ingest.sources.graph.errors import (
    AccessDenied,
    BadAnswer,
    DeltaLost,
    GraphError,
    LoginRefused,
    MailboxMissing,
    MaybeSent,
    MessageGone,
    Misconfigured,
    NotSent,
    NotThere,
    Throttled,
    TooLarge,
    Unreachable,
    UntrustedLink,
)


def explain(error: BaseException) -> str:
    """One or two sentences for the person who looks after the mailbox."""
    if isinstance(error, NotSent):
        return _("The mail was not sent. %(reason)s") % {"reason": explain(error.cause)}
    if isinstance(error, MaybeSent):
        return str(_("Microsoft did not say whether it sent the mail. Look into Sent Items before you send it again."))
    if isinstance(error, LoginRefused):
        return _login(error)
    if isinstance(error, AccessDenied):
        return _denied(error)
    return _passing(error) or _other(error)


def _passing(error: BaseException) -> str:
    if isinstance(error, Misconfigured):
        return _("A setting cannot be used: %(detail)s") % {"detail": error.detail}
    if isinstance(error, Throttled):
        return _("Microsoft asks us to slow down. Nothing is lost: reading goes on by itself after %(at)s.") % {
            "at": error.retry_at.strftime("%Y-%m-%d %H:%M UTC")
        }
    if isinstance(error, Unreachable) and not isinstance(error, BadAnswer) and error.status:
        return _("Microsoft has a disturbance (status %(status)s). Nothing is lost: it is tried again by itself.") % {
            "status": error.status
        }
    return ""


def _login(error: LoginRefused) -> str:
    number = error.code.removeprefix("AADSTS")
    for codes, text in _LOGIN:
        if number in codes:
            return str(text)
    return _("Microsoft refused to let the application in (%(code)s). Check tenant, client and secret in Entra.") % {
        "code": _code(error)
    }


def _denied(error: AccessDenied) -> str:
    if "odata is disabled" in error.detail.casefold() or "access policy" in error.detail.casefold():
        return str(
            _(
                "An application access policy in Exchange keeps the application out of this mailbox. Add the mailbox to the policy's "
                "group; it takes up to an hour to show."
            )
        )
    if error.status == 401:  # noqa: PLR2004
        return str(
            _(
                "Microsoft refuses even a new token. The consent may have been taken back: an administrator has to grant it again in "
                "Entra."
            )
        )
    return str(
        _(
            "The application may not open this mailbox. Either the consent for Mail.ReadWrite and Mail.Send was taken back (grant it "
            "again in Entra), or an access policy in Exchange leaves this mailbox out (add it there)."
        )
    )


def _other(error: BaseException) -> str:
    for kind, text in _KINDS:
        if isinstance(error, kind):
            return str(text)
    if isinstance(error, GraphError):
        if error.code.casefold() == "validationerror" or "validation request failed" in error.detail.casefold():
            return str(
                _(
                    "Microsoft could not call our address for notifications. BASE_URL has to be an https address that can be reached "
                    "from the internet; until then the mailbox is polled."
                )
            )
        return _("Microsoft refused the request (%(code)s). If it stays so, look up this code.") % {
            "code": _code(error)
        }
    return str(_("Something unexpected went wrong while talking to Microsoft; it is tried again by itself."))


def _code(error: GraphError) -> str:
    code = "".join(char for char in error.code if char.isalnum() or char in "_-.")[:60]
    return code or str(error.status or "?")


# By AADSTS number, or the OAuth error where there is none: the Entra documentation, "authentication and authorization error codes".
_LOGIN = (
    (
        {"90002", "900023", "90013", "50059", "900021"},
        _(
            "Microsoft does not know this directory. Check MICROSOFT_TENANT_ID: it is the directory (tenant) ID in Entra."
        ),
    ),
    (
        {"700016", "900144", "70001", "7000229", "unauthorized_client"},
        _(
            "Microsoft does not know this application in the directory. Check MICROSOFT_CLIENT_ID and the tenant, and that an "
            "administrator has added the application to it."
        ),
    ),
    (
        {"7000222"},
        _(
            "The client secret has expired. Make a new one in Entra (App registrations, Certificates & secrets) and set "
            "MICROSOFT_CLIENT_SECRET to its value."
        ),
    ),
    (
        {"7000215", "7000216", "7000218", "50012", "invalid_client"},
        _(
            "The client secret is wrong. Set MICROSOFT_CLIENT_SECRET to the secret's value, which Entra shows only once, and not "
            "to its ID."
        ),
    ),
    (
        {"65001", "65004", "90094", "500011", "501051", "50105"},
        _(
            "The application has no consent. An administrator of the directory has to grant it Mail.ReadWrite and Mail.Send "
            "(application permissions) in Entra, and press “Grant admin consent”."
        ),
    ),
    (
        {"7000112"},
        _("The application is disabled in the directory. Enable it in Entra (Enterprise applications, Properties)."),
    ),
    (
        {"53003", "53000", "53001", "530032", "530034", "530035", "50076", "50079"},
        _(
            "A conditional access policy of the directory keeps the application out. Ask whoever looks after Entra to allow it "
            "from this server's address."
        ),
    ),
)

# The more special kinds first.
_KINDS = (
    (
        MailboxMissing,
        _(
            "Microsoft finds no such mailbox. Check the address; it has to be a mailbox in Exchange Online, with a licence or "
            "shared, and not only an alias or a group."
        ),
    ),
    (
        BadAnswer,
        _(
            "Something between this server and Microsoft answers in its place (a proxy or a log-in page), or answers come cut "
            "short. Let graph.microsoft.com and login.microsoftonline.com through; it is tried again by itself."
        ),
    ),
    (
        Unreachable,
        _(
            "Microsoft cannot be reached. Check this server's network, name resolution and proxy; it is tried again by itself."
        ),
    ),
    (DeltaLost, _("Microsoft has forgotten where we were. The folder is read anew; known mail is not filed twice.")),
    (
        UntrustedLink,
        _("The server gave an address that leads elsewhere, and it was not followed. Check MICROSOFT_GRAPH_URL."),
    ),
    (TooLarge, _("A message or file is larger than can be handled. Take it out of the folder, or make it smaller.")),
    (MessageGone, _("The message is not in the mailbox any more: it was deleted or moved.")),
    (
        NotThere,
        _("Microsoft finds no such folder or subscription. Check the folder's name in the mailbox's settings."),
    ),
)
