from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from handyconnect.refusals import Conflict
from mail_ingest.models import OutboundMessage
from mail_ingest.services import NoMailbox, queue_automatic
from notifications.models import Channel, NotificationTemplate
from notifications.templates import UnfitForCustomers, unfit_for_customers, words_for_customer
from workflows.actions.registry import Occasion, Params, Receipt, action, done, nothing


class SendTemplate(Params):
    template: str

    def problems(self) -> Iterable[tuple[str, str]]:
        templates = list(NotificationTemplate.objects.filter(key=self.template, channel=Channel.EMAIL))
        if not templates:
            yield "template", _("there is no e-mail template '%(key)s'") % {"key": self.template}
        for template in templates:
            if unfit := unfit_for_customers(template):
                yield "template", UnfitForCustomers(template, unfit).detail


@action("send_template", label=gettext_lazy("Write to the customer"), params=SendTemplate, outward=True)
def send_template(occasion: Occasion, params: SendTemplate) -> Receipt:
    """Queue a mail in the customer's language, under the loop guard: one for each event.

    Raises NoTemplate, UnfitForCustomers, and Conflict when there is no mailbox to send from.
    """
    case = occasion.case()
    words = words_for_customer(case=case, key=params.template)
    try:
        outbound = queue_automatic(
            case=case,
            event=occasion.event,
            recipient=case.customer.email,
            purpose=OutboundMessage.Purpose.TEMPLATE,
            subject=words.subject,
            body=words.body,
            at=occasion.at,
            actor=occasion.actor,
        )
    except NoMailbox as error:
        raise Conflict(str(error)) from error
    if outbound.body != words.body:
        return nothing(_("The customer has already been sent another mail about this."), outbound=outbound.pk)
    if outbound.state == OutboundMessage.State.SUPPRESSED:
        return nothing(_("Held back: %(reason)s") % {"reason": outbound.reason}, outbound=outbound.pk)
    return done(_("“%(template)s” goes to the customer.") % {"template": params.template}, outbound=outbound.pk)
