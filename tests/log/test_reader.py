"""From text to passes: layouts, pasted and damaged text, places; never an exception, never more memory."""

from __future__ import annotations

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.log.logs import arrows, bottom_diff, loss, norms, param, param_diff, prefix, test_pass, text, top

from prototxt_server.log import lines as grammar
from prototxt_server.log import reader
from prototxt_server.log.reader import read, read_text
from prototxt_server.log.record import SAMPLES, Block

ITERATION = [
    top("data", "data", 0.5),
    top("conv1", "conv1", 0.25),
    param("conv1", 0, 0.1),
    param("conv1", 1, 0),
    top("relu1", "conv1", 0.125),
    top("loss", "loss", 2.3),
    bottom_diff("loss", "conv1", 0.04),
    bottom_diff("relu1", "conv1", 0.02),
    param_diff("conv1", 0, 1e-05),
    param_diff("conv1", 1, 0.003),
    norms(6.0, 0.7),
]


def sizes(log_text: str) -> list[tuple[str, str, float]]:
    kept = read_text(log_text).passes[0]
    return [
        (values.name, name, value.number)
        for values in kept.layers.values()
        for group in (values.tops, values.params, values.bottom_diffs, values.param_diffs)
        for name, value in group.items()
    ]


EXPECTED = sizes(text(ITERATION))


def test_one_pass_has_all_its_numbers() -> None:
    (kept,) = read_text(text(ITERATION, loss(0, 2.3))).passes
    assert (kept.phase, kept.iteration, list(kept.layers)) == ("TRAIN", 0, ["data", "conv1", "relu1", "loss"])
    conv1 = kept.layers["conv1"]
    assert {name: value.number for name, value in conv1.params.items()} == {"0": 0.1, "1": 0}
    assert {name: value.number for name, value in conv1.param_diffs.items()} == {"0": 1e-05, "1": 0.003}
    assert kept.layers["loss"].bottom_diffs["conv1"].number == 0.04
    assert kept.norms is not None
    assert (kept.norms.l2_data, kept.norms.l2_diff) == (6.0, 0.7)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda t: t.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda t: t.replace("\n", " "), id="all on one line"),
        pytest.param(lambda t: t.replace("\n", ""), id="on one line without a blank"),
        pytest.param(lambda t: "".join(x.partition("] ")[2] + "\n" for x in t.splitlines()), id="no prefixes"),
        pytest.param(lambda t: "".join(x.partition("]     ")[2] + "\n" for x in t.splitlines()), id="no indent"),
        pytest.param(lambda t: t.replace("0804 10:22:42.074671  8318 net.cpp:593", "1109 ..."), id="elided prefix"),
        pytest.param(lambda t: t.replace("  8318", " 8318").replace("    [", "["), id="collapsed blanks"),
        pytest.param(lambda t: t.replace("I0804", "I20260804"), id="year in the prefix"),
        pytest.param(lambda t: "question:\n\nlayer { name: \"x\" }\n" + t + "why?\n", id="prose around it"),
    ],
)  # fmt: skip
def test_pasted_text_reads_the_same(changed: object) -> None:
    assert callable(changed)
    assert sizes(changed(text(ITERATION, loss(0, 2.3)))) == EXPECTED


def test_nvidia_016_reads_the_same() -> None:
    log = read_text(arrows([*ITERATION, *loss(0, 2.3)]))
    assert log.arrows
    assert sizes(arrows(ITERATION)) == EXPECTED
    assert sizes(arrows(ITERATION).replace("\n", " ") + "\n") == EXPECTED


def test_utf_16_of_a_windows_redirection() -> None:
    data = text(ITERATION).encode("utf-16")
    assert read(io.BytesIO(data)).debug_lines == len(EXPECTED)


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("0", 0.0),
        ("1e-05", 1e-05),
        ("2.43e+08", 2.43e8),
        ("nan", math.nan),
        ("-nan", math.nan),
        ("-nan(ind)", math.nan),
        ("inf", math.inf),
        ("1.#QNAN", math.nan),
        ("-1.#IND", math.nan),
        ("1.#INF", math.inf),
    ],
)
def test_numbers_as_c_plus_plus_prints_them(printed: str, value: float) -> None:
    found = read_text(text(top("conv1", "conv1", printed), "")).passes[0].layers["conv1"].tops["conv1"].number
    assert found == value or (math.isnan(found) and math.isnan(value))


