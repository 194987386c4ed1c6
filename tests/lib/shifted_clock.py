"""Processes whose wall clock is another than the host's, and jumps; their steady clocks go on as they should."""

import os
import struct
import subprocess
import tempfile

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shifted_clock.c")


class ShiftedClocks:
    """A clock for each name. environment() is for the process that is to have it, at its start."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sytime.", dir="/tmp")
        # Programs of other users open what lies in it.
        os.chmod(self.folder.name, 0o711)
        self.library = os.path.join(self.folder.name, "shifted_clock.so")
        done = subprocess.run(["cc", "-std=gnu11", "-O2", "-fPIC", "-shared", "-o", self.library, SOURCE], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.close()
            raise AssertionError(f"cc: {done.stderr}")
        self.shifts = {}

    def _path(self, name):
        path = os.path.join(self.folder.name, f"{name}.shift")
        if name not in self.shifts:
            with open(path, "wb") as file:
                file.write(bytes(8))
            self.shifts[name] = 0.0
        return path

    def environment(self, name):
        return {"LD_PRELOAD": self.library, "SHIFTED_CLOCK": self._path(name)}

    def set(self, name, seconds):
        """From now on its clock shows so many seconds more than the host's. At once, also in what runs."""
        path = self._path(name)
        # In place, and in one write: it is mapped.
        with open(path, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", round(seconds * 1e9)))
        self.shifts[name] = seconds

    def close(self):
        self.folder.cleanup()
