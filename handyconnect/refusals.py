"""The four ways in which a service says no. Each service's own refusals, beside the service, are kinds of these."""


class Refusal(Exception):
    """`code` is for programs, the message for people, `facts` whatever helps to do it right."""

    code = "refused"

    def __init__(self, detail: str, **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class Invalid(Refusal):
    """The request names something that cannot be; `field` says where."""

    code = "invalid"

    def __init__(self, detail: str, *, field: str, **facts: object) -> None:
        super().__init__(detail, **facts)
        self.field = field


class NotFound(Refusal):
    code = "not_found"


class NotAllowed(Refusal):
    code = "not_allowed"


class Conflict(Refusal):
    """The thing is not in a state in which this can be done."""

    code = "conflict"


class Stale(Refusal):
    """The caller acted on an old version."""

    code = "stale"
