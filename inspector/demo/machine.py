"""Whether this machine can run the inference engine, told before anything that would crash on it is imported."""

import platform
from pathlib import Path

from inspector.errors import InspectorError

_X86 = ("x86_64", "amd64", "i686")
_NEEDED = "sse4_2"
_WANTED = "avx2"


class DemoError(InspectorError):
    """The demo cannot run here, or one of its parts ended."""


def check_cpu(cpuinfo: Path = Path("/proc/cpuinfo"), machine: str = platform.machine()) -> str | None:
    """What to tell about a processor that is slow at this work; None where there is nothing to tell.

    Raises:
        DemoError: an x86 processor without SSE4.2: OpenVINO's least.
    """
    if machine.lower() not in _X86:
        return None
    flags = _flags(cpuinfo)
    if not flags:
        return None
    if _NEEDED not in flags:
        raise DemoError(
            "this processor has no SSE4.2, which the inference engine needs; expected an x86-64 processor of "
            "2009 or later, or a virtual machine that passes its host's features on"
        )
    if _WANTED not in flags:
        return "this processor has no AVX2: each frame takes several times longer than it would with it"
    return None


def _flags(cpuinfo: Path) -> frozenset[str]:
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())
