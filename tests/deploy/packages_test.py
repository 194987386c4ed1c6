"""The .deb files: installed by dpkg, with their dependencies, on this machine's system, of which only a view of the test's
own is changed; used; removed again."""

import configparser
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from stack import BIN, clean_environment  # noqa: E402

SOURCES = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PACKAGES = ("switchyard-services", "yard", "yard-agent")
SERVICES = ("task-queue", "identity", "agent-hub", "scheduler", "model-registry", "router", "verification")
CONFIG = "/etc/yard-agent/yard-agent.yaml"
# What is written lies in memory. Ends, and all of it with it, at the end of its input.
VIEW = """set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for folder in proc dev; do mount --rbind "/$folder" "$1/root/$folder"; done
mount -t tmpfs tmpfs "$1/root/run"
mkdir "$1/root/run/packages"
mount --bind "$2" "$1/root/run/packages"
echo ready
exec cat >/dev/null
"""


def quiet(*argv, timeout=120):
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout, env=clean_environment(),
                          stdin=subprocess.DEVNULL, cwd="/")


def must(*argv, **options):
    done = quiet(*argv, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


class PackagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not all(map(shutil.which, ("dpkg", "cpack", "unshare", "nsenter"))):
            raise unittest.SkipTest("needs root, dpkg, cpack and util-linux")
        build = os.path.dirname(BIN)
        if not os.path.exists(os.path.join(build, "CPackConfig.cmake")):
            raise unittest.SkipTest("there is no build to package")
        cls.view = None
        cls.folder = tempfile.mkdtemp(prefix="sydeb.", dir="/tmp")
        try:
            cls.enter()
            cls.pack(build)
            cls.install()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def enter(cls):
        packages, place = f"{cls.folder}/packages", f"{cls.folder}/place"
        os.mkdir(packages)
        os.mkdir(place)
        cls.root = f"{place}/root"
        cls.view = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "private", "sh", "-c", VIEW,
             "sh", place, packages], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if cls.view.stdout.readline() != "ready\n":
            raise unittest.SkipTest(f"no view of the system here: {cls.view.communicate()[1].strip()}")

    @classmethod
    def pack(cls, build):
        # As tools/build --package does, but for the time that compression takes.
        must("cpack", "--config", f"{build}/CPackConfig.cmake", "-G", "DEB", "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=none",
             "-B", f"{cls.folder}/packages", timeout=250)
        cls.debs = {}
        for path in glob.glob(f"{cls.folder}/packages/*.deb"):
            cls.debs[must("dpkg-deb", "-f", path, "Package").strip()] = path
        if sorted(cls.debs) != sorted(PACKAGES):
            raise AssertionError(f"packed {sorted(cls.debs)}: not everything is built")

    @classmethod
    def tearDownClass(cls):
        if cls.view is not None:
            cls.view.communicate()
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def within(cls, *argv):
        return quiet("nsenter", f"--mount=/proc/{cls.view.pid}/ns/mnt", "--", "chroot", cls.root, *argv)

    @classmethod
    def must_within(cls, *argv):
        done = cls.within(*argv)
        if done.returncode != 0:
            raise AssertionError(f"{argv}: {done.stdout}{done.stderr}")
        return done.stdout

    @classmethod
    def install(cls):
        # Refuses what lacks a dependency.
        cls.must_within("dpkg", "-i", *(f"/run/packages/{os.path.basename(path)}" for path in cls.debs.values()))

    def existing(self, *paths, kind="-e"):
        return self.must_within("sh", "-c", f'for path; do [ ! {kind} "$path" ] || echo "$path"; done', "sh",
                                *paths).splitlines()

    def files(self, package):
        paths = self.must_within("dpkg", "-L", package).splitlines()
        return sorted(set(paths) - set(self.existing(*paths, kind="-d")))

    def test_every_program_starts_and_is_of_the_packages_version(self):
        version = self.must_within("dpkg-query", "-W", "-f", "${Version}", "yard").strip()
        for name in ("switchyard", *(f"switchyard-{service}" for service in SERVICES), "yard", "yard-agent"):
            with self.subTest(program=name):
                program = f"/usr/bin/{name}"
                told = self.must_within(program, "version" if name == "yard" else "--version")
                self.assertEqual(told.split()[:2], [name, version])
                self.assertIn(name, self.must_within(program, "--help"))
        for command in (*((f"switchyard-{service}",) for service in SERVICES), ("switchyard", "run"), ("yard-agent",)):
            with self.subTest(config=command):
                self.assertIn("# default", self.must_within(*command, "--print-config"))

    def test_no_program_lacks_a_library(self):
        for package in PACKAGES:
            depends = must("dpkg-deb", "-f", self.debs[package], "Depends")
            self.assertIn("libc6", depends)
            for path in self.files(package):
                if not path.startswith(("/usr/bin/", "/usr/lib/")):
                    continue
                with self.subTest(path=path):
                    # A program without any says so by its exit code.
                    self.assertNotIn("not found", self.within("ldd", path).stdout)

    def test_the_packages_hold_what_the_sources_ship(self):
        shipped = f"{SOURCES}/deploy/config"
        for folder, _, names in os.walk(shipped):
            for name in names:
                path = os.path.relpath(f"{folder}/{name}", shipped)
                with self.subTest(path=path):
                    with open(f"{folder}/{name}", encoding="utf-8") as source:
                        self.assertEqual(self.must_within("cat", f"/usr/share/switchyard/config/{path}"), source.read())
        for package, deb in self.debs.items():
            # The machine's dpkg may be told to leave documentation out.
            self.assertIn(f"./usr/share/doc/{package}/copyright", must("dpkg-deb", "-c", deb))

    def test_the_unit_runs_what_is_installed(self):
        unit = configparser.ConfigParser(interpolation=None, strict=False)
        unit.optionxform = str
        unit.read_string(self.must_within("cat", "/lib/systemd/system/yard-agent.service"))
        service = unit["Service"]
        program, *arguments = service["ExecStart"].split()
        self.must_within("test", "-x", program)
        for argument in arguments:
            if argument.startswith("--config="):
                self.must_within("test", "-f", argument.partition("=")[2])
        self.must_within(program, *arguments[1:], "--print-config")
        self.must_within("getent", "passwd", service["User"])
        self.assertEqual(self.must_within("stat", "-c", "%U:%G %a", f"/var/lib/{service['StateDirectory']}").strip(),
                         f"{service['User']}:{service['Group']} 700")

    def test_what_a_person_configured_survives_all_but_a_purge(self):
        self.addCleanup(self.install)
        self.assertEqual(must("dpkg-deb", "-I", self.debs["yard-agent"], "conffiles").split(), [CONFIG])
        self.must_within("sh", "-c", f"echo '# by hand' >> {CONFIG}")
        self.install()
        self.must_within("dpkg", "--remove", "yard-agent")
        self.assertEqual(self.existing("/usr/bin/yard-agent", CONFIG), [CONFIG])
        self.assertIn("# by hand", self.must_within("cat", CONFIG))
        self.install()
        self.assertIn("# by hand", self.must_within("cat", CONFIG))
        self.must_within("dpkg", "--purge", "yard-agent")
        self.assertEqual(self.existing(CONFIG, "/var/lib/yard-agent"), [])
        self.assertNotEqual(self.within("getent", "passwd", "yard-agent").returncode, 0)

    def test_nothing_stays_behind(self):
        self.addCleanup(self.install)
        files = {package: self.files(package) for package in PACKAGES}
        self.must_within("dpkg", "--purge", *PACKAGES)
        for package, paths in files.items():
            self.assertTrue(paths)
            self.assertEqual(self.existing(*paths), [], package)
        self.assertEqual(self.existing("/usr/share/switchyard", "/usr/lib/switchyard", "/etc/yard-agent"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
