"""`lsp config`: which configuration holds for a file, and the schema of configuration files."""

from __future__ import annotations

import json
from typing import Any

import click

from prototxt_server.analysis import Settings
from prototxt_server.cli.common import fail, say
from prototxt_server.config import ConfigError, config_for, require_known_codes


@click.command("config", epilog="Example: lsp config models/train_val.prototxt")
@click.argument("path", default="./-", metavar="[PATH]")
@click.option("--schema", is_flag=True, help="The JSON schema of prototxt-lsp.toml and [tool.prototxt-lsp].")
@click.option("--config", "file", metavar="FILE", type=click.Path(dir_okay=False, exists=True), help="This file.")
def command(path: str, schema: bool, file: str | None) -> None:
    """Check the configuration that holds for PATH (a net; by default one in this folder) and show what it comes to."""
    if schema:
        from prototxt_server.config_keys import json_schema

        say(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return
    try:
        found = config_for(path, file)
        if found is None:
            say(f"# no configuration holds for {path if path != './-' else 'this folder'}; these are the defaults")
        else:
            require_known_codes(found)
            say("\n".join(f"# {'extends' if index else 'from'} {name}" for index, name in enumerate(found.files)))
        settings = found.applied_to(Settings(), path) if found else Settings()
    except ConfigError as error:
        fail(str(error))
    say("\n".join(f"{key} = {_toml(value)}" for key, value in _rows(settings)))


def _rows(settings: Settings) -> list[tuple[str, Any]]:
    return [
        ("dialect", settings.dialect),
        ("phase", settings.phase),
        ("level", settings.level),
        ("stages", settings.stages),
        ("shapes", dict(settings.shapes)),
        ("select", settings.select),
        ("extend-select", settings.extend_select),
        ("ignore", settings.ignore),
        ("custom-layers", settings.custom_layers),
        ("ignore-fields", settings.ignore_fields),
    ]


def _toml(value: Any) -> str:
    """A value as TOML; JSON's strings, numbers and lists are TOML's too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_toml(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
