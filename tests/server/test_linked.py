"""Files that are judged beside others: what is found, what a solver makes of its nets, what depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.linked import Reader, analyze_linked
from prototxt_server.linked.lists import read_list
from prototxt_server.linked.model import Named
from prototxt_server.linked.paths import find, is_template
from prototxt_server.linked.reader import Given
from prototxt_server.linked.states import instances
from prototxt_server.linked.twins import training_name
from prototxt_server.linked.weights import StoredLayer, StoredWeights

DATA = 'layer {{ name: "data" type: "Data" top: "data" top: "label" {} data_param {{ source: "db" batch_size: 8 }} }}\n'
IP = """layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n'
NET = DATA.format("") + IP + LOSS
SOLVER = 'net: "net.prototxt"\nbase_lr: 0.1\nlr_policy: "fixed"\nmax_iter: 100\n'
TESTED = SOLVER + "test_interval: 50\ntest_iter: 10\n"


def judged(text: str, files: dict[str, str], path: str = "solver.prototxt") -> Analysis:
    return analyze_linked(Source(text, path), Settings(), Given(files.items()))


def codes(analysis: Analysis) -> list[str]:
    return [finding.code for finding in analysis.findings]


# -- paths -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("owner", "written", "there", "found", "moved"),
    [
        ("solver.prototxt", "net.prototxt", "net.prototxt", "net.prototxt", False),
        ("models/vgg/solver.prototxt", "models/vgg/net.prototxt", "models/vgg/net.prototxt", None, False),
        ("models/vgg/solver.prototxt", "net.prototxt", "models/vgg/net.prototxt", None, False),
        ("/w/caffe/models/vgg/solver.prototxt", "models/vgg/n.prototxt", "/w/caffe/models/vgg/n.prototxt", None, False),
        ("/w/caffe/models/vgg/solver.prototxt", "net.prototxt", "/w/net.prototxt", "", False),
        ("/w/vgg/solver.prototxt", "/home/jane/vgg/net.prototxt", "/w/vgg/net.prototxt", None, True),
        ("/w/vgg/solver.prototxt", "models/vgg/net.prototxt", "/w/vgg/net.prototxt", None, True),
        ("/w/vgg/solver.prototxt", "C:\\nets\\net.prototxt", "/w/vgg/net.prototxt", None, True),
        ("/w/vgg/solver.prototxt", "../net.prototxt", "/w/net.prototxt", None, False),
        ("/w/vgg/solver.prototxt", "other.prototxt", "/w/vgg/net.prototxt", "", False),
    ],
)
def test_where_a_path_leads(owner: str, written: str, there: str, found: str | None, moved: bool) -> None:
    place = find(owner, written, lambda path: path == there, beside=True)
    assert (place.path, place.moved) == (there if found is None else found, moved)


@pytest.mark.parametrize(
    ("written", "template"),
    [("@NET@.prototxt", True), ("$ROOT/net.prototxt", True), ("", True), ("%s_train.pt", True), ("a b/net.pt", False)],
)
def test_blanks_are_not_paths(written: str, template: bool) -> None:
    assert is_template(written) is template


# -- reading ---------------------------------------------------------------------------------------------------------
def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    net, solver = tmp_path / "net.prototxt", str(tmp_path / "solver.prototxt")
    reader = Reader()

    def said() -> list[str]:
        return codes(analyze_linked(Source(TESTED, solver), Settings(), reader))

    assert said() == ["SOL017"]
    net.write_text(NET)
    assert said() == []
    net.write_text(NET.replace('type: "InnerProduct"', 'type: "BatchNorm"'))
    assert said() == ["BN018"]
    net.unlink()
    assert said() == ["SOL017"]


