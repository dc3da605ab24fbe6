"""Signs of personal data: what has a form is found as people of several countries write it; what only looks like it is not."""

from __future__ import annotations

import pytest

from brightrun_tui import datasets
from brightrun_tui.datasets.personal import CARD, EMAIL, IBAN, IDENTITY, TELEPHONE, personal_data
from tests.datasets.conftest import Write, lines

AROUND = {
    "da": "Goddag og tak for din besked, vi vender snart tilbage til dig.",
    "de": "Guten Tag, vielen Dank für Ihre Nachricht, wir melden uns bei Ihnen.",
    "en": "Hello and thank you for your message, we will get back to you soon.",
    "es": "Hola, gracias por su mensaje, le responderemos muy pronto.",
    "fr": "Bonjour, merci pour votre message, nous vous répondrons bientôt.",
    "it": "Buongiorno, grazie per il suo messaggio, risponderemo presto.",
    "nl": "Goedendag, bedankt voor uw bericht, wij nemen contact met u op.",
    "pl": "Dzień dobry, dziękujemy za wiadomość, wkrótce odpowiemy.",
    "pt": "Bom dia, obrigado pela sua mensagem, responderemos em breve.",
    "ru": "Здравствуйте, спасибо за сообщение, мы скоро ответим вам.",
    "sv": "Hej och tack för ditt meddelande, vi återkommer snart till dig.",
    "tr": "Merhaba, mesajınız için teşekkürler, en kısa sürede döneceğiz.",
}
"""The rest of the record, which tells its language."""

TELEPHONES = [
    ("de", "Tel. 0221 550000"),
    ("de", "Rufen Sie uns an: 0221/55 00 00"),
    ("de", "Mobil 0151-23456789"),
    ("de", "meine Nummer ist 0176 81234567"),
    ("de", "oder 017681234567"),
    ("de", "unter +49 (0)221 123 45 67 erreichbar"),
    ("de", "0049 30 901820"),
    ("de", "(030) 90 18 20"),
    ("de", "Fax: 040/4280-0, bitte"),
    ("de", "in Zürich 044 668 18 00"),
    ("de", "in Wien, Tel.: 01 53417-0"),
    ("en", "call me at (415) 555-2671"),
    ("en", "my number is 415-555-2671"),
    ("en", "call 212.555.0187 today"),
    ("en", "reach us on 020 7946 0958"),
    ("en", "mobile 07911 123456"),
    ("en", "+353 1 679 6000"),
    ("nl", "Bel 020 624 1111"),
    ("nl", "06-12345678 is mijn nummer"),
    ("fr", "Appelez le 01 42 68 53 00"),
    ("fr", "mon portable 06.12.34.56.78"),
    ("es", "Llame al 912 345 678"),
    ("es", "móvil 612345678"),
    ("it", "chiama 06 6982 1234"),
    ("it", "cell. 347 123 4567"),
    ("pl", "zadzwoń 601 234 567"),
    ("sv", "ring 08-508 290 00"),
    ("da", "tlf. 33 66 33 66"),
    ("pt", "ligue 213 241 500"),
    ("tr", "0212 455 59 00"),
    ("ru", "8 (495) 606-36-02"),
]

OTHERS = [
    ("de", "write to anna.lind@shop-24.de please", EMAIL),
    ("de", "IBAN DE89 3704 0044 0532 0130 00", IBAN),
    ("fr", "IBAN FR1420041010050500013M02606", IBAN),
    ("en", "my card is 4111-1111-1111-1111.", CARD),
    ("en", "Amex 378282246310005", CARD),
    ("en", "SSN 536-90-4399", IDENTITY),
    ("fr", "sécurité sociale 2 55 08 14 168 025 38", IDENTITY),
    ("it", "codice fiscale RCCMNL83S18D969H", IDENTITY),
    ("es", "DNI 54362315K", IDENTITY),
    ("nl", "BSN 111222333", IDENTITY),
    ("de", "Steuer-ID 36 574 261 809", IDENTITY),
    ("de", "USt-IdNr. DE136695976", IDENTITY),
]

