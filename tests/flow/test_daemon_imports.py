"""What the line-side process loads."""

import subprocess
import sys

HEAVY = ("torch", "torchvision", "timm", "sklearn", "scipy", "calibration")


def test_the_path_of_the_daemon_imports_nothing_heavy() -> None:
    program = f"""
import sys
import inspector.cli, inspector.cli.run, inspector.daemon, inspector.engines.openvino
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
