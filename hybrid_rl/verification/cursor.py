"""A position among the tokens of a text, with what a parser asks of it. It knows no grammar."""

from hybrid_rl.verification.arithmetic import Unreadable
from hybrid_rl.verification.tokens import Token, tokens


class Cursor:
    """The tokens of a text and a position among them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = 0

    def at(self) -> int:
        """Where the rest of the text begins."""
        if self._next < len(self._tokens):
            start = self._tokens[self._next].start
            return start - (self._text[start - 1 : start] == " ")
        return len(self._text)

    def _peek(self, ahead: int = 0) -> Token | None:
        at = self._next + ahead
        return self._tokens[at] if 0 <= at < len(self._tokens) else None

    def _take(self) -> Token:
        token = self._peek()
        if token is None:
            raise Unreadable("the end")
        self._next += 1
        return token

    def _is(self, kind: str) -> bool:
        token = self._peek()
        return token is not None and token.kind == kind

    def _text_is(self, *texts: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token is not None and token.text in texts

    def _skip(self, text: str) -> bool:
        found = self._text_is(text)
        self._next += found
        return found

    def _raw(self) -> str:
        """The text of the next braces, or of the next token, as written."""
        first = self._take()
        if first.text != "{":
            return first.text
        depth, start = 1, self._next
        while depth:
            text = self._take().text
            depth += (text == "{") - (text == "}")
        return self._written(start, self._next - 1).strip()

    def _written(self, start: int, stop: int) -> str:
        """The text of the tokens from `start` up to `stop`."""
        taken = self._tokens[start:stop]
        return self._text[taken[0].start : taken[-1].end] if taken else ""
