# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What happens to the process and to what it lives on: signals, disks, memory, the backend."""

from __future__ import annotations

import resource
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from faults.fault import Answered, Counted, Exited, Fault, InState, Logged, Tells
from faults.rig import Rig, Start

__all__ = ["PROCESS_FAULTS"]

FAULTY_NODE = Path(__file__).parents[1] / "helpers" / "faulty_node.py"
FAULTY = Start(program=FAULTY_NODE)
NOWHERE = "/proc/nowhere"  # cannot be made, by root neither
UNWRITABLE = Start(
    environment={
        "HOME": NOWHERE,
        "XDG_CACHE_HOME": NOWHERE,
        "HF_HOME": NOWHERE,
        "TORCH_HOME": NOWHERE,
        "MPLCONFIGDIR": NOWHERE,
        "ROS_LOG_DIR": tempfile.gettempdir(),
    }
)


def _signals(*numbers: int) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        rig.end(*numbers)

    return inject


def _while_configuring(rig: Rig) -> None:
    rig.ask_for("CONFIGURE")
    time.sleep(0.1)
    rig.end(signal.SIGINT)


def _while_working(rig: Rig) -> None:
    for _ in range(10):
        rig.send_pair()
    rig.end(signal.SIGTERM)


def _frozen(rig: Rig) -> None:
    """Stopped for a while, as by a debugger or a machine that sleeps, while images arrive."""
    rig.process.send_signal(signal.SIGSTOP)
    for _ in range(20):
        rig.send_pair()
        time.sleep(0.05)
    rig.process.send_signal(signal.SIGCONT)
    rig.recover()


def _disk_full(rig: Rig) -> None:
    """Files of the process cannot grow any more: what a full disk does to its log."""
    process = psutil.Process(rig.process.pid)
    process.rlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    rig.publish("/left/image", rig.message("left", encoding="rgb9"))
    rig.recover()


def _refill(rig: Rig) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    psutil.Process(rig.process.pid).rlimit(resource.RLIMIT_FSIZE, unlimited)


def _cannot_configure(rig: Rig) -> None:
    assert not rig.change("CONFIGURE")


def _wait_for_end(rig: Rig) -> None:
    rig.process.wait(60.0)


def _backend(fault: str) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        rig.ledger.checks = fault not in ("zeros",)
        rig.backend_fault.write_text(fault)
        rig.send_until(
            lambda: (
                rig.counted("sets refused")
                or rig.counted("sets failed")
                or rig.counted("sets invalid")
                or rig.counted("sets dropped")
            )
        )

    return inject


def _mend(rig: Rig) -> None:
    rig.backend_fault.write_text("")
    if not rig.ledger.checks:
        time.sleep(1.0)  # the sets underway are through by then
        rig.ledger.checks = True


def _by_backend(name: str, fault: str, *seen, traceback: bool = False) -> Fault:
    return Fault(name, _backend(fault), seen, _mend, start=FAULTY, traceback=traceback)


def _by_signal(number: signal.Signals, state: str) -> Fault:
    return Fault(
        f"{number.name} while {state}", _signals(number), (Exited(),), state=state, ends=True
    )


OUT_OF_MEMORY = (Counted("sets refused"), Tells("last error", "out of memory"))
DEFECT = (Counted("sets failed"),)

PROCESS_FAULTS = (
    _by_backend("GPU out of memory", "gpu memory", *OUT_OF_MEMORY),
    _by_backend("host out of memory", "host memory", *OUT_OF_MEMORY),
    _by_backend("PyTorch's CPU allocator out of memory", "allocator", *OUT_OF_MEMORY),
    _by_backend(
        "backend raises",
        "defect",
        *DEFECT,
        Tells("last error", "ZeroDivisionError"),
        traceback=True,
    ),
    _by_backend(
        "GPU lost", "device lost", *DEFECT, Tells("last error", "launch failure"), traceback=True
    ),
    _by_backend(
        "backend returns wrong shapes",
        "shape",
        *DEFECT,
        Tells("last error", "Error"),
        traceback=True,
    ),
    _by_backend(
        "network gives NaN", "nan", Counted("sets invalid"), Tells("last invalid", "not finite")
    ),
    _by_backend(
        "network gives zeros",
        "zeros",
        Counted("sets invalid"),
        Tells("last invalid", "the images do not match"),
    ),
    _by_backend("network takes a second a set", "slow", Answered(), Counted("sets dropped")),
    Fault("process stopped for a second", _frozen, (Answered(),)),
    Fault("disk full", _disk_full, (Answered(), Counted("left refused")), _refill),
    *(
        _by_signal(number, state)
        for state in ("unconfigured", "inactive", "active", "finalized")
        for number in (signal.SIGINT, signal.SIGTERM)
    ),
    Fault("SIGINT while it configures", _while_configuring, (Exited(),), state="", ends=True),
    Fault("SIGTERM while it estimates", _while_working, (Exited(),), ends=True),
    Fault(
        "SIGINT, SIGINT and SIGTERM at once",
        _signals(signal.SIGINT, signal.SIGINT, signal.SIGTERM),
        (Exited(),),
        ends=True,
    ),
    Fault("SIGKILL", _signals(signal.SIGKILL), (Exited(-signal.SIGKILL),), ends=True),
    Fault("restart after SIGKILL", lambda rig: rig.recover(), (Answered(),)),
    Fault(
        "home and caches cannot be written",
        lambda rig: rig.recover(),
        (Answered(),),
        start=UNWRITABLE,
    ),
    Fault(
        "folder of the logs cannot be written",
        _wait_for_end,
        (Exited(1), Logged("ROS_LOG_DIR")),
        start=Start(environment={"ROS_LOG_DIR": NOWHERE}),
        state="",
        ends=True,
    ),
    Fault(
        "disk of stdout and stderr full",
        lambda rig: rig.recover(),
        (Answered(),),
        start=Start(output=Path("/dev/full")),
    ),
    Fault(
        "parameter misspelt at the start",
        _cannot_configure,
        (Tells("last error", "did you mean publish_tf?"), InState("unconfigured")),
        start=Start(parameters={"publish_ft": True}),
        state="unconfigured",
        ends=True,
    ),
    Fault(
        "parameter file that is no YAML",
        _wait_for_end,
        (Exited(1), Logged("parameter")),
        start=Start(arguments=("--params-file", __file__)),
        state="",
        ends=True,
    ),
)
