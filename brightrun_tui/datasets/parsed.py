"""A draft of a record, and what all formats in common use have in common: names of fields, and what is beside the turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from math import inf, isfinite
from typing import Any

from brightrun_tui.datasets.mark_words import Meaning, counts_something, meaning_of, says_so
from brightrun_tui.datasets.marks import Flag, fields_of, says_what_to_learn
from brightrun_tui.datasets.tool_calls import TOOLS
from brightrun_tui.datasets.turns import Turn, Unusable, printable, role_of, text_of

SURE_CONVERSATIONS = ("messages", "conversations", "conversation", "chat_messages")
CONVERSATIONS = (*SURE_CONVERSATIONS, "dialogue", "dialog", "chat", "turns", "items", "contents")
_ASKED = tuple(
    "vraag fråga spørgsmål spørsmål pytanie otázka kérdés întrebare soru вопрос питання ερώτηση سؤال שאלה प्रश्न "
    "質問 问题 問題 问 問 질문 คำถาม pertanyaan kysymys السؤال سوال پرسش swali въпрос pitanje tanong প্রশ্ন கேள்வி soalan vprašanje "
    "klausimas jautājums küsimus ప్రశ్న ಪ್ರಶ್ನೆ ചോദ്യം ਸਵਾਲ umbuzo spurning pyetje galdera".split()
)
_ANSWERED = tuple(
    "antwoord svar odpowiedź odpověď odpoveď válasz răspuns cevap yanıt ответ відповідь απάντηση جواب إجابة תשובה "
    "उत्तर 回答 答案 答え 答 답변 คำตอบ jawaban vastaus الجواب الإجابة پاسخ جواب jibu отговор odgovor sagot উত্তর பதில் jawapan "
    "atsakymas atbilde vastus సమాధానం ಉತ್ತರ ഉത്തരം ਜਵਾਬ yanit impendulo përgjigje erantzuna".split()
)
ASKED = (*_ASKED, "câu hỏi")
ANSWERED = (*_ANSWERED, "câu trả lời", "trả lời", "đáp án")
"""Question and answer in further languages, as the columns of a table are called."""
PROMPTS = (
    "prompt",
    "question",
    "query",
    "input",
    "user",
    "human",
    "user_input",
    "frage",
    "pregunta",
    "pergunta",
    "domanda",
    *("input_text", "inputtext"),
    *ASKED,
)
COMPLETIONS = (
    "completion",
    "answer",
    "response",
    "output",
    "assistant",
    "reply",
    "target",
    "ideal",
    "antwort",
    "respuesta",
    "resposta",
    "réponse",
    "reponse",
    "risposta",
    *(
        "output_text",
        "outputtext",
        "correct_answer",
        "correct answer",
        "correctanswer",
        "expected_answer",
        "expected answer",
    ),
    *ANSWERED,
    "answers",
    "answerkey",
    "answer_key",
)
OTHER_ANSWERS = (
    "ground_truth",
    "groundtruth",
    "ground truth",
    "reference_answer",
    "human_answer",
    "model_answer",
    "gold",
)
"""What else holds an answer, where there is one by its usual name."""
NOTHING = frozenset({"nan", "none", "null", "<na>", "n/a", "<noinput>", "no input", "noinput"})
"""What stands in a field beside the question where there is nothing to say, after pandas and in Alpaca's own data."""
REASONING = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "thoughts",
    "thought",
    "reasoning_details",
    "chain_of_thought",
    "complex_cot",
    "cot",
)
SYSTEMS = ("system", "system_prompt", "systeminstruction", "system_instruction")
CATEGORIES = (
    *("category", "topic", "persona", "task", "intent", "difficulty", "language", "emotional_arc"),
    *("kategorie", "thema", "rubrik", "anliegen", "catégorie", "thème", "categoría", "categoria", "tema", "categorie"),
)
GROUPS = ("group", "conversation_id", "thread_id", "session_id")
IDS = ("id", "uuid", "_id")
MEDIA = frozenset("image images video videos audio audios picture pictures photo".split())
_PLACEHOLDERS = (
    "<image>",
    "<video>",
    "<audio>",
    "<|image|>",
    "<|image_pad|>",
    "<|audio|>",
    "<image_placeholder>",
    "<image_1>",
)
"""What stands in a text for a picture or a sound."""
_ABOUT = frozenset((*GROUPS, *IDS, *TOOLS, *MEDIA, "categories", "split", "partition"))
_LONGEST_CATEGORY = 64
OTHER_NUMBER = inf
"""What a flag says that holds any number but 0 and 1."""


@dataclass(slots=True)
class ParsedRecord:
    """A record before its turns are checked. An empty ``id`` gets one by position.

    ``remarks`` are keys of `problems.REMARKS`; ``unused`` are the names of fields whose text is not in the turns, with the
    name of the conversation's field and a dot before those of single turns. ``flags`` are marks that nobody reads.
    """

    turns: list[Turn]
    id: str = ""
    group: str = ""
    categories: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    tools: tuple[dict[str, Any], ...] = ()
    flags: list[Flag] = field(default_factory=list)


