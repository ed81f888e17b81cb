"""The mirror is the one that apt is configured with."""

import tempfile
import unittest
from pathlib import Path

from debian import Mirror, mirror
from programs import Failure

_STANZAS = """Types: deb
# a comment: with a colon
URIs: http://security.example/debian-security
Suites: stable-security
Components: main

Types: deb deb-src
URIs: http://mirror.example/debian
Suites: stable stable-updates
Components: main contrib
Signed-By: /keys/archive.gpg
"""


class TheMirror(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.apt = Path(folder.name)
        (self.apt / "sources.list.d").mkdir()

    def test_is_found_among_stanzas(self) -> None:
        (self.apt / "sources.list.d" / "debian.sources").write_text(_STANZAS)
        self.assertEqual(mirror(self.apt), Mirror("http://mirror.example/debian", "/keys/archive.gpg"))

    def test_is_found_among_lines(self) -> None:
        (self.apt / "sources.list").write_text(
            "deb http://other.example/node stable main\n# deb http://old.example/debian stable main\n"
            "deb [ arch=amd64 signed-by=/keys/a.gpg ] http://mirror.example/debian/ stable main contrib\n")
        self.assertEqual(mirror(self.apt), Mirror("http://mirror.example/debian/", "/keys/a.gpg"))

    def test_is_missed_where_there_is_none(self) -> None:
        (self.apt / "sources.list").write_text("deb http://other.example/ubuntu noble main\n")
        with self.assertRaises(Failure):
            mirror(self.apt)
