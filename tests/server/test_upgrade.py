"""`lsp upgrade`: the text says what Caffe's own upgrade makes of the net, and keeps what the author wrote beside it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from prototxt_net.schema.descriptors import message_class
from prototxt_net.schema.load import schema
from prototxt_server.analysis import Settings, Source
from prototxt_server.upgrading import upgrade

sys.path.insert(0, str(Path(__file__).parent))
import caffe_upgrade

V1 = """\
name: "old"  # of 2014
input: "data"
input_dim: 1
input_dim: 3
input_dim: 8
input_dim: 8
# the first convolution
layers {
  name: "conv"  # its name
  type: CONVOLUTION
  bottom: "data"
  top: "conv"
  blobs_lr: 1
  blobs_lr: 2
  weight_decay: 1
  weight_decay: 0  # none for the bias
  convolution_param { num_output: 4 kernel_size: 3 }
}
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
"""
V2 = """\
name: "old"  # of 2014
layer {
  name: "input"
  type: "Input"
  top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }
}
# the first convolution
layer {
  name: "conv"  # its name
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 decay_mult: 1 }
  param { lr_mult: 2 decay_mult: 0 }
  # none for the bias
  convolution_param { num_output: 4 kernel_size: 3 }
}
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""
V0 = """\
name: "older"
input: "data"
input_dim: 1
input_dim: 3
input_dim: 8
input_dim: 8
layers {
  layer {
    name: "pad"
    type: "padding"
    pad: 2
  }
  bottom: "data"
  top: "padded"
}
# the first convolution
layers {
  layer {
    name: "conv"  # its name
    type: "conv"
    num_output: 4
    # not trained
    weight_filler {
      type: "gaussian"
      std: 0.01  # small
    }
    blobs_lr: 1.
    blobs_lr: 2.
    kernelsize: 3
  }
  bottom: "padded"
  top: "conv"
}
"""
FROM_V0 = """\
name: "older"
layer {
  name: "input"
  type: "Input"
  top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }
}
# the first convolution
layer {
  name: "conv"  # its name
  type: "Convolution"
  convolution_param {
    num_output: 4
    # not trained
    weight_filler {
      type: "gaussian"
      std: 0.01  # small
    }
    kernel_size: 3
    pad: 2
  }
  param { lr_mult: 1. }
  param { lr_mult: 2. }
  bottom: "data"
  top: "conv"
}
"""


def parsed(text: str) -> Any:
    """The net that a text says; a decay beside the learning rate 0 of a statistic decides nothing and is left out."""
    net = text_format.Parse(text.encode("utf-8", "surrogateescape"), message_class("bvlc", "NetParameter")())
    return without_dead_decays(net)


def without_dead_decays(net: Any) -> Any:
    for layer in net.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3 and not any(spec.lr_mult for spec in layer.param):
            for spec in layer.param:
                spec.ClearField("decay_mult")
    return net


def caffe_upgraded(text: str) -> Any:
    return without_dead_decays(caffe_upgrade.upgraded(parsed(text)))


def test_comments_and_layout_stay() -> None:
    assert upgrade(Source(V1)).text.splitlines()[:17] == V2.splitlines()[:17]
    assert "# none for the bias" in upgrade(Source(V1)).text


def test_v0_in_the_order_of_the_text() -> None:
    assert upgrade(Source(V0)).text == FROM_V0


