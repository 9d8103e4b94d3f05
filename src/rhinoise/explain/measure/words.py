"""A prompt's words, and which of the text encoder's tokens each of them became."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rhinoise.nets.text.pieces import Piece

SIGNS = r"""[,;:.!?()\[\]{}"“”«»…/|、。，！？]+"""
WORD = re.compile(rf"{SIGNS}|(?:(?!{SIGNS})[\S\x1c-\x1f])+")
"""A run of punctuation, or of anything else that is not white space; four old separators are white space to
Python and not to the tokenizer, nor to Unicode."""


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of a prompt: its characters are prompt[begin:end]."""

    text: str
    begin: int
    end: int
    pieces: tuple[str, ...]
    """What the tokenizer splits it into; a letter of several bytes comes several times."""
    places: tuple[int, ...]
    """Its tokens, as indices among the text encoder's; what the context cut is not among them."""
    known: bool
    """False: part of it is like nothing that the tokenizer knows."""

    @property
    def is_sign(self) -> bool:
        """Punctuation: it has tokens, and is looked at, but says nothing alone."""
        return re.fullmatch(SIGNS, self.text) is not None


def words_of(prompt: str, pieces: Sequence[Piece]) -> list[Word]:
    """The words of a prompt in order, each with its pieces.

    A piece belongs to the word that it shares most characters with, the first of equals. Words that the
    context has no room for have no `places`.
    """
    found = list(WORD.finditer(prompt))
    own: list[list[Piece]] = [[] for _ in found]
    for piece in pieces:
        shared = [min(piece.end, word.end()) - max(piece.begin, word.start()) for word in found]
        own[shared.index(max(shared))].append(piece)
    return [
        Word(
            text=word.group(),
            begin=word.start(),
            end=word.end(),
            pieces=tuple(prompt[piece.begin : piece.end] for piece in mine),
            places=tuple(piece.place for piece in mine if piece.place is not None),
            known=all(piece.known for piece in mine),
        )
        for word, mine in zip(found, own, strict=True)
    ]


def labels(words: Sequence[Word]) -> list[str]:
    """A name for each word; those that come again are numbered: a, red, heart, a (2)."""
    before: dict[str, int] = {}
    names = []
    for word in words:
        before[word.text] = before.get(word.text, 0) + 1
        names.append(word.text if before[word.text] == 1 else f"{word.text} ({before[word.text]})")
    return names


def without(prompt: str, word: Word) -> str:
    """The prompt with a word dropped, and no blank left where it was."""
    left, right = prompt[: word.begin].rstrip(), prompt[word.end :].lstrip()
    joined = left + right if re.match(SIGNS, right) else f"{left} {right}"
    return joined.strip()