def test_a_net_that_did_not_change_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    reader, source = Reader(), Source(TESTED, str(tmp_path / "solver.prototxt"))
    first, second = (analyze_linked(source, Settings(), reader) for _ in range(2))
    assert first.linked == second.linked
    assert first.linked is not None
    assert first.linked.nets[0].analysis is second.linked.nets[0].analysis  # type: ignore[union-attr]
    later = analyze(Source(NET, str(tmp_path / "net.prototxt")), Settings(), reader.known(first.linked.nets[0].path))
    assert later.nets is first.linked.nets[0].analysis.nets  # type: ignore[union-attr]


@pytest.mark.parametrize("there", ["folder", "binary", "solver", "broken", "empty"])
def test_what_is_no_net_is_passed_over(tmp_path: Path, there: str) -> None:
    net = tmp_path / "net.prototxt"
    content = {"binary": b"\x00\x01\x02" * 999, "solver": SOLVER.encode(), "broken": b'layer { name: "', "empty": b""}
    if there == "folder":
        net.mkdir()
    else:
        net.write_bytes(content[there])
    found = codes(analyze_linked(Source(TESTED, str(tmp_path / "solver.prototxt")), Settings(), Reader()))
    assert found == (["SOL017"] if there == "folder" else [])


def test_a_text_without_a_name_is_judged_alone() -> None:
    assert codes(judged(TESTED, {}, path="")) == []


# -- states ----------------------------------------------------------------------------------------------------------
STAGED = (
    DATA.format('include { phase: TRAIN not_stage: "small" }')
    + DATA.format('include { phase: TRAIN stage: "small" }').replace("8 }", "2 }")
    + DATA.format('include { phase: TEST stage: "val" min_level: 1 }').replace("8 }", "5 }")
    + DATA.format('include { phase: TEST stage: "train" }').replace("8 }", "3 }")
    + IP
    + LOSS
)


@pytest.mark.parametrize(
    ("states", "batches"),
    [
        ('test_state { stage: "val" level: 1 } test_state { stage: "train" }', [8, 5, 3]),
        ('train_state { stage: "small" } test_state { stage: "train" } test_state { stage: "train" }', [2, 3, 3]),
        ('train_state { phase: TEST stage: "train" } test_state {} test_state { stage: "val" }', [3, None, None]),
    ],
)
def test_each_net_of_a_solver_is_built_in_its_state(states: str, batches: list[int | None]) -> None:
    analysis = judged(TESTED + f"test_iter: 10\n{states}\n", {"net.prototxt": STAGED})
    assert analysis.linked is not None
    made = instances(analysis, analysis.linked)
    assert [instance.number for instance in made] == [-1, 0, 1]
    found = [next((n for n in instance.net.nodes if n.type == "Data"), None) for instance in made]
    assert [None if node is None else node.tops[0].shape[0] for node in found] == batches  # type: ignore[index]


def test_a_net_that_is_refused_in_the_state_of_its_solver() -> None:
    analysis = judged(TESTED + "test_state { }\n", {"net.prototxt": STAGED})
    (finding,) = [finding for finding in analysis.findings if finding.code == "SOL019"]
    assert (finding.severity, finding.caffe_aborts) == ("error", True)
    assert "test net 0" in finding.message
    assert [note.filename for note in finding.related] == ["net.prototxt"]


def test_what_the_nets_own_check_says_is_mentioned_only() -> None:
    analysis = judged(TESTED, {"net.prototxt": NET.replace('bottom: "ip"', 'bottom: "pi"')})
    assert [(f.code, f.severity, f.caffe_aborts) for f in analysis.findings] == [("SOL019", "info", False)]


def test_a_net_that_only_lies_near_by_is_not_held_against_the_solver() -> None:
    broken = NET.replace('bottom: "ip"', 'bottom: "pi"')
    assert codes(judged(TESTED.replace("net.prototxt", "/x/net.prototxt"), {"net.prototxt": broken})) == ["SOL017"]


# -- nets inside solvers ---------------------------------------------------------------------------------------------
def inside(net: str, field: str = "net_param") -> str:
    return SOLVER.replace('net: "net.prototxt"\n', f"{field} {{\n{net}}}\n")


