"""Who is behind a request of the API."""

from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from accounts.actors import Actor
from accounts.models import User


def person_of(request: Request) -> User:
    """The signed-in user. Raises NotAuthenticated (401) when there is none."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def actor_of(request: Request) -> Actor:
    """The signed-in user as the one who acts, for services."""
    return Actor.user(person_of(request))
