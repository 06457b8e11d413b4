"""The words by which mail programs announce history, in the languages that they speak. All are to be matched without regard to case."""

# "wrote", as in "On Monday, Ada wrote:".
WROTE = (
    r"wrote|writes|schrieb|schreibt|geschrieben|a écrit|écrit|a ecrit|escribió|escribio|va escriure|ha scritto|scrive|skrev|skreiv"
    r"|schreef|geschreven|napisał\w*(?:\(a\))?|nadesłał\w*|napsal\w*(?:\(a\))?|napísal\w*(?:\(a\))?|napisao(?:/la)?|je napisal\w*"
    r"|escreveu|kirjoitti|kirjutas|rašė|parašė|rakstīja|написал\w*(?:\(\w\))?|пишет|пише|написав|написа|пиша|yazd\u0131|yazdi|menulis"
    r"|đã viết|írta|a scris|έγραψε|เขียนว่า|写道|寫道|님이 작성|작성하였습니다|さんは書きました|のメール|כתב\w*|كتب\w*|كتابة"
)
# Where the verb stands first, as in "Quoting Ada".
QUOTING = r"quoting|zitat von|zitiere|citando(?: a)?|citerar|citat von|selon|citation de|cytowanie|цитирование"

# "-----Original Message-----"
ORIGINAL = (
    r"original message|original email|original appointment|reply message|original e-mail|ursprüngliche nachricht|original-?nachricht"
    r"|antwort nachricht|originaltermin|message d['\u2019]origine|message original|message initial|mensaje original|missatge original"
    r"|mensagem original|messaggio original[ei]|oorspronkelijk bericht|oprindelig (?:meddelelse|besked)|opprinnelig melding"
    r"|ursprungligt meddelande|originalmeddelande|alkuperäinen viesti|původní (?:zpráva|e-mail)|pôvodná správa|wiadomość oryginalna"
    r"|oryginalna wiadomość|eredeti üzenet|mesaj original|mesajul original|izvorna poruka|izvirno sporočilo|algne kiri|originalus laiškas"
    r"|исходное сообщение|оригинальное сообщение|оригінальне повідомлення|оригинално съобщение|αρχικό μήνυμα|orijinal mesaj|özgün ileti"
    r"|thư gốc|pesan asli|原始邮件|原始郵件|元のメッセージ|원본 메시지|הודעה מקורית|الرسالة الأصلية"
)

# The phrases that stand in dashes above a forwarded mail, and those that stand before a colon.
FORWARDED = (
    r"forwarded (?:message|by|mail)|weitergeleitete (?:nachricht|e-mail)|message (?:transféré|transmis)|mensaje reenviado"
    r"|mensagem encaminhada|messaggio inoltrato|doorgestuurd bericht|videresendt (?:meddelelse|melding)|vidarebefordrat (?:meddelande|mejl)"
    r"|välitetty viesti|przekazana wiadomość|přeposlaná zpráva|preposlaná správa|továbbított üzenet|mesaj redirecționat|iletilen ileti"
    r"|пересылаемое сообщение|переслане повідомлення|προωθημένο μήνυμα|转发邮件|轉寄郵件|转发的邮件|転送されたメッセージ|전달된 메시지"
)
BEGIN_FORWARDED = (
    r"begin forwarded message|anfang der weitergeleiteten (?:nachricht|e-mail)|début du message (?:réexpédié|transféré)"
    r"|inizio messaggio inoltrato|inicio del mensaje reenviado|início da mensagem (?:reencaminhada|encaminhada)"
    r"|begin doorgestuurd bericht|vidarebefordrat brev|videresendt besked|начало переадресованного сообщения|开始转发的邮件|転送されたメッセージ"
)

