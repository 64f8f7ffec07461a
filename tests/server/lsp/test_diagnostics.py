"""Pushed and pulled diagnostics."""

from __future__ import annotations

import pytest
from lsprotocol import types

BAD = 'layer { name: "a" typo: 1 }\nlayer { name: "b" type: "ReLU" bottom: "nowhere" top: "b" }\n'
PUSHED = pytest.mark.parametrize("capabilities", [{"textDocument__diagnostic": None}], indirect=True, ids=["push"])
PUBLISH = types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS


async def pushed(client) -> types.PublishDiagnosticsParams:
    return await client.wait_for_notification(PUBLISH)


@PUSHED
async def test_pushed_with_their_version_and_cleared_on_close(capabilities, client, edit) -> None:
    net = edit(BAD)
    first = await pushed(client)
    assert (first.version, {d.code for d in first.diagnostics} >= {"SCH001"}) == (1, True)
    net.replace("typo: 1", "")
    second = await pushed(client)
    assert second.version == 2
    assert "SCH001" not in {d.code for d in second.diagnostics}
    client.text_document_did_close(types.DidCloseTextDocumentParams(net.id))
    assert (await pushed(client)).diagnostics == ()


@PUSHED
async def test_changes_in_the_pipe_are_taken_together(capabilities, client, edit) -> None:
    net = edit("")
    await pushed(client)
    for _ in range(20):
        net.change(types.TextDocumentContentChangePartial(range=net_end(net), text="x"))
        net.text += "x"
    versions = []
    while not versions or versions[-1] < net.version:
        versions.append((await pushed(client)).version)
    assert versions == sorted(versions)
    assert len(versions) < 20


def net_end(net) -> types.Range:
    end = types.Position(0, len(net.text))
    return types.Range(end, end)


async def test_pulled_and_unchanged(client, edit) -> None:
    net = edit(BAD)
    first = await net.pull()
    assert first.kind == "full"
    second = await net.pull(first.result_id)
    assert (second.kind, second.result_id) == ("unchanged", first.result_id)
    net.replace("typo: 1", "")
    third = await net.pull(first.result_id)
    assert third.kind == "full"
    net.change(types.TextDocumentContentChangeWholeDocument(text=BAD))
    assert (await net.pull(third.result_id)).result_id == first.result_id
    assert client.diagnostics == {}, "nothing is pushed to a client that pulls"


async def test_a_diagnostic_says_all_it_can(client, edit) -> None:
    net = edit("layers {}\n" + BAD)
    found = (await net.pull()).items
    unknown = next(d for d in found if d.code == "SCH001")
    assert unknown.source == "lsp"
    assert unknown.code_description.href.endswith("SCH001.md")
    assert unknown.data["version"] == 1
    assert len(unknown.data["hash"]) == 16
    net = edit(
        'layer { name: "a" type: "Input" top: "x" }\nlayer { name: "b" type: "Input" top: "x" }\n', name="two.prototxt"
    )
    twice = next(d for d in (await net.pull()).items if d.code == "NET003")
    assert [net.text_at(r.location.range) for r in twice.related_information] == ['top: "x"']


async def test_unopened_and_closed_documents(client, edit) -> None:
    net = edit(BAD)
    client.text_document_did_close(types.DidCloseTextDocumentParams(net.id))
    assert (await net.pull()).items == ()
    net.change(types.TextDocumentContentChangePartial(range=net_end(net), text="x"))
    assert await net.hover("typo") == ""
    assert await net.actions(types.Range(types.Position(0, 0), types.Position(0, 1))) == []


@pytest.mark.parametrize("options", [{"settings": {"dialect": "nvidia-0.15", "phase": 7}}], indirect=True)
async def test_settings_from_the_start(options, client, edit) -> None:
    """A dialect is taken, a phase that cannot be is not; the rest goes on."""
    net = edit('layer { name: "b" type: "BatchNorm" batch_norm_param { scale_filler { value: 1 } typo: 1 } }')
    messages = [d.message for d in (await net.pull()).items if d.code == "SCH001"]
    assert len(messages) == 1
    assert "typo" in messages[0]
    assert "nvidia-0.15" in messages[0]


async def test_settings_change_later(client, edit) -> None:
    net = edit('layer { name: "b" type: "BatchNorm" bottom: "x" top: "y" batch_norm_param { eps: 1e-5 typo: 1 } }')
    before = await net.pull()
    change = {"prototxt": {"dialect": "nvidia-0.17", "inlayHints": {"shapes": False}}}
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams(change))
    after = await net.pull(before.result_id)
    assert after.kind == "full"
    assert any("nvidia-0.17" in d.message for d in after.items)
    everything = types.Range(types.Position(0, 0), types.Position(99, 0))
    assert not await client.text_document_inlay_hint_async(types.InlayHintParams(net.id, everything))


async def test_settings_are_asked_for(client, edit) -> None:
    """A client that announces a change without saying what is asked."""
    client.set_configuration({"prototxt": {"dialect": "ssd"}})
    net = edit('layer { name: "b" typo: 1 }')
    before = await net.pull()
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
    report = await net.pull(before.result_id)
    while report.kind == "unchanged":  # the answer is on its way
        report = await net.pull(before.result_id)
    assert any("ssd" in d.message for d in report.items)
