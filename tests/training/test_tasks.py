"""What each stage learns: losses in closed form, and who gets a gradient from what."""

import pytest
import torch
from torch import nn

from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.objective import ObjectiveConfig
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.samplers import ddim
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.diffusion.timesteps import levels
from rhinoise.nets.autoencoder import Autoencoder, AutoencoderConfig
from rhinoise.nets.contrastive import ContrastiveConfig, ImageTower, collapse
from rhinoise.nets.discriminator import DiscriminatorConfig, PatchDiscriminator
from rhinoise.nets.features import RandomConv
from rhinoise.nets.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from rhinoise.nets.text import TextConfig, TextEncoder
from rhinoise.nets.transformer import Transformer, TransformerConfig
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.training.batches import CaptionedBatch, DenoisingBatch, ImageBatch
from rhinoise.training.fit import Fit, FitConfig
from rhinoise.training.tasks import AutoencoderLosses, AutoencoderTask, ContrastiveTask, DenoisingTask

FLOW = ScheduleConfig(name="flow").build()
OBJECTIVE = ObjectiveConfig(density="logit_normal")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def autoencoder() -> Autoencoder:
    return Autoencoder(
        AutoencoderConfig(
            sample_size=16,
            latent_channels=2,
            block_out_channels=(4, 4),
            layers_per_block=1,
            mid_attention=False,
            norm_num_groups=2,
        )
    )


def image_batch(progress: float = 0.0) -> ImageBatch:
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    return ImageBatch(images=images, noise=torch.randn(3, 2, 16, 16), progress=progress)


