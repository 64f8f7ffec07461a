"""Training logs in the editor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from tests.log.logs import arrows, loss, norms, param, param_diff, prefix, test_pass, text, top
from tests.server.lsp.conftest import Open

LOG = "日志:\r\n" + text(
    top("data", "data", 0.8),
    top("conv1", "conv1", 0),
    param("conv1", 0, 0),
    top("relu1", "conv1", 0),
    top("bn1", "bn1", 0.8),
    *(param("bn1", i, 1) for i in range(3)),
    top("fc", "fc", 0.2),
    param("fc", 0, 0.1),
    top("loss", "loss", 2.3),
    param_diff("bn1", 0, 0),
    norms(6, 0.1),
    loss(0, 2.3),
    test_pass(0, accuracy=0.1),
)
NET = """# the net
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 8 dim: 3 dim: 8 dim: 8 } shape { dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "constant" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "bn1" }
layer { name: "fc" type: "InnerProduct" bottom: "bn1" top: "fc"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
OTHER = 'layer { name: "x" type: "Input" top: "x" }\n'


@pytest.fixture
def log(client: Any, tmp_path: Path) -> Callable[..., Open]:
    """Open a log of a folder that also holds the net and another one."""
    (tmp_path / "a_other.prototxt").write_text(OTHER)
    (tmp_path / "net.prototxt").write_text(NET)

    def run(content: str = LOG, name: str = "train.log") -> Open:
        uri = (tmp_path / name).as_uri()
        client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "caffe-log", 1, content))
        )
        return Open(client, uri, content)

    return run


async def test_the_bad_line_and_where_it_is_made(client: Any, log: Callable[..., Open], tmp_path: Path) -> None:
    opened = log()
    (found,) = (await opened.pull()).items
    assert (found.code, found.source) == ("DYN002", "lsp log")
    assert found.severity == types.DiagnosticSeverity.Error
    assert opened.text_at(found.range) == "0"
    assert found.range.start.line == 2
    net = (tmp_path / "net.prototxt").as_uri()
    places = {note.message.partition(" ")[0]: note.location for note in found.related_information}
    assert places["layer"].uri == net
    assert places["layer"].range.start.line == 3
    assert (places["cause:"].uri, places["cause:"].range.start.line) == (net, 4)


async def test_a_change_is_read_again(client: Any, log: Callable[..., Open]) -> None:
    opened = log()
    opened.replace("conv1 data: 0\n", "conv1 data: 0.5\n")
    opened.replace("relu1, top blob conv1 data: 0\n", "relu1, top blob conv1 data: 0.2\n")
    assert await opened.codes() == []


async def test_definition_goes_to_the_layer_of_the_net(client: Any, log: Callable[..., Open], tmp_path: Path) -> None:
    opened = log()
    for what, line in (("Layer conv1, top", 3), ("Layer fc, param", 7)):
        (found,) = await client.text_document_definition_async(types.DefinitionParams(opened.id, opened.at(what)))
        assert (found.uri, found.range.start.line) == ((tmp_path / "net.prototxt").as_uri(), line)
    assert await client.text_document_definition_async(types.DefinitionParams(opened.id, opened.at("日志"))) == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("Layer conv1, top", "0 means that every element is exactly 0"),
        ("Layer conv1, top", "mean absolute value"),
        ("Layer fc, param", "parameter blob 0 (weight)"),
        ("Layer bn1, param blob 2", "(factor)"),
        ("[Backward] Layer bn1", "0 is normal here"),
        ("All net params", "these are norms"),
        ("Iteration 0 (9.5", "total loss"),
        ("lr = ", "learning rate"),
        (", Testing net", "A test of net 0 begins"),
        ("output #0: accuracy", "does not take part in training"),
        ("net.cpp:593", "BVLC Caffe after 1.0"),
    ],
)
async def test_hover(client: Any, log: Callable[..., Open], what: str, said: str) -> None:
    assert said in await log().hover(what)


async def test_hover_in_the_layout_of_nvidia_016(client: Any, log: Callable[..., Open]) -> None:
    opened = log(arrows(text(top("conv1", "conv1", 0.5), param("conv1", 0, 0.1)).splitlines()))
    assert "**conv1**" in await opened.hover("-> param blob 0")


ABORT = text(
    f"{prefix('layer_factory.hpp:77')}Creating layer conv1",
    f"{prefix('base_conv_layer.cpp:121', 'F')}Check failed: channels_ % group_ == 0 (1 vs. 0) ",
)
REFUSED = NET.replace("num_output: 4", "num_output: 4 group: 2", 1)


