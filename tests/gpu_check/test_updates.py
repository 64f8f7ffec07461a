"""DYN032: what the first update of a solver does to the weights."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.solver import Solver
from prototxt_net.finding import Finding
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rates import solver_of

NET = """
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 8 dim: 3 dim: 8 dim: 8 } shape { dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


RELU = 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n'
CONCAT = 'layer { name: "join" type: "Concat" bottom: "conv" bottom: "conv" top: "joined" }\n'


def judged(*solvers: Solver, text: str = NET, batch: int = 8) -> list[Finding]:
    return forward(Request(text, "bvlc", device="cpu", batch=batch, backward=True, solvers=solvers))[1]


def sgd(
    gradients: list[np.ndarray], weights: np.ndarray, solver: Solver, momentum: float, nesterov: bool
) -> np.ndarray:
    """Caffe's first update, term by term. gradients: one for each batch of iter_size; the blob is the whole net."""
    diff = np.sum(gradients, axis=0)
    norm = float(np.linalg.norm(diff))
    if 0 <= solver.clip < norm:
        diff = diff * (solver.clip / norm)
    diff = diff / solver.batches
    diff = diff + solver.decay * (np.sign(weights) if solver.l1 else weights)
    history: np.ndarray = momentum * np.zeros_like(weights) + solver.rate * diff
    return np.asarray((1 + momentum) * history if nesterov else history)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("clip", [-1.0, 0.5, 1e3])
@pytest.mark.parametrize("batches", [1, 4])
@pytest.mark.parametrize(("decay", "l1"), [(0.0, False), (0.01, False), (0.01, True)])
def test_an_update_is_never_smaller_than_what_is_said(
    nesterov: bool, clip: float, batches: int, decay: float, l1: bool
) -> None:
    draw = np.random.default_rng(0)
    weights, common = draw.standard_normal(500), draw.standard_normal(500)
    solver = Solver("s", 0.1, 1.9 if nesterov else 1.0, decay, l1, clip, batches)
    for noise in (0.0, 1.0, 20.0):
        gradients = [common + noise * draw.standard_normal(500) for _ in range(batches)]
        seen = float(np.linalg.norm(gradients[0]))
        said = solver.update(seen * solver.scale(seen, 1.0), float(np.linalg.norm(weights)), 500, 1.0, 1.0)
        done = float(np.linalg.norm(sgd(gradients, weights, solver, 0.9, nesterov)))
        assert said <= done * 1.1
        if batches == 1 and not decay:
            assert said == pytest.approx(done)


def test_an_update_that_replaces_the_weights() -> None:
    (finding,) = (f for f in judged(Solver("solver.prototxt", 50.0)) if f.severity == "warning")
    assert (finding.code, finding.layer) == ("DYN032", "ip")
    assert "rate of solver.prototxt (50)" in finding.message
    assert [r.message.split(" by ")[0] for r in finding.related] == ["The weights of 'conv'"]
    assert "times their size (and of 1 more layer by more than 10%): they are replaced, not adjusted" in finding.message


def test_an_update_that_rounds_to_nothing() -> None:
    (finding,) = judged(Solver("solver.prototxt", 1e-12))
    assert (finding.code, finding.severity, finding.layer) == ("DYN032", "info", "conv")
    assert "less than single precision can tell" in finding.message


@pytest.mark.parametrize(
    "solver",
    [
        Solver("usual", 0.01),
        Solver("clipped", 50.0, clip=0.001),
        Solver("of many batches", 2.0, batches=100_000),
    ],
    ids=lambda solver: solver.name,
)
def test_updates_of_a_usual_size(solver: Solver) -> None:
    assert judged(solver) == []


def test_of_several_solvers_the_mildest_speaks() -> None:
    assert judged(Solver("loud", 50.0), Solver("usual", 0.01)) == []
    assert judged(Solver("the last stage", 1e-12), Solver("usual", 0.01)) == []


def test_without_a_rate_nothing_is_said() -> None:
    assert judged() == []


def test_weights_that_start_small_are_measured_by_what_they_grow_to() -> None:
    small = NET.replace('type: "msra"', 'type: "gaussian" std: 0.0001')
    assert [f.code for f in judged(Solver("usual", 0.01), text=small) if f.code == "DYN032"] == []


@pytest.mark.parametrize(("between", "blob"), [("", "conv"), (RELU, "conv"), (CONCAT, "joined")])
def test_weights_whose_size_a_batch_norm_undoes_do_not_count(between: str, blob: str) -> None:
    norm = f'layer {{ name: "bn" type: "BatchNorm" bottom: "{blob}" top: "bn" }}\n'
    text = NET.replace(RELU, between + norm).replace('bottom: "conv" top: "ip"', 'bottom: "bn" top: "ip"')
    (finding,) = (f for f in judged(Solver("loud", 50.0), text=text) if f.code == "DYN032")
    assert (finding.layer, finding.related) == ("ip", ())


def test_weights_that_were_frozen_or_start_at_0_do_not_count() -> None:
    frozen = NET.replace('top: "ip"', 'top: "ip" param { lr_mult: 0 }').replace(
        'top: "conv"\n', 'top: "conv" param { lr_mult: 0 }\n'
    )
    zero = NET.replace('type: "xavier"', "value: 0")
    for text in (frozen, zero):
        assert [f.code for f in judged(Solver("loud", 50.0), text=text) if f.code == "DYN032"] == []


def solver(*fields: str) -> Solver | None:
    text = 'net: "n.prototxt"\nbase_lr: 0.1\nmax_iter: 9\n' + "\n".join(fields)
    return solver_of(analyze(Source(text, "dir/solver.prototxt"), Settings()))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (['lr_policy: "fixed"'], Solver("solver.prototxt", 0.1)),
        (['lr_policy: "step" gamma: 0.1 stepsize: 5'], Solver("solver.prototxt", 0.1)),
        (['lr_policy: "multistep" gamma: 0.1 stepvalue: 5'], Solver("solver.prototxt", 0.1)),
        (['lr_policy: "multistep" gamma: 0.5 stepvalue: 0'], Solver("solver.prototxt", 0.05)),
        (['lr_policy: "sigmoid" gamma: 0.0 stepsize: 5'], Solver("solver.prototxt", 0.05)),
        (['lr_policy: "poly" power: 2 momentum: 0.5 type: "Nesterov"'], Solver("solver.prototxt", 0.1, 1.5)),
        (['lr_policy: "fixed" solver_type: NESTEROV momentum: 0.5'], Solver("solver.prototxt", 0.1, 1.5)),
        (
            ['lr_policy: "inv" weight_decay: 0.5 regularization_type: "L1" clip_gradients: 3 iter_size: 2'],
            Solver("solver.prototxt", 0.1, 1.0, 0.5, True, 3.0, 2),
        ),
        (['lr_policy: "fixed" type: "Adam"'], None),
        (['lr_policy: "fixed" solver_type: RMSPROP'], None),
        (['lr_policy: "plateau" plateau_winsize: 5'], None),
        (['lr_policy: "fixed" rampup_interval: 100'], None),
        ([], None),
    ],
)
def test_the_first_rate_of_a_solver(fields: list[str], expected: Solver | None) -> None:
    assert solver(*fields) == expected
