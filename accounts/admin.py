"""What Django and the token library show of their own is taken away here.

People, teams and tokens are in `cases.admin.people`: saving them writes into the event log, which lies above this app.
"""

from django.contrib import admin
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken

admin.site.unregister(Group)  # what somebody may do follows from the role
admin.site.unregister(AuthToken)

admin.site.index_title = _("Home")
