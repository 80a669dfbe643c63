"""Pages that the code itself writes: every key of study.toml, every command, every public name, every benchmark."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
import typer
from heschl_errors import errors_page
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

API = {
    "heschl": "The estimators, and what ties them to other tools.",
    "heschl.linear": "All of the numeric core: estimators, cross-validation, nulls, canonical correlations, moments.",
    "heschl.features": "Features of sounds, speech models and language models, and the store that keeps them.",
    "heschl.timing": "Frames, words, transcripts, resampling.",
    "heschl.ecog": "Recordings, high gamma, trials, noise ceilings.",
}
SCHEMAS = {  # analyses whose variables have a table of their own
    "Which electrodes follow which features": "exchange",
    "Over the common time course": "time_course",
    "Spaces together: `[joint.NAME]`": "joint",
    "What two models share: `[shared]`": "shared",
    "What the shared part is made of": "commonality",
}
TABLES = {
    "scores.csv": "heschl.study.results.tables.layer_table",
    "best_layers.csv": "heschl.study.results.tables.best_table",
    "contrasts.csv": "heschl.study.statistics.contrasts.contrast_table",
    "ceilings.csv": "heschl.study.analyses.ceilings.Ceilings.tables",
    "joint.csv": "heschl.study.analyses.joint.electrode_table",
    "joint_parts.csv": "heschl.study.analyses.joint.parts_table",
    "shared.csv": "heschl.study.analyses.shared.shared_table",
    "shared_contrasts.csv": "heschl.study.analyses.shared.part_contrasts",
    "commonality.csv": "heschl.study.analyses.commonality.commonality_table",
    "components.csv": "heschl.study.analyses.components.component_table",
}
UNITS = {
    "tmin": "s", "tmax": "s", "step": "s", "window": "s", "hop": "s", "pre": "s", "post": "s", "rate": "Hz",
    "sfreq": "Hz", "fmin": "Hz", "fmax": "Hz", "cutoff": "Hz", "mains": "Hz", "Gamma.low": "Hz", "Gamma.high": "Hz",
    "LanguageSpace.window": "tokens", "SurprisalSpace.window": "tokens", "stride": "tokens",
    "Clean.threshold": "robust sd", "Clean.artefacts": "robust sd",
}  # fmt: skip
"""Of the keys that have one; a key that means something else in one section stands with its class."""


def write_pages(folder: Path) -> None:
    """Write all pages that are generated, where they have changed."""
    out = folder / "generated"
    out.mkdir(exist_ok=True)
    for name, text in {
        "keys.md": study_keys(), "commands.md": commands(), "recording.md": recording_keys(),
        "template.toml": template(), "results.md": results_schema(), "columns.md": columns(),
        "speed.md": speed(folder.parent),
        "errors.md": errors_page(Path(str(importlib.import_module("heschl").__file__)).parent),
    }.items():  # fmt: skip
        _write(out / name, text)
    for package, about in API.items():
        _write(folder / "api" / f"{package}.rst", api_page(package, about))
    toctree = "".join(f"   {package}\n" for package in API)
    _write(
        folder / "api" / "index.rst", f"API\n===\n\nEvery public name.\n\n.. toctree::\n   :maxdepth: 2\n\n{toctree}"
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def api_page(package: str, about: str) -> str:
    """Return the list of a package's public names, each with a page of its own."""
    module = importlib.import_module(package)
    names = [name for name in module.__all__ if not name.startswith("__")]
    if package == "heschl.linear":  # those of the front page have their pages there
        names = [name for name in names if name not in importlib.import_module("heschl").__all__]
    kinds: dict[str, list[str]] = {"Classes": [], "Functions": [], "Values": []}
    for name in sorted(names, key=str.lower):
        value = getattr(module, name)
        kinds["Classes" if inspect.isclass(value) else "Functions" if callable(value) else "Values"].append(name)
    lines = [package, "=" * len(package), "", about, "", f".. currentmodule:: {package}", ""]
    for title, members in kinds.items():
        if members:
            lines += [title, "-" * len(title), "", ".. autosummary::", "   :toctree: generated", ""]
            lines += [f"   {name}" for name in members] + [""]
    return "\n".join(lines)


def study_keys() -> str:
    """Return a table for each section of study.toml, from the classes that check it."""
    from heschl.study.config.study import _SECTIONS
    from heschl.study.kinds.registry import KINDS

    parts = []
    for where, section in _SECTIONS.items():
        title = f"`[{'.'.join(where)}]`" if where else "The file itself"
        parts.append(_section(title, section, example=_lines_of(".".join(where))))
    for kind, section in KINDS.items():
        parts.append(_section(f'`[features.NAME]` with `kind = "{kind}"`', section))
    return "\n\n".join(parts) + "\n"


