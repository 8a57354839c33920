"""The commands of docs/cluster.md and docs/monitoring.md exist."""

import re
import shlex
import sys
import unittest

from .support import ROOT

sys.path.insert(0, str(ROOT / "deploy" / "local"))

from localcluster.cli import build_parser  # noqa: E402

PAGE = (ROOT / "docs" / "cluster.md").read_text()
PAGES = PAGE + (ROOT / "docs" / "monitoring.md").read_text()


class Docs(unittest.TestCase):
    """The commands are only parsed; `test_a_walk` runs most of them."""

    def test_commands_of_the_pages_parse(self) -> None:
        shown = re.findall(r"^\$ deploy/local/cluster (.+)$", PAGES, re.M)
        named = re.findall(r"`cluster ([^`]+)`", PAGES)
        self.assertGreater(len(shown), 10)
        for command in shown + named:
            with self.subTest(command=command):
                build_parser().parse_args(shlex.split(command))

    def test_every_command_and_port_is_on_the_page(self) -> None:
        commands = next(action.choices for action in build_parser()._actions if action.dest == "command")
        for name in commands:
            self.assertTrue(re.search(rf"cluster {name}\b", PAGE), f"{name} is not on the page")
        from localcluster.settings import PORTS

        for name, port in PORTS.items():
            self.assertTrue(f"`{name}`" in PAGE and str(port) in PAGE, f"port {name} is not on the page")

    def test_links_of_the_pages_lead_to_files(self) -> None:
        for target in re.findall(r"\]\(([^)#]+)", PAGES):
            self.assertTrue((ROOT / "docs" / target).exists(), target)
