"""Words that are facts, or change them: units, months, numbers, yes and no, denials, opposites. In a few languages each."""

from __future__ import annotations

POLARITY = {
    "yes": True,
    "no": False,
    "yeah": True,
    "nope": False,
    "ja": True,
    "nein": False,
    "oui": True,
    "non": False,
    "sí": True,
    "si": True,
    "sim": True,
    "não": False,
    "да": True,
    "нет": False,
    "はい": True,
    "いいえ": False,
    "是": True,
    "是的": True,
    "不是": False,
    "不": False,
    **dict.fromkeys(
        "sure certainly absolutely definitely indeed natürlich klar selbstverständlich gewiss certainement claro "
        "certo ano tak evet نعم "
        "так כן हाँ हां 네 예 ναι kyllä ใช่ ya はい 对 可以".split(),
        True,
    ),
    **dict.fromkeys(
        "unfortunately leider malheureusement nee nej nei nie hayır لا לא नहीं 아니요 όχι ไม่ tidak ні".split(), False
    ),
    "of course": True,
    "bien sûr": True,
    "por supuesto": True,
}
DENIALS = frozenset(
    "not no never cannot without nor nicht kein keine keinen keinem keiner nie ohne pas jamais sans sin nunca "
    "ingen ikke inte niet niets geen nichts rien nada niente non hardly barely scarcely neither weder kaum "
    "aucun ningún não nem sem не нет "
    "нельзя без ни nie bez "
    "değil yok لا ليس ليست لن لم غير بدون नहीं बिना לא בלי".split()
)
LIGHT = frozenset(
    "a an the is are was were be been to of in on at it its that this you your we our i my for and or as do does "
    "der die das den dem ein eine einen ist sind zu und oder sie ihr wir es le la les un une est el los las "
    "any so very really".split()
)
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar janvier enero jan ene",
            "february februar février febrero feb",
            "march märz mars marzo mar mär",
            "april avril abril apr",
            "may mai mayo",
            "june juni juin junio jun",
            "july juli juillet julio jul",
            "august août agosto aug",
            "september septembre septiembre sep sept",
            "october oktober octobre octubre oct okt",
            "november novembre noviembre nov",
            "december dezember décembre diciembre dec dez",
        ),
        1,
    )
    for name in names.split()
}
UNITS = {
    name: unit
    for unit, names in {
        "second": "second seconds sec sekunde sekunden seconde secondes 秒",
        "minute": "minute minutes min minuten 分",
        "hour": "h hr hrs std hour hours stunde stunden heure heures hora horas 時",
        "times": "times mal fois veces volte keer",
        "day": "day days tag tage tagen jour jours día días 日",
        "week": "week weeks woche wochen semaine semaines semana semanas 週",
        "month": "month months monat monate monaten mois mes meses 月",
        "year": "year years jahr jahre jahren ans années año años 年",
        "%": "% percent prozent",
        "am": "am",
        "pm": "pm",
        "£": "£ pounds pound gbp",
        "$": "$ dollars dollar usd",
        "€": "€ euro euros eur",
        "¥": "¥ yen 円",
        "cent": "cent cents ct ¢",
        "g": "g gram grams gramme grammes gramm",
        "kg": "kg kilo kilos kilogram kilograms kilogramm",
        "mg": "mg milligram milligrams milligramm",
        "µg": "μg mcg microgram micrograms mikrogramm",
        "lb": "lb lbs",
        "oz": "oz ounce ounces",
        "m": "m meter meters metre metres metern",
        "cm": "cm centimeter centimeters centimetre centimetres zentimeter",
        "mm": "mm millimeter millimeters millimetre millimetres",
        "km": "km kilometer kilometers kilometre kilometres kilometern",
        "mile": "mile miles meilen",
        "inch": "inch inches zoll",
        "foot": "ft foot feet",
        "l": "l liter liters litre litres litern",
        "cl": "cl centiliter centiliters centilitre centilitres",
        "ml": "ml milliliter milliliters millilitre millilitres",
        "kb": "kb kib kilobyte kilobytes",
        "mb": "mb mib megabyte megabytes",
        "gb": "gb gib gigabyte gigabytes",
        "tb": "tb tib terabyte terabytes",
        "w": "w watt watts",
        "kw": "kw kilowatt kilowatts",
        "hp": "hp ps horsepower",
        "wh": "wh",
        "kwh": "kwh",
        "mwh": "mwh",
        "v": "v volt volts",
        "amp": "amp amps ampere amperes",
        "ma": "ma milliamp milliamps milliampere milliamperes",
        "km/h": "km/h kmh kph",
        "mph": "mph",
        "tsp": "tsp teaspoon teaspoons teelöffel",
        "tbsp": "tbsp tablespoon tablespoons esslöffel",
        "bar": "bar bars",
        "psi": "psi",
        "kj": "kj",
        "kcal": "kcal",
        "°c": "°c celsius",
        "°f": "°f fahrenheit",
    }.items()
    for name in names.split()
}
LARGER_UNITS = {
    ("year", "month"): 12,
    ("week", "day"): 7,
    ("day", "hour"): 24,
    ("hour", "minute"): 60,
    ("minute", "second"): 60,
    ("kg", "g"): 1000,
    ("kg", "mg"): 1_000_000,
    ("g", "mg"): 1000,
    ("mg", "µg"): 1000,
    ("km", "m"): 1000,
    ("m", "cm"): 100,
    ("cm", "mm"): 10,
    ("l", "ml"): 1000,
    ("l", "cl"): 100,
    ("cl", "ml"): 10,
    ("kwh", "wh"): 1000,
    ("mwh", "kwh"): 1000,
    ("amp", "ma"): 1000,
}
"""How many of the second unit the first one has."""
PRODUCTS = frozenset("version versions release v python node java php ios android windows macos ubuntu debian".split())
"""Before the number of a version, of which 3.1 and 3.10 are two."""
WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            (
                "monday mondays montag montags lundi lundis lunes lunedì maandag segunda segundas poniedziałek poniedziałki "
                "måndag mandag понедельник pazartesi"
            ),
            (
                "tuesday tuesdays dienstag dienstags mardi mardis martes martedì dinsdag terça terças wtorek wtorki "
                "tisdag tirsdag вторник salı"
            ),
            (
                "wednesday wednesdays mittwoch mittwochs mercredi mercredis miércoles mercoledì woensdag quarta quartas środa "
                "środę środy onsdag среда среду çarşamba"
            ),
            (
                "thursday thursdays donnerstag donnerstags jeudi jeudis jueves giovedì donderdag quinta quintas czwartek "
                "czwartki torsdag четверг perşembe"
            ),
            (
                "friday fridays freitag freitags vendredi vendredis viernes venerdì vrijdag sexta sextas piątek piątki "
                "fredag пятница пятницу cuma"
            ),
            (
                "saturday saturdays samstag samstags sonnabend samedi samedis sábado sábados sabato sabati zaterdag sobota "
                "sobotę soboty lördag lørdag суббота субботу cumartesi"
            ),
            (
                "sunday sundays sonntag sonntags dimanche dimanches domingo domingos domenica domeniche zondag niedziela "
                "niedzielę niedziele söndag søndag воскресенье pazar"
            ),
        )
    )
    for name in names.split()
}
PERIODS = {
    name: period
    for period, names in {
        "hour": "hour hourly stunde stündlich heure hora ora uur",
        "day": "day daily tag täglich jour día giorno dag",
        "week": "week weekly woche wöchentlich semaine semana settimana",
        "month": "month monthly monat monatlich mois mensuel mes mensual mese mensile maand maandelijks",
        "year": "year yearly annually annual annum jahr jährlich an année annuel año anual anno annuale jaar jaarlijks",
    }.items()
    for name in names.split()
}
COUNTS = {
    name: number
    for number, names in enumerate(
        (
            "",
            "one ein eine einen einer un une",
            "two zwei deux dos",
            "three drei trois tres",
            "four vier quatre cuatro",
            "five fünf cinq cinco",
            "six sechs seis",
            "seven sieben sept siete",
            "eight acht huit ocho",
            "nine neun neuf nueve",
            "ten zehn dix diez",
            "eleven elf onze once",
            "twelve zwölf douze doce",
        )
    )
    for name in names.split()
} | {
    "thirteen": 13,
    "dreizehn": 13,
    "treize": 13,
    "trece": 13,
    "fourteen": 14,
    "vierzehn": 14,
    "fifteen": 15,
    "fünfzehn": 15,
    "sixteen": 16,
    "sechzehn": 16,
    "seventeen": 17,
    "siebzehn": 17,
    "eighteen": 18,
    "achtzehn": 18,
    "nineteen": 19,
    "neunzehn": 19,
    "twenty": 20,
    "zwanzig": 20,
    "thirty": 30,
    "dreissig": 30,
    "dreißig": 30,
    "forty": 40,
    "vierzig": 40,
    "fifty": 50,
    "fünfzig": 50,
    "sixty": 60,
    "sechzig": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
    "hundred": 100,
}

