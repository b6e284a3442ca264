"""The app's style sheet."""

from __future__ import annotations

from textual.css.stylesheet import Stylesheet


class LastingStylesheet(Stylesheet):
    """A style sheet that keeps the rules it has parsed until the theme is another.

    Textual parses all rules anew for each screen that brings its own, and for the theme that the app begins with: a tenth
    of the time to the first frame.

    Args:
        variables: those of the theme, by name.
    """

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._theme = variables
        self._is_outdated = False

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._theme:
            self._theme, self._is_outdated = variables, True
            super().set_variables(variables)

    def reparse(self) -> None:
        if self._is_outdated:
            super().reparse()
            self._is_outdated = False
        else:
            self.parse()
