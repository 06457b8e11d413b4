"""All settings, driven by the environment. Nothing set: the embedded profile, which needs no account and no server.

`DATABASE_URL` set: the production profile, which refuses to start without secrets of its own.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
from django.utils.translation import gettext_lazy as _
from kombu import Queue

from handyconnect import backoffice
from handyconnect.encryption import new_key
from handyconnect.env import BASE_DIR, env, generated_secret, required_secret, state_dir
from handyconnect.logging import LEVELS, logging_config

django_stubs_ext.monkeypatch()

env.read_env(BASE_DIR / ".env", overwrite=False)

# --- Profile ----------------------------------------------------------------------------------------------------------
VAR: Path = state_dir()
EMBEDDED: bool = not env.str("DATABASE_URL", default="")
DEBUG: bool = env.bool("DEBUG", default=False)
SECRET_KEY: str = generated_secret("SECRET_KEY", folder=VAR) if EMBEDDED or DEBUG else required_secret("SECRET_KEY")
FIELD_ENCRYPTION_KEYS: list[str] = [
    key.strip()
    for key in (
        generated_secret("FIELD_ENCRYPTION_KEYS", folder=VAR, make=new_key)
        if EMBEDDED or DEBUG
        else required_secret("FIELD_ENCRYPTION_KEYS")
    ).split(",")
    if key.strip()
]
BASE_URL: str = env.str("BASE_URL", default=f"http://127.0.0.1:{env.str('PORT', default='') or 8000}").rstrip("/")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if EMBEDDED else [])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[BASE_URL])

# --- Apps -------------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "django_structlog",
    "handyconnect",
    "accounts",
    "cases",
    "tasks",
    "sla",
    "mail_ingest",
    "notifications",
    "workflows",
    "analytics",
    "desk",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "handyconnect.middleware.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "handyconnect.middleware.TrailingSlashMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "handyconnect.middleware.ReaderTimeZoneMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "handyconnect.urls"
WSGI_APPLICATION = "handyconnect.wsgi.application"
ASGI_APPLICATION = "handyconnect.asgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Data -------------------------------------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{VAR / 'handyconnect.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a writer waits for its turn at BEGIN instead of failing at its first write
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    if env.bool("PREPARE_STATEMENTS", default=True):  # off behind a pooler that gives each transaction another server
        DATABASES["default"]["OPTIONS"] = {"server_side_binding": True, "prepare_threshold": 4}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL: str = env.str("REDIS_URL", default="")
CACHE_TTL: int = env.int("CACHE_TTL", default=300)
MAX_CACHE_SIZE: int = env.int("MAX_CACHE_SIZE", default=1000)
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "TIMEOUT": CACHE_TTL,
        "KEY_PREFIX": "handyconnect",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "TIMEOUT": CACHE_TTL,
        "OPTIONS": {"MAX_ENTRIES": MAX_CACHE_SIZE},
    }
}

# --- Celery: the database is the queue of record, so a lost broker loses nothing; see handyconnect/schedule.py ---------
CELERY_BROKER_URL: str = REDIS_URL or "memory://localhost/"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_DB_REUSE_MAX = 10_000  # Celery's own default connects anew for every task; see handyconnect/celery.py
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker as long as it takes
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,  # above the longest task
    "unacked_restore_interval": 5,  # Celery's own defaults take minutes to give a killed worker's task back
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 1,  # a nudge must never hold up a web request
    "max_retries": 0,  # of connecting in order to publish; workers and beat connect again by settings of their own
    "socket_timeout": 5,
}
# What waits for other people's servers can have a worker of its own (`celery -A handyconnect worker -Q mailboxes`), so that
# slow mailboxes keep nothing else waiting. A worker that names no queue serves both.
CELERY_TASK_QUEUES = [Queue("celery"), Queue("mailboxes")]
CELERY_TASK_ROUTES = {
    f"mail_ingest.tasks.{task}": {"queue": "mailboxes"}
    for task in (
        "read_mailbox",
        "put_away_in_mailbox",
        "reconcile_mailbox",
        "continue_backfill",
        "see_to_notices",
        "look_after_subscriptions_of",
    )
}
CELERY_TIMEZONE = "UTC"

# --- Mail -------------------------------------------------------------------------------------------------------------
EMAIL_CONFIG: dict[str, Any] = env.email("EMAIL_URL", default=f"filemail://{VAR / 'mail' / 'sent'}")
EMAIL_BACKEND: str = EMAIL_CONFIG["EMAIL_BACKEND"]
EMAIL_FILE_PATH: str = str(VAR / "mail" / "sent")
if env.str("EMAIL_URL", default=""):  # out of a URL, an absolute path comes without its first slash
    EMAIL_FILE_PATH = f"/{path.lstrip('/')}" if (path := EMAIL_CONFIG.get("EMAIL_FILE_PATH")) else ""
EMAIL_HOST: str = EMAIL_CONFIG.get("EMAIL_HOST") or ""
EMAIL_PORT: int = EMAIL_CONFIG.get("EMAIL_PORT") or 25
EMAIL_HOST_USER: str = EMAIL_CONFIG.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD: str = EMAIL_CONFIG.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS: bool = EMAIL_CONFIG.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL: bool = EMAIL_CONFIG.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 20
MAX_ATTACHMENT_BYTES: int = env.int("MAX_ATTACHMENT_BYTES", default=25 * 1024 * 1024)

# --- Microsoft 365: each mailbox may have its own tenant, application and secret; these stand in for what it leaves empty
MICROSOFT_TENANT_ID: str = env.str("MICROSOFT_TENANT_ID", default="")
MICROSOFT_CLIENT_ID: str = env.str("MICROSOFT_CLIENT_ID", default="")
MICROSOFT_CLIENT_SECRET: str = env.str("MICROSOFT_CLIENT_SECRET", default="")
MICROSOFT_GRAPH_URL: str = env.str("MICROSOFT_GRAPH_URL", default="https://graph.microsoft.com/v1.0").rstrip("/")
MICROSOFT_AUTHORITY_URL: str = env.str("MICROSOFT_AUTHORITY_URL", default="https://login.microsoftonline.com").rstrip(
    "/"
)

# --- People -----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "desk:login"
LOGIN_REDIRECT_URL = "/"
API_TOKEN_DAYS: int = env.int("API_TOKEN_DAYS", default=365)
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": timedelta(days=API_TOKEN_DAYS),
    "TOKEN_PREFIX": "hc_",
}

# --- API --------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.WorksHere"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["handyconnect.api.parsers.Json"],
    "DEFAULT_PAGINATION_CLASS": "handyconnect.api.pagination.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "handyconnect.api.schema.Schema",
    "EXCEPTION_HANDLER": "handyconnect.api.errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_FORMATTER_CLASS": "handyconnect.api.errors.ProblemFormatter",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "HandyConnect",
    "VERSION": "0.1.0",
    "DESCRIPTION": "Cases, tasks, mail, SLA clocks and rules of a help desk.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,  # what may be left out of a PATCH, each body says itself
    "SCHEMA_PATH_PREFIX": "/api",
    "ENUM_NAME_OVERRIDES": {
        "UserRole": "accounts.models.User.Role",
        "CaseStatus": "cases.choices.CaseStatus",
        "CasePriority": "cases.choices.CasePriority",
        "CaseSentiment": "cases.choices.CaseSentiment",
        "CaseType": "cases.choices.CaseType",
        "CaseSLAStatus": "cases.choices.CaseSLAStatus",
        "CustomerType": "cases.choices.CustomerType",
        "TaskStatus": "tasks.models.TaskStatus",
        "TaskKind": "tasks.models.TaskKind",
        "ClockKind": "sla.models.ClockKind",
        "ClockState": "sla.models.ClockState",
        "InboundState": "mail_ingest.models.inbound.InboundState",
        "OutboundState": "mail_ingest.models.outbound.OutboundState",
        "OutboundPurpose": "mail_ingest.models.outbound.OutboundPurpose",
        "ThreadStatus": "mail_ingest.models.thread.ThreadStatus",
        "Direction": "mail_ingest.models.thread.Direction",
        "AutomaticKind": "mail_ingest.models.thread.AutomaticKind",
        "DraftKind": "mail_ingest.models.draft.DraftKind",
        "ConversationPart": "mail_ingest.conversation.ConversationPart",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "handyconnect.api.schema.add_problems",
    ],
}

# --- Language, time, static files -------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # empty until `collectstatic`; whitenoise warns when it is not there
WHITENOISE_USE_FINDERS = EMBEDDED
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if EMBEDDED
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
FORMAT_MODULE_PATH = ["handyconnect.formats"]
UNFOLD = backoffice.UNFOLD

# --- Security ---------------------------------------------------------------------------------------------------------
HTTPS = BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_SSL_REDIRECT = HTTPS and env.bool("SSL_REDIRECT", default=True)
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"

LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO").upper()
# A level that is none is told by `manage.py check`, which first has to be able to start.
LOGGING = logging_config(level=LOG_LEVEL if LOG_LEVEL in LEVELS else "INFO")
