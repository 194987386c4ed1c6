"""Waiting for what another process does, bounded and with words about what never came."""

import time


def wait_until(condition, what, timeout=15.0, every=0.02):
    """Returns the first true value of condition()."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(every)
