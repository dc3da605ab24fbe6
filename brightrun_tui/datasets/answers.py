"""What is wrong with single answers: there is none, they hold more or less than one, or say what few want a model to say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from brightrun_tui.datasets.spelling import error_in, is_quoted
from brightrun_tui.datasets.turns import printable
from brightrun_tui.datasets.unfilled import unfilled
from brightrun_tui.datasets.unfinished import blank_in, call_in, cut_in
from brightrun_tui.domain.dataset import Record

_PLACEHOLDERS = frozenset(
    {
        "todo",
        "tbd",
        "tba",
        "n/a",
        "n.a.",
        "...",
        "…",
        "---",
        "???",
        "xxx",
        "lorem ipsum",
        "placeholder",
        "fixme",
        "[object object]",
        "#name?",
        "null",
        "none",
        "undefined",
        "nil",
        "\\n",
        "(null)",
        "(none)",
        "(empty)",
        "empty",
        "[deleted]",
        "[removed]",
        "no answer",
        "no response",
        "keine antwort",
        "sin respuesta",
        "sans réponse",
        "see above",
        "see below",
        "as above",
        "same as above",
        "ditto",
        "dito",
        "idem",
        '"',
        "siehe oben",
        "s.o.",
        "s. o.",
        "ver arriba",
        "voir ci-dessus",
        "vedi sopra",
    }
)
_LONGEST_PLACEHOLDER = max(map(len, _PLACEHOLDERS))
_ROUNDED = re.compile(r"-?\d[.,]\d{1,6}E\+\d{1,3}")
"""What a spreadsheet makes of a long number that it does not take for text."""
_ROUNDED_WITHIN = re.compile(r"(?<![\w.,])\d[.,]\d{1,6}E\+\d{2}\b")
"""The same in a sentence, where a table was filled in by a formula; scientists write 10 or e."""
_SUMS = frozenset(
    (
        "total",
        "totals",
        "grand total",
        "sum",
        "count",
        "summe",
        "gesamt",
        "gesamtsumme",
        "insgesamt",
        "totale",
        "somme",
        "suma",
    )
)
_STOP = re.compile(r"[\s.!?](\[?<?(?:END|STOP|EOS|EOT)>?\]?)\s*\Z")
"""By which older ways of training wanted every answer to end."""
_MAIL = re.compile(
    r"^[^\S\n]*(?:On [^\n]{6,120} wrote:|Am [^\n]{6,120} schrieb[^\n]{0,80}:|Le [^\n]{6,120} a écrit\s?:"
    r"|El [^\n]{6,120} escribió:|Il [^\n]{6,120} ha scritto:"
    r"|-{2,} ?(?:Original Message|Forwarded message|Ursprüngliche Nachricht|Mensaje original) ?-{2,})"
    r"\s*$",
    re.MULTILINE | re.IGNORECASE,
)
"""What mail programs write above the mail that is answered."""
_MAIL_SIGNS = ("wrote:", "schrieb", "écrit", "escribió:", "scritto:", "--")
_MAIL_HEAD = re.compile(
    r"^[^\S\n]*(?:From|Von|De|Da): [^\n]{3,120}\n[^\S\n]*(?:Sent|Date|Gesendet|Datum|Envoyé|Enviado|"
    r"Inviato)\s?: [^\n]{6,80}\n"
    r"(?:[^\n]*\n)?[^\S\n]*(?:To|An|À|Para|A|Cc|Subject|Betreff|Objet|Asunto|Oggetto)\s?: ",
    re.MULTILINE,
)
"""The head of a mail as Outlook puts it over the one that is answered."""
_LEAST_ECHO = 12
_HEAD = re.compile(r"\A\s*(?:(?:Q|Question|User|Human|Customer|Frage|Kunde|Pregunta|Domanda)\s*:\s*)?", re.IGNORECASE)
_LABEL = re.compile(
    r"\s*[*_#]{0,3}((?:AI[ _-]?)?(?:assistant|answer|response|reply|bot|chatbot|chatgpt|antwort|respuesta|"
    r"resposta|risposta"
    r"|réponse|assistent|asistente))\s?:[*_]{0,2}\s",
    re.IGNORECASE,
)
_ANSWER_WORD = (
    r"(?:a|ai|assistant|bot|answer|response|reply|output|completion|result|label|solution|antwort|ausgabe|lösung|ergebnis|"
    r"réponse|respuesta|salida|risposta|resposta|antwoord|svar|odpowiedź|ответ|答案?|回答)"
)
_PROMPT_ENDS = re.compile(
    rf"(?:\A|[\n\r])[^\S\n]*[*_#>]{{0,5}}[^\S\n]*({_ANSWER_WORD})[*_]{{0,2}}\s?[:：=][*_]{{0,2}}\Z", re.IGNORECASE
)
"""What stands at the end of a prompt that was written for a model without chats."""
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?(?: ?[AP]M|Z)?"
_DAY = r"(?:\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4})"
_SPEAKER = r"(?:[A-ZÀ-Þ][\w'’.-]{0,20} ?){1,3}"
_CHAT_PAGE = re.compile(
    r"【[^】\n]{1,80}[†‡][^】\n]{0,80}】|:contentReference\[oaicite:\d+\]|\[oai_citation:\d+|\[cite(?:_start|: ?[\d, ]+)\]"
    r"|\bcite\ue202?(?:turn\d+[a-z]+\d+)+|^(?:Copy code|Code kopieren|Copier le code|Copiar código)[^\S\n]*$"
    r"|(?:[.!?] ?| )\[\d{1,2}\](?: ?\[\d{1,2}\])+|^(?:Citations|Sources|References|"
    r"Quellen):\s*\n\W{0,4}1\W{1,3}\s?https?://"
    r"|\A\s*(?:ChatGPT|Claude|Gemini|Copilot) (?:said|sagte|a dit|dijo)\s?:"
    rf"|\A\s*[\[(]{_CLOCK}[\])] ?{_SPEAKER}: |\A\s*[\[(]{_DAY},? ?T?{_CLOCK}[\])] "
    rf"|\A\s*{_DAY},? {_CLOCK} ?(?:[-–] )?{_SPEAKER}: ",
    re.MULTILINE,
)
"""Marks of sources, buttons, and who spoke when."""
_REFUSAL_ELSEWHERE = re.compile(
    r"как (?:языковая модель|искусственный интеллект|ии|нейросеть)\b|як (?:мовна модель|штучний інтелект)\b"
    r"|作[为為](?:一[个個名款])?\s?(?:ai|人工智[能慧]|大?型?[语語]言模型)|我是(?:一[个個名款])?(?:ai|人工智[能慧]|[语語]言模型)"
    r"|ai(?:言語モデル|アシスタント|モデル)?として|(?:大規模)?言語モデルとして"
    r"|ai (?:언어 )?모델로서|인공지능으로서|인공지능 언어 모델"
)
_REWRITTEN = re.compile(
    r"here(?:['’]s| is| are) (?:an? |the |my |your )?(?:rewritten|revised|improved|polished|rephrased|reworded|refined|shortened"
    r"|edited|updated|possible|suggested|draft|sample|professional|friendly|concise)"
    r" (?:version|answer|reply|response|e-?mail|message|draft|text)\b"
)
_CHAT_SIGNS = ("†", "‡", "oai", "cite", "Cop", "Code kop", "][", "://", "ChatGPT ", "Claude ", "Gemini ")
_USER_SPEAKS = re.compile(
    r"^\W{0,3}(?:user|human|customer|client|q|question|kunde|nutzer|benutzer|utilisateur|cliente|usuario)\W{0,3}:",
    re.IGNORECASE | re.MULTILINE,
)
_MODEL_SPEAKS = re.compile(
    r"^\W{0,3}(?:ai|assistant|bot|chatbot|agent|support|model|gpt|a|answer|berater|assistent|asistente)\W{0,3}:",
    re.IGNORECASE | re.MULTILINE,
)
"""Who speaks, at the beginning of a line."""
_TURN_OF_USER = re.compile(r"\n\s*\n(?:Human|User|USER|HUMAN): \S")
"""As models that were trained on such texts go on by themselves."""
_NAMED = (
    r"(?i:(?:[a-z]{2,20}[._ ])?(?:first|last|full|sur|given|customer|client|user|agent|company|contact|"
    r"recipient|requester|vor"
    r"|nach|kunden|pré)[._ ]?(?:name|nom)"
    r"|(?:customer|client|user|agent|contact|recipient|requester|kunde)[._](?:name|salutation|anrede|firma)"
    r"|vorname|nachname|anrede|prénom|salutation)"
)
_GAP = re.compile(
    r"\{\{[^\S\n]*[A-Za-z_][\w .-]{2,40}[^\S\n]*\}\}|%[A-Z][A-Z_]{2,30}%"
    r"|\[(?i:your|customer|client|insert|enter|add|company|first|last|full|user|agent|order|product|phone|"
    r"e-?mail|kunden?|ihr|vorname"
    r"|nachname|firma|datum|nombre|empresa|nom|name|date|link|url)\b[^\]\n]{0,40}\](?![(:\[])"
    r"|<(?:[A-Z]{2,20}[_ ])?(?:NAME|DATE|LINK|EMAIL|PHONE|URL|COMPANY|ADDRESS|NUMBER|AMOUNT|PRODUCT|ORDER|FIRMA"
    r"|DATUM)(?:[_ ][A-Z]+)?>"
    r"|\{![A-Za-z_$][\w.$]{2,60}\}|\*\|[A-Z][A-Z0-9_:]{1,30}\|\*"
    rf"|\$?\{{{_NAMED}\}}|\[\[{_NAMED}\]\]|«(?=[A-ZÄÉÖÜ])(?:{_NAMED}|Name|Nom|Nombre|Firma|Firmenname)»"
    r"|<(?:PERSON|LOCATION|ORGANIZATION|ORG|EMAIL_ADDRESS|DATE_TIME|IBAN_CODE|CREDIT_CARD|IP_ADDRESS|"
    r"US_SSN|NRP)(?:_\d{1,3})?>"
    r"|\[(?i:redacted|anonymi[sz]ed|geschwärzt|pii)\]|\[(?:PERSON|PER|LOC|ORG|EMAIL|ADDRESS|PATIENT)(?:[_ "
    r"-]?\d{1,3})?\]"
    r"|(?<![\w-])X{4,}(?![\w-])"
)
"""What templates of mails, help desks and mail programs leave for names, and what is put for personal data that was taken out."""
_NUMBERED = re.compile(r"\s*(?:[A-Z]{1,2} ?)?(\d{1,5}) ?[.:)]\s")
"""The number of a row before its question and before its answer, as 12., A12: and (12) are."""
_GAP_SIGNS = (*"{[<%«", "*|", "XXXX")
_CODE = "```"
_REFUSAL = re.compile(
    r"\bas an? (?:ai|artificial intelligence|large language model|language model)\b"
    r"|\bi(?:['’]m| am) (?:just |only )?an? (?:ai|language model|large language model)\b"
    r"|\bi(?:['’]m| am) sorry, but i (?:can(?:no|['’])t|am unable to) (?:assist|help|fulfil|comply|provide)"
    r"|\bi can(?:no|['’])t (?:assist|help) with (?:that|this)\b"
    r"|\bmy (?:knowledge cut-?off|training data)\b"
    r"|\bals (?:ki|künstliche intelligenz|sprachmodell)\b|\bals ein (?:ki|sprachmodell)|\bals großes sprachmodell"
    r"|\bcomo (?:una? )?(?:ia|inteligencia artificial|modelo de lenguaje|modelo de linguagem)\b"
    r"|\ben tant qu(?:e |['’])(?:ia|intelligence artificielle|modèle de langage)\b"
    r"|\bin quanto (?:ia|intelligenza artificiale|modello linguistico)\b|\bcome (?:ia|modello linguistico|"
    r"intelligenza artificiale)\b"
    r"|\bals (?:ai|taalmodel|ai-taalmodel|kunstmatige intelligentie)\b|\bjako (?:ai|model językowy|"
    r"sztuczna inteligencja)\b",
    re.IGNORECASE,
)
_SIGNS = (
    *("an ai", "an artificial", "language model", "training data", "knowledge cut", "assist with", "help with th"),
    *("i'm sorry, but i", "i’m sorry, but i", "i am sorry, but i", "als ki", "als künst", "sprachmodell", "ein ki"),
    *(" ia", "inteligencia artificial", "modelo de l", "intelligence artificielle", "modèle de langage"),
    *("modello ling", "intelligenza a", "als ai", "taalmodel", "kunstmatige", "jako ai", "model j", "sztuczna"),
)
"""In lower case, what every such text holds: looking for these takes a seventh of the time."""
_FIRST_SIGNS = (
    *("mod", "artific", " ai", " ki", " ia", "künst", "kunstm", "sztuczn"),
    *("training data", "knowledge cut", "assist with", "help with th", "sorry, but i"),
)
"""What every text with one of these holds: there are fewer of them."""
_SIGNS_ELSEWHERE = (
    *("языков", "искусств", "как ии", "нейросеть", "мовна", "штучн"),
    *("作为", "作為", "我是", "として", "모델로서", "인공지능"),
)
"""The same for texts in other scripts."""
_SHOWN = 30


def remarks_on(record: Record, answers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield keys of `problems.REMARKS`, each with its detail, for the answers of a record that are learnt.

    Some are kept only where they concern many records (`MANY`) or few of them (`FEW`).
    """
    asked = next(message.content for message in reversed(record.messages) if message.role != "assistant").strip()
    if len(asked) >= _LEAST_ECHO and answers[-1].startswith(asked, _behind_head(answers[-1])):
        yield "echo", ""
    if error := next(filter(None, map(error_in, answers)), ""):
        yield "error_answer", error
    if all(map(is_quoted, answers)):
        yield "quoted", ""
    if any(_ROUNDED.fullmatch(answer.strip()) for answer in answers):
        yield "rounded", ""
    elif any("E+" in answer and _ROUNDED_WITHIN.search(answer) for answer in answers):
        yield "rounded_within", ""
    if any(map(_is_placeholder, answers)):
        yield "placeholder", ""
    elif words := next(filter(None, map(unfilled, answers)), ""):
        yield "unfilled", printable(words, _SHOWN)
    if any(message.role == "user" and _is_placeholder(message.content) for message in record.messages):
        yield "placeholder_question", ""
    if quoted := next(filter(None, map(_mail_in, answers)), ""):
        yield "quoted_mail", quoted
    if shown := next(filter(None, map(_shown_by_a_chat, answers)), ""):
        yield "chat_page", shown
    if found := _STOP.search(answers[-1]):
        yield "stop_word", found[1]
    if asked.strip(" :").lower() in _SUMS and re.fullmatch(r"[\d.,' ]+", answers[-1].strip()):
        yield "totals", printable(asked, _SHOWN)
    gap = ""
    for answer in answers:
        gap = gap or _gap_in(answer) or blank_in(answer)
        if call := call_in(answer):
            yield "call_as_text", call
    if gap:
        yield "gaps", gap
    elif "{" in asked and _gap_in(asked):
        yield "gaps_asked", ""
    if cut := cut_in(answers[-1]) or cut_in(asked):
        yield "says_cut", cut
    if refusal := next(filter(None, map(_refusal_in, answers)), ""):
        yield "assistant_talk", printable(refusal, _SHOWN)
    if talk := next(filter(None, map(_talk_in, answers)), ""):
        yield "goes_on", talk
    opened = asked.rstrip()
    if opened.endswith((":", "：", "=", "*", "_")) and (ends := _PROMPT_ENDS.search(opened)):
        yield ("few_shot" if _has_answered(asked, ends[1]) else "prompt_ends"), f"“{ends[0].strip()}”"
    if (number := _NUMBERED.match(asked)) and (other := _NUMBERED.match(answers[-1])) and number[1] == other[1]:
        yield "numbered", printable(other[0].strip(), _SHOWN)
    elif label := next(filter(None, map(_LABEL.match, answers)), None):
        yield "labelled", f"{label[1]}:"
    if answers[-1].rstrip().endswith(("?", "？")) and "?" not in asked and "？" not in asked:
        yield "turned_round", ""


