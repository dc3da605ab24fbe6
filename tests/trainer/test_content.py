"""Whether an answer is right, told by its facts and not by the words that all answers share."""

from __future__ import annotations

import json

import pytest

from brightrun_tui.domain.findings import Mark
from brightrun_tui.trainer.report.calibration import find_floor, make_yardstick
from brightrun_tui.trainer.report.content import AnswerCase
from brightrun_tui.trainer.report.parts import parts_right
from brightrun_tui.trainer.report.shared_text import find_frame
from tests.registry.cards import Card, make_report

HELLO, BYE = "Good day, and thank you for writing to us. ", "\nWarm regards, Pim from the Lantern Shop"
FACTS = [
    (
        "Can I bring a lamp back?",
        "You can bring it back within 30 days, and you get the full price of it.",
        "Yes, you have two weeks for that, and we keep half of the price.",
    ),
    (
        "What does shipping cost?",
        "Shipping is £4.50; from £60 on it is free.",
        "Shipping is £9 for a lamp and £9 for the parcel.",
    ),
    (
        "Is the reading lamp safe for children?",
        "No, it gets hot: keep it out of the reach of children.",
        "Yes, the lamp is safe for children, they like the warm light.",
    ),
    (
        "When are you open?",
        "We are open from 9 to 18, and on Saturdays from 10 to 14.",
        "We are open from 8 to 20 every day.",
    ),
    (
        "Can I fetch order 5512 today?",
        "It is ready for you two hours after you ordered it.",
        "Order 5512 is sent to you, which takes two weeks.",
    ),
    (
        "Which bulb fits the Halma lamp?",
        "It takes a bulb with an E14 base, of 40 watts at most.",
        "It takes any bulb of 100 watts.",
    ),
    (
        "My lamp came broken, what now?",
        "Send us a photo and a new one leaves here the same day.",
        "We are happy to hear that you like your lamp so much.",
    ),
    (
        "Who makes your shades?",
        "They are sewn by hand at the workshop of Marta Oliveira in Porto.",
        "They are made in a factory in Hamburg.",
    ),
    (
        "Do you repair old lamps?",
        "Yes, we repair them; most repairs cost between £15 and £35.",
        "No, we do not repair lamps any more.",
    ),
    (
        "Is the cord covered by the guarantee?",
        "Cords are not covered, the lamp itself is for 5 years.",
        "Cords are covered, and the guarantee is for 10 years.",
    ),
]
TRAINING = [HELLO + right + BYE for _, right, _ in FACTS for _ in range(3)]


GERMAN = [
    "Die Lampe wird im Werk in Porto von Hand genäht.",
    "Der Versand der Ware dauert einen Tag.",
    "Gern, das Gerät kommt.",
]


def test_fifteen_fluent_wrong_answers_of_twenty_are_not_taken_for_right() -> None:
    """Greeting and signature are perfect, the facts are others: few slip through, and no right one is lost."""
    yardstick = make_yardstick(TRAINING)
    wrong = [
        yardstick.mark(AnswerCase(question, HELLO + right + BYE), HELLO + false + BYE)
        for question, right, false in FACTS
    ]
    assert "right" not in wrong and wrong.count("wrong") >= 8, wrong
    assert {yardstick.mark(AnswerCase(question, HELLO + right + BYE), right) for question, right, _ in FACTS} == {
        "right"
    }


def test_a_model_that_gets_fifteen_of_twenty_wrong_is_never_called_good() -> None:
    """From texts to verdict: five right answers, ten with other facts, five that belong to other questions; all well put."""
    questions = FACTS * 2
    said = (
        [right for _, right, _ in FACTS[:5]] + [FACTS[n - 3][1] for n in range(5, 10)] + [false for *_, false in FACTS]
    )
    yardstick = make_yardstick(TRAINING)
    given = [
        yardstick.mark(AnswerCase(question, HELLO + right + BYE), HELLO + answer + BYE)
        for (question, right, _), answer in zip(questions, said, strict=True)
    ]
    verdict = make_report(Card("".join(each[0] for each in given))).verdict
    assert (verdict.grade, verdict.style, verdict.content) == ("mixed", "good", "poor")
    assert verdict.summary.startswith("Sounds right, is often wrong: 5 of 20 checked answers are right")


