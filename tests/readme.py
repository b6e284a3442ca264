"""The parts of the README that are made from the code: `python -m tests.readme` writes them anew."""

from __future__ import annotations

from pathlib import Path

from tui_finetune.config.presets import PRESETS
from tui_finetune.config.schema import settings
from tui_finetune.data.formats.spec import FORMATS

README = Path(__file__).parent.parent / "README.md"


def reference() -> str:
    """Every setting, in tables by group."""
    lines: list[str] = []
    group = ""
    for key, item in settings().items():
        if item.group != group:
            group = item.group
            lines += ["", f"#### {group}", "", "| key | default | what it is | also known as |", "|---|---|---|---|"]
        help_text = item.help.replace("|", "\\|")
        choices = f" One of {', '.join(f'`{choice}`' for choice in item.choices)}." if item.choices else ""
        aliases = ", ".join(f"`{alias}`" for alias in item.aliases)
        lines.append(f"| `{key}` | `{item.default_shown}` | {help_text}{choices} | {aliases} |")
    return "\n".join(lines).strip()


def presets() -> str:
    """Every preset and what it sets."""
    lines = ["| preset | what it is for | sets |", "|---|---|---|"]
    known = settings()
    for preset in PRESETS.values():
        values = ", ".join(f"`{key}: {known[key].show(value)}`" for key, value in preset.values.items()) or "nothing"
        lines.append(f"| `{preset.name}` | {preset.summary} | {values} |")
    return "\n".join(lines)


def formats() -> str:
    """Every format that data may have, with a row of it."""
    rows = [f"| `{known.name}` | {known.summary} | `{known.row}` |" for known in FORMATS]
    return "\n".join(["| format | what it is | a row |", "|---|---|---|", *rows])


def filled(text: str) -> str:
    """The README with its generated parts as they should be."""
    for name, content in (("settings", reference()), ("presets", presets()), ("formats", formats())):
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, rest = text.split(begin)
        after = rest.split(end)[1]
        text = f"{before}{begin}\n{content}\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