SCALES = {
    name: factor
    for factor, names in (
        (1_000, "thousand tausend mille mil"),
        (1_000_000, "million millions millionen millón millones mio"),
        (1_000_000_000, "billion billions milliarde milliarden milliard milliards mrd"),
    )
    for name in names.split()
}

_OPPOSITES = (
    "before after|most least|more less|more fewer|maximum minimum|max min|increase decrease|raise lower|"
    "add remove|open closed|"
    "open close|on off|up down|left right|first last|above below|over under|inside outside|indoors outdoors|"
    "upper lower|"
    "clockwise counterclockwise|clockwise anticlockwise|free charged|covered excluded|included excluded|"
    "include exclude|"
    "allowed forbidden|allowed prohibited|allow forbid|with without|always never|all none|everybody nobody|"
    "everyone nobody|"
    "everything nothing|hot cold|warm cold|wet dry|high low|higher lower|early late|earlier later|store online|"
    "stores online|"
    "public private|enable disable|enabled disabled|start stop|accept refuse|accept reject|accepted refused|"
    "accepted rejected|"
    "approve reject|approved rejected|possible impossible|same different|long short|longer shorter|big small|"
    "larger smaller|"
    "fast slow|faster slower|cheap expensive|cheaper dearer|safe dangerous|safe unsafe|true false|buy sell|"
    "push pull|win lose|"
    "gain lose|win loss|both neither|required optional|must may|plus minus|import export|mehr weniger|"
    "mindestens höchstens|"
    "öffnen schließen|geöffnet geschlossen|links rechts|oben unten|immer nie|alle keine|mit ohne|"
    "erlaubt verboten|heiß kalt|"
    "rose fell|rises falls|rise fall|rising falling|grew shrank|increased decreased|increased dropped|"
    "increases decreases|"
    "rose dropped|gained lost|raised lowered|added removed|except including|excluding including|except included|"
    "stieg sank|steigt sinkt|gestiegen gesunken|erhöht gesenkt|ohne inklusive|exklusive inklusive|augmenté baissé|"
    "augmente baisse|hausse baisse|subió bajó|sube baja|avant après|plus moins|toujours jamais|avec sans|"
    "ouvert fermé|"
    "antes después|más menos|siempre nunca|con sin|abierto cerrado|"
    "starts ends|start end|begins ends|begin end|opens closes|beginnt endet|beginnen enden|"
    "startet endet|commence termine|empieza termina|buyer seller|buyers sellers|sender recipient|"
    "sender receiver|employer employee|landlord tenant|lender borrower|teacher student|teachers students|"
    "käufer verkäufer|"
    "absender empfänger|arbeitgeber arbeitnehmer|vermieter mieter|acheteur vendeur|expéditeur destinataire|"
    "comprador vendedor|"
    "in out|free paid|gratuit payant|gratuito pagado|gratis kostenpflichtig|tighten loosen|lock unlock|"
    "attach detach|gross net|brutto netto|arrival departure|entrance exit|"
    "weekday weekend|day night|"
    "summer winter|morning evening|refundable forfeited|sommer winter|morgens abends|ankunft abfahrt|adults children|"
    "increase reduce|raise reduce|odd even|north south|east west|front rear|front back|debit credit|full empty|"
    "nothing something|none some|nowhere somewhere|for against|für gegen|im gegen|pour contre|heat cool|"
    "connect disconnect|tie untie|borrow lend|deposit withdraw|fully partly|top bottom|won lost|gauche droite|"
    "izquierda derecha|sinistra destra|"
    "including plus|included plus|incl plus|inklusive zuzüglich|inkl zzgl"
)


