"""Every recorded answer of the real Caffe: what it builds we describe number for number, what it refuses we refuse."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prototxt_net.describe import inputs, num_parameters, outputs
from prototxt_net.layers import entry_of
from prototxt_net.net import Node, PhaseNet
from prototxt_net.shape import Shape

Record = dict[str, Any]


def records(path: Path) -> Iterator[Record]:
    """The records of a (gzipped) JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def nets(path: Path, corpus: Path) -> Iterator[tuple[Record, str]]:
    """Each record with the text of its net; a text that is not in the corpus stands in the TRAIN record."""
    texts: dict[str, str] = {}
    for record in records(path):
        key = record.get("file") or f"{record['repo']}:{record['path']}"
        if "text" in record:
            texts[key] = record["text"]
        elif key not in texts:
            texts[key] = (corpus / record["file"]).read_bytes().decode("utf-8", "replace")
        yield record, texts[key]


def faked_shapes(record: Record) -> dict[str, Shape]:
    """The shapes that stood in for databases: those of the phase's own layers where the net was built."""
    names = {layer["name"] for layer in record["faked"]}
    built = [layer for layer in record.get("layers") or () if layer["name"] in names and layer["type"] == "Input"]
    shapes: dict[str, Shape] = {}
    for layer in built or record["faked"]:
        for top in layer["tops"]:
            shapes.setdefault(top["name"], tuple(top["shape"]))
    return shapes


def refuses(net: PhaseNet) -> list[str]:
    """Why Caffe would not load the net, as far as this floor knows: codes, empty when it loads."""
    codes = [p.kind for _, p in net.file.tree.problems()]
    codes += [p.code for p in (*net.file.problems, *net.problems) if p.aborts]
    for node in net.nodes:
        codes += [p.code for p in node.setup.problems if p.aborts]
        entry = entry_of(node.type, net.dialect)
        if any(node.in_place) and entry is not None and entry.in_place_verdict(node.layer.definition) == "refused":
            codes.append("NET006")
    return codes


def differences(net: PhaseNet, layers: list[Record], faked: set[str]) -> Iterator[str]:
    """Names, shapes, parameter shapes and multipliers that are not as Caffe says. Its own Splits are left out."""
    theirs = [layer for layer in layers if layer["type"] != "Split" or not layer["name"].endswith("_split")]
    nodes = net.nodes
    if nodes and nodes[0].layer.definition.node.name == "input" and (not theirs or theirs[0]["type"] != "Input"):
        nodes = nodes[1:]  # old forks have no Input layer for the legacy fields
    if [layer["name"] for layer in theirs] != [node.name for node in nodes]:
        yield f"layers {[node.name for node in nodes]}, Caffe has {[layer['name'] for layer in theirs]}"
        return
    for layer, node in zip(theirs, nodes, strict=True):
        said = {blob.name: blob.shape for blob in node.tops}
        for top in layer["tops"]:
            if top["name"] in said and said[top["name"]] != tuple(top["shape"]):
                yield f"{node.type} {node.name}: top {top['name']} is {said[top['name']]}, Caffe has {top['shape']}"
        if layer["name"] in faked and layer["type"] == "Input":
            continue
        if [list(blob.shape or ()) for blob in node.setup.params] != [p["shape"] for p in layer["params"]]:
            yield f"{node.type} {node.name}: parameters {params(node)}, Caffe has {layer['params']}"
        elif all("lr_mult" in p for p in layer["params"]):
            want = [(tuple(p["shape"]), p["lr_mult"], p["decay_mult"]) for p in layer["params"]]
            if params(node) != want:
                yield f"{node.type} {node.name}: parameters {params(node)}, Caffe has {want}"


def params(node: Node) -> list[tuple[Shape | None, float, float]]:
    """Shape, lr_mult and decay_mult of each parameter blob, multipliers rounded as floats print."""
    return [
        (blob.shape, float(f"{node.lr_mult(i):.7g}"), float(f"{node.decay_mult(i):.7g}"))
        for i, blob in enumerate(node.setup.params)
    ]


