"""Write what is generated of docs/config.md and docs/commands.md, and configs/schema.json.

Run from the root of the repository, or as `make reference`: python experiments/reference.py
Tables stand between `<!-- generated: NAME -->` and `<!-- end -->`; everything else in the two pages
is written by hand. Tables of keys come from the pydantic models, tables of options from typer.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer.main
import yaml

from ecomclf.cli import app
from ecomclf.config.json_schema import build_json_schema

ROOT = Path(__file__).parent.parent
_SECTION = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
# Longer lists of allowed values, such as the languages, are left to the error message.
_MOST_VALUES = 10
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def write_reference() -> None:
    """Write each generated file again."""
    for path, text in render().items():
        path.write_text(text, encoding="utf-8")


def render() -> dict[Path, str]:
    """Return what the generated files should hold, by their path."""
    schema = build_json_schema()
    tables = {**tabulate_keys(schema), **tabulate_commands()}
    pages = [ROOT / "docs" / "config.md", ROOT / "docs" / "commands.md"]
    rendered = {page: fill_sections(page.read_text(encoding="utf-8"), tables) for page in pages}
    text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    return {**rendered, ROOT / "configs" / "schema.json": text}


def fill_sections(page: str, tables: dict[str, str]) -> str:
    """Return a page with the tables in its marked sections."""
    return _SECTION.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n{found[3]}", page)


def tabulate_keys(schema: dict[str, Any]) -> dict[str, str]:
    """Return a table for the top level, for each section, and for each kind of dimension."""
    parts = schema["$defs"]
    properties = schema["properties"]
    sections = {key: value["$ref"] for key, value in properties.items() if "$ref" in value}
    tables = {
        name: tabulate_properties(parts[reference.rpartition("/")[2]])
        for name, reference in sections.items()
    }
    top = {key: value for key, value in properties.items() if key not in sections}
    kinds = {kind: parts[kind] for kind in ("Choice", "IntRange", "FloatRange")}
    return {
        "config": tabulate_properties({"properties": top, "required": []}),
        **{f"section {name}": table for name, table in tables.items()},
        **{f"dimension {kind}": tabulate_properties(part) for kind, part in kinds.items()},
    }


def tabulate_properties(part: dict[str, Any]) -> str:
    """Return a Markdown table of the keys of one object of the schema."""
    rows = (
        (
            f"`{key}`",
            describe_type(value),
            "required" if key in part.get("required", ()) else format_default(key, value),
            value.get("description", ""),
        )
        for key, value in part["properties"].items()
    )
    return tabulate(("key", "takes", "default", "meaning"), rows)


def describe_type(value: dict[str, Any]) -> str:
    """Return what a key takes: `integer ≥ 1`, or the allowed values."""
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(describe_type(each) for each in value["anyOf"]))
    if "const" in value:
        return f"`{value['const']}`"
    if len(value.get("enum", ())) in range(1, _MOST_VALUES):
        return ", ".join(f"`{format_yaml(each)}`" for each in value["enum"])
    if value.get("type") == "array":
        return f"list of {describe_type(value['items'])}" if value["items"] else "list"
    names = {"string": "text", "boolean": "`true`, `false`", "null": "`null`", "object": "mapping"}
    name = names.get(value["type"], value["type"])
    bounds = [f"{sign} {value[bound]:.10g}" for bound, sign in _BOUNDS.items() if bound in value]
    return " ".join([name, ", ".join(bounds)]).strip()


def format_default(key: str, value: dict[str, Any]) -> str:
    """Return the default of a key as it would be written in a config."""
    if key == "name":
        return "the file's name"
    # Mappings are made anew for each config, so the schema has no default for them.
    return f"`{format_yaml(value.get('default', {}))}`"


def format_yaml(value: Any) -> str:
    """Return a value as YAML in one line."""
    if value == "":
        return "''"
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def tabulate_commands() -> dict[str, str]:
    """Return help and options of each command as Markdown, by `command NAME`."""
    group: Any = typer.main.get_command(app)
    return {f"command {name}": document(name, command) for name, command in walk(group)}


def walk(group: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield each command with its full name, such as `data check`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walk(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def document(name: str, command: Any) -> str:
    """Return usage, help text, and a table of the arguments and options of a command."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join(["ecomclf", name, *(str(each.metavar) for each in arguments), "[OPTIONS]"])
    rows = ((name_parameter(each), describe_parameter(each)) for each in command.params)
    text = " ".join(command.help.split())
    return f"`{usage}`\n\n{text}\n\n{tabulate(('option', 'meaning'), rows)}"


def name_parameter(parameter: Any) -> str:
    """Return an argument, or an option with its placeholder, as code."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}`"
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    placeholder = parameter.metavar or parameter.name.upper()
    return f"`{names}`" if parameter.is_flag else f"`{names} {placeholder}`"


def describe_parameter(parameter: Any) -> str:
    """Return the help of a parameter, and its default if it has one."""
    default = parameter.default
    shown = f" Default: `{default}`." if isinstance(default, str) and default else ""
    required = " Required." if parameter.required else ""
    return f"{parameter.help}{shown}{required}"


def tabulate(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table; `|` in a cell is escaped."""
    cells = ([cell.replace("|", "\\|") for cell in row] for row in (head, *rows))
    first, *others = [f"| {' | '.join(row)} |\n" for row in cells]
    return "".join([first, "|" + "---|" * len(head) + "\n", *others])


if __name__ == "__main__":
    write_reference()
