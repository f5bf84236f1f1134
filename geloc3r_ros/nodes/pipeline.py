# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What happens to a synchronized set: decode, estimate, publish. Runs in the workers' threads."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from geloc3r_ros.errors import ConfigError, GeLoc3rError, ImageError
from geloc3r_ros.inference import Latency, PoseEstimate, RelativePoseEstimator, undistort
from geloc3r_ros.inference.intrinsics import Intrinsics
from geloc3r_ros.inference.messages import decode_compressed, decode_image, stamp_nanoseconds
from geloc3r_ros.nodes.debug_image import draw
from geloc3r_ros.nodes.frames import Frames
from geloc3r_ros.nodes.intake import ImageSet
from geloc3r_ros.nodes.loggers import camera_loggers
from geloc3r_ros.nodes.outputs import Outputs, Place, transform_stamped
from geloc3r_ros.nodes.parameters import Settings
from geloc3r_ros.nodes.report import (
    Report,
    as_rectified,
    assess,
    in_base_frames,
    with_scale,
)
from geloc3r_ros.nodes.statistics import Statistics

__all__ = ["Pipeline"]

# A set may come this share of a period early and still keep to max_update_rate.
RATE_TOLERANCE = 0.1
LOG_SECONDS = 5.0
DISTORTED = "its images are distorted, which turns poses by degrees: set rectify: true"


