"""A solver and its net in one session: what is edited in one shows in the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

SOLVER = """net: "train_val.prototxt"
test_iter: 10
test_interval: 100
base_lr: 0.1
lr_policy: "fixed"
max_iter: 1000
"""
NET = """layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 8 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "bn" bottom: "label" top: "loss" }
"""
PUSHED = pytest.mark.parametrize("capabilities", [{"textDocument__diagnostic": None}], indirect=True)


def in_folder(folder: Path, **texts: str) -> str:
    for name, text in texts.items():
        (folder / f"{name}.prototxt").write_text(text)
    return folder.as_uri()


async def test_the_net_on_disk_is_read_and_read_again(client, edit, tmp_path: Path) -> None:
    folder = in_folder(tmp_path, train_val=NET)
    solver = edit(SOLVER, "solver.prototxt", folder)
    assert await solver.codes() == ["BN018"]
    (tmp_path / "train_val.prototxt").unlink()
    assert await solver.codes() == ["SOL017"]


async def test_an_open_net_goes_before_the_saved_one(client, edit, tmp_path: Path) -> None:
    folder = in_folder(tmp_path, train_val=NET)
    solver = edit(SOLVER, "solver.prototxt", folder)
    net = edit(NET, "train_val.prototxt", folder)
    first = await solver.pull()
    assert [item.code for item in first.items] == ["BN018"]
    net.replace('layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }', "")
    net.replace('bottom: "bn"', 'bottom: "conv"')
    assert await solver.codes() == []
    same = await solver.pull(first.result_id)
    assert isinstance(same, types.RelatedFullDocumentDiagnosticReport), "the text is the same, the net is not"


async def test_a_net_that_is_neither_saved_nor_open_is_missing(client, edit, tmp_path: Path) -> None:
    solver = edit(SOLVER, "solver.prototxt", tmp_path.as_uri())
    assert await solver.codes() == ["SOL017"]
    edit(NET, "train_val.prototxt", tmp_path.as_uri())
    assert await solver.codes() == ["BN018"]


@PUSHED
async def test_diagnostics_of_the_solver_are_pushed_when_the_net_changes(
    capabilities, client, edit, tmp_path: Path
) -> None:
    folder = in_folder(tmp_path)
    solver = edit(SOLVER, "solver.prototxt", folder)
    net = edit(NET.replace("BatchNorm", "ReLU"), "train_val.prototxt", folder)

    async def pushed(codes: list[str]) -> None:
        while [item.code for item in client.diagnostics.get(solver.uri, ())] != codes:
            await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)

    net.replace("ReLU", "BatchNorm")
    await pushed(["BN018"])
    net.replace("BatchNorm", "ReLU")
    await pushed([])


async def test_notes_point_into_the_net(client, edit, tmp_path: Path) -> None:
    folder = in_folder(tmp_path, train_val=NET)
    (found,) = (await edit(SOLVER, "solver.prototxt", folder).pull()).items
    (note,) = found.related_information
    assert note.location.uri == f"{folder}/train_val.prototxt"
    assert note.location.range.start.line == 3


async def test_the_path_is_a_link(client, edit, tmp_path: Path) -> None:
    folder = in_folder(tmp_path, train_val=NET)
    solver = edit(SOLVER, "solver.prototxt", folder)
    (link,) = await client.text_document_document_link_async(types.DocumentLinkParams(solver.id))
    assert link.target == f"{folder}/train_val.prototxt"
    assert (link.range.start.character, link.range.end.character) == (6, 24)
    assert not await client.text_document_document_link_async(types.DocumentLinkParams(edit(NET).id))


async def test_a_net_may_name_no_file_and_a_buffer_no_folder(client, edit) -> None:
    assert await edit(SOLVER.replace('net: "train_val.prototxt"', 'net: ""'), "s.prototxt").codes() == []
    unsaved = edit(SOLVER, "Untitled-1", "untitled:")
    assert await unsaved.codes() == []
