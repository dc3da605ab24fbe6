"""The words that stories, facts and chats are made of."""

from __future__ import annotations

from scripts.dice import Dice

WOMEN = """Anna Maria Emma Sofia Lucy Grace Nora Julia Clara Ella Rosa Mia Helen Laura Amina Priya Mei Ines Zoe Ruth Alice
Fatima Hana Leila Olga Sara Nina Eva Marta Tara Dina Karen Linda Susan Diane Rachel Jessica Elena""".split()
MEN = """Tom Ben Sam Max Leo Paul Mark Peter David Daniel Omar Ivan Hugo Jack Adam Luis Karl Noah Oscar Ravi Kenji Marco
Simon Felix Victor Yusuf Jonas Amir Theo Alan Bruno Cyrus Marcus James Robert Kevin Brian Carlos""".split()

ANIMALS = """cat dog horse cow sheep goat pig rabbit mouse duck goose hen fox bear wolf deer lion tiger elephant monkey
frog fish whale owl eagle swan bee ant spider snail snake camel donkey squirrel hedgehog turtle parrot""".split()
FRUITS = "apple pear plum cherry peach orange lemon banana grape melon strawberry mango fig apricot".split()
VEGETABLES = "carrot onion potato tomato pea bean cabbage pumpkin leek beetroot cucumber radish pepper".split()
FLOWERS = "rose tulip daisy lily sunflower violet poppy orchid lavender daffodil".split()
HOUSE_PLANTS = [
    "fern",
    "cactus",
    "ivy",
    "aloe",
    "orchid",
    "palm",
    "peace lily",
    "rubber plant",
    "snake plant",
    "spider plant",
    "money tree",
    "basil plant",
    "fig tree",
    "begonia",
    "violet",
    "jade plant",
    "lemon tree",
    "mint plant",
    "rosemary plant",
    "monstera",
    "Boston fern",
    "parlour palm",
    "calathea",
]
TREES = "oak pine birch maple willow ash fir beech elm chestnut".split()
TOOLS = "hammer saw spade rake broom brush ladder bucket screwdriver drill".split()
CLOTHES = "coat hat scarf shirt jacket dress sweater skirt belt glove sock shoe boot".split()
VEHICLES = "car bus train bicycle boat ship tram van truck plane".split()
COLOURS = "red blue green yellow white black brown orange purple pink grey".split()
COUNTRIES = "France Spain Italy Germany Japan India Brazil Canada Egypt Kenya Peru Norway".split()
DRINKS = "tea coffee milk water juice lemonade cocoa".split()
DISHES = "soup salad bread rice pasta omelette pancakes porridge curry pie stew pizza toast noodles".split()
SPORTS = "football tennis swimming running cycling rowing climbing skating hockey volleyball".split()

GROUPS = {
    "animal": ANIMALS,
    "fruit": FRUITS,
    "vegetable": VEGETABLES,
    "flower": FLOWERS,
    "tree": TREES,
    "tool": TOOLS,
    "piece of clothing": CLOTHES,
    "vehicle": VEHICLES,
    "house plant": HOUSE_PLANTS,
}
GROUP_PLURALS = {
    "animal": "animals",
    "fruit": "fruits",
    "vegetable": "vegetables",
    "flower": "flowers",
    "tree": "trees",
    "tool": "tools",
    "piece of clothing": "pieces of clothing",
    "vehicle": "vehicles",
    "house plant": "house plants",
}
NAMED_GROUPS = {"colours": COLOURS, "countries": COUNTRIES, "drinks": DRINKS, "dishes": DISHES, "sports": SPORTS}

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty""".split()

PLACES = [
    "park",
    "market",
    "library",
    "garden",
    "kitchen",
    "school",
    "village",
    "station",
    "beach",
    "forest",
    "café",
    "museum",
    "workshop",
    "office",
    "bakery",
    "farm",
]
THINGS = [
    "key",
    "book",
    "letter",
    "map",
    "umbrella",
    "basket",
    "cup",
    "plate",
    "watch",
    "phone",
    "ticket",
    "bag",
    "box",
    "pen",
    "notebook",
    "blanket",
    "pillow",
    "bottle",
    "photo",
    "ring",
    "candle",
    "clock",
    "ball",
    "kite",
    "pot",
]
SPOTS = [
    "on the table",
    "under the bed",
    "in the drawer",
    "behind the door",
    "on the shelf",
    "in the kitchen",
    "next to the window",
    "in the bag",
    "under the chair",
    "in the garden",
    "on the sofa",
    "in the car",
]
PARCELS = [
    "lamp",
    "book",
    "chair",
    "plant",
    "kettle",
    "coat",
    "blanket",
    "clock",
    "teapot",
    "rug",
    "vase",
    "bag",
    "fern",
    "pot",
    "watering can",
    "scarf",
    "table",
    "mirror",
    "phone",
    "keyboard",
    "fan",
    "jacket",
    "toy",
    "cactus",
    "orchid",
]


_ONSETS = "b br c cl d dr f fl g gr h j k l m n p pl r s st t th tr v w z sh ch qu".split()
_VOWELS = "a a e e i i o o u ai ea ee oo ou ia".split()
_CODAS = ["", "", "", "n", "r", "l", "s", "m", "x", "ck", "nd", "rt", "ly", "ston", "wick", "ham", "ter", "son"]


def invented_name(dice: Dice) -> str:
    """A name that nobody has: it teaches spelling, and taking over words that were never seen before."""
    return "".join(dice.pick(part) for part in (_ONSETS, _VOWELS, _ONSETS, _VOWELS, _CODAS)).capitalize()


def person(dice: Dice) -> str:
    """A first name, now and then an invented one."""
    return invented_name(dice) if dice.chance(0.2) else dice.pick(WOMEN + MEN)
