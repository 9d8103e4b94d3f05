"""Our schedule and prediction <=> diffusers' scheduler_config.json.

    ours                            the scheduler that a stock StableDiffusionPipeline must name
    linear, scaled_linear, cosine   DDIMScheduler
    sigmoid                         DDPMScheduler, the only one that knows it
    flow                            DPMSolverMultistepScheduler with flow sigmas (FlowMatchEuler lacks what
                                    the pipeline asks of a scheduler)
    edm                             EDMEulerScheduler

The timesteps are the trailing ones and nothing is clipped: what `ddim` with "trailing" spacing visits here.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from rhinoise.core.errors import ConfigError, ModelFolderError
from rhinoise.diffusion.predictions import EDM_SIGMA_DATA
from rhinoise.diffusion.schedules import SCHEDULES, STEPS, ScheduleConfig

BETAS = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "cosine": "squaredcos_cap_v2",
    "sigmoid": "sigmoid",
}
"""Our name of a variance-preserving schedule => diffusers' `beta_schedule`."""

PREDICTION_TYPES = {"epsilon": "epsilon", "sample": "sample", "v": "v_prediction", "flow": "flow_prediction"}
"""Our name of a prediction => diffusers' `prediction_type`."""

READ_ALIKE = {
    **dict.fromkeys(BETAS, ("epsilon", "sample", "v")),
    "flow": ("flow", "epsilon", "sample"),
    "edm": ("edm",),
}
"""Our schedule => the predictions that some scheduler of diffusers reads on it as we do."""

VARIANCE_PRESERVING = (
    "DDIMScheduler",
    "DDPMScheduler",
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "DPMSolverSinglestepScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
)
"""Schedulers that are made from betas, all with the same defaults."""
FLOW = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
EDM = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")


def to_diffusers(schedule: ScheduleConfig, predicts: str, *, order: int = 1) -> dict[str, Any]:
    """The content of scheduler_config.json.

    Args:
        schedule: the schedule that the network learnt with.
        predicts: a name in PREDICTIONS.
        order: of the solver that a flow scheduler is: 1 draws as `ddim`, 2 as `dpmpp_2m`.

    Raises:
        ModelFolderError: diffusers has no scheduler that reads this prediction on this schedule.
    """
    if predicts not in READ_ALIKE[schedule.name]:
        raise ModelFolderError(
            f"diffusers has no scheduler for '{predicts}' prediction on the schedule '{schedule.name}', "
            f"only for {', '.join(READ_ALIKE[schedule.name])}"
        )
    settings = _complete(schedule)
    if schedule.name == "edm":
        return {
            "_class_name": "EDMEulerScheduler",
            "num_train_timesteps": STEPS,
            "sigma_data": EDM_SIGMA_DATA,
            "prediction_type": "epsilon",  # EDM's own; the name is diffusers'
            **settings,
        }
    common = {
        "num_train_timesteps": STEPS,
        "prediction_type": PREDICTION_TYPES[predicts],
        "steps_offset": 1,
    }
    if schedule.name == "flow":
        return common | {
            "_class_name": "DPMSolverMultistepScheduler",
            "use_flow_sigmas": True,
            "flow_shift": settings["shift"],
            "solver_order": order,
        }
    zero_terminal = settings.pop("zero_terminal_snr")
    if zero_terminal and predicts == "epsilon":
        raise ModelFolderError(
            "where there is nothing but noise, 'epsilon' says nothing of the picture: "
            "a schedule with zero terminal SNR goes with v or sample"
        )
    return common | {
        "_class_name": "DDPMScheduler" if schedule.name == "sigmoid" else "DDIMScheduler",
        "beta_schedule": BETAS[schedule.name],
        "rescale_betas_zero_snr": zero_terminal,
        "timestep_spacing": "trailing",
        "clip_sample": False,
        **settings,
    }


def from_diffusers(settings: Mapping[str, Any]) -> tuple[ScheduleConfig, str]:
    """The schedule and the prediction that a scheduler_config.json means.

    How it steps (order, spacing, ...) is not read: here that is asked for with every picture.

    Raises:
        ModelFolderError: it means a schedule or a prediction that rhinoise has not.
    """
    name = settings.get("_class_name", "")
    if settings.get("num_train_timesteps", STEPS) != STEPS:
        raise ModelFolderError(
            f"this {name} counts {settings['num_train_timesteps']} steps, only {STEPS} is known"
        )
    for setting in ("trained_betas", "use_dynamic_shifting", "thresholding"):
        if settings.get(setting):
            raise ModelFolderError(f"this {name} sets {setting}, which rhinoise has not")
    kind = settings.get("prediction_type", "epsilon")
    try:
        if name in EDM:
            return _edm(settings, kind)
        if name in FLOW:
            return ScheduleConfig(name="flow", shift=settings.get("shift", 1.0)), "flow"
        if name in VARIANCE_PRESERVING and settings.get("use_flow_sigmas"):
            schedule = ScheduleConfig(name="flow", shift=settings.get("flow_shift", 1.0))
            return schedule, _named(kind, PREDICTION_TYPES, "prediction_type")
        if name in VARIANCE_PRESERVING:
            return _betas(settings), _named(kind, PREDICTION_TYPES, "prediction_type")
    except ConfigError as error:
        raise ModelFolderError(f"this {name} cannot be right: {error}") from error
    known = (*VARIANCE_PRESERVING, *FLOW, *EDM)
    raise ModelFolderError(f"the scheduler '{name}' is not known, only {', '.join(known)}")


def _betas(settings: Mapping[str, Any]) -> ScheduleConfig:
    name = _named(settings.get("beta_schedule", "linear"), BETAS, "beta_schedule")
    ends = {"beta_start": settings.get("beta_start", 0.0001), "beta_end": settings.get("beta_end", 0.02)}
    return ScheduleConfig(
        name=name,
        zero_terminal_snr=settings.get("rescale_betas_zero_snr", False),
        **({} if name == "cosine" else ends),
    )


def _edm(settings: Mapping[str, Any], kind: str) -> tuple[ScheduleConfig, str]:
    meant = {"prediction_type": kind, "sigma_data": settings.get("sigma_data", EDM_SIGMA_DATA)}
    meant["sigma_schedule"] = settings.get("sigma_schedule", "karras")
    wanted = {"prediction_type": "epsilon", "sigma_data": EDM_SIGMA_DATA, "sigma_schedule": "karras"}
    for setting, value in wanted.items():
        if meant[setting] != value:
            raise ModelFolderError(
                f"this EDM scheduler has {setting}={meant[setting]!r}, only {value!r} is known"
            )
    defaults = _complete(ScheduleConfig(name="edm"))
    return ScheduleConfig(
        name="edm", **{name: settings.get(name, value) for name, value in defaults.items()}
    ), "edm"


def _complete(schedule: ScheduleConfig) -> dict[str, Any]:
    """Every setting that this schedule takes, defaults included."""
    takes = inspect.signature(SCHEDULES[schedule.name]).parameters
    given = {name: getattr(schedule, name) for name in takes}
    return {name: takes[name].default if value is None else value for name, value in given.items()}


def _named(theirs: str, table: Mapping[str, str], setting: str) -> str:
    """Our name for what diffusers calls `theirs`."""
    names = {value: name for name, value in table.items()}
    if theirs not in names:
        raise ModelFolderError(f"{setting} '{theirs}' is not known, only {', '.join(names)}")
    return names[theirs]
