"""The one schema in which every reader of a mail answers, whether a model or the offline lexicon."""

from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from cases.choices import CasePriority, CaseSentiment, CaseType

SUMMARY_MAX_CHARS = 300
ACTION_MAX_CHARS = 160
SUBJECT_MAX_CHARS = 120
FACT_MAX_CHARS = 200
TASKS_MAX = 5


def clip(text: str, limit_chars: int) -> str:
    """The text on one line, cut at a word with an ellipsis when it is longer than the limit."""
    line = " ".join(text.split())
    if len(line) <= limit_chars:
        return line
    cut = line[: limit_chars - 1]
    head, space, _ = cut.rpartition(" ")
    return (head if space and len(head) > limit_chars // 2 else cut).rstrip(" ,;:-") + "…"


def _clipper(limit_chars: int) -> BeforeValidator:
    """An answer that is a little too long is cut, not refused: the labels beside it are still good."""
    return BeforeValidator(lambda value: clip(value, limit_chars) if isinstance(value, str) else value)


Summary = Annotated[str, _clipper(SUMMARY_MAX_CHARS), Field(max_length=SUMMARY_MAX_CHARS)]
ActionText = Annotated[str, _clipper(ACTION_MAX_CHARS), Field(max_length=ACTION_MAX_CHARS)]
TaskSubject = Annotated[str, _clipper(SUBJECT_MAX_CHARS), Field(min_length=1, max_length=SUBJECT_MAX_CHARS)]
Fact = Annotated[str, _clipper(FACT_MAX_CHARS), Field(max_length=FACT_MAX_CHARS)]


LABELS = ("case_type", "category", "priority", "sentiment", "language")


def _of_each_label(confidence: dict[str, float]) -> dict[str, float]:
    if set(confidence) != set(LABELS):
        raise ValueError(f"exactly these labels need a confidence: {', '.join(LABELS)}")
    return confidence


Confidence = Annotated[
    dict[str, Annotated[float, Field(ge=0, le=1)]],
    AfterValidator(_of_each_label),
    # Named properties and no others: servers that hold a model to a schema refuse open dictionaries.
    WithJsonSchema(
        {
            "type": "object",
            "properties": {label: {"type": "number", "minimum": 0, "maximum": 1} for label in LABELS},
            "required": [*LABELS],
            "additionalProperties": False,
        }
    ),
]
"""How sure the reader is of each label, from 0 (a guess) to 1."""


class SuggestedTask(BaseModel):
    """Something to do, by the team itself or by a contractor of a trade (`plumbing`, `heating`, …)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: TaskSubject
    kind: Literal["internal", "contractor"]
    trade: Annotated[str, Field(max_length=40, pattern=r"^[a-z_]*$")] = ""


class Triage(BaseModel):
    """What a reader makes of one mail. A label outside its enumeration is a ValidationError."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    case_type: CaseType
    category: Annotated[str, Field(max_length=60, pattern=r"^[a-z0-9_-]*$")] = ""
    """A category's slug, or '' when none of those offered fits."""
    priority: CasePriority
    sentiment: CaseSentiment
    language: Annotated[str, Field(pattern=r"^([a-z]{2})?$")] = ""
    """ISO 639-1, or '' when it cannot be told."""
    summary: Summary = ""
    action_required: ActionText = ""
    """One short sentence, or '' when nothing has to be done."""
    suggested_tasks: Annotated[list[SuggestedTask], Field(max_length=TASKS_MAX)] = []
    address: Fact = ""
    property_number: Fact = ""
    block_number: Fact = ""
    phone: Fact = ""
    confidence: Confidence

    def within(self, categories: Collection[str]) -> Self:
        """The same answer, with the category taken back unless it is one of those offered."""
        if not self.category or self.category in categories:
            return self
        return self.model_copy(update={"category": "", "confidence": {**self.confidence, "category": 0.0}})