MANY = ("prompt_ends", "quoted", "turned_round", "stop_word", "numbered")
"""Kinds that say something only where they are found in more than half of the records."""
FEW = ("error_answer", "placeholder", "unfilled")
"""Kinds that are meant where they are found in more than half of the records."""


def _has_answered(asked: str, label: str) -> bool:
    """Say whether a prompt that ends in this label has an answer behind an earlier one: an example."""
    return bool(
        re.search(rf"^\W{{0,5}}{re.escape(label)}\W{{0,3}}[:：=]\W{{0,3}}\w", asked, re.MULTILINE | re.IGNORECASE)
    )


def _behind_head(answer: str) -> int:
    """Return where an answer begins behind who says what it repeats."""
    found = _HEAD.match(answer)
    return found.end() if found else 0


def _is_placeholder(text: str) -> bool:
    plain = text.strip()
    return len(plain) <= _LONGEST_PLACEHOLDER and plain.lower() in _PLACEHOLDERS


def _holds(text: str, signs: Iterable[str]) -> bool:
    return any(map(text.__contains__, signs))


def _refusal_in(answer: str) -> str:
    plain = answer.lower()
    found = _REFUSAL.search(answer) if _holds(plain, _FIRST_SIGNS) and _holds(plain, _SIGNS) else None
    if not found and not plain.isascii() and _holds(plain, _SIGNS_ELSEWHERE):
        found = _REFUSAL_ELSEWHERE.search(plain)
    if not found and "here" in plain:
        found = _REWRITTEN.search(plain)
    return found[0] if found else ""


