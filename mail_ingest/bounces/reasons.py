"""Why a mail was not delivered, out of what a server said: its words first, then its codes.

Servers say the same few things in many ways. `_PHRASES` holds the ways by kind, gathered from the sources of the servers that say them
(Postfix, Exim, sendmail, qmail and its patches, Courier, OpenSMTPD, Exchange, Domino), from the lists of replies that large providers publish
(Google, Microsoft, Yahoo, Apple, Mail.ru, Yandex, Tencent, NetEase, Comcast, Mimecast, Proofpoint) and from the texts of
RFC 5321, 4.2.2, RFC 3463 and the IANA registry of enhanced status codes. The order decides where two kinds match.
"""

import re

from mail_ingest.bounces.report import Reason

_MAX_CHARS = 8_000

# What stands between the words of one saying: a name, an address, a few more words.
_GAP = r"[^\n]{0,60}"

_PHRASES: tuple[tuple[Reason, tuple[str, ...]], ...] = (
    (
        Reason.AUTH_FAILURE,
        (
            r"\bspf\b(?! records? (?:found|ok))"
            + _GAP
            + r"(?:fail|not (?:allowed|pass|permitted)|reject|invalid|check|policy|violat)",
            r"(?:fail|violat|reject)" + _GAP + r"\b(?:spf|dkim|dmarc)\b",
            r"\b(?:dkim|dmarc)\b" + _GAP + r"(?:fail|reject|policy|invalid|not pass|quarantine|violat|check)",
            r"unauthenticated (?:e-?mail|sender)|sender policy framework|not authenticated by|authentication[- ]results?"
            + _GAP
            + "fail",
            r"sender (?:is )?not authori[sz]ed by the domain|openspf\.|mail from domain" + _GAP + "unauthori[sz]ed",
        ),
    ),
    (
        Reason.MAILBOX_FULL,
        (
            r"(?:mail ?box|mail ?dir|mail ?folder|in-?box|mail drop|account|storage|user|recipient)"
            + _GAP
            + r"\b(?:is |was )?(?:full|over[- ]?(?:the )?(?:disk |allowed )?quota)\b",
            r"(?:full|overfull) (?:mail ?box|in-?box)|(?:over|exceed\w*|out of|violat\w*)"
            + _GAP
            + r"\bquota\b|\bquota\b"
            + _GAP
            + r"(?:exceed|full|reached|violat|used|over|limit)",
            r"over(?:[- ]the)? (?:allowed |disk )?quota|would exceed"
            + _GAP
            + "(?:storage|mailbox)|exceeded (?:its |the |his |their )?(?:storage|disk|mailbox|space)",
            r"(?:not|no|doesn't have|does not have) enough (?:storage |disk )?space (?:in|for|available|to (?:store|save))|insufficient (?:mailbox|user) (?:space|storage)",
            r"mailbox"
            + _GAP
            + r"(?:exceeded|limit|size)|too many messages (?:on the server|in)|space has been used up|reached"
            + _GAP
            + "(?:quota|storage limit)|out of storage",
            r"number of messages in recipient's mailbox|user has exceeded|quota violation|account has exceeded|resolver\.rst\.recipientoverquota",
            r"postfach"
            + _GAP
            + r"(?:voll|überfüllt|quota|speicher)|(?:boîte|boite)"
            + _GAP
            + r"(?:pleine|saturée)|buzón"
            + _GAP
            + r"lleno|casella"
            + _GAP
            + "piena|caixa"
            + _GAP
            + "cheia",
            r"postbus"
            + _GAP
            + r"vol\b|skrzynk"
            + _GAP
            + r"(?:pełna|przepełn)|почтовый ящик"
            + _GAP
            + r"переполнен|ящик переполнен|メールボックス.{0,20}(?:一杯|いっぱい|容量|満)|容量.{0,8}超|邮箱.{0,8}满|信箱.{0,8}滿|메일함.{0,12}(?:가득|용량)",
        ),
    ),
    (
        Reason.MESSAGE_TOO_BIG,
        (
            r"(?:message|mail|e-?mail|content|data|line)(?: header)?(?: size| length)? (?:is |was )?(?:too|larger|bigger|longer) (?:big|large|long|than)",
            r"(?:message|mail)(?: file)? size (?:exceed|limit|violat|is (?:too|over|greater))|maximum (?:message|mail)(?: file)? size|size limit"
            + _GAP
            + "(?:message|exceed)",
            r"exceed\w*"
            + _GAP
            + r"(?:maximum|max\.?|fixed|allowed|size) (?:limit|message|mail|size|length)|message"
            + _GAP
            + "exceeds (?:the )?(?:size|length|limit)",
            r"size of (?:the|your|this) (?:message|mail|e-?mail)"
            + _GAP
            + "(?:exceed|limit|too)|resolver\\.rst\\.(?:send|recip)sizelimit",
            r"nachricht ist zu groß|zu groß für|message trop (?:gros|volumineux)|demasiado grande|troppo grande|muito grande|サイズ.{0,12}(?:超|大き)|太大",
        ),
    ),
    (
        Reason.SYSTEM_FULL,
        (
            r"insufficient (?:disk|system|storage|server)(?: disk)? ?(?:space|storage|resources)?|no space left|(?:disk|file ?system|mail system|server|queue) (?:is )?full\b",
            r"not enough (?:disk|system|server) ?(?:space|storage)|out of (?:disk space|memory)|requested mail action aborted: exceeded|mailsystem full",
        ),
    ),
    (
        Reason.SUSPENDED,
        (
            r"(?:account|mail ?box|user(?:\(s\))?|recipient|address|customer)"
            + _GAP
            + r"\b(?:is|are|was|were|has been|have been|currently|temporarily|been|account)?[ :]*(?:disabled|suspended|deactivated|de-?activated|locked|frozen|blocked|discontinued|terminated|closed|archived)",
            r"(?:disabled|suspended|inactive|deactivated|frozen|closed|locked|expired) (?:recipient|user|account|mail ?box|address)|(?:recipient|mailbox|account|user)"
            + _GAP
            + r"\b(?:temporarily |currently )?inactive\b",
            r"(?:account|mailbox|user|recipient) (?:has )?expired|mailbox unavailable or access denied|suspend the service|extended inactivity|bo[iî]te du destinataire archiv",
            r"konto"
            + _GAP
            + r"(?:gesperrt|deaktiviert)|postfach"
            + _GAP
            + r"(?:gesperrt|deaktiviert)|compte"
            + _GAP
            + r"(?:désactivé|suspendu)|cuenta"
            + _GAP
            + r"(?:desactivada|suspendida)|заблокирован|アカウント.{0,12}(?:停止|無効)|账号.{0,8}(?:停用|冻结)",
        ),
    ),
    (
        Reason.MOVED,
        (
            r"no longer (?:on|at|with|uses?|works?|has|valid|here|in use)|(?:user|recipient|address|mailbox|account)"
            + _GAP
            + r"\b(?:has )?(?:moved|changed (?:to|his|her|address)|been replaced)",
            r"(?:please|should) (?:use|try) "
            + _GAP
            + r"instead|not local;? please try|user not local|new e?-?mail address is|has left the (?:company|organi[sz]ation)",
        ),
    ),
    (
        Reason.RELAYING_DENIED,
        (
            r"relay(?:ing)?(?: access)?(?: is)? (?:denied|not (?:permitted|allowed)|prohibited|restricted|rejected|forbidden|attempt)|(?:unable|not permitted|cannot|refus\w*|not allowed) to relay",
            r"(?:we|do|does) (?:do )?not relay|open relay|we are not an? relay|no relaying|through this server without authenticating|is not permitted to relay|insecure mail relay|relay (?:prohibited|access)",
            r"that domain isn't in my list of allowed rcpthosts|isn't in (?:my|the) (?:list of )?allowed rcpthosts",
        ),
    ),
    (
        Reason.VIRUS,
        (
            r"(?:infected|contains?|carr\w+|detected|found)"
            + _GAP
            + r"\b(?:virus|malware|trojan|worm)|(?:virus|malware) (?:was )?(?:detected|found|infected|reject|check)|suspicious attachment|viren? gefunden",
        ),
    ),
    (
        Reason.RATE_LIMITED,
        (
            r"too many (?:connections?|messages?|mails?|e-?mails?|recipients|concurrent|sessions|requests|errors|invalid|hits|smtp|simultaneous)|rate[- ]?limit|(?:sending|connection|message|mail) rate|too (?:fast|frequent|quickly)|throttl|unusual rate",
            r"(?:exceeded|reached|over)"
            + _GAP
            + r"(?:connection|rate|sending|hourly|daily|per hour|per day|messages? per)|(?:max|maximum|exceeded)"
            + _GAP
            + r"(?:connections|emails per hour|recipients per|per session|hourly)",
            r"mail (?:sending )?limit|concurren\w+ "
            + _GAP
            + r"limit|unexpected volume|slow down|submission quota|flood",
        ),
    ),
    (
        Reason.SPAM,
        (
            r"\bspam(?!haus|cop|hole)\w*|unsolicited|\bube\b|\buce\b|bulk (?:e-?)?mail|junk ?(?:e-?)?mail|content (?:was |is )?(?:rejected|denied|filter|not accept)|(?:banned|rejecting|unacceptable) (?:mail )?content|blacklisted url|message filtered|uribl|surbl|phishing|垃圾邮件|スパム|迷惑メール",
        ),
    ),
    (
        Reason.BLOCKED,
        (
            r"black ?-?list|block ?-?list|deny ?-?list|\b(?:rbl|dnsbl|rblsmtpd|bl)\b|spamhaus|spamcop|barracudacentral|sorbs|reputation|senderbase|sender ?score|trustedsource",
            r"(?:ip|host|server|client|network|connection|sending)"
            + _GAP
            + r"\b(?:is |was |been |are )?(?:temporarily |permanently )?(?:blocked|block|banned|listed|refused by)\b|blocked (?:by|using|for|ip|from|due|because)|invalid ip\b",
            r"(?:client|sender) (?:host|ip|ip address|server) (?:rejected|blocked|denied|refused)|(?:reverse|ptr|rdns)"
            + _GAP
            + r"(?:dns|record|required|lookup|missing|found|hostname)|no ptr|\bptr\b|cannot find your (?:reverse )?hostname",
            r"(?:dynamic|residential|generic|dial-?up)"
            + _GAP
            + r"\b(?:ip|hosts?|address|ptr)|helo"
            + _GAP
            + r"(?:reject|invalid|mismatch|denied|not|command)|bad helo|access from ip|access denied\. ip|use (?:the |your )?smtp server of your isp|use your isp",
            r"not (?:currently )?accepting mail from your ip|messages? from"
            + _GAP
            + r"(?:temporarily )?deferred|your (?:ip|host|server|network|domain)"
            + _GAP
            + r"\b(?:reject|block|deni|not allowed|banned|refus)|user complaints|greylist|grey-listed",
        ),
    ),
    (
        Reason.FILTERED,
        (
            r"recipient preferences|restricted (?:sms )?e-?mail|only accept(?:s|ing) mail from|not accepting (?:any )?(?:mail|messages)|refuse\w* to (?:accept|receive)|account is protected|user reject|blocked by (?:the )?recipient|been blocked by the recipient|bounced address|mailbox rule|rejected by (?:the )?recipient|recipient (?:only|does not want|has (?:blocked|rejected))|受信拒否",
        ),
    ),
    (
        Reason.NOT_ACCEPTING,
        (
            r"(?:no|null) mx\b|no mx (?:record|found)|(?:host|domain|server|system)"
            + _GAP
            + r"(?:does not|doesn't|not) accept(?:s|ing)? (?:any )?(?:mail|messages|e-?mail)|smtp service not available|does not accept mail|nullmx|no mail (?:server|exchanger)|mail receiving disabled|has no (?:mx|mail)|mx record"
            + _GAP
            + r"(?:not found|empty|missing)",
        ),
    ),
    (
        Reason.REJECTED,
        (
            r"sender(?: e-?mail| domain| address|'s address|'s)*"
            + _GAP
            + r"\b(?:rejected|denied|refused|invalid|not (?:accept|allow|exist|found|valid|permitted|verif|pre-approved)|unknown|verify failed|blocked|empty|unverifiable|could not be verified)",
            r"(?:bad|invalid|unknown|forged|unverified|unroutable|bogus|null|empty) (?:envelope )?(?:sender|mail from|return[- ]path|from address)|sender (?:verification|verify|callout)|(?:mail from|from address|envelope sender|return path)"
            + _GAP
            + r"\b(?:rejected|denied|invalid|not|must|refused)",
            r"domain of (?:the )?sender|batv|backscatter|no third-party dsn|<> invalid|email address is not verified|not owned by user|groups\.google\.com/support|may not have permission to post|not (?:allowed|authori[sz]ed|permitted) to (?:post|send) (?:to|messages)|only (?:members|subscribers)|members-only|not (?:a )?(?:member|subscribed)",
            r"resolver\.rst\.(?:notauthorized|authrequired|restrict\w*)|resolver\.rst\.notauthenticated",
        ),
    ),
    (
        Reason.POLICY,
        (
            r"polic(?:y|ies)\b|(?:illegal|forbidden|banned|prohibited|blocked|dangerous|executable) (?:attachment|file|extension|header|content)|header error|header[s]? (?:is|are|was)? ?not accept|multiple (?:from )?addresses|rfc ?(?:2?822|5322)|security (?:reason|violation|rule)|administrative(?:ly)? prohib|prohibited by administrator|rejected by (?:the )?administrator|organizational settings|transport\.rules|mass mailer|starttls|must issue|requires? (?:tls|authentication|encryption)|tls (?:is )?required|protocol violation|non-ascii|message (?:was )?(?:rejected|refused) (?:by|due)",
        ),
    ),
    (
        Reason.HOST_UNKNOWN,  # What would else be taken for a name that is not found.
        (
            r"nxdomain|(?:host|domain|domain name|server|system)(?: name)?(?: is)? (?:unknown|not (?:be )?found|not known|invalid)|(?:host|domain)(?: \S{1,80})? (?:couldn't be found|does not exist|doesn't exist|could not be found|was not found|is invalid)",
            r"(?:unknown|no such|invalid|bad|unrouteable|unroutable|nonexistent|illegal) (?:mail )?(?:host|domain|mail server|destination (?:host|domain|system))|domain name not found|name or service not known|recipient domain must exist",
        ),
    ),
    (
        Reason.USER_UNKNOWN,
        (
            # An address, its owner or box: not there, or not one of ours.
            r"(?:unknown|no such|non-?existe?nt|invalid|inexistent|bad|undefined|unrecogni[sz]ed|wrong|not a valid) (?:final delivery )?(?:local )?(?:user|recipient|mail ?box|address|account|e-?mail|person|destination|local[ -]part|rcpt|virtual|alias|subscriber|addressee|envelope recipient|userid|spectator|name|mail drop|to address)",
            r"(?:user|recipient|mail ?box|address|account|e-?mail|person|alias|rcpt|addressee|subscriber|name|mm)\(?e?s?\)?\b"
            + _GAP
            + r"\b(?:unknown|not (?:be )?(?:found|known|exist|recogni[sz]ed|present|listed|valid|local|active|available|ok|correct|defined|have an?)|(?:doesn|don|isn|wasn|couldn|can)'t (?:be )?(?:found|exist|known|have|valid)|no longer (?:valid|exists?)|invalid|incorrect|inexistent|unavailable|missing|was undeliverable)",
            r"(?:does not|doesn't|do not|not|does'nt) exists?\b|no (?:mail ?box|account|recipient|user|address|such|mail drop|valid recipient|one at)"
            + _GAP
            + r"|there is no (?:user|one|account|mail)|not (?:a )?(?:known|valid|active|registered|local) (?:user|recipient|mailbox|address|account|subscriber|gateway)|isn't in my (?:list|validrcptto)|badrcptto|validrcptto|chkusr|not our customer|not in (?:my|our|the) (?:list|directory|user)|not listed in|unrouteable address|unknown local[- ]part|recipient (?:notfound|address rejected|refused|rejected|denied|not accepted)|resolver\.adr\.(?:recip\w*|exrecip\w*|invalid\w*|notfound)|addressee unknown|recipients? (?:was|were) undeliverable|couldn't find (?:a|an|the)?"
            + _GAP
            + r"(?:address|account|user)|'t have a"
            + _GAP
            + r"account|no existe|address rejected",
            r"address not found|adresse nicht gefunden|(?:adresse|destinataire|utilisateur)"
            + _GAP
            + r"(?:introuvable|inconnu|inexistant|n'existe pas)|dirección"
            + _GAP
            + r"(?:no (?:se )?(?:ha |pudo )?encontra|desconocid|inválida)|(?:indirizzo|utente|destinatario)"
            + _GAP
            + r"(?:non trovato|sconosciuto|inesistente|non esiste)|nessun utente|(?:endereço|usuário)"
            + _GAP
            + r"(?:não (?:foi )?encontrado|desconhecido|não existe)|adres niet gevonden|onbekende (?:gebruiker|ontvanger)",
            r"(?:empfänger|benutzer|adresse|postfach|e-mail-adresse)"
            + _GAP
            + r"(?:unbekannt|nicht gefunden|existiert nicht|konnte nicht gefunden|ungültig|nicht vorhanden)|(?:adressen|mottagaren|användaren)"
            + _GAP
            + r"hittades inte|adressen blev ikke fundet|adressen ble ikke funnet|osoitetta ei löydy|nie znaleziono (?:adresu|odbiorcy)|nieznany (?:użytkownik|odbiorca|adres)|adresa nenalezena|címzett (?:nem|ismeretlen)|adres bulunamad\u0131",
            r"(?:адрес|пользовател|получател|ящик)"
            + _GAP
            + r"(?:не найден|не существует|неизвест)|нет такого (?:пользователя|адреса)|アドレス.{0,12}(?:不明|見つかりません|存在しま|みつかりません)|(?:宛先|ユーザー?).{0,12}(?:不明|存在しま|見つかりません)|(?:用户|地址|收件人|邮箱).{0,10}(?:不存在|找不到|未找到)|找不到.{0,10}(?:地址|收件人|收件者)|(?:收件者|使用者).{0,10}不存在|(?:주소|사용자|수신자).{0,10}(?:찾을 수 없|없습니다|존재하지)",
        ),
    ),
    (
        Reason.NETWORK,
        (
            r"dns query failed|too many hops|hop count|mail(?:ing)? loop|routing loop|forwarding loop|loop(?:ing|s back| detected)|no route to host|network (?:is )?unreachable|host is unreachable|(?:name ?server|dns|domain name)"
            + _GAP
            + r"\b(?:error|failure|fail\w*|timeout|try again|temporar)|(?:host|name)(?: name)? lookup fail|try again later: host|unable to resolve route|malformed name server|connection (?:lost|reset|dropped|closed|failed|broken)|lost connection|broken pipe|conversation with|tls (?:handshake|negotiation) fail|ssl error",
        ),
    ),
    (
        Reason.HOST_UNKNOWN,
        (
            r"(?:host|domain|server|site|system)(?: name)?\b"
            + _GAP
            + r"\b(?:unknown|not (?:be )?(?:found|exist|known|valid|resolv\w*)|(?:couldn|doesn|isn)'t (?:be )?(?:found|exist|resolv\w*)|is invalid|does not exist)|name service error|(?:all relevant mx records point to non-existent hosts)|(?:unable|cannot|can't|could not) (?:to )?(?:find|resolve|look ?up)"
            + _GAP
            + r"(?:host|domain|server|mx|address)|domäne"
            + _GAP
            + r"(?:nicht gefunden|existiert nicht)|domaine"
            + _GAP
            + r"(?:introuvable|n'existe pas)|dominio"
            + _GAP
            + r"no (?:se )?(?:ha |pudo )?(?:encontra|existe)|域名.{0,8}(?:不存在|错误)|ドメイン.{0,12}(?:見つかりません|存在しま)",
        ),
    ),
    (
        Reason.EXPIRED,
        (
            r"(?:timed?[ -]?out|time-?out)|expired|(?:in|kept in) (?:the )?queue (?:too long|for)|queue too long|too old|aborted after|retry (?:time|timeout)|giving up|(?:could not be|not been|undelivered|undeliverable|unable to deliver)"
            + _GAP
            + r"\b(?:for|after|since) (?:more than )?\d|been failing for a long|(?:was|is) not (?:reachable|responding)|(?:did not|not) respond|no answer from|connection refused|not (?:accept our requests to connect|reachable)|could not (?:connect|be reached|reach)|couldn't connect|unable to connect|failed (?:to )?connect|delayed|multiple retries|deferred|socket error|not collected|(?:delivery|repeated|several|\d) attempts",
        ),
    ),
    (
        Reason.SYSTEM_ERROR,
        (
            r"(?:internal|system|server|local|temporary|configuration|processing|software|program) (?:server |local |system |configuration )?(?:error|problem|failure|fault)|misconfigur|transaction failed|could not load|can't create|cannot (?:create|open|append)|service (?:currently )?(?:unavailable|not available)|write error|interrupted system call|out of resources|ldap|timeout waiting for input|encountered an error|system not available|unable to contact|mailer error|command output|died with status|delivery agent|content-filter|unexpected error|error in processing",
        ),
    ),
)
_COMPILED = tuple((reason, re.compile("|".join(phrases), re.IGNORECASE)) for reason, phrases in _PHRASES)