@pytest.mark.parametrize("cut", ["0.0", "0", "1e-", "2.43e+0"])
def test_a_number_that_the_end_cuts_off_is_no_number(cut: str) -> None:
    whole = text(top("conv1", "conv1", 0.5))
    log = read_text(whole + top("conv2", "conv2", cut))
    assert list(log.passes[0].layers) == ["conv1"]


def test_a_line_that_is_cut_in_the_middle_loses_only_itself() -> None:
    damaged = top("conv1", "conv1", 0.5)[:-16] + top("conv2", "conv2", 0.25)
    assert [name for name, _, _ in sizes(damaged + "\n")] == ["conv2"]


def test_passes_end_where_a_number_comes_again() -> None:
    log = read_text(text(ITERATION, loss(0, 2.3), ITERATION, loss(20, 2.1), ITERATION[:3]))
    assert log.pass_count == 3
    assert [(kept.phase, kept.iteration) for kept in log.passes] == [("TRAIN", 0), ("TRAIN", 20), ("TRAIN", None)]
    assert log.loss.points == [(0, 2.3), (20, 2.1)]


def other_gpu(line: str) -> str:
    return line.replace("  8318 ", "  8319 ")


@pytest.mark.parametrize("at", [0, 3, 8, 10, 11])
def test_other_gpus_print_norms_of_their_own(at: int) -> None:
    noise = [
        other_gpu(norms(77, 88)),
        f"{prefix('data_layer.cpp:73').replace('8318', '8320')}Restarting data prefetching from start.",
        f"{prefix('parallel.cpp:425', 'I')}GPUs pairs 0:1",
    ]
    log = read_text(text(*([*ITERATION[:at], *noise, *ITERATION[at:], *loss(i, 2.3)] for i in range(3))))
    assert log.pass_count == 3
    assert [kept.norms.l2_data for kept in log.passes if kept.norms] == [6.0] * len(log.passes)


def test_several_passes_an_iteration() -> None:
    log = read_text(text(ITERATION, ITERATION, loss(0, 2.3), ITERATION, ITERATION, loss(20, 2.3)))
    assert log.pass_count == 4
    assert [kept.iteration for kept in log.passes] == [0, 20]
    assert log.samples["TRAIN"].iterations == [0, 0, 20, 20]


def test_a_test_between_iterations_is_told_apart() -> None:
    testing = test_pass(20, accuracy=0.5, loss=1.5)
    log = read_text(text(ITERATION, loss(0, 2.3), testing[0], ITERATION[:6], ITERATION[:6], testing[1:], ITERATION))
    assert [(kept.phase, kept.iteration) for kept in log.passes if "first" in kept.reasons] == [
        ("TRAIN", 0),
        ("TEST", 20),
    ]
    assert {name: track.last.number for name, track in log.test.items() if track.last} == {"accuracy": 0.5, "loss": 1.5}


@pytest.mark.parametrize(
    "line",
    [
        "Iteration 20, loss = 5.5",
        "Iteration 20 (9.51 iter/s, 2.1s/20 iters), loss = 5.5",
        "Iteration 20 (9.51 iter/s, 2.1s/20 iter), 0.1/12.5ep, loss = 5.5",
        "    [0.0.1] Iteration 20 (0.41 s), 0.1/12.5ep, loss = 5.5",
        "Iteration 20 (-1.4013e-45 iter/s, 0s/1 iters), loss = 5.5I0804 10:22:42.1 8318 solver.cpp:258]",
    ],
)
def test_the_line_of_an_iteration(line: str) -> None:
    assert read_text(line + "\n").loss.points == [(20, 5.5)]


def test_the_lines_of_nvidia_017() -> None:
    log = read_text(
        "I1 1 solver.cpp:494] Iteration 20, Testing net (#0)\n"
        "I1 1 solver.cpp:581]     Test net output #0: top-1 = 0.7\n"
        "I1 1 solver.cpp:712] Test net output mAP #0: detection_eval = 0.61\n"
        "I1 1 sgd_solver.cpp:180] [0.0.1] Iteration 20, lr = 0.05, m = 0.9, lrm = 0.5, wd = 0.0001, gs = 1\n"
    )
    assert {name: track.points for name, track in log.test.items()} == {
        "top-1": [(20, 0.7)],
        "detection_eval": [(20, 0.61)],
    }
    assert log.lr.points == [(20, 0.05)]


