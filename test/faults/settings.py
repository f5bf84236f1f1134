# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters and transitions, legal and illegal, one by one and in storms."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from faults.fault import Answered, Counted, Fault, InState, Says, Tells
from faults.rig import CALM, TO_STATE, WAY_BACK, Rig
from helpers.robot import wait_until

from geloc3r_ros.nodes.parameters import PARAMETERS

__all__ = ["SETTING_FAULTS"]

ACTIVE = (InState("active"), Answered())
LEGAL = {
    "unconfigured": {"CONFIGURE": "inactive"},
    "inactive": {"ACTIVATE": "active", "CLEANUP": "unconfigured"},
    "active": {"DEACTIVATE": "inactive"},
}
LIVE = {n.replace(".", "__"): CALM.get(n, p.default) for n, p in PARAMETERS.items() if p.live}
TRANSITIONS = ("CONFIGURE", "ACTIVATE", "DEACTIVATE", "CLEANUP", 0, 10, 50, 90, 255)


def _refused(words: str, **parameters: Any) -> Callable[[Rig], None]:
    """Parameters that the node must refuse in these words."""

    def inject(rig: Rig) -> None:
        reasons = rig.set(**parameters)
        assert words in reasons[-1], reasons
        rig.recover()

    return inject


def _random_value(rng: random.Random) -> Any:
    return rng.choice(
        [
            rng.random() < 0.5,
            rng.randint(-(2**40), 2**40),
            rng.randint(0, 3),
            rng.uniform(-1e9, 1e9),
            rng.random(),
            math.nan,
            math.inf,
            "",
            "x" * 5000,
            ["left", "right"],
            [1.0, 2.0],
        ]
    )


def _parameter_storm(rig: Rig) -> None:
    """Random values for random parameters; the live ones that took are put right at the end."""
    rng = random.Random(1)
    for _ in range(1000 if rig.thorough else 60):
        name = rng.choice([*PARAMETERS, "no_such_parameter", "use_sim_time"])
        rig.set(**{name.replace(".", "__"): _random_value(rng)})
        rig.send_pair()
    assert not any(rig.set(use_sim_time=False, **LIVE))
    rig.recover()


def _rate(rate: float) -> Callable[[Rig], None]:
    def call(rig: Rig) -> None:
        assert rig.set(max_update_rate=rate) == [""]
        rig.send_until(lambda: rig.counted("sets over rate") or not rate)

    return call


def _transition_storm(rig: Rig) -> None:
    """Random transitions, legal and not, while images arrive; each answer must be right."""
    rng = random.Random(2)
    state = rig.state()
    for _ in range(1000 if rig.thorough else 40):
        transition = rng.choice(TRANSITIONS)
        goal = LEGAL[state].get(transition) if isinstance(transition, str) else None
        rig.ledger.intrinsics(None)
        rig.send_pair()
        assert rig.change(transition) == (goal is not None), (state, transition)
        state = goal or state
        assert rig.state() == state
    for transition in {"unconfigured": ("CONFIGURE", "ACTIVATE"), "inactive": ("ACTIVATE",)}.get(
        state, ()
    ):
        assert rig.change(transition)
    rig.recover()


def _at_once(rig: Rig) -> None:
    """Transitions asked for without waiting for the answer to the one before."""
    rig.ledger.intrinsics(None)
    futures = [
        rig.ask_for(name)
        for _ in range(2)  # a service keeps ten requests
        for name in ("DEACTIVATE", "ACTIVATE", "CLEANUP", "CONFIGURE")
    ]
    assert wait_until(lambda: all(future.done() for future in futures), 180.0)
    for transition in WAY_BACK[rig.state()]:
        assert rig.change(transition)
    for transition in TO_STATE["active"]:
        assert rig.change(transition)
    rig.recover()


def _wrong_weights(name: str) -> Callable[[Rig], None]:
    """Configure with weights that cannot be used fails; with good ones it works again."""

    def inject(rig: Rig) -> None:
        assert rig.set(weights=str(rig.weights[name])) == [""]
        assert not rig.change("CONFIGURE")
        assert rig.state() == "unconfigured"

    return inject


def _good_weights(rig: Rig) -> None:
    assert rig.set(weights="tiny") == [""]


def _fails(words: str) -> tuple[Any, ...]:
    return Says("unconfigured: no poses are estimated"), Tells("last error", words)


def _by_weights(name: str, attribute: str, words: str) -> Fault:
    return Fault(
        f"weights {name}",
        _wrong_weights(attribute),
        _fails(words),
        _good_weights,
        state="unconfigured",
    )


def _no_device(rig: Rig) -> None:
    assert rig.set(device="cuda:77") == [""]
    assert not rig.change("CONFIGURE")


SETTING_FAULTS = (
    Fault("parameter out of range", _refused("out of range", max_age=-1.0), ACTIVE),
    Fault("parameter NaN", _refused("nan", gate__max_cycle_rotation=math.nan), ACTIVE),
    Fault("parameter infinite", _refused("inf", watchdog__timeout=math.inf), ACTIVE),
    Fault("parameter of a wrong type", _refused("", publish_tf=3), ACTIVE),
    Fault("parameter that does not exist", _refused("", no_such_thing=True), ACTIVE),
    Fault(
        "parameter that is fixed while active",
        _refused("fixed while the node is active", weights="other"),
        ACTIVE,
    ),
    Fault("max_update_rate 0.001 Hz", _rate(0.001), (Counted("sets over rate"),), _rate(0.0)),
    Fault("storm of random parameters", _parameter_storm, ACTIVE),
    Fault("storm of random transitions", _transition_storm, ACTIVE),
    Fault("8 transitions asked for at once", _at_once, ACTIVE),
    _by_weights("missing", "missing", "there are no weights"),
    _by_weights("empty", "empty", "are damaged"),
    _by_weights("truncated", "truncated", "are damaged"),
    _by_weights("of another variant", "other", "are not of the network"),
    _by_weights("with NaN", "not_finite", "NaN"),
    _by_weights("that are a folder", "folder", "are no file"),
    _by_weights("that are a malicious pickle", "malicious", "could run code"),
    Fault(
        "a GPU that is not there",
        _no_device,
        _fails("cuda:77"),
        lambda rig: rig.set(device="cpu"),
        state="unconfigured",
    ),
)
