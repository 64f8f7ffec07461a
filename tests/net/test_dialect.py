"""Which dialect a text speaks for, and what does not count as evidence (the choice where nets abort: tests/server)."""

from __future__ import annotations

import pytest

from prototxt_grammar import parse
from prototxt_net import dialect
from prototxt_net.dialect import Verdict
from prototxt_net.read import file_kind
from prototxt_net.schema.load import DIALECTS

RELU = 'layer {\n  name: "r"\n  type: "ReLU"\n  bottom: "a"\n  top: "a"\n}\n'
BN = 'layer {\n  name: "bn"\n  type: "BatchNorm"\n  bottom: "a"\n  top: "b"\n  batch_norm_param {\n    %s\n  }\n}\n'
NVIDIA = BN % "scale_filler { value: 1 }"
POOL = 'layer {\n  name: "p"\n  type: "Pooling"\n  bottom: "a"\n  top: "b"\n  pooling_param { kernel_size: 2 %s }\n}\n'
PRIOR = 'layer {\n  name: "prior"\n  type: "PriorBox"\n  bottom: "a"\n  top: "b"\n%s}\n'


def detect(text: str) -> Verdict:
    tree = parse(text)
    return dialect.detect(tree, file_kind(tree))


CHOSEN = {
    "nothing": ("", "bvlc"),
    "only comments": ("# a net\n", "bvlc"),
    "what BVLC reads": (RELU, "bvlc"),
    "a comment above the first field": ("# lsp: dialect=intel\n" + RELU, "intel"),
    "blanks in that comment": ("#lsp:  dialect = pspnet\n" + RELU, "pspnet"),
    "it beats all other evidence": ("# lsp: dialect=bvlc\n" + NVIDIA, "bvlc"),
    "below the first field it is no header": (RELU + "# lsp: dialect=intel\n", "bvlc"),
    "an unknown name in it is no evidence": ("# lsp: dialect=torch\n" + NVIDIA, "nvidia-0.15"),
    "a field": (NVIDIA, "nvidia-0.15"),
    "a field beside another fork's": (BN % "scale_bias: true", "nvidia-0.17"),
    "an enum value": (POOL % "pool: DEF", "happynear-windows"),
    "a layer type": (PRIOR % "", "ssd"),
    "a layer type and its field": (PRIOR % "  prior_box_param { min_size: 3 }\n", "ssd"),
    "a field that nobody has": (BN % "scale_fller { value: 1 }", "bvlc"),
    "a type that nobody has": (RELU.replace("ReLU", "Relu"), "bvlc"),
    "two forks: the one that lacks less": (NVIDIA * 2 + PRIOR % "  prior_box_param { min_size: 3 }\n", "nvidia"),
    "a solver": ('net: "n.prototxt"\nbase_lr: 0.1\nlr_policy: "plateau"\nplateau_winsize: 4\n', "ssd"),
    "a label map": ('item { name: "none" label: 0 display_name: "background" }\n', "ssd"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHOSEN)
def test_chosen(case: str) -> None:
    text, wanted = CHOSEN[case]
    found = detect(text)
    assert found.dialect.startswith(wanted)
    assert found.why


# A BVLC net while somebody types: these must not be taken for evidence of a fork.
TYPING = {
    "half a name": BN % "scale_fil",
    "half a name with its colon": BN % "scale_fil:",
    "half a name with a brace": BN % "scale_fil {",
    "a field name without a value": BN % "use_global_stats:",
    "a brace in the middle of a name": RELU.replace("bottom", "bott}om"),
    "a lost opening brace": (BN % "use_global_stats: true").replace("param {", "param"),
    "a lost closing brace": (POOL % "").replace(" }\n", "\n"),
    "a quote in the middle of a name": RELU.replace("bottom", 'bo"ttom'),
    "a layer inside a layer": RELU.replace("  top", "layer {\n  top"),
}


@pytest.mark.parametrize("case", TYPING)
def test_typing_does_not_flip_the_dialect(case: str) -> None:
    assert detect(RELU + TYPING[case] + RELU).dialect == "bvlc"


@pytest.mark.parametrize("case", TYPING)
def test_nor_does_it_flip_a_fork_s_file(case: str) -> None:
    assert detect(NVIDIA + TYPING[case] + RELU).dialect == "nvidia-0.15"


def test_a_broken_block_is_believed_where_a_fork_reads_all_of_it() -> None:
    assert detect(RELU + NVIDIA.replace('"a"', '"a')).dialect == "nvidia-0.15"


def test_why_names_the_first_thing_that_told() -> None:
    assert detect(RELU + NVIDIA).why == "`scale_filler` is a field of nvidia-0.15, not of BVLC Caffe"
    assert detect(RELU).why == "BVLC Caffe reads all of it"


def test_obstacles_say_what_a_dialect_lacks_and_where() -> None:
    tree = parse(RELU + NVIDIA + PRIOR % "")
    found = dialect.obstacles(tree, "bvlc", "net")
    assert [(item.kind, item.name, item.where) for item in found] == [
        ("field", "scale_filler", "BatchNormParameter"),
        ("layer type", "PriorBox", ""),
    ]
    assert tree.text[found[0].start :].startswith("scale_filler")
    assert dialect.obstacles(tree, "nvidia-0.17", "net") == []


def test_readers_tell_for_every_dialect() -> None:
    from prototxt_net.read import read

    lacking = dialect.readers(read(parse(NVIDIA), "bvlc"))
    assert list(lacking) == list(DIALECTS)
    assert {name for name, items in lacking.items() if not items} >= {"nvidia-0.15", "nvidia-0.17"}
    assert [item.name for item in lacking["ssd"]] == ["scale_filler"]


def test_another_dialect_may_read_it_as_well() -> None:
    tree = parse(NVIDIA)
    verdict = detect(NVIDIA)
    assert dialect.reads_as_well(tree, "nvidia-0.17", "net", verdict)
    assert not dialect.reads_as_well(tree, "ssd", "net", verdict)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("# lsp: dialect=ssd\nlayer { }\n", "ssd"),
        ("\n# a net\n#lsp:dialect = nvidia-0.15\n", "nvidia-0.15"),
        ("layer { }\n# lsp: dialect=ssd\n", ""),
        ('name: "# lsp: dialect=ssd"\n', ""),
        ("", ""),
    ],
)
def test_the_dialect_is_named_above_the_first_field(text: str, name: str) -> None:
    assert dialect.header(parse(text)) == name
