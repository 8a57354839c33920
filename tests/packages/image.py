"""Runs the instructions of a Dockerfile without Docker, in folders.

A stage without an available image is skipped, and the files that others copy from it are given. RUN ignores its flags
and runs the command in a chroot, without layers, cache or sandbox.
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
    """A Dockerfile that is run below `folder`."""

    def __init__(self, path, folder, roots, given):
        """`roots` has the root file systems of images, `given` the files of skipped stages."""
        self.folder, self.given = pathlib.Path(folder), given
        self.stages, self.skipped, self.settings, self.env = {}, [], {}, {}
        self.instructions_run, root = 0, None
        for name, text in instructions(path):
            if name == "FROM":
                image, _, stage = text.partition(" AS ")
                root = self.begin(image, stage or "last", roots)
            elif root:
                self.instructions_run += 1
                self.run_instruction(name, text, root)
        self.root = root

    def begin(self, image, stage, roots):
        self.settings, self.env = {}, {}
        if image != "scratch" and image not in roots:
            self.skipped.append(stage)
            return None
        root = self.stages[stage] = self.folder / stage
        if image == "scratch":
            root.mkdir(parents=True)
        else:
            subprocess.run(["cp", "-a", roots[image], root], check=True)
        return root

    def run_instruction(self, name, text, root):
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
            raise AssertionError(f"unknown instruction {name}")

    def copy(self, words, root):
        flags = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        source, target = [word for word in words if not word.startswith("--")]
        stage = flags["from"]
        found = self.given[stage, source] if stage in self.skipped else self.stages[stage] / source.lstrip("/")
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
