"""Simple true facts, as statements and as questions with answers."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.dice import Dice, join_words, with_article

from .words import DAYS, GROUP_PLURALS, GROUPS, NAMED_GROUPS, NUMBERS


@dataclass(frozen=True)
class Fact:
    """One fact in three forms."""

    statement: str
    question: str
    answer: str


def _pairs(text: str) -> list[tuple[str, str]]:
    """``one:two, three:four`` → pairs."""
    entries = (entry.strip().split(":") for entry in text.replace("\n", " ").split(","))
    return [(one, two) for one, two in entries]


@dataclass(frozen=True)
class Relation:
    """A table of (key, value) with the sentences that say it. Slots: k, v, ak (a + k)."""

    pairs: list[tuple[str, str]]
    statement: str
    question: str
    answer: str

    def fact(self, dice: Dice) -> Fact:
        key, value = dice.pick(self.pairs)
        slots = {"k": key, "v": value, "ak": with_article(key)}
        return Fact(*(dice.write(form, slots) for form in (self.statement, self.question, self.answer)))


RELATIONS = [
    Relation(
        _pairs("""
        grass:green, snow:white, a lemon:yellow, a ripe tomato:red, coal:black, chocolate:brown, a clear sky:blue, milk:white,
        a carrot:orange, a strawberry:red, an elephant:grey, a sunflower:yellow, butter:yellow, the sea:blue"""),
        "{k} is {v}.",
        "what colour is {k}?",
        "{k} is {v}.",
    ),
    Relation(
        _pairs("""
        hot:cold, big:small, long:short, fast:slow, happy:sad, early:late, old:new, open:closed, full:empty, light:dark,
        wet:dry, clean:dirty, strong:weak, loud:quiet, near:far, high:low, easy:difficult, cheap:expensive, safe:dangerous,
        kind:unkind, first:last, up:down, left:right, inside:outside, always:never, buy:sell, give:take, start:finish,
        day:night, summer:winter, more:less, before:after, right:wrong, rich:poor"""),
        "the opposite of {k} is {v}.",
        "what is the opposite of {k}?",
        "the opposite of {k} is {v}.",
    ),
    Relation(
        _pairs("""
        baker:bakes bread, teacher:helps people learn, doctor:looks after sick people, farmer:grows food, gardener:looks after
        plants, carpenter:makes things from wood, painter:paints walls or pictures, cook:prepares meals, driver:drives a car
        or a bus, nurse:cares for patients, writer:writes books, singer:sings songs, librarian:looks after books,
        mechanic:repairs cars, vet:looks after sick animals, waiter:serves food, postman:brings letters and parcels,
        programmer:writes software, accountant:keeps track of money, lawyer:gives advice about the law, manager:leads a team,
        florist:sells flowers, cashier:takes money in a shop"""),
        "{ak} {v}.",
        "what does {ak} do?",
        "{ak} {v}.",
    ),
    Relation(
        _pairs("""
        hammer:hit nails, saw:cut wood, spade:dig holes, rake:gather leaves, broom:sweep the floor, bucket:carry water,
        knife:cut food, spoon:eat soup, kettle:boil water, oven:bake bread and cakes, fridge:keep food cold, lamp:light a
        room, clock:tell the time, umbrella:stay dry in the rain, map:find the way, key:open a lock, pen:write on paper,
        phone:call people, camera:take pictures, computer:work with information, towel:dry your hands, blanket:stay warm,
        watering can:water plants, calendar:plan the days, password:protect an account"""),
        "{ak} is used to {v}.",
        "what is {ak} used for?",
        "{ak} is used to {v}.",
    ),
    Relation(
        _pairs("""
        France:Paris, Spain:Madrid, Italy:Rome, Germany:Berlin, Japan:Tokyo, Canada:Ottawa, Egypt:Cairo, Norway:Oslo,
        Poland:Warsaw, Greece:Athens, Austria:Vienna, Ireland:Dublin"""),
        "the capital of {k} is {v}.",
        "what is the capital of {k}?",
        "the capital of {k} is {v}.",
    ),
    Relation(
        _pairs("""
        bread:bakery, medicine:pharmacy, flowers:flower shop, stamps:post office, books:bookshop, vegetables:market,
        shoes:shoe shop, tools:hardware store, plants:garden centre, furniture:furniture store, toys:toy shop"""),
        "you can buy {k} at the {v}.",
        "where can I buy {k}?",
        "you can buy {k} at the {v}.",
    ),
]


def category(dice: Dice) -> Fact:
    """``A carrot is a vegetable.``"""
    group = dice.pick(list(GROUPS))
    word = with_article(dice.pick(GROUPS[group]))
    text = dice.write(f"{word} is {with_article(group)}.")
    return Fact(text, dice.write(f"what [is|kind of thing is] {word}?"), text)


def listing(dice: Dice) -> Fact:
    """``Three fruits are …`` — the count asked for is the count given."""
    kind = dice.pick(list(GROUPS) + list(NAMED_GROUPS))
    count = 2 + dice.below(3)
    if kind in GROUPS:
        title, words = GROUP_PLURALS[kind], [with_article(word) for word in dice.some(GROUPS[kind], count)]
    else:
        title, words = kind, dice.some(NAMED_GROUPS[kind], count)
    number = NUMBERS[count]
    text = dice.write(f"{number} {title} are {join_words(words)}.")
    ask = f"{number} {title}"
    return Fact(
        text, dice.write(f"[can|could] you [name|tell me] {ask}?|[please name|name|give me] {ask}.".join("[]")), text
    )


def calendar(dice: Dice) -> Fact:
    """The day before or after another one."""
    place = dice.below(len(DAYS))
    word, other = (("after", DAYS[(place + 1) % len(DAYS)]), ("before", DAYS[place - 1]))[dice.below(2)]
    text = f"The day {word} {DAYS[place]} is {other}."
    return Fact(text, f"What day comes {word} {DAYS[place]}?", text)


def random_fact(dice: Dice) -> Fact:
    """Any fact."""
    roll = dice.below(20)
    if roll < 12:
        return dice.pick(RELATIONS).fact(dice)
    return (category if roll < 15 else listing if roll < 18 else calendar)(dice)
