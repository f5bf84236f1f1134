# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: what exists in which state."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import SetBool, Trigger

from geloc3r_ros.environment import Environment, problems
from geloc3r_ros.errors import GeLoc3rError
from geloc3r_ros.inference.messages import decoder_name
from geloc3r_ros.nodes.diagnosis import NodeState, diagnose
from geloc3r_ros.nodes.frames import Frames
from geloc3r_ros.nodes.inputs import Inputs
from geloc3r_ros.nodes.intake import ImageSet, Intake
from geloc3r_ros.nodes.memory import forget_destroyed, give_back_garbage, give_back_memory
from geloc3r_ros.nodes.parameter_server import ParameterServer
from geloc3r_ros.nodes.pipeline import Pipeline
from geloc3r_ros.nodes.statistics import Statistics
from geloc3r_ros.nodes.worker import NewestWorkers

__all__ = ["GeLoc3rNode"]

LOG_SECONDS = 5.0
MEMORY_SECONDS = 10.0
"""So often freed memory is given back; a pair then takes a tenth longer once."""
BACKWARD = JumpThreshold(
    min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
)

RCLError = rclpy_implementation.RCLError
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def _refusing(change_state: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Let the service that changes states answer no where rclpy raises an error."""

    def answer(request: ChangeState.Request, response: ChangeState.Response) -> Any:
        try:
            return change_state(request, response)
        except RCLError:
            response.success = False
            return response

    return answer


class GeLoc3rNode(LifecycleNode):
    """Estimates the pose of each further camera in the first; docs/node.md is its reference.

    Unconfigured it has parameters, services and diagnostics. Configure loads the network and
    listens to TF, activate makes subscriptions, workers and publishers of poses.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("geloc3r", **options)
        self._statistics = Statistics()
        self._parameter_server = ParameterServer(self, self._state_label, self._set_period)
        self._enabled = True
        self._estimator: Any = None
        self._frames: Frames | None = None
        self._pipeline: Pipeline | None = None
        self._intake: Intake | None = None
        self._inputs: Inputs | None = None
        self._worker: NewestWorkers[ImageSet] | None = None
        # The handle must live as long as the node: the clock calls it by address.
        self._jump_handle = self.get_clock().create_jump_callback(
            BACKWARD, post_callback=self._clock_jumped
        )
        # Up to Jazzy, rclpy raises out of the executor where a transition is illegal.
        self._service_change_state.callback = _refusing(self._service_change_state.callback)
        self.create_service(Trigger, "~/reset", self._reset)
        self.create_service(SetBool, "~/enable", self._enable)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = self.create_publisher(DiagnosticStatus, "~/status", latched)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # A simulated clock may stand still; these must not.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(
            self._parameter_server.settings.diagnostics_period, self._diagnose, clock=steady
        )
        self.create_timer(MEMORY_SECONDS, give_back_memory, clock=steady)

    @property
    def autostart(self) -> bool:
        """Whether the parameters ask for configure and activate at start."""
        return self._parameter_server.settings.autostart

    def close(self) -> None:
        """End the worker and free everything, in whatever state."""
        self._stop()
        self._free()

    def report_lost_message(self, error: Exception) -> None:
        """Tell of an exception that rclpy or a callback raised; it costs one message, no more."""
        self._statistics.remember("error", f"message lost: {type(error).__name__}: {error}")
        self.get_logger().error(
            "message lost: " + "".join(traceback.format_exception(error)),
            throttle_duration_sec=LOG_SECONDS,
        )

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters, load the network, listen to TF."""
        return self._transition("configure", self._configure, undo=self._free)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start to work."""
        return self._transition("activate", self._start, undo=self._stop)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and finish the set in work; nothing is published after this."""
        return self._transition("deactivate", self._stop)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network."""
        return self._transition("cleanup", self._free)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from any state."""
        return self._transition("shutdown", self.close)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that configure can be tried again; why it failed stays told."""
        forget_destroyed(self)
        self.close()
        return SUCCESS

    def _transition(
        self, name: str, work: Callable[[], None], undo: Callable[[], None] | None = None
    ) -> TransitionCallbackReturn:
        """Run the work of a transition, undone if it fails; rclpy would swallow what it raises."""
        forget_destroyed(self)
        try:
            work()
            self._statistics.remember("failed transition", "")
            return SUCCESS
        except GeLoc3rError as error:
            text, result = str(error), FAILURE
        except Exception:
            text, result = traceback.format_exc().strip(), TransitionCallbackReturn.ERROR
        self.get_logger().error(f"{name} failed: {text}")
        if undo is not None:
            undo()
        for name in ("error", "failed transition"):
            self._statistics.remember(name, text.splitlines()[-1])
        return result

    def _configure(self) -> None:
        self._statistics.reset()
        self._parameter_server.check()
        settings = self._parameter_server.settings
        environment = Environment.here()
        for problem in problems(environment):
            self.get_logger().warning(f"{environment.executable}: {problem}")
        from geloc3r_ros.inference import RelativePoseEstimator

        self._estimator = RelativePoseEstimator.load(
            settings.weights,
            device=settings.device,
            precision=settings.precision,
            backend=settings.backend,
        )
        self._estimator.warm_up([(480, 640)] * len(settings.cameras))
        self._frames = Frames(self, lookup=settings.reads_tf)
        self.get_logger().info(
            f"weights {self._estimator.weights_id} on {self._estimator.device} in "
            f"{self._estimator.precision}; images decoded by {decoder_name()}"
        )
        if not self._estimator.trained:
            self.get_logger().warning("the weights are untrained: poses mean nothing")
        if settings.scale_source == "unit":
            self.get_logger().warning(
                "scale.source is unit: translations are directions of length 1, not metres"
            )

    def _start(self) -> None:
        assert self._frames is not None
        settings = self._parameter_server.settings
        self._statistics.reset()
        self._frames.clear_buffer()  # time may have gone back while nobody looked
        self._enabled = True
        self._intake = Intake(
            settings.cameras,
            self._matched,
            self._new_pass,
            exact=settings.sync_exact,
            slop=settings.sync_slop,
            queue_size=settings.sync_queue_size,
        )
        self._inputs = Inputs(
            self,
            self._intake,
            settings=lambda: self._parameter_server.settings,
            statistics=self._statistics,
        )
        self._pipeline = Pipeline(
            self,
            settings=lambda: self._parameter_server.settings,
            estimator=self._estimator,
            intrinsics=self._inputs.intrinsics,
            frames=self._frames,
            statistics=self._statistics,
        )
        self._worker = NewestWorkers(
            self._pipeline.process,
            lambda _: self._statistics.count("dropped"),
            self._estimator.sets_at_once,
        )

    def _stop(self) -> None:
        if self._inputs is not None:
            self._inputs.destroy()
        if self._worker is not None:
            self._worker.stop()
        if self._pipeline is not None:
            self._pipeline.destroy()
        self._inputs = self._intake = self._worker = self._pipeline = None

    def _free(self) -> None:
        if self._frames is not None:
            self._frames.destroy()
        self._frames = None
        if self._estimator is not None:
            self._estimator = None
            give_back_garbage()

    def _matched(self, images: ImageSet) -> None:
        if self._statistics.silence("matched") > self._parameter_server.settings.watchdog_timeout:
            # The cameras paused; what was left out of the sets before is not waited for.
            self._statistics.count("resumed", answers="matched")
        self._statistics.count("matched")
        if self._enabled and self._worker is not None:
            self._worker.put(images)

    def _discard(self) -> None:
        """Publish nothing of the sets matched so far."""
        if self._worker is not None:
            self._worker.discard()
        if self._pipeline is not None:
            self._pipeline.void()

    def _new_pass(self) -> None:
        self._discard()
        self._statistics.count("passes")
        self.get_logger().info("time went back: a new pass of the streams begins")
        if self._frames is not None:
            self._frames.clear_buffer()

    def _clock_jumped(self, jump: TimeJump) -> None:
        if self._intake is not None:
            self._intake.clock_fell()
        elif self._frames is not None:
            self._frames.clear_buffer()

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        forget_destroyed(self)
        self._discard()
        if self._intake is not None:
            self._intake.reset()
        if self._inputs is not None:
            self._inputs.forget()
        if self._frames is not None:
            self._frames.reset()
        if self._pipeline is not None:
            self._pipeline.forget()
        self._statistics.reset()
        response.success, response.message = True, "forgot images, features, counters and errors"
        return response

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        if request.data:
            self._statistics.count("enabled")
        else:
            self._discard()
        response.success = True
        response.message = "estimating poses" if request.data else "estimating no poses"
        return response

    def _state_label(self) -> str:
        return str(self._state_machine.current_state[1])

    def _set_period(self) -> None:
        """Let a new period of the diagnostics count from now, not when the old one is over."""
        period = round(self._parameter_server.settings.diagnostics_period * 1e9)
        if self._timer.timer_period_ns != period:
            self._timer.timer_period_ns = period
            self._timer.reset()

    def _diagnose(self) -> None:
        estimator, inputs = self._estimator, self._inputs
        state = NodeState(
            lifecycle=self._state_label(),
            enabled=self._enabled,
            trained=estimator is not None and estimator.trained,
            estimator={}
            if estimator is None
            else {
                "weights": estimator.weights_id,
                "trained": str(estimator.trained),
                "device": estimator.device,
                "precision": estimator.precision,
                "decoder": decoder_name(),
            },
            topics={} if inputs is None else inputs.topics,
            publishers={} if inputs is None else inputs.publishers(),
            other_types={} if inputs is None else inputs.other_types(),
        )
        status = diagnose(
            f"{self.get_fully_qualified_name().lstrip('/')}: relative pose",
            state,
            self._parameter_server.settings,
            self._statistics,
        )
        self._status.publish(status)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)
