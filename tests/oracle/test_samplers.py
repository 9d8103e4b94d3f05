"""Samplers against diffusers' schedulers: the same network, the same noise, the same latents to 1e-4."""

import inspect
from dataclasses import replace
from functools import partial

import diffusers
import pytest
import torch

from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.samplers import SAMPLERS, ddim
from rhinoise.diffusion.schedules import SCHEDULES
from rhinoise.diffusion.timesteps import levels, visit

STEPS = 20
SHAPE = (2, 4, 8, 8)
STOCK = {"epsilon": "epsilon", "sample": "sample", "v": "v_prediction", "flow": "flow_prediction"}
SCALED = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
LINEAR, COSINE = {"beta_schedule": "linear"}, {"beta_schedule": "squaredcos_cap_v2"}


def network(x, time):
    """A fixed two-layer network that listens to its clock."""
    weights = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, 4, 4, 3, 3, generator=weights) / 6
    hidden = torch.nn.functional.conv2d(x, first, padding=1) + torch.sin(
        torch.as_tensor(time).float().mean() / 200
    )
    return torch.nn.functional.conv2d(torch.tanh(hidden), second, padding=1)


def start():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))


def reader(prediction, see=lambda x, level: x):
    prediction = PREDICTIONS[prediction]

    def denoise(x, level):
        return prediction.x0(level, x, network(prediction.input(level, see(x, level)), level.time))

    return denoise


def ours(sampler, denoise, x, visited):
    random = torch.Generator().manual_seed(3)
    *_, step = sampler(denoise, x, visited, noise=lambda step: torch.randn(SHAPE, generator=random))
    return step.x


def theirs(scheduler, x, **options):
    """What a pipeline does with a scheduler; `set_timesteps` has been called."""
    if "generator" in inspect.signature(scheduler.step).parameters:
        options["generator"] = torch.Generator().manual_seed(3)
    scale = getattr(scheduler, "scale_model_input", lambda x, t: x)
    for t in scheduler.timesteps:
        x = scheduler.step(network(scale(x, t), t), t, x, **options).prev_sample
    return x


def at_their_steps(schedule, scheduler):
    """The levels of the whole steps that they visit."""
    return visit(schedule, (scheduler.timesteps.double().unique().flip(0) + 1) / 1000)


def agree(mine, stock):
    assert float((mine - stock).norm() / stock.norm()) < 1e-4


def ready(kind, **config):
    scheduler = kind(**config)
    scheduler.set_timesteps(STEPS)
    return scheduler


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("prediction", ["epsilon", "v", "sample"])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_ddim(prediction, eta, spacing):
    scheduler = ready(
        diffusers.DDIMScheduler,
        **SCALED,
        clip_sample=False,
        prediction_type=STOCK[prediction],
        timestep_spacing=spacing,
    )
    visited = levels(SCHEDULES["scaled_linear"](), STEPS, spacing=spacing)
    mine = ours(partial(ddim, eta=eta), reader(prediction), start(), visited)
    agree(mine, theirs(scheduler, start(), eta=eta))


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("prediction", ["v", "sample"])
def test_ddim_from_pure_noise(prediction, eta):
    """The scheduler that a stock folder with zero-terminal SNR names."""
    scheduler = ready(
        diffusers.DDIMScheduler,
        **LINEAR,
        clip_sample=False,
        prediction_type=STOCK[prediction],
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        steps_offset=1,
    )
    visited = levels(SCHEDULES["linear"](zero_terminal_snr=True), STEPS, spacing="trailing")
    assert visited[0].alpha == 0
    agree(
        ours(partial(ddim, eta=eta), reader(prediction), start(), visited),
        theirs(scheduler, start(), eta=eta),
    )


@pytest.mark.parametrize("prediction", ["epsilon", "v", "sample"])
def test_ddpm_is_ddim_with_eta_1(prediction):
    scheduler = ready(diffusers.DDPMScheduler, **LINEAR, clip_sample=False, prediction_type=STOCK[prediction])
    visited = levels(SCHEDULES["linear"](), STEPS, spacing="leading")
    agree(ours(partial(ddim, eta=1.0), reader(prediction), start(), visited), theirs(scheduler, start()))


@pytest.mark.parametrize(
    ("kind", "eta"),
    [(diffusers.EulerDiscreteScheduler, 0.0), (diffusers.EulerAncestralDiscreteScheduler, 1.0)],
)
@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_euler_is_ddim(kind, eta, prediction):
    """Theirs walks x / alpha, ours x: the same path, with the same end."""
    scheduler = ready(kind, **SCALED, timestep_spacing="trailing", prediction_type=STOCK[prediction])
    visited = levels(SCHEDULES["scaled_linear"](), STEPS, spacing="trailing")
    mine = ours(partial(ddim, eta=eta), reader(prediction), start(), visited)
    agree(mine, theirs(scheduler, start() / visited[0].alpha))


@pytest.mark.parametrize("spacing", ["karras", "exponential"])
def test_euler_on_ratio_spacings(spacing):
    scheduler = ready(
        diffusers.EulerDiscreteScheduler,
        **SCALED,
        use_karras_sigmas=spacing == "karras",
        use_exponential_sigmas=spacing == "exponential",
    )
    visited = levels(SCHEDULES["scaled_linear"](), STEPS, spacing=spacing)
    mine = ours(ddim, reader("epsilon"), start(), visited)
    agree(mine, theirs(scheduler, start() / visited[0].alpha))


