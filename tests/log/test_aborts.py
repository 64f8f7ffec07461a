"""Where Caffe stopped: the line of the net, and the rule that speaks of it. From recorded aborts of the real Caffe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.log.conftest import Judge
from tests.log.logs import loss, prefix, text
from tests.net.test_location import INIT, Abort, corpus, mutants, one_fault

from prototxt_server.analysis import Settings, Source
from prototxt_server.log.checks import CHECKS, meaning
from prototxt_server.log.findings import Report, report
from prototxt_server.log.reader import read_text
from prototxt_server.rules.catalogue import load_all, load_dynamic


def fatal(message: str, source: str = "net.cpp:1") -> list[str]:
    return [prefix(source, "F") + message, "*** Check failure stack trace: ***", "Aborted (core dumped)"]


def making(layer: str, created: bool = True) -> list[str]:
    lines = [f"{prefix('layer_factory.hpp:77')}Creating layer {layer}"]
    return [*lines, f"{prefix('net.cpp:86')}Creating Layer {layer}"] if created else lines


def as_log(abort: Abort) -> str:
    """What `caffe train` prints until there."""
    error, message = abort.error, abort.error["message"]
    lines = [f"{prefix('solver.cpp:45')}Initializing solver from parameters: ", "base_lr: 0.01"]
    net = "training net from net" if abort.phase == "TRAIN" else "test net (#0) specified by net"
    lines.append(f"{prefix('solver.cpp:102')}Creating {net} file: net.prototxt")
    for said in error.get("proto") or ():
        where = f"{said['type']}: {said['line']}:{said['column']}: {said['message']}"
        word = "Error" if said["level"] == "error" else "Warning"
        lines.append(
            f"[libprotobuf {word.upper()} google/protobuf/text_format.cc:335] {word} parsing text-format {where}"
        )
    if error["stage"] != "parse" and error.get("at_layer"):
        lines += making(error["at_layer"], created="Unknown layer type" not in message)
    if message.startswith("signal 8"):
        lines.append("*** SIGFPE (@0x7f3a) received by PID 12 (TID 0x7f3b) from PID 9; stack trace: ***")
    elif message.startswith("C++ exception"):
        lines += [message.partition(": ")[2], "terminate called after throwing an instance of 'boost::python::error'"]
    else:
        source = (error.get("file") or "?.cpp").rpartition("/")[2]
        lines += fatal(message, f"{source}:{error.get('line')}")
    return text(lines)


def led(abort: Abort) -> str | None:
    """What is missing until the user is at the line; None for nothing."""
    net = Source(abort.text, "net.prototxt")
    settings = Settings(dialect=abort.dialect, phase=abort.phase, shapes=tuple(abort.shapes.items()))
    done = report(read_text(as_log(abort)), "train.log", net, settings)
    (verdict,) = (verdict for verdict in done.verdicts if verdict.code == "LOG001")
    if not verdict.because:
        return "no cause"
    (cause,) = verdict.because
    known = meaning(verdict.message)
    wrong_layer = abort.error.get("at_layer") not in (None, verdict.layer) and not (known and known[0].early)
    if wrong_layer or not cause.caffe_aborts or verdict.at != (cause.start, cause.end):
        return f"{verdict.layer}, {cause.code}"
    return None if any(f.filename == "net.prototxt" for f in done.files) else "not in the net"


def missed(aborts: Iterator[Abort]) -> list[tuple[str, str | None]]:
    return [(abort.name, what) for abort in aborts if (what := led(abort)) is not None]


@pytest.mark.parametrize("source", [mutants, one_fault])
def test_planted_faults(shared: Path, source: Callable[[Path], Iterator[Abort]]) -> None:
    assert len(list(source(shared))) > 130
    assert missed(source(shared)) == []


@pytest.mark.slow
@pytest.mark.parametrize("file", INIT)
def test_nets_that_people_wrote(shared: Path, file: str) -> None:
    assert missed(corpus(shared, file)) == []


def test_every_rule_that_is_named_exists() -> None:
    codes = {rule.code for rule in (*load_all(), *load_dynamic())}
    named = {code for check in CHECKS for code in check.rules}
    assert [code for code in named if not any(known.startswith(code) for known in codes)] == []


NET = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 group: 2 } }
"""
GROUP = "Check failed: channels_ % group_ == 0 (1 vs. 0) "


def of(done: Report) -> Any:
    return next(verdict for verdict in done.verdicts if verdict.code == "LOG001")