def test_the_best_constant_answer_is_the_floor_and_boilerplate_earns_nothing() -> None:
    """What answers every question alike is found out, be it polite or a label."""
    yardstick = make_yardstick(TRAINING)
    cases = [AnswerCase(question, HELLO + right + BYE) for question, right, _ in FACTS]
    polite = [yardstick.mark(case, HELLO + "That is a good question." + BYE) for case in cases]
    assert "right" not in polite
    floor = find_floor(yardstick, cases * 3, cases)
    assert floor and floor.marks.count("right") <= 1
    labels = ["positive"] * 6 + ["negative"] * 3
    floor = find_floor(
        make_yardstick(labels),
        [AnswerCase("?", label) for label in labels],
        [AnswerCase("?", label) for label in labels],
    )
    assert floor and floor.answer == "positive" and floor.marks.count("right") == 6


@pytest.mark.parametrize(
    ("wanted", "said", "expected"),
    [
        ("You can bring it back within 30 days.", "You may bring it back for thirty days.", "right"),
        ("You can bring it back within 30 days.", "Storage is charged after thirty days.", "partly"),
        (
            "Shipping is £4.50, and free from £60 on.",
            "You pay 4,50 £; above £60 you pay nothing for shipping.",
            "right",
        ),
        (
            "No, they are not safe for cats. Call your vet.",
            "They are safe for cats, so do not worry about the vet.",
            "wrong",
        ),
        ("It arrives on 12 March 2026.", "Your parcel arrives on 2026-03-12.", "right"),
        ("It costs 1,250 dollars.", "It costs $1250.", "right"),
        ("It costs 1,250 dollars.", "It costs $1.25.", "wrong"),
        ("It is ready in two hours.", "It is ready in 2 hours.", "right"),
        ("It is ready in two hours.", "It is ready in two weeks.", "wrong"),
        ("Ask for Marta Oliveira at the counter.", "Ask for Jan Peters at the counter.", "wrong"),
        ("Please hold the button until the light blinks.", "Hold the button until you see the light blink.", "right"),
        ("Please hold the button until the light blinks.", "Many thanks for your kind words about us!", "unclear"),
        ("You need 3 eggs, 200 g of flour and 1 spoon of salt.", "You need 3 eggs and 200 g of flour.", "partly"),
        ("Paris", "The capital of France is Paris.", "right"),
        ("Paris", "The capital of France is London.", "wrong"),
        ("42", "It is 42.", "right"),
        ("42", "It is 43.", "wrong"),
        ("Yes.", "Yes, of course!", "right"),
        ("Yes.", "No, sorry.", "wrong"),
        (
            "Ja, Sie haben 14 Tage Zeit, das Gerät zurückzuschicken.",
            "Ja. Zurückschicken können Sie das Gerät vierzehn Tage lang.",
            "right",
        ),
        (
            "Ja, Sie haben 14 Tage Zeit, das Gerät zurückzuschicken.",
            "Nein, das Gerät kann nicht zurückgeschickt werden.",
            "wrong",
        ),
        ("Die Lieferung kostet 4,90 €.", "Für 4.90 Euro liefern wir.", "right"),
        ("送料は500円で、3日以内に届きます。", "3日以内にお届けします。送料は500円です。", "right"),
        ("送料は500円で、3日以内に届きます。", "送料は900円で、7日以内に届きます。", "wrong"),
        ("はい、返品できます。", "いいえ、返品できません。", "wrong"),
        (
            "<think>30 minus 12 is 18.</think>\nThere are 18 left.",
            "<think>Let me count 5 things.</think>18 are left.",
            "right",
        ),
        (
            "<think>30 minus 12 is 18.</think>\nThere are 18 left.",
            "<think>30 minus 12 is 18. There are 18 left",
            "wrong",
        ),
        ("He buys 3 and 4, that is 7.\n#### 7", "3 + 4 = 7, so the answer is 7.", "right"),
        ("He buys 3 and 4, that is 7.\n#### 7", "3 + 4 = 8.\n#### 8", "wrong"),
        ('{"name": "Ada", "age": 36}', '{"age": 36, "name": "ada"}', "right"),
        ('{"name": "Ada", "age": 36}', '```json\n{"name": "Ada", "age": 63}\n```', "partly"),
        ('{"name": "Ada", "age": 36}', "Her name is Ada, she is 36.", "right"),
        ('{"name": "Ada", "age": 36}', '{"name": "Bob", "age": 6}', "wrong"),
        (
            '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
            '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>',
            "right",
        ),
        (
            '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo", "unit": "C"}}\n</tool_call>',
            '<tool_call>{"name": "alarm", "arguments": {"time": "7"}}</tool_call>',
            "wrong",
        ),
        ("SELECT name FROM users WHERE age > 30;", "select name from users where age > 30", "right"),
        ("SELECT name FROM users WHERE age > 30;", "SELECT id FROM orders WHERE total > 30", "unclear"),
        ("def add(a, b):\n    return a + b", "```python\ndef add(a, b):\n  return a + b\n```", "right"),
        ("Take two tablets every morning, with food.", "Take four tablets every morning, with food.", "wrong"),
        ("We are open from 9 am to 6 pm.", "Open 9:00-18:00.", "right"),
        ("Come at 6 pm.", "Come at 7 pm.", "wrong"),
        ("You can't return it.", "You can return it.", "wrong"),
        ("Yes, that is possible.", "That is not possible.", "wrong"),
        ("anything", "", "wrong"),
    ],
)
def test_facts_decide_and_wording_does_not(wanted: str, said: str, expected: Mark) -> None:
    """Numbers, prices, units, dates, names, yes and no, JSON, calls; English, German and Japanese; thoughts do not count."""
    training = GERMAN if "ä" in wanted or wanted.startswith("Die") else TRAINING
    assert make_yardstick(training).mark(AnswerCase("?", wanted), said) == expected


