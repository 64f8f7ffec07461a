"""Code actions and the other requests, as an editor sees them."""

from __future__ import annotations

from ast import literal_eval

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

NET = """input: "data"
input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer {
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"  # 深い😀
  convolution_param { num_outputs: 8 kernel_size: 3 }
}
"""
EVERYWHERE = types.Range(types.Position(0, 0), types.Position(10**6, 0))
QUICK = types.CodeActionKind.QuickFix


async def test_ignore_for_this_layer(client, edit) -> None:
    net = edit(NET)
    ignore = next(a for a in await net.actions(net.range("num_outputs"), QUICK) if a.title.startswith("Ignore SCH001"))
    assert "for this layer" in ignore.title
    fixed = net.apply(ignore.edit)
    assert fixed == NET.replace("layer {", "# lsp: ignore[SCH001]\nlayer {")
    again = edit(fixed, "again.prototxt")
    assert "SCH001" not in await again.codes()


async def test_actions_only_about_the_range(client, edit) -> None:
    net = edit(NET)
    assert await net.actions(net.range("input_shape"), QUICK) == []


async def test_edits_name_the_version(client, edit) -> None:
    net = edit(NET)
    net.replace("kernel_size: 3", "kernel_size: 5")
    action = (await net.actions(net.range("num_outputs"), QUICK))[0]
    assert action.edit.document_changes[0].text_document.version == 2


@pytest.mark.parametrize("capabilities", [{"workspace__workspaceEdit": None}], indirect=True, ids=["old client"])
async def test_edits_without_version(capabilities, client, edit) -> None:
    net = edit(NET)
    action = (await net.actions(net.range("num_outputs"), QUICK))[0]
    assert list(action.edit.changes) == [net.uri]


SURPLUS = """layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
layer {
  name: "bn"
  type: "BatchNorm"
  bottom: "d"
  top: "b"
  param { lr_mult: 1 }
}
"""


async def test_fix_all_is_computed_on_demand(client, edit) -> None:
    net = edit(SURPLUS)
    assert "BN001" in await net.codes()
    (action,) = await net.actions(EVERYWHERE, types.CodeActionKind.SourceFixAll)
    assert action.edit is None
    resolved = await client.code_action_resolve_async(action)
    assert net.apply(resolved.edit) == SURPLUS.replace("  param { lr_mult: 1 }\n", "")


@pytest.mark.parametrize(
    "capabilities", [{"textDocument__codeAction__resolveSupport": None}], indirect=True, ids=["no resolve"]
)
async def test_fix_all_at_once_for_a_client_that_cannot_resolve(capabilities, client, edit) -> None:
    net = edit(SURPLUS)
    (action,) = await net.actions(EVERYWHERE, types.CodeActionKind.SourceFixAll)
    assert net.apply(action.edit) == SURPLUS.replace("  param { lr_mult: 1 }\n", "")


async def test_safe_fixes_are_preferred_and_unsafe_ones_say_so(client, edit) -> None:
    net = edit(SURPLUS)
    (safe,) = [a for a in await net.actions(net.range("lr_mult: 1"), QUICK) if "BN001" in a.title and a.diagnostics]
    assert safe.is_preferred
    net = edit(NET, "unsafe.prototxt")
    (unsafe,) = [a for a in await net.actions(net.range("num_outputs"), QUICK) if a.diagnostics]
    assert not unsafe.is_preferred
    assert "changes" in unsafe.title


async def test_run_forward_is_offered(client, edit) -> None:
    net = edit(NET)
    (action,) = await net.actions(EVERYWHERE, "prototxt.runForward")
    # The client's library takes every action that has a command for a bare command, whose name is then an object.
    command = action.command if isinstance(action, types.CodeAction) else types.Command(**literal_eval(action.command))
    assert (command.command, list(command.arguments)) == ("prototxt.server.runForward", [net.uri])
    solver = edit('net: "net.prototxt"\nbase_lr: 0.01\n', "solver.prototxt")
    assert await solver.actions(EVERYWHERE, "prototxt.runForward") == []


