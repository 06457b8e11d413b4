"""The login authority: tokens for the client credentials of one application, and the refusals that Entra gives."""

import base64
import re
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote_plus

from tests.standins.graph import shapes
from tests.standins.graph.http import Request, Response

if TYPE_CHECKING:
    from tests.standins.graph.server import GraphStandIn

LIFE_SECONDS = 3599
_TOKEN = re.compile(r"/([^/]+)/oauth2/v2\.0/token$")
_CONFIGURATION = re.compile(r"/([^/]+)(?:/v2\.0)?/\.well-known/openid-configuration$")


def is_login(path: str) -> bool:
    return bool(_TOKEN.match(path) or _CONFIGURATION.match(path))


def answer(standin: "GraphStandIn", request: Request) -> Response:
    if found := _CONFIGURATION.match(request.path):
        base = f"{standin.origin}/{found[1]}"
        return Response(
            body={
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )
    form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    tenant = request.path.split("/")[1]
    if refusal := _refusal(standin, tenant, form, _credentials(request, form)):
        return _refused(*refusal)
    until = time.monotonic() + LIFE_SECONDS
    token = shapes.token(f"{uuid.uuid4()}")
    standin.tokens[token] = until
    return Response(
        body={"token_type": "Bearer", "expires_in": LIFE_SECONDS, "ext_expires_in": LIFE_SECONDS, "access_token": token}
    )


def _refusal(  # noqa: PLR0911 - one for each thing that can be wrong
    standin: "GraphStandIn", tenant: str, form: dict[str, str], credentials: tuple[str, str]
) -> tuple[int, str, str] | None:
    client_id, secret = credentials
    if standin.faults.login:
        return standin.faults.login
    if tenant.casefold() not in {standin.tenant, standin.domain}:
        return (
            400,
            "invalid_request",
            f"AADSTS90002: Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.",
        )
    if client_id != standin.client_id:
        text = f"AADSTS700016: Application with identifier '{client_id}' was not found in the directory '{tenant}'."
        return 400, "unauthorized_client", text
    if secret != standin.client_secret:
        text = "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the secret value, not the secret ID."
        return 401, "invalid_client", text
    if form.get("grant_type") != "client_credentials":
        return 400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type."
    if not form.get("scope", "").endswith("/.default"):
        return 400, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid for client credentials."
    return None


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.casefold() == "basic":
        name, _, secret = base64.b64decode(value).decode().partition(":")
        return unquote_plus(name), unquote_plus(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _refused(status: int, error: str, text: str) -> Response:
    found = re.search(r"AADSTS(\d+)", text)
    stamp, trace = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ"), str(uuid.uuid4())
    body = {
        "error": error,
        "error_description": f"{text} Trace ID: {trace} Correlation ID: {trace} Timestamp: {stamp}",
        "error_codes": [int(found[1])] if found else [],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": trace,
    }
    return Response(status, body)
