"""Columns of images, sounds and videos, which a language model can't read."""

from __future__ import annotations

from tui_finetune.data.formats.columns import Columns
from tui_finetune.data.formats.spec import Format
from tui_finetune.errors import UserError

_NAMES = {
    "image": "images", "images": "images", "audio": "sounds", "audios": "sounds", "video": "videos", "videos": "videos",
    "image_path": "images", "image_paths": "images", "audio_path": "sounds", "video_path": "videos",
}  # fmt: skip
_TYPES = {"Image": "images", "Audio": "sounds", "Video": "videos"}


def refuse_media(columns: Columns, found: Format) -> None:
    """Raises UserError where a column holds, or names, what the texts are about and a language model can't read.

    Args:
        columns: of the data set.
        found: its format; a column that plays a part in it is a text, whatever its name.
    """
    for name, kinds in columns.kinds.items():
        what = _TYPES.get(columns.type_of(name)) or (_NAMES.get(name.lower()) if kinds - {"nothing"} else None)
        if what is None or name in found.mapping.values():
            continue
        alone = "set dataset_format: text" if found.name == "text" else f"take the column '{name}' out of the data"
        raise UserError(
            f"the column '{name}' holds {what}, which a language model can't read",
            f"choose data of text only; or, if the texts make sense without, {alone}",
            setting="dataset_name",
        )