def test_the_line_alone_leads_to_the_rule(judged: Judge) -> None:
    verdict = of(judged(text(fatal(GROUP))))
    assert (verdict.severity, verdict.layer) == ("error", None)
    assert "`lsp rule SHP006`" in verdict.message
    assert "--net NET" in verdict.message


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda t: t, id="as it is"),
        pytest.param(lambda t: t.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda t: t.replace("\n", " "), id="run together"),
        pytest.param(lambda t: t.partition("] ")[2], id="no prefix"),
        pytest.param(lambda t: f"Help! {t}What is wrong?", id="prose around it"),
    ],
)
def test_the_line_alone_leads_to_the_line_of_the_net(judged: Judge, changed: Callable[[str], str]) -> None:
    done = judged(changed(text(fatal(GROUP)[0])), NET)
    verdict = of(done)
    assert (verdict.layer, verdict.because[0].code) == ("conv", "SHP006")
    assert NET[slice(*verdict.at)] == "group: 2"
    first, cause = done.findings
    assert (first.code, first.caffe_aborts, cause.code) == ("LOG001", True, "SHP006")


def test_the_net_that_the_log_prints_is_enough(judged: Judge) -> None:
    printed = [f"{prefix('net.cpp:53')}Initializing net from parameters: ", *NET.splitlines()]
    done = judged(text(printed, making("conv"), fatal(GROUP)))
    (found,) = done.findings
    assert found.related[-1].message.startswith("cause: SHP006")
    assert done.files[0].location(found.related[-1].start)["row"] == 4


def test_caffe_stopped_at_the_net_that_it_printed_last(judged: Judge) -> None:
    def shown(net: str) -> list[str]:
        return [f"{prefix('net.cpp:53')}Initializing net from parameters: ", *net.splitlines()]

    done = f"{prefix('net.cpp:257')}Network initialization done."
    making_test = f"{prefix('solver.cpp:190')}Creating test net (#0) specified by net file: net.prototxt"
    train, test = NET.replace(" group: 2", ""), NET.replace('"conv"', '"conv_test"')
    log = text(shown(train), making("conv"), done, making_test, shown(test), making("conv_test"), fatal(GROUP))
    verdict = of(judged(log))
    assert (verdict.layer, verdict.because[0].code) == ("conv_test", "SHP006")
    assert "of the test net" in verdict.message
    trained = text(
        shown(train), making("conv"), done, making_test, shown(test), making("conv_test"), done, loss(0, 2.3)
    )
    assert judged(trained).log.net_text.count("conv_test") == 0


def test_an_unknown_type_is_the_layer_that_only_the_factory_named(judged: Judge) -> None:
    log = text(
        making("conv1"),
        making("relu1", created=False),
        fatal("Check failed: registry.count(type) == 1 (0 vs. 1) Unknown layer type: Relu (known types: AbsVal, ReLU)"),
    )
    verdict = of(judged(log))
    assert verdict.layer == "relu1"
    assert "AbsVal" not in verdict.message


@pytest.mark.parametrize(
    ("message", "layer", "said"),
    [
        (
            "Cannot copy param 0 weights from layer 'fc8'; shape mismatch.  Source param shape is 1000 4096 (4096000); "
            "target param shape is 20 4096 (81920). To learn this layer's parameters from scratch rename the layer.",
            "fc8",
            "The weights hold 1000 4096 (4096000), the net wants 20 4096 (81920).",
        ),
        ("Unknown bottom blob 'lable' (layer 'loss', bottom index 1)", "loss", "No layer above makes 'lable'"),
        ("Check failed: error == cudaSuccess (2 vs. 0)  out of memory", None, "reduce batch_size"),
        ("Check failed: error == cudaSuccess (77 vs. 0)  an illegal memory access was encountered", None, "a label"),
        ("Check failed: error == cudaSuccess (10 vs. 0)  invalid device ordinal", None, "device_id"),
        ("Check failed: status == CUDNN_STATUS_SUCCESS (4 vs. 0)  CUDNN_STATUS_INTERNAL_ERROR", None, "cuDNN refuses"),
        ("Cannot use GPU in CPU-only Caffe: check mode.", None, "solver_mode: CPU"),
        ("Check failed: mdb_status == 0 (2 vs. 0) No such file or directory", None, "database is not there"),
        ("Check failed: fd != -1 (-1 vs. -1) File not found: a/b.prototxt", None, "A file is missing"),
        ("Check failed: error == cudaSuccess (48 vs. 0)  no kernel image is available", None, "CUDA_ARCH"),
        ("Check failed: ReadProtoFromBinaryFile(param_file, param) Failed to parse NetParameter file: w.caffemodel",
         None, "no caffemodel"),
        ("Check failed: height <= datum_height (224 vs. 200) ", None, "see crop_size"),
        ("Check failed: channels == img_channels (3 vs. 1) ", None, "force_color"),
        ("Check failed: label_value < num_labels (10 vs. 10) ", None, "not below the number of classes"),
        ("Check failed: K_ == new_K (9216 vs. 6400) Input size incompatible with inner product parameters.", None,
         "another size of input"),
        ("Check failed: proto.SerializeToOstream(&output) ", None, "snapshot cannot be written"),
        ("Check failed: H5LTfind_dataset(file_id, dataset_name_) Failed to find HDF5 dataset data", None, "named like"),
        ("Multi-GPU execution not available - rebuild with USE_NCCL", None, "NCCL"),
        ("Check failed: top_shape[j] == bottom[i]->shape(j) (300 vs. 299) ", None, "Compare the bottoms"),
    ],
)  # fmt: skip
def test_what_is_no_fault_of_the_text(judged: Judge, message: str, layer: str | None, said: str) -> None:
    done = judged(text(f"{prefix('net.cpp:255')}Network initialization done.", fatal(message)))
    verdict = of(done)
    assert verdict.layer == layer
    assert said in verdict.message
    assert not done.findings[0].caffe_aborts


