"""Carries out a Dockerfile without Docker: what its instructions say, in folders.

A stage whose image is not at hand is left out, and what others copy from it is given. Of RUN, the flags are ignored and
the command runs in a chroot; there are no layers, no cache and no sandbox.
"""

import json
import pathlib
import re
import shlex
import shutil
import subprocess

import machine


def instructions(path):
    """The instructions of a Dockerfile as pairs of name and text."""
    lines = [line for line in pathlib.Path(path).read_text().splitlines() if not re.match(r"\s*(#|$)", line)]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, text = line.split(None, 1)
        yield name, text


class Image:
    """A Dockerfile that is carried out below `folder`."""

    def __init__(self, path, folder, roots, given):
        """`roots` has the root file systems of images, `given` the files of stages that are left out."""
        self.folder, self.given = pathlib.Path(folder), given
        self.stages, self.left_out, self.settings, self.env = {}, [], {}, {}
        self.carried_out, root = 0, None
        for name, text in instructions(path):
            if name == "FROM":
                image, _, stage = text.partition(" AS ")
                root = self.begin(image, stage or "last", roots)
            elif root:
                self.carried_out += 1
                self.carry_out(name, text, root)
        self.root = root

    def begin(self, image, stage, roots):
        self.settings, self.env = {}, {}
        if image != "scratch" and image not in roots:
            self.left_out.append(stage)
            return None
        root = self.stages[stage] = self.folder / stage
        if image == "scratch":
            root.mkdir(parents=True)
        else:
            subprocess.run(["cp", "-a", roots[image], root], check=True)
        return root

    def carry_out(self, name, text, root):
        if name == "RUN":
            machine.run(root, re.sub(r"^(--\S+ +)+", "", text), shell=True)
        elif name == "COPY":
            self.copy(shlex.split(text), root)
        elif name == "ENV":
            self.env |= dict(pair.split("=", 1) for pair in shlex.split(text))
        elif name == "HEALTHCHECK":
            self.settings[name] = json.loads(text[text.index("CMD") + 3 :])
        elif name in ("ENTRYPOINT", "CMD"):
            self.settings[name] = json.loads(text)
        elif name in ("USER", "WORKDIR", "VOLUME", "EXPOSE"):
            self.settings[name] = text
            if name == "WORKDIR":
                (root / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
        else:
            raise AssertionError(f"{name} is not known here")

    def copy(self, words, root):
        flags = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        source, target = [word for word in words if not word.startswith("--")]
        stage = flags["from"]
        found = self.given[stage, source] if stage in self.left_out else self.stages[stage] / source.lstrip("/")
        found, target = pathlib.Path(found), root / target.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if found.is_dir():
            shutil.copytree(found, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(found, target)
        if "chown" in flags:
            subprocess.run(["chown", "-R", flags["chown"], target], check=True)

    @property
    def user(self):
        return tuple(int(number) for number in self.settings["USER"].split(":"))
