"""Facts about the writer's home that stand in the mail: address, number of the flat, building, telephone."""

import re
from dataclasses import dataclass

READ_CHARS = 20_000
MIN_DIGITS = 7
MAX_DIGITS = 15

_NUMBER = r"\d{1,4}\s?[a-zA-Z]?(?:\s?[-/]\s?\d{1,4}[a-zA-Z]?)?\b"
# Every repetition is bounded: mail text is chosen by strangers.
_NAME = r"[A-ZÀ-ÖØ-Þ][\w'\u2019.-]{0,30}"
_JOINERS = r"(?:(?:de la|de los|de las|d[aeou]s?|del|des|du|la|le|les|el|los|las|d['\u2019])\s?){0,2}"
_TOWN = rf"(?:,?\s+\d{{4,5}}\s+{_NAME})?"
_STREET_WORDS = r"(?:[sS]tra(?:ß|ss)e|[sS]tr\.|[wW]eg|[gG]asse|[aA]llee|[pP]latz|[uU]fer|[dD]amm|[rR]ing)"
# Lindenstraße 12a, 10115 Berlin and Lange Straße 5
_GERMAN = rf"(?:(?:{_NAME} ){{1,2}}(?=[A-Z])|{_NAME}){_STREET_WORDS}\s?{_NUMBER}{_TOWN}"
# 12 Linden Street and 4b, Old Mill Road
_ENGLISH = (
    rf"{_NUMBER},?\s+(?:{_NAME}\s){{1,3}}"
    r"(?:Street|St\b\.?|Road|Rd\b\.?|Avenue|Ave\b\.?|Lane|Drive|Close|Court|Square|Terrace|Gardens|Way|Place|Crescent)"
)
# 12 rue des Tilleuls and 8 bis, avenue Victor Hugo
_FRENCH = (
    r"\d{1,4}\s?[a-zA-Z]?(?:\s(?:bis|ter))?,?\s+(?i:rue|avenue|boulevard|allée|place|chemin|quai|impasse)\s"
    rf"{_JOINERS}{_NAME}(?:\s{_NAME}){{0,2}}"
)
# Calle de los Tilos 12 and Rua das Tílias, n.º 12
_IBERIAN = (
    r"(?i:calle|avenida|avda\.|av\.|plaza|paseo|camino|rua|travessa|largo|praça)\s"
    rf"{_JOINERS}{_NAME}(?:\s{_JOINERS}{_NAME}){{0,2}},?\s+(?:n\.?[ºo°]\s?)?{_NUMBER}"
)
ADDRESS = re.compile(rf"(?<!\w)(?:{_GERMAN}|{_ENGLISH}|{_FRENCH}|{_IBERIAN})")
_NUMBER_WORD = r"\b\.?\s*(?i:no\.?|number|nr\.?|nummer|n[º°]|num\.?|#)?\s*:?\s*"
PROPERTY_NUMBER = re.compile(
    r"\b(?:WE|(?i:flat|apartment|apt|unit|suite|wohnung|wohnungsnummer|whg|wohneinheit|mieteinheit|appartement|appt"
    r"|logement|piso|puerta|vivienda|apartamento|apto|fração))"
    + _NUMBER_WORD
    + r"(?P<id>\d{1,3}\s?[ºª°]\s?[A-Za-z]{0,3}|\d{1,4}(?:[.\-/]\d{1,3})?\s?[a-zA-Z]?|[A-Z]\s?-?\d{1,4}|[A-Z])(?!\w)"
)
BLOCK_NUMBER = re.compile(
    r"\b(?i:block|building|bldg|tower|haus|gebäude|aufgang|bâtiment|bât|escalier|bloque|edificio|bloco|edifício|torre)"
    + _NUMBER_WORD
    + r"(?P<id>\d{1,3}[a-zA-Z]?|[A-Z])(?!\w)"
)
PHONE = re.compile(r"(?<![\w/.@-])(?:\+|00|\(?0)[\d ()/.-]{6,24}\d(?!\w)")
LABELLED_PHONE = re.compile(
    r"\b(?:tel|telefon|phone|telephone|mobile?|mobil|handy|cell|call me (?:on|at)|fon|tél|téléphone|portable|teléfono|móvil|tlf"
    r"|telefone|telemóvel|tlm)\b\.?\s*:?\s*(?P<phone>[+(]?\d[\d ()/.-]{5,24}\d)(?!\w)",
    re.IGNORECASE,
)
# A date or an amount has as many digits as a short telephone number.
NOT_PHONE = re.compile(r"^\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Facts:
    address: str = ""
    property_number: str = ""
    block_number: str = ""
    phone: str = ""


def find(text: str) -> Facts:
    """The first of each kind in the first 20,000 characters; '' for what the text does not say."""
    text = text[:READ_CHARS]
    address = ADDRESS.search(text)
    return Facts(
        address=" ".join(address.group().split()) if address else "",
        property_number=_id(PROPERTY_NUMBER, text),
        block_number=_id(BLOCK_NUMBER, text),
        phone=_phone(text),
    )


def _id(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return "".join(found["id"].split()).upper() if found else ""


def _phone(text: str) -> str:
    labelled = [match["phone"] for match in LABELLED_PHONE.finditer(text)]
    for candidate in [*labelled, *(match.group() for match in PHONE.finditer(text))]:
        digits = sum(character.isdigit() for character in candidate)
        if MIN_DIGITS <= digits <= MAX_DIGITS and not NOT_PHONE.match(candidate):
            return " ".join(candidate.split())
    return ""
