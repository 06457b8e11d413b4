from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cases.choices import CustomerType
from cases.constraints import one_of


class Customer(models.Model):
    """Somebody who writes in, known by one e-mail address (kept in lower case)."""

    Type = CustomerType

    email = models.EmailField(_("e-mail"), max_length=320)
    name = models.CharField(_("name"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=60, blank=True)
    customer_type = models.CharField(_("type"), max_length=20, choices=Type, default=Type.OTHER)
    property_id = models.CharField(_("property id"), max_length=60, blank=True)
    property_address = models.CharField(_("property address"), max_length=300, blank=True)
    property_number = models.CharField(_("property number"), max_length=60, blank=True)
    block_number = models.CharField(_("block number"), max_length=60, blank=True)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = [
            models.UniqueConstraint(Lower("email"), name="customer_email_once"),
            models.CheckConstraint(name="customer_email_given", condition=~Q(email="")),
            one_of("customer_type", CustomerType, name="customer_type_known"),
        ]
        indexes = [models.Index(name="customer_email", fields=["email"])]  # whose mail is this: asked for each mail

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email
