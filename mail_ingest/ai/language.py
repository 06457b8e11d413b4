"""Which language a text is written in."""

import functools
from typing import Protocol, cast

# The languages that the model may answer with. Left out are those that it confuses with bigger ones in a short
# mail: Luxembourgish with German, Galician with Portuguese, Nigerian Pidgin with English.
# fmt: off
LANGUAGES = frozenset({
    "ar", "az", "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu", "hy", "id", "it", "ja", "ka", "ko",
    "lt", "lv", "mk", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "th", "tr", "uk", "ur", "vi", "zh",
})
# fmt: on
READ_CHARS = 4_000
MIN_LETTERS = 10
MIN_CONFIDENCE = 0.5
# One character of these scripts says as much as a syllable or a word of others.
DENSE = frozenset({"zh", "ja", "ko", "th"})
MIN_DENSE_LETTERS = 4


class Identifier(Protocol):
    def set_languages(self, langs: frozenset[str]) -> None: ...
    def classify(self, text: str) -> tuple[str, float]: ...


@functools.cache
def identifier() -> Identifier:
    """The model, loaded on first use: it costs most of a second and some memory."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - processes that read no mail skip it

    found = cast(Identifier, LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))
    found.set_languages(LANGUAGES)
    return found


def detect(text: str) -> tuple[str, float]:
    """The text's ISO 639-1 code and a confidence of 0 to 1, or ('', 0.0) when too short or undecidable.

    Reads the first 4,000 characters.
    """
    sample = " ".join(text[:READ_CHARS].split())
    letters = sum(character.isalpha() for character in sample)
    if letters < MIN_DENSE_LETTERS:
        return "", 0.0
    code, confidence = identifier().classify(sample)
    if confidence < MIN_CONFIDENCE or (letters < MIN_LETTERS and code not in DENSE):
        return "", 0.0
    return code, round(min(confidence, 1.0), 3)
