"""What a raw file says of the machine that made it."""

import platform
import subprocess


def machine():
    """The processor's name, family and model as lscpu has them; elsewhere what Python knows."""
    try:
        lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("Model name", "CPU family", "Model:"))]
    return ", ".join(names) or platform.processor() or platform.machine()
