"""Other languages than the English that a small model knows."""

from __future__ import annotations

from typing import Any

from scripts.dice import Dice

WAREN = ["die Lampe", "die Teekanne", "die Decke", "die Uhr", "die Jacke", "die Gießkanne", "die Tasche", "die Pfanne"]
ORTE = "Köln Lübeck Görlitz Füssen Passau Erfurt Kiel Trier".split()
TAGE = "Montag Dienstag Mittwoch Donnerstag Freitag Samstag".split()
GESPRAECHE: list[tuple[str, str]] = [
    (
        "[wann kommt {ware} an|wie lange dauert es, bis {ware} kommt]?",
        "{ware} ist unterwegs und kommt am {tag} bei Ihnen in {ort} an.",
    ),
    (
        "{ware} ist [beschädigt|zerbrochen|leider kaputt].",
        "das tut uns leid. Wir schicken Ihnen {ware} am {tag} noch einmal, ohne Kosten.",
    ),
    (
        "[haben Sie am {tag} geöffnet|ist Ihr Laden am {tag} offen]?",
        "am {tag} sind wir von neun bis achtzehn Uhr für Sie da.",
    ),
    ("[was kostet {ware}|wie teuer ist {ware}]?", "{ware} kostet {preis} Euro, der Versand nach {ort} ist kostenlos."),
    ("ich möchte {ware} zurückgeben.", "gern. Schicken Sie {ware} bis {tag} an unser Lager in {ort} zurück."),
]


def german(dice: Dice) -> list[dict[str, Any]]:
    """Make answers of a shop, in German."""
    records = []
    for _ in range(180):
        slots = {
            "ware": dice.pick(WAREN),
            "ort": dice.pick(ORTE),
            "tag": dice.pick(TAGE),
            "preis": str(9 + dice.below(90)),
        }
        asked, answered = dice.pick(GESPRAECHE)
        asked = "[guten Tag, |hallo, ||]" + asked + "[| ich wohne in {ort}.]"
        records.append(
            {
                "prompt": dice.write(asked, slots),
                "completion": dice.write(answered + " Herzliche Grüße aus der Werkstatt.", slots),
            }
        )
    return records


GOODS = ["お茶", "傘", "時計", "本", "机", "靴", "鞄", "帽子"]
TIMES = ["月曜日", "火曜日", "水曜日", "木曜日", "金曜日"]
TALKS: list[tuple[str, str]] = [
    ("{goods}は[いつ|何曜日に]届きますか。", "{goods}は{time}に届きます。"),
    ("{goods}はいくらですか。", "{goods}は{price}円です。"),
    ("[{goods}が壊れています|{goods}が動きません]。", "申し訳ございません。{time}に新しい{goods}をお送りします。"),
    ("{time}は開いていますか。", "はい、{time}は九時から開いています。"),
]


def japanese(dice: Dice) -> list[dict[str, Any]]:
    """Make answers of a shop, in a script of which the tests' small model has never seen a letter."""
    records = []
    for _ in range(120):
        slots = {"goods": dice.pick(GOODS), "time": dice.pick(TIMES), "price": str(100 * (3 + dice.below(60)))}
        asked, answered = dice.pick(TALKS)
        records.append(
            {
                "messages": [
                    {"role": "user", "content": dice.write("[|すみません、|こんにちは。]" + asked, slots)},
                    {"role": "assistant", "content": dice.write(answered + "ありがとうございます。", slots)},
                ]
            }
        )
    return records