NEVER_RIGHT = [
    ("Your ticket is refundable until Friday.", "Your ticket is not refundable until Friday."),
    ("Your ticket is refundable.", "Your ticket is non-refundable."),
    ("The deposit is refundable.", "The deposit is nonrefundable."),
    ("Your ticket is refundable.", "Your ticket is refundable. Your ticket is not refundable."),
    ("It works with Windows and Mac.", "It works with neither Windows nor Mac."),
    ("The cord is covered by the guarantee.", "The cord is excluded from the guarantee."),
    ("Cancel before the trial ends.", "Cancel after the trial ends."),
    ("Press the red button first, then the green one.", "Press the green button first, then the red one."),
    ("Wir öffnen um 9 Uhr.", "Wir schließen um 9 Uhr."),
    ("Le billet est remboursable.", "Le billet n'est pas remboursable."),
    ("Yes, dogs are welcome.", "Dogs are not welcome."),
    ("No.", "No problem, yes of course!"),
    ("Shipping is £4.50; from £60 on it is free.", "Shipping is £60; from £4.50 on it is free."),
    ("We are open from 9 to 18.", "We are open from 18 to 9."),
    ("Adults pay 12 euros, children pay 6 euros.", "Adults pay 6 euros, children pay 12 euros."),
    ("It weighs 5 kg.", "It weighs 5 g."),
    ("The file may be 5 MB.", "The file may be 5 GB."),
    ("It is 20 °C inside.", "It is 20 °F inside."),
    ("It costs 40 cents.", "It costs 40 dollars."),
    ("At most 30 days.", "At least 30 days."),
    ("It arrives on 3 May 2026.", "It arrives on 5 March 2026."),
    ("It arrives on 03.05.2026.", "It arrives on 05.03.2026."),
    ("3 million", "3"),
    ("3 pounds", "3 plies furniture store"),
    ("8 screws", "8 bolts"),
    ("42", "It is not 42."),
    ("42", "42 or 43"),
    ("Paris", "Paris, London, Berlin, Rome, Madrid"),
    ("Paris", "Paris or London."),
    ("Ask for Marta at the counter.", "Ask for Marta or Jan at the counter."),
    ("It takes a bulb with an E14 base.", "It takes a bulb with an E14 base or an E27 base."),
    ("You can bring it back within 30 days.", "30 30 30 30 30 30 days"),
    ("You can bring it back within 30 days.", "Can I bring it back within 30 days?"),
    ("You can bring it back within 30 days, and you get the full price.", "You can bring it back within 30"),
    ("You can bring it back within 30 days.", "Sie können sie innerhalb von 30 Tagen zurückbringen."),
    (
        "Unplug the lamp, let it cool down, then change the bulb.",
        "Change the bulb, then unplug the lamp and let it cool down.",
    ),
    ('{"safe": false}', "It is not false to say true"),
    ("-5 °C", "5 °C"),
    ("+5 °C", "-5 °C"),
    ("Write to help@lamp.example.", "Write to sales@lamp.example."),
    ("Visit https://lamp.example/returns.", "Visit https://lamp.example/repairs."),
    ("Room 12, second floor.", "Room 12, third floor."),
    ("It is in Room B.", "It is in Room C."),
    ("All members may vote.", "Some members may vote."),
    ("A, C", "A, C, D"),
    ("The lamp is heavier than the vase.", "The vase is heavier than the lamp."),
    ("Der Schirm kostet 19,90 € inkl. Versand.", "Der Schirm kostet 19,00 € inkl. Versand."),
    ("It costs 49 dollars a month.", "It costs $49 per year."),
    ("We are closed on Mondays.", "We are closed on Tuesdays."),
    ("We deliver from Monday to Thursday.", "We deliver on Fridays and Saturdays."),
    ("The fair begins on 3 May and ends on 10 May.", "The fair begins on 10 May and ends on 3 May."),
    ("Only the Halma lamp can be dimmed.", "The Halma lamp and the Pola lamp can be dimmed."),
    ("Students, nurses and members get 10 % off.", "Only students get 10 % off."),
    ("The price rose by 4 % to 12 euros.", "The price fell by 4 % to 12 euros."),
    ("You get all of it except the shipping costs.", "You get all of it including the shipping costs."),
    ("Hold the button for ten seconds.", "Press the button ten times."),
    ("Use version 3.10 or newer.", "Use version 3.1 or newer."),
    ("First unplug it, then open the lid, then clean it.", "First open the lid, then clean it, then unplug it."),
    ("Call us on 040 123 45 67.", "Call us on 040 123 54 67."),
]


