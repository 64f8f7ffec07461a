"""Configuration files hold in the editor as on the command line, follow their changes, and never stop the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

ZERO_GAMMA = (Path(__file__).parents[3] / "examples" / "bn_zero_gamma.prototxt").read_text().partition("\n")[2]
WATCHING = {"workspace__didChangeWatchedFiles": {"dynamicRegistration": True}}
NOT_WATCHING = {"workspace__didChangeWatchedFiles": None}

watching = pytest.mark.parametrize("capabilities", [WATCHING], indirect=True)


def told(client, path: Path) -> None:
    """The client says that a file was written."""
    change = types.FileEvent(path.as_uri(), types.FileChangeType.Changed)
    client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([change]))


async def shown(client, path: Path, *, some: bool) -> list[types.Diagnostic]:
    """What is shown in a configuration file, once it is something, or nothing."""
    while bool(client.diagnostics.get(path.as_uri())) != some:
        await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    return list(client.diagnostics.get(path.as_uri(), ()))


@watching
async def test_the_closest_file_holds_and_is_read_again(capabilities, client, edit, tmp_path: Path) -> None:
    deep = tmp_path / "a"
    deep.mkdir()
    net = edit(ZERO_GAMMA, "net.prototxt", deep.as_uri())
    assert "BN031" not in await net.codes()
    registered = [r for r in client.notes if isinstance(r, types.Registration)]
    assert [r.method for r in registered] == [types.WORKSPACE_DID_CHANGE_WATCHED_FILES]
    far, near = tmp_path / "pyproject.toml", deep / "prototxt-lsp.toml"
    far.write_text('[tool.prototxt-lsp]\ndialect = "nvidia-0.15"\n')
    told(client, far)
    assert {"BN031", "BN055"} <= set(await net.codes())
    near.write_text("extend = '../pyproject.toml'\n[per-file-ignores]\n'net.*' = ['BN055']\n")
    told(client, near)
    assert set(await net.codes()) & {"BN031", "BN055"} == {"BN031"}
    before = await net.pull()
    told(client, tmp_path / "elsewhere.toml")
    assert isinstance(await net.pull(before.result_id), types.RelatedUnchangedDocumentDiagnosticReport)
    near.unlink()
    far.unlink()
    told(client, far)
    assert "BN031" not in await net.codes()


@pytest.mark.parametrize("capabilities", [NOT_WATCHING], indirect=True)
async def test_a_client_that_tells_nothing_about_files_is_served_on_save(
    capabilities, client, edit, tmp_path: Path
) -> None:
    net = edit(ZERO_GAMMA, "net.prototxt", tmp_path.as_uri())
    assert "BN031" not in await net.codes()
    (tmp_path / "prototxt-lsp.toml").write_text("dialect = 'nvidia-0.15'")
    client.text_document_did_save(types.DidSaveTextDocumentParams(net.id))
    assert "BN031" in await net.codes()


WRONG = {
    "# first\ndialekt = 'bvlc'\n": ("dialekt", "no key is called `dialekt`; did you mean `dialect`?"),
    "ignore = ['BN']\nphase = 'train'\n": ("train", "`phase` takes one of auto, TRAIN, TEST, all, not 'train'"),
    "select = ['BN', 'QQ7']": ("QQ7", "`select`: no rule is called `QQ7`"),
    "[per-file-ignores]\n'é𝄞' = 3\n": ("3", '`per-file-ignores."é𝄞"` takes a list of codes'),
    "level = 1\nx = = 2": ("=", "is not TOML: Invalid value (at line 2, column 5)"),
    "extend = 'nowhere.toml'": ("nowhere.toml", "`extend`: there is no file"),
}


@watching
@pytest.mark.parametrize("content", WRONG, ids=str)
async def test_what_is_wrong_is_shown_in_the_file(capabilities, client, edit, content: str, tmp_path: Path) -> None:
    path = tmp_path / "prototxt-lsp.toml"
    path.write_text(content)
    net = edit(ZERO_GAMMA, "net.prototxt", tmp_path.as_uri())
    where, message = WRONG[content]
    assert await net.codes(), "the net is judged without the file"
    (found,) = await shown(client, path, some=True)
    assert message in found.message
    assert (found.severity, found.source) == (types.DiagnosticSeverity.Error, "lsp config")
    line = content.splitlines()[found.range.start.line].encode("utf-16-le")
    assert line[2 * found.range.start.character : 2 * found.range.end.character].decode("utf-16-le") == where
    path.write_text("dialect = 'nvidia-0.15'")
    told(client, path)
    assert "BN031" in await net.codes()
    assert not await shown(client, path, some=False)


@watching
async def test_it_is_shown_as_long_as_a_net_needs_it(capabilities, client, edit, tmp_path: Path) -> None:
    path = tmp_path / "prototxt-lsp.toml"
    path.write_text("x = 1")
    nets = [edit(ZERO_GAMMA, f"{name}.prototxt", tmp_path.as_uri()) for name in "ab"]
    for net in nets:
        await net.codes()
    await shown(client, path, some=True)
    for net in nets:
        client.text_document_did_close(types.DidCloseTextDocumentParams(net.id))
    assert not await shown(client, path, some=False)


async def test_fixing_all_goes_by_the_file(client, edit, tmp_path: Path) -> None:
    text = """input: "d"
input_shape { dim: 2 dim: 3 dim: 4 dim: 4 }
layer {
  name: "b"
  type: "BatchNorm"
  bottom: "d"
  top: "b"
  param { lr_mult: 1 }
}
"""
    folder = tmp_path.as_uri()
    loud = edit(text, folder=folder)
    every = types.Range(types.Position(0, 0), types.Position(99, 0))
    (action,) = await loud.actions(every, types.CodeActionKind.SourceFixAll)
    assert "lr_mult" not in loud.apply((await client.code_action_resolve_async(action)).edit)
    (tmp_path / "quiet").mkdir()
    (tmp_path / "quiet" / "prototxt-lsp.toml").write_text('ignore = ["BN001"]\n')
    quiet = edit(text, folder=f"{folder}/quiet")
    (action,) = await quiet.actions(every, types.CodeActionKind.SourceFixAll)
    fixed = quiet.apply((await client.code_action_resolve_async(action)).edit)
    assert ("lr_mult" in fixed, "input_shape" in fixed) == (True, False)


@watching
@pytest.mark.parametrize("options", [{"dialect": "nvidia-0.15", "ignore": ["BN055"]}], indirect=True)
async def test_the_editor_goes_before_the_file(capabilities, options, client, edit, tmp_path: Path) -> None:
    (tmp_path / "prototxt-lsp.toml").write_text("dialect = 'bvlc'\nignore = ['BN027']")
    net = edit(ZERO_GAMMA, "net.prototxt", tmp_path.as_uri())
    assert set(await net.codes()) & {"BN027", "BN031", "BN055"} == {"BN031"}
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"prototxt": {"dialect": "auto"}}))
    assert "BN031" not in await net.codes()


@watching
async def test_the_editor_may_name_a_file(capabilities, client, edit, tmp_path: Path) -> None:
    (tmp_path / "prototxt-lsp.toml").write_text("ignore = ['ALL', 'BN', 'NET', 'STY']")
    other = tmp_path / "other.toml"
    other.write_text("dialect = 'nvidia-0.15'\nselect = ['BN031']")
    settings = {"prototxt": {"configuration": str(other)}}
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    assert await edit(ZERO_GAMMA, "net.prototxt", tmp_path.as_uri()).codes() == ["BN031"]
