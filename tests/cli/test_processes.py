"""The supervisor of child processes ends when it is asked to, whatever it is doing in that moment."""

import subprocess
import sys

STEPS = 200
"""More than a round of looking after the children has."""

SCRIPT = f"""
import os, signal, sys
from app.cli import processes

processes.LOOK_SECONDS = 0.001

def asked_before(number):
    steps = 0

    def step(frame, event, _):
        nonlocal steps
        frame.f_trace_opcodes = True
        if event == "opcode":
            steps += 1
            if steps == number:
                os.kill(os.getpid(), signal.SIGINT)
        return step

    def ready():
        sys._getframe(1).f_trace = step
        sys.settrace(step)

    processes.Supervisor([], {{}}).run(ready)
    sys.settrace(None)

for number in range(1, {STEPS}):
    asked_before(number)
"""


def test_it_ends_before_whatever_step_the_signal_comes() -> None:
    """A handler that took a lock would wait for ever where the loop itself holds it."""
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=120)