def test_a_check_that_is_not_known_leads_to_what_is_refused_at_that_layer(judged: Judge) -> None:
    verdict = of(judged(text(making("conv"), fatal("Check failed: some_fork_says_so == 1 (0 vs. 1) ")), NET))
    assert (verdict.layer, verdict.because[0].code) == ("conv", "SHP006")
    assert of(judged(text(making("data"), fatal("Check failed: some_fork_says_so")), NET)).because == ()


def test_the_source_file_tells_the_type(judged: Judge) -> None:
    message = "Check failed: bottom[i]->shape() == bottom[0]->shape() "
    assert of(judged(text(fatal(message, "eltwise_layer.cpp:34")), TWO_SUMS)).layer == "sum"


def test_after_the_set_up_no_layer_is_blamed(judged: Judge) -> None:
    done = f"{prefix('net.cpp:255')}Network initialization done."
    assert of(judged(text(making("conv"), done, loss(0, 2.3), fatal("Check failed: x == y (1 vs. 2)")))).layer is None


def test_only_the_first_of_several_last_words_counts(judged: Judge) -> None:
    log = text(making("conv"), fatal(GROUP), fatal("Check failed: other"), "*** SIGABRT (@0x3e8) received by PID 1")
    assert "channels_ % group_" in of(judged(log)).message


def test_an_abort_that_a_later_run_went_past_is_history(judged: Judge) -> None:
    again = f"{prefix('solver.cpp:45')}Initializing solver from parameters: "
    verdict = of(judged(text(again, making("conv"), fatal(GROUP), again, loss(0, 2.3), loss(20, 2.1)), NET))
    assert verdict.severity == "info"
    assert "A later run" in verdict.message
    twice = judged(
        text(again, fatal(GROUP), again, fatal("Check failed: error == cudaSuccess (2 vs. 0)  out of memory"))
    )
    assert "out of memory" in of(twice).message


def test_who_ends_a_program_knows(judged: Judge) -> None:
    assert judged("*** SIGTERM (@0x3e8) received by PID 7 (TID 0x7f) ***\n").verdicts == []


def test_a_solver_that_cannot_be_read_is_no_fault_of_the_net(judged: Judge) -> None:
    said = (
        'Error parsing text-format caffe.SolverParameter: 3:8: Message type "caffe.SolverParameter" has no field "x".'
    )
    done = judged(text(f"[libprotobuf ERROR text_format.cc:274] {said}", fatal("Check failed: ReadProtoFromTextFile("
                  "param_file, param) Failed to parse SolverParameter file: my_solver.prototxt")), NET)  # fmt: skip
    verdict = of(done)
    assert "could not read the solver: line 3, column 8" in verdict.message
    assert "`lsp check my_solver.prototxt`" in verdict.message
    assert verdict.at is None


def trace(*frames: str) -> list[str]:
    return [f"    @     0x7f0c1ff199dd  {frame}()" for frame in ("google::LogMessage::Fail", *frames)]


TWO_SUMS = """layer { name: "data" type: "Input" top: "a" top: "b"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } shape { dim: 1 dim: 4 dim: 8 dim: 8 } } }
layer { name: "cat" type: "Concat" bottom: "a" bottom: "b" top: "cat" concat_param { axis: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
"""


def test_the_stack_trace_tells_the_type_and_when(judged: Judge) -> None:
    message = "Check failed: bottom[i]->shape() == bottom[0]->shape()"
    frames = trace("caffe::EltwiseLayer<>::Reshape", "caffe::Net<>::Init", "caffe::Solver<>::InitTestNets")
    log = text(fatal(message)[:2], frames)
    assert "in a layer of type Eltwise (Reshape)" in of(judged(log)).message
    assert of(judged(log, TWO_SUMS)).layer == "sum"
    assert judged(log).log.abort.phase == "TEST"
    running = trace(
        "caffe::CuDNNConvolutionLayer<>::Forward_gpu", "caffe::Net<>::ForwardFromTo", "caffe::Solver<>::Step"
    )
    assert (
        "while it ran in a layer of type Convolution (Forward_gpu)" in of(judged(text(fatal("x")[:2], running))).message
    )


@pytest.mark.parametrize(
    "line",
    [
        "check failed:channels_%group_==0(1 vs. 0)",
        "ERROR - 17:05:57 - src/caffe/x.cpp:32 / Check failed (custom): (channels_ % group_) == (0)",
    ],
)
def test_retyped_and_rewritten(judged: Judge, line: str) -> None:
    assert of(judged(f"{line}\n", NET)).because[0].code == "SHP006"