# "From:", "Sent:", … at the head of a message.
LABELS = {
    "from": "From|Von|De|Da|Van|Fra|Från|Od|От|Від|Kimden|Gönderen|Lähettäjä|Saatja|Nuo|No|Feladó|De la|Expeditor|Από|Từ|Dari|จาก"
    "|发件人|寄件者|寄件人|差出人|送信者|보낸 ?사람|מאת|من",
    "date": "Sent|Date|Sent at|Sent on|Gesendet(?: am)?|Datum|Envoyé(?: le)?|Enviado(?: el| em| a)?|Enviada(?: em)?|Enviat(?: el)?|Fecha|Data"
    "|Inviato(?: il)?|Verzonden(?: op)?|Sendt|Skickat|Dato|Odesláno|Odoslané|Dátum|Poslano|Poslato|Wysłan[oey]|Lähetetty|Päivämäärä"
    "|Saadetud|Išsiųsta|Nosūtīts|Elküldve|Küldve|Trimis|Σταλθηκε|Στάλθηκε|Ημερομηνία|Gönderildi|Gönderme Tarihi|Tarih|Отправлено|Дата"
    "|Надіслано|Изпратено|Đã gửi|Ngày|Dikirim|Tanggal|ส่ง|วันที่|发送时间|发送日期|日期|寄件日期|傳送時間|送信日時|日時|보낸 ?날짜|날짜"
    "|נשלח|תאריך|تاريخ الإرسال|تم الإرسال|التاريخ",
    "to": "To|An|À|A|Para|Per a|Aan|Til|Till|Komu|Za|Do|Кому|До|Vastaanottaja|Adressaat|Kam|Címzett|Către|Προς|Kime|Al\u0131c\u0131|Tới|Đến|Kepada|ถึง"
    "|收件人|收件者|宛先|받는 ?사람|אל|إلى",
    "cc": "Cc|Kopie|Kopi|Kopia|Kópia|Copie à|Copie|Copia|Cópia|Másolat|Bilgi|Копия|Копія|Копие|\u039a\u03bf\u03b9\u03bd\\.?|Koopia|DW|UDW|抄送|副本|참조|עותק|نسخة",
    "subject": "Subject|Betreff|Objet|Asunto|Assumpte|Assunto|Oggetto|Onderwerp|Emne|Ämne|Aihe|Předmět|Predmet|Temat|Teema|Tema|Tēma|Tárgy"
    "|Subiect|Θέμα|Konu|Тема|Относно|Chủ đề|Subjek|Perihal|เรื่อง|主题|主題|主旨|件名|제목|נושא|الموضوع",
}
# Before the date of an announcement.
ON = r"On|Am|Le|El|Il giorno|Il|Op|Em|W dniu|Dnia|Den|På|Dne|Dňa|În|Στις|Vào|Pada|Dana|ב|في"

# What senders say whose answers stand in the history, where nothing else tells them from it.
SEE_BELOW = (
    r"(?:see|find|read|my) [^.\n]{0,40}\b(?:below|inline|in-line|in ?line|in (?:red|blue|green|purple|orange|bold|capitals))\b"
    r"|(?:answers?|comments?|replies|responses?|remarks) [^.\n]{0,25}\b(?:below|inline|in-line|in (?:red|blue|green|purple|bold)|in the text)\b"
    r"|(?:siehe|s\.) (?:bitte )?(?:unten|weiter unten|im text|inline)|(?:antwort\w*|kommentar\w*|anmerkung\w*) [^.\n]{0,25}\b(?:unten|inline|im text"
    r"|in rot|in blau|in grün|rot|blau)\b|voir (?:mes [^.\n]{0,20})?(?:ci-dessous|plus bas|dans le texte)|(?:réponses?|commentaires?) [^.\n]{0,25}"
    r"(?:ci-dessous|en rouge|en bleu|dans le texte)|(?:ver|véase|respuestas?|comentarios?) [^.\n]{0,20}(?:abajo|más abajo|en rojo|en azul)"
    r"|(?:vedi|risposte?|commenti) [^.\n]{0,20}(?:sotto|in rosso|in blu)|(?:zie|antwoord\w*|opmerking\w*) [^.\n]{0,20}(?:hieronder|onder|in rood|in blauw)"
    r"|(?:ver|respostas?|comentários?) [^.\n]{0,20}(?:abaixo|em vermelho|em azul)|(?:se|svar) [^.\n]{0,20}(?:nedan|nedenfor|i rött|med rødt)"
)
