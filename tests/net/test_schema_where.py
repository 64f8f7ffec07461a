"""Look-ups over all dialects answer from the overlays what the built schemas would answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from prototxt_net.schema import load
from prototxt_net.schema.declaration import parse, write

SCHEMAS = {dialect: load.schema(dialect) for dialect in load.DIALECTS}


def test_dialects_with_field_agrees_with_the_schemas() -> None:
    names = {
        (message.name, field)
        for schema in SCHEMAS.values()
        for message in schema.messages.values()
        for field in message.fields
    }
    for message, field in names:
        expected = tuple(
            dialect
            for dialect, schema in SCHEMAS.items()
            if message in schema.messages and field in schema.messages[message].fields
        )
        assert load.dialects_with_field(message, field) == expected, (message, field)


def test_dialects_with_enum_value_agrees_with_the_schemas() -> None:
    names = {
        (enum.name, value) for schema in SCHEMAS.values() for enum in schema.enums.values() for value in enum.values
    }
    for enum, value in names:
        expected = tuple(
            dialect
            for dialect, schema in SCHEMAS.items()
            if enum in schema.enums and value in schema.enums[enum].values
        )
        assert load.dialects_with_enum_value(enum, value) == expected, (enum, value)


def test_dialects_with_layer_type_agrees_with_the_schemas() -> None:
    for layer_type in set().union(*(schema.layer_types for schema in SCHEMAS.values())):
        expected = tuple(dialect for dialect, schema in SCHEMAS.items() if layer_type in schema.layer_types)
        assert load.dialects_with_layer_type(layer_type) == expected, layer_type


@pytest.mark.parametrize(
    ("message", "field", "dialects"),
    [
        ("BatchNormParameter", "scale_bias", ("nvidia-0.17", "nvidia-0.16", "jacinto-0.17")),
        ("PoolingParameter", "ceil_mode", ("synopsys",)),
        ("NoSuchParameter", "axis", ()),
        ("TransformationParameter", "color", ()),
    ],
)
def test_who_has_a_field(message: str, field: str, dialects: tuple[str, ...]) -> None:
    assert load.dialects_with_field(message, field) == dialects


def test_where_a_field_belongs() -> None:
    assert load.messages_with_field("bvlc", "num_output") == (
        "ConvolutionParameter",
        "InnerProductParameter",
        "EmbedParameter",
        "RecurrentParameter",
        "V0LayerParameter",
    )
    assert load.messages_with_field("bvlc", "scale_bias") == ()


@pytest.mark.parametrize(
    "text",
    [
        "repeated int64 dim = 1 [packed = true]",
        "optional float eps = 3 [default = 1e-05]",
        'optional string crop_mode = 11 [default = "warp"]',
        'optional string conv_algos_override = 20 [default = "-1,-1,-1"]',
        "optional PoolingParameter.PoolMethod pool = 1 [default = MAX]",
        "required float min = 1",
        "optional bool old = 4 [default = true, packed = true, deprecated = true]",
    ],
)
def test_a_declaration_is_written_as_it_was_read(text: str) -> None:
    assert write(parse(text, {"PoolingParameter.PoolMethod"})) == text


@pytest.mark.parametrize("text", ["", "float eps = 3", "optional float eps", "optional float eps = 3;"])
def test_what_is_no_declaration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a field declaration"):
        parse(text, ())


def test_the_schema_of_bvlc_needs_neither_protobuf_nor_the_documentation() -> None:
    code = (
        "import sys; from prototxt_net.schema import load; load.schema('bvlc');"
        "print([name for name in ('google.protobuf', 'json', 'tomllib', 'prototxt_net.schema._generated.docs')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
