"""Runs programs in a chroot, with a separate network."""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time
import urllib.request


def leave_network():
    """Moves this process into a new network namespace, and brings up its loopback."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "unshare")
    request = struct.pack("16sh", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, request + bytes(16))  # SIOCSIFFLAGS


def enter(root, folder, user):
    """The setup of a child before it executes the program."""

    def entered():
        os.chroot(root)
        os.chdir(folder)
        if user:
            os.setgroups([])
            os.setgid(user[1])
            os.setuid(user[0])

    return entered


def run(root, command, folder="/", user=None, env=None, shell=False):
    """Runs a command in `root` and returns its output."""
    command = ["/bin/sh", "-e", "-c", command] if shell else command
    plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        command, preexec_fn=enter(root, folder, user), env=plain | (env or {}), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def service(command, env, log, preexec=None):
    """Runs a server during the body, then stops it with SIGTERM."""
    with open(log, "w") as lines:
        child = subprocess.Popen(command, preexec_fn=preexec, env=env, stderr=lines, stdout=lines)
        try:
            yield child
            child.send_signal(signal.SIGTERM)
            assert child.wait(60) == 0, pathlib.Path(log).read_text()
        finally:
            child.kill()
            child.wait()


def until(is_so, what, seconds=60):
    """Waits until a condition holds."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what()}"
        time.sleep(0.1)


def fetch(url, body=None):
    """The body of a response, or None."""
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"} if body else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.read().decode()
    except OSError:
        return None


def bytes_of(root):
    """The size of all files in a folder."""
    return sum(path.lstat().st_size for path in pathlib.Path(root).rglob("*") if path.is_file() and not path.is_symlink())
