from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.api import Me, Teams, Users

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("users", Users, basename="user")
router.register("teams", Teams, basename="team")

urlpatterns = [path("me", Me.as_view({"get": "show"}), name="me"), *router.urls]