def test_a_net_inside_a_solver_is_judged_like_one_in_a_file() -> None:
    assert codes(judged(inside(NET), {})) == ["DAT001"]
    analysis = judged(inside(NET.replace('bottom: "ip"', 'bottom: "pi"')), {})
    (finding,) = [f for f in analysis.findings if f.severity == "error"]
    assert (finding.code, finding.layer, finding.caffe_aborts) == ("NET002", "loss", True)
    assert analysis.source.text[finding.start : finding.end] == 'bottom: "pi"'


def test_it_is_not_upgraded() -> None:
    three = 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "data" param {} param {} param {} }\n'
    net = DATA.format("") + three + IP + LOSS
    assert "BN001" not in codes(judged(net, {}, "net.prototxt"))
    assert "BN001" in codes(judged(inside(net), {}))
    old = 'input: "data" input_shape { dim: 1 dim: 3 } layer { name: "s" type: "Silence" bottom: "data" }\n'
    assert codes(judged(old, {}, "net.prototxt")) == ["SCH008"]
    assert sorted(codes(judged(inside(old), {}))) == ["NET002", "SCH018"]


def test_fixes_stay_inside_of_it() -> None:
    text = inside(NET + 'layer { name: "x" type: "ReLU" bottom: "ip" top: "x" }\n', "train_net_param")
    (finding,) = [finding for finding in judged(text, {}).findings if finding.code == "NET014"]
    assert finding.fix is None


# -- what a net is judged beside ---------------------------------------------------------------------------------------
FROZEN = IP.replace('top: "ip"', 'top: "ip" param { lr_mult: 0 } param { lr_mult: 0 }', 1) + IP.replace(
    '"ip"', '"ip2"'
).replace('"data"', '"ip"')
TRAINED = DATA.format("") + FROZEN + LOSS.replace('"ip"', '"ip2"')


@pytest.mark.parametrize(
    ("solvers", "told"),
    [
        ({"solver.prototxt": SOLVER}, True),
        ({"my_solver.pt": SOLVER}, True),
        ({"a_solver.prototxt": SOLVER, "b_solver.prototxt": SOLVER + 'weights: "a.caffemodel"\n'}, False),
        ({"solver.prototxt": SOLVER.replace("net.prototxt", "/home/jane/x/net.prototxt")}, True),
        ({"solver.prototxt": SOLVER.replace("net.prototxt", "other.prototxt")}, False),
        ({"solver.prototxt": "net"}, False),
        ({}, False),
    ],
)
def test_a_net_finds_the_solvers_that_name_it(solvers: dict[str, str], told: bool) -> None:
    assert ("FRZ015" in codes(judged(TRAINED, solvers, "net.prototxt"))) is told


def test_a_layer_that_the_weights_do_not_have_is_a_warning() -> None:
    for layers, severities in (({}, ["warning"]), ({"ip": StoredLayer("InnerProduct", ((10, 3), (10,)))}, [])):
        named = Named(weights=StoredWeights("w.caffemodel", layers))
        analysis = analyze_linked(Source(TRAINED, "net.prototxt"), Settings(), Given(()), named=named)
        assert [f.severity for f in analysis.findings if f.code == "FRZ015"] == severities


@pytest.mark.parametrize(
    ("name", "beside", "found"),
    [
        ("deploy.prototxt", ["train_val.prototxt", "solver.prototxt"], "train_val.prototxt"),
        ("deploy.prototxt", ["train.prototxt", "val.prototxt"], "train.prototxt"),
        ("deploy.prototxt", ["train.prototxt", "train_val.prototxt"], ""),
        ("ResNet-50-deploy.prototxt", ["ResNet-50-train_val.prototxt", "train_val.prototxt"], None),
        ("deploy_fp16.prototxt", ["train_val.prototxt", "train_val_fp16.prototxt"], "train_val_fp16.prototxt"),
        ("lenet.prototxt", ["lenet_train_test.prototxt"], "lenet_train_test.prototxt"),
        ("train_val.prototxt", ["deploy.prototxt"], ""),
        ("train.prototxt", ["train_val.prototxt"], ""),
        ("deploy", ["train"], ""),
    ],
)
def test_which_training_net_belongs_to_a_deploy_net(name: str, beside: list[str], found: str | None) -> None:
    assert training_name(name, beside) == (beside[0] if found is None else found)