async def test_a_failed_check_leads_to_the_net(client: Any, log: Callable[..., Open], tmp_path: Path) -> None:
    opened = log(ABORT)  # the one layer that it names is in one net of the folder
    (tmp_path / "net.prototxt").write_text(REFUSED)
    (found,) = (await opened.pull()).items
    assert (found.code, found.range.start.line) == ("LOG001", 1)
    (cause,) = (note.location for note in found.related_information if note.message.startswith("cause: SHP006"))
    assert (cause.uri, cause.range.start.line) == ((tmp_path / "net.prototxt").as_uri(), 4)
    assert "multiples of `group`" in await opened.hover("Check failed")
    (there,) = await client.text_document_definition_async(types.DefinitionParams(opened.id, opened.at("Check failed")))
    assert there.range.start.line == 3


async def test_a_net_that_was_pasted_with_the_log_is_read(log: Callable[..., Open], tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").unlink()
    opened = log(NET + ABORT.replace("channels_ % group_ == 0 (1 vs. 0)", "x"), "paste.log")
    (found,) = (await opened.pull()).items
    assert found.code == "LOG001"
    opened.replace("num_output: 4", "num_output: 4 group: 2")
    opened.replace("Check failed: x", "Check failed: channels_ % group_ == 0 (1 vs. 0)")
    (found,) = (await opened.pull()).items
    (cause,) = (note.location for note in found.related_information if note.message.startswith("cause: SHP006"))
    assert (cause.uri, cause.range.start.line) == (opened.uri, 4)


async def test_prose_says_nothing(client: Any, log: Callable[..., Open]) -> None:
    assert await log().hover("日志") == ""


async def test_features_of_nets_stay_away(client: Any, log: Callable[..., Open]) -> None:
    opened = log()
    everywhere = types.Range(types.Position(0, 0), types.Position(99, 0))
    assert await opened.actions(everywhere) == []
    assert not await client.text_document_document_symbol_async(types.DocumentSymbolParams(opened.id))
    assert not await client.text_document_completion_async(types.CompletionParams(opened.id, types.Position(0, 0)))


async def analyse(client: Any, log_uri: str, net_uri: str) -> Any:
    parameters = types.ExecuteCommandParams("prototxt.server.analyseLog", [log_uri, net_uri])
    return await client.workspace_execute_command_async(parameters)


async def test_the_command_takes_the_net_that_is_picked(client: Any, log: Callable[..., Open], tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "picked.prototxt"
    other.parent.mkdir()
    other.write_text("\n\n" + NET)
    opened = log()
    done = await analyse(client, opened.uri, other.as_uri())
    assert done["message"].startswith("1 finding; first: Every element of 'conv1' is 0")
    assert done["findings"][0]["row"] == 3
    (found,) = (await opened.pull()).items
    assert {note.location.uri for note in found.related_information} == {opened.uri, other.as_uri()}


async def test_the_command_reads_a_log_that_is_not_open(client: Any, log: Callable[..., Open], tmp_path: Path) -> None:
    (tmp_path / "large.log").write_text(LOG)
    log()
    done = await analyse(client, (tmp_path / "large.log").as_uri(), (tmp_path / "net.prototxt").as_uri())
    assert [finding["code"] for finding in done["findings"]] == ["DYN002"]


@pytest.mark.parametrize("arguments", [[], ["file:///a.log"], [1, 2]])
async def test_the_command_refuses_what_it_cannot_use(client: Any, arguments: list[object]) -> None:
    with pytest.raises(Exception, match="URIs of a log and of a net"):
        await client.workspace_execute_command_async(
            types.ExecuteCommandParams("prototxt.server.analyseLog", arguments)
        )


async def test_the_command_says_what_cannot_be_read(client: Any, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    with pytest.raises(Exception, match="No such file"):
        await analyse(client, (tmp_path / "none.log").as_uri(), (tmp_path / "net.prototxt").as_uri())


@pytest.mark.parametrize("capabilities", [{"textDocument__diagnostic": None}], indirect=True, ids=["pushed to"])
async def test_pushed_and_taken_back(capabilities: Any, client: Any, log: Callable[..., Open]) -> None:
    opened = log()
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    assert [d.code for d in client.diagnostics[opened.uri]] == ["DYN002"]
    client.text_document_did_close(types.DidCloseTextDocumentParams(opened.id))
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    assert list(client.diagnostics[opened.uri]) == []
