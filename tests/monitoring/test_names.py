"""Each metric in rules, dashboards and docs is registered by the server or defined in queries.yml."""

import re
import subprocess
import unittest

from names import ROOT, WRITTEN, queried_names, recorded_names, registered_names, unrecorded_names

FILES = [
    ROOT / "README.md",
    ROOT / "deploy/monitoring/rules.yml",
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "deploy/monitoring/dashboards").glob("*.json"),
]
# Other things with such names: a role, a collection, crates, a package's file, and metric families (`kinoteka_feed_*`).
OTHERS = {"kinoteka_app", "kinoteka_comments", "kinoteka_", "kinoteka_0"}


class Names(unittest.TestCase):
    def test_programs_can_be_run(self) -> None:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        files = [ROOT / name for name in listed.splitlines()]
        programs = [file for file in files if file.is_file() and file.read_bytes().startswith(b"#!/")]
        self.assertGreater(len(programs), 20)
        self.assertEqual([file for file in programs if not file.stat().st_mode & 0o100], [], "chmod +x")

    def test_recorded_metrics_are_registered(self) -> None:
        every_form = set().union(*registered_names().values())
        gone = recorded_names("kinoteka") - every_form
        self.assertEqual(gone, set(), "the server no longer registers them: run tests/monitoring/record.py")

    def test_each_named_metric_exists(self) -> None:
        exist = recorded_names("kinoteka") | unrecorded_names() | queried_names() | WRITTEN
        # A histogram is named without its parts.
        exist |= {re.sub("_bucket$", "", name) for name in exist}
        missing = [f"{file.relative_to(ROOT)}: {name}" for file in FILES for name in named(file.read_text()) - exist]
        self.assertEqual(missing, [], "the server does not register these metrics")

    def test_metrics_are_found_in_texts(self) -> None:
        text = "`kinoteka_gone_total` of role `kinoteka_app`, `kinoteka_feed_*`, `kinoteka_errors_total{code=...}`"
        self.assertEqual(named(text), {"kinoteka_gone_total", "kinoteka_errors_total"})

    def test_each_metric_is_documented(self) -> None:
        docs = "".join((ROOT / "docs" / page).read_text() for page in ("operations.md", "subscriptions.md"))
        for name in recorded_names("kinoteka"):
            base = re.sub("_(bucket|count|sum)$", "", name)
            # `..._misses_total` is next to a similar name.
            short = f"..._{'_'.join(base.split('_')[-2:])}"
            self.assertTrue(base in docs or short in docs, f"{base} is in no table of docs/operations.md")


def named(text: str) -> set[str]:
    """The metric names in a text."""
    return set(re.findall(r"\bkinoteka_\w+\b(?!\*|::)", text)) - OTHERS


if __name__ == "__main__":
    unittest.main()