CONV = 'layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param {{ num_output: 4 {} }} }}\n'
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }\n'


@pytest.mark.parametrize(
    ("deploy", "train", "told"),
    [
        ("kernel_size: 3", "kernel_h: 3 kernel_w: 3", False),
        ("kernel_size: 3 stride: 1 pad: 0 dilation: 1 group: 1", "kernel_size: [3, 3]", False),
        ("kernel_size: 3 engine: CAFFE", 'kernel_size: 3 weight_filler { type: "msra" }', False),
        ("kernel_size: 3", "kernel_size: 5", True),
        ("kernel_size: 3", "kernel_size: 3 pad_h: 1", True),
        ("kernel_size: 3 bias_term: false", "kernel_size: 3", True),
        ("kernel_size: 3 group: 1", "kernel_size: 3 group: 2", True),
    ],
)
def test_what_sets_twins_apart(deploy: str, train: str, told: bool) -> None:
    files = {"train_val.prototxt": DATA.format("") + CONV.format(train)}
    found = codes(judged(INPUT + CONV.format(deploy), files, "deploy.prototxt"))
    assert ("NET021" in found) is told


def test_the_twin_that_is_named_goes_before_the_one_beside() -> None:
    files = {"train_val.prototxt": CONV.format("kernel_size: 3"), "x/other.prototxt": CONV.format("kernel_size: 5")}
    source = Source(INPUT + CONV.format("kernel_size: 3"), "deploy.prototxt")
    assert "NET021" not in codes(analyze_linked(source, Settings(), Given(files.items())))
    named = Named(twin="x/other.prototxt")
    assert "NET021" in codes(analyze_linked(source, Settings(), Given(files.items()), named=named))


@pytest.mark.parametrize(
    ("text", "count", "labels", "odd"),
    [
        ("a.jpg 3\nb.jpg 0\n", 2, {3: 1, 0: 2}, None),
        ("a b.jpg -1\r\nc.jpg +7\r\n", 2, {-1: 1, 7: 2}, None),
        ("a.jpg cat\nb.jpg 0.5\n", 2, {0: 1}, (1, "cat")),
        ("a.jpg 1x", 1, {1: 1}, (1, "1x")),
        ("", 0, {}, None),
    ],
)
def test_labels_are_read_as_imagedata_reads_them(
    text: str, count: int, labels: dict[int, int], odd: tuple[int, str] | None
) -> None:
    found = read_list("list.txt", text)
    assert found is not None
    assert (found.count, found.labels, found.odd) == (count, labels, odd)


# -- the command line --------------------------------------------------------------------------------------------------
def test_the_command_line_reads_the_net_of_a_solver_and_the_twin(lsp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "net.prototxt").write_text(NET.replace('type: "InnerProduct"', 'type: "BatchNorm"'))
    (tmp_path / "solver.prototxt").write_text(TESTED)
    options = ("--format", "json", "--no-cache")
    (found,) = lsp("check", "solver.prototxt", *options, cwd=tmp_path).json
    assert found["code"] == "BN018"
    assert found["related"][0]["filename"] == "net.prototxt"
    assert found["related"][0]["location"]["row"] == 2
    piped = lsp("check", "-", "--stdin-filename", "solver.prototxt", *options, cwd=tmp_path, stdin=TESTED.encode())
    assert [item["code"] for item in piped.json] == ["BN018"]
    assert lsp("check", "solver.prototxt", "--fix", cwd=tmp_path).code == 0
    assert "test_initialization: false" in (tmp_path / "solver.prototxt").read_text()


