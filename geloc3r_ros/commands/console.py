# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands share: where they print, and what they say alike."""

from rich.console import Console

__all__ = ["UNTRAINED", "WEIGHTS_HELP", "out"]

out = Console(highlight=False)

UNTRAINED = "[bold white on red] UNTRAINED WEIGHTS: this pose is noise. [/]"
WEIGHTS_HELP = "`tiny`, a fetched hub name, or a .safetensors or .pth file."
