"""The CLIP score, by a CLIP of random weights and the size of a thumb."""

import json

import pytest
import torch
from torch.nn import functional as F

from rhinoise.core.images import to_uint8
from rhinoise.evaluation.clip import MODELS, clip_at_hand, clip_score
from rhinoise.nets.text.tokenizer import save_tokenizer, train_tokenizer

CAPTIONS = ["a red heart", "a blue heart", "a rhinoceros"]
PREPARED = {
    "do_resize": True,
    "size": 16,
    "do_center_crop": True,
    "crop_size": 16,
    "do_normalize": True,
    "image_mean": [0.5] * 3,
    "image_std": [0.25] * 3,
    "feature_extractor_type": "CLIPFeatureExtractor",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """As Hugging Face keeps it: models--OWNER--NAME/snapshots/REVISION, and refs/main with the revision."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    model = tmp_path_factory.mktemp("hub") / f"models--{MODELS[-1].replace('/', '--')}"
    folder = model / "snapshots" / "abc"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("abc")
    save_tokenizer(train_tokenizer(CAPTIONS, vocabulary=600, context=16), folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)  # tokenizer.json too
    words, small = len(tokenizer), {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    text = small | {
        "vocab_size": words,
        "num_attention_heads": 2,
        "max_position_embeddings": 16,
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": words - 1,
    }
    vision = small | {"num_attention_heads": 2, "image_size": 16, "patch_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(
            folder
        )
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPARED))
    return folder


def test_the_score_is_a_hundred_times_the_mean_cosine(folder):
    from transformers import CLIPModel, CLIPTokenizer

    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    model, tokens = CLIPModel.from_pretrained(folder), CLIPTokenizer.from_pretrained(folder)
    told = tokens(CAPTIONS, padding=True, return_tensors="pt")
    seen = (to_uint8(images) / 255 - 0.5) / 0.25
    with torch.no_grad():
        cosine = F.cosine_similarity(
            model.get_image_features(seen).pooler_output, model.get_text_features(**told).pooler_output
        )
    assert clip_score(folder, images, CAPTIONS) == pytest.approx(max(100 * cosine.mean().item(), 0), abs=0.05)
    assert cosine.abs().max() > 0.01


def test_a_model_is_at_hand_when_all_of_it_is_in_the_cache(folder):
    cache = folder.parents[2]
    assert clip_at_hand(cache) == (MODELS[-1], folder)
    (folder / "model.safetensors").rename(folder / "away")
    assert clip_at_hand(cache) is None
    (folder / "away").rename(folder / "model.safetensors")