SAME_AS_CAFFE = {
    "inputs and V1": V1,
    "V0 with padding": V0,
    "V0 on one line": 'layers { layer { name: "d" type: "images" source: "s" batchsize: 3 mirror: true } top: "x" }\n',
    "V0 with what its type has no place for": 'layers { layer { type: "relu" num_output: 4 } bottom: "x" top: "x" }\n',
    "V0 with a message of its own": (
        'layers { layer { type: "hdf5_output" hdf5_output_param { file_name: "f" } } bottom: "x" }\n'
    ),
    "V2 is left alone": 'layer { name: "a" type: "AbsVal" bottom: "x" top: "y" }\n',
    "rates without decays": 'layers { name: "c" type: INNER_PRODUCT bottom: "a" top: "b" blobs_lr: 0 }',
    "a shared parameter": 'layers { name: "c" type: CONVOLUTION param: "w" param: "b" blob_share_mode: PERMISSIVE }',
    "a data layer": 'layers { name: "d" type: DATA top: "x" data_param { source: "s" scale: 0.5 mirror: true } }',
    "with a transformation": (
        'layers {\n  type: IMAGE_DATA top: "x"\n  image_data_param {\n    source: "s"\n    crop_size: 3\n  }\n'
        "  transform_param { mean_value: 3 }\n}\n"
    ),
    "three blocks of a BatchNorm": (
        'layer { name: "bn" type: "BatchNorm" bottom: "x" top: "y" param { lr_mult: 1 } param { } '
        "param { decay_mult: 2 } }"
    ),
    "a BatchNorm of one phase": (
        'layer { name: "bn" type: "BatchNorm" bottom: "x" top: "y" include { phase: TEST } '
        "param { lr_mult: 1 } param { lr_mult: 0 } param { decay_mult: 2 } }"
    ),
    "two blocks of a BatchNorm stay": 'layer { type: "BatchNorm" bottom: "x" top: "y" param { } param { } }',
    "inputs below a layer": 'layer { type: "ReLU" bottom: "x" top: "y" }\ninput: "x"\ninput_shape { dim: 2 dim: 3 }\n',
    "two inputs on one line": 'input: "x" input: "y" input_dim: [1, 2, 3, 4, 5, 6, 7, 8]',
    "whatever the comments say": "# lsp: disable-file=SCH004\n" + V1,
}


@pytest.mark.parametrize("case", SAME_AS_CAFFE)
def test_as_caffe_upgrades_it(case: str) -> None:
    text = SAME_AS_CAFFE[case]
    done = upgrade(Source(text))
    assert done.problem == ""
    assert parsed(done.text) == caffe_upgraded(text)
    assert upgrade(Source(done.text)).text == done.text


@pytest.mark.parametrize("type_", caffe_upgrade.V0_TYPES)
def test_every_field_of_every_v0_type(type_: str) -> None:
    values = {"string": '"s"', "bool": "true", "float": "0.5", "message": '{ type: "xavier" }', "enum": "AVE"}
    fields = [
        f"    {name}{': ' if field.kind != 'message' else ' '}{values.get(field.kind, '2')}"
        for name, field in schema("bvlc").messages["V0LayerParameter"].fields.items()
        if name not in ("type", "blobs", "hdf5_output_param", "new_num", "new_channels")
    ]
    text = "layers {\n  layer {\n" + "\n".join(fields) + f'\n    type: "{type_}"\n  }}\n  bottom: "x"\n  top: "y"\n}}\n'
    done = upgrade(Source(text), Settings(dialect="bvlc"))
    assert done.problem == ""
    assert parsed(done.text) == caffe_upgraded(text)


def test_a_solver_gets_its_type() -> None:
    text = 'net: "n.prototxt"\nbase_lr: 1\nsolver_type: ADAM  # Kingma\n'
    assert upgrade(Source(text)).text == 'net: "n.prototxt"\nbase_lr: 1\ntype: "Adam"  # Kingma\n'


