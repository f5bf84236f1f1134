# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why there is, or is not, a pose: the node's diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from geloc3r_ros.nodes.parameters import Settings
from geloc3r_ros.nodes.statistics import Statistics

__all__ = ["NodeState", "diagnose"]

# What the statistics measure of each set.
TIMES = (
    "latency",
    "decoding",
    "preprocessing",
    "network",
    "publishing",
    "overhead",
    "input age",
)

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class NodeState:
    """What the diagnosis needs to know of the node.

    ``estimator`` describes weights, device and precision, empty before configure; ``topics``
    are the image topics, ``publishers`` the number of their publishers and ``other_types`` what is
    published there in place of images, by camera.
    """

    lifecycle: str
    enabled: bool
    trained: bool
    estimator: Mapping[str, str]
    topics: Mapping[str, str]
    publishers: Mapping[str, int]
    other_types: Mapping[str, str]


def diagnose(
    name: str, state: NodeState, settings: Settings, statistics: Statistics
) -> DiagnosticStatus:
    """Return the node's status: level and message answer why there is, or is not, a pose."""
    level, message = _verdict(state, settings, statistics)
    values = {
        "state": state.lifecycle,
        **state.estimator,
        **_inputs(state, statistics),
        **_sets(statistics),
    }
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id=state.estimator.get("device", ""),
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _verdict(state: NodeState, settings: Settings, statistics: Statistics) -> tuple[bytes, str]:
    if state.lifecycle != "active":
        error, _ = statistics.recall("failed transition")
        failed = f"; last error: {error}" if error else ""
        return (ERROR if error else OK), f"{state.lifecycle}: no poses are estimated{failed}"
    if not state.enabled:
        return OK, "disabled by ~/enable"
    silent = [_silence(camera, state, settings, statistics) for camera in state.topics]
    if any(silent):
        return ERROR, "; ".join(filter(None, silent))
    if statistics.silence("matched") > settings.watchdog_timeout:
        return ERROR, _no_match(settings, statistics)
    conflict, _ = statistics.recall("tf conflict")
    if conflict and settings.publish_tf:
        return ERROR, conflict
    if stuck := _stuck(settings, statistics):
        return ERROR, stuck
    error, error_age = statistics.recall("error")
    if error and error_age <= statistics.silence("processed"):
        return ERROR, error
    if error and error_age < settings.watchdog_timeout:
        return WARN, f"of late: {error}"
    if not state.trained:
        return WARN, "the weights are untrained: poses mean nothing"
    reason, reason_age = statistics.recall("invalid")
    if reason and reason_age < settings.watchdog_timeout:
        return WARN, f"invalid poses of late: {reason}"
    if statistics.total("valid") == 0:
        return OK, "waiting for the first pose"
    rate = f"{statistics.rate('processed'):.1f} sets a second"
    reason, reason_age = statistics.recall("without translation")
    if reason and reason_age < settings.watchdog_timeout:
        rate += f"; some of late rotation alone, without TF: {reason}"
    return OK, rate


def _silence(camera: str, state: NodeState, settings: Settings, statistics: Statistics) -> str:
    """What to say of a camera from which nothing usable comes, or ""."""
    topic, silence = state.topics[camera], statistics.silence(f"received {camera}")
    if silence <= settings.watchdog_timeout:
        return ""
    if state.publishers.get(camera, 0) == 0:
        return f"{topic} has no publisher: start the camera, or remap"
    if camera in state.other_types:
        return f"{topic} carries {state.other_types[camera]}: remap, or set image_transport"
    incompatible, _ = statistics.recall(f"qos {camera}")
    if incompatible:
        return incompatible
    bad, bad_age = statistics.recall(f"bad {camera}")
    if bad and bad_age <= settings.watchdog_timeout:
        return f"{topic}: {bad}"
    return (
        f"{topic} has a publisher, but nothing arrived for {silence:.0f} s: the camera stands "
        "still, or the transport loses its images (config/fastdds.xml for both processes)"
    )


def _no_match(settings: Settings, statistics: Statistics) -> str:
    offset = statistics.percentile("stamp offset", 50, settings.watchdog_timeout)
    rule = "exactly" if settings.sync_exact else f"within sync.slop {settings.sync_slop:g} s"
    return (
        f"images arrive, but no stamps match {rule}; they are {offset:.3f} s apart "
        "(synchronise the cameras, or raise sync.slop)"
    )


def _stuck(settings: Settings, statistics: Statistics) -> str:
    """What to say where sets are matched, and none is finished or refused, or ""."""
    waited = statistics.unanswered("matched")  # cameras may have paused before
    idle = min(waited, statistics.silence("enabled"))
    if idle <= settings.watchdog_timeout + settings.longest_pause:
        return ""
    if statistics.silence("too old") <= settings.watchdog_timeout:
        age = statistics.percentile("input age", 50, settings.watchdog_timeout)
        return (
            f"all sets are older than max_age {settings.max_age:g} s when their turn comes, "
            f"{age:.1f} s in the median: synchronise the clocks, or raise max_age"
        )
    return (
        f"sets are matched, but none was finished for {idle:.0f} s: the network is slower than "
        "watchdog.timeout, or hangs"
    )


def _inputs(state: NodeState, statistics: Statistics) -> dict[str, str]:
    values = {}
    for camera, topic in state.topics.items():
        values[f"{camera} topic"] = topic
        values[f"{camera} rate"] = f"{statistics.rate(f'received {camera}'):.1f} Hz"
        received = statistics.total(f"received {camera}")
        values[f"{camera} received"] = str(received)
        values[f"{camera} sync misses"] = str(max(received - statistics.total("matched"), 0))
        values[f"{camera} refused"] = str(statistics.total(f"bad {camera}"))
        values[f"{camera} camera_info"] = statistics.recall(f"camera_info {camera}")[0]
        if bad := statistics.recall(f"bad {camera}")[0]:
            values[f"{camera} last refusal"] = bad
    return values


def _sets(statistics: Statistics) -> dict[str, str]:
    def seconds(name: str, percent: float) -> str:
        return f"{1e3 * statistics.percentile(name, percent):.1f} ms"

    names = (
        *("matched", "processed", "valid", "without translation", "invalid"),
        *("refused", "failed", "dropped", "too old"),
    )
    return {
        **{f"sets {name}": str(statistics.total(name)) for name in names},
        "sets over rate": str(statistics.total("over rate")),
        "images without intrinsics": str(statistics.total("without intrinsics")),
        "passes": str(statistics.total("passes")),
        "output rate": f"{statistics.rate('processed'):.1f} Hz",
        **{
            f"{name} p{percent}": seconds(name, percent)
            for name in TIMES
            for percent in (50, 95, 99)
        },
        "last invalid": statistics.recall("invalid")[0],
        "last without translation": statistics.recall("without translation")[0],
        "last error": statistics.recall("error")[0],
        "tf conflict": statistics.recall("tf conflict")[0],
    }
