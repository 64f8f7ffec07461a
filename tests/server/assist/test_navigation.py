"""Definition, references, outline, folding, hints."""

from __future__ import annotations

from prototxt_server.assist import hints, outline, references

NET = """# one
# two
input: "data"
input_shape { dim: 1 dim: 3 dim: 5 dim: 5 }
layer {
  name: "conv" type: "Convolution" bottom: "data" top: "x"
  convolution_param { num_output: 2 kernel_size: 3 }
}
layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }
layer { name: "a" type: "TanH" bottom: "x" top: "y" }
layer { name: "b" type: "Sigmoid" bottom: "x" top: "z" }
"""


def marked(place: str) -> str:
    bare = place.replace("‸", "")
    assert NET.count(bare) == 1
    return NET.replace(bare, place)


def names(text: str, places: list[references.Place]) -> list[str]:
    """`line field` of each place."""
    return [f"{text.count(chr(10), 0, p.start) + 1} {'top' if p.writes else 'bottom'}" for p in places]


def test_definition_is_the_last_writer(at_cursor) -> None:
    analysis, offset = at_cursor(marked('bottom: "‸x" top: "z"'))
    assert names(NET, references.definition(analysis, offset)) == ["9 top"]
    analysis, offset = at_cursor(marked('"ReLU" bottom: "‸x"'))
    assert names(NET, references.definition(analysis, offset)) == ["6 top"]


def test_references_cover_the_storage(at_cursor) -> None:
    everywhere = ["6 top", "9 bottom", "9 top", "10 bottom", "11 bottom"]
    for place in ('top: "‸x"\n', 'bottom: "x" top: "‸x" }', 'bottom: "‸x" top: "z"'):
        analysis, offset = at_cursor(marked(place))
        assert names(NET, references.references(analysis, offset)) == everywhere


def test_nothing_off_a_blob(at_cursor) -> None:
    analysis, offset = at_cursor(marked('name: "co‸nv"'))
    assert references.definition(analysis, offset) == []
    assert references.references(analysis, offset) == []


def test_outline(at_cursor) -> None:
    analysis, _ = at_cursor(NET + "‸")
    found = [(s.name, s.detail) for s in outline.symbols(analysis) if s.name != ""]
    assert ("conv", "Convolution 1x2x3x3") in found
    assert [name for name, _ in found][-3:] == ["relu", "a", "b"]


def test_folding(at_cursor) -> None:
    analysis, _ = at_cursor(NET + "‸")
    lines = [(NET.count("\n", 0, a), NET.count("\n", 0, b)) for a, b in outline.blocks(analysis)]
    assert (4, 7) in lines
    assert [NET[a:b] for a, b in outline.comments(analysis)] == ["# one\n# two"]


def test_shape_hints(at_cursor) -> None:
    analysis, _ = at_cursor(NET + "‸")
    found = [(NET[: h.offset].rpartition(" ")[2], h.label) for h in hints.shape_hints(analysis, 0, len(NET))]
    assert found.pop(0) == ('"data"', "1x3x5x5")
    assert found == [('"x"', "1x2x3x3"), ('"x"', "1x2x3x3"), ('"y"', "1x2x3x3"), ('"z"', "1x2x3x3")]
    _, conv, *_ = hints.shape_hints(analysis, 0, len(NET))
    assert conv.tooltip == "56 parameters, 486 multiply-adds"


def test_shape_hints_only_where_asked(at_cursor) -> None:
    analysis, _ = at_cursor(NET + "‸")
    start = NET.index('layer { name: "a"')
    assert len(list(hints.shape_hints(analysis, start, len(NET)))) == 2