def _forms(word: str) -> tuple[str, ...]:
    """Return an English word as a verb takes its endings; of others, words that nobody writes."""
    stem = word.removesuffix("e")
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word, f"{word[:-1]}ies", f"{word[:-1]}ied", f"{word}ing"
    return word, f"{word}s", f"{stem}ed", f"{stem}ing"


OPPOSITES: dict[str, frozenset[str]] = {}
"""By word, those that say the contrary, each in the form of the word."""
for _pair in _OPPOSITES.casefold().split("|"):
    for _one, _other in zip(*map(_forms, _pair.split()), strict=True):
        OPPOSITES[_one] = OPPOSITES.get(_one, frozenset()) | {_other}
        OPPOSITES[_other] = OPPOSITES.get(_other, frozenset()) | {_one}
_INSTEAD = (
    "first second third fourth fifth sixth seventh eighth ninth tenth last|once twice thrice|small medium large|"
    "all some few many most|half twice double quarter|he she|noon midnight|compulsory optional recommended "
    "voluntary forbidden|yesterday today tomorrow|gestern heute morgen|hier demain|ayer mañana|everybody "
    "somebody nobody|everyone someone nobody|"
    "erste zweite dritte vierte fünfte letzte|"
    "einmal zweimal dreimal|klein mittel groß"
)
for _group in _INSTEAD.casefold().split("|"):
    for _one in _group.split():
        OPPOSITES[_one] = OPPOSITES.get(_one, frozenset()) | (frozenset(_group.split()) - {_one})
PREFIXES = ("non", "un", "in", "im", "ir", "il", "dis", "nicht")
"""What a word begins with that denies what is behind it."""
LACKING = (("los", "frei", "less"), ("pflichtig", "haltig", "voll", "ful"))
"""What a word ends with that says that there is none of what its beginning names, or that there is."""
