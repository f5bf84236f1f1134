# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights on the Hugging Face hub: downloaded by ``fetch`` alone, otherwise read from its cache.

A name is ``owner/repository``, or ``owner/repository@revision`` with a commit or a tag. The
authors of ReLoc3R tag no release of their weights: without a revision the first fetch takes the
tip of ``main`` and records its commit in the cache, and until the next fetch every run reads that.

The hub's library is imported when it is needed: weights that ship should not wait for it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.model.config import ModelConfig

__all__ = [
    "PUBLIC_WEIGHTS",
    "PublicWeights",
    "cached",
    "fetch",
    "is_hub_name",
    "repository",
    "sha256_of",
]

FILE = "model.safetensors"
NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w-][\w.-]*)?", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")
CHUNK = 2**20


class PublicWeights(NamedTuple):
    """What the file of a public repository does not say about itself."""

    config: ModelConfig
    licence: str


PUBLIC_WEIGHTS = {
    "siyan824/reloc3r-512": PublicWeights(ModelConfig.large(), "CC-BY-NC-SA-4.0"),
    "siyan824/reloc3r-224": PublicWeights(ModelConfig.large_224(), "CC-BY-NC-SA-4.0"),
}


def is_hub_name(name: str) -> bool:
    """Whether ``name`` has the form owner/repository or owner/repository@revision."""
    return NAME.fullmatch(name) is not None


def repository(name: str) -> str:
    """Return the name without its revision."""
    return name.partition("@")[0]


def fetch(name: str) -> Path:
    """Download the weights of a hub repository into the local cache and return the file.

    Raises:
        WeightsError: if the name is none, the hub cannot be reached or has no such repository,
            file or revision, or what arrived is not what the hub says it has.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if not is_hub_name(name):
        raise WeightsError(f"{name!r} is not owner/repository or owner/repository@revision")
    try:
        revision = name.partition("@")[2] or "main"
        path = Path(huggingface_hub.hf_hub_download(repository(name), FILE, revision=revision))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise WeightsError(
            f"{FILE} of {name} could not be fetched: {error}; "
            f"check the network and the name (known: {', '.join(PUBLIC_WEIGHTS)})"
        ) from error
    _check_digest(path)
    return path


def cached(name: str) -> Path:
    """Return the file that ``fetch`` brought; nothing is downloaded.

    The name of the folder it lies in is the commit.

    Raises:
        WeightsError: if it was not fetched.
    """
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            huggingface_hub.hf_hub_download(
                repository(name),
                FILE,
                revision=name.partition("@")[2] or "main",
                local_files_only=True,
            )
        )
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise WeightsError(
            f"weights {name} are not on this machine and are never downloaded unasked: "
            f"run `geloc3r fetch {name}` once"
        ) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as ``sha256sum`` prints it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _check_digest(path: Path) -> None:
    """Compare a file with its SHA-256, after which the cache names what a large file links to.

    Raises:
        WeightsError: if they differ.
    """
    stated = path.resolve().name
    if not SHA256.fullmatch(stated):
        return
    found = sha256_of(path)
    if found != stated:
        raise WeightsError(
            f"{path} has SHA-256 {found}, the hub states {stated}: "
            f"remove {path.resolve()} and fetch again"
        )
