# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights on the Hugging Face hub: downloaded by ``fetch`` alone, otherwise read from its cache.

The authors of ReLoc3R tag no release of their weights, so the first fetch takes the tip of
``main`` and records its commit in the cache: every later run reads that commit, and its name
tells it. Fetch with another ``revision`` to pin one beforehand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.model.config import ModelConfig

__all__ = ["PUBLIC_WEIGHTS", "PublicWeights", "cached", "fetch", "is_hub_name"]

FILE = "model.safetensors"


class PublicWeights(NamedTuple):
    """What the file of a public repository does not say about itself."""

    config: ModelConfig
    licence: str


PUBLIC_WEIGHTS = {
    "siyan824/reloc3r-512": PublicWeights(ModelConfig.large(), "CC-BY-NC-SA-4.0"),
    "siyan824/reloc3r-224": PublicWeights(ModelConfig.large_224(), "CC-BY-NC-SA-4.0"),
}


def is_hub_name(name: str) -> bool:
    """Whether ``name`` has the form owner/repository."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) is not None


def fetch(name: str, revision: str = "main") -> Path:
    """Download the weights of a hub repository into the local cache and return the file.

    Args:
        name: owner/repository.
        revision: Branch, tag or commit.

    Raises:
        WeightsError: if the hub cannot be reached or has no such repository, file or revision.
    """
    try:
        return Path(huggingface_hub.hf_hub_download(name, FILE, revision=revision))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise WeightsError(
            f"{FILE} of {name} at {revision} could not be fetched: {error}; "
            f"check the network and the name (known: {', '.join(PUBLIC_WEIGHTS)})"
        ) from error


def cached(name: str) -> Path:
    """Return the file that ``fetch`` brought; nothing is downloaded.

    The name of the folder it lies in is the commit.

    Raises:
        WeightsError: if it was not fetched.
    """
    try:
        return Path(huggingface_hub.hf_hub_download(name, FILE, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise WeightsError(
            f"weights {name} are not on this machine and are never downloaded unasked: "
            f"run `geloc3r fetch {name}` once"
        ) from error
