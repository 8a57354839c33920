"""Tests the Debian package in a fresh system, and the steps of deploy/Dockerfile. Run by scripts/test-packages."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest

import image
import machine

PROJECT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILE = PROJECT / "deploy/Dockerfile"
DIST = PROJECT / "target/dist"
DEBIAN = pathlib.Path(os.environ["KINOTEKA_DEBIAN_ROOT"])
QUERY = b'{"query": "{ movies(first: 1) { nodes { id } } }"}'
ANSWER = '{"data":{"movies":{"nodes":[]}}}'


IMAGE = None


def setUpModule():
    """Runs the Dockerfile, for which apt needs the network. The tests then use a separate network."""
    global IMAGE
    folder = pathlib.Path(tempfile.mkdtemp(prefix="image-"))
    unittest.addModuleCleanup(shutil.rmtree, folder)
    given = {("build", "/kinoteka"): DIST / "stage/bin/kinoteka"}
    IMAGE = image.Image(DOCKERFILE, folder, {"debian:bookworm-slim": DEBIAN}, given)
    machine.leave_network()


class Packages(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="packages-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_checksums_name_every_archive(self):
        subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=DIST, check=True)
        named = {line.split()[1] for line in (DIST / "SHA256SUMS").read_text().splitlines()}
        self.assertEqual(named, {path.name for path in DIST.iterdir() if path.suffix in (".gz", ".deb")})

    def test_archive_has_programs_pages_and_completions(self):
        (archive,) = DIST.glob("*.tar.gz")
        names = subprocess.run(["tar", "tzf", archive], check=True, capture_output=True, text=True).stdout
        for name in ("bin/kinoteka", "bin/seeder", "man1/kinoteka-serve.1", "bash/seeder.bash", "kinoteka.service", "LICENSE"):
            self.assertIn(f"/{name}\n", names)
        sections = subprocess.run(["readelf", "-S", DIST / "stage/bin/kinoteka"], check=True, capture_output=True, text=True)
        self.assertNotRegex(sections.stdout, r"\.(symtab|debug_(info|line))")

    def test_deb_installs_serves_and_goes(self):
        root = self.folder / "root"
        subprocess.run(["cp", "-a", DEBIAN, root], check=True)
        (deb,) = DIST.glob("*.deb")
        shutil.copy(deb, root / "tmp/kinoteka.deb")
        machine.run(root, ["dpkg", "--install", "/tmp/kinoteka.deb"])

        version = tomllib.loads((PROJECT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        for program in ("kinoteka", "seeder"):
            self.assertEqual(machine.run(root, [program, "--version"]).split()[-1].split("-")[0], version)
        self.assertEqual(machine.run(root, ["dpkg-query", "-W", "-f", "${Version}", "kinoteka"]), f"{version}-1")
        conffiles = machine.run(root, ["dpkg-query", "-W", "-f", "${Conffiles}", "kinoteka"])
        self.assertEqual([line.split()[0] for line in conffiles.splitlines() if line], ["/etc/default/kinoteka"])
        settings = root / "etc/default/kinoteka"
        self.assertEqual(settings.stat().st_mode & 0o7777, 0o640)
        owner = machine.run(root, ["getent", "passwd", "kinoteka"]).split(":")
        self.assertEqual(owner[5:], ["/var/lib/kinoteka", "/usr/sbin/nologin\n"])
        self.assertTrue((root / "etc/systemd/system/multi-user.target.wants/kinoteka.service").is_symlink())
        for path in ("man/man1/kinoteka-serve.1.gz", "bash-completion/completions/seeder", "doc/kinoteka/copyright"):
            self.assertTrue((root / "usr/share" / path).exists(), path)

        self.check_unit(root)
        self.check_service(root, (int(owner[2]), int(owner[3])))

        settings.write_text(settings.read_text() + "KINOTEKA_LOG=debug\n")
        machine.run(root, ["dpkg", "--install", "--force-confdef", "--force-confold", "/tmp/kinoteka.deb"])
        self.assertIn("KINOTEKA_LOG=debug", settings.read_text())
        machine.run(root, ["dpkg", "--remove", "kinoteka"])
        self.assertTrue(settings.exists() and not (root / "usr/bin/kinoteka").exists())
        machine.run(root, ["dpkg", "--purge", "kinoteka"])
        self.assertFalse(settings.exists())
        self.assertTrue((root / "var/lib/kinoteka/kinoteka.db").exists(), "a purge must not delete the database")

    def check_unit(self, root):
        """systemd accepts the unit, and rates its exposure as low."""
        unit = "/usr/lib/systemd/system/kinoteka.service"
        verified = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit], preexec_fn=machine.enter(root, "/", None), capture_output=True, text=True
        )
        own = [line for line in verified.stderr.splitlines() if "kinoteka" in line]
        self.assertEqual((verified.returncode, own), (0, []), verified.stderr)
        security = machine.run(root, ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", unit])
        exposure = re.search(r"exposure level.*: ([0-9.]+)", security)
        print(f"systemd-analyze security: exposure {exposure[1]}")

    def check_service(self, root, user):
        """Runs the unit's command. A chroot has no systemd, so the test reads the unit and runs the command itself."""
        unit = (root / "usr/lib/systemd/system/kinoteka.service").read_text()
        command = re.search(r"^ExecStart=(.*)$", unit, re.M)[1].split()
        lines = (root / "etc/default/kinoteka").read_text().splitlines()
        env = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        state = root / "var/lib/kinoteka"
        state.mkdir(mode=0o700)
        os.chown(state, *user)
        trace, log = self.folder / "trace", self.folder / "log"
        # The tracer is the grandchild, so that the child is the server.
        tracer = ["strace", "-D", "-f", "-qq", "-o", trace, "/usr/sbin/chroot", f"--userspec={user[0]}:{user[1]}", root]
        command = [*tracer, "/usr/bin/env", "-C", "/var/lib/kinoteka", *command]
        with machine.service(command, env, log):
            machine.until(lambda: machine.fetch("http://127.0.0.1:8000/readyz"), log.read_text)
            self.assertEqual(machine.fetch("http://127.0.0.1:8000/graphql", QUERY), ANSWER)
            self.assertIn("kinoteka_", machine.fetch("http://127.0.0.1:8001/metrics"))
            self.assertIsNone(machine.fetch("http://127.0.0.1:8000/metrics"))
        self.check_calls(root, unit, trace.read_text())

    def check_calls(self, root, unit, trace):
        """The unit allows all system calls that the server made."""
        trace = trace[trace.index('execve("/usr/bin/kinoteka"') :]
        allowed = set()
        for words in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
            calls = set()
            for word in words.lstrip("~").split():
                calls |= expand(root, word)
            allowed = allowed - calls if words.startswith("~") else allowed | calls
        made = set(re.findall(r"^\d+ +(\w+)\(", trace, re.M))
        self.assertGreater(len(made), 10)
        self.assertEqual(made - allowed, set())
        self.assertNotRegex(trace, r"mmap\(.*PROT_WRITE\|PROT_EXEC|mprotect\(.*PROT_EXEC", "MemoryDenyWriteExecute=")

    def test_image_serves_without_root(self):
        toolchain = tomllib.loads((PROJECT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
        self.assertIn(f"FROM rust:{toolchain}-", DOCKERFILE.read_text())
        self.assertEqual(IMAGE.skipped, ["pages", "build"])
        files = sorted(str(path.relative_to(IMAGE.root)) for path in IMAGE.root.rglob("*") if path.is_file())
        print(f"the image has {len(files)} files, {machine.bytes_of(IMAGE.root) / 1e6:.1f} MB: {', '.join(files)}")
        command, log = IMAGE.settings["ENTRYPOINT"] + IMAGE.settings["CMD"], self.folder / "log"
        preexec = machine.enter(IMAGE.root, IMAGE.settings["WORKDIR"], IMAGE.user)

        def is_healthy():
            return subprocess.run(IMAGE.settings["HEALTHCHECK"], preexec_fn=preexec, timeout=60).returncode == 0

        self.assertFalse(is_healthy(), "the server is not running yet")
        with machine.service(command, IMAGE.env, log, preexec):
            machine.until(is_healthy, log.read_text)
            self.assertEqual(machine.fetch("http://127.0.0.1:8000/graphql", QUERY), ANSWER)
        self.assertTrue((IMAGE.root / "data/kinoteka.db").exists())


def expand(root, name):
    """The system calls of a systemd set, including nested sets."""
    if not name.startswith("@"):
        return {name}
    listed = machine.run(root, ["systemd-analyze", "syscall-filter", name])
    words = [line.strip() for line in listed.splitlines()[1:]]
    return set().union(*(expand(root, word) for word in words if word and not word.startswith("#")))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "--verbose", *sys.argv[1:]])