async def test_inlay_hints(client, edit) -> None:
    net = edit(NET.replace("num_outputs", "num_output"))
    hints = await client.text_document_inlay_hint_async(types.InlayHintParams(net.id, EVERYWHERE))
    assert [(h.position, h.label) for h in hints] == [
        (net.range('"data"').end, "1x3x8x8"),
        (net.range('"conv1"', 1).end, "1x8x6x6"),
    ]


async def test_definition_references_highlight(client, edit) -> None:
    net = edit(NET + 'layer { name: "r" type: "ReLU" bottom: "conv1" top: "r" }\n')
    here = net.at('"conv1"', 2)
    (found,) = await client.text_document_definition_async(types.DefinitionParams(net.id, here))
    assert found.range == net.range('"conv1"', 1)
    context = types.ReferenceContext(include_declaration=True)
    uses = await client.text_document_references_async(types.ReferenceParams(context, net.id, here))
    assert [u.range for u in uses] == [net.range('"conv1"', 1), net.range('"conv1"', 2)]
    marks = await client.text_document_document_highlight_async(types.DocumentHighlightParams(net.id, here))
    assert [m.kind.name for m in marks] == ["Write", "Read"]


async def test_outline_and_folding(client, edit) -> None:
    net = edit(NET)
    symbols = await client.text_document_document_symbol_async(types.DocumentSymbolParams(net.id))
    conv = next(s for s in symbols if s.name == "conv1")
    assert conv.detail.startswith("Convolution")
    assert net.text_at(conv.selection_range) == 'name: "conv1"'
    folds = await client.text_document_folding_range_async(types.FoldingRangeParams(net.id))
    assert [(f.start_line, f.end_line) for f in folds] == [(2, 7)]


async def test_code_lens(client, edit) -> None:
    net = edit("# a comment\n" + NET.replace("num_outputs", "num_output"))
    run, total = await client.text_document_code_lens_async(types.CodeLensParams(net.id))
    assert run.range.start == total.range.start == types.Position(1, 0)
    assert (run.command.command, list(run.command.arguments)) == ("prototxt.server.runForward", [net.uri])
    assert total.command.title == "bvlc, TRAIN and TEST: 2 layers, 224 parameters, 7.78 k multiply-adds"
    for other in ('net: "net.prototxt"\nbase_lr: 0.01\n', "", "# nothing\n"):
        odd = edit(other, "other.prototxt")
        assert not await client.text_document_code_lens_async(types.CodeLensParams(odd.id))


async def test_rename(client, edit) -> None:
    net = edit(NET + 'layer { name: "r" type: "ReLU" bottom: "conv1" top: "r" }\n')
    here = net.at('"conv1"', 2)
    place = await client.text_document_prepare_rename_async(types.PrepareRenameParams(net.id, here))
    assert (net.text_at(place.range), place.placeholder) == ("conv1", "conv1")
    renamed = await client.text_document_rename_async(types.RenameParams(net.id, here, "c1"))
    assert net.apply(renamed) == net.text.replace('top: "conv1"', 'top: "c1"').replace(
        'bottom: "conv1"', 'bottom: "c1"'
    )
    with pytest.raises(JsonRpcException, match="'data' already is a blob"):
        await client.text_document_rename_async(types.RenameParams(net.id, here, "data"))
    nothing = types.PrepareRenameParams(net.id, net.at("kernel_size"))
    assert await client.text_document_prepare_rename_async(nothing) is None


UNTIDY = "layer{name :'a'\n\ttype:\"ReLU\"}\nlayer {\n      # b\n}\n"


