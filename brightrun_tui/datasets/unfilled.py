"""Answers that only say that there is none yet, in the words of people who fill in tables in many languages."""

from __future__ import annotations

_AROUND = " \t\n()[]<>{}\"'“”„‘’«»「」【】*_~-–—.…:!;,/\\|"
_LONGEST = 40
_WORDS = frozenset(
    (
        # English
        "tba|wip|work in progress|to do|to be done|to be defined|to be determined|to be decided|to be added|"
        "to be confirmed|"
        "to be written|to follow|coming soon|pending|unanswered|no answer yet|none provided|not provided|not available|"
        "not applicable|not specified|not yet|not yet answered|no data|no reply|no info|no information|no "
        "comment|blank|empty|"
        "no answer present|no answer found|answer not found|no answer available|"
        "insert answer here|answer here|your answer here|add answer|missing|unknown|see above|see below|see previous|"
        "same as before|same as above|as above|as before|lorem ipsum|lorem ipsum dolor sit amet|test|testing|"
        "test test|asdf|asdfasdf|"
        "qwerty|foo|foobar|xx|xxx|xxxx|abc|dummy|sample|sample text|example text|null|nan|nil|none|undefined|"
        "#ref|#n/a|#value|#name?|#div/0|#num|#null|#spill|#nv|#wert|#bezug|#überlauf|#zahl|#valeur|#¡valor|#¿nombre?|"
        # German
        "k. a|k.a|ka|keine angabe|keine angaben|keine daten|entfällt|nicht vorhanden|nicht verfügbar|nicht "
        "zutreffend|noch offen|offen|"
        "in arbeit|in bearbeitung|folgt|folgt noch|antwort folgt|wird noch ergänzt|wird ergänzt|wird "
        "nachgereicht|noch zu ergänzen|"
        "zu ergänzen|zu klären|siehe unten|siehe oben|wie oben|unbekannt|fehlt|fehlt noch|leer|n.n|platzhalter|"
        # French
        "à compléter|a compléter|à définir|a définir|à venir|a venir|à remplir|en cours|en attente|non "
        "renseigné|non renseignée|"
        "non disponible|non applicable|pas de réponse|aucune réponse|aucun|aucune|néant|vide|inconnu|voir "
        "plus haut|s/o|n/d|n.d|nd|"
        # Spanish, Portuguese, Catalan
        "por definir|por completar|pendiente|sin datos|sin información|sin contestar|no disponible|no aplica|"
        "no procede|próximamente|"
        "vacío|desconocido|véase arriba|a definir|a completar|a preencher|pendente|sem resposta|sem dados|"
        "sem informação|"
        "não disponível|não se aplica|não aplicável|não informado|em breve|vazio|em andamento|"
        # Italian, Dutch, Polish, Czech, Scandinavian, Finnish, Hungarian, Romanian, Turkish
        "da definire|da compilare|da completare|in attesa|nessuna risposta|non disponibile|nessun dato|vuoto|"
        "in lavorazione|"
        "n.v.t|nvt|nog in te vullen|nog aan te vullen|volgt|volgt nog|niet beschikbaar|niet van toepassing|"
        "geen antwoord|onbekend|"
        "leeg|zie boven|brak|brak danych|brak odpowiedzi|do uzupełnienia|nie dotyczy|w trakcie|nieznane|jw|"
        "doplnit|bude doplněno|"
        "neuvedeno|není k dispozici|saknas|kommer|kommer snart|ej angivet|ikke oplyst|mangler|følger|kommer senere|tom|"
        "puuttuu|ei vastausta|ei tietoa|tulossa|nincs adat|nincs válasz|hiányzik|fără răspuns|de completat|"
        "indisponibil|boş|"
        "yok|cevap yok|bilinmiyor|doldurulacak|hazırlanıyor|eklenecek|"
        # Russian, Ukrainian, Bulgarian, Greek
        "нет данных|нет ответа|без ответа|не указано|не заполнено|не применимо|уточняется|в работе|заполнить|"
        "позже|неизвестно|пусто|"
        "см. выше|немає даних|немає відповіді|не вказано|буде додано|няма данни|няма отговор|δεν υπάρχει|"
        "εκκρεμεί|άγνωστο|"
        # Chinese, Japanese, Korean
        "暂无|暂无答案|暂无数据|无|無|待补充|待補充|待定|待填写|未填写|未知|空|同上|见上|略|なし|無し|該当なし|未定|未記入|未回答|回答なし|準備中|"
        "後日|記入予定|同上です|없음|해당 없음|해당없음|미정|미입력|답변 없음|준비 중|준비중|추후|"
        # Arabic, Hebrew, Persian, Hindi, Thai, Vietnamese, Indonesian
        "لا يوجد|لا توجد إجابة|غير متوفر|غير متاح|لاحقا|قيد الإعداد|אין|אין תשובה|אין מידע|לא זמין|בהמשך|"
        "ندارد|بدون پاسخ|نامشخص|"
        "कोई उत्तर नहीं|उपलब्ध नहीं|लागू नहीं|ไม่มี|ไม่มีคำตอบ|รอข้อมูล|không có|chưa có|đang cập nhật|tidak "
        "ada|belum ada|belum diisi|kosong"
    ).split("|")
)


def unfilled(answer: str) -> str:
    """Return the words by which an answer says that there is none yet; empty if it says anything else."""
    if len(answer) > _LONGEST:
        return ""
    words = " ".join(answer.strip(_AROUND).casefold().split())
    return words if words in _WORDS else ""
