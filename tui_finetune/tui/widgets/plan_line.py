"""The line under the tabs: what ctrl+r would do, and what is missing for it."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from tui_finetune.errors import UserError


class PlanLine(Static):
    """Model, data set, method, steps, time and memory in one line; or, in its place, the first thing that is missing."""

    _shown: Text | None = None

    def show(self, parts: list[str], problem: UserError | None = None, *, pending: bool = False) -> None:
        """Show the plan.

        Args:
            parts: its parts, most important first; the last ones give way where the line is too narrow.
            problem: what keeps it from being started.
            pending: more is being worked out.
        """
        if problem is not None:
            line = Text.assemble(("✗ ", "bold"), problem.message)
            if problem.remedy:
                line.append(f" — {problem.remedy}", "dim")
        else:
            width = (self.size.width or self.app.size.width) - 4
            shown = list(parts)
            while len(shown) > 2 and len("  ·  ".join(shown)) > width:
                shown.pop()
            line = Text("  ·  ".join(shown))
            if pending and len(line) + 4 < width:
                line.append("  …", "dim")
        line.no_wrap = True
        line.overflow = "ellipsis"
        if line != self._shown:  # it is asked for with every news of a run
            self._shown = line
            self.set_class(problem is not None, "-problem")
            self.update(line, layout=False)
