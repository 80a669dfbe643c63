"""The page of every error: read from the calls that raise them, so that none is missing and none is old."""

from __future__ import annotations

import ast
from pathlib import Path

ERRORS = {"InputError", "InputTypeError", "DamagedSet", "DamagedFeatures", "NotShared"}
ROOMS = {
    "linear": "Fits, scores, nulls, canonical correlations",
    "timing": "Sounds, transcripts, frames",
    "features": "Features and models",
    "ecog": "Recordings and responses",
    "study": "Studies and the command line",
    "mne_objects": "MNE",
    "plot": "Plots",
    "": "Everywhere",
}


def errors_page(package: Path) -> str:
    """Return tables of every InputError of the package, by room: what is at fault, what is expected, what to do."""
    tables: dict[str, set[tuple[str, str, str]]] = {room: set() for room in ROOMS}
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        room = relative.parts[0] if len(relative.parts) > 1 else relative.stem
        room = {"cli": "study", "console": "study"}.get(room, room)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in ERRORS:
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                names = ("argument", "found", "expected", "advice")
                given.update(zip(names, node.args, strict=False))
                texts = {name: _words(value, name == "argument") for name, value in given.items() if name}
                if texts.get("expected", "…") != "…":  # else it hands on what another call says
                    remedy = " ".join(
                        [_cell(texts["expected"]).rstrip(".") + ".", _cell(texts.get("advice", "").removesuffix("…"))]
                    )
                    row = (_code(texts["argument"]), _cell(texts["found"]), remedy.strip())
                    tables[room if room in ROOMS else ""].add(row)
    parts = []
    for room, rows in tables.items():
        parts += [f"## {ROOMS[room]}", "", "| at fault | found | expected, and what to do |", "| --- | --- | --- |"]
        parts += [f"| {' | '.join(row)} |" for row in sorted(rows, key=lambda row: (row[0].lower(), row))]
        parts.append("")
    return "\n".join(parts)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _words(node: ast.expr, names: bool = False) -> str:
    """Return a message as it reads; for what is known only when it is raised, … or the name of what it holds."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_words(part, names) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _words(node.left, names) + _words(node.right, names)
    if isinstance(node, ast.IfExp):
        return " / ".join(text for text in (_words(node.body, names), _words(node.orelse, names)) if text)
    if isinstance(node, ast.FormattedValue) and names:
        return _words(node.value, names)
    if isinstance(node, ast.Call) and names and node.args:
        return _words(node.args[0], names)
    found = (_name(node) or "…") if names else "…"
    return {"path": "FILE", "where": "FILE", "found": "FILE", "source": "FILE", "name": "NAME"}.get(found, found)


def _cell(text: str) -> str:
    for sign in "\\|<>*_$`[":
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.split())


def _code(text: str) -> str:
    return "`" + " ".join(text.split()).replace("|", "\\|").replace("`", "'") + "`"
