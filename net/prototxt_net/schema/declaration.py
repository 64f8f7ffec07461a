"""One field declaration of proto2, as the schema files and the overlays write it, and back.

    optional PoolingParameter.PoolMethod pool = 1 [default = MAX]

This is the only place that knows the form, for the compiler of the schema, for the overlays and for their generator.
"""

from __future__ import annotations

import re
from collections.abc import Container

Declared = tuple[str, int, str, str, bool, bool, object, bool, bool, bool]
"""The arguments of `model.FieldType`, in order, save that an enum without a stated default has default None."""

SCALARS = {
    "double": 0.0,
    "float": 0.0,
    "int32": 0,
    "int64": 0,
    "uint32": 0,
    "uint64": 0,
    "bool": False,
    "string": "",
    "bytes": b"",
}
"""The scalar types and the value that proto2 gives to an absent field of each."""

_FIELD = re.compile(
    r"(optional|required|repeated) ([\w.]+) (\w+) = (\d+)"
    r'(?: \[(?:default = ("[^"]*"|[^],]+))?(?:, )?(packed = true)?(?:, )?(deprecated = true)?\])?'
)
_SIGNED = re.compile(r"-?\d+")


def parse(text: str, enums: Container[str]) -> Declared:
    """The field that `text` declares, without comment and semicolon. `enums` are the known enum names.

    Raises ValueError when the text is no such declaration.
    """
    match = _FIELD.fullmatch(text)
    if match is None:
        raise ValueError(f"not a field declaration: {text}")
    label, type_name, name, number, stated, packed, deprecated = match.groups()
    repeated = label == "repeated"
    if type_name in SCALARS:
        kind, type_name = type_name, ""
    else:
        kind = "enum" if type_name in enums else "message"
    default: object = None
    if stated is not None:
        default = _value(kind, stated)
    elif not repeated and kind in SCALARS:
        default = SCALARS[kind]
    flags = (stated is not None, bool(deprecated), bool(packed))
    return (name, int(number), kind, type_name, repeated, label == "required", default, *flags)


def _value(kind: str, text: str) -> object:
    if kind in ("float", "double"):
        return float(text)
    if kind == "bool":
        return text == "true"
    if kind in ("string", "bytes"):
        value = text[1:-1]  # no schema uses an escape here
        return value.encode() if kind == "bytes" else value
    return int(text) if _SIGNED.fullmatch(text) else text


def write(declared: Declared) -> str:
    """The declaration that `parse` reads back into the same field."""
    name, number, kind, type_name, repeated, required, default, has_default, deprecated, packed = declared
    label = "repeated" if repeated else "required" if required else "optional"
    options = []
    if has_default:
        options.append(f"default = {write_value(kind, default)}")
    if packed:
        options.append("packed = true")
    if deprecated:
        options.append("deprecated = true")
    tail = f" [{', '.join(options)}]" if options else ""
    return f"{label} {type_name or kind} {name} = {number}{tail}"


def write_value(kind: str, value: object) -> str:
    """A default as the schema language writes it."""
    if kind == "enum":
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        value = value.decode()
    return f'"{value}"' if isinstance(value, str) else str(value)
