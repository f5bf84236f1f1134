# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands share: where they print, and what they say alike."""

from rich.console import Console
from rich.text import Text

__all__ = ["UNTRAINED", "WEIGHTS_HELP", "out"]

out = Console(highlight=False, markup=False)

UNTRAINED = Text(" UNTRAINED WEIGHTS: poses are noise. ", "bold white on red")
WEIGHTS_HELP = "`tiny`, a fetched hub name, or a .safetensors or .pth file."
