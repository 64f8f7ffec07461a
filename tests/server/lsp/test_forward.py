"""Running one batch from the editor."""

from __future__ import annotations

import asyncio
import re

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

RUN = "prototxt.server.runForward"
DEAD = """name: "dead"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } } }
layer {
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "msra" } }
}
layer {
  name: "conv2"
  type: "Convolution"
  bottom: "conv1"
  top: "conv2"
  convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "constant" value: 0 } }
}
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
"""

LOSS = """layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "conv2"
  top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


async def run(net):
    return await net.client.workspace_execute_command_async(types.ExecuteCommandParams(RUN, arguments=[net.uri]))


async def forward(net) -> list[types.Diagnostic]:
    return [d for d in (await net.pull()).items if d.source == "lsp forward"]


@pytest.mark.parametrize("options", [{"settings": {"forward": {"device": "cpu", "batch": 2}}}], indirect=True)
async def test_findings_stay_until_the_text_changes(options, client, edit) -> None:
    net = edit(DEAD)
    before = await net.pull()
    summary = await run(net)
    assert (summary["status"], summary["device"].split()[0], summary["batch_used"]) == ("ok", "cpu", 2)
    after = await net.pull(before.result_id)
    found = [d for d in after.items if d.source == "lsp forward"]
    assert [d.code for d in found] == [f["code"] for f in summary["findings"]]
    assert any("conv2" in d.message for d in found)
    net.replace("value: 0", "value: 0 ")
    assert await forward(net) == []


async def test_a_comment_silences_what_the_run_says(client, edit) -> None:
    net = edit(DEAD)
    loud = {finding["code"] for finding in (await run(net))["findings"]}
    assert "DYN002" in loud
    (dead,) = [item for item in (await net.pull()).items if item.code == "DYN002"]
    actions = await net.actions(dead.range, types.CodeActionKind.QuickFix)
    assert any(action.title == "Ignore DYN002 for this layer" for action in actions)
    quiet = edit(
        DEAD.replace('layer {\n  name: "conv2"', '# lsp: ignore[DYN002]\nlayer {\n  name: "conv2"'), "quiet.prototxt"
    )
    assert {finding["code"] for finding in (await run(quiet))["findings"]} == loud - {"DYN002"}


async def test_a_finding_of_the_run_offers_the_fix_of_the_rule_that_explains_it(client, edit) -> None:
    text = DEAD.replace('top: "data" input_param {', 'top: "data" top: "label" input_param {', 1).replace(
        "dim: 8 } } }", "dim: 8 } shape { dim: 4 } } }", 1
    )
    net = edit(text + LOSS)
    await run(net)
    (dead,) = [item for item in (await net.pull()).items if item.code == "DYN002"]
    assert "INI002 has a fix" in dead.message
    actions = await net.actions(dead.range, types.CodeActionKind.QuickFix)
    assert "Use msra (DYN002, changes what it computes)" in [action.title for action in actions]


async def test_progress_and_status(client, edit) -> None:
    net = edit(DEAD)
    await run(net)
    (reports,) = client.progress_reports.values()
    assert isinstance(reports[0], types.WorkDoneProgressBegin)
    assert reports[0].cancellable
    assert isinstance(reports[-1], types.WorkDoneProgressEnd)
    assert [note.state for note in client.notes if hasattr(note, "state")] == ["idle", "running", "idle"]


async def test_the_numbers_stand_beside_the_text_until_it_changes(client, edit) -> None:
    net = edit(DEAD)
    assert "Last batch" not in await net.hover('"conv2"', 1)
    before = await lenses(net)
    summary = await run(net)
    assert "inlay hints refreshed" in client.notes
    assert "code lenses refreshed" in client.notes
    assert re.search(r"Last batch \(cpu.*mean \|x\| 0,.*zeros 100%", await net.hover('"conv2"', 1))
    assert any("mean |x| 0" in label for label in await hints(net))
    assert await lenses(net) == [before[0], f"Last batch: {summary['message']}", *before[1:]]
    net.replace("value: 0", "value: 0 ")
    assert "Last batch" not in await net.hover('"conv2"', 1)
    assert not any("|x|" in label for label in await hints(net))
    assert await lenses(net) == before


async def lenses(net) -> list[str]:
    found = await net.client.text_document_code_lens_async(types.CodeLensParams(net.id))
    return [lens.command.title for lens in found]


async def hints(net) -> list[str]:
    everywhere = types.Range(types.Position(0, 0), types.Position(10**6, 0))
    found = await net.client.text_document_inlay_hint_async(types.InlayHintParams(net.id, everywhere))
    return [hint.label for hint in found]


@pytest.mark.parametrize("capabilities", [{"window__workDoneProgress": None}], indirect=True, ids=["no progress"])
async def test_without_progress(capabilities, client, edit) -> None:
    summary = await run(edit(DEAD))
    assert summary["status"] == "ok"
    assert client.progress_reports == {}


BIG = """layer { name: "data" type: "Input" top: "b0" input_param { shape { dim: 8 dim: 64 dim: 224 dim: 224 } } }
""" + "".join(
    f'layer {{ name: "c{i}" type: "Convolution" bottom: "b{i}" top: "b{i + 1}"\n'
    '  convolution_param { num_output: 64 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }\n'
    for i in range(60)
)


async def under_way(client, net) -> asyncio.Future:
    """A run of which layers are reported to be done."""
    running = asyncio.ensure_future(run(net))
    before = sum(len(reports) for reports in client.progress_reports.values())
    while sum(len(reports) for reports in client.progress_reports.values()) < before + 2:
        await client.wait_for_notification(types.PROGRESS)
    return running


async def test_closing_the_document_ends_its_run(client, edit) -> None:
    net = edit(BIG)
    running = await under_way(client, net)
    client.text_document_did_close(types.DidCloseTextDocumentParams(net.id))
    with pytest.raises(JsonRpcException) as ended:
        await running
    assert ended.value.code == types.LSPErrorCodes.RequestCancelled


async def test_a_new_run_takes_the_place_of_the_last(client, edit) -> None:
    running = await under_way(client, edit(BIG))
    summary = await run(edit(DEAD, "dead.prototxt"))
    with pytest.raises(JsonRpcException) as ended:
        await running
    assert ended.value.code == types.LSPErrorCodes.RequestCancelled
    said = [(note.state, note.message) for note in client.notes if hasattr(note, "state")][1:]
    assert [state for state, _ in said] == ["running", "running", "idle"]
    assert said[-1][1] == summary["message"]


async def test_a_run_of_a_text_that_is_gone_says_so(client, edit) -> None:
    net = edit(DEAD)
    running = asyncio.ensure_future(run(net))
    await client.wait_for_notification("prototxt/status")
    net.replace("value: 0", "value: 0 ")
    assert (await running)["message"].endswith("the text has changed since: run it again")
    assert await forward(net) == []


async def test_cancelled(client, edit) -> None:
    """The user gives up: the command ends with the protocol's code for that, and nothing is shown."""
    net = edit(BIG)

    running = asyncio.ensure_future(run(net))
    while not any(len(reports) > 1 for reports in client.progress_reports.values()):
        await client.wait_for_notification(types.PROGRESS)
    (token,) = client.progress_reports
    client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    with pytest.raises(JsonRpcException) as caught:
        await running
    assert caught.value.code == types.LSPErrorCodes.RequestCancelled.value
    assert await forward(net) == []


BAD = {"broken": "layer {", "solver": 'net: "x.prototxt"\nbase_lr: 0.1\n', "junk": "\x00"}


async def test_what_cannot_run_says_why(client, edit) -> None:
    for name, text in BAD.items():
        net = edit(text, f"{name}.prototxt")
        try:
            message = (await run(net))["message"]
        except JsonRpcException as error:
            message = str(error)
        assert message
        assert "Traceback" not in message


async def test_a_document_that_is_not_open(client) -> None:
    for arguments in ([], ["file:///nowhere"], [7]):
        with pytest.raises(JsonRpcException, match="open document"):
            await client.workspace_execute_command_async(types.ExecuteCommandParams(RUN, arguments=arguments))
