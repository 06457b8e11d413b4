"""By what a report is known: the marks of a machine in its header, and the words with which reports begin."""

import re

from mail_ingest import automatic
from mail_ingest.parsing import ParsedMail

_OPENING_CHARS = 4_000

# What servers and services say in subjects and first lines, in the languages of Exchange, Outlook and Google.
_FAILURE = re.compile(
    r"(?:could|can|was|were|is|has|have|did|been|be)(?: ?not|n't)(?: be| been)? (?:deliver|sent|reach|transmit)|un-?able to (?:deliver|send)|undeliver(?:able|ed)|deliver[ey] (?:to|has|status|notification|failure|failed|report|problem|error|of|incomplete)"
    r"|did not reach the following|returned mail|returned to sender|failure (?:notice|reasons?)|fatal errors?|delivery (?:problems|errors)|non-?deliver|mail (?:system )?(?:error|delivery|failure)|message (?:failed|failure|status|has been delayed|is delayed|error)"
    r"|invalid final delivery|unknown user:|unknown recipient|no valid recipients|trouble delivering|failed to (?:deliver|send)|address couldn't be found|delayed mail|postmaster notify|see transcript|mail could not be|message was not delivered|not deliverable|bounce|was not sent"
    r"|unzustellbar|(?:konnte|kann|wurde|wurden|werden) (?:[\w-]+ ){0,8}?nicht (?:zugestellt|übermittelt|ausgeliefert)|zustellung (?:[\w-]+ ){0,6}?fehlgeschlagen|fehlgeschlagen|nicht zugestellt|zustellungs?(?:status|fehler|problem|versuch)|fehler bei der (?:nachrichten)?zustellung|übermittlung"
    r"|n'a pas (?:pu être|été) (?:remis|distribué|livré|envoyé)|échec (?:de (?:la )?)?(?:remise|distribution|livraison|l'envoi)|non remis|impossible de (?:remettre|distribuer)|notification d'état de remise|non[- ]remise|la remise (?:a échoué|à)"
    r"|no se (?:pudo|ha podido|puede|pudieron) entregar|no (?:se )?entreg|no se ha entregado|error (?:de|en la) entrega|notificación de estado de entrega|imposible (?:de )?entregar|no (?:se )?puede entregarse"
    r"|impossibile (?:recapitare|consegnare)|non (?:è stato|può essere) (?:possibile )?(?:recapitat|consegnat)|mancato recapito|recapito non riuscito|non recapitabile|consegna (?:non riuscita|fallita)|errore di (?:recapito|consegna)"
    r"|não (?:foi|pôde|pode) (?:possível )?(?:ser )?entreg|falha (?:na|de) entrega|não entregue|não é possível entregar|notificação (?:do|de) (?:estado|status) (?:da|de) entrega"
    r"|(?:kan|kon|is) niet (?:worden )?(?:bezorgd|afgeleverd)|onbestelbaar|niet bezorgd|bezorging (?:is )?mislukt"
    r"|kunde inte (?:levereras|skickas)|olever(?:erbar|bar)|gick inte att leverera|leveransen misslyckades|leveransfel|kunne ikke leveres|kan ikke leveres|levering mislykkedes|ikke leveret|ikke levert|kunne ikke levere|leveringen mislyktes|ei voitu toimittaa|toimittaminen epäonnistui|toimitus epäonnistui|ei toimitettu"
    r"|nie (?:można|udało się) dostarczyć|nie(?:| zostało| została) dostarczon|nie dostarczono|niedoręcz|nelze doručit|nedoruč|nepodařilo se doručit|nebol[ao]? (?:možné )?doruč|kézbesíthetetlen|nem (?:sikerült )?kézbesít|sikertelen kézbesítés|nu a putut fi livrat|nelivrabil|imposibil de livrat|livrare eșuată"
    r"|не удалось доставить|недоставлен|не (?:может быть|было|были|было) доставлен|не доставлен|невозможно доставить|ошибка доставки|не вдалося доставити|teslim edil(?:emedi|emiyor|emez)|iletilemedi|δεν (?:ήταν δυνατή|παραδόθηκε|μπορεί)|αδυναμία παράδοσης|αποτυχία παράδοσης"
    r"|配信(?:不能|でき|に失敗|エラー|されません)|(?:お)?届けでき|送信(?:でき|エラー|に失敗|できません)|配信不可|配送(?:でき|不能|失敗)|无法(?:投递|传递|送达|发送)|未(?:送达|传递|能送达)|退信|投递失败|传递失败|發送失敗|無法(?:傳遞|寄送|投遞|傳送)|未傳遞|寄件失敗|배달(?:되지|할 수|하지|에 실패|실패)|전달(?:되지|할 수|하지)|반송|تعذر (?:تسليم|التسليم)|غير قابل للتسليم|لم يتم (?:تسليم|التسليم)|לא ניתן למסור|לא נמסר|không (?:thể )?gửi|không thể chuyển|ไม่สามารถ(?:ส่ง|นำส่ง)|वितरित नहीं|tidak (?:dapat|bisa) (?:dikirim|terkirim)|gagal dikirim",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"warning (?:message )?only|delivery status notification \(delay\)|(?:has|have) been delayed|(?:is|was) delayed|delayed mail|still being retried|will be retried|will (?:keep|continue) (?:to )?try|continue(?:s)? to try|temporarily (?:delayed|deferred)|message delayed|delivery (?:notification: )?delivery has been delayed|warning: could not send message|not yet been delivered|verzögert|verspät|retardé|retrasad|ritardat|atrasad|vertraagd|försen|forsink|viivästy|opóźni|задерж|遅延|延迟|延遲|지연",
    re.IGNORECASE,
)
_COMPLAINT_SENDER = re.compile(r"(?:staff|jmrpp?|fbl|feedbackloop|complaints?|abuse-report)@", re.IGNORECASE)
_COMPLAINT_SUBJECT = re.compile(
    r"complaint about message from|email feedback report|abuse (?:report|complaint)", re.IGNORECASE
)


def system_mark(mail: ParsedMail) -> str:
    """The mark in the header that no person's mail has, for people; '' when there is none.

    Replies of absent people have some of the marks too, but neither such a sender nor such a subject.
    """
    sender = mail.sender.key if mail.sender else ""
    if mark := automatic.mail_system_mark(mail.headers, sender, content_type=mail.content_type):
        return mark
    is_reply = automatic.is_reply_subject(mail.subject)
    return automatic.no_person_mark(mail.headers) if not is_reply and _FAILURE.search(mail.subject) else ""


def says_failure(mail: ParsedMail, own: str) -> bool:
    """Whether subject or first lines say that a mail was not delivered."""
    return bool(_FAILURE.search(mail.subject) or _FAILURE.search(_flat(own)))


def says_delay(mail: ParsedMail, own: str) -> bool:
    """Whether subject or first lines say that the mail is only late."""
    return bool(_DELAY.search(mail.subject) or _DELAY.search(_flat(own)))


def is_complaint(mail: ParsedMail) -> bool:
    """Feedback loops from before RFC 5965 (Hotmail's JMRP, for one): a mark in From and Subject, and the mail that it is about."""
    sender = mail.sender.key if mail.sender else ""
    has_mail = any(attachment.content_type == "message/rfc822" for attachment in mail.attachments)
    return has_mail and bool(_COMPLAINT_SENDER.match(sender) and _COMPLAINT_SUBJECT.search(mail.subject))


def _flat(text: str) -> str:
    return " ".join(text[:_OPENING_CHARS].replace("\u2019", "'").split())
