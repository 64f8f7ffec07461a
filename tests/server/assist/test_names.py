"""Renaming blobs and shared parameter blobs, and finding the places of a shared parameter blob."""

from __future__ import annotations

import pytest

from prototxt_server.assist import names, references

NET = """name: "conv"
input: "data"
input_shape { dim: 1 dim: 3 dim: 5 dim: 5 }
layer { name: "train" type: "DummyData" top: "label" include { phase: TRAIN } }
layer { name: "test" type: "DummyData" top: 'label' include { phase: TEST } }
layer {
  name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { name: "w" } param { name: "b" }
  convolution_param { num_output: 2 kernel_size: 3 }
}
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer {
  name: "twin" type: "Convolution" bottom: "data" top: "y"
  param: { name: "w" } param: { name: "b" }
  convolution_param { num_output: 2 kernel_size: 3 }
}
layer { name: "loss" type: "Python" bottom: "conv" bottom: "la" "bel" top: "l" }
"""


def at(place: str) -> int:
    """Where `‸` stands in a unique part of NET."""
    bare = place.replace("‸", "")
    assert NET.count(bare) == 1, place
    return NET.index(bare) + place.index("‸")


def renamed(at_cursor, offset: int, new: str, text: str = NET) -> str:
    analysis, offset = at_cursor(text[:offset] + "‸" + text[offset:])
    for start, end, content in sorted(names.renamed(analysis, offset, new), reverse=True):
        text = text[:start] + content + text[end:]
    return text


@pytest.mark.parametrize("place", ['bottom: "‸conv" top: "conv" }', 'data" top: "co‸nv"'])
def test_a_blob_everywhere_and_nothing_else_of_that_name(at_cursor, place: str) -> None:
    expected = NET.replace('bottom: "conv"', 'bottom: "x"').replace('top: "conv"', 'top: "x"')
    assert renamed(at_cursor, at(place), "x") == expected


def test_an_input_of_the_net(at_cursor) -> None:
    expected = NET.replace('input: "data"', 'input: "x"').replace('bottom: "data"', 'bottom: "x"')
    assert renamed(at_cursor, at('bottom: "‸data" top: "y"'), "x") == expected
    assert renamed(at_cursor, at('input: "da‸ta"'), "x") == expected


def test_in_the_nets_of_both_phases_however_it_is_written(at_cursor) -> None:
    expected = NET.replace('top: "label"', 'top: "x"').replace("top: 'label'", 'top: "x"')
    assert renamed(at_cursor, at("top: '‸label'"), "x") == expected.replace('"la" "bel"', '"x"')


def test_a_shared_parameter_blob(at_cursor) -> None:
    assert renamed(at_cursor, at('param: { name: "‸w" }'), "x") == NET.replace('name: "w"', 'name: "x"')


def test_quotes_are_escaped(at_cursor) -> None:
    once = renamed(at_cursor, at('top: "‸y"'), 'a"b\\')
    assert renamed(at_cursor, once.index("top: ") + len('top: "'), "label", once).count("label") == NET.count("label")
    assert 'top: "a\\"b\\\\"' in once


@pytest.mark.parametrize(
    ("place", "new", "why"),
    [
        ('top: "‸y"', "conv", "'conv' already is a blob"),
        ('param: { name: "‸w" }', "b", "'b' already is a parameter blob"),
        ('top: "‸y"', "", "visible"),
        ('top: "‸y"', "a\nb", "visible"),
        ('name: "‸relu"', "x", "only blobs"),
        ("input_shape { dim: ‸1", "x", "only blobs"),
    ],
)
def test_refused(at_cursor, place: str, new: str, why: str) -> None:
    with pytest.raises(names.CannotRename, match=why):
        renamed(at_cursor, at(place), new)


def test_the_same_name_changes_nothing(at_cursor) -> None:
    assert renamed(at_cursor, at('top: "‸y"'), "y") == NET


def test_older_nets(at_cursor) -> None:
    v1 = 'layers { name: "a" type: RELU bottom: "x" top: "‸y" param: "w" } layers { bottom: "y" param: "w" }'
    bare = v1.replace("‸", "")
    assert renamed(at_cursor, v1.index("‸"), "z", bare) == bare.replace('"y"', '"z"')
    assert renamed(at_cursor, bare.index('"w"') + 1, "v", bare) == bare.replace('"w"', '"v"')
    v0 = 'layers { layer { name: "a" type: "relu" } bottom: "x" top: "‸y" }\n'
    with pytest.raises(names.CannotRename, match="upgrade"):
        renamed(at_cursor, v0.index("‸"), "z", v0.replace("‸", ""))


def test_a_shared_parameter_blob_leads_to_its_owner(at_cursor) -> None:
    offset = at('param: { name: "‸w" }')
    analysis, offset = at_cursor(NET[:offset] + "‸" + NET[offset:])
    owner, other = references.references(analysis, offset)
    assert references.definition(analysis, offset) == [owner]
    assert (owner.start, owner.end) == (at('param { name: ‸"w"'), at('param { name: "w"‸'))
    assert (owner.writes, other.writes) == (True, False)
