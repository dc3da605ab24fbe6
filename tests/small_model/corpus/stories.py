"""Small everyday stories: a script is a title, steps in order, and questions that the text answers.

Every line of a script is one step; its variants are patterns for `Dice.write`.
Slots: name, he, his, him (of the hero), friend, and what the script itself lists under ``things``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scripts.dice import Dice, with_article

from .words import DAYS, MEN, SPOTS, THINGS, WOMEN


@dataclass(frozen=True)
class Script:
    """How one kind of day goes."""

    title: str
    steps: str
    questions: tuple[tuple[str, str], ...] = ()
    things: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Story:
    """A finished story with one question about it."""

    title: str
    text: str
    question: str
    answer: str


SCRIPTS = [
    Script(
        "baking",
        """
[on {day}|one morning] {name} wanted to bake {x}.
{he} [put|mixed] flour, eggs and milk in a [big|large] bowl.
{friend} [helped|came to help] and [stirred|mixed] everything [slowly|well].
they put it in the oven and waited for [half an hour|an hour].
soon the kitchen smelled [wonderful|very good].
{name} and {friend} ate [a piece|some of it] and [were happy|smiled].""",
        (("what did {name} bake?", "{name} baked {x}."), ("who helped {name}?", "{friend} helped {name}.")),
        {"x": "bread|a cake|a pie|biscuits|an apple cake|a lemon cake|rolls"},
    ),
    Script(
        "the market",
        """
{name} [went|walked] to the market [on {day}|early in the morning].
{he} [wanted|needed] to buy {x}[| and some bread].
the market was full of people, [and everything looked fresh|but {name} was not in a hurry].
at the [first|last] stall {he} found {x} for a good price.
{he} [paid|gave the money to the woman] and said thank you.
then {he} [carried everything home|went home with a full basket].""",
        (("what did {name} buy?", "{name} bought {x}."), ("where did {name} go?", "{name} went to the market.")),
        {"x": "apples|carrots|tomatoes|flowers|cheese|eggs|honey|potatoes|fish|onions|pears"},
    ),
    Script(
        "something lost",
        """
{name} could not find {his} {thing}.
{he} [looked|searched] in every room, but it was not there.
["where did I see it last?" {he} thought|{he} felt a little worried].
then {friend} came in and [helped to look|asked what was wrong].
after a while they found the {thing} {spot}.
{name} was [very glad|happy] and [thanked|hugged] {friend}.""",
        (
            ("what did {name} lose?", "{name} lost {his} {thing}."),
            ("where was the {thing}?", "the {thing} was {spot}."),
            ("who helped {name}?", "{friend} helped {name}."),
        ),
    ),
    Script(
        "a rainy day",
        """
it rained all day on {day}.
{name} [looked out of the window|sat by the window] and [felt bored|watched the drops].
then {friend} [called|came over] and said, "let us {x}."
they spent the whole afternoon together[ and laughed a lot|].
when the rain stopped, [there was a rainbow in the sky|the sun came out again].
{name} thought that a rainy day could be a good day.""",
        (("what did they do?", "they decided to {x}."), ("what was the weather like?", "it rained all day.")),
        {
            "x": "play a game|paint a picture|bake a cake|read a book|build a tent|write a letter|make soup|sing some songs"
        },
    ),
    Script(
        "the garden",
        """
in spring {name} [decided|wanted] to plant {x} in the garden.
{he} dug [small holes|a long row] in the [soft|dark] soil and put in the seeds.
every [morning|evening] {he} gave them a little water.
for [a week|two weeks] nothing happened, but {name} was patient.
then [small|tiny] green leaves came out of the soil.
in summer there were many {x}, and {name} gave some to {friend}.""",
        (("what did {name} plant?", "{name} planted {x}."), ("who got some {x}?", "{friend} got some {x}.")),
        {"x": "tomatoes|beans|sunflowers|carrots|peas|strawberries|tulips|pumpkins|radishes"},
    ),
    Script(
        "a broken bicycle",
        """
{name} wanted to ride to {x}, but {his} bicycle was broken.
the [front|back] tyre had no air[, and the chain was loose|].
{friend} had tools and knew [how to repair it|what to do].
first they took off the wheel and [looked for|found] the hole.
then they closed the hole and pumped up the tyre.
half an hour later {name} [rode|was on the way] to {x}.""",
        (
            ("what was broken?", "the bicycle of {name} was broken."),
            ("where did {name} want to go?", "{name} wanted to go to {x}."),
        ),
        {"x": "the lake|the station|school|the office|the village|the library|the beach|work"},
    ),
    Script(
        "the library",
        """