def totals(net: PhaseNet, record: Record) -> Iterator[str]:
    """Inputs, outputs and the number of parameters that are not as Caffe says. Faked tops count as Caffe's inputs."""
    faked = {top["name"] for layer in record["faked"] for top in layer["tops"]}
    if [name for name in record["inputs"] if name not in faked] != [name for name in inputs(net) if name not in faked]:
        yield f"inputs {inputs(net)}, Caffe has {record['inputs']}"
    if outputs(net) != record["outputs"]:
        yield f"outputs {outputs(net)}, Caffe has {record['outputs']}"
    if num_parameters(net) != record["num_learnable"]:
        yield f"{num_parameters(net)} parameters, Caffe has {record['num_learnable']}"


INIT = ("init.jsonl.gz", "forks/init-nvidia-0.15.jsonl.gz", "forks/init-ssd.jsonl.gz")


@pytest.mark.parametrize("file", INIT)
def test_nets_that_caffe_builds(shared: Path, net, file: str) -> None:
    wrong = []
    for record, text in nets(shared / "oracle" / file, shared / "corpus"):
        if not record["ok"]:
            continue
        built = net(text, record["phase"], record.get("dialect", "bvlc"), faked_shapes(record))
        where = f"{record.get('file') or record['path']} {record['phase']}: "
        found = [f"refused because of {code}" for code in refuses(built)]
        found += differences(built, record["layers"], {layer["name"] for layer in record["faked"]})
        found += totals(built, record)
        wrong += [where + item for item in found]
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize(
    "file", [pytest.param(INIT[0], marks=pytest.mark.slow), *INIT[1:2], pytest.param(INIT[2], marks=pytest.mark.slow)]
)
def test_nets_that_caffe_refuses(shared: Path, net, file: str) -> None:
    missed = []
    for record, text in nets(shared / "oracle" / file, shared / "corpus"):
        # a Python module that was not installed says nothing about the net
        if record["ok"] or "ModuleNotFoundError" in record["error"]["message"]:
            continue
        if not refuses(net(text, record["phase"], record.get("dialect", "bvlc"), faked_shapes(record))):
            missed.append(f"{record.get('file') or record['path']} {record['phase']}: {record['error']['message']}")
    assert missed == []


def test_mutants(shared: Path, net) -> None:
    wrong = []
    for record in records(shared / "oracle" / "mutants.jsonl.gz"):
        built = net(record["text"], record["phase"])
        said = refuses(built)
        if bool(said) == record["ok"]:
            wrong.append(f"{record['id']} {record['fault']}: we say {said}, Caffe {record['error']}")
        if not record["ok"]:
            continue
        last = {node.name: node for node in built.nodes}  # of duplicate names the record keeps the last
        for name, shapes in record["shapes"].items():
            if not name.endswith("_split"):
                ours = {blob.name: None if blob.shape is None else list(blob.shape) for blob in last[name].tops}
                wrong += [f"{record['id']} {name}: {ours}, Caffe {shapes}"] if ours != shapes else []
        if len(last) == len(built.nodes):
            for name, shapes in record["params"].items():
                mine = [list(blob.shape or ()) for blob in last[name].setup.params]
                wrong += [f"{record['id']} {name}: {mine}, Caffe {shapes}"] if mine != shapes else []
    assert wrong == [], "\n".join(wrong)


# What the records say about the machine they were made on, not about the net.
NOT_ABOUT_THE_NET = {
    "hdf5": "the list does not exist",
    "imagedata": "the list does not exist",
    "engine_cudnn": "a build without cuDNN",
    "mixed_layer_layers": "a rule on the whole file, a floor above",
}
# Undefined or shared memory: Caffe's shapes are what was left there.
SHAPES_NOT_COMPARED = {
    "input_dim3": "reads past the list",
    "input2_dim4": "reads past the list",
    "conv_inplace_diff": "shows the shape that the in-place layer left in its bottom",
    "pool_inplace": "shows the shape that the in-place layer left in its bottom",
}


