"""Structured logs: one JSON line per thing that happened, without message texts, addresses or secrets."""

from typing import Any

import structlog
from structlog.typing import EventDict, Processor

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def without_queries(_logger: Any, _method: str, entry: EventDict) -> EventDict:
    """Requests are logged by their path: what people search for stands behind the question mark."""
    if isinstance(request := entry.get("request"), str):
        entry["request"] = request.partition("?")[0]
    return entry


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    without_queries,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
]


def logging_config(*, level: str) -> dict[str, Any]:
    """A `logging.config` dictionary in which stdlib and structlog loggers print the same JSON lines to stderr."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
                "foreign_pre_chain": SHARED,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            name: {"level": level}
            for name in (
                "accounts",
                "analytics",
                "cases",
                "celery",
                "desk",
                "django_structlog",
                "handyconnect",
                "mail_ingest",
                "notifications",
                "sla",
                "tasks",
                "workflows",
            )
        },
    }