REFUSED = {
    "a syntax error": ("layers { name: }", "syntax"),
    "padding that no convolution reads": (
        V0.replace('type: "conv"', 'type: "relu"'),
        "padding",
    ),
    "a type of a fork": ('layers { name: "c" type: CROP bottom: "a" bottom: "b" top: "c" }', "CROP"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    text, why = REFUSED[case]
    done = upgrade(Source(text))
    assert why in done.problem
    assert done.text == text


def test_every_net_of_the_corpus(shared: Path) -> None:
    """Those that BVLC Caffe can read and convert; the others are refused, or left as they are."""
    wrong, count = [], 0
    for line in (shared / "corpus" / "index.jsonl").read_text().splitlines():
        record = json.loads(line)
        text = (shared / "corpus" / record["file"]).read_bytes().decode("utf-8", "surrogateescape")
        if record["kind"] == "solver" or not any(mark in text for mark in ("layers", "input", "BatchNorm")):
            continue
        try:
            before = parsed(text)
        except text_format.ParseError:
            continue
        done = upgrade(Source(text), Settings(dialect="bvlc"))
        count += done.text != text
        if before.layer and before.layers and not done.problem:  # Caffe refuses; so far each kind is converted alone
            assert not parsed(done.text).layers
            continue
        if done.problem or parsed(done.text) != caffe_upgraded(text):
            wrong.append(f"{record['file']}: {done.problem or 'differs'}")
    assert wrong == []
    assert count >= 20


def lsp(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "prototxt_server", "upgrade", *arguments], cwd=cwd, capture_output=True, check=False
    )


def test_command(tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(V1)
    new = upgrade(Source(V1)).text
    shown = lsp("net.prototxt", cwd=tmp_path)
    assert (shown.returncode, shown.stdout.decode()) == (0, new)
    diff = lsp("--diff", "net.prototxt", cwd=tmp_path)
    assert diff.returncode == 1
    assert b'+  type: "Convolution"' in diff.stdout
    assert net.read_text() == V1
    assert lsp("--in-place", "net.prototxt", cwd=tmp_path).returncode == 0
    assert net.read_text() == new
    assert lsp("--diff", "net.prototxt", cwd=tmp_path).returncode == 0


def test_bytes_that_are_no_text_stay(tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_bytes(V1.encode() + b"# caf\xe9\n")
    assert lsp("--in-place", "net.prototxt", cwd=tmp_path).returncode == 0
    assert net.read_bytes().endswith(b"# caf\xe9\n")


def test_nothing_is_written_when_one_net_is_refused(tmp_path: Path) -> None:
    (tmp_path / "good.prototxt").write_text(V1)
    (tmp_path / "bad.prototxt").write_text("layers { name: }\n")
    done = lsp("--in-place", "good.prototxt", "bad.prototxt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("lsp: bad.prototxt:1: ")
    assert (tmp_path / "good.prototxt").read_text() == V1


def commented(text: str) -> str:
    """A comment behind every line, and one in a line of its own below."""
    return "".join(
        f"{line} # {'behind' if '#' not in line else 'and'} {number} {{\n# below {number} }}\n"
        for number, line in enumerate(text.splitlines())
    )


UGLY = {
    "one line": lambda text: " ".join(re.sub(r"#.*", "", line).strip() for line in text.splitlines()),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "comments between all fields": commented,
}
SHAPES = 'input: "a"\ninput: "b"\ninput_shape {\n  dim: 2\n  dim: 3\n}\ninput_shape {\n  dim: 4\n}\nname: "n"\n'


@pytest.mark.parametrize("case", UGLY)
@pytest.mark.parametrize("text", [V1, V0, SHAPES], ids=["V1", "V0", "inputs"])
def test_however_it_is_laid_out(text: str, case: str) -> None:
    ugly = UGLY[case](text)
    done = upgrade(Source(ugly)).text
    assert parsed(done) == caffe_upgraded(ugly)
    assert done.count("\n") == done.count("\r\n") or "\r" not in ugly
    padding = re.search(r'layers \{[^}]*\{\s[^"]*"pad".*?\n\}', ugly, re.DOTALL)
    kept = ugly.replace(padding[0], "") if padding and case == "comments between all fields" else ugly
    for comment in re.findall(r"(?:behind|and|below) \d+", kept):
        assert comment in done  # those of a padding layer go with it: its pad moves into the next layer
