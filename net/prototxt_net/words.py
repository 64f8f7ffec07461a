"""Words for the binder's raw problems: what Caffe does, why, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from prototxt_grammar.tree import Field
from prototxt_net.finding import Problem, Related
from prototxt_net.schema import load
from prototxt_net.schema.model import FieldType, Schema
from prototxt_net.upgrade import V1_TYPES

_WANTED = {
    "integer": "an integer", "float": "a number", "bool": "true or false", "string": "a quoted string",
    "enum": "an enum name without quotes", "range": "an integer in range",
}  # fmt: skip


_SAID_ELSEWHERE = {
    ("PoolingParameter", "ceil_mode"): " `true` is what Caffe does without it; for `false` newer BVLC Caffe has "
    "`round_mode: FLOOR`. Nets of soeaver/caffe-model write it."
}
"""What a field of a fork means to the others, where these can say the same."""
OF_V1 = {"blobs_lr": "lr_mult", "weight_decay": "decay_mult"}
"""Fields of a V1 layer whose values stand in `param` blocks today."""


def explain(problem: Problem, schema: Schema) -> Problem:
    """The problem with its message (and data for the fix). Problems that have a message keep it."""
    if problem.message:
        return problem
    maker = _MAKERS[problem.code]
    return maker(problem, schema)


def _list(names: tuple[str, ...], limit: int = 4) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def visible(text: str) -> str:
    """The text without what would move a terminal's cursor; line breaks become blanks."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\t\r\n" else "\ufffd" for c in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known spelling nearest to a word ("" when none is near); letter case alone counts as very near."""
    candidates = list(known)
    folded = {name.lower(): name for name in candidates}
    if word.lower() in folded:
        return folded[word.lower()]
    from difflib import get_close_matches  # only for a name that nobody knows

    near = get_close_matches(word, candidates, 1, 0.7)
    stem = word.removesuffix("_param")
    if stem != word:  # `conv_param`, `pool_param`; else alike in more than what all such names have
        begun = [name for name in candidates if len(stem) > 2 and name.startswith(stem) and name.endswith("_param")]
        if begun:
            return min(begun, key=len)
        near = [name for name in near if get_close_matches(stem, [name.removesuffix("_param")], 1, 0.5)]
    letters = sorted(word)
    return near[0] if near else next((name for name in candidates if sorted(name) == letters), "")


def _unknown_field(problem: Problem, schema: Schema) -> Problem:
    text, about = _about_field(schema.dialect, str(problem.data["message"]), str(problem.data["field"]))
    return replace(problem, message=text, data={**problem.data, **about})


@lru_cache(maxsize=256)
def _about_field(dialect: str, message: str, field: str) -> tuple[str, dict[str, object]]:
    """What is known of a field that a message does not have; asked again for each place at which it stands."""
    near = nearest(field, load.schema(dialect).messages[message].fields)
    elsewhere = tuple(d for d in load.dialects_with_field(message, field) if d != dialect)
    owners = load.messages_with_field(dialect, field)
    text = f"`{message}` has no field `{field}` in {dialect}; Caffe refuses the file."
    if message == "LayerParameter" and field in OF_V1:
        text += f" It belongs to the old `layers` form: write `param {{ {OF_V1[field]}: ... }}`, one for each blob."
    elif elsewhere:
        text += f" It is a field of {_list(elsewhere)}: choose that dialect, or delete it."
        text += _SAID_ELSEWHERE.get((message, field), "")
    elif near:
        text += f" Did you mean `{near}`?"
    elif owners and len(owners) <= 6:
        text += f" `{field}` is a field of {_list(owners)}: it may be in the wrong block."
    else:
        text += " No known Caffe has it: delete it, or look for the fork that it came from. If that is your own, list "
        text += "it under `ignore-fields` in the configuration."
    return text, {"near": near, "dialects": elsewhere, "owners": owners}


