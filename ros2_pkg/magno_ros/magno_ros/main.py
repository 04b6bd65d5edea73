"""The node's process: a multi-threaded executor, and a clean exit on SIGINT and SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
from functools import partial

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions

from magno_ros.executor import NodeExecutor
from magno_ros.node import MagnoNode

THREADS = 4  # lifecycle, parameters, status, and one to spare
EXECUTOR_STOP_S = 2.0
# Fast DDS as PyPI's wheels have it can spin for ever while a participant ends as others come and go
# (eProsima/Fast-DDS#6513). rclpy holds the interpreter meanwhile, so that the system alone can end the process.
EXIT_S = 8
# How long a thread may keep the interpreter from the others: Python's 5 ms are half of what a refusal may take, and the
# engine's thread comes back from native code to wait for its turn several times a token.
TURN_S = 0.0005


def main(args: list[str] | None = None) -> int:
    """Exit code 0 when asked to stop, 1 when the executor ended by itself."""
    # rclpy's own handlers were seen to miss a SIGTERM: Python's, with the main thread waiting, do not.
    asked, stop = threading.Event(), threading.Event()

    def on_signal(*_: object) -> None:
        asked.set()
        stop.set()

    sys.setswitchinterval(TURN_S)
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = MagnoNode()
    executor = NodeExecutor(THREADS, partial(complain, node))
    executor.add_node(node)
    spinner = threading.Thread(target=spin, args=(node, executor, stop), name="executor", daemon=True)
    spinner.start()
    stop.wait()
    node.close_engine()  # first: it gives waiting questions their outcome
    executor.shutdown(timeout_sec=EXECUTOR_STOP_S)
    spinner.join(EXECUTOR_STOP_S)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(EXIT_S)
    node.destroy_node()
    rclpy.try_shutdown()
    return 0 if asked.is_set() else 1


def complain(node: MagnoNode, fault: BaseException) -> None:
    node.get_logger().error(f"A callback failed: {fault!r}.")


def spin(node: MagnoNode, executor: NodeExecutor, stop: threading.Event) -> None:
    """Spin until stopped; a callback's exception is logged, the node stays up."""
    while not stop.is_set() and rclpy.ok():
        try:
            executor.spin()
        except ExternalShutdownException:
            break
        except Exception as fault:
            if not stop.is_set():
                complain(node, fault)
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