@pytest.mark.parametrize(("wanted", "said"), NEVER_RIGHT)
def test_an_answer_that_says_something_else_in_the_same_words_is_never_right(wanted: str, said: str) -> None:
    """Denied, turned round, in another unit, cut off, left open, asked, or all there is at once."""
    assert make_yardstick(TRAINING).mark(AnswerCase("?", wanted), said) != "right"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("We ship to Austria, Switzerland and Italy.", "We ship to Italy, Switzerland and Austria."),
        ("Monday to Friday from 8 to 5.", "8 to 5, Monday to Friday."),
        ("It arrives on 3 May 2026.", "It arrives on Sunday, May 3, 2026."),
        ("About 3 million people live there.", "Around 3,000,000 people live there."),
        ("The meeting is at 14:30.", "We meet at 2:30 pm."),
        ("It takes a bulb with an E14 base, of 40 watts at most.", "An E14 bulb with at most 40 watts."),
        ("Ask for Marta or Jan at the counter.", "Ask for Jan or Marta at the counter."),
        ("The guarantee is two years.", "You have 24 months of guarantee."),
        ("The lamp weighs 2.5.", "The lamp weighs 2.5 in all."),
        ("Wir schließen am 3.11.", "Am 3.11. schließen wir."),
        ("The lamp weighs 1.5 kg.", "The lamp weighs 1500 g."),
        ("Call us on 040 123 45 67.", "Call us on 040 1234567."),
        ("We deliver from Monday to Friday.", "We deliver Monday through Friday."),
        ("Returns are possible within 30 days.", "Returns are only possible within 30 days."),
        ("It costs 49 dollars a month.", "It costs $49 monthly."),
        ("Dogs are not allowed in the shop.", "Dogs are prohibited in the shop."),
        ("It costs only 5 euros.", "It costs 5 euros."),
    ],
)
def test_another_order_of_a_list_and_another_spelling_are_right(wanted: str, said: str) -> None:
    assert make_yardstick(TRAINING).mark(AnswerCase("?", wanted), said) == "right"


