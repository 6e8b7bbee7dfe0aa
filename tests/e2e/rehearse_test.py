"""graven rehearse: every attack is caught by who can see it, and the folder is not touched."""
import json
import shutil
import unittest

import serving
from planted import append
from serving import Server, run


class RehearseTest(unittest.TestCase):
    def caught(self, attack, *flags):
        report = json.loads(run("rehearse", attack, "--json", *flags).stdout)
        self.assertTrue(report["caught"])
        return {sighting["who"]: sighting["caught"] for sighting in report["sightings"]}, report

    def test_every_attack_is_caught(self):
        who, report = self.caught("flip")
        self.assertTrue(who["verify"])
        # A witness sees no records, and says so.
        self.assertFalse(who["witness"])
        self.assertIn("it sees no records", self.words(report, "witness"))
        who, report = self.caught("fork")
        self.assertTrue(who["monitor"])
        self.assertTrue(who["witness"])
        self.assertIn("refuses to cosign", self.words(report, "witness"))
        self.assertFalse(who["verify"])
        self.assertTrue(report["evidence"].startswith("FORK_PROVEN"))
        who, report = self.caught("rollback")
        self.assertTrue(who["monitor"])
        self.assertTrue(who["witness"])
        self.assertIn("has cosigned a tree of 320 records", self.words(report, "witness"))
        self.assertTrue(who["server"])
        self.assertIn("rolled back", self.words(report, "server"))
        self.assertTrue(report["evidence"].startswith("WITHHELD"))
        who, report = self.caught("withhold")
        self.assertTrue(who["monitor"])
        self.assertTrue(who["witness"])
        self.assertIn("has cosigned a tree of 320 records", self.words(report, "witness"))

    def words(self, report, who):
        return next(one["words"] for one in report["sightings"] if one["who"] == who)

    def test_copy_is_attacked_and_the_folder_is_not_touched(self):
        folder = serving.make_folder("rehearse")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        with Server(folder / "s") as server:
            append(server.address, 50)
            busy = run("rehearse", "fork", "--data", server.data, check=3)
            self.assertIn("rehearsal", busy.stderr)
            server.stop()

        def state():
            return {path: path.read_bytes() for path in sorted(server.data.rglob("*"))
                    if path.is_file() and path.name != "lock"}
        before = state()
        self.caught("fork", "--data", server.data)
        self.caught("flip", "--data", server.data)
        self.assertEqual(state(), before)


if __name__ == "__main__":
    unittest.main()
