"""Captions => token ids: byte-level BPE (Sennrich et al. 2016; Radford et al. 2021) in CLIP's file format.

CLIP's own rules split the text (lower case, NFC, a digit at a time); the merges are learnt from the captions.
The vocabulary is, in order: 256 byte symbols, the same at the end of a word, one token per merge, and the two
special tokens. So whatever one types has tokens, emoji included: the unknown token never occurs.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rhinoise.core.errors import ModelFolderError
from rhinoise.core.files import read_json, write_json, write_text

START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
SMALLEST_VOCABULARY = 2 * 256 + 2
"""Byte symbols, byte symbols that end a word, and the special tokens."""


def train_tokenizer(captions: Sequence[str], *, vocabulary: int, context: int) -> Any:
    """Learn a transformers.CLIPTokenizer of at most `vocabulary` tokens; every caption becomes `context` ids.

    The same captions give the same tokenizer. Fewer tokens come out when the captions hold fewer pairs that
    occur twice.
    """
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = letters + [letter + END_OF_WORD for letter in letters]
    clip = CLIPTokenizer().backend_tokenizer
    learner = Tokenizer(BPE(end_of_word_suffix=END_OF_WORD, continuing_subword_prefix=""))
    learner.normalizer, learner.pre_tokenizer = clip.normalizer, clip.pre_tokenizer
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
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=merges, model_max_length=context
    )


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json."""
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    vocabulary = dict(sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1]))
    merges = _merges(tokenizer.backend_tokenizer.to_str())
    write_json(folder / "vocab.json", vocabulary)
    write_text(folder / "merges.txt", "\n".join(["#version: 0.2", *map(" ".join, merges)]) + "\n")
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        special
        | {
            "add_prefix_space": False,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": tokenizer.model_max_length,
            "tokenizer_class": "CLIPTokenizer",
        },
    )


def load_tokenizer(folder: Path) -> Any:
    """Read what `save_tokenizer` or transformers wrote; ModelFolderError when it is missing or damaged."""
    from transformers import CLIPTokenizer

    try:
        context = read_json(folder / "tokenizer_config.json")["model_max_length"]
        if (folder / "tokenizer.json").is_file():  # transformers 5 writes this and neither of the two below
            whole = (folder / "tokenizer.json").read_text(encoding="utf-8")
            vocabulary, merges = json.loads(whole)["model"]["vocab"], _merges(whole)
        else:
            vocabulary = read_json(folder / "vocab.json")
            lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
            merges = [(first, second) for first, second in map(str.split, lines)]
        return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=context)
    except FileNotFoundError as error:
        raise ModelFolderError(
            f"{folder} is not a tokenizer's folder: it lacks {Path(error.filename).name}"
        ) from None
    except Exception as error:  # tokenizers raises bare Exceptions
        raise ModelFolderError(f"the tokenizer in {folder} is damaged: {error}") from error


def rules(tokenizer: Any) -> str:
    """The vocabulary and the merges as one text: equal rules, equal ids."""
    return json.dumps(json.loads(tokenizer.backend_tokenizer.to_str())["model"], sort_keys=True)


def _merges(tokenizer_json: str) -> Any:
    return [(first, second) for first, second in json.loads(tokenizer_json)["model"]["merges"]]


def too_long(tokenizer: Any, captions: Sequence[str], context: int) -> int:
    """How many captions have more than `context` tokens, start and end included, and are cut."""
    ids = tokenizer(list(captions), truncation=True, max_length=context + 1).input_ids
    return sum(len(tokens) > context for tokens in ids)
