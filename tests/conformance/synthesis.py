"""Inputs made from a service's model: a valid one for each operation, and for each member the values at and beyond every limit.

A case is one member of an otherwise valid input with one value, and what the answer to it must be:
  VALIDATION  refused by the protocol's validation error
  SERIAL      refused because it cannot be read as the member's type
  ACCEPTED    validation has nothing against this member; what the service says then is its own matter
"""
import base64
import json
import re
import sre_parse
import warnings
from dataclasses import dataclass

warnings.filterwarnings("ignore", category=FutureWarning)

VALIDATION, SERIAL, ACCEPTED = "validation", "serial", "accepted"
DEPTH_MAX = 3
TEXT_MAX = 140_000  # longer strings are no boundary any request body reaches
REMOVED = object()


@dataclass(frozen=True)
class Case:
    name: str       # "TagKey: one above max"
    input: object   # what is serialised; may be against the model
    expect: object  # one of the three above; None: only that it is answered in time, and by a name that is known
    member: str = ""  # as validation messages call it: "tags.1.member.tagKey"


# Patterns

def translated(pattern):
    """A model's pattern (Java's dialect) for Python's re; None when it has what Python lacks."""
    classes = {"L": "a-zA-Z\u00aa-\uffff", "M": "\u0300-\u036f", "N": "0-9", "Z": " \u00a0", "P": "!-/:-@\\[-`{-~", "S": "$+<=>^`|~"}
    text = re.sub(r"\\p\{(?:Is)?([LMNZPS])[a-z]*\}", lambda m: classes[m[1]], pattern)
    text = re.sub(r"\\x\{([0-9A-Fa-f]+)\}", lambda m: "\\U" + m[1].zfill(8), text)
    try:
        return re.compile(text)
    except (re.error, OverflowError):
        return None


def example(parsed, extra):
    """A string of the parsed pattern, each repetition taken `extra` times more than it must."""
    out = []
    for kind, value in parsed:
        name = str(kind)
        if name == "LITERAL":
            out.append(chr(value))
        elif name == "NOT_LITERAL":
            out.append("a" if value != ord("a") else "b")
        elif name == "ANY":
            out.append("a")
        elif name == "IN":
            out.append(member_of(value))
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = value
            count = min(least + extra, most if most != sre_parse.MAXREPEAT else least + extra)
            out.append("".join(example(inner, extra) for _ in range(min(count, 5000))))
        elif name == "SUBPATTERN":
            out.append(example(value[3], extra))
        elif name == "BRANCH":
            out.append(example(value[1][0], extra))
        # anchors and look-arounds add nothing
    return "".join(out)


def member_of(choices):
    negated = str(choices[0][0]) == "NEGATE"
    letters = {"CATEGORY_WORD": "a", "CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_NOT_SPACE": "a", "CATEGORY_NOT_DIGIT": "a"}
    if negated:
        regex_choices = choices[1:]
        for candidate in "a1-_Z":
            if not any(str(k) == "LITERAL" and v == ord(candidate) or str(k) == "RANGE" and v[0] <= ord(candidate) <= v[1]
                       for k, v in regex_choices):
                return candidate
        return "~"
    for kind, value in choices:
        if str(kind) == "RANGE" and value[0] <= ord("a") <= value[1]:
            return "a"
    kind, value = choices[0]
    if str(kind) == "LITERAL":
        return chr(value)
    if str(kind) == "RANGE":
        return chr(value[0])
    return letters.get(str(value), "a")


def text_of(shape, length=None):
    """A string that the shape allows, of this length if given; None when none was found."""
    if shape.enum:
        return shape.enum[0] if length in (None, len(shape.enum[0])) else None
    least, most = shape.metadata.get("min", 0), min(shape.metadata.get("max", TEXT_MAX), TEXT_MAX)
    pattern = shape.metadata.get("pattern")
    if not pattern:
        return "a" * (length if length is not None else max(least, 1 if most else 0))
    regex = translated(pattern)
    if regex is None:
        return None
    parsed = sre_parse.parse(regex.pattern)
    wanted = range(max(least, 1), most + 1) if length is None else range(length, length + 1)
    if not wanted:
        return None
    for extra in (*range(0, 40), 60, 100, 128, 200, 250, 500, 1000, 2000):
        text = example(parsed, extra)
        if len(text) > wanted[-1] and extra:
            break
        if len(text) not in wanted and text and len(text) < wanted[0]:
            text += text[-1] * (wanted[0] - len(text))
        if len(text) in wanted and regex.fullmatch(text):
            return text
    return None


def text_against(shape):
    """A string of allowed length that the pattern refuses; None when none was found."""
    regex = translated(shape.metadata["pattern"])
    if regex is None:
        return None
    least, most = max(shape.metadata.get("min", 1), 1), shape.metadata.get("max", 256)
    for seed in ("\u0007", " ", "\u20ac", "!", "%", "a b", "*"):
        text = (seed * least)[:most]
        if least <= len(text) <= most and not regex.fullmatch(text):
            return text
    return None