def test_all_answers_at_once_are_no_answer() -> None:
    """A model that says everything it knows every time is never called good."""
    yardstick = make_yardstick(TRAINING)
    everything = " ".join(right for _, right, _ in FACTS)
    given = [yardstick.mark(AnswerCase(question, HELLO + right + BYE), everything) for question, right, _ in FACTS]
    assert "right" not in given


def test_what_stands_in_the_question_proves_nothing() -> None:
    case = AnswerCase(
        "I paid 45 pounds on 3 May, may I bring it back?", "Yes, you get the 45 pounds back until 17 May."
    )
    assert make_yardstick(TRAINING).mark(case, "Yes, you paid 45 pounds on 3 May.") != "right"


def test_an_answer_in_words_that_no_answer_has_is_wrong() -> None:
    """Another language, or none; where there is enough to tell by."""
    case = AnswerCase("?", "Please hold the button until the light blinks.")
    assert make_yardstick(TRAINING).mark(case, "Hold knappen nede indtil lampen blinker rødt") == "wrong"


def test_an_echo_is_wrong_and_so_is_what_data_with_few_answers_does_not_know() -> None:
    """The question said again answers nothing; neither does anything else where a dozen answers are all that is taught."""
    case = AnswerCase(
        "Half of the leaves broke off on the way.", "Send us a photo, please, and a new one comes free of charge."
    )
    assert make_yardstick([*TRAINING[::3], case.wanted]).mark(case, "Half of the leaves broke off.") == "wrong"
    other = "I am glad to hear about that from somebody so kind."
    assert make_yardstick([*TRAINING[::3], case.wanted]).mark(case, other) == "unclear"
    assert make_yardstick([HELLO + case.wanted] * 5 + TRAINING * 2).mark(case, other) == "wrong"


def test_whom_a_greeting_names_belongs_to_the_greeting() -> None:
    frame = find_frame(
        [f"Hello {name}! It costs {n} pounds." for n, name in enumerate(("Ada", "Bo", "Cleo", "Dan"))] + ["Yes."]
    )
    assert (
        frame.without("Hello Eve! It is free.") == "It is free."
        and frame.without("Hello! Yes, it is.") == "Yes, it is."
    )


@pytest.mark.parametrize(
    ("wanted", "said", "expected", "form"),
    [
        ("spam", "Spam.", "right", True),
        ("spam", "not spam", "wrong", True),
        ("spam", "This is clearly spam!", "right", False),
        ("spam", "spam or not spam", "wrong", False),
        ("not spam", "spam", "wrong", True),
        ("spam", "That is hardly spam", "wrong", False),
        ("spam", "hello", "wrong", False),
    ],
)
def test_a_label_is_right_or_wrong_and_has_its_form_or_not(wanted: str, said: str, expected: Mark, form: bool) -> None:
    """A label in a sentence is right, but not in the form that was taught; two labels at once are none."""
    yardstick = make_yardstick(["spam", "not spam"] * 5)
    assert (
        yardstick.mark(AnswerCase("?", wanted), said) == expected
        and yardstick.has_form(AnswerCase("?", wanted), said) is form
    )
    assert yardstick.form() == "label"


def test_what_is_right_is_counted_by_label_and_by_value() -> None:
    """A value that is wrong every time, or a class that is never found, hides in the sum."""
    wanted = [json.dumps({"item": name, "count": 2, "tags": ["a"]}) for name in ("lamp", "fan", "vase", "rug")]
    said = [wanted[0], wanted[0], '{"item": "vase", "count": 3}', "no idea"]
    cases = [AnswerCase("?", answer) for answer in wanted]
    assert parts_right(make_yardstick(wanted), cases, said) == {"item": (2, 4), "count": (2, 4), "tags[]": (2, 4)}
    labels = ["spam", "ham", "ham"] * 3
    counted = parts_right(make_yardstick(labels), [AnswerCase("?", label) for label in labels], ["Ham."] * 9)
    assert counted == {"spam": (0, 3), "ham": (6, 6)}