def test_one_fault(shared: Path, net) -> None:
    wrong = []
    for path in sorted((shared / "oracle" / "one-fault").glob("*.json")):
        answers = json.loads(path.read_text(encoding="utf-8"))
        text = path.with_suffix(".prototxt").read_bytes().decode("utf-8", "replace")
        for phase in ("TRAIN", "TEST"):
            if phase not in answers or path.stem in NOT_ABOUT_THE_NET:
                continue
            answer = answers[phase]
            built = net(text, phase)
            said = refuses(built)
            if bool(said) == answer["ok"]:
                wrong.append(f"{path.stem} {phase}: we say {said}, Caffe {answer.get('error')}")
            if answer["ok"] and path.stem not in SHAPES_NOT_COMPARED:
                wrong += [f"{path.stem} {phase}: {item}" for item in differences(built, answer["layers"], set())]
    assert wrong == [], "\n".join(wrong)


# (dialect, case): why the record says nothing about our dialect of that name.
OTHER_BUILDS = {
    ("nvidia-0.15", "BatchNorm engine CUDNN on CPU"): "a build without cuDNN",
    ("nvidia-0.15", "Convolution engine CUDNN on CPU"): "a build without cuDNN",
    ("yjxiong-tsn", "BN engine CUDNN on CPU"): "a build without cuDNN",
}


def dialect_of(record: Record) -> str:
    """Our name for the Caffe that answered. Two commits were recorded as faster-rcnn; the newer is the pinned one."""
    return "py-faster-rcnn" if record.get("commit") == "0dcd397" else str(record.get("dialect", "bvlc"))


def test_probes_of_the_forks(shared: Path, net) -> None:
    wrong = []
    for record in records(shared / "oracle" / "forks" / "probes.jsonl"):
        dialect, case = dialect_of(record), record["case"]
        if (dialect, case) in OTHER_BUILDS:
            continue
        built = net(record["text"], record["phase"], dialect)
        loads = record["ok"] or record["error"]["stage"] in ("forward", "backward")
        said = refuses(built)
        if bool(said) == loads:
            wrong.append(f"{dialect} {case}: we say {said}, Caffe {record['error']}")
        for name, theirs in (record.get("params") or {}).items():
            want = [(tuple(p["shape"]), p["lr_mult"], p["decay_mult"]) for p in theirs]
            ours = params(next(node for node in built.nodes if node.name == name))
            wrong += [f"{dialect} {case}: {name} has {ours}, Caffe {want}"] if ours != want else []
    assert wrong == [], "\n".join(wrong)


# Shapes were recorded after a forward; these layers change theirs with the data.
SHAPED_BY_DATA = ("filter", "memory_data", "pvanet-proposal", "ssd-detection_output", "ssd-mini_ssd_test")


@pytest.mark.parametrize("folder", ["golden", "forks/golden"])
def test_golden_nets(shared: Path, net, folder: str) -> None:
    wrong = []
    for path in sorted((shared / "oracle" / folder).glob("*.json")):
        answer = json.loads(path.read_text(encoding="utf-8"))
        if "layers" not in answer:
            continue
        text = path.with_suffix(".prototxt").read_text(encoding="utf-8")
        given = {
            top["name"]: tuple(top["shape"])
            for layer in answer["layers"]
            if not layer["bottoms"] and layer["type"] not in ("Input", "DummyData", "Parameter", "MemoryData")
            for top in layer["tops"]
        }
        built = net(text, answer["phase"], answer.get("dialect", "bvlc"), given)
        found = [f"refused because of {code}" for code in refuses(built)]
        if not path.stem.startswith(SHAPED_BY_DATA):
            found += differences(built, answer["layers"], set())
        wrong += [f"{path.stem}: {item}" for item in found]
    assert wrong == [], "\n".join(wrong)
