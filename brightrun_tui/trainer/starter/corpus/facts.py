"""Simple true facts, as statements and as questions with answers."""

from __future__ import annotations

from dataclasses import dataclass

from .dice import Dice, join_words, with_article
from .words import DAYS, GROUP_PLURALS, GROUPS, MONTHS, NAMED_GROUPS, NUMBERS, plural


@dataclass(frozen=True)
class Fact:
    """One fact in three forms."""

    statement: str
    question: str
    answer: str


def _pairs(text: str) -> list[tuple[str, str]]:
    """``one:two, three:four`` → pairs."""
    return [tuple(entry.strip().split(":")) for entry in text.replace("\n", " ").split(",")]  # type: ignore[misc]


@dataclass(frozen=True)
class Relation:
    """A table of (key, value) with the sentences that say it. Slots: k, v, ak (a + k), av (a + v), ks (plural)."""

    pairs: list[tuple[str, str]]
    statement: str
    question: str
    answer: str

    def fact(self, dice: Dice) -> Fact:
        key, value = dice.pick(self.pairs)
        slots = {"k": key, "v": value, "ak": with_article(key), "av": with_article(value), "ks": plural(key)}
        return Fact(*(dice.write(form, slots) for form in (self.statement, self.question, self.answer)))


RELATIONS = [
    Relation(_pairs("""
        grass:green, snow:white, a lemon:yellow, a ripe tomato:red, coal:black, chocolate:brown, a clear sky:blue, milk:white,
        a carrot:orange, a ripe strawberry:red, a leaf in summer:green, an elephant:grey, a flamingo:pink, lavender:purple, a
        sunflower:yellow, butter:yellow, paper:white, a fire engine:red, a frog:green, the sea:blue"""),
        "{k} is {v}.", "what colour is {k}?", "{k} is {v}."),
    Relation(_pairs("""
        bird:nest, bee:hive, dog:kennel, horse:stable, pig:sty, spider:web, lion:den, hen:coop, rabbit:burrow, fish:tank,
        beaver:lodge, cow:barn"""),
        "{ak} lives in {av}.", "where does {ak} live?", "{ak} lives in {av}."),
    Relation(_pairs("""
        cat:kitten, dog:puppy, cow:calf, horse:foal, sheep:lamb, goat:kid, pig:piglet, duck:duckling, hen:chick,
        goose:gosling, bear:cub, deer:fawn, frog:tadpole, swan:cygnet, lion:cub, owl:owlet"""),
        "a young {k} is called {av}.", "what is a young {k} called?", "a young {k} is called {av}."),
    Relation(_pairs("""
        dog:barks, cat:purrs, cow:moos, sheep:bleats, lion:roars, bee:buzzes, snake:hisses, horse:neighs, duck:quacks,
        frog:croaks, owl:hoots, wolf:howls, mouse:squeaks, hen:clucks, donkey:brays"""),
        "{ak} {v}.", "what sound does {ak} make?", "{ak} {v}."),
    Relation(_pairs("""
        hot:cold, big:small, long:short, tall:short, fast:slow, happy:sad, early:late, old:new, young:old, open:closed,
        full:empty, light:dark, heavy:light, wet:dry, clean:dirty, strong:weak, hard:soft, rich:poor, loud:quiet, near:far,
        high:low, deep:shallow, wide:narrow, thick:thin, sweet:bitter, right:wrong, easy:difficult, cheap:expensive,
        safe:dangerous, brave:afraid, kind:unkind, polite:rude, awake:asleep, first:last, front:back, up:down, left:right,
        inside:outside, always:never, buy:sell, give:take, push:pull, win:lose, start:finish, come:go, remember:forget,
        question:answer, day:night, summer:winter, top:bottom, more:less, before:after, calm:nervous, simple:complex,
        public:private, true:false"""),
        "the opposite of {k} is {v}.", "what is the opposite of {k}?", "the opposite of {k} is {v}."),
    Relation(_pairs("""
        baker:bakes bread, teacher:helps people learn, doctor:looks after sick people, farmer:grows food, gardener:looks after
        plants, carpenter:makes things from wood, tailor:makes and mends clothes, painter:paints walls or pictures,
        cook:prepares meals, driver:drives a car or a bus, pilot:flies a plane, nurse:cares for patients, writer:writes books,
        singer:sings songs, actor:plays a part in a film or a play, librarian:looks after books, plumber:repairs pipes,
        electrician:works with electric wires, builder:builds houses, firefighter:puts out fires, fisher:catches fish,
        mechanic:repairs cars, dentist:looks after teeth, vet:looks after sick animals, judge:decides in a court,
        scientist:studies how the world works, waiter:serves food, cleaner:keeps rooms clean, postman:brings letters and
        parcels, programmer:writes software, accountant:keeps track of money, lawyer:gives advice about the law, manager:leads
        a team, architect:plans buildings, florist:sells flowers, cashier:takes money in a shop, translator:puts words into
        another language"""),
        "{ak} {v}.", "what does {ak} do?", "{ak} {v}."),
    Relation(_pairs("""
        hammer:hit nails, saw:cut wood, spade:dig holes, rake:gather leaves, broom:sweep the floor, brush:paint or clean,
        ladder:reach high places, bucket:carry water, screwdriver:turn screws, drill:make holes, knife:cut food, spoon:eat
        soup, fork:pick up food, needle:sew clothes, kettle:boil water, pan:fry food, oven:bake bread and cakes, fridge:keep
        food cold, lamp:light a room, clock:tell the time, umbrella:stay dry in the rain, map:find the way, key:open a lock,
        pen:write on paper, ruler:measure length, thermometer:measure temperature, scale:measure weight, phone:call people,
        camera:take pictures, computer:work with information, towel:dry your hands, soap:wash your hands, blanket:stay warm,
        mirror:see yourself, watering can:water plants, calendar:plan the days, password:protect an account, backup:keep a
        copy of important files"""),
        "{ak} is used to {v}.", "what is {ak} used for?", "{ak} is used to {v}."),
    Relation(_pairs("""
        window:glass, book:paper, shoe:leather, table:wood, candle:wax, ring:metal, sweater:wool, tyre:rubber, brick:clay,
        coin:metal, rope:fibre, pencil:wood, pot:clay, bottle:glass or plastic, shirt:cotton, cake:flour and eggs"""),
        "{ak} is [usually|often] made of {v}.", "what is {ak} [usually|often] made of?", "{ak} is usually made of {v}."),
    Relation(_pairs("""
        France:Paris, Spain:Madrid, Italy:Rome, Germany:Berlin, Japan:Tokyo, India:New Delhi, Brazil:Brasília, Canada:Ottawa,
        Egypt:Cairo, Kenya:Nairobi, Peru:Lima, Norway:Oslo, Sweden:Stockholm, Poland:Warsaw, Portugal:Lisbon, Greece:Athens,
        Austria:Vienna, Ireland:Dublin, Finland:Helsinki, Denmark:Copenhagen, Hungary:Budapest, China:Beijing, Cuba:Havana,
        Mexico:Mexico City, Argentina:Buenos Aires, Australia:Canberra, Thailand:Bangkok, Turkey:Ankara"""),
        "the capital of {k} is {v}.", "what is the capital of {k}?", "the capital of {k} is {v}."),
    Relation(_pairs("""
        bread:bakery, medicine:pharmacy, flowers:flower shop, meat:butcher's shop, stamps:post office, books:bookshop,
        vegetables:market, shoes:shoe shop, tools:hardware store, plants:garden centre, cakes:bakery, newspapers:kiosk,
        furniture:furniture store, toys:toy shop"""),
        "you can buy {k} at the {v}.", "where can I buy {k}?", "you can buy {k} at the {v}."),
    Relation(_pairs("""
        go:went, eat:ate, see:saw, give:gave, take:took, write:wrote, read:read, make:made, find:found, buy:bought,
        bring:brought, think:thought, know:knew, come:came, run:ran, sing:sang, drink:drank, begin:began, speak:spoke,
        drive:drove, sleep:slept, feel:felt, keep:kept, leave:left, lose:lost, pay:paid, send:sent, sell:sold, tell:told,
        teach:taught"""),
        "the past form of {k} is {v}.", "what is the past [form|tense] of {k}?", "the past form of {k} is {v}."),
    Relation(_pairs("""
        minute:sixty seconds, hour:sixty minutes, day:twenty-four hours, week:seven days, year:twelve months, metre:one
        hundred centimetres, kilometre:one thousand metres, kilogram:one thousand grams, triangle:three sides, square:four
        equal sides, dozen:twelve things, century:one hundred years, decade:ten years, spider:eight legs, insect:six legs,
        bicycle:two wheels, car:four wheels, piano:black and white keys, violin:four strings, hand:five fingers"""),
        "{ak} has {v}.", "what does {ak} have?", "{ak} has {v}."),
    Relation(_pairs("""
        spring:the days grow longer and flowers open, summer:the days are long and warm, autumn:the leaves turn yellow and
        fall, winter:the days are short and cold"""),
        "in {k} {v}.", "what [is it like|happens] in {k}?", "in {k} {v}."),
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
    return Fact(text, dice.write(f"[can|could] you [name|tell me] {ask}?|[please name|name|give me] {ask}.".join("[]")), text)


def calendar(dice: Dice) -> Fact:
    """The day or month before or after another one."""
    names, kind = dice.pick([(DAYS, "day"), (MONTHS, "month")])
    place = dice.below(len(names))
    word, other = (("after", names[(place + 1) % len(names)]), ("before", names[place - 1]))[dice.below(2)]
    text = f"The {kind} {word} {names[place]} is {other}."
    return Fact(text, f"What {kind} comes {word} {names[place]}?", text)


def sums(dice: Dice) -> Fact:
    """Small sums in words."""
    one, two = dice.below(11), dice.below(10)
    if dice.chance(0.4):
        one, two = one + two, two
        text = f"{NUMBERS[one]} minus {NUMBERS[two]} is {NUMBERS[one - two]}." if one < 21 else ""
    else:
        text = f"{NUMBERS[one]} plus {NUMBERS[two]} is {NUMBERS[one + two]}."
    statement = dice.write(text)
    return Fact(statement, dice.write(f"what is {text.split(' is ')[0]}?"), statement)


def plurals(dice: Dice) -> Fact:
    """``The plural of mouse is mice.``"""
    noun = dice.pick(GROUPS[dice.pick(["animal", "fruit", "vegetable", "flower", "tool"])])
    text = f"The plural of {noun} is {plural(noun)}."
    return Fact(text, f"What is the plural of {noun}?", text)


def random_fact(dice: Dice) -> Fact:
    """Any fact; the big tables come up more often than the small ones."""
    roll = dice.below(24)
    if roll < 14:
        return dice.pick(RELATIONS).fact(dice)
    if roll < 17:
        return category(dice)
    if roll < 20:
        return listing(dice)
    return dice.pick([calendar, sums, plurals])(dice)
