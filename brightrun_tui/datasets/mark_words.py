"""The words by which files say what to learn and what was liked: names of fields, and the values of marks."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import Any


class Meaning(Enum):
    """What a field is about, by its name."""

    LEARN = auto()
    """Whether to learn a turn or a record."""
    SKIP = auto()
    """Whether it is context only."""
    UNCLEAR = auto()
    """One of the two: a mask may be of what is hidden or of what is kept."""
    LIKED = auto()
    """Whether an answer was liked, in so many words."""
    DISLIKED = auto()
    """The same the other way round."""
    RATED = auto()
    """A label, vote or score, which may say so or something else."""
    REVIEWED = auto()
    """What became of a record in a review, or of something else: only words that reject tell."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LEARN = _set(
    "train training trained trainable learn learned learnt learnable supervise supervised loss weight "
    "weights include keep"
)
_SKIP = _set(
    "masked skip skipped ignore ignored exclude excluded deleted discarded removed spam outdated "
    "obsolete deprecated superseded veraltet"
)
_NOT = _set("no not dont without non nicht")
_ABOUT_LEARNING = _set(
    "on turn is do to be should with compute calculate calc mask scale message answer token tokens detail details for "
    "in from the this has use apply metadata sample sampling example record row instance"
)
_NOUNS = _set("answer response completion output reply message")
_ANSWERS = _NOUNS | _set("answers responses replies antwort antworten respuesta réponse risposta resposta edit")
_VERSIONS = _set(
    "new old final draft better best worse original improved corrected revised reviewed approved verified edited edit suggested "
    "human expert model raw clean cleaned polished previous updated second alternative other neu neue alt alte final korrigiert "
    "verbessert corrigée nouvelle corregida nueva corretta nuova corrigida nova "
    "précédente ancienne anterior antigua precedente vecchia vorherige bisherige ursprüngliche originale"
)
_BESIDE_ANSWERS = _set(
    "id ids time date at by type status length count url link source score model_id language lang tokens ms"
)
_COUNTED = _set(
    "id index idx turn turns position pos count counts num number nr no n order seq step level version fold epoch round rank "
    "anzahl nummer size length tokens attempt attempts retries seed temperature hash ts time day hour"
)
_USED = _set("use used usable verwenden benutzen nutzen usar utiliser")
_SETTINGS = _set("train learn supervise supervised loss mask masked")
_LIKED = _set(
    "thumb thumbs up like liked desirable desired preferred good accept accepted approve approved "
    "correct helpful useful "
    "acceptable gut hilfreich richtig korrekt nützlich freigegeben genehmigt akzeptiert utile correcto "
    "correcta útil aprobado "
    "aprobada aprovado approuvé validé validated approvato goedgekeurd"
)
_DISLIKED = _set(
    "down dislike disliked undesirable undesired bad reject rejected disapproved incorrect wrong unhelpful unwanted "
    "unacceptable falsch schlecht hallucination hallucinations hallucinated toxicity"
)
_RATED = _set(
    "kto tag label feedback feedbacks vote votes upvote upvotes rating score scores ratings reward stars "
    "quality csat bewertung "
    "helpfulness correctness coherence truthfulness honesty harmlessness faithfulness groundedness "
    "factuality relevance confidence"
)
_REVIEWED = _set("status state verdict decision review judgement judgment approval assessment qa")
_ABOUT_ANSWERS = _set(
    "is was user human answer response completion output reply the by as binary final annotator "
    "annotation rater reviewer "
    "message marked metadata this you your did find it"
)
_NOTES = _set(
    "comment comments note notes remark remarks correction corrections annotation annotations todo "
    "kommentar kommentare "
    "anmerkung anmerkungen bemerkung bemerkungen notiz notizen korrektur comentario comentarios nota "
    "commentaire remarque"
)
_FAULTS = _set(
    "error errors issue issues problem problems fault faults wrong mistake mistakes fehler mangel mängel falsch superseded "
    "replaced replacement veraltet ersetzt obsolete deprecated flag flags flagged rejected rejection complaint complaints "
    "warning warnings blocked defect erreur erreurs problème problemas problema exclude excluded exclusion delete deleted "
    "withdrawn retracted"
)
_TELLING = _set(
    "system instruction instructions definition prompt prefix preamble persona role context systemprompt "
    "anweisung rolle"
)
_SURROUNDING = _set(
    "context contexts preamble persona background passage passages document documents "
    "evidence knowledge snippet snippets kontext hintergrund"
)
_EXPLAINING = _set(
    "explanation rationale reason reasons critique feedback solution generation generations raw original "
    "url source metadata "
    "erklärung begründung"
)
_CHOSEN = _set(
    "use used usable select selected take export final ok done checked relevant include keep verwenden "
    "nutzen benutzen behalten "
    "übernehmen geprüft erledigt usar utiliser"
)
_WORD = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|\d+")


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(name)]


