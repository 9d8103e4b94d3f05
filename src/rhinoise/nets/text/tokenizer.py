"""Captions => token ids: byte-level BPE (Sennrich et al. 2016; Radford et al. 2021) in CLIP's file format.

CLIP's own rules split the text (lower case, NFC, a digit at a time); the merges are learnt from the captions.
The vocabulary is, in order: 256 byte symbols, the same at the end of a word, one token per merge, and the two
special tokens. So whatever one types has tokens, emoji included: the unknown token never occurs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhinoise.core.errors import ModelFolderError
from rhinoise.core.files import read_json, write_json, write_text
from rhinoise.nets.text.pieces import Piece

START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
SMALLEST_VOCABULARY = 2 * 256 + 2
"""Byte symbols, byte symbols that end a word, and the special tokens."""
WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"""
"""What CLIP takes for a word: letters, one digit, a run of other signs, an English ending."""

Merges = list[tuple[str, str]]


@dataclass(frozen=True)
class Tokenizer:
    """Captions => `context` ids each: the start, the words, and the end as often as there is room left."""

    words: Any
    """A tokenizers.Tokenizer: a text's ids, without start and end."""
    context: int

    @property
    def vocabulary(self) -> dict[str, int]:
        """Token => id, in the order of ids."""
        return dict(sorted(self.words.get_vocab().items(), key=lambda entry: entry[1]))

    @property
    def start(self) -> int:
        """The id that every caption begins with."""
        return self.words.token_to_id(START)

    @property
    def end(self) -> int:
        """The id that every caption ends with."""
        return self.words.token_to_id(END)

    def ids(self, captions: Sequence[str]) -> list[list[int]]:
        """Every caption's ids; what is too long is cut."""
        room, start, end = self.context - 2, self.start, self.end
        return [
            [start, *found.ids[:room], *[end] * (1 + max(0, room - len(found.ids)))]
            for found in self.words.encode_batch(list(captions))
        ]

    def pieces(self, caption: str) -> list[Piece]:
        """Every token of a caption, those that are cut among them."""
        offsets, room = self.words.encode(caption).offsets, self.context - 2
        return [
            Piece(begin=begin, end=end, place=place if place <= room else None, known=True)
            for place, (begin, end) in enumerate(offsets, start=1)
        ]

    def too_long(self, captions: Sequence[str]) -> int:
        """How many captions have more tokens than the context holds, and are cut."""
        return sum(length > self.context for length in self.lengths(captions))

    def lengths(self, captions: Sequence[str]) -> list[int]:
        """Every caption's number of tokens before anything is cut, start and end included."""
        return [len(found.ids) + 2 for found in self.words.encode_batch(list(captions))]


def train_tokenizer(captions: Sequence[str], *, vocabulary: int, context: int) -> Tokenizer:
    """Learn a tokenizer of at most `vocabulary` tokens; every caption becomes `context` ids.

    The same captions give the same tokenizer. Fewer tokens come out when the captions hold fewer pairs that
    occur twice.
    """
    from tokenizers import Tokenizer as Learner
    from tokenizers import pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = letters + [letter + END_OF_WORD for letter in letters]
    learner = Learner(BPE(end_of_word_suffix=END_OF_WORD, continuing_subword_prefix=""))
    _split_as_clip(learner)
    # As "special" tokens the symbols get the first ids: otherwise the order of a hash table
    # numbers those that end a word, and equally frequent pairs merge in another order every time.
    trainer = BpeTrainer(
        vocab_size=vocabulary - 2,
        min_frequency=2,
        special_tokens=symbols,
        end_of_word_suffix=END_OF_WORD,
        continuing_subword_prefix="",
        show_progress=False,
    )
    learner.train_from_iterator(captions, trainer)
    merges = _merges(learner.to_str())
    tokens = dict.fromkeys([*symbols, *map("".join, merges), START, END])
    return Tokenizer(_words({token: index for index, token in enumerate(tokens)}, merges), context)


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json."""
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    merges = _merges(tokenizer.words.to_str())
    write_json(folder / "vocab.json", tokenizer.vocabulary)
    write_text(folder / "merges.txt", "\n".join(["#version: 0.2", *map(" ".join, merges)]) + "\n")
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        special
        | {
            "add_prefix_space": False,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": tokenizer.context,
            "tokenizer_class": "CLIPTokenizer",
        },
    )


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read what `save_tokenizer` or transformers wrote; ModelFolderError when it is missing or damaged."""
    try:
        context = read_json(folder / "tokenizer_config.json")["model_max_length"]
        if (folder / "tokenizer.json").is_file():  # transformers 5 writes this and neither of the two below
            whole = (folder / "tokenizer.json").read_text(encoding="utf-8")
            vocabulary, merges = json.loads(whole)["model"]["vocab"], _merges(whole)
        else:
            vocabulary = read_json(folder / "vocab.json")
            lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
            merges = [(first, second) for first, second in map(str.split, lines)]
        return Tokenizer(_words(vocabulary, merges), context)
    except FileNotFoundError as error:
        raise ModelFolderError(
            f"{folder} is not a tokenizer's folder: it lacks {Path(error.filename).name}"
        ) from None
    except Exception as error:  # tokenizers raises bare Exceptions
        raise ModelFolderError(f"the tokenizer in {folder} is damaged: {error}") from error


def rules(words: Any) -> str:
    """The vocabulary and the merges of a tokenizers.Tokenizer as one text: equal rules, equal ids."""
    return json.dumps(json.loads(words.to_str())["model"], sort_keys=True)


def _words(vocabulary: Mapping[str, int], merges: Merges) -> Any:
    """The tokenizers.Tokenizer of these tokens and merges."""
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Words
    from tokenizers.models import BPE

    model = BPE(
        vocab=dict(vocabulary),
        merges=merges,
        continuing_subword_prefix="",
        end_of_word_suffix=END_OF_WORD,
        unk_token=END,
    )
    words = Words(model)
    _split_as_clip(words)
    # Whoever types them means them: they are found before the text is split.
    words.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in (START, END)])
    return words


def _split_as_clip(words: Any) -> None:
    """Give a tokenizers.Tokenizer CLIP's rules: white space to blanks, NFC, lower case, words, bytes."""
    from tokenizers import Regex
    from tokenizers.normalizers import NFC, Lowercase, Replace
    from tokenizers.normalizers import Sequence as Normalizers
    from tokenizers.pre_tokenizers import ByteLevel, Split
    from tokenizers.pre_tokenizers import Sequence as Splitters

    words.normalizer = Normalizers([NFC(), Replace(Regex(r"\s+"), " "), Lowercase()])
    words.pre_tokenizer = Splitters(
        [Split(Regex(WORDS), behavior="removed", invert=True), ByteLevel(add_prefix_space=False)]
    )


def _merges(tokenizer_json: str) -> Merges:
    return [(first, second) for first, second in json.loads(tokenizer_json)["model"]["merges"]]
