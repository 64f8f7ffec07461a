"""The protobuf classes built from the schemas read what the real Caffe wrote, and agree with text_format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from prototxt_net.schema import load
from prototxt_net.schema.descriptors import message_class


@pytest.mark.parametrize("dialect", load.DIALECTS)
def test_every_dialect_has_classes(dialect: str) -> None:
    schema = load.schema(dialect)
    for message in schema.messages.values():
        descriptor = message_class(dialect, message.name).DESCRIPTOR
        assert {field.name for field in descriptor.fields} == set(message.fields)


@pytest.mark.parametrize("dialect", ["bvlc", "ssd", "nvidia-0.17", "synopsys"])
def test_defaults_are_those_of_the_schema(dialect: str) -> None:
    for message in load.schema(dialect).messages.values():
        fields: Any = message_class(dialect, message.name).DESCRIPTOR.fields_by_name
        for field in message.fields.values():
            if field.kind == "enum" and not field.repeated:
                assert (
                    fields[field.name].enum_type.values_by_number[fields[field.name].default_value].number
                    == (load.schema(dialect).enums[field.type_name].values[str(field.default)])
                )
            elif field.kind == "float" and not field.repeated:
                assert fields[field.name].default_value == pytest.approx(field.default, rel=1e-7)
            elif field.kind != "message" and not field.repeated:
                assert fields[field.name].default_value == field.default


def test_a_float_default_is_that_of_float32() -> None:
    batch_norm = message_class("bvlc", "BatchNormParameter")()
    assert batch_norm.moving_average_fraction == pytest.approx(0.999, rel=1e-7)
    assert batch_norm.eps == pytest.approx(1e-5, rel=1e-7)


def test_golden_weights_parse(shared: Path) -> None:
    files = sorted((shared / "oracle" / "golden").glob("*.caffemodel"))
    assert files
    for file in files:
        net: Any = message_class("bvlc", "NetParameter").FromString(file.read_bytes())
        assert net.layer, file.name
        assert all(layer.type in load.schema("bvlc").layer_types for layer in net.layer), file.name
        size = net.ByteSize()
        net.DiscardUnknownFields()  # at any depth
        assert net.ByteSize() == size, f"{file.name} holds a field that the schema lacks"


def test_golden_nets_parse_as_text(shared: Path) -> None:
    for file in sorted((shared / "oracle" / "golden").glob("*.prototxt")):
        net: Any = text_format.Parse(file.read_text(encoding="utf-8"), message_class("bvlc", "NetParameter")())
        assert net.layer or net.layers, file.name


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("nvidia-0.15", "layer { batch_norm_param { scale_filler { value: 1 } engine: CUDNN } }"),
        ("nvidia-0.17", "layer { batch_norm_param { scale_bias: true } }"),
        ("ssd", "layer { norm_param { across_spatial: false scale_filler { value: 20 } } }"),
        ("intel", "layer { batch_norm_param { engine: MKLDNN } }"),
        ("segnet", "layer { bn_param { bn_mode: INFERENCE } }"),
    ],
)
def test_a_field_of_a_fork_parses_there_and_not_in_bvlc(dialect: str, text: str) -> None:
    text_format.Parse(text, message_class(dialect, "NetParameter")())
    with pytest.raises(text_format.ParseError):
        text_format.Parse(text, message_class("bvlc", "NetParameter")())


def test_an_unknown_message_or_dialect_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        message_class("bvlc", "NoSuchParameter")
    with pytest.raises(KeyError):
        message_class("torch", "NetParameter")