# RFC 3463, section 3, and the registry that RFC 5248 opened (subject.detail).
_STATUS = {
    "1.0": Reason.USER_UNKNOWN,
    "1.1": Reason.USER_UNKNOWN,
    "1.2": Reason.HOST_UNKNOWN,
    "1.3": Reason.USER_UNKNOWN,
    "1.4": Reason.USER_UNKNOWN,
    "1.6": Reason.MOVED,
    "1.7": Reason.REJECTED,
    "1.8": Reason.REJECTED,
    "1.10": Reason.NOT_ACCEPTING,  # RFC 7505
    "2.0": Reason.FILTERED,
    "2.1": Reason.SUSPENDED,
    "2.2": Reason.MAILBOX_FULL,
    "2.3": Reason.MESSAGE_TOO_BIG,
    "2.4": Reason.FILTERED,
    "3.0": Reason.SYSTEM_ERROR,
    "3.1": Reason.SYSTEM_FULL,
    "3.2": Reason.NOT_ACCEPTING,
    "3.3": Reason.SYSTEM_ERROR,
    "3.4": Reason.MESSAGE_TOO_BIG,
    "3.5": Reason.SYSTEM_ERROR,
    "4.0": Reason.NETWORK,
    "4.1": Reason.EXPIRED,
    "4.2": Reason.NETWORK,
    "4.3": Reason.SYSTEM_ERROR,
    "4.4": Reason.NETWORK,
    "4.5": Reason.SYSTEM_ERROR,
    "4.6": Reason.NETWORK,
    "4.7": Reason.EXPIRED,
    "4.310": Reason.HOST_UNKNOWN,  # Exchange Online, as the next ones
    "4.312": Reason.NETWORK,
    "4.316": Reason.EXPIRED,
    "5.1": Reason.SYSTEM_ERROR,
    "5.2": Reason.SYSTEM_ERROR,
    "5.3": Reason.RATE_LIMITED,
    "5.4": Reason.SYSTEM_ERROR,
    "6.1": Reason.POLICY,
    "6.6": Reason.POLICY,
    "6.9": Reason.POLICY,
    "7.2": Reason.FILTERED,
    "7.13": Reason.SUSPENDED,
    "7.20": Reason.AUTH_FAILURE,  # RFC 7372, as the next ones
    "7.21": Reason.AUTH_FAILURE,
    "7.22": Reason.AUTH_FAILURE,
    "7.23": Reason.AUTH_FAILURE,
    "7.24": Reason.AUTH_FAILURE,
    "7.25": Reason.BLOCKED,
    "7.26": Reason.AUTH_FAILURE,
    "7.27": Reason.REJECTED,  # RFC 7505
    "7.28": Reason.RATE_LIMITED,
    "7.29": Reason.AUTH_FAILURE,
    "7.124": Reason.REJECTED,  # Exchange Online: not on the recipient's list of senders
    "7.129": Reason.REJECTED,
    "7.133": Reason.REJECTED,
    "7.134": Reason.REJECTED,
    "7.193": Reason.REJECTED,
    "7.509": Reason.AUTH_FAILURE,
    "7.511": Reason.BLOCKED,
    "7.606": Reason.BLOCKED,
    "7.703": Reason.BLOCKED,
    "7.708": Reason.BLOCKED,
}
# RFC 5321, 4.2.2 and 4.2.3, RFC 7504. 550 and 554 can mean anything.
_REPLY = {
    "421": Reason.SYSTEM_ERROR,
    "451": Reason.SYSTEM_ERROR,
    "452": Reason.SYSTEM_FULL,
    "521": Reason.NOT_ACCEPTING,
    "525": Reason.SUSPENDED,
    "530": Reason.POLICY,
    "535": Reason.POLICY,
    "551": Reason.MOVED,
    "552": Reason.MAILBOX_FULL,
    "553": Reason.USER_UNKNOWN,
    "556": Reason.NOT_ACCEPTING,
}


def by_words(text: str) -> Reason | None:
    """The reason that a text names."""
    flat = " ".join(text[:_MAX_CHARS].replace("\u2019", "'").split())
    return next((reason for reason, phrases in _COMPILED if phrases.search(flat)), None)


def by_status(status: str) -> Reason | None:
    """The reason that an enhanced status code (RFC 3463) names; None where it names only the field, or nothing."""
    detail = status.partition(".")[2]
    return None if detail.endswith(".0") else _STATUS.get(detail)


def by_vague_status(status: str) -> Reason | None:
    """The reason that the field of an enhanced status code suggests: for when nothing better is known."""
    detail = status.partition(".")[2]
    return _STATUS.get(detail) or (Reason.POLICY if detail.startswith(("6.", "7.")) else None)


def by_reply(smtp_code: str) -> Reason | None:
    """The reason that a reply code (RFC 5321) means; None where it says nothing in particular."""
    return _REPLY.get(smtp_code)