# Whole inputs

class Maker:
    """Makes inputs of one service. `known` gives values for members that name something that exists."""

    def __init__(self, known):
        self.known = known

    def valid(self, shape, name=""):
        kind = shape.type_name
        if kind == "structure":
            return {m: self.valid(shape.members[m], m) for m in shape.required_members}
        if kind == "list":
            return [self.filled(shape.member, name) for _ in range(max(shape.metadata.get("min", 1), 1))]
        if kind == "map":
            return {self.valid(shape.key): self.valid(shape.value)}
        if kind == "string":
            known = self.known.get(name) or self.known.get(shape.name)
            return known if known is not None else text_of(shape) or "a"
        if kind == "blob":
            return b"\x01" * max(shape.metadata.get("min", 16), 1)
        if kind in ("integer", "long") and isinstance(self.known.get(name), int):
            return self.known[name]
        if kind in ("integer", "long"):
            return max(shape.metadata.get("min", 1), min(10, shape.metadata.get("max", 10)))
        if kind == "timestamp":
            return 1_600_000_000
        if kind == "boolean":
            return False
        return 1.5

    def filled(self, shape, name):
        """Valid, and not empty: an empty structure leaves no trace in a form."""
        made = self.valid(shape, name)
        if made == {} and shape.type_name == "structure" and shape.members:
            first = next(iter(shape.members))
            made = {first: self.valid(shape.members[first], first)}
        return made

    def build(self, shape, path, leaf, name=""):
        """A valid input with `leaf` at `path`; REMOVED takes the member away."""
        if not path:
            return leaf
        step, rest = path[0], path[1:]
        if shape.type_name == "structure":
            made = self.valid(shape, name)
            inner = self.build(shape.members[step], rest, leaf, step)
            if inner is REMOVED:
                made.pop(step, None)
            else:
                made[step] = inner
            return made
        if shape.type_name == "list":
            others = [self.valid(shape.member, name) for _ in range(max(shape.metadata.get("min", 1), 1) - 1)]
            return [self.build(shape.member, rest, leaf, name), *others]
        if step == "key":
            return {self.build(shape.key, rest, leaf): self.valid(shape.value)}
        return {self.valid(shape.key): self.build(shape.value, rest, leaf)}

    def cases(self, operation):
        shape = operation.input_shape
        if shape is None:
            return
        yield Case("valid", self.valid(shape), ACCEPTED)
        yield Case("unknown member", {**self.valid(shape), "NobodyKnowsThis": "x"}, ACCEPTED)
        for path, member, required in members_of(shape):
            label = ".".join(path)
            for what, leaf, expect in self.leaves(member, required, path[-1] if path else ""):
                yield Case(f"{label}: {what}", self.build(shape, path, leaf), expect, message_path(path))

    def leaves(self, shape, required, name):
        """(what, value, expectation) for one member."""
        kind, limits = shape.type_name, shape.metadata
        least, most = limits.get("min"), limits.get("max")
        if required:
            yield "missing", REMOVED, VALIDATION
        yield "null", None, VALIDATION if required else None if name in ("item", "key", "value") else ACCEPTED
        if kind == "string":
            yield from self.text_leaves(shape, least, most, name == "key")
        elif kind == "blob":
            yield "not base64", Raw('"***"'), SERIAL
            yield "of another type", Raw("[1]"), SERIAL
            if least:
                yield "one below min", b"x" * (least - 1), VALIDATION
            if most and most <= TEXT_MAX:
                yield "max", b"x" * most, ACCEPTED
                yield "one above max", b"x" * (most + 1), VALIDATION
        elif kind in ("integer", "long"):
            if least is not None:
                yield "min", least, ACCEPTED
                yield "one below min", least - 1, VALIDATION
            if most is not None:
                yield "max", most, ACCEPTED
                yield "one above max", most + 1, VALIDATION
            yield "text", "ten", SERIAL
            yield "beyond 64 bits", Raw("123456789012345678901234567890"), SERIAL
        elif kind == "boolean":
            yield "text", "maybe", SERIAL
        elif kind == "timestamp":
            yield "text", "never", SERIAL
            yield "far future", 9e18, SERIAL
        elif kind == "list":
            yield from self.list_leaves(shape, least, most, name)
        elif kind == "map":
            yield "of another type", Raw('"text"'), SERIAL
            if least:
                yield "empty", {}, VALIDATION
            if most and most <= 1000:
                yield "one above max", {f"k{n}": self.valid(shape.value) for n in range(most + 1)}, VALIDATION
        elif kind == "structure":
            yield "of another type", Raw('"text"'), SERIAL

    def text_leaves(self, shape, least, most, is_key):
        plain = not shape.enum
        if not is_key:  # JSON's keys are texts whatever one does
            yield "of another type", Raw("{}"), SERIAL
        if shape.enum:
            yield "no such value", "NoSuchValue", VALIDATION
            yield "another case", shape.enum[0].swapcase(), VALIDATION if shape.enum[0].swapcase() not in shape.enum else ACCEPTED
        yield "empty", "", VALIDATION if least or shape.enum or self.refuses_empty(shape) else ACCEPTED
        if plain and least and least > 1:
            yield "one below min", (text_of_loose(shape, least - 1)), VALIDATION
        if plain and least and (text := text_of(shape, least)) is not None:
            yield "min", text, ACCEPTED
        if plain and most and most <= TEXT_MAX:
            if (text := text_of(shape, most)) is not None:
                yield "max", text, ACCEPTED
            yield "one above max", text_of_loose(shape, most + 1), VALIDATION
        if plain and shape.metadata.get("pattern") and (text := text_against(shape)) is not None:
            yield "against the pattern", text, VALIDATION
        yield "with a zero byte", "a\x00b" + "c" * max((least or 0) - 3, 0), None
        yield "beyond the basic plane", "\U0001F511" * max(least or 1, 1), None

    @staticmethod
    def refuses_empty(shape):
        regex = translated(shape.metadata["pattern"]) if shape.metadata.get("pattern") else None
        return regex is not None and not regex.fullmatch("")

    def list_leaves(self, shape, least, most, name):
        yield "of another type", Raw('"text"'), SERIAL
        if least:
            yield "empty", [], VALIDATION
        if most and most <= 1000:
            yield "one above max", [self.filled(shape.member, name) for _ in range(most + 1)], VALIDATION
        yield "with null", [None], None