async def test_formatting_goes_by_the_editor(client, edit) -> None:
    net = edit(UNTIDY)
    options = types.FormattingOptions(tab_size=4, insert_spaces=True)
    edits = await client.text_document_formatting_async(types.DocumentFormattingParams(net.id, options))
    tidy = net.apply(types.WorkspaceEdit(changes={net.uri: edits}))
    assert tidy == "layer {\n    name: 'a'\n    type: \"ReLU\"\n}\nlayer {\n    # b\n}\n"
    broken = edit(UNTIDY + "layer {", "broken.prototxt")
    assert not await client.text_document_formatting_async(types.DocumentFormattingParams(broken.id, options))


async def test_formatting_of_a_part(client, edit) -> None:
    net = edit(UNTIDY)
    options = types.FormattingOptions(tab_size=8, insert_spaces=False)
    edits = await client.text_document_range_formatting_async(
        types.DocumentRangeFormattingParams(net.id, net.range("# b"), options)
    )
    assert net.apply(types.WorkspaceEdit(changes={net.uri: edits})) == UNTIDY.replace("      # b", "\t# b")


async def test_selection_grows(client, edit) -> None:
    net = edit(NET)
    (found,) = await client.text_document_selection_range_async(
        types.SelectionRangeParams(net.id, [net.at("kernel_size")])
    )
    texts = []
    while found is not None:
        texts.append(net.text_at(found.range))
        found = found.parent
    block = NET[NET.index("layer {") : -1]
    assert texts == [
        "kernel_size",
        "kernel_size: 3",
        " num_outputs: 8 kernel_size: 3 ",
        "convolution_param { num_outputs: 8 kernel_size: 3 }",
        block[len("layer {") : -1],
        block,
        NET,
    ]


async def test_layers_of_all_open_nets(client, edit) -> None:
    edit(NET)
    other = edit('layer { name: "fc_conv" type: "InnerProduct" }', "other.prototxt")
    found = await client.workspace_symbol_async(types.WorkspaceSymbolParams("cnv"))
    assert sorted(symbol.name for symbol in found) == ["conv1", "fc_conv"]
    (symbol,) = [symbol for symbol in found if symbol.name == "fc_conv"]
    assert (symbol.location.uri, other.text_at(symbol.location.range)) == (other.uri, 'name: "fc_conv"')
    assert not await client.workspace_symbol_async(types.WorkspaceSymbolParams("vnc"))


async def test_completion(client, edit) -> None:
    net = edit(NET.replace('type: "Convolution"', 'type: "Conv"'))
    where = net.range('"Conv').end
    found = await client.text_document_completion_async(types.CompletionParams(net.id, where))
    item = next(i for i in found.items if i.label == "Convolution")
    assert net.text_at(item.text_edit.range) == "Conv"
    assert item.text_edit.new_text == "Convolution"
    assert (await client.completion_item_resolve_async(item)).documentation.value


ODD = ["", "\n", "layer {", "layer { type", "\ufeff", "\x00\x01\x02", "}" * 50, '"' * 51]


async def test_every_request_at_the_end_of_any_text(client, edit) -> None:
    """A position at the end of the file, and beyond, gets an answer."""
    for number, text in enumerate(ODD):
        net = edit(text, f"odd{number}.prototxt")
        for where in (types.Position(text.count("\n"), len(text)), types.Position(99, 99)):
            await client.text_document_hover_async(types.HoverParams(net.id, where))
            found = await client.text_document_completion_async(types.CompletionParams(net.id, where))
            assert found.items is not None
            assert not await client.text_document_definition_async(types.DefinitionParams(net.id, where))
            await net.actions(types.Range(where, where))
        assert await client.text_document_inlay_hint_async(types.InlayHintParams(net.id, EVERYWHERE)) in ([], ())
        symbols = await client.text_document_document_symbol_async(types.DocumentSymbolParams(net.id))
        assert len(symbols) == text.count("layer")
        assert await client.text_document_folding_range_async(types.FoldingRangeParams(net.id)) in ([], ())