on {day} {name} went to the library.
{he} was looking for a book about {x}.
the librarian [smiled and showed|kindly showed] {him} the right shelf.
{name} sat down at a quiet table and began to read.
the book was so [good|interesting] that {he} forgot the time.
in the evening {he} took the book home.""",
        (
            ("what was the book about?", "the book was about {x}."),
            ("where did {name} go?", "{name} went to the library."),
        ),
        {"x": "birds|the sea|old trains|cooking|stars|history|gardens|music|mountains|computers|plants|money"},
    ),
    Script(
        "a visit",
        """
{friend} lived in [another town|a small village by the sea].
one [weekend|{day}] {name} took the [train|bus] to visit {friend}.
{he} brought {x} as a present.
they [drank tea|had lunch] and talked about old times.
in the afternoon they [went for a walk|sat in the garden].
when it was time to leave, {name} said, "next time you must visit me." """,
        (("what did {name} bring?", "{name} brought {x}."), ("who did {name} visit?", "{name} visited {friend}.")),
        {"x": "flowers|a cake|a book|a plant|some honey|a basket of fruit|chocolate|a candle"},
    ),
    Script(
        "a new job",
        """
{name} had a new job as {x}.
on the first day {he} was [nervous|a little afraid] and [came early|got up early].
{friend}, who had worked there for years, showed {him} everything.
"ask me [anything|whenever you like]," said {friend}.
{name} made [one|a] small mistake, but nobody was angry.
after a week {he} knew what to do and [liked the work|felt at home].""",
        (
            ("what was the new job of {name}?", "{name} had a new job as {x}."),
            ("who showed {name} everything?", "{friend} showed {name} everything."),
        ),
        {"x": "a cook|a teacher|a driver|a gardener|a nurse|a baker|a waiter|a librarian|a programmer|an accountant"},
    ),
    Script(
        "an animal in need",
        """
on the way home {name} saw a small {x} under a tree.
it was [cold and hungry|wet and afraid].
{name} [spoke softly|sat down slowly], so that it would not run away.
{he} gave it some [water and food|water] and called {friend}.
together they took the {x} to the vet.
the vet said, "it only needs rest," and [everybody was glad|they were very glad].""",
        (
            ("what animal did {name} see?", "{name} saw a small {x}."),
            ("where did they take the {x}?", "they took the {x} to the vet."),
        ),
        {"x": "cat|dog|bird|hedgehog|rabbit|duck|squirrel"},
    ),
    Script(
        "a train journey",
        """
{name} took the [early|first] train to {x}.
{he} had a seat by the window and [looked at|watched] the fields and rivers.
an old man sat opposite and read a newspaper.
at noon {name} ate [a sandwich|an apple and some bread].
the train was [ten minutes late|on time].
in {x} {friend} was already waiting at the station.""",
        (("where did {name} go?", "{name} went to {x}."), ("who was waiting?", "{friend} was waiting at the station.")),
        {"x": "Paris|Rome|Vienna|Berlin|Madrid|Oslo|Lisbon|Athens|Warsaw|Dublin"},
    ),
    Script(
        "saving money",
        """
{name} wanted to buy {x}, but it was too expensive.
so {he} made a plan and wrote down what {he} spent.
every week {he} put a little money into a jar.
{he} [cooked at home|walked to work] and bought only what {he} needed.
after [three|four|six] months there was enough money in the jar.
{name} bought {x} and was proud of {his} patience.""",
        (
            ("what did {name} want to buy?", "{name} wanted to buy {x}."),
            ("where did {name} put the money?", "{name} put the money into a jar."),
        ),
        {"x": "a bicycle|a guitar|a camera|a coat|a computer|a desk|a piano|a phone|a tent"},
    ),
    Script(
        "a mistake",
        """
by mistake {name} broke {x} of {friend}.
at first {he} wanted to say nothing.
but {he} felt bad and could not [sleep|think of anything else].
the next day {he} went to {friend} and told the truth.
"I am sorry," said {name}. "I will pay for it."
{friend} was [quiet for a moment|a little sad], but then said, "thank you for being honest." """,
        (
            ("what did {name} break?", "{name} broke {x} of {friend}."),
            ("what did {name} do?", "{name} told the truth and said sorry."),
        ),
        {"x": "the cup|the lamp|the watch|the plate|the vase|the phone|the umbrella|the clock"},
    ),
    Script(
        "learning something new",
        """
{name} wanted to learn {x}.
at the beginning it was [very hard|difficult], and {he} made many mistakes.
{friend} said, "a little practice every day is enough."
so {name} practised for twenty minutes every [evening|morning].
after some weeks it was [much easier|almost easy].
at the end of the year {he} [could do it well|was really good].""",
        (
            ("what did {name} want to learn?", "{name} wanted to learn {x}."),
            ("how often did {name} practise?", "{name} practised every day."),
        ),
        {"x": "to swim|to cook|to play the piano|to play the guitar|to speak French|to draw|to sing|to dance|to type"},
    ),
    Script(
        "a busy day at the shop",
        """
{name} worked in a small shop that sold {x}.
on {day} many customers came [at the same time|before noon].
one customer could not find what she needed, and {name} helped her.
another customer wanted to give something back, and {name} checked the receipt.
{friend} packed the parcels for the post.
in the evening they were tired, but [all the customers were happy|everything was done].""",
        (
            ("what did the shop sell?", "the shop sold {x}."),
            ("who packed the parcels?", "{friend} packed the parcels."),
        ),
        {"x": "lamps|books|plants|tea|shoes|toys|furniture|flowers|clocks|coats|bread|tools"},
    ),
    Script(
        "a walk",
        """
