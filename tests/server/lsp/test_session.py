"""One session as an editor leads it, with the capabilities of several editors."""

from __future__ import annotations

import pytest
from lsprotocol import types

SEED = """name: "seed"
input: "data"
input_shape { dim: 4 dim: 3 dim: 8 dim: 8 }
layer {
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "msra" } }
}
layer {
  name: "bnorm1"
  type: "BatchNorm"
  bottom: "conv1"
  top: "conv1"
  batch_norm_param { scale_filler { value: 1 } use_global_stats: false }
}
layer {
  name: "relu1"
  type: "ReLU"
  bottom: "conv1"
  top: "conv1"
}
"""
TYPO = SEED.replace("num_output", "num_outputs")
EVERYBODY = ["own", "vscode", "neovim", "emacs"]


def editors(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("capabilities", [{} if n == "own" else n for n in names], indirect=True, ids=names)


@editors(*EVERYBODY)
async def test_squiggle_hover_fix(capabilities, client, edit):
    """A misspelt field is flagged, its neighbour explained, the fix applied, and the flag is gone."""
    net = edit(TYPO)
    if client.initialized_with.capabilities.position_encoding != "utf-16":
        assert client.initialized_with.capabilities.position_encoding in ("utf-8", "utf-32")
    pulls = client.capabilities.text_document.diagnostic is not None
    if pulls:
        found = (await net.pull()).items
    else:
        await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        found = client.diagnostics[net.uri]
    flagged = [d for d in found if d.code == "SCH001"]
    assert [net.text_at(d.range) for d in flagged] == ["num_outputs"]
    assert flagged[0].severity == types.DiagnosticSeverity.Error
    assert flagged[0].source == "lsp"
    assert "kernel_size" in await net.hover("kernel_size")
    context = types.CodeActionContext(flagged, only=[types.CodeActionKind.QuickFix])
    actions = await client.text_document_code_action_async(types.CodeActionParams(net.id, flagged[0].range, context))
    fix = next(action for action in actions if action.diagnostics)
    assert net.apply(fix.edit) == SEED
    net.replace("num_outputs", "num_output")
    assert "SCH001" not in [d.code for d in (await net.pull()).items]
