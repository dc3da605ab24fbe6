"""Which languages a dataset is in, and which records of it are probably there by mistake."""

from __future__ import annotations

import pytest

from brightrun_tui import datasets
from brightrun_tui.datasets.languages import language_of
from brightrun_tui.datasets.sampling import MOST_CHARACTERS, MOST_RECORDS, RecordSample
from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.languages import shares_said
from tests.datasets.conftest import Write, lines

GERMAN = "Ihre Bestellung ist auf dem Weg und kommt morgen bei Ihnen an."
ENGLISH = "Your order is on its way and will arrive tomorrow."


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("de", "Die Garantie beträgt zwei Jahre ab Kaufdatum."),
        ("en", "The warranty is two years from the day of purchase."),
        ("nl", "De garantie is twee jaar vanaf de aankoop."),
        ("fr", "La garantie est de deux ans à partir de l'achat."),
        ("es", "La garantía es de dos años desde la compra."),
        ("it", "La garanzia è di due anni dalla data di acquisto."),
        ("pl", "Gwarancja trwa dwa lata od daty zakupu."),
        ("sv", "Garantin gäller i två år från köpet."),
        ("tr", "Garanti süresi satın alma tarihinden itibaren iki yıldır."),
        ("ru", "Здравствуйте! Ваш заказ в пути и прибудет завтра, пожалуйста, подождите ещё немного."),
        ("ja", "保証期間は購入日から二年間です。詳しくはお問い合わせください。"),
        ("", "Ja."),
        ("", "4711-22 / 0815 #### 12345678901234567890"),
        ("", "```python\nfor each in range(10): print(each, file=target)\n```"),
    ],
)
def test_a_sentence_tells_its_language_and_less_than_one_tells_none(code: str, text: str) -> None:
    assert language_of(text) == code


def test_a_few_records_in_another_language_are_named(write: Write) -> None:
    """97 German answers and three English ones: which three is said, and short answers are not guessed at."""
    answers = [f"{ENGLISH if n in (20, 40, 60) else GERMAN} {n}" for n in range(100)] + ["Ja."]
    rows = [{"prompt": f"{n}?", "completion": answer} for n, answer in enumerate(answers)]
    found = datasets.examine(write("d.jsonl", lines(*rows)))
    languages = found.report.languages
    assert languages.shares == {"de": 0.97, "en": 0.03} and (languages.judged, languages.of) == (100, 101)
    assert list(found.entries["other_language"]) == [20, 40, 60]
    problem = next(each for each in found.report.problems if each.kind == "other_language")
    assert problem.count == 3 and "English 3%; most are German" in problem.what and problem.places[0] == "line 21"


def test_data_in_several_languages_are_no_mistake(write: Write) -> None:
    rows = [{"prompt": f"{n}?", "completion": f"{(GERMAN, ENGLISH)[n % 3 == 0]} {n}"} for n in range(60)]
    report = datasets.check(write("d.jsonl", lines(*rows)))
    assert [problem.kind for problem in report.problems] == []
    assert shares_said(report.languages.shares) == "German 67%, English 33%"


def test_of_many_records_some_are_looked_at_from_the_whole_file() -> None:
    """Evenly, the same ones each time, and fewer where they are long."""

    def sampled(count: int, characters: int) -> list[int]:
        sample = RecordSample()
        for number in range(count):
            record = Record(id=str(number), messages=(Message(role="user", content=""),))
            sample.add(number, "", record, characters)
        return [each.entry for each in sample.records()]

    found = sampled(10_000, 10)
    assert len(found) == MOST_RECORDS and found == sampled(10_000, 10) and found == sorted(found)
    assert 800 < sum(number < 5000 for number in found) < 1200
    assert sampled(10, 10) == list(range(10)) and len(sampled(100, MOST_CHARACTERS // 5)) == 5
