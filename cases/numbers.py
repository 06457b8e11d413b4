"""Case numbers: `HC-`, a running number, and a check digit that catches a slip of the tongue or the finger."""

from datetime import datetime

from cases.models import CaseNumber

PREFIX = "HC-"
FIRST = 1000


def check_digit(digits: str) -> str:
    """The check digit of ISO/IEC 7064, MOD 11,10: it catches every wrong digit and nearly every swapped pair."""
    product = 10
    for digit in digits:
        total = (product + int(digit)) % 10 or 10
        product = (total * 2) % 11
    return str((11 - product) % 10)


def is_valid(number: str) -> bool:
    """Whether a number, as somebody typed it, can be a case number: known prefix, digits, right check digit."""
    number = number.strip().upper()
    digits = number.removeprefix(PREFIX)
    if not number.startswith(PREFIX) or not digits.isascii() or not digits.isdigit() or len(digits) < len(str(FIRST)):
        return False
    return check_digit(digits[:-1]) == digits[-1]


def issue(*, at: datetime) -> str:
    """The next number. Never the same one twice, also when the transaction that asked for it is rolled back."""
    digits = str(FIRST + CaseNumber.objects.create(issued_at=at).pk)
    return f"{PREFIX}{digits}{check_digit(digits)}"
