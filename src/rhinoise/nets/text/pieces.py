"""What a tokenizer makes of a caption: pieces, each with the characters that it stands for."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One token of a caption: its characters are caption[begin:end].

    Pieces of one letter (an emoji is several bytes) share its characters.
    """

    begin: int
    end: int
    place: int | None
    """Its index among the encoder's tokens; None: the context had no room for it."""
    known: bool
    """False: the tokenizer knows nothing like it, and reads every such piece alike."""