def test_places_are_rows_and_columns_in_code_points() -> None:
    line = top("conv1", "conv1", 0.5)
    kept = read_text(f"日志: \r\n\n日本 {line}\n").passes[0]
    place = kept.layers["conv1"].tops["conv1"].place
    assert (place.row, place.column) == (2, 3 + line.index("0.5"))
    assert place.line[place.start : place.end] == "0.5"


def test_places_may_be_asked_for_in_any_order() -> None:
    block = Block(b"a\nbb\nccc\n", 5)
    rows = [block.place(start, start + 1).row for start in (5, 2, 7, 0, 7, 2)]
    assert rows == [7, 6, 7, 5, 7, 6]


def test_blocks_do_not_change_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = text(*(part for i in range(40) for part in (ITERATION, loss(i, 2.3 + i))))
    one = read_text(whole)
    monkeypatch.setattr(reader, "BLOCK", 777)
    many = read_text(whole)
    assert (many.pass_count, many.debug_lines, many.rows) == (one.pass_count, one.debug_lines, one.rows)
    last = [log.passes[-1].layers["conv1"].tops["conv1"].place for log in (one, many)]
    assert last[0] == last[1]


def test_what_is_kept_does_not_grow() -> None:
    short, long = (read_text(text(*(p for i in range(n) for p in (ITERATION, loss(i, 2.3))))) for n in (40, 2000))
    assert len(long.passes) == len(short.passes)
    for slot in long.slots:
        for samples in slot.samples.values():
            assert len(samples) <= SAMPLES
    assert long.samples["TRAIN"].iterations[0] == 0
    assert long.samples["TRAIN"].iterations == sorted(long.samples["TRAIN"].iterations)


def test_the_net_and_the_solver_that_the_log_prints() -> None:
    printed = (
        "I0804 10:22:42.0  1 solver.cpp:45] Initializing solver from parameters: \nbase_lr: 0.01\ndisplay: 0\n"
        'debug_info: true\nnet: "a.prototxt"\nI0804 10:22:42.0  1 net.cpp:53] Initializing net from parameters: \n'
        'name: "a"\nlayer {\n  name: "bn1"\n  type: "BatchNorm"\n}\n'
        "I0804 10:22:42.0  1 net.cpp:86] Creating Layer bn1\n"
    )
    log = read_text(printed)
    assert log.net_text == 'name: "a"\nlayer {\n  name: "bn1"\n  type: "BatchNorm"\n}\n'
    assert log.net_row == 6
    assert log.types == {"bn1": "BatchNorm"}
    assert log.solver == {"base_lr": "0.01", "display": "0", "debug_info": "true", "net": "a.prototxt"}


_PIECES = st.sampled_from(
    [
        *ITERATION,
        *loss(3, 2.5),
        *test_pass(0, accuracy=0.1),
        arrows(ITERATION),
        "Check failed: x == y (1 vs. 2) no",
        "Initializing net from parameters:\n",
        'layer { name: "a" type: "ReLU" }\n',
        "ward] Layer ",
        "-> top blob x, count: ",
        "Iteration 99999999999999999999999999, loss = nan\n",
        "All net params (data, diff): L1 norm = (1, ",
        "base_lr: ",
        "\r\n",
        "\ufeff",
    ]
)


@given(st.lists(st.one_of(_PIECES, st.text(max_size=20)), max_size=30), st.integers(0, 5), st.integers(1, 90))
def test_no_text_raises(judged_text: list[str], start: int, size: int) -> None:
    from prototxt_server.log.findings import report
    from prototxt_server.report.log_json import as_object
    from prototxt_server.report.log_text import text as as_text
    from prototxt_server.report.record import Layout

    whole = "".join(judged_text)
    found = report(read_text(whole[start:]), "x.log")
    as_text(found, Layout())
    as_object(found)


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    read(io.BytesIO(data))


@given(st.integers(0, 1500), st.integers(0, 1500))
def test_any_cut_of_a_log_reads(start: int, length: int) -> None:
    whole = text(ITERATION, loss(0, 2.3), ITERATION).encode()
    log = read(io.BytesIO(whole[start : start + length]))
    assert log.debug_lines <= 2 * len(EXPECTED)


def test_every_kind_of_line_has_its_handler() -> None:
    scanner = reader.Scanner()
    assert all(hasattr(scanner, f"_on_{kind}") for kind, _ in grammar.MARKERS)