class Pipeline:
    """Takes a set of images to everything that the node publishes of it; never raises."""

    def __init__(
        self,
        node: Node,
        *,
        settings: Callable[[], Settings],
        estimator: RelativePoseEstimator,
        intrinsics: Mapping[str, Intrinsics | str],
        frames: Frames,
        statistics: Statistics,
    ) -> None:
        self._node = node
        self._settings = settings
        self._estimator = estimator
        self._intrinsics = intrinsics
        self._frames = frames
        self._statistics = statistics
        self._loggers = camera_loggers(node, settings().cameras)
        self._slot = self._void_before = float("-inf")
        self._lock = threading.Lock()
        self._publishing = threading.Lock()
        others = settings().cameras[1:]
        self._outputs = {camera: Outputs(node, camera) for camera in others}
        self._debug_image = node.create_publisher(Image, "~/debug_image", QoSProfile(depth=1))

    def destroy(self) -> None:
        """Remove the publishers."""
        for outputs in self._outputs.values():
            outputs.destroy()
        self._node.destroy_publisher(self._debug_image)

    def forget(self) -> None:
        """Forget the encoded views."""
        self._estimator.clear_cache()

    def void(self) -> None:
        """Publish nothing more of the sets that were matched before now."""
        with self._publishing:
            self._void_before = time.monotonic()

    def process(self, images: ImageSet) -> Callable[[], None]:
        """Estimate the poses of one set, and return what publishes them.

        Sets may be estimated at once; they must be published one after the other.
        """
        publish = self._guarded(lambda: self._estimate(images) if self._wanted(images) else None)
        return lambda: self._guarded(publish)

    def _guarded(self, work: Callable[[], Any] | None) -> Any:
        """Do some work, and report what is wrong with the set or with this program."""
        try:
            return work and work()
        except GeLoc3rError as error:
            self._refuse(str(error))
        except Exception as error:
            if not self._node.context.ok():
                return None  # a signal ended ROS while the set was in work: nothing can be said
            self._statistics.remember("error", f"{type(error).__name__}: {error}")
            self._statistics.count("failed", answers="matched")
            self._node.get_logger().error(
                f"set lost to a defect, please report it:\n{traceback.format_exc()}",
                throttle_duration_sec=LOG_SECONDS,
            )
        return None

    def _wanted(self, images: ImageSet) -> bool:
        settings = self._settings()
        age = (self._node.get_clock().now().nanoseconds - images.stamp) / 1e9
        self._statistics.measure("input age", age)
        if settings.max_age and age > settings.max_age:
            self._statistics.count("too old")
            return False
        if settings.max_update_rate:
            period, now = 1.0 / settings.max_update_rate, time.monotonic()
            with self._lock:
                due = self._slot + period
                if now < due:
                    self._statistics.count("over rate")
                    return False
                self._slot = max(due, now - RATE_TOLERANCE * period)
        return True

    def _estimate(self, images: ImageSet) -> Callable[[], None]:
        settings = self._settings()
        frame_ids = self._frame_ids(images, settings)
        started = time.monotonic()
        rgbs = [
            self._decoded(camera, message, settings)
            for camera, message in zip(settings.cameras, images.messages)
        ]
        known = [self._known(camera, rgb) for camera, rgb in zip(settings.cameras, rgbs)]
        self._note_use(known, settings)
        if settings.rectify:
            rgbs = [
                self._undistorted(camera, rgb, K) if K else rgb
                for camera, rgb, K in zip(settings.cameras, rgbs, known)
            ]
        self._statistics.measure("decoding", time.monotonic() - started)
        normalize = settings.intrinsics_normalize and all(known)
        Ks = [K.K for K in known if K] if normalize else None
        estimates = self._estimator.estimate_set(rgbs, Ks)
        return lambda: self._publish_set(images, rgbs, known, frame_ids, estimates, settings)

    def _publish_set(
        self,
        images: ImageSet,
        rgbs: Sequence[npt.NDArray[np.uint8]],
        known: Sequence[Intrinsics | None],
        frame_ids: Sequence[str],
        estimates: Sequence[PoseEstimate],
        settings: Settings,
    ) -> None:
        if self._dropped(images):
            return
        started = time.monotonic()
        problems = []
        for i, (camera, estimate) in enumerate(zip(settings.cameras[1:], estimates), start=1):
            place = Place(
                images.messages[0].header.stamp,
                images.messages[i].header.stamp,
                frame_ids[0],
                frame_ids[i],
            )
            try:
                report = self._report(estimate, place, known[i], settings)
                moved = self._moved(report, place, settings)
            except GeLoc3rError as error:
                problems.append(f"camera {camera}: {error}")
                continue
            with self._publishing:
                if self._dropped(images):  # meanwhile, while TF was waited for
                    return
                self._publish(camera, *moved, estimate, images.matched, settings)
            if i == 1 and self._debug_image.get_subscription_count():
                picture = draw(rgbs[0], rgbs[1], report, settings.debug_image_width)
                self._debug_image.publish(_image_message(picture, images.messages[0].header))
        if problems:
            if self._dropped(images):  # TF of before is gone, and that is no fault
                return
            self._refuse("; ".join(problems))
        if len(problems) == len(estimates):
            return
        self._statistics.measure("publishing", time.monotonic() - started)
        self._measure(estimates[0].latency, time.monotonic() - images.matched)

    def _dropped(self, images: ImageSet) -> bool:
        """Whether nothing more of a set may be published; it is counted then."""
        void = images.matched < self._void_before
        if void:
            self._statistics.count("dropped")
        return void

    def _measure(self, estimation: Latency, total: float) -> None:
        self._statistics.measure("preprocessing", estimation.preprocess)
        self._statistics.measure("network", estimation.encode + estimation.decode)
        self._statistics.measure("overhead", total - estimation.total)
        self._statistics.measure("latency", total)
        self._statistics.count("processed", answers="matched")

    def _decoded(self, camera: str, message: Any, settings: Settings) -> npt.NDArray[np.uint8]:
        decode = decode_compressed if settings.image_transport == "compressed" else decode_image
        with _named(camera):
            return decode(message)

    def _undistorted(
        self, camera: str, rgb: npt.NDArray[np.uint8], K: Intrinsics
    ) -> npt.NDArray[np.uint8]:
        with _named(camera):
            return undistort(rgb, K.K, K.D, K.distortion_model)

    def _frame_ids(self, images: ImageSet, settings: Settings) -> list[str]:
        """Frames of the cameras, by which TF can tell them apart where it is asked or told."""
        overrides = settings.frame_ids or ("",) * len(settings.cameras)
        frame_ids = [
            (override or message.header.frame_id).lstrip("/")
            for override, message in zip(overrides, images.messages)
        ]
        for camera, frame_id in zip(settings.cameras, frame_ids):
            if not frame_id:
                raise ConfigError(
                    f"images of camera {camera} have no frame_id; set it in the driver, or here "
                    "by frame_ids"
                )
        # Each b camera's is the child of a TF; of a, too, TF is asked where it stands.
        apart = frame_ids if settings.reads_tf else frame_ids[1:] if settings.publish_tf else []
        for frame_id, count in Counter(apart).items():
            if count > 1:
                alike = [c for c, f in zip(settings.cameras, frame_ids) if f == frame_id]
                raise ConfigError(
                    f"images of the cameras {', '.join(alike)} name one frame, {frame_id}; give "
                    "each its own in the driver, or here by frame_ids"
                )
        return frame_ids

    def _known(self, camera: str, rgb: npt.NDArray[np.uint8]) -> Intrinsics | None:
        """Intrinsics of a camera for this image; None, with a warning, where there are none."""
        intrinsics = self._intrinsics.get(camera, "no camera_info has arrived")
        try:
            if isinstance(intrinsics, str):
                raise ConfigError(intrinsics)
            intrinsics.check_size(rgb.shape[1], rgb.shape[0])
        except ConfigError as error:
            problem = f"camera {camera}: {error}"
            self._statistics.remember(f"camera_info {camera}", str(error))
            if self._settings().intrinsics_require:
                raise ConfigError(problem) from error
            self._loggers[camera].warning(
                f"{problem}; the fields of view are guessed", throttle_duration_sec=LOG_SECONDS
            )
            return None
        return intrinsics

    def _note_use(self, known: Sequence[Intrinsics | None], settings: Settings) -> None:
        """Note of each camera whether the network is told its intrinsics; of all, or of none."""
        used = settings.intrinsics_normalize and all(known)
        for camera, K in zip(settings.cameras, known):
            if not used:
                self._statistics.count("without intrinsics")
            if K:
                unused = (
                    "not in use, another camera has none"
                    if settings.intrinsics_normalize
                    else "not in use, intrinsics.normalize is false"
                )
                text = "in use" if used else unused
                if K.D.any() and not settings.rectify:
                    text += f"; {DISTORTED}"
                    self._loggers[camera].warning(f"camera {camera}: {DISTORTED}", once=True)
                self._statistics.remember(f"camera_info {camera}", text)

    def _report(
        self, estimate: PoseEstimate, place: Place, known: Intrinsics | None, settings: Settings
    ) -> Report:
        """One estimate with its gates and scale, between the cameras' own frames."""
        report = assess(estimate, settings)
        if settings.scale_source == "fixed":
            report = with_scale(report, settings.scale_baseline)
        elif settings.scale_source == "camera_info":
            if known is None or known.baseline <= 0:
                raise ConfigError(
                    "its camera_info has no baseline (P[3] = -fx * baseline); scale.source: "
                    "camera_info needs a rectified stereo pair"
                )
            report = as_rectified(with_scale(report, known.baseline))
        elif settings.scale_source == "tf":
            T_a_b = self._transform(place.frame, place.child_frame, place, settings)
            length = float(np.linalg.norm(T_a_b[:3, 3]))
            report = with_scale(report, length, measured=False)
        return report

    def _moved(self, report: Report, place: Place, settings: Settings) -> tuple[Report, Place]:
        """The report in the frames that are asked for."""
        if settings.output_frame != "base":
            return report, place
        base = settings.base_frame.lstrip("/")
        child_base = settings.base_child_frame.lstrip("/") or place.child_frame
        T_A_a = self._transform(base, place.frame, place, settings)
        T_b_B = self._transform(place.child_frame, child_base, place, settings)
        base_place = Place(place.stamp, place.child_stamp, base, child_base)
        return in_base_frames(report, T_A_a, T_b_B), base_place

    def _transform(self, target: str, source: str, place: Place, settings: Settings) -> Any:
        stamp = stamp_nanoseconds(place.stamp)
        return self._frames.transform(target, source, stamp, settings.tf_timeout)

    def _publish(
        self,
        camera: str,
        report: Report,
        place: Place,
        estimate: PoseEstimate,
        matched: float,
        settings: Settings,
    ) -> None:
        outputs = self._outputs[camera]
        if report.valid:
            outputs.publish_pose(report, place)
            self._broadcast(report, place, settings)
            self._statistics.count("valid")
            if not report.translation_valid:
                self._statistics.count("without translation")
                self._statistics.remember("without translation", report.reason)
        else:
            self._statistics.count("invalid")
            self._statistics.remember("invalid", report.reason)
        outputs.publish_relative_pose(
            report,
            place,
            weights=self._estimator.weights_id,
            trained=estimate.trained,
            cycle_rotation_error=estimate.cycle_rotation_error,
            cycle_translation_error=estimate.cycle_translation_error,
            latency=time.monotonic() - matched,
        )

    def _broadcast(self, report: Report, place: Place, settings: Settings) -> None:
        if not (settings.publish_tf and report.translation_valid):
            return
        transform = transform_stamped(
            report, place, suffix=settings.tf_child_suffix, invert=settings.invert_tf
        )
        other = self._frames.foreign_parent(transform.child_frame_id)
        if not other:
            self._frames.broadcast(transform)
            return
        conflict = (
            f"TF stopped: someone else makes {other} the parent of {transform.child_frame_id}; "
            "change tf.child_suffix or stop the other, then call ~/reset"
        )
        self._statistics.remember("tf conflict", conflict)
        self._node.get_logger().error(conflict, throttle_duration_sec=LOG_SECONDS)

    def _refuse(self, reason: str) -> None:
        self._statistics.count("refused", answers="matched")
        self._statistics.remember("error", reason)
        self._node.get_logger().warning(
            f"set refused: {reason}", throttle_duration_sec=LOG_SECONDS
        )


@contextmanager
def _named(camera: str) -> Iterator[None]:
    """Say of an error whose images it is about."""
    try:
        yield
    except GeLoc3rError as error:
        raise ImageError(f"camera {camera}: {error}") from error


def _image_message(rgb: npt.NDArray[np.uint8], header: Any) -> Image:
    height, width = rgb.shape[:2]
    return Image(
        header=header,
        height=height,
        width=width,
        encoding="rgb8",
        step=3 * width,
        data=rgb.tobytes(),
    )