def test_heun():
    """HeunDiscreteScheduler integrates in x / alpha over sigma / alpha: an exploding schedule."""
    scheduler = ready(diffusers.HeunDiscreteScheduler, **SCALED, timestep_spacing="trailing")
    visited = at_their_steps(SCHEDULES["scaled_linear"](), scheduler)
    exploding = [replace(level, alpha=torch.ones_like(level.alpha), sigma=level.ratio) for level in visited]
    denoise = reader("epsilon", see=lambda x, level: x / level.std)
    agree(ours(SAMPLERS["heun"], denoise, start() * 5, exploding), theirs(scheduler, start() * 5))


@pytest.mark.parametrize(("name", "kind"), [("ddim", "Euler"), ("heun", "Heun")])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_matching(name, kind, shift):
    scheduler = getattr(diffusers, f"FlowMatch{kind}DiscreteScheduler")(shift=shift)
    scheduler.set_timesteps(STEPS)
    sigma = scheduler.sigmas.unique().flip(0)[:-1].double()
    visited = visit(SCHEDULES["flow"](), sigma)
    agree(ours(SAMPLERS[name], reader("flow"), start(), visited), theirs(scheduler, start()))


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("dpmpp_2m", 2), ("dpmpp_2m_sde", 2)])
@pytest.mark.parametrize("prediction", ["epsilon", "v", "sample"])
@pytest.mark.parametrize(("schedule", "config"), [("scaled_linear", SCALED), ("cosine", COSINE)])
def test_dpm_solver(name, order, prediction, schedule, config):
    scheduler = ready(
        diffusers.DPMSolverMultistepScheduler,
        **config,
        solver_order=order,
        algorithm_type="sde-dpmsolver++" if name.endswith("sde") else "dpmsolver++",
        prediction_type=STOCK[prediction],
    )
    visited = at_their_steps(SCHEDULES[schedule](), scheduler)
    agree(ours(SAMPLERS[name], reader(prediction), start(), visited), theirs(scheduler, start()))


@pytest.mark.parametrize("spacing", ["karras", "exponential"])
def test_dpm_solver_on_ratio_spacings(spacing):
    """Theirs rounds the clock, or cuts it (999 to 998, as it has 998.9999), but steps to the exact ratios."""
    scheduler = ready(
        diffusers.DPMSolverMultistepScheduler,
        **SCALED,
        use_karras_sigmas=spacing == "karras",
        use_exponential_sigmas=spacing == "exponential",
    )
    visited = levels(SCHEDULES["scaled_linear"](), STEPS, spacing=spacing)
    clock = scheduler.timesteps.float()
    assert all(abs(level.time - time) < 1.001 for level, time in zip(visited, clock, strict=False))
    rounded = [replace(level, time=time[None]) for level, time in zip(visited, clock, strict=False)]
    mine = ours(SAMPLERS["dpmpp_2m"], reader("epsilon"), start(), [*rounded, visited[-1]])
    agree(mine, theirs(scheduler, start()))


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("dpmpp_2m", 2), ("dpmpp_2m_sde", 2)])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_dpm_solver_in_a_stock_flow_pipeline(name, order, shift):
    """The scheduler that a stock folder of a flow model names; the spacing visits its very levels."""
    scheduler = ready(
        diffusers.DPMSolverMultistepScheduler,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=shift,
        solver_order=order,
        algorithm_type="sde-dpmsolver++" if name.endswith("sde") else "dpmsolver++",
        steps_offset=1,
    )
    visited = levels(SCHEDULES["flow"](shift=shift), STEPS, spacing="stock_flow")
    assert [float(level.time) for level in visited[:-1]] == scheduler.timesteps.tolist()
    agree(ours(SAMPLERS[name], reader("flow"), start(), visited), theirs(scheduler, start()))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_stock_flow_visits_their_levels_for_any_number_of_steps(shift):
    scheduler = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    for steps in range(1, 60):
        scheduler.set_timesteps(steps)
        visited = levels(SCHEDULES["flow"](shift=shift), steps, spacing="stock_flow")
        assert [float(level.time) for level in visited[:-1]] == scheduler.timesteps.tolist()
        assert [float(level.sigma) for level in visited] == scheduler.sigmas.tolist()


@pytest.mark.parametrize("prediction", ["epsilon", "v", "sample"])
@pytest.mark.parametrize(("schedule", "config"), [("scaled_linear", SCALED), ("cosine", COSINE)])
def test_unipc(prediction, schedule, config):
    scheduler = ready(
        diffusers.UniPCMultistepScheduler, **config, solver_order=2, prediction_type=STOCK[prediction]
    )
    visited = at_their_steps(SCHEDULES[schedule](), scheduler)
    agree(ours(SAMPLERS["unipc"], reader(prediction), start(), visited), theirs(scheduler, start()))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_unipc_on_flow(shift):
    scheduler = ready(
        diffusers.UniPCMultistepScheduler,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=shift,
    )
    visited = visit(SCHEDULES["flow"](), scheduler.sigmas[:-1].double())
    visited = [replace(level, time=level.time.floor()) for level in visited]
    agree(ours(SAMPLERS["unipc"], reader("flow"), start(), visited), theirs(scheduler, start()))


@pytest.mark.parametrize("spacing", ["karras", "exponential"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("ddim", diffusers.EDMEulerScheduler), ("dpmpp_2m", diffusers.EDMDPMSolverMultistepScheduler)],
)
def test_edm(name, kind, spacing):
    scheduler = ready(kind, sigma_schedule=spacing)
    visited = levels(SCHEDULES["edm"](), STEPS, spacing=spacing)
    agree(ours(SAMPLERS[name], reader("edm"), start() * 80, visited), theirs(scheduler, start() * 80))