def draft_of(row: Mapping[str, Any], turns: list[Turn], used: Set[str]) -> ParsedRecord:
    """Return these turns with what the row says beside the fields that are ``used``.

    Raises:
        Unusable: the turns speak of a picture that is not text, or two fields have one name.
    """
    fields = lowered(row)
    if len(fields) < len(row):
        _refuse_two_names(row)
    categories = _categories(fields)
    rest = [
        name
        for name in fields
        if name not in used
        and name not in categories
        and name not in _ABOUT
        and name
        and not name.endswith("_id")
        and not name.startswith("unnamed:")
        and holds_text(fields[name])
        and not says_what_to_learn(name, fields[name])
    ]
    if rest:
        texts = {turn.content.strip() for turn in turns if isinstance(turn.content, str)}
        spelt = {str(name).strip().lower(): str(name) for name in row}
        rest = [spelt[name] for name in rest if not isinstance(fields[name], str) or fields[name].strip() not in texts]
    flags: list[Flag] = [
        (name, said)
        for name, value in fields_of(row)
        if (said := _yes_or_no(value)) is not None
        and name.strip().lower() not in used
        and meaning_of(name) in (None, Meaning.REVIEWED)
        and not (isinstance(said, float) and counts_something(name))
    ]
    draft = ParsedRecord(turns, _named(fields, IDS), _named(fields, GROUPS), categories, unused=rest, flags=flags)
    if any(name in MEDIA and not is_blank(value) for name, value in fields.items()):
        _refuse_pictures(turns)
        draft.remarks.append("media")
    return draft


def _yes_or_no(value: Any) -> bool | float | None:
    """Return what a value says by yes or no, 0 or 1, or that it is another number, which tells nothing; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return says_so(value)
    if value in ("0", "1"):
        return float(value)
    if isinstance(value, str):
        return OTHER_NUMBER if value[-1:].isdigit() and _is_number(value) else says_so(value)
    return float(value) if value in (0, 1) else OTHER_NUMBER


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace(",", "", 1).lstrip("+-").isdecimal()


def _refuse_two_names(row: Mapping[str, Any]) -> None:
    seen: dict[str, Any] = {}
    for name, value in row.items():
        plain = str(name).strip().lower()
        if plain in seen and seen[plain] != value and not (is_blank(seen[plain]) or is_blank(value)):
            raise Unusable("two_names", printable(str(name)))
        seen[plain] = seen[plain] if is_blank(value) and plain in seen else value


def _refuse_pictures(turns: Iterable[Turn]) -> None:
    for turn in turns:
        found = next((mark for mark in _PLACEHOLDERS if isinstance(turn.content, str) and mark in turn.content), "")
        if found:
            raise Unusable("not_text", found)


def with_system(system: Any, turns: list[Turn]) -> list[Turn]:
    """Return the turns with the record's system text before them, unless they begin with it."""
    if isinstance(system, Mapping):
        system = system.get("parts", system.get("content"))
    text = text_of(system).strip()
    if text.lower() in NOTHING:
        text = ""
    if not text or (turns and role_of(turns[0].role) == "system" and text_of(turns[0].content).strip() == text):
        return turns
    return [Turn("system", system), *turns]


def lowered(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with its field names trimmed and in lower case; of two with one name the one that holds something."""
    fields = {str(name).strip().lower(): value for name, value in row.items()}
    if len(fields) < len(row):
        fields.update((str(name).strip().lower(), value) for name, value in row.items() if not is_blank(value))
    return fields


def scalar(value: Any) -> str:
    """Return a text or number as valid Unicode; anything else is empty. 12.0 is 12: a table's whole numbers with gaps become
    floats.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return ""
    if isinstance(value, float | Decimal):
        value = float(value)
        if not isfinite(value):
            return ""
        value = int(value) if value.is_integer() else value
    text = str(value).strip()
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def thoughts_in(value: Any) -> str:
    """Return the text of thoughts as clients write them: a text, or texts in objects and lists."""
    if isinstance(value, str):
        return value.strip()
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    if isinstance(value, dict):
        inner = [value[name] for name in ("text", "thinking", "content", "summary") if name in value]
    return "\n".join(filter(None, map(thoughts_in, inner)))


def holds_text(value: Any, depth: int = 3) -> bool:
    """Say whether there is any text in it, at most so many levels down."""
    if isinstance(value, str):
        return bool(value.strip())
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and any(holds_text(part, depth - 1) for part in inner)


def first_of(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the first of the fields that is not blank; the first of all where none has a value."""
    return next((name for name in names if name in row and not is_blank(row[name])), names[0])


def value_of(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return what stands in that field."""
    return row.get(first_of(row, names))


def is_blank(value: Any) -> bool:
    """Say whether a field holds nothing: null, NaN, an empty list or text."""
    return value is None or value != value or value == [] or (isinstance(value, str) and not value.strip())


def _named(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((text for name in names if name in fields and (text := scalar(fields[name]))), "")


def _categories(row: Mapping[str, Any]) -> dict[str, str]:
    given = row.get("categories")
    found = dict(given) if isinstance(given, dict) else {}
    found.update((name, row[name]) for name in CATEGORIES if name in row)
    return {
        scalar(name): scalar(value)
        for name, value in found.items()
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_CATEGORY
    }
