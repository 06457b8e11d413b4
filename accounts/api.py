"""People and teams, to read; and who I am."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.filters import TeamFilter, UserFilter
from accounts.models import Team, User
from accounts.requests import person_of
from handyconnect.api.views import Endpoint, ReadOnlyResource


class UserSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(source="__str__", read_only=True)
    teams = serializers.SlugRelatedField[Team](slug_field="slug", many=True, read_only=True)

    class Meta:
        model = User
        fields = ("id", "username", "name", "email", "role", "teams", "is_active", "takes_work")
        read_only_fields = fields


class MaySerializer(serializers.Serializer[User]):
    """What this person's role allows."""

    read = serializers.BooleanField(source="may_read")
    write = serializers.BooleanField(source="may_write")
    steer = serializers.BooleanField(source="may_steer")
    configure = serializers.BooleanField(source="may_configure")


class MeSerializer(UserSerializer):
    may = MaySerializer(source="*", read_only=True)

    class Meta:
        model = User
        fields = (*UserSerializer.Meta.fields, "time_zone", "language", "may")
        read_only_fields = fields


class TeamSerializer(serializers.ModelSerializer[Team]):
    class Meta:
        model = Team
        fields = ("id", "slug", "name", "email", "signature")
        read_only_fields = fields


class Users(ReadOnlyResource[User]):
    """The people of the house."""

    queryset = User.objects.prefetch_related("teams")
    serializer_class = UserSerializer
    filterset_class = UserFilter
    ordering = "username"
    ordering_fields = ("username", "last_name", "role", "date_joined")
    lookup_field = "username"
    lookup_value_converter = "str"

    def get_object(self) -> User:
        if "\x00" in self.kwargs["username"]:
            raise Http404
        return super().get_object()


class Teams(ReadOnlyResource[Team]):
    """The teams that cases are assigned to."""

    queryset = Team.objects.all()
    serializer_class = TeamSerializer
    filterset_class = TeamFilter
    ordering = "name"
    ordering_fields = ("name", "slug")
    lookup_field = "slug"
    lookup_value_converter = "slug"


class Me(Endpoint, APIView):
    """The signed-in person."""

    open_actions = frozenset({"show"})

    @extend_schema(responses=MeSerializer)
    def show(self, request: Request, **_kwargs: Any) -> Response:
        self.refuse_parameters(request)
        return Response(MeSerializer(person_of(request)).data)