NOTHING = [
    ("de", "Ihre Bestellnummer ist 20240102-123456"),
    ("de", "Bestellung 4711081512 wurde versandt"),
    ("de", "Sendungsnummer 00340434161094022115"),
    ("de", "vom 01.02.2024 um 14:30 Uhr bis 15.03.2024"),
    ("de", "2024-01-02 10:11:12"),
    ("de", "statt 1.499,00 € nur 1.299,00 €"),
    ("de", "100 000 000 Euro"),
    ("de", "Rechnung RE-2024-00123456"),
    ("de", "Artikelnr. 0815-4711"),
    ("de", "Kundennummer 123456789"),
    ("de", "ISBN 978-3-16-148410-0"),
    ("de", "PLZ 50667 Köln, 10115 Berlin"),
    ("de", "IP 192.168.178.1, Version 1.2.3.4"),
    ("de", "Seriennummer 012345678901"),
    ("de", "Zählerstand 012 345 678 kWh"),
    ("de", "EAN 4006381333931"),
    ("de", "Az. 12 O 345/21"),
    ("de", "IBAN DE89 3704 0044 0532 0130 01, Karte 4111 1111 1111 1112"),
    ("de", "IMEI 356938035643809"),
    ("en", "order 112-3456789-1234567"),
    ("en", "tracking number 9400 1000 0000 0000 0000 00"),
    ("en", "tracking 1Z999AA10123456784"),
    ("en", "invoice 1000000000000"),
    ("en", "on 03/15/2024, at 2024-03-15T10:30:00Z"),
    ("en", "price $1,299.00 or $12,345,678.90"),
    ("en", "SKU 4155552671, order 2125550187"),
    ("en", "ZIP 94103-1234, part no. 555-1234"),
    ("en", "between 1995-2005 and 2010-2020"),
    ("en", "pi is 3.14159265358979, which is not 1234567890"),
    ("en", "550e8400-e29b-41d4-a716-446655440000"),
    ("en", "timestamp 1700000000, you@example.com"),
    ("fr", "commande 0612345678901"),
    ("fr", "le 01/02/2024 de 10h30 à 12h00"),
    ("fr", "prix 1 299 000 €"),
    ("nl", "factuur 20240012345, bestelling 300612345678"),
    ("es", "pedido 612345678"),
    ("es", "1.234.567 euros"),
    ("it", "ordine 3471234567"),
    ("pl", "cena 601 234 567 zł, zamówienie 601234567"),
    ("pt", "pedido 213241500"),
    ("da", "ordre 33663366"),
]


@pytest.mark.parametrize(
    ("language", "text", "kind"), [*((language, text, TELEPHONE) for language, text in TELEPHONES), *OTHERS]
)
def test_it_is_found_as_people_write_it(language: str, text: str, kind: str) -> None:
    assert personal_data([AROUND[language], text]) == [kind]


@pytest.mark.parametrize(("language", "text"), NOTHING)
def test_what_only_looks_like_it_is_left_alone(language: str, text: str) -> None:
    """Orders, prices, dates, parcels: a warning that is mostly wrong is not read."""
    assert personal_data([AROUND[language], text]) == []


def test_each_kind_is_counted_and_the_text_itself_is_never_said(write: Write) -> None:
    """The report says how many of which kind, and where; who wants to see them asks for the records."""
    said = {3: "Tel. 0221 550000", 5: "mail an eva@firma-x.de", 8: "Tel. 0221 550001 oder eva@firma-x.de"}
    rows = [{"prompt": f"Frage {n}?", "completion": f"{AROUND['de']} {said.get(n, n)}"} for n in range(20)]
    found = datasets.examine(write("d.jsonl", lines(*rows)))
    problem = next(each for each in found.report.problems if each.kind == "personal")
    assert problem.count == 3 and list(found.entries["personal"]) == [3, 5, 8] and problem.places[0] == "line 4"
    assert f"{TELEPHONE} in 2" in problem.what and f"{EMAIL} in 2" in problem.what
    whole = found.report.model_dump_json(exclude={"preview", "texts"})
    assert "550000" not in whole and "firma-x" not in whole
