"""What the binder accepts as protobuf does, what it refuses, and where the problem stands."""

from __future__ import annotations

import math
from typing import Any

import pytest

from prototxt_grammar import parse
from prototxt_net.file import NetFile
from prototxt_net.read import read
from prototxt_net.schema.load import schema
from prototxt_net.words import nearest

# A layer whose body is the case; «» marks what the problem points at.
REFUSED = {
    "a field that nobody has": ('«strde»: 1', "SCH001"),
    "a field of another block": ("«kernel_size»: 3", "SCH001"),
    "a field of a fork": ("batch_norm_param { «scale_filler» { value: 1 } }", "SCH001"),
    "a field in capitals": ('«Bottom»: "x"', "SCH001"),
    "an unknown field with a message": ("«foo» { bar: 1 }", "SCH001"),
    "inside an unknown field nothing more is said": ("«foo» { kernel_size: 'x' stride: }", "SCH001"),
    "an unknown enum name": ("pooling_param { pool: «MEDIAN» }", "SCH002"),
    "an enum number without a name": ("pooling_param { pool: «9» }", "SCH002"),
    "an enum name in other letters": ("pooling_param { pool: «max» }", "SYN010"),
    "an enum name in quotes": ('pooling_param { pool: «"MAX"» }', "SYN010"),
    "a bare word for a string": ("type: «Convolution»", "SYN010"),
    "a number for a string": ("name: «1»", "SYN010"),
    "a string for a number": ('convolution_param { num_output: «"4"» }', "SYN010"),
    "a float for an integer": ("convolution_param { num_output: «4.0» }", "SYN010"),
    "a word for an integer": ("convolution_param { num_output: «four» }", "SYN010"),
    "a negative number for an unsigned field": ("convolution_param { num_output: «-1» }", "SYN010"),
    "more than 32 bits": ("convolution_param { num_output: «4294967296» }", "SYN010"),
    "more than 31 bits and a sign": ("concat_param { axis: «-2147483649» }", "SYN010"),
    "a bool in other words": ("convolution_param { bias_term: «yes» }", "SYN010"),
    "a bool in capitals": ("convolution_param { bias_term: «TRUE» }", "SYN010"),
    "a bool as 2": ("convolution_param { bias_term: «2» }", "SYN010"),
    "a bool in quotes": ('convolution_param { bias_term: «"true"» }', "SYN010"),
    "a word for a float": ("batch_norm_param { eps: «small» }", "SYN010"),
    "a string for a float": ("batch_norm_param { eps: «'1e-5'» }", "SYN010"),
    "a plain value for a message": ("param: «1»", "SYN010"),
    "a message for a plain value": ("name «{» }", "SYN010"),
    "a message behind a colon for a plain value": ("name: «{» }", "SYN010"),
    "a field twice": ('name: "a" «name»: "b"', "SYN011"),
    "a block twice": ("pooling_param { pad: 1 } «pooling_param» { stride: 2 }", "SYN011"),
    "a list for a single field": ("batch_norm_param { eps: «[1, 2]» }", "SYN011"),
    "a list of one, too": ("batch_norm_param { eps: «[1]» }", "SYN011"),
    "a required field left out": ("clip_param «{» min: 0 }", "SCH017"),
    "the second item of a list": ("convolution_param { kernel_size: [3, «'3'»] }", "SYN010"),
}  # fmt: skip


def problems(text: str, dialect: str = "bvlc") -> list[tuple[str, str]]:
    return [(problem.code, text[problem.start : problem.end]) for problem in read(parse(text), dialect).problems]


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    body, code = REFUSED[case]
    start, end = body.index("«"), body.index("»") - 1
    plain = body.replace("«", "").replace("»", "")
    head = "# above\nlayer {\n  "
    found = read(parse(f"{head}{plain}\n}}\n"), "bvlc").problems
    assert [(p.code, p.start - len(head), p.end - len(head)) for p in found] == [(code, start, end)]
    assert found[0].aborts
    assert found[0].message


