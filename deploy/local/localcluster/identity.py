"""The user that runs the program. PostgreSQL refuses to run as root, and nothing else here needs root."""

import os
import pwd
import sys
from pathlib import Path

from .problem import Problem

DEFAULT_USER = "postgres"


def choose_user(given: str | None, state: Path) -> pwd.struct_passwd | None:
    """The user to become, or None for the current one. Without `--user` it is the owner of the state directory."""
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid())
        if given and given != me.pw_name:
            raise Problem(f"only root can become {given}", f"remove --user, or run this as {given}")
        return None
    name = given
    if not name:
        name = DEFAULT_USER
        if state.exists() and state.stat().st_uid != 0:
            name = pwd.getpwuid(state.stat().st_uid).pw_name
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise Problem(
            f"PostgreSQL refuses to run as root, and user {name} does not exist",
            "use --user NAME with a normal user (`adduser --system --group postgres` creates one), or run this as one",
        ) from None
    if user.pw_uid == 0:
        raise Problem("PostgreSQL refuses to run as root", "use --user NAME with a normal user")
    return user


def give_away(state: Path, user: pwd.struct_passwd | None) -> None:
    """Creates the state directory, owned by the user that runs the cluster."""
    owner = user.pw_uid if user else os.geteuid()
    try:
        for parent in reversed(state.parents):
            parent.mkdir(exist_ok=True)
        is_new = not state.exists()
        state.mkdir(mode=0o700, exist_ok=True)
        if user and is_new:
            os.chown(state, user.pw_uid, user.pw_gid)
    except OSError as error:
        raise Problem(f"{error.filename}: {error.strerror}", "use --state with another folder") from None
    if state.stat().st_uid != owner:
        other = state.stat().st_uid
        raise Problem(f"{state} belongs to user {other}", "use --state with your own folder, or delete that one")


def become(user: pwd.struct_passwd, python: str, script: str, arguments: list[str], readable: list[Path]) -> None:
    """Continues this program as another user, with a Python that this user can read."""
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    for path in readable:
        if not os.access(path, os.R_OK | os.X_OK):
            raise Problem(
                f"user {user.pw_name} cannot read {path}",
                "run chmod a+rx on this folder and its parents, or use other folders with --state and --bin-dir",
            )
    env = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    names = ("PATH", "TERM", "EDITOR", "LANG", "LC_ALL", "KINOTEKA_CLUSTER_STATE")
    passed = {name: value for name, value in os.environ.items() if name in names}
    sys.stdout.flush()
    os.execve(python, [python, script, *arguments], passed | env)
