"""A look inside a reply: how sure the model was of each token, and what else it thought of."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui_finetune.chat.reply import Token
from tui_finetune.system.terminal import printable
from tui_finetune.tui.dialogs.dialog import Dialog

_SHADES = (
    (0.9, ""),
    (0.5, "on $primary 15%"),
    (0.2, "on $primary 35%"),
    (0.05, "on $primary 60%"),
    (0.0, "on $primary 90%"),
)
"""From which probability on, and how it is shaded: the more surprising, the darker."""

BAR = 20


def shade(probability: float) -> str:
    """The style of a token of that probability."""
    return next(style for least, style in _SHADES if probability >= least)


def shown(text: str) -> str:
    """A token where it can be seen: spaces and line ends by signs."""
    return printable(text, lines=False).replace(" ", "·") or "∅"


class Inside(Dialog[None]):
    """The tokens of replies, each shaded by its probability; the arrows move a cursor over them.

    Args:
        replies: each with the name of its model and its tokens.
    """

    CSS_PATH = "inside.tcss"
    BINDINGS = [
        Binding("escape,f6,q", "dismiss(None)", "Back", show=False),
        Binding("left", "move(-1)", "Token before", show=False),
        Binding("right", "move(1)", "Next token", show=False),
        Binding("up", "move(-10)", "Ten back", show=False),
        Binding("down", "move(10)", "Ten on", show=False),
        Binding("tab", "next", "Next model", show=False),
        Binding("n", "numbers", "Numbers", show=False),
    ]

    def __init__(self, replies: Sequence[tuple[str, Sequence[Token]]]) -> None:
        super().__init__()
        self.replies = [reply for reply in replies if reply[1]]
        self.place = 0
        self._reply = 0
        self._numbers = False

    @property
    def tokens(self) -> Sequence[Token]:
        """Those of the reply that is looked at."""
        return self.replies[self._reply][1]

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static("", id="question", markup=False)
            with VerticalScroll(id="tokens", can_focus=False):
                yield Static("", id="text", markup=False)
            yield Static("", id="token", markup=False)
            yield Static("", id="keys", markup=False)

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        name, tokens = self.replies[self._reply]
        mean = sum(token.probability for token in tokens) / len(tokens)
        self.query_one("#question", Static).update(Content(f"{name}: mean probability {mean:.0%}"))
        parts: list[str | tuple[str, str]] = []
        for place, token in enumerate(tokens):
            style = "reverse" if place == self.place else shade(token.probability)
            parts.append((printable(token.text) or "∅", style) if style else printable(token.text))
            if self._numbers:
                parts.append((f"{100 * token.probability:.0f} ", "$foreground 50%"))
        self.query_one("#text", Static).update(Content.assemble(*parts))
        self.query_one("#token", Static).update(self._about(tokens[self.place]))
        other = "tab: next model  ·  " if len(self.replies) > 1 else ""
        self.query_one("#keys", Static).update(f"arrows move  ·  n shows numbers  ·  {other}esc closes")

    def _about(self, token: Token) -> Content:
        """The token under the cursor: its probability, and what the model thought likeliest there."""
        lines = [Content.assemble((shown(token.text), "bold"), f"  {token.probability:.1%}")]
        for text, probability in token.likeliest:
            mark = "● " if text == token.text else "  "
            bar = "█" * round(BAR * probability)
            lines.append(Content.assemble(mark, f"{probability:6.1%} ", (bar.ljust(BAR), "$primary"), " ", shown(text)))
        return Content("\n").join(lines)

    def action_move(self, by: int) -> None:
        self.place = min(max(self.place + by, 0), len(self.tokens) - 1)
        self._show()

    def action_next(self) -> None:
        self._reply = (self._reply + 1) % len(self.replies)
        self.place = min(self.place, len(self.tokens) - 1)
        self._show()

    def action_numbers(self) -> None:
        self._numbers = not self._numbers
        self._show()
