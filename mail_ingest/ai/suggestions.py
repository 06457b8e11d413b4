"""What has to be done about a mail, in the language of the team.

The wording is marked for translation here and translated when a mail is read. Trades are those of the contractor
directory.
"""

from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext, gettext_noop

from cases.choices import CaseType
from mail_ingest.ai.schema import SuggestedTask


@dataclass(frozen=True, slots=True)
class Todo:
    subject: str
    kind: Literal["internal", "contractor"] = "internal"
    trade: str = ""

    def suggested(self) -> SuggestedTask:
        return SuggestedTask(subject=gettext(self.subject), kind=self.kind, trade=self.trade)


def _send(subject: str, trade: str) -> Todo:
    return Todo(subject, "contractor", trade)


# By topic of the lexicon: what to do when something has happened to it.
REPAIRS: dict[str, tuple[Todo, ...]] = {
    "water_damage": (
        _send(gettext_noop("Send a plumber to find and stop the leak"), "plumbing"),
        Todo(gettext_noop("Inform the neighbours above and below")),
        Todo(gettext_noop("Report the damage to the building insurance")),
    ),
    "plumbing": (_send(gettext_noop("Send a plumber"), "plumbing"),),
    "heating": (_send(gettext_noop("Send a heating engineer"), "heating"),),
    "electricity": (_send(gettext_noop("Send an electrician"), "electrical"),),
    "elevator": (
        _send(gettext_noop("Call the elevator service"), "elevator"),
        Todo(gettext_noop("Put up a notice in the entrance hall")),
    ),
    "doors_locks": (_send(gettext_noop("Send a locksmith"), "locksmith"),),
    "mould": (
        Todo(gettext_noop("Inspect the affected rooms and measure the damp")),
        _send(gettext_noop("Have the mould removed"), "painting"),
    ),
    "pests": (_send(gettext_noop("Send pest control"), "pest_control"),),
    "appliances": (_send(gettext_noop("Have the appliance repaired"), "appliances"),),
    "building_fabric": (_send(gettext_noop("Have the damage inspected and repaired"), "building"),),
    "gas": (
        Todo(gettext_noop("Call the tenant: shut the gas off, open the windows, leave the building")),
        _send(gettext_noop("Call the gas emergency service"), "heating"),
    ),
    "fire": (
        Todo(gettext_noop("Call the tenant and make sure that the fire brigade has been called")),
        Todo(gettext_noop("Inspect the building afterwards")),
    ),
    "smoke_alarm": (Todo(gettext_noop("Change the battery of the smoke detector or the detector")),),
    "break_in": (
        Todo(gettext_noop("Ask for the police report number")),
        _send(gettext_noop("Secure the door and replace the lock"), "locksmith"),
    ),
    "data_security": (
        Todo(gettext_noop("Inform whoever is responsible for data protection")),
        Todo(gettext_noop("Check which data is affected")),
    ),
    "noise": (Todo(gettext_noop("Write to the neighbour about the noise")),),
    "waste": (Todo(gettext_noop("Arrange an extra collection")),),
    "cleaning": (_send(gettext_noop("Ask the cleaning firm to come"), "cleaning"),),
    "parking": (Todo(gettext_noop("Find out whose vehicle it is")),),
    "internet": (_send(gettext_noop("Have the connection checked"), "electrical"),),
    "software": (Todo(gettext_noop("Reproduce the fault and inform the technical team")),),
    "login": (Todo(gettext_noop("Check the account and restore access")),),
    "rent": (Todo(gettext_noop("Check the rent account")),),
    "service_charges": (Todo(gettext_noop("Check the statement of service charges")),),
    "deposit": (Todo(gettext_noop("Check the deposit account")),),
    "invoice": (Todo(gettext_noop("Check the invoice")),),
    "refund": (Todo(gettext_noop("Check the claim and arrange the refund")),),
    "delivery": (Todo(gettext_noop("Trace the delivery")),),
    "returns": (Todo(gettext_noop("Check the return and arrange a replacement")),),
}
# By topic: what to do when the writer only wants something.
ERRANDS: dict[str, tuple[Todo, ...]] = {
    "doors_locks": (Todo(gettext_noop("Order the keys or the lock")),),
    "rent": REPAIRS["rent"],
    "service_charges": REPAIRS["service_charges"],
    "deposit": REPAIRS["deposit"],
    "invoice": REPAIRS["invoice"],
    "refund": REPAIRS["refund"],
    "contract": (Todo(gettext_noop("Prepare the document")),),
    "notice": (
        Todo(gettext_noop("Confirm the notice and its date")),
        Todo(gettext_noop("Arrange the handover of the flat")),
    ),
    "moving_in": (Todo(gettext_noop("Arrange the handover of the flat")),),
    "viewing": (Todo(gettext_noop("Offer a date for a viewing")),),
    "appointment": (Todo(gettext_noop("Offer a date")),),
    "login": REPAIRS["login"],
    "returns": REPAIRS["returns"],
    "parking": (Todo(gettext_noop("Check which parking spaces are free")),),
}
_ACTIONS: dict[CaseType, str] = {
    CaseType.COMPLAINT: gettext_noop("Answer the complaint and say what will be done."),
    CaseType.REQUEST: gettext_noop("Decide on the request and answer."),
    CaseType.QUERY: gettext_noop("Answer the question."),
    CaseType.SUGGESTION: gettext_noop("Pass the suggestion on and thank the writer."),
    CaseType.MAINTENANCE: gettext_noop("Have the fault looked at and tell the writer when."),
    CaseType.BILLING: gettext_noop("Check the account and answer."),
    CaseType.SECURITY: gettext_noop("Find out what has happened and secure it."),
    CaseType.GENERAL: gettext_noop("Read the message and decide what is to be done."),
}


def tasks_for(topic: str, *, has_happened: bool) -> list[SuggestedTask]:
    """The tasks that usually follow, at most three; none when the lexicon knows of nothing to do."""
    todos = (REPAIRS.get(topic) if has_happened else None) or ERRANDS.get(topic, ())
    return [todo.suggested() for todo in todos]


def action_for(case_type: CaseType, tasks: list[SuggestedTask]) -> str:
    """The next step in one short sentence; '' for plain feedback."""
    if tasks:
        return f"{tasks[0].subject}."
    return gettext(_ACTIONS[case_type]) if case_type in _ACTIONS else ""