READ = {
    "a string": ('name: "a"', "name", "a"),
    "single quotes": ("name: 'a'", "name", "a"),
    "adjacent strings": ("name: 'a' \"b\"  # c\n 'c'", "name", "abc"),
    "an escape": (r'name: "a\x41\n\101"', "name", "aA\nA"),
    "a string outside ASCII": ('name: "größe"', "name", "größe"),
    "bytes of UTF-8 as octal escapes": (r'name: "\303\244"', "name", "ä"),
    "hexadecimal": ("convolution_param { num_output: 0x10 }", "convolution_param.num_output", 16),
    "octal": ("convolution_param { num_output: 010 }", "convolution_param.num_output", 8),
    "the largest unsigned": ("convolution_param { num_output: 4294967295 }", "convolution_param.num_output", 2**32 - 1),
    "a negative integer": ("concat_param { axis: -1 }", "concat_param.axis", -1),
    "blanks behind the sign": ("concat_param { axis: - 1 }", "concat_param.axis", -1),
    "an integer for a float": ("batch_norm_param { eps: 1 }", "batch_norm_param.eps", 1.0),
    "f at the end": ("batch_norm_param { eps: 1.5f }", "batch_norm_param.eps", 1.5),
    "infinity": ("batch_norm_param { eps: inf }", "batch_norm_param.eps", math.inf),
    "minus infinity": ("batch_norm_param { eps: -Infinity }", "batch_norm_param.eps", -math.inf),
    "too large for a float": ("batch_norm_param { eps: 1e39 }", "batch_norm_param.eps", math.inf),
    "t": ("convolution_param { bias_term: t }", "convolution_param.bias_term", True),
    "False": ("convolution_param { bias_term: False }", "convolution_param.bias_term", False),
    "0 as a bool": ("convolution_param { bias_term: 0 }", "convolution_param.bias_term", False),
    "an enum by number": ("pooling_param { pool: 1 }", "pooling_param.pool", "AVE"),
    "a message behind a colon": ("pooling_param: { pad: 2 }", "pooling_param.pad", 2),
    "angle brackets": ("pooling_param < pad: 2 >", "pooling_param.pad", 2),
    "separators": ("pooling_param { pad: 2; stride: 3, }", "pooling_param.stride", 3),
    "the second of a repeated field": ("param { } param { lr_mult: 7 }", "param.1.lr_mult", 7.0),
    "an item of a list": ("convolution_param { kernel_size: [3, 5] }", "convolution_param.kernel_size.1", 5),
}  # fmt: skip


def file_of(body: str) -> NetFile:
    file = read(parse(f"layer {{ {body} }}"), "bvlc")
    assert not file.problems
    return file


@pytest.mark.parametrize("case", READ)
def test_read(case: str) -> None:
    body, path, value = READ[case]
    entry = file_of(body).layers[0].bound.find(path)
    assert entry is not None
    assert (entry.value, type(entry.value)) == (value, type(value))


DEFAULTS = {
    "a number": ("convolution_param", "group", 1),
    "a bool that is true": ("convolution_param", "bias_term", True),
    "a float": ("dropout_param", "dropout_ratio", 0.5),
    "an enum": ("pooling_param", "pool", "MAX"),
    "nothing stated": ("convolution_param", "num_output", 0),
    "a repeated field": ("convolution_param", "kernel_size", None),
    "a field that this dialect lacks": ("batch_norm_param", "scale_bias", None),
}


@pytest.mark.parametrize("case", DEFAULTS)
def test_an_absent_field_has_its_default(case: str) -> None:
    message, field, value = DEFAULTS[case]
    bound = file_of("").layers[0].param(message)
    assert bound.get(field) == value
    assert not bound.has(field)


HALF_TYPED: dict[str, tuple[str, Any]] = {
    "no value yet": ("pooling_param { stride: }", 1),
    "a value of the wrong kind": ("pooling_param { stride: 'x' }", 1),
    "an open string": ('pooling_param { stride: "', 1),
    "twice: the last one counts": ("pooling_param { stride: 2 stride: 3 }", 3),
    "an empty list is as if it were not written": ("pooling_param { stride: [] }", 1),
}


@pytest.mark.parametrize("case", HALF_TYPED)
def test_a_field_that_cannot_be_read_has_its_default(case: str) -> None:
    body, value = HALF_TYPED[case]
    layer = read(parse(f"layer {{ {body} }}"), "bvlc").layers[0]
    assert layer.param("pooling_param").get("stride") == value


def test_the_same_text_in_a_dialect_that_has_the_field() -> None:
    text = "layer { batch_norm_param { scale_filler { value: 1 } } }"
    assert problems(text) == [("SCH001", "scale_filler")]
    assert problems(text, "nvidia-0.15") == []


def test_fields_of_the_file_itself() -> None:
    assert problems('name: "a"\nname: "b"\nnmae: "c"\n') == [("SYN011", "name"), ("SCH001", "nmae")]


def test_one_problem_a_place() -> None:
    """Also where the same field is wrong in several layers, each is marked where it stands."""
    text = "layer { foo: 1 }\nlayer { foo: 2 }\n"
    found = read(parse(text), "bvlc").problems
    assert [text[p.start : p.start + 6] for p in found] == ["foo: 1", "foo: 2"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("conv_param", "convolution_param"),
        ("pool_param", "pooling_param"),
        ("relu_parm", "relu_param"),
        ("batchnorm_param", "batch_norm_param"),
        ("Relu_param", "relu_param"),
        ("foo_param", ""),  # like `log_param` in nothing but what all such names have
    ],
)
def test_the_name_that_was_meant(written: str, meant: str) -> None:
    assert nearest(written, schema("bvlc").messages["LayerParameter"].fields) == meant