def recording_keys() -> str:
    """Return the same of recording.toml."""
    from heschl.study.prepare import recording

    models = [
        value for value in vars(recording).values()
        if inspect.isclass(value) and issubclass(value, BaseModel) and value.__module__ == recording.__name__
    ]  # fmt: skip
    return "\n\n".join(_section(f"`{_table_of(model)}`", model, "###") for model in reversed(models)) + "\n"


def _table_of(model: type[BaseModel]) -> str:
    """Return how the file names a table: as its docstring begins."""
    found = re.match(r"\[[\w.]+\]", inspect.getdoc(model) or "")
    return found.group(0) if found else "recording.toml"


def _section(title: str, section: type[BaseModel], level: str = "##", example: str = "") -> str:
    example = example or _example(section)
    lines = [f"{level} {title}", "", _plain(inspect.getdoc(section) or ""), ""]
    if example:
        lines += ["```toml", example.rstrip(), "```", ""]
    lines += ["| key | values | unit | default |", "| --- | --- | --- | --- |"]
    for key, field in section.model_fields.items():
        if key == "kind":
            continue
        default = "*required*" if field.is_required() else _value(field.get_default(call_default_factory=True))
        kind = _type(field.annotation, list(field.metadata))
        lines.append(f"| `{key}` | {kind} | {UNITS.get(f'{section.__name__}.{key}', UNITS.get(key, ''))} | {default} |")
    return "\n".join(lines)


def _lines_of(section: str) -> str:
    """Return a section of the file that `heschl init` writes, or what it says there as a comment."""
    from heschl.study.config.template import TEMPLATE

    if section == "encoding.alphas":
        return "[encoding]\nalphas = { low = 1.0, high = 1e7, n = 10 }   # or a list: [1e2, 1e3, 1e4]"
    head = re.compile(rf"^(?:# )?\[{re.escape(section).replace('NAME', r'[a-z_]+')}\]") if section else None
    found: list[str] = []
    inside = head is None
    for line in TEMPLATE.splitlines():
        begins = re.match(r"^(?:# )?\[[a-z]", line)
        if head is not None and head.match(line):
            inside = True
        elif begins and (found or head is None):
            break
        if inside:
            found.append(line.removeprefix("# ") if line.startswith("# ") and section else line)
    return "\n".join(found)


def _example(section: type[BaseModel]) -> str:
    text = str(getattr(section, "template", ""))
    return "\n".join(line.removeprefix("# ") for line in text.splitlines())


def _plain(text: str) -> str:
    """Return a docstring as Markdown."""
    text = re.sub(r"^\[[\w.]+\]: ", "", re.sub(r"``([^`]+)``", r"`\1`", text))
    return text if text.startswith(("`", "λ")) else text[:1].upper() + text[1:]


def _value(value: Any) -> str:
    if value is PydanticUndefined or value is None:
        return "none"
    if isinstance(value, BaseModel):
        given = {k: v for k, v in value.model_dump().items() if v is not None}
        pairs = ", ".join(f"{k} = {_toml(v)}" for k, v in given.items())
        return "as below" if len(given) > 3 or not given else f"`{{ {pairs} }}`"
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _type(annotation: Any, metadata: list[Any]) -> str:
    """Return in words what a key may be."""
    origin = get_origin(annotation)
    if origin is Annotated:
        first, *rest = get_args(annotation)
        return _type(first, [*metadata, *rest])
    if origin is Literal:
        return ", ".join(f"`{_toml(v)}`" for v in get_args(annotation))
    if origin in (Union, types.UnionType):
        parts = [_type(part, metadata) for part in get_args(annotation) if part is not type(None)]
        return " or ".join(dict.fromkeys(parts))
    limits = _limits(metadata)
    if origin is list:
        return f"list of {_type(get_args(annotation)[0], [])}{limits}"
    if origin is dict:
        return f"table of {_type(get_args(annotation)[1], [])}{limits}"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "table, see below"
    words = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}
    return words.get(annotation, str(getattr(annotation, "__name__", "value")).lower()) + limits


def _limits(metadata: list[Any]) -> str:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = []
    for item in metadata:
        for inner in [item, *getattr(item, "metadata", ())]:
            for name, sign in signs.items():
                limit = getattr(inner, name, None)
                if isinstance(limit, int | float):
                    found.append(f"{sign} {limit:g}")
    return " " + ", ".join(dict.fromkeys(found)) if found else ""


def template() -> str:
    """Return the study.toml that `heschl init` writes."""
    from heschl.study.config.template import TEMPLATE

    return TEMPLATE


def commands() -> str:
    """Return every command with its arguments and options, from the command line itself."""
    from heschl.cli import app

    group = typer.main.get_command(app)
    rows = [f"| `{_spelling(p)}` | {getattr(p, 'help', '')} |" for p in group.params if p.name != "help"]
    always = "\n".join(["## Before any command", "", "| | what |", "| --- | --- |", *rows])
    return "\n\n".join([always, *_commands(group, "heschl")]) + "\n"