[on {day}|in the evening] {name} and {friend} went for a walk [in the forest|along the river].
the air was [fresh|cool] and the {x} were [beautiful|everywhere].
they walked slowly and talked about [their plans|the week].
suddenly {name} stopped and pointed at a {animal}.
they stood very still until the {animal} was gone.
then they went home and drank hot [tea|cocoa].""",
        (
            ("what animal did they see?", "they saw a {animal}."),
            ("who went for a walk?", "{name} and {friend} went for a walk."),
        ),
        {"x": "trees|flowers|leaves|birds", "animal": "deer|fox|rabbit|swan|squirrel|duck"},
    ),
    Script(
        "a sick friend",
        """
{friend} was ill and had to stay in bed.
{name} [heard about it|got a message] and wanted to help.
{he} [made|cooked] some {x} and brought it over.
{he} also [opened the window|washed the dishes] and [watered the plants|fed the cat].
"you are very kind," said {friend}.
[two|three] days later {friend} felt [much better|well again].""",
        (("who was ill?", "{friend} was ill."), ("what did {name} bring?", "{name} brought some {x}.")),
        {"x": "soup|tea|porridge|stew|chicken soup|vegetable soup"},
    ),
    Script(
        "moving house",
        """
{name} was moving to a new flat on {day}.
there were boxes [everywhere|in every room].
{friend} came with a van and carried the heavy {x}.
at noon they sat on the floor and ate [pizza|sandwiches].
in the evening the new flat was full of boxes, but the bed was ready.
"thank you," said {name}. "without you it would have taken [a week|two days]." """,
        (
            ("who came with a van?", "{friend} came with a van."),
            ("what did {friend} carry?", "{friend} carried the heavy {x}."),
        ),
        {"x": "table|sofa|bed|wardrobe|desk|shelf|piano"},
    ),
    Script(
        "a house plant",
        """
{name} had {ax} on the window sill, but it did not look well.
its leaves were [yellow|brown at the tips] and [hung down|some fell off].
{friend} touched the soil and said, "it has had too much water."
so {name} let the soil dry and moved the plant [away from the heater|to a brighter place].
{he} watered it only when the top of the soil was dry.
a month later the {x} had a new green leaf.""",
        (
            ("which plant did {name} have?", "{name} had {ax}."),
            ("why did the plant look bad?", "it had too much water."),
        ),
        {"x": "fern|cactus|palm|ivy|orchid|begonia|lemon tree|fig tree|peace lily"},
    ),
    Script(
        "a late parcel",
        """
{name} was waiting for a parcel with {x}.
it should have come on {day}, but it did not come.
{he} wrote to the shop and gave the order number.
{friend} from the shop answered [the same day|after an hour] and said sorry.
the parcel had gone to the wrong town.
two days later it came, and {name} wrote a [friendly|short] note to say thank you.""",
        (
            ("what was in the parcel?", "there was {x} in the parcel."),
            ("who answered {name}?", "{friend} answered {name}."),
        ),
        {"x": "a lamp|a book|a coat|a plant|a kettle|a clock|a toy|a blanket|a teapot"},
    ),
]


def story(dice: Dice) -> Story:
    """One story of four to six sentences."""
    woman = dice.chance(0.5)
    name, friend = dice.pick(WOMEN if woman else MEN), dice.pick(MEN if woman else WOMEN)
    script = dice.pick(SCRIPTS)
    slots = {
        "name": name,
        "friend": friend,
        "day": dice.pick(DAYS),
        "thing": dice.pick(THINGS),
        "spot": dice.pick(SPOTS),
        **dict(zip(("he", "his", "him"), ("she", "her", "her") if woman else ("he", "his", "him"), strict=True)),
    }
    for slot, values in script.things.items():
        slots[slot] = dice.pick(values.split("|"))
    if "x" in slots:
        slots["ax"] = with_article(slots["x"])
    text = dice.write(" ".join(script.steps.split("\n")).strip(), slots)
    question, answer = dice.pick(script.questions)
    return Story(script.title, text, dice.write(question, slots), dice.write(answer, slots))
