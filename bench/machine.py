"""What the figures were measured on."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from bench import environment
from bench.child import ROOT

OURS = ("torch", "transformers", "accelerate", "safetensors")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")


def machine() -> dict[str, Any]:
    """Processor, cores, what it can do in bf16, memory, system."""
    info = _cpu()
    flags = info.get("flags", "").split()
    return {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "lacks": [flag for flag in FLAGS if flag not in flags],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}",
    }


def versions() -> dict[str, Any]:
    """Python, rhinoise and what it stands on; the peers."""
    theirs = environment.versions()
    return {
        "python": platform.python_version(),
        "rhinoise": f"{importlib.metadata.version('rhinoise')}, {_commit()}",
        **{name: importlib.metadata.version(name) for name in OURS},
        "peers": {name: theirs[name] for name in ("diffusers", "denoising-diffusion-pytorch")},
    }


def _cpu() -> dict[str, str]:
    """The first processor's entry in /proc/cpuinfo; empty where there is none."""
    file = Path("/proc/cpuinfo")
    if not file.is_file():
        return {}
    first = file.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _commit() -> str:
    """The commit that is measured, marked where files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "no commit"
