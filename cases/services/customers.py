from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from django.db import transaction

from accounts.actors import Actor
from cases.facts import customer_created, customer_updated
from cases.models import Customer
from handyconnect.refusals import NotFound


@dataclass(frozen=True, slots=True)
class CustomerInfo:
    """What is known of somebody who writes in. Only `email` is needed; empty means not known."""

    email: str
    name: str = ""
    phone: str = ""
    customer_type: str = ""
    property_id: str = ""
    property_address: str = ""
    property_number: str = ""
    block_number: str = ""

    def known(self) -> dict[str, str]:
        """The facts that are given, without the address that identifies the customer."""
        values = {field.name: getattr(self, field.name).strip() for field in fields(self) if field.name != "email"}
        return {name: value for name, value in values.items() if value}


def normal_email(email: str) -> str:
    """The form in which addresses are compared and stored."""
    return email.strip().lower()


@transaction.atomic(savepoint=False)
def remember_customer(info: CustomerInfo, *, at: datetime, actor: Actor, overwrite: bool = False) -> Customer:
    """The customer with this address, created if new.

    What is newly known fills empty fields; `overwrite` (a person typed it) also replaces what was there.
    """
    customer, created = Customer.objects.get_or_create(
        email=normal_email(info.email), defaults={"created_at": at, **_fitting(info.known())}
    )
    if created:
        customer_created.emit(actor=actor, at=at, subject=customer, personal={"email": customer.email, **info.known()})
        return customer
    changes = {
        name: [old, new]
        for name, new in _fitting(info.known()).items()
        if (old := getattr(customer, name)) != new and (overwrite or old in ("", Customer.Type.OTHER))
    }
    if changes:
        for name, (_old, new) in changes.items():
            setattr(customer, name, new)
        customer.save(update_fields=list(changes))
        customer_updated.emit(actor=actor, at=at, subject=customer, personal={"changes": changes})
    return customer


@transaction.atomic
def update_customer(customer_id: int, values: Mapping[str, str], *, at: datetime, actor: Actor) -> Customer:
    """Edit what is known of a customer; empty clears it. The address identifies the customer and stays.

    Saving no change writes nothing. Raises NotFound, and ValidationError, which names the fields.
    """
    customer = Customer.objects.select_for_update().filter(pk=customer_id).first()
    if customer is None:
        raise NotFound(f"There is no customer {customer_id}.")
    editable = {field.name for field in fields(CustomerInfo)} - {"email"}
    changes = {
        name: [old, new] for name, new in values.items() if name in editable and (old := getattr(customer, name)) != new
    }
    if changes:
        for name, (_old, new) in changes.items():
            setattr(customer, name, new)
        customer.full_clean()
        customer.save(update_fields=list(changes))
        customer_updated.emit(actor=actor, at=at, subject=customer, personal={"changes": changes})
    return customer


def _fitting(values: dict[str, str]) -> dict[str, str]:
    """Cut to the columns' lengths: what a mail claims of its sender may be of any length."""
    lengths = {field.name: getattr(field, "max_length", None) for field in Customer._meta.concrete_fields}  # noqa: SLF001
    return {name: value[: lengths[name]] for name, value in values.items()}
