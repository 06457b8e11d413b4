"""How mail programs dress a reply: the quoted message below it, and the HTML beside the text."""

from dataclasses import dataclass
from datetime import datetime
from html import escape

from handyconnect.demo.times import OFFICE

STYLES = ("plain", "flowed", "outlook", "gmail", "apple")
HTML_STYLES = frozenset({"outlook", "gmail", "apple"})
_WROTE = {
    "en": "On {date} at {time}, {who} wrote:",
    "de": "Am {date} um {time} schrieb {who}:",
    "fr": "Le {date} à {time}, {who} a écrit :",
    "es": "El {date} a las {time}, {who} escribió:",
    "pt": "Em {date} às {time}, {who} escreveu:",
}
_OUTLOOK = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
    "fr": ("De", "Envoyé", "À", "Objet"),
    "es": ("De", "Enviado", "Para", "Asunto"),
    "pt": ("De", "Enviado", "Para", "Assunto"),
}


@dataclass(frozen=True, slots=True)
class Quoted:
    """The message that a reply quotes."""

    text: str
    sender: str
    recipient: str
    subject: str
    at: datetime
    language: str

    def intro(self) -> str:
        local = self.at.astimezone(OFFICE)
        phrase = _WROTE.get(self.language, _WROTE["en"])
        return phrase.format(date=f"{local:%d.%m.%Y}", time=f"{local:%H:%M}", who=self.sender)

    def outlook_head(self) -> list[tuple[str, str]]:
        local = self.at.astimezone(OFFICE)
        labels = _OUTLOOK.get(self.language, _OUTLOOK["en"])
        return list(zip(labels, (self.sender, f"{local:%d.%m.%Y %H:%M}", self.recipient, self.subject), strict=True))


def as_text(body: str, *, style: str, quoted: Quoted | None) -> str:
    if style == "flowed":
        body = _flowed(body)
    if quoted is None:
        return f"{body}\n"
    if style == "outlook":
        head = "\n".join(f"{label}: {value}" for label, value in quoted.outlook_head())
        return f"{body}\n\n________________________________\n{head}\n\n{quoted.text}\n"
    lines = "\n".join(f"> {line}".rstrip() for line in quoted.text.splitlines())
    return f"{body}\n\n{quoted.intro()}\n\n{lines}\n"


def _flowed(text: str, *, width: int = 66) -> str:
    """Soft line breaks end with a space (RFC 3676)."""
    lines: list[str] = []
    for line in text.splitlines():
        rest = line
        while len(rest) > width and (cut := rest.rfind(" ", 0, width)) > 0:
            lines.append(rest[: cut + 1])
            rest = rest[cut + 1 :]
        lines.append("-- " if rest == "--" else rest)
    return "\n".join(lines)


def as_html(body: str, *, style: str, quoted: Quoted | None, inline_cid: str = "") -> str:
    image = f'<img src="cid:{inline_cid}" width="240" height="160" alt="">' if inline_cid else ""
    match style:
        case "outlook":
            return _outlook(body, quoted=quoted, image=image)
        case "gmail":
            return _gmail(body, quoted=quoted, image=image)
        case _:
            return _apple(body, quoted=quoted, image=image)


def _paragraphs(text: str) -> list[str]:
    return [escape(part, quote=False).replace("\n", "<br>\n") for part in text.split("\n\n")]


def _outlook(body: str, *, quoted: Quoted | None, image: str) -> str:
    parts = [f'<p class="MsoNormal">{part}</p><p class="MsoNormal">&nbsp;</p>' for part in _paragraphs(body)]
    if image:
        parts.append(f'<p class="MsoNormal">{image}</p>')
    if quoted is not None:
        head = "<br>\n".join(f"<b>{label}:</b> {escape(value)}" for label, value in quoted.outlook_head())
        parts.append(
            '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
            f'<p class="MsoNormal">{head}</p></div>'
        )
        parts += [f'<p class="MsoNormal">{part}</p>' for part in _paragraphs(quoted.text)]
    inner = "\n".join(parts)
    return (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style>p.MsoNormal{margin:0cm;font-size:11.0pt;'
        f'font-family:"Calibri",sans-serif}}</style></head><body lang="DE"><div class="WordSection1">{inner}</div></body></html>\n'
    )


def _gmail(body: str, *, quoted: Quoted | None, image: str) -> str:
    inner = "<br><br>".join(_paragraphs(body)) + (f"<br>{image}" if image else "")
    quote = ""
    if quoted is not None:
        quote = (
            f'<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">{escape(quoted.intro())}<br></div>'
            '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">'
            f"{'<br><br>'.join(_paragraphs(quoted.text))}</blockquote></div>"
        )
    return f'<div dir="ltr">{inner}</div>{quote}\n'


def _apple(body: str, *, quoted: Quoted | None, image: str) -> str:
    inner = "".join(f"<div>{part}</div><div><br></div>" for part in _paragraphs(body)) + (
        f"<div>{image}</div>" if image else ""
    )
    quote = ""
    if quoted is not None:
        quote = (
            f'<div><br><blockquote type="cite"><div>{escape(quoted.intro())}</div><br>'
            f"<div>{'<br><br>'.join(_paragraphs(quoted.text))}</div></blockquote></div>"
        )
    return (
        '<html><head></head><body style="overflow-wrap: break-word; -webkit-nbsp-mode: space;">'
        f"{inner}{quote}</body></html>\n"
    )
