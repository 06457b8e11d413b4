"""What mail programs put in front of the subject of an automatic reply, and servers into that of a report.

A subject alone is a weak sign: only the fixed beginnings count that Exchange, Outlook, Notes, Zimbra and Gmail write in the languages that they come
in, and only with a colon behind them or as the whole subject. A person who answers to one gets an "Re:" before it.
"""

import re

_REPLY_BEGINNINGS = (
    # English
    r"auto(?:matic|mated|mat\.)?[ -]?(?:e-?mail )?(?:reply|response|responder|answer)",
    r"out[ -]of[ -](?:the[ -])?office(?: ?(?:auto[ -]?)?(?:reply|response|message|notification|assistant))?",
    r"(?:vacation|holiday|away|absence|ooo) (?:auto[ -]?)?(?:reply|response)",
    # German, Dutch, Afrikaans, Scandinavian, Icelandic, Finnish, Estonian, Latvian, Lithuanian
    r"auto(?:matische|m\.)?[ -]?antwort|abwesenheits(?:notiz|nachricht|assistent|meldung|benachrichtigung)|automatische (?:e-?mail-?)?(?:antwort|abwesenheitsnotiz|beantwortung)|nicht im büro",
    r"automatisch(?:e)? (?:antwoord|reactie|beantwoording)|afwezigheids(?:bericht|melding|assistent)|niet aanwezig|outomatiese (?:antwoord|reaksie)",
    r"automatiskt? (?:svar|meddelande|svarsmeddelande)|auto-?svar|frånvaro(?:meddelande|avisering)|fravær(?:sbesked|smelding|sassistent)|sjálfvirkt svar",
    r"automaattinen (?:vastaus|poissaoloviesti)|poissaolo(?:ilmoitus|viesti)|automaatvastus|kontorist väljas|automātisk[aā] atbilde|automatinis atsakymas|automatinis atsakas",
    # French, Spanish, Catalan, Galician, Basque, Italian, Portuguese, Romanian
    r"réponse automatique|reponse automatique|message d['\u2019]absence|absente? du bureau|absence du bureau|notification d['\u2019]absence|en dehors du bureau|message automatique",
    r"respuesta automática|respuesta automatica|fuera de (?:la )?oficina|ausente de la oficina|contestación automática|resposta automàtica|erantzun automatikoa|resposta automática|resposta automatica",
    r"ausência (?:temporária|do escritório)|fora do escritório|mensagem automática|risposta automatica|fuori (?:sede|ufficio)|assenza dall['\u2019]ufficio|messaggio automatico|răspuns automat|raspuns automat|absent de la birou|în afara biroului",
    # Slavic, Hungarian, Albanian, Greek, Turkish
    r"odpowiedź automatyczna|automatyczna odpowiedź|autoodpowiedź|nieobecność w biurze|poza biurem|automatická odpov[ěe][ďd]|automaticka odpoved|mimo kancel[áa]ř|mimo kancelárie",
    r"automatikus válasz|automatikus üzenet|házon kívül|irodán kívül|samodejni odgovor|samodejno sporočilo|automatski odgovor|аутоматски одговор|автоматски одговор|odsutan iz ureda|përgjigje automatike",
    r"автоматический ответ|авто-?ответ(?:чик)?|нет на месте|вне офиса|отсутствую на рабочем месте|автоматична відповідь|автовідповідь|автоматичен отговор|извън офиса|аўтаматычны адказ|автоматты жауап",
    r"αυτόματη απάντηση|εκτός γραφείου|otomatik (?:yan\u0131t|cevap)|ofis d\u0131ş\u0131nda|iş yerinde değil",
    # Hebrew, Arabic, Persian, Indic, South-East Asian, East Asian
    r"מענה אוטומטי|תשובה אוטומטית|הודעה אוטומטית|מחוץ למשרד|رد تلقائي|الرد التلقائي|خارج المكتب|پاسخ خودکار|स्वचालित (?:उत्तर|जवाब|प्रत्युत्तर)|স্বয়ংক্রিয় উত্তর|தானியங்கு பதில்",
    r"(?:การ)?ตอบกลับอัตโนมัติ|ไม่อยู่ที่สำนักงาน|trả lời tự động|thư trả lời tự động|balasan otomatis|jawapan automatik|balasan automatik|di luar kantor|awtomatikong tugon|jibu otomatiki",
    r"自动(?:答复|回复|应答|回覆)|自動(?:回覆|答覆|回复|応答|返信|應答)(?:メール)?|外出时的自动答复|不在办公室|不在辦公室|休假自动回复|자동 ?(?:회신|응답|답장)|부재 ?중 자동 ?응답",
)
_TAG = r"(?:\[[^\]\n]{1,40}\]|\(?ext(?:ern(?:al)?)?\)?[: ])?"
_REPLY = re.compile(rf"\s*(?:{_TAG}\s*){{0,3}}(?:{'|'.join(_REPLY_BEGINNINGS)})\s?(?:[:\uff1a]|\Z)", re.IGNORECASE)

_FAILURE = re.compile(
    r"undeliver|delivery (?:status|has failed|failure|failed|report|notification|incomplete)|(?:mail|message|delivery) (?:delivery )?(?:failure|failed|error|status)"
    r"|returned mail|returning message|failure notice|could not (?:be delivered|send message|deliver)|(?:not|un-?able to be|cannot be) deliver|non[- ]?(?:delivery|remise|remis)|mail system error|rejected mail|nondeliver"
    r"|unzustellbar|nicht zugestellt|zustellung|non remis|échec de (?:la )?(?:remise|distribution)|no se (?:puede|pudo|ha podido) entregar|no se entregó|no entregado|mancato recapito|non recapitabile|recapito non riuscito"
    r"|não (?:foi )?entregue|falha na entrega|não é possível entregar|onbestelbaar|niet bezorgd|olever|gick inte att leverera|ikke lever|kan ikke leveres|toimittaminen epäonnistui|ei voi toimittaa|nie można dostarczyć|niedostarczone|nelze doručit|nedoruč|kézbesíthetetlen"
    r"|не удалось доставить|недоставлен|не доставлен|не вдалося доставити|teslim edilemedi|teslim edilemez|αδύνατη η παράδοση|δεν παραδόθηκε|配信不能|配信できません|送信エラー|无法投递|无法传递|未送达|未传递的邮件|退信|無法傳遞|傳遞失敗|배달되지 않|배달할 수 없|تعذر تسليم|غير قابل للتسليم|לא ניתן למסירה|không gửi được|nelivrabil",
    re.IGNORECASE,
)


def is_reply_subject(subject: str) -> bool:
    """Whether a subject begins as mail programs begin that of an automatic reply."""
    return bool(_REPLY.match(subject[:300]))


def is_failure_subject(subject: str) -> bool:
    """Whether a subject speaks of a failed delivery. People forward and quote such subjects: it counts only beside another mark."""
    return bool(_FAILURE.search(subject[:1_000]))
