"""Which JSON schemas an answer can be held to: those that the engine follows, with a bounded amount of work.

An engine that cannot follow one says so in its log, and answers as if no form had been asked for; one that takes too much work
it begins all the same, and nobody else is answered meanwhile.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic_core import from_json

MAX_SCHEMA_BYTES = 64 << 10
MAX_TOOLS_BYTES = 256 << 10
"""Of the parameters of all tools that may be called."""
MAX_SCHEMA_DEPTH = 32
MOST_ITEMS = 10_000
"""``minItems`` and ``maxItems``; the engine takes memory for each of them."""
MOST_PROPERTIES = 1000
MOST_CHARACTERS = 1 << 20
MOST_PATTERNS = 64
MOST_PATTERNS_MET = 4
"""Patterns, formats and multiples where ``allOf`` may ask one text to fit several."""
LARGEST_MULTIPLE = 1000
"""Of the digits of ``multipleOf``: the engine remembers as many remainders."""
LONGEST_PATTERN = 256
MOST_REPEATS = 1000

Schema = dict[str, Any]

_TYPES = {"string", "number", "integer", "boolean", "null", "array", "object"}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
_NOT_FOLLOWED = (
    *("not", "if", "then", "else", "uniqueItems", "contains", "minContains", "maxContains", "propertyNames"),
    *("dependentRequired", "dependentSchemas", "dependencies", "unevaluatedItems", "unevaluatedProperties"),
    *("$dynamicRef", "$recursiveRef", "x-guidance"),
)
_SAYS_NOTHING: dict[str, tuple[object, ...]] = {
    "not": (None, False),
    "contains": (None,),
    **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties", "propertyNames"), (None, True, {})),
}
"""Of words whose empty or false value may say something: those that do not."""
_BOUNDS = {
    ("minItems", "maxItems"): MOST_ITEMS,
    ("minProperties", "maxProperties"): MOST_PROPERTIES,
    ("minLength", "maxLength"): MOST_CHARACTERS,
}
_HALF_A_WORD = re.compile(r"(?:t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?|-|-?[0-9]+(?:\.|(?:\.[0-9]+)?[eE][+-]?))\Z")
"""What the parser of beginnings takes for an error."""
_REPEATS = re.compile(r"\{(\d*),?(\d*)\}")


class Unfollowed(ValueError):
    """No answer can be held to it; says why."""


def check_schema(schema: Any, most_bytes: int = MAX_SCHEMA_BYTES) -> None:
    """Raise `Unfollowed` where no answer can be held to ``schema``, an object."""
    if not isinstance(schema, dict):
        raise Unfollowed("a schema is an object")
    if len(json.dumps(schema)) > most_bytes or _depth(schema) > MAX_SCHEMA_DEPTH:
        raise Unfollowed(f"a schema may have {most_bytes >> 10} KiB and {MAX_SCHEMA_DEPTH} levels")
    _Check(schema).all()


@dataclass
class _Check:
    root: Schema
    items: int = 0
    patterns: int = 0
    multiples: int = 0
    meets: bool = False
    leads_on: set[int] = field(default_factory=set)

    def all(self) -> None:
        for schema in self._below(self.root):
            for word in _NOT_FOLLOWED:
                value = schema.get(word)
                if value not in _SAYS_NOTHING[word] if word in _SAYS_NOTHING else value:
                    raise Unfollowed(f"“{word}” in a schema is not supported")
            self._types(schema)
            self._numbers(schema)
            self._texts(schema)
            self._choices(schema)
            self._reference(schema)
            self.meets = self.meets or "allOf" in schema or ("$ref" in schema and len(schema) > 1)
        if self.items > MOST_ITEMS:
            raise Unfollowed(f"the arrays in a schema may have {MOST_ITEMS:,} items in all")
        if self.patterns > (MOST_PATTERNS_MET if self.meets else MOST_PATTERNS) or (self.meets and self.multiples > 1):
            raise Unfollowed("there are too many patterns, formats or multiples in a schema")

    def _below(self, schema: Any) -> Iterator[Schema]:
        """Yield the schema and every one in it. Raises `Unfollowed` where something else stands in the place of one."""
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise Unfollowed(f"{str(schema)[:40]} is not a schema")
        yield schema
        for word in ("items", "additionalProperties", "additionalItems"):
            inner = schema.get(word, True)
            for each in inner if isinstance(inner, list) else [inner]:
                yield from self._below(each)
        for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for each in self._of(schema, word, list):
                yield from self._below(each)
        for word in ("properties", "patternProperties", "$defs", "definitions"):
            for each in self._of(schema, word, dict).values():
                yield from self._below(each)

    @staticmethod
    def _of(schema: Schema, word: str, kind: Callable[[], Any]) -> Any:
        found = schema.get(word, kind())
        if not isinstance(found, kind):  # type: ignore[arg-type]  # list or dict
            raise Unfollowed(f"“{word}” in a schema is {'an array' if kind is list else 'an object'}")
        return found

    def _types(self, schema: Schema) -> None:
        given = schema.get("type", "object")
        kinds = given if isinstance(given, list) else [given]
        if not kinds or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
            raise Unfollowed(f"there is no type {json.dumps(given)[:40]} in a schema")
        if not all(isinstance(name, str) for name in self._of(schema, "required", list)):
            raise Unfollowed("“required” in a schema is an array of names")

    def _numbers(self, schema: Schema) -> None:
        for words, most in _BOUNDS.items():
            for word in words:
                number = schema.get(word, 0)
                if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
                    raise Unfollowed(f"“{word}” in a schema is a number from 0 to {most:,}")
        self.items += max(schema.get("minItems", 0), schema.get("maxItems", 0))
        for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
            number = schema.get(word, 1)
            draft_4 = isinstance(number, bool) and word.startswith("exclusive")
            if not draft_4 and (isinstance(number, bool) or not isinstance(number, int | float) or abs(number) > 1e15):
                raise Unfollowed(f"“{word}” in a schema is a number, no larger than 10¹⁵")
        if "multipleOf" in schema:
            self.multiples += 1
            digits = Decimal(str(schema["multipleOf"])).as_tuple()
            if not 0 < int("".join(map(str, digits.digits))) <= LARGEST_MULTIPLE or digits.sign:
                raise Unfollowed(f"“multipleOf” in a schema is above 0, and has digits up to {LARGEST_MULTIPLE:,}")
        least = [*_BOUNDS, ("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")]
        for low, high in least:
            if low in schema and high in schema and schema[low] > schema[high]:
                raise Unfollowed(f"“{low}” in a schema is larger than “{high}”")

    def _texts(self, schema: Schema) -> None:
        form = schema.get("format")
        if form is not None and not (isinstance(form, str) and form in _FORMATS):
            raise Unfollowed(f"the format {json.dumps(form)[:40]} is not supported in a schema")
        for pattern in [*filter(None, [schema.get("pattern")]), *self._of(schema, "patternProperties", dict)]:
            _check_pattern(pattern)
            self.patterns += 1
        self.patterns += form is not None

    def _choices(self, schema: Schema) -> None:
        for word in ("enum", "anyOf", "oneOf", "allOf"):
            if word in schema and not self._of(schema, word, list):
                raise Unfollowed(f"“{word}” in a schema is empty")

    def _reference(self, schema: Schema) -> None:
        """Follow a reference, which leads to a schema of this document and not round in a circle; none is followed
        twice.
        """
        seen: set[int] = set()
        while isinstance(schema, dict) and "$ref" in schema and id(schema) not in self.leads_on:
            if id(schema) in seen:
                raise Unfollowed("the “$ref” of a schema lead round in a circle")
            seen.add(id(schema))
            schema = self._target(schema["$ref"])
        self.leads_on |= seen

    def _target(self, reference: Any) -> Any:
        place: Any = self.root
        if not isinstance(reference, str) or not re.fullmatch(r"#(/.*)?", reference):
            raise Unfollowed("“$ref” in a schema leads to a part of it, as in #/$defs/NAME")
        for word in reference.split("/")[1:]:
            name = word.replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and name.isascii() and name.isdigit() and len(name) < 6:
                place = place[int(name)] if int(name) < len(place) else None
            else:
                place = place.get(name) if isinstance(place, dict) else None
        if not isinstance(place, dict | bool):
            raise Unfollowed(f"there is no {reference[:80]} in the schema")
        return place


@dataclass
class Growing:
    """An answer as it grows that must be JSON."""

    text: str = ""
    looked_at: int = 0

    def broken_by(self, piece: str, ended: bool) -> bool:
        """Say whether the answer cannot be the beginning of JSON any more. Looked at whenever it has doubled, and at its end."""
        self.text += piece
        if not self.text.strip() or (len(self.text) < 2 * self.looked_at and not ended):
            return False
        self.looked_at = len(self.text)
        return not _begins_json(self.text) and not _begins_json(_HALF_A_WORD.sub("", self.text))


def _begins_json(text: str) -> bool:
    try:
        from_json(text or "[", allow_partial="trailing-strings", allow_inf_nan=False)
    except ValueError:
        return False
    return True


def moved(schema: Any, place: str) -> Any:
    """Return the schema as it is at ``place`` of another one, as in ``/properties/a``: its references lead where they led."""
    if isinstance(schema, list):
        return [moved(each, place) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: f"#{place}{each[1:]}"
        if name == "$ref" and isinstance(each, str) and each[:1] == "#"
        else moved(each, place)
        for name, each in schema.items()
    }


def _check_pattern(pattern: Any) -> None:
    """Raise `Unfollowed` for what is no pattern, or takes the engine too long."""
    if not isinstance(pattern, str) or len(pattern) > LONGEST_PATTERN:
        raise Unfollowed(f"a pattern in a schema is a text of at most {LONGEST_PATTERN} characters")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unfollowed(f"a pattern in a schema cannot be read ({error})") from None
    if re.search(r"\(\?(?!:)|\\[1-9kKZzAbB]", pattern):
        raise Unfollowed("a pattern in a schema can neither look around nor back")
    repeats = 1
    for low, high in _REPEATS.findall(pattern):
        repeats *= max(1, int(low or 0), int(high or 0))
    if repeats > MOST_REPEATS:
        raise Unfollowed(f"a pattern in a schema may repeat its parts {MOST_REPEATS:,} times")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(each) for each in inner), default=0)