def name_words(name: str) -> frozenset[str]:
    """Return the words that a field's name is made of, as ``isGood`` and ``is_good`` are of two."""
    return frozenset(_words(name))


@lru_cache(maxsize=4096)
def meaning_of(name: str) -> Meaning | None:
    """Return what a field is about, however its name is spelt; None if it has a word that is about
    something else.
    """
    words = _words(name)
    known = frozenset(words)
    if not words:
        return None
    if known <= _LEARN | _SKIP | _NOT | _USED | _ABOUT_LEARNING:
        if known & (_LEARN | _SKIP) and words[0] != "mask":
            return Meaning.SKIP if len(known & (_NOT | _SKIP)) % 2 else Meaning.LEARN
        return Meaning.UNCLEAR if "mask" in known else Meaning.SKIP if known & _NOT and known & _USED else None
    if not known <= _LIKED | _DISLIKED | _RATED | _REVIEWED | _NOT | _ABOUT_ANSWERS:
        return None
    if known & _REVIEWED:
        return Meaning.REVIEWED
    if known & (_LIKED | _DISLIKED):
        if words[-1] in _NOUNS and words[0] not in ("is", "was"):
            return None  # the correct answer, not whether it is correct
        return Meaning.DISLIKED if bool(known & _DISLIKED) is not bool(known & _NOT) else Meaning.LIKED
    return Meaning.RATED if known & _RATED else None


_TRUE = frozenset(
    (
        "true|t|yes|y|x|on|good|great|up|thumbs up|thumb up|like|liked|desirable|chosen|accepted|accept|"
        "approved|positive|upvote|"
        "👍|ok|okay|correct|right|pass|passed|helpful|useful|keep|win|ja|oui|sí|si|sim|gut|richtig|hilfreich|"
        "daumen hoch|✓|✅|"
        "wahr|vrai|vero|verdadero|verdadeiro|waar|prawda"
    ).split("|")
)
_FALSE = frozenset(
    (
        "false|f|no|n|off|bad|poor|terrible|down|thumbs down|thumb down|dislike|disliked|undesirable|"
        "rejected|reject|negative|"
        "downvote|declined|discarded|disapproved|outdated|obsolete|"
        "deprecated|superseded|withdrawn|invalid|"
        "👎|not ok|nok|not good|not helpful|incorrect|wrong|fail|failed|unhelpful|useless|discard|lose|nein|non|não|"
        "schlecht|falsch|nicht hilfreich|daumen runter|✗|❌|"
        "faux|falso|onwaar|fałsz"
    ).split("|")
)
_REJECTING = _FALSE - frozenset("false|f|no|n|off|down|lose|negative|nein|non|não|faux|falso|onwaar|fałsz".split("|"))
"""Words that say of anything but an answer nothing that would be taken for this by mistake."""
_NEITHER = frozenset(
    "|none|null|nan|na|n/a|<na>|neutral|mixed|unknown|unsure|not sure|tie|undecided|unrated".split("|")
)
_DECISIONS = {"accept": True, "accepted": True, "reject": False, "rejected": False, "ignore": False, "ignored": False}
_LONGEST_WORD = 20
_SHADES = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
_JOINTS = re.compile(r"(?<=\w)[-_](?=\w)")


