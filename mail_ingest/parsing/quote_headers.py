"""The lines by which mail programs announce that what follows was written before.

The tables of mail-parser-reply (thirteen languages) are the base. They are tried only on short windows of lines that end like such an
announcement, because several of them backtrack badly on long lines; what they miss on real mails is added here.
"""

import re

from mailparser_reply.constants import MAIL_LANGUAGES

_WINDOW_LINES = 4
_WINDOW_CHARS = 400
_BLOCK_LINES = 8
_MAX_TRIES = 300  # Each may take up to 6 ms on a line made for it.

_LIBRARY = tuple(
    re.compile(table["wrote_header"], re.IGNORECASE) for table in MAIL_LANGUAGES.values() if "wrote_header" in table
)
_VERBS = (
    r"wrote|writes|schrieb|schreibt|a écrit|écrit|escribió|escribio|ha scritto|skrev|schreef|heeft geschreven|napisał\w*(?:\(a\))?"
    r"|napsal\w*(?:\(a\))?|escreveu|kirjoitti|написал\w*|пишет|пише|yazd\u0131|đã viết|írta|a scris|έγραψε|写道|님이 작성|さんは書きました"
)
_AT = r"[<(\[]\s*[^\s<>()\[\]]+@[^\s<>()\[\]]+(?:[<(\[][^<>()\[\]]*[>)\]])?\s*[>)\]]"
_OWN = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A date near the start, an address, and a colon: in any language.
        rf"^\W{{0,6}}(?=.{{0,30}}\d)(?=.*(?:\d[:.]\d\d|\b(?:19|20)\d\d\b)).{{3,200}}{_AT}.{{0,25}}[:\uff1a]$",
        # A date near the start and a verb of writing.
        rf"^\W{{0,6}}(?=.{{0,30}}\d)(?=.*(?:\d[:.]\d\d|\d[-./]\d|\b(?:19|20)\d\d\b)).{{3,250}}(?:{_VERBS}).{{0,60}}[:\uff1a]$",
        rf"^-{{2,}}\s?On (?=.{{0,30}}\d).{{3,200}}(?:{_VERBS})\W*-{{2,}}$",
        # A name, an address and a verb of writing.
        rf"^\S.{{0,120}}{_AT}\s?(?:{_VERBS})[:\uff1a]$",
        # 2011/4/7 Somebody <somebody@example.com>
        rf"^\d{{4}}[/-]\d{{1,2}}[/-]\d{{1,2}}\b.{{1,120}}{_AT}:?$",
    )
)
_HINT = re.compile(rf"@|{_VERBS}", re.IGNORECASE)
_ENDS = re.compile(r"(?:[:\uff1a]|--|>)\Z")
_SHARED_LINE = re.compile(rf"^(.*?\S)(-{{2,}}\s?On .{{5,200}}(?:{_VERBS}):)$", re.IGNORECASE)

