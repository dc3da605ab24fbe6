"""Words that one may put for another without saying anything else: small ones, and those that mean the same."""

from __future__ import annotations

from brightrun_tui.trainer.report.fact_words import LIGHT

SMALL = frozenset(
    "can could may might must shall should will would have has had having did done get gets got i he she they "
    "them us me him her his "
    "mostly nearly almost largely quite rather fairly already still again even just simply well along together "
    "meist fast ziemlich schon gerne gern gut sehr sogar direkt einfach ganz immer "
    "their its yours ours who which what when where there here then than with within by from into onto out "
    "about around up down off "
    "over as if but also just too only each per both please kindly not no how if while once via "
    "kann können kannst darf dürfen muss müssen soll sollen wird werden wurde wurden hat haben hatte er man "
    "uns ihnen ihre ihren ihrem "
    "euch mich mir dich dir bei mit von vom zum zur im in am an auf für nach aus bis etwa rund auch noch nur "
    "bitte wie wenn dann dass "
    "je tu il elle on nous vous ils elles peut peuvent pouvez avec dans pour par sur du de au aux "
    "en y à ne se ce cette "
    "puede pueden será con por para del al su sus se lo que "
    "的 了 吗 呢 在 是 就 会 能 可 以 请 您 你 我 们 即 后 内 前 也 都 和 与".split()
)
"""Words that carry others: one in the place of another need not change what is said."""
NEUTRAL = LIGHT | frozenset(
    "please kindly just also too so then here there i us me my their them they can could would about around roughly "
    "approximately simply well quite rather once that which who what when where how if by within had has have get gets "
    "do did done will shall be being into onto out up over than with from there's it's o'clock only nur "
    "seulement solo sólo alleen "
    "bitte einfach auch noch kann können kannst darf dürfen wird werden wurde haben hat man uns ihnen ihre "
    "ihren ihrem dir dich "
    "etwa rund ca zum zur im am auf für von bei mit dann dass also gern gerne "
    "je tu il elle on nous vous peut peuvent pouvez dans pour du de au aux en y à se ce cette "
    "puede pueden para del al su sus se lo que "
    "的 了 吗 呢 在 是 就 会 能 可 以 请 您 你 我 们 即 也 都 和 与".split()
)
"""Words one of which more or less changes nothing even where all others are the same."""
PERSONS = {
    word: person
    for person, words in enumerate(
        ("i we our us wir unser unsere uns nous notre nosotros nuestro", "you your vous votre usted"), 1
    )
    for word in words.split()
}
"""Who does it: those who answer, or those who ask."""
BEFOREHAND = frozenset("within before until till by innerhalb binnen bis vor avant jusqu dentro antes hasta".split())
AFTERWARDS = frozenset("after from since nach ab seit après depuis dès después desde".split())
_SAME = (
    "may can could|nearly almost practically|until till|everybody everyone|anybody anyone|anything everything|"
    "somebody someone|nobody none|pound lb|pounds lbs|accept take receive|buy purchase|send ship post "
    "dispatch mail forward|deliver bring|new fresh|"
    "fast quick quickly rapid swift|"
    "big large|begin start commence|begins starts commences|end finish stop|ask request|contact reach call|"
    "need require|needs requires|"
    "pay cost|pays costs|obtain receive get|use utilise utilize|tell say inform notify|repair fix mend service|"
    "repairs fixes mends|"
    "photo picture image|parcel package packet box|shop store|bike bicycle|bikes bicycles|phone telephone|"
    "email mail e-mail|"
    "customer client buyer|customers clients|staff team|guarantee warranty|help assist|select choose pick|"
    "check verify inspect test|"
    "wipe clean|put place set|approximately roughly about around circa|usually normally typically|arrive come|"
    "arrives comes|"
    "allowed permitted|forbidden prohibited|toxic poisonous|toddler child|discs rotors|price cost|"
    "directly straight immediately|"
    "reply answer respond|show display|button key|screen display|turn rotate|push press|hold keep|switch turn|"
    "remove delete|"
    "receive get|return refund|back return|complimentary free|whole entire full|every each all|"
    "page site website|account profile|"
    "invoice bill|booking reservation|book reserve|change alter modify|cancel annul|error fault mistake|"
    "broken damaged defective|"
    "several many multiple|automobile car|film movie|garbage trash rubbish|holiday vacation|lift elevator|"
    "flat apartment|"
    "paket sendung päckchen|laden geschäft|schicken senden versenden|kaufen erwerben|beginnt startet|"
    "beginnen starten|rechnung faktura|"
    "garantie gewährleistung|schnell rasch zügig|kostenlos gratis kostenfrei umsonst|wählen auswählen|"
    "foto bild|telefon handy|"
    "mail e-mail email|anrufen telefonieren|ändern anpassen|stornieren absagen|kaputt defekt beschädigt|"
    "bekommen erhalten|"
    "benötigen brauchen|nehmen akzeptieren|reparieren richten|ungefähr circa etwa|colis paquet|"
    "magasin boutique|gratuit offert|"
    "envoyer expédier|acheter commander|paquete envío|tienda comercio|gratis gratuito"
)
SAME: dict[str, frozenset[str]] = {}
"""By word, those that may be said in its place."""
for _group in _SAME.split("|"):
    for _one in _group.split():
        SAME[_one] = SAME.get(_one, frozenset()) | frozenset(_group.split())