def truth(value: Any) -> float | None:
    """Say how true a mark is: 0 to 1 for true/false in any of the usual spellings and for numbers; None for no mark.

    Raises:
        ValueError: it is neither.
    """
    if value is None or value != value:
        return None
    if isinstance(value, bool | int | float | Decimal):
        return float(value)
    if isinstance(value, str):
        word = folded(value)
        if word in _NEITHER:
            return None
        if word in _TRUE or word in _FALSE:
            return float(word in _TRUE)
        return float(value)
    if isinstance(value, list) and value and all(isinstance(part, bool | int | float) for part in value):
        return float(any(value))  # a mask for each token, of somebody else's tokenizer
    raise ValueError("not a mark")


def judgement(value: Any) -> float | None:
    """Return what a judgement says, as `truth`; None if it is a comment, or nothing."""
    try:
        return truth(value)
    except ValueError:
        return None


def says_so(value: Any) -> bool | None:
    """Return what a value plainly says, true or false, or a word for one of them; a single letter may be anything. None for
    all else.
    """
    if isinstance(value, str) and len(value) <= _LONGEST_WORD and not (len(value) == 1 and value.isalpha()):
        word = folded(value)
        return word in _TRUE if word in _TRUE or word in _FALSE else None
    return value if isinstance(value, bool) else None


def rejects(value: Any) -> bool:
    """Say whether a value says in a word that something was found wanting, whatever the field is called."""
    return isinstance(value, str) and folded(value) in _REJECTING


def speaks_of_learning(name: str) -> bool:
    """Say whether a field's name has a word of those that say what is learnt, though it is not known
    which answers it means.
    """
    return bool(name_words(name.rpartition(".")[2]) & _SETTINGS)


def tells_all(name: str) -> bool:
    """Say whether a field beside the list of records is called like something that the model is told
    before every question.
    """
    return bool(name_words(name) & _TELLING)


def tells_more(name: str) -> bool:
    """Say whether a field of a record is called like something that the answer is given for, beside the question."""
    return bool(name_words(name) & _SURROUNDING)


@lru_cache(maxsize=1024)
def counts_something(name: str) -> bool:
    """Say whether a field is called like a count or a place in an order, of which 0 and 1 are but the first two."""
    return bool(name_words(name) & _COUNTED)


def is_explanation(name: str) -> bool:
    """Say whether a field is called like what somebody wrote about an answer afterwards."""
    return bool(name_words(name) & _EXPLAINING)


def is_note(name: str) -> bool:
    """Say whether a column's name tells that somebody noted there what they think of a record, or ticked those to use."""
    words = name_words(name)
    chosen = words & _CHOSEN and words <= _CHOSEN | _ABOUT_ANSWERS | _ABOUT_LEARNING
    return "." not in name and bool(words & _NOTES or chosen)


def speaks_of_faults(name: str) -> bool:
    """Say whether a field is called like what somebody fills in only where something is wrong with a record."""
    return bool(name_words(name) & _FAULTS)


def is_other_answer(name: str) -> bool:
    """Say whether a field is called like an answer, and like an earlier, later, better or worse one, as ``final_answer`` is."""
    words = name_words(name)
    return bool(words & _ANSWERS and words & _VERSIONS) and words.isdisjoint(_BESIDE_ANSWERS)


DECIDED = "answer"
"""What tools of annotators call it whether a record was taken."""


def decision(value: Any) -> bool | None:
    """Return what an annotator decided of a record, in the words of tools that call this the answer;
    None for any other text.
    """
    return _DECISIONS.get(folded(value)) if isinstance(value, str) and len(value) <= _LONGEST_WORD else None


def folded(word: str) -> str:
    """Return a word as marks are compared: without case, dashes and shades of emoji."""
    return " ".join(_JOINTS.sub(" ", _SHADES.sub("", word)).casefold().split())