_ORIGINAL = re.compile(
    r"^\W{0,8}(?:original message|reply message|original appointment|ursprüngliche nachricht|original-nachricht|originalnachricht"
    r"|message d['\u2019]origine|message original|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht"
    r"|oprindelig meddelelse|opprinnelig melding|ursprungligt meddelande|originalmeddelande|alkuperäinen viesti|původní zpráva"
    r"|wiadomość oryginalna|oryginalna wiadomość|исходное сообщение|原始邮件|原始郵件|元のメッセージ)\s*[-_*=]{2,}\W*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"^\s*(?:[-_*=]{2,80}+\s*(?:forwarded (?:message|by)|weitergeleitete (?:nachricht|e-mail)|message (?:transféré|transmis)|mensaje reenviado"
    r"|mensagem encaminhada|messaggio inoltrato|doorgestuurd bericht|videresendt|vidarebefordrat|przekazana wiadomość|пересылаемое"
    r"|пересылаемое сообщение|转发邮件)\b.*|begin forwarded message\s?:|anfang der weitergeleiteten (?:nachricht|e-mail)\s?:"
    r"|début du message (?:réexpédié|transféré)\s?:|inizio messaggio inoltrato\s?:)\s*$",
    re.IGNORECASE,
)
_FORWARD_SUBJECT = re.compile(r"^\s*(?:fwd?|wg|tr|rv|enc|doorst|转发|轉寄)\s?[:\uff1a]", re.IGNORECASE)

_LABELS = {
    "from": "From|Von|De|Da|Van|Fra|Från|Od|От|Kimden|Lähettäjä|Feladó|发件人|寄件者|差出人|보낸 ?사람",
    "date": "Sent|Date|Gesendet|Datum|Envoyé|Enviado(?: el| em)?|Fecha|Data|Inviato|Verzonden|Sendt|Skickat|Dato|Odesláno|Wysłano"
    "|Lähetetty|Отправлено|Дата|发送时间|日期|寄件日期|送信日時|보낸 ?날짜",
    "to": "To|An|À|A|Para|Aan|Til|Till|Komu|Do|Кому|Vastaanottaja|收件人|收件者|宛先|받는 ?사람",
    "cc": "Cc|Kopie|Kopi|Kopia|Copie à|Copia|Копия|抄送|참조",
    "subject": "Subject|Betreff|Objet|Asunto|Assunto|Oggetto|Onderwerp|Emne|Ämne|Aihe|Předmět|Temat|Тема|主题|主旨|件名|제목",
}
_LABEL = re.compile(
    r"(?:^|(?<=\s))[\s*_|]{0,10}+(?:"
    + "|".join(f"(?P<{kind}>{words})" for kind, words in _LABELS.items())
    + r")\s?\*{0,2}\s?[:\uff1a]",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s*[-_*=]{5,}\s*$")


def is_forward_subject(subject: str) -> bool:
    """Whether the sender passed on somebody else's mail, so that the old text is what the mail is about."""
    return _FORWARD_SUBJECT.match(subject) is not None


def is_forward(line: str) -> bool:
    """Whether the line announces a forwarded mail."""
    return len(line) <= _WINDOW_CHARS and _FORWARDED.match(line) is not None


def is_rule(line: str) -> bool:
    """Whether the line is only drawn."""
    return len(line) <= _WINDOW_CHARS and _RULE.match(line) is not None


def unglue(line: str) -> tuple[str, ...]:
    """A line in which the reply runs straight into the announcement, cut in two."""
    if len(line) > _WINDOW_CHARS or "--" not in line or not line.endswith(":") or not _HINT.search(line):
        return (line,)
    match = _SHARED_LINE.match(line)
    return (match.group(1), match.group(2)) if match else (line,)


class Finder:
    """Looks for announcements in the lines of one mail, with a limit to how many doubtful places it looks at."""

    def __init__(self) -> None:
        self._tries_left = _MAX_TRIES

    def length_at(self, lines: list[str], at: int) -> int:
        """How many lines from `at` on announce older text; 0 when they do not."""
        first = lines[at].strip()
        if not first or len(first) > _WINDOW_CHARS:
            return 0
        if _ORIGINAL.match(first):
            return 1
        return self._attribution(lines, at) or self._block(lines, at)

    def _attribution(self, lines: list[str], at: int) -> int:
        """The shortest announcement counts: the sender's last words may stand right above it, without a blank line."""
        count = self._announces(lines, at)
        later = range(at + 1, at + count)
        return 0 if any(self._announces(lines, start) == at + count - start for start in later) else count

    def _announces(self, lines: list[str], at: int) -> int:
        window = ""
        for count, line in enumerate(lines[at : at + _WINDOW_LINES], start=1):
            row = line.strip()
            window = f"{window} {row}".strip()
            if not row or len(window) > _WINDOW_CHARS:
                return 0
            if _ENDS.search(row) and self._is_announcement(window):
                return count
        return 0

    def _is_announcement(self, window: str) -> bool:
        if self._tries_left <= 0 or not _HINT.search(window):
            return False
        self._tries_left -= 1
        return any(pattern.search(window) for pattern in _OWN + _LIBRARY)

    def _block(self, lines: list[str], at: int) -> int:
        """A block of From:, Sent:, To:, Subject: lines. Two kinds are enough if an address is there, else it takes three."""
        first = _LABEL.match(lines[at][:_WINDOW_CHARS])
        if not first or first.lastgroup not in {"from", "date"} or self._tries_left <= 0:
            return 0
        self._tries_left -= 1
        kinds: set[str] = set()
        seen = last = 0
        for count, line in enumerate(lines[at : at + _BLOCK_LINES], start=1):
            if not line.strip():
                break
            found = (
                {match.lastgroup or "" for match in _LABEL.finditer(line[:_WINDOW_CHARS])}
                if count == 1
                else _label(line)
            )
            kinds |= found
            seen += "@" in line
            last = count if found else last
        enough = len(kinds) >= (2 if seen else 3) and kinds & {"date", "subject"}
        return last if enough else 0


def _label(line: str) -> set[str]:
    match = _LABEL.match(line[:_WINDOW_CHARS])
    return {match.lastgroup or ""} if match else set()
