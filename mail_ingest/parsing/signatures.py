"""Where the signature begins that a person or a mail program put under a text."""

import re

_MAX_LINES = 20
_MAX_SENT_FROM_CHARS = 200
_DASHES = re.compile(r"^(?:--|__|—)\s*$")
_FOOTER = re.compile(r"^[ \t]*_{20,}\s*$")
_DASH_NAME = re.compile(r"^-{1,2}[A-Z][\w.'-]*(?: [A-Z][\w.'-]*){0,3}$")
_LINK = re.compile(r"[<(\[]\s*(?:https?|mailto):[^<>()\[\]\s]{0,300}\s*[>)\]]")
# Nothing but these words, and what a device is called: a sentence that begins like this is the sender's own.
_REST = r"[^.,!?:;]{0,60}"
_SENT_FROM = re.compile(
    r"^\W{0,6}(?:"
    + "|".join(
        (
            (
                rf"(?:sent|written|composed|posted)(?: \w+)? (?:from|via|with|using|by|on) (?:my|an?|the|outlook|e?-?mail|yahoo|samsung|proton|aol"
                rf"|gmail|mobile|iphone|ipad|android|huawei|xiaomi|galaxy|blackberry|windows|spark|airmail|fastmail|hey|boxer|nine|bluemail|k-9"
                rf"|canary|superhuman|tutanota|tuta|gmx|web\.de|missive|front)\b{_REST}(?:, an? {_REST})?"
            ),
            rf"(?:get|download|try) outlook for\b{_REST}",
            rf"(?:von|mit) (?:meinem|mein|meiner|dem|unterwegs)\b{_REST}(?:gesendet|gesandt|verschickt)",
            rf"gesendet (?:von|mit|aus|über|via)\b{_REST}",
            rf"diese (?:nachricht|e-mail|mail) wurde (?:von|mit|aus)\b{_REST}gesendet",
            rf"(?:holen sie sich )?outlook für\b{_REST}",
            rf"envoyé (?:de|depuis|à partir d|avec|via|par)\b{_REST}|télécharge[zr] outlook pour\b{_REST}|obtenir outlook pour\b{_REST}",
            rf"enviad[oa] (?:desde|con|do|da|de|a partir d|pelo|pela|via|des d)\b{_REST}|(?:obtener|obtén|obter|baixe o|transfira o) outlook para\b{_REST}",
            rf"inviato (?:da|dal|dalla|con|tramite)\b{_REST}|(?:scarica|ottieni) outlook per\b{_REST}",
            rf"(?:verstuurd|verzonden|gestuurd) (?:vanaf|vanuit|met|via|van)\b{_REST}|(?:download |haal )?outlook voor\b{_REST}",
            rf"skickat från\b{_REST}|skickades från\b{_REST}|hämta outlook för\b{_REST}",
            rf"sendt (?:fra|via|med)\b{_REST}|(?:hent|få|last ned) outlook (?:for|til)\b{_REST}",
            rf"lähetetty\b{_REST}|hanki outlook\b{_REST}|saadetud minu\b{_REST}|išsiųsta iš\b{_REST}",
            rf"wysłan[eoay] (?:z|ze|za pomocą)\b{_REST}|pobierz program outlook\b{_REST}",
            rf"odesláno (?:z|ze|přes|pomocí)\b{_REST}|odoslané (?:z|zo)\b{_REST}|poslano (?:s|z|sa)\b{_REST}|získejte outlook\b{_REST}",
            rf"elküldve\b{_REST}|{_REST}(?:ról|ről|ból|ből) küldve|trimis (?:de pe|din|de la)\b{_REST}|{_REST}(?:dan|den) gönderildi",
            rf"(?:\w+ )?στάλθηκε (?:από|με)\b{_REST}|отправлено (?:\u0441|из|от|через)\b[^,!?:;]{{0,60}}|надіслано (?:з|із|від)\b{_REST}|изпратено от\b{_REST}",
            rf"{_REST}(?:から|より)送信(?:されました)?|(?:发自|發自|寄自|传自){_REST}|[从從]{_REST}(?:发送|發送|傳送)|{_REST}에서 (?:보냄|보낸 메일)",
            rf"נשלח מ{_REST}|(?:أُرسلت|أرسلت|تم الإرسال|مرسل)\b{_REST}|đã gửi từ\b{_REST}|gửi từ\b{_REST}|dikirim dari\b{_REST}",
        )
    )
    + r")(?:[.!,;-]\s*(?:please |pls )?(?:excuse|pardon|forgive|sorry|apologi|entschuldig|bitte|désolé|disculp|perdon)[^\n]{0,100})?[.!]?\s*$",
    re.IGNORECASE,
)


def start_of(lines: list[str], start: int, end: int) -> int:
    """The line that begins the signature of the stretch of own words from `start` to `end`; `end` if there is none."""
    return _dash_name(lines, start, _delimiter(lines, start, end))


def is_sent_from(line: str) -> bool:
    """Whether it is the line that a telephone or mail program puts under a mail."""
    return len(line) <= _MAX_SENT_FROM_CHARS and _SENT_FROM.match(_LINK.sub("", line).rstrip()) is not None


def _delimiter(lines: list[str], start: int, end: int) -> int:
    written = [at for at in range(start, end) if lines[at].strip()]
    for left, at in reversed(list(enumerate(reversed(written[-_MAX_LINES - 1 :])))):
        line = lines[at]
        if _DASHES.match(line) or (_FOOTER.match(line) and left):
            return at
        if left <= 1 and is_sent_from(line):
            return at
    return end


def _dash_name(lines: list[str], start: int, end: int) -> int:
    """A last line like `-Ada Tenant`, which is no item of a list."""
    written = [at for at in range(start, end) if lines[at].strip()]
    if len(written) > 1 and _DASH_NAME.match(lines[written[-1]].rstrip()):
        above = lines[written[-2]].lstrip()
        return end if above.startswith("-") else written[-1]
    return end