def text_of_loose(shape, length):
    """Of this length; of the pattern where that can be had (one above max never matters: the length alone is wrong)."""
    regex = translated(shape.metadata.get("pattern", "")) if shape.metadata.get("pattern") else None
    text = text_of(shape)
    if regex is not None and text:
        longer = (text + text[-1] * length)[:length]
        return longer
    return "a" * length


@dataclass(frozen=True)
class Raw:
    """A piece of JSON as it is; in a form, its text without the quotes."""
    text: str

    def form_text(self):
        return self.text.strip('"')


def members_of(shape, path=(), depth=1):
    """(path, shape, required) of all members to DEPTH_MAX levels of structures."""
    for name, member in shape.members.items():
        at = (*path, name)
        yield at, member, name in shape.required_members
        yield from inside(member, at, depth)


def inside(shape, path, depth):
    if depth >= DEPTH_MAX:
        return
    if shape.type_name == "structure":
        yield from members_of(shape, path, depth + 1)
    elif shape.type_name == "list":
        at = (*path, "item")
        yield at, shape.member, False
        yield from inside(shape.member, at, depth + 1)
    elif shape.type_name == "map":
        yield (*path, "key"), shape.key, False
        yield (*path, "value"), shape.value, False


def message_path(path):
    """As AWS's validation messages write it: tags.1.member.tagKey."""
    return ".".join("1.member" if step == "item" else step[:1].lower() + step[1:] for step in path)


# On the wire

def as_json(value):
    """JSON text of an input, with Raw pieces as they are."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps("" if k is None or isinstance(k, Raw) else str(k)) + ":" + as_json(v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    if isinstance(value, bytes):
        return json.dumps(base64.b64encode(value).decode())
    return json.dumps(value)


def as_form(shape, value, prefix=""):
    """name, value pairs of an input in the query protocol."""
    if value is None:
        return
    kind = shape.type_name if shape is not None else "string"
    if isinstance(value, Raw):
        yield prefix, value.form_text()
    elif kind == "structure" and isinstance(value, dict):
        for name, one in value.items():
            member = shape.members.get(name)
            wire = member.serialization.get("name", name) if member is not None else name
            yield from as_form(member, one, f"{prefix}.{wire}" if prefix else wire)
    elif kind == "list" and isinstance(value, list):
        if not value:
            yield prefix, ""
        for number, one in enumerate(value, 1):
            yield from as_form(shape.member, one, f"{prefix}.{shape.member.serialization.get('name', 'member')}.{number}")
    elif kind == "map" and isinstance(value, dict):
        for number, (key, one) in enumerate(value.items(), 1):
            yield from as_form(shape.key, key, f"{prefix}.entry.{number}.key")
            yield from as_form(shape.value, one, f"{prefix}.entry.{number}.value")
    elif isinstance(value, bool):
        yield prefix, "true" if value else "false"
    elif isinstance(value, bytes):
        yield prefix, base64.b64encode(value).decode()
    elif kind == "timestamp" and isinstance(value, int):
        yield prefix, "2026-01-01T00:00:00Z"
    else:
        yield prefix, str(value)