def _unknown_enum(problem: Problem, schema: Schema) -> Problem:
    type_ = problem.data["type"]
    assert isinstance(type_, FieldType)
    found, field = str(problem.data["found"]), str(problem.data["field"])
    allowed = tuple(schema.enums[type_.type_name].values)
    near = nearest(found, allowed)
    elsewhere = tuple(d for d in load.dialects_with_enum_value(type_.type_name, found) if d != schema.dialect)
    wrong_case = near.lower() == found.lower() and near != ""
    text = f"`{found}` is not a value of `{field}` in {schema.dialect} (allowed: {_list(allowed, 12)}); "
    text += "Caffe refuses the file."
    if wrong_case:
        text += f" Enum names are case sensitive: write `{near}`."
    elif elsewhere:
        text += (
            f" {_list(elsewhere)} {'has' if len(elsewhere) == 1 else 'have'} it: choose that dialect, or another value."
        )
    else:
        text += f" Did you mean `{near}`?" if near else " Use one of these."
    data = {**problem.data, "near": near, "dialects": elsewhere, "suggestion": near if wrong_case else ""}
    return replace(problem, code="SYN010" if wrong_case else "SCH002", message=text, data=data)


def _value_type(problem: Problem, schema: Schema) -> Problem:
    type_ = problem.data["type"]
    assert isinstance(type_, FieldType)
    field, found = str(problem.data["field"]), str(problem.data["found"])
    reason = str(problem.data.get("reason", ""))
    if type_.kind == "message":
        wanted = f"a message in braces: `{field} {{ ... }}`"
    elif found in ("{", "<"):
        wanted = "a plain value, not a message"
    elif reason == "range" and type_.kind != "bool":
        wanted = f"a value of type {type_.kind}"
    else:
        wanted = _WANTED["bool"] if type_.kind == "bool" else _WANTED.get(reason, type_.kind)
    if reason == "integer" and type_.kind.startswith("u"):
        wanted = "an integer that is not negative"
    suggestion = _suggestion(type_, found, reason, schema)
    text = f"`{field}` takes {wanted}, found `{_short(found)}`; Caffe refuses the file."
    text += f" Write `{suggestion}`." if suggestion else " Correct the value."
    return replace(problem, message=text, data={**problem.data, "suggestion": suggestion})


def _suggestion(type_: FieldType, found: str, reason: str, schema: Schema) -> str:
    """A rewrite that keeps the evident meaning, "" when there is none."""
    inner = found[1:-1] if len(found) >= 2 and found[0] in "\"'" and found[-1] == found[0] else ""
    if reason == "string" and found.replace("_", "").isalnum():
        if type_.name != "type":
            return f'"{found}"'
        return "" if found[0].isdigit() else f'"{V1_TYPES.get(found, found)}"'
    if reason == "integer":
        text = inner or found
        try:
            number = float(text)
        except ValueError:
            return ""
        if not number.is_integer() or (number < 0 and type_.kind.startswith("u")) or abs(number) > 2**53:
            return ""
        return str(int(number))
    if reason == "float":
        text = inner or found.removeprefix("+")
        try:
            float(text)
        except ValueError:
            return ""
        return text if text != found else ""
    if reason in ("bool", "range") and type_.kind == "bool":
        word = (inner or found).lower()
        return {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}.get(
            word, ""
        )
    if reason == "enum" and inner:
        return nearest(inner, schema.enums[type_.type_name].values)
    return ""


def _missing_colon(problem: Problem, schema: Schema) -> Problem:
    field = problem.data["field"]
    text = f"`{field}` holds a plain value, so it needs a colon and no braces. Write `{field}: ...`."
    return replace(problem, code="SYN010", message=text + " Caffe refuses the file.")


def _singular(problem: Problem, schema: Schema) -> Problem:
    field, message = problem.data["field"], problem.data["message"]
    if problem.data.get("list"):
        text = (
            f"`{field}` is not a repeated field of `{message}`, so Caffe refuses a list `[...]` there. Give one value."
        )
        return replace(problem, message=text)
    first = problem.data["first"]
    assert isinstance(first, Field)
    text = (
        f"`{field}` may appear once in `{message}`; Caffe refuses the file instead of merging the two. "
        f"{'Combine them.' if problem.data['kind'] == 'message' else 'Keep one.'}"
    )
    return replace(problem, message=text, related=(Related(f"first `{field}`", first.start, first.name_end),))


def _required(problem: Problem, schema: Schema) -> Problem:
    field, message = problem.data["field"], problem.data["message"]
    text = (
        f"`{message}` must have `{field}`: it is a required field without a default, so Caffe refuses the file. Add it."
    )
    return replace(problem, message=text)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


_MAKERS = {
    "SCH001": _unknown_field,
    "SCH002": _unknown_enum,
    "SCH017": _required,
    "SYN009": _missing_colon,
    "SYN010": _value_type,
    "SYN011": _singular,
}
