# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every transition of the lifecycle, by the services that a lifecycle manager uses."""

import gc
import threading

import pytest
import torch
from helpers.robot import BASE_STAMP, picture, wait_until
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from geloc3r_ros.inference import RelativePoseEstimator

PAIR = [picture(1), picture(2)]

CONFIGURE = Transition.TRANSITION_CONFIGURE
ACTIVATE = Transition.TRANSITION_ACTIVATE
DEACTIVATE = Transition.TRANSITION_DEACTIVATE
CLEANUP = Transition.TRANSITION_CLEANUP
SHUTDOWNS = {
    "unconfigured": Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    "inactive": Transition.TRANSITION_INACTIVE_SHUTDOWN,
    "active": Transition.TRANSITION_ACTIVE_SHUTDOWN,
}
TO_STATE = {
    "unconfigured": [],
    "inactive": [CONFIGURE],
    "active": [CONFIGURE, ACTIVATE],
}
LEGAL = {
    "unconfigured": {CONFIGURE: "inactive"},
    "inactive": {ACTIVATE: "active", CLEANUP: "unconfigured"},
    "active": {DEACTIVATE: "inactive"},
}


def change(robot, transition):
    request = ChangeState.Request(transition=Transition(id=transition))
    return robot.call(ChangeState, "/geloc3r/change_state", request).success


def state(robot):
    return robot.call(GetState, "/geloc3r/get_state", GetState.Request()).current_state.label


def set_parameter(robot, name, value):
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return robot.call(SetParameters, "/geloc3r/set_parameters", request).results[0]


@pytest.mark.parametrize("start", LEGAL)
def test_legal_transitions_succeed_and_others_change_nothing(robot, start):
    robot = robot()
    for transition in TO_STATE[start]:
        assert change(robot, transition)
    for transition in {CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP} - set(LEGAL[start]):
        assert not change(robot, transition)
        assert state(robot) == start
    back = {
        (CONFIGURE, "inactive"): [CLEANUP],
        (ACTIVATE, "active"): [DEACTIVATE],
        (CLEANUP, "unconfigured"): [CONFIGURE],
        (DEACTIVATE, "inactive"): [ACTIVATE],
    }
    for transition, goal in LEGAL[start].items():
        assert change(robot, transition)
        assert state(robot) == goal
        for undo in back[(transition, goal)]:
            assert change(robot, undo)
    assert change(robot, SHUTDOWNS[start])
    assert state(robot) == "finalized"


def test_a_second_life_works_like_the_first_and_leaks_nothing(robot):
    robot = robot()
    robot.listen_to_poses()

    def entities():
        node = robot.node
        threads = [t for t in threading.enumerate() if t.name.startswith("geloc3r-worker")]
        return (
            len(list(node.publishers)),
            len(list(node.subscriptions)),
            len(node._managed_entities),
            len(threads),
        )

    born, references = entities(), []
    for life in range(3):
        assert change(robot, CONFIGURE)
        assert change(robot, ACTIVATE)
        robot.send(PAIR, BASE_STAMP + life * 10**9)
        assert wait_until(lambda: len(robot.poses()) == life + 1)  # noqa: B023
        assert change(robot, DEACTIVATE)
        assert change(robot, CLEANUP)
        gc.collect()
        assert entities() == born
        references.append(len(robot.node.default_callback_group.entities))
    assert references[1] == references[2]


def test_nothing_is_published_while_inactive(robot):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR, BASE_STAMP)
    assert wait_until(lambda: len(robot.poses()) == 1)
    assert change(robot, DEACTIVATE)
    robot.send(PAIR, BASE_STAMP + 10**8)
    assert wait_until(lambda: robot.says().startswith("inactive"))
    assert len(robot.poses()) == 1
    assert change(robot, ACTIVATE)
    robot.send(PAIR, BASE_STAMP + 2 * 10**8)
    assert wait_until(lambda: len(robot.poses()) == 2)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"weights": "nowhere.safetensors"}, "nowhere.safetensors"),
        ({"sync.slopp": 0.1}, "did you mean sync.slop?"),
        ({"sync.slop": -1.0}, "sync.slop is -1.0"),
        ({"sync.slop": "wide"}, "sync.slop is 'wide'"),
        ({"cameras": ["left"]}, "two or more"),
        ({"scale.source": "fixed"}, "scale.baseline"),
        ({"frame_ids": ["only_one"]}, "frame_ids"),
    ],
)
def test_configure_fails_in_words_and_can_be_tried_again(robot, parameters, words):
    robot = robot(parameters)
    assert not change(robot, CONFIGURE)
    assert state(robot) == "unconfigured"
    assert wait_until(lambda: words in robot.says()), robot.says()
    (name,) = parameters
    cure = {"cameras": ["a", "b"], "sync.slop": 0.1, "weights": "tiny", "frame_ids": ["a", "b"]}
    if name == "scale.source":
        assert set_parameter(robot, "scale.baseline", 1.0).successful
    elif name in cure:
        assert set_parameter(robot, name, cure[name]).successful
    assert change(robot, CONFIGURE) == (name != "sync.slopp")


def test_a_defect_in_a_transition_stays_told(robot, monkeypatch):
    def load(*_, **__):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(RelativePoseEstimator, "load", load)
    robot = robot()
    assert not change(robot, CONFIGURE)
    assert state(robot) == "unconfigured"
    words = "unconfigured: no poses are estimated; last error: RuntimeError: out of luck"
    assert wait_until(lambda: robot.says() == words), robot.says()
    monkeypatch.undo()
    assert change(robot, CONFIGURE)


def test_an_exported_network_runs_in_the_node(robot, exported):
    robot = robot({"backend": "onnx", "weights": str(exported)})
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR)
    assert wait_until(robot.poses)
    assert robot.poses()[0].trained
    assert wait_until(lambda: robot.value("weights") == "small")


def test_a_gpu_that_is_not_there_fails_configure(robot):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    robot = robot({"device": "cuda"})
    assert not change(robot, CONFIGURE)
    assert wait_until(lambda: "cuda" in robot.says())


def test_parameters_change_where_it_is_safe(robot):
    robot = robot()
    assert set_parameter(robot, "sync.slop", 1).successful  # an integer serves as a double
    assert change(robot, CONFIGURE)
    assert change(robot, ACTIVATE)
    fixed = set_parameter(robot, "weights", "other")
    assert not fixed.successful
    assert "while the node is active" in fixed.reason
    assert set_parameter(robot, "gate.max_cycle_rotation", 0.1).successful
    assert robot.node._parameter_server.settings.gate_max_cycle_rotation == 0.1
    wrong = set_parameter(robot, "gate.max_cycle_rotation", 10.0)
    assert not wrong.successful
    assert robot.node._parameter_server.settings.gate_max_cycle_rotation == 0.1