def test_files_that_cannot_be_used_are_said_in_one_line(lsp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "net.prototxt").write_text(NET)
    for option in ("--twin", "--weights"):
        for name in ("nowhere", "net.prototxt" if option == "--weights" else str(tmp_path)):
            done = lsp("check", "net.prototxt", option, name, cwd=tmp_path)
            assert (done.code, done.err.count("\n"), done.err.startswith("lsp: ")) == (2, 1, True), done.err


def test_real_weights_of_another_caffe(lsp, shared: Path) -> None:  # type: ignore[no-untyped-def]
    net = "bn_test_stored.prototxt"
    options = (net, "--weights", net.replace("prototxt", "caffemodel"), "--select", "BN040", "--format", "concise")
    golden = shared / "oracle" / "golden"
    assert lsp("check", *options, cwd=golden).code == 0
    assert "loading aborts" in lsp("check", *options, "--dialect", "nvidia-0.15", cwd=golden).text


# -- what other files disprove ---------------------------------------------------------------------------------------
CUT = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" propagate_down: false
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
"""


@pytest.mark.parametrize(
    ("solvers", "said"),
    [
        pytest.param({}, ["FRZ003"], id="nobody knows the solver"),
        pytest.param({"solver.prototxt": SOLVER}, [], id="weight_decay is 0 by default"),
        pytest.param({"solver.prototxt": SOLVER + "weight_decay: 0.0005\n"}, ["FRZ003"], id="it decays"),
        pytest.param(
            {"solver.prototxt": SOLVER, "solver_2.prototxt": SOLVER + "weight_decay: 0.1\n"},
            ["FRZ003"],
            id="one of two",
        ),
        pytest.param({"solver.prototxt": SOLVER.replace("net.pro", "other.pro")}, ["FRZ003"], id="another's solver"),
    ],
)  # fmt: skip
def test_what_only_decays_stays_where_no_solver_decays(solvers: dict[str, str], said: list[str]) -> None:
    found = judged(DATA.format("") + CUT + LOSS, solvers, "net.prototxt")
    assert [code for code in codes(found) if code.startswith("FRZ")] == said


FIVE = "param { decay_mult: 0 } " * 2 + "param { lr_mult: 0 } " * 3
NVIDIA = DATA.format("") + IP + (
    'layer { name: "bn" type: "BatchNorm" bottom: "ip" top: "bn" ' + FIVE
    + "batch_norm_param { engine: CAFFE scale_filler { value: 1 } } }\n"
) + LOSS.replace('bottom: "ip"', 'bottom: "bn"')  # fmt: skip


@pytest.mark.parametrize(("decay", "said"), [("", ["BN042"]), ("weight_decay: 0.1\n", [])])
def test_a_blob_that_only_weight_decay_initialises(decay: str, said: list[str]) -> None:
    settings = Settings(dialect="nvidia-0.15", select=("BN042",))
    found = analyze_linked(Source(NVIDIA, "net.prototxt"), settings, Given({"solver.prototxt": SOLVER + decay}.items()))
    assert codes(found) == said


def test_weights_from_a_file_are_not_what_fillers_say() -> None:
    dead = IP.replace('"ip"', '"hidden"').replace('type: "xavier"', 'type: "constant"')
    hidden = dead + 'layer { name: "relu" type: "ReLU" bottom: "hidden" top: "hidden" }\n'
    text = DATA.format("") + hidden + IP.replace('bottom: "data"', 'bottom: "hidden"') + LOSS
    for layer, said in (("hidden", []), ("other", ["INI002"])):
        stored = StoredWeights("w.caffemodel", {layer: StoredLayer("InnerProduct", ((10, 3), (10,)))})
        found = analyze_linked(Source(text, "net.prototxt"), Settings(), Given([]), named=Named(weights=stored))
        assert [code for code in codes(found) if code.startswith("INI")] == said
    for more, said in (("", ["INI002"]), ('weights: "vgg.caffemodel"\n', [])):
        found = judged(text, {"solver.prototxt": SOLVER + more}, "net.prototxt")
        assert [code for code in codes(found) if code.startswith("INI")] == said