def _commands(command: Any, name: str) -> list[str]:
    context = click.Context(command, info_name=name) if isinstance(command, click.Command) else None
    subcommands = getattr(command, "commands", None)
    if subcommands:
        return [part for key, sub in subcommands.items() for part in _commands(sub, f"{name} {key}")]
    parameters = [p for p in command.params if p.name != "help"]
    usage = " ".join(_usage(p) for p in parameters)
    lines = [f"## `{name}`", "", "```sh", f"{name} {usage}".rstrip(), "```", "", (command.help or "").strip(), ""]
    rows = [(_spelling(p), (getattr(p, "help", None) or "").replace("|", "\\|"), _default(p)) for p in parameters]
    if rows:
        lines += ["| | what | default |", "| --- | --- | --- |"]
        lines += [f"| `{spelling}` | {text} | {default} |" for spelling, text, default in rows]
    del context
    return ["\n".join(lines)]


def _usage(parameter: Any) -> str:
    spelled = _spelling(parameter)
    if parameter.param_type_name == "argument":
        return spelled if parameter.required else f"[{spelled}]"
    takes = "" if getattr(parameter, "is_flag", False) else f" {parameter.name.upper()}"
    return f"{spelled}{takes}" if parameter.required else f"[{spelled}{takes}]"


def _spelling(parameter: Any) -> str:
    return parameter.name.upper() if parameter.param_type_name == "argument" else parameter.opts[0]


def _default(parameter: Any) -> str:
    shown = getattr(parameter, "show_default", None)
    if parameter.required:
        return "*required*"
    if isinstance(shown, str):
        return shown
    value = parameter.default
    return "" if value is None or callable(value) or getattr(parameter, "is_flag", False) else f"`{value}`"


def results_schema() -> str:
    """Return the variables of results.zarr, as the modules that write them list them."""
    parts = [_rows_of("heschl.study.results.dataset")]
    for title, module in SCHEMAS.items():
        parts += [f"### {title}", _rows_of(f"heschl.study.analyses.{module}"), _after_table(module)]
    return "\n\n".join(parts) + "\n"


def _rows_of(module: str) -> str:
    """Return the table of a module's docstring, its columns joined to two."""
    rows: list[list[str]] = []
    for line in _table(module):
        cells = re.split(r"\s{2,}", line.strip(), maxsplit=2)
        if line.startswith(" ") and rows:
            rows[-1][-1] += " " + " ".join(cells)
        elif cells[0] != "variable":
            rows.append(cells)
    said = [re.sub(r"see `heschl\.study\.analyses\.\w+`", "see below", ": ".join(row[1:])) for row in rows]
    texts = [f"| `{row[0]}` | {text.replace('``', '`')} |" for row, text in zip(rows, said, strict=True)]
    return "\n".join(["| variable | what |", "| --- | --- |", *texts])


def _table(module: str) -> list[str]:
    text = inspect.getdoc(importlib.import_module(module)) or ""
    lines = text.splitlines()
    rules = [i for i, line in enumerate(lines) if line.strip() and set(line.strip()) <= {"=", " "}]
    return [line for line in lines[rules[0] : rules[-1]] if line.strip() and "===" not in line]


def _after_table(module: str) -> str:
    """Return what the docstring says below its table."""
    text = inspect.getdoc(importlib.import_module(f"heschl.study.analyses.{module}")) or ""
    return _plain(re.split(r"^=+[ =]*$", text, flags=re.MULTILINE)[-1].strip())


def columns() -> str:
    """Return the columns of every table, as the functions that make them describe them."""
    parts = []
    for name, where in TABLES.items():
        text = inspect.getdoc(pkgutil.resolve_name(where)) or ""
        about, *rest = re.split(r"^Parameters\n-+$", text, flags=re.MULTILINE)
        about = re.sub(r"^Return (\w+[.]csv: )?", "", about.strip())
        if rest and (returned := re.search(r"Returns\n-+\n\S+\n(.*?)(?:\n\n\w+\n-+\n|\Z)", rest[0], re.DOTALL)):
            about += "\n\n" + inspect.cleandoc(returned[1])
        parts.append(f"### `{name}`\n\n{_plain(about)}")
    return "\n\n".join(parts) + "\n"


def speed(root: Path) -> str:
    """Return the measured tables of bench/README.md."""
    path = root / "bench" / "README.md"
    if not path.exists():
        return "The tables are in `bench/README.md` of the repository.\n"
    text = path.read_text(encoding="utf-8")
    start, end = text.index("## Measured"), text.index("## What brings what")
    return text[start:end].replace("## ", "### ").replace("#### ", "### ")