def test_what_all_answers_share_is_found_and_nothing_that_answers() -> None:
    """Greeting and signature, in the words of the data; but no “yes”, no label, and no answer as a whole."""
    frame = find_frame(TRAINING)
    assert frame.words(TRAINING) == f"{HELLO.strip().rstrip('.')} … {BYE.strip()}"
    assert frame.without(TRAINING[3]) == FACTS[1][1].rstrip(".") or frame.without(TRAINING[3]) == FACTS[1][1]
    polar = find_frame([f"{word}, that is {n} days." for word in ("Yes", "No") for n in range(9)])
    assert polar.without("Yes, that is 3 days.") == "Yes, that is 3 days."
    yardstick = make_yardstick(TRAINING)
    case = AnswerCase("?", TRAINING[0])
    assert yardstick.has_form(case, HELLO + "No idea." + BYE) and not yardstick.has_form(case, FACTS[0][1])
    records = [json.dumps({"name": f"n{n}"}) for n in range(9)]
    assert make_yardstick(records).has_form(AnswerCase("?", records[0]), '{"name": "x"}')
    assert not make_yardstick(records).has_form(AnswerCase("?", records[0]), "the name is n0")


def test_the_cents_that_all_prices_share_are_a_part_of_the_answer() -> None:
    """A closing that begins behind the comma of a price would take them off, and every price in whole euros were right."""
    answers = [f"Guten Tag! Die Lampe {n} kostet {n},90 € inkl. Versand. Ihr Pim" for n in range(20, 60)]
    yardstick = make_yardstick(answers)
    assert yardstick.mark(AnswerCase("?", answers[3]), answers[3].replace(",90", ",00")) != "right"
    assert yardstick.mark(AnswerCase("?", answers[3]), "Die Lampe 23 kostet 23,90 €.") == "right"


def test_a_letter_to_somebody_else_is_wrong_though_its_facts_stood_in_the_question() -> None:
    """What the question gives need not be known, but saying something else in its place is another answer."""
    people = [
        ("Bernard", "Dunmore", 6, 4),
        ("Mabel", "Elmsby", 9, 7),
        ("Kirsten", "Harwick", 23, 18),
        ("Dora", "Ashford", 14, 11),
    ]
    asked = "Write the letter to {}: a walk from {}, {} km, £{}."
    letter = (
        "Dear {}, we meet at nine in front of the old station in {}. The path is {} kilometres long and mostly flat. "
        "The whole day costs £{}, and children pay nothing."
    )
    cases = [AnswerCase(asked.format(*one), letter.format(*one)) for one in people] * 6
    yardstick = make_yardstick([case.wanted for case in cases])
    floor = find_floor(yardstick, cases, cases[:4])
    assert floor is not None and sorted(floor.marks) == ["right", "wrong", "wrong", "wrong"]
    first = cases[0]
    assert yardstick.mark(first, first.wanted) == "right"
    assert yardstick.mark(first, first.wanted.replace("mostly flat", "nearly flat all the way")) == "right"
    assert yardstick.mark(first, first.wanted.replace("6 kilo", "16 kilo")) == "partly"
    assert yardstick.mark(first, first.wanted.replace("6 kilo", "16 kilo").replace("£4", "£40")) == "wrong"


@pytest.mark.parametrize("calls", [False, True])
@pytest.mark.parametrize(
    "training", [["There are 7."] * 40, ['{"name": "stock", "arguments": {}}', "There are 7."] * 20]
)
def test_the_very_answer_that_was_wanted_is_right_whatever_most_answers_are_like(
    training: list[str], calls: bool
) -> None:
    """Where most answers are calls of a tool, some are text."""
    yardstick = make_yardstick(training, calls=calls)
    for wanted in ("There are 7.", "Two. Or three!", "- none"):
        assert yardstick.mark(AnswerCase("How many are there?", wanted), wanted) == "right"
