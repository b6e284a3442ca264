"""A terminal's screen as a PNG picture. Needs pillow, of the `dev` extra; the font is the one that comes with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image, ImageDraw, ImageFont

SIZE = 18
FOREGROUND, BACKGROUND = "#d3d8de", "#14181d"
NAMED = {
    "black": "#1a1f26", "red": "#d97b76", "green": "#86b987", "brown": "#e0b46c", "blue": "#7aa2c8",
    "magenta": "#b294bb", "cyan": "#8abeb7", "white": "#d3d8de",
}  # fmt: skip

# Where the eight dots of a braille character stand: column and row for each bit.
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))

# Characters that are filled boxes, as left, top, right and bottom in eighths of a cell.
BOXES = {
    **{chr(0x2588 + n): (0, 0, 8 - n, 8) for n in range(8)},
    **{chr(0x2580 + n): (0, 8 - n, 8, 8) for n in range(1, 9)},
    "▀": (0, 0, 8, 4),
    "▐": (4, 0, 8, 8),
    "▔": (0, 0, 8, 1),
    "▕": (7, 0, 8, 8),
}


def _color(name: str, default: str) -> str:
    if name == "default":
        return default
    return NAMED.get(name.removeprefix("bright"), f"#{name}")


def draw(screen: Any, path: Path) -> None:
    """Draw a pyte screen, colors and all, into a PNG file."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    plain = ImageFont.truetype(fonts / "DejaVuSansMono.ttf", SIZE)
    bold = ImageFont.truetype(fonts / "DejaVuSansMono-Bold.ttf", SIZE)
    wide, high = round(plain.getlength("M")), round(SIZE * 1.3)
    image = Image.new("RGB", (screen.columns * wide, screen.lines * high), BACKGROUND)
    pen = ImageDraw.Draw(image)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            ink, paper = _color(cell.fg, FOREGROUND), _color(cell.bg, BACKGROUND)
            if cell.reverse:
                ink, paper = paper, ink
            x, y = column * wide, row * high
            pen.rectangle((x, y, x + wide - 1, y + high - 1), fill=paper)
            _draw_character(pen, cell.data, x, y, wide, high, ink, bold if cell.bold else plain)
            if cell.underscore:
                pen.line((x, y + high - 3, x + wide - 1, y + high - 3), fill=ink)
    image.save(path, optimize=True)


def _draw_character(
    pen: ImageDraw.ImageDraw, char: str, x: int, y: int, wide: int, high: int, ink: str, font: ImageFont.FreeTypeFont
) -> None:
    code = ord(char[0]) if char else 0x20
    if 0x2800 <= code < 0x2900:
        for bit, (across, down) in enumerate(DOTS):
            if code >> bit & 1:
                left, top = x + wide * (1 + 2 * across) / 4, y + high * (1 + 2 * down) / 8
                pen.ellipse((left - 1.3, top - 1.3, left + 1.3, top + 1.3), fill=ink)
    elif char in BOXES:
        left, top, right, bottom = BOXES[char]
        box = (x + wide * left / 8, y + high * top / 8, x + wide * right / 8 - 1, y + high * bottom / 8 - 1)
        pen.rectangle(box, fill=ink)
    elif code > 0x20:
        pen.text((x, y + 1), char, font=font, fill=ink)