def grows(module: nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


def test_the_autoencoders_losses_are_what_they_say():
    model, batch = autoencoder(), image_batch()
    losses = AutoencoderTask(model, AutoencoderLosses(absolute=2.0, squared=3.0, kl=0.5))(batch)
    posterior = model.encode(batch.images)
    error = model.decode(posterior.mean + posterior.std * batch.noise) - batch.images
    expected = {
        "absolute": 2 * error.abs().mean(),
        "squared": 3 * (error**2).mean(),
        "kl": 0.5 * posterior.kl.mean() / (2 * 16 * 16),
    }
    assert losses.keys() == {*expected, "loss"}
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
    torch.testing.assert_close(losses["loss"], sum(expected.values()))


def test_a_perfect_autoencoder_has_no_error():
    config = PatchAutoencoderConfig(factor=2, latent_channels=12, width=4, blocks=1)
    model, images = PatchAutoencoder(config), torch.rand(4, 3, 8, 8) * 2 - 1
    model.start_from(images)
    batch = ImageBatch(images=images, noise=torch.zeros(4, 12, 4, 4), progress=0.0)
    weights = AutoencoderLosses(perceptual=1.0, kl=0.0)
    losses = AutoencoderTask(model, weights, features=RandomConv())(batch)
    assert float(losses["loss"].detach()) < 1e-4


def test_features_judge_and_do_not_learn():
    task = AutoencoderTask(autoencoder(), AutoencoderLosses(perceptual=1.0), features=RandomConv())
    losses = task(image_batch())
    assert losses["perceptual"] > 0
    losses["perceptual"].backward()
    assert grows(task.autoencoder)
    assert not any(parameter.requires_grad for parameter in task.features.parameters())


def critic() -> PatchDiscriminator:
    return PatchDiscriminator(DiscriminatorConfig(channels=4, layers=2))


def test_the_critic_is_heard_from_its_start_on():
    task = AutoencoderTask(
        autoencoder(), AutoencoderLosses(adversarial=0.1, adversarial_start=0.5), discriminator=critic()
    )
    assert "critic" not in task(image_batch(progress=0.49))
    assert {"critic", "adversarial"} <= task(image_batch(progress=0.5)).keys()


@pytest.mark.parametrize("player", ["critic", "adversarial"])
def test_each_player_has_a_gradient_of_its_own(player):
    task = AutoencoderTask(
        autoencoder(), AutoencoderLosses(adversarial=0.1, adversarial_start=0.0), discriminator=critic()
    )
    task(image_batch())[player].backward()
    assert grows(task.discriminator) == (player == "critic")
    assert grows(task.autoencoder) == (player == "adversarial")


CAPTIONS = ["a red square", "a blue circle", "two green lines", "nothing at all"]


def text_encoder() -> TextEncoder:
    size = TextConfig(width=16, layers=1, heads=2, context=8, vocabulary=600)
    return TextEncoder.create(CAPTIONS, size, seed=0)


def test_the_contrastive_stage_tells_captions_apart():
    encoder = text_encoder()
    task = ContrastiveTask(encoder, ImageTower(ContrastiveConfig(channels=8, shared=8), pooled_width=16))
    batch = CaptionedBatch(images=torch.rand(4, 3, 16, 16) * 2 - 1, tokens=encoder.tokenize(CAPTIONS))

    class Same:
        size = 4

        def at(self, step):
            return batch

    config = FitConfig(batch=4, learning_rate=3e-3, precision="fp32")
    losses = [report.losses["loss"] for report in Fit(task, Same(), config, steps=60).run()]
    assert losses[0] > 1 > 0.3 > losses[-1]


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_contrastive_stage_counts_collapse_by_its_weight(weight):
    encoder = text_encoder()
    config = ContrastiveConfig(channels=8, shared=8, collapse=weight)
    task = ContrastiveTask(encoder, ImageTower(config, pooled_width=16))
    ids = encoder.tokenize(CAPTIONS)
    losses = task(CaptionedBatch(images=torch.rand(4, 3, 16, 16) * 2 - 1, tokens=ids))
    text = encoder(ids)
    states = torch.cat([states[mask] for states, mask in zip(text.tokens, text.mask, strict=True)])
    expected = weight * (collapse(text.pooled) + collapse(states))
    torch.testing.assert_close(losses["collapse"], expected)
    torch.testing.assert_close(losses["loss"], losses["contrastive"] + expected)


class Deaf(nn.Module):
    """A network that answers zero, and remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(()))

    def forward(self, x, time, text):
        self.time, self.text = time, text
        return self.nothing * x


def embedding(count: int) -> TextEmbedding:
    return TextEmbedding(
        tokens=torch.randn(count, 3, 8),
        mask=torch.ones(count, 3, dtype=torch.bool),
        pooled=torch.randn(count, 8),
    )


def denoising_batch(text, count: int = 4) -> DenoisingBatch:
    return DenoisingBatch(
        x0=torch.randn(count, 2, 4, 4),
        eps=torch.randn(count, 2, 4, 4),
        uniforms=(torch.arange(count) + 0.5) / count,
        dropped=torch.arange(count) % 2 == 0,
        text=text,
    )


@pytest.mark.parametrize("predicts", PREDICTIONS)
def test_the_denoisers_loss_is_the_targets_size_when_the_answer_is_zero(predicts):
    schedule = ScheduleConfig(name="edm" if predicts == "edm" else "linear").build()
    batch = denoising_batch(embedding(4))
    task = DenoisingTask(Denoiser(Deaf(), predicts), schedule, ObjectiveConfig(), unconditional=embedding(1))
    level = schedule(0.001 + 0.999 * batch.uniforms)
    target = PREDICTIONS[predicts].target(level, batch.x0, batch.eps)
    torch.testing.assert_close(task(batch)["loss"], target.square().mean(), rtol=1e-5, atol=0)


def test_hidden_captions_become_the_unconditional_one():
    batch, free, network = denoising_batch(embedding(4)), embedding(1), Deaf()
    DenoisingTask(Denoiser(network, "flow"), FLOW, OBJECTIVE, unconditional=free)(batch)
    for index in range(4):
        told = free if index % 2 == 0 else batch.text[index : index + 1]
        for name in ("tokens", "mask", "pooled"):
            assert torch.equal(getattr(network.text, name)[index], getattr(told, name)[0])


def test_hidden_tokens_become_those_of_no_caption_and_the_encoder_learns():
    encoder = text_encoder()
    config = TransformerConfig(
        sample_size=4, channels=2, patch_size=1, width=16, depth=1, heads=2, text="in_context", text_width=16
    )
    network = Transformer(config)
    nn.init.normal_(network.patch_out.weight, std=0.1)
    nn.init.normal_(network.modulation.weight, std=0.1)
    task = DenoisingTask(
        Denoiser(network, "flow"), FLOW, OBJECTIVE, unconditional=encoder.tokenize([""]), text_encoder=encoder
    )
    batch = denoising_batch(encoder.tokenize(CAPTIONS))
    loss = task(batch)["loss"]
    loss.backward()
    assert grows(encoder)
    free = encoder.tokenize(["", CAPTIONS[1], "", CAPTIONS[3]])
    hidden = DenoisingBatch(batch.x0, batch.eps, batch.uniforms, torch.zeros(4, dtype=torch.bool), free)
    assert torch.equal(task(hidden)["loss"], loss)


@pytest.fixture(scope="module")
def overfit():
    """Eight latents learnt by heart: the fit, the latents and their captions."""
    torch.manual_seed(0)
    config = TransformerConfig(
        sample_size=4,
        channels=3,
        patch_size=1,
        width=48,
        depth=2,
        heads=2,
        text="in_context",
        text_width=8,
        pooled_width=8,
    )
    x0, text = torch.randn(8, 3, 4, 4), embedding(8)
    task = DenoisingTask(Denoiser(Transformer(config), "flow"), FLOW, OBJECTIVE, unconditional=embedding(1))

    class Eight:
        size = 16

        def at(self, step):
            chance = torch.Generator().manual_seed(step)
            return DenoisingBatch(
                x0=x0.repeat(2, 1, 1, 1),
                eps=torch.randn(16, 3, 4, 4, generator=chance),
                uniforms=(torch.randperm(16, generator=chance) + torch.rand(16, generator=chance)) / 16,
                dropped=torch.zeros(16, dtype=torch.bool),
                text=TextEmbedding.cat([text, text]),
            )

    fit = Fit(task, Eight(), FitConfig(batch=16, learning_rate=5e-3, precision="fp32"), steps=350)
    losses = [report.losses["loss"] for report in fit.run()]
    task.load_state_dict(fit.averaged(), strict=False)
    return task.eval(), losses, x0, text


def test_eight_pictures_are_learnt_by_heart(overfit):
    _, losses, _, _ = overfit
    assert sum(losses[-20:]) < sum(losses[:20]) / 20


@torch.no_grad()
def test_and_sampling_gives_them_back(overfit):
    task, _, x0, text = overfit
    start = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(7))
    *_, last = ddim(task.denoiser.told(text), start, levels(FLOW, 20))
    assert float((last.x - x0).square().mean()) < 0.02
    nearest = torch.cdist(last.x.flatten(1), x0.flatten(1)).argmin(dim=1)
    assert nearest.tolist() == list(range(8))
