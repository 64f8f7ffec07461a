"""The edits that rules make: what stands beside the edited field stays what it was, and where it was."""

from __future__ import annotations

import pytest

from prototxt_grammar import apply_edits, parse
from prototxt_net.file import NetFile
from prototxt_net.message import Bound, Entry
from prototxt_net.read import read
from prototxt_server.rules.editing import insert_after, insert_into


def _param(text: str) -> tuple[NetFile, int, Bound]:
    file = read(parse(text), "bvlc")
    layer = file.layers[0]
    return file, layer.base, layer.definition.bound.get("batch_norm_param")


INSERTED = [
    # the message, and the message with `use_global_stats: true` as its last field
    ("{\n    eps: 1\n  }", "{\n    eps: 1\n    use_global_stats: true\n  }"),
    ("{\n    eps: 1  # ours\n  }", "{\n    eps: 1  # ours\n    use_global_stats: true\n  }"),
    (
        "{\n    eps: 1,  # ours\n    # theirs\n  }",
        "{\n    eps: 1,  # ours\n    # theirs\n    use_global_stats: true\n  }",
    ),
    ("{\n    eps: 1 }", "{\n    eps: 1\n    use_global_stats: true\n  }"),
    ("{\n    # none\n  }", "{\n    # none\n    use_global_stats: true\n  }"),
    ("{ eps: 1 }", "{ eps: 1 use_global_stats: true }"),
    ("{ eps: 1, }", "{ eps: 1, use_global_stats: true }"),
    ("{}", "{ use_global_stats: true }"),
]


@pytest.mark.parametrize(("message", "result"), INSERTED)
def test_inserting_as_the_last_field(message: str, result: str) -> None:
    head, tail = 'layer {\n  name: "n"\n  type: "BatchNorm"\n  batch_norm_param ', "\n}\n"
    text = head + message + tail
    _, base, bound = _param(text)
    edit = insert_into(text, base, bound, "use_global_stats: true")
    assert edit is not None
    assert apply_edits(text, [edit]) == head + result + tail


BEHIND = [
    # a message, and the message with `use_global_stats: true` behind eps
    ("{\n    eps: 1\n    # of the next\n  }", "{\n    eps: 1\n    use_global_stats: true\n    # of the next\n  }"),
    ("{\n    eps: 1  # ours\n  }", "{\n    eps: 1  # ours\n    use_global_stats: true\n  }"),
    ("{\n    eps: 1;\n  }", "{\n    eps: 1;\n    use_global_stats: true\n  }"),
    ("{\n    eps: 1 }", "{\n    eps: 1\n    use_global_stats: true }"),
    ("{ eps: 1 }", "{ eps: 1 use_global_stats: true }"),
    ("{ eps: 1, }", "{ eps: 1, use_global_stats: true }"),
]


@pytest.mark.parametrize(("message", "result"), BEHIND)
def test_inserting_behind_a_field(message: str, result: str) -> None:
    head, tail = 'layer {\n  name: "n"\n  type: "BatchNorm"\n  batch_norm_param ', "\n}\n"
    text = head + message + tail
    _, base, bound = _param(text)
    entry = bound.entry("eps")
    assert isinstance(entry, Entry)
    assert apply_edits(text, [insert_after(text, base, entry, "use_global_stats: true")]) == head + result + tail
