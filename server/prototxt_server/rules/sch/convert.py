"""Old `layers` blocks as `layer` blocks: the edits that Caffe's own conversion would make, comments and layout kept."""

from __future__ import annotations

from prototxt_grammar.edits import Edit, field_removal, indent_of, newline_of
from prototxt_grammar.tree import Field, Message, Scalar, Tree
from prototxt_net.upgrade import V1_TYPES

_LISTS = ("param", "blob_share_mode", "blobs_lr", "weight_decay")
_SPEC = ("name", "share_mode", "lr_mult", "decay_mult")
_DATA = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
_MOVED = ("scale", "mean_file", "crop_size", "mirror")


def v1_to_v2(tree: Tree) -> tuple[Edit, ...]:
    """The edits that turn every `layers` block of a file into a `layer` block; empty when one cannot be turned."""
    edits: list[Edit] = []
    for base, item in tree.fields():
        if item.name != "layers":
            continue
        if not isinstance(item.value, Message) or not item.value.closed:
            return ()
        found = _layer(tree.text, base, item, item.value)
        if found is None:
            return ()
        edits += found
    return tuple(edits)


def _layer(text: str, base: int, item: Field, block: Message) -> list[Edit] | None:
    edits = [Edit(base + item.start, base + item.name_end, "layer")]
    by_name: dict[str, list[Field]] = {}
    for inner in block.fields:
        by_name.setdefault(inner.name, []).append(inner)
    if "layer" in by_name:
        return None  # V0
    kind = ""
    for inner in by_name.get("type", ()):
        if not isinstance(inner.value, Scalar) or inner.value.text not in V1_TYPES:
            return None
        kind = inner.value.text
        edits.append(Edit(base + inner.value.start, base + inner.value.end, f'"{V1_TYPES[kind]}"'))
    params = _params(text, base, by_name)
    if params is None:
        return None
    moved = _moved(text, base, by_name, _DATA.get(kind, ""))
    return None if moved is None else edits + params + moved


def _params(text: str, base: int, by_name: dict[str, list[Field]]) -> list[Edit] | None:
    """`blobs_lr`, `weight_decay`, `param` and `blob_share_mode` as `param` blocks, where the first of them stood."""
    fields = sorted((f for name in _LISTS for f in by_name.get(name, ())), key=lambda f: f.start)
    if not fields:
        return []
    if any(not isinstance(f.value, Scalar) for f in fields):
        return None
    values = {
        new: [f.value.text for f in by_name.get(old, ()) if isinstance(f.value, Scalar)]
        for old, new in zip(_LISTS, _SPEC, strict=True)
    }
    blocks = [
        "param { " + " ".join(f"{new}: {found[index]}" for new, found in values.items() if index < len(found)) + " }"
        for index in range(max(len(found) for found in values.values()))
    ]
    first = fields[0]
    one_line = bool(text[text.rfind("\n", 0, base + first.start) + 1 : base + first.start].strip())
    joint = " " if one_line else newline_of(text) + indent_of(text, base + first.start)
    edits = [Edit(base + first.start, base + first.end, joint.join(blocks))]
    return edits + [field_removal(text, base + f.start, base + f.end) for f in fields[1:]]


def _moved(text: str, base: int, by_name: dict[str, list[Field]], holder: str) -> list[Edit] | None:
    """The transformation fields of a data layer, from its own message to transform_param."""
    blocks = [f for f in by_name.get(holder, ()) if isinstance(f.value, Message)]
    if not blocks or not isinstance(blocks[0].value, Message):
        return []
    fields = [f for f in blocks[0].value.fields if f.name in _MOVED]
    if not fields:
        return []
    sources = [text[base + f.start : base + f.end] for f in fields]
    edits = [field_removal(text, base + f.start, base + f.end) for f in fields]
    target = next((f.value for f in by_name.get("transform_param", ()) if isinstance(f.value, Message)), None)
    if target is None:
        end = base + blocks[0].end
        pad = newline_of(text) + indent_of(text, base + blocks[0].start)
        edits.append(Edit(end, end, f"{pad}transform_param {{ {' '.join(sources)} }}"))
        return edits
    if {f.name for f in target.fields} & {f.name for f in fields}:
        return None
    at = base + (target.fields[-1].end if target.fields else target.start + 1)
    edits.append(Edit(at, at, " " + " ".join(sources)))
    return edits
