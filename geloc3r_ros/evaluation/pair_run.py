# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The first step of an evaluation of image pairs: predictions, into a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from geloc3r_ros.errors import ImageError
from geloc3r_ros.evaluation.methods import Method
from geloc3r_ros.evaluation.pair_list import ImagePair, PairList
from geloc3r_ros.evaluation.predictions import (
    DIGITS,
    Prediction,
    PredictionFile,
    images_fingerprint,
)
from geloc3r_ros.inference.images import read_image

__all__ = ["describe_run", "predict_pairs"]


def describe_run(pairs: PairList, method: Method) -> dict[str, Any]:
    """What makes these predictions: the method, and digests of what is asked of it."""
    digest = hashlib.sha256()
    for pair in pairs.pairs:
        Ks = [K.tolist() for K in pair.K or ()]
        digest.update(repr((pair.name, Ks, pair.T_a_b.tolist(), pair.overlap)).encode())
    return {
        "kind": "pairs",
        "name": pairs.name,
        "pairs": len(pairs.pairs),
        "digest": digest.hexdigest()[:DIGITS],
        "image_files": images_fingerprint(path for pair in pairs.pairs for path in pair.images),
        "method": method.name,
        **method.about,
    }


def predict_pairs(pairs: PairList, method: Method, file: PredictionFile) -> Iterator[Prediction]:
    """Ask for every pair that the file lacks, add the answer to it, and yield it.

    An image that cannot be read is a failure of its pair, with the reason.
    """
    for pair in pairs.pairs:
        if pair.name not in file.done:
            prediction = _predict(pair, method)
            file.add(prediction)
            yield prediction


def _predict(pair: ImagePair, method: Method) -> Prediction:
    known: dict[str, Any] = {"name": pair.name, "T_a_b_true": pair.T_a_b, "overlap": pair.overlap}
    try:
        rgb_a, rgb_b = (read_image(path) for path in pair.images)
        answer = method.ask(rgb_a, rgb_b, *(pair.K or (None, None)))
    except ImageError as error:
        return Prediction(T_a_b=None, reason=str(error), **known)
    return Prediction(
        T_a_b=answer.T_a_b,
        reason=answer.reason,
        covariance=answer.covariance,
        seconds=answer.seconds,
        trained=answer.trained,
        **known,
    )
