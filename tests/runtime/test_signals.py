import signal
import subprocess
import sys
import time

PROGRAM = """
import time
from ecomclf.runtime.signals import ignore_signals, install_signal_handlers
install_signal_handlers()
for number in (1, 2):
    try:
        print("ready", flush=True)
        time.sleep(30)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        time.sleep(0.5)
        print("cleaned up", flush=True)
ignore_signals()
print("ready", flush=True)
time.sleep(1)
print("the end", flush=True)
"""


def test_signals_close_together_interrupt_once() -> None:
    """A SIGTERM right after Ctrl-C is ignored, a Ctrl-C two seconds later is not."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None

    def expect(*lines: str) -> None:
        for line in lines:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{line}\n"

    expect("ready")
    process.send_signal(signal.SIGINT)
    expect("interrupted")
    process.send_signal(signal.SIGTERM)
    expect("cleaned up", "ready")
    process.send_signal(signal.SIGINT)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    expect("interrupted")
    process.send_signal(signal.SIGTERM)
    expect("cleaned up", "ready")
    process.send_signal(signal.SIGINT)
    expect("the end")
    assert process.wait(timeout=30) == 0