def _talk_in(answer: str) -> str:
    """Return the line where an answer goes on with what the other says, and answers that, too; empty
    where it does not.
    """
    if "\n" not in answer or ":" not in answer:
        return ""
    asked = _USER_SPEAKS.search(answer, answer.index("\n"))
    if not asked or not (_TURN_OF_USER.search(answer) or _MODEL_SPEAKS.search(answer, asked.end())):
        return ""
    return printable(asked[0].strip(), _SHOWN)


def _mail_in(answer: str) -> str:
    """Return the line that introduces a mail in an answer; empty where it holds none."""
    found = _MAIL.search(answer) if _holds(answer, _MAIL_SIGNS) else None
    found = found or (_MAIL_HEAD.search(answer) if "\n" in answer and ": " in answer else None)
    return printable(found[0].strip(), _SHOWN) if found else ""


def _shown_by_a_chat(answer: str) -> str:
    """Return what a chat program shows beside an answer and was copied along with it; empty where there is none."""
    first = answer.lstrip()[:1]
    looked = first in ("[", "(") or first.isdigit() or _holds(answer, _CHAT_SIGNS)
    found = _CHAT_PAGE.search(answer) if looked else None
    return printable(found[0].strip(), _SHOWN) if found else ""


def _gap_in(answer: str) -> str:
    """Return the placeholder that was never filled in; empty where there is none, or it is code."""
    if not _holds(answer, _GAP_SIGNS) or _CODE in answer:
        return ""
    found = _GAP.search(answer)
    return printable(found[0], _SHOWN) if found else ""
