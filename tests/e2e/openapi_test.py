"""The OpenAPI document: linted, and held against the running server by schemathesis, which makes requests from it and
finds no 5xx and no answer outside of it. Both come from PyPI, pinned, into a folder of their own below build/; where
PyPI cannot be reached this test says so and skips."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest
import urllib.request

import serving

REQUIREMENTS = pathlib.Path(__file__).with_name("openapi-requirements.txt")
DOCUMENT = serving.ROOT / "src" / "web" / "openapi.json"
EXAMPLES = os.environ.get("GRAVEN_OPENAPI_EXAMPLES", "25")  # of each operation, and phase
SEED = os.environ.get("GRAVEN_OPENAPI_SEED", "4711")
SKIP = 77

CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,"
          "response_headers_conformance,response_schema_conformance,allow_header_conformance")


def tools():
    """The folder of the programs, installed once for each lock file; nothing when they cannot be had."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = serving.ROOT / "build" / f"e2e-openapi-{digest}"
    if not (folder / "made").exists():
        making = folder.with_name(f"{folder.name}-{os.getpid()}")
        # The paths inside are those of the folder that it is made in: so it stays there.
        shutil.rmtree(folder, ignore_errors=True)
        python = "/usr/bin/python3"
        for command in ([python, "-m", "venv", folder],
                        [folder / "bin" / "pip", "install", "--quiet", "--require-hashes", "--only-binary",
                         ":all:", "--timeout", "20", "--retries", "1", "-r", REQUIREMENTS]):
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
            if done.returncode != 0:
                print(f"skipped: schemathesis cannot be installed here:\n{done.stderr[-600:]}")
                return None
        making.touch()
        making.rename(folder / "made")
    return folder / "bin"


class OpenApi(unittest.TestCase):
    bin = None

    def setUp(self):
        self.folder = serving.make_folder("openapi")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_the_document_is_openapi_3_1(self):
        done = subprocess.run([str(self.bin / "python"), "-m", "openapi_spec_validator", str(DOCUMENT)],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        # A document that is none is told apart.
        broken = json.loads(DOCUMENT.read_text())
        del broken["paths"]["/logs/{log}"]["get"]["responses"]
        broken["info"] = {}
        (self.folder / "broken.json").write_text(json.dumps(broken))
        done = subprocess.run([str(self.bin / "python"), "-m", "openapi_spec_validator",
                               str(self.folder / "broken.json")], capture_output=True, timeout=120)
        self.assertNotEqual(done.returncode, 0)

    def hold_against(self, document, url, name, *parameters):
        """Runs schemathesis; returns (exit code, what it said, responses by status)."""
        (self.folder / "schemathesis.toml").write_text("".join(parameters))
        report = self.folder / f"{name}.ndjson"
        done = subprocess.run(
            [str(self.bin / "schemathesis"), "--config-file", str(self.folder / "schemathesis.toml"), "run",
             str(document), "--url", url, "--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", SEED,
             # It never ends; live_test.py reads it.
             "--exclude-path", "/logs/{log}/live",
             "--phases", "examples,coverage,fuzzing", "--mode", "all", "--warnings", "off", "--no-color",
             "--generation-database", "none", "--suppress-health-check", "all",
             "--report-ndjson-path", str(report)],
            capture_output=True, text=True, timeout=500, cwd=self.folder)
        statuses = {}
        for line in report.read_text().splitlines():
            at = line.find('"status_code":')
            while at >= 0:
                status = line[at + 14:at + 18].strip(" ,")
                statuses[status] = statuses.get(status, 0) + 1
                at = line.find('"status_code":', at + 1)
        return done.returncode, done.stdout[-6000:] + done.stderr[-2000:], statuses

    def test_every_answer_is_one_that_the_document_knows(self):
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            url = server.ready["http"][0]
            served = urllib.request.urlopen(url + "/openapi.json", timeout=30).read()
            self.assertEqual(served, DOCUMENT.read_bytes())
            serving.run("append", "-", "--server", server.address, input="".join(
                json.dumps({"eventId": f"e-{i}", "actor": {"id": "a"}, "action": "a.b", "labels":
                            [{"key": "k", "value": "v"}], "detailsStruct": {"i": i},
                            "occurredAt": "2026-01-02T03:04:05Z"}) + "\n" for i in range(300)))
            code, said, statuses = self.hold_against(DOCUMENT, url, "own", '[parameters]\nlog = "default"\n')
            self.assertEqual(code, 0, said)
            # It got through to the log, and it was refused too.
            for status in ("200", "400", "404"):
                self.assertGreater(statuses.get(status, 0), 20, statuses)
            self.assertFalse([status for status in statuses if status.startswith("5")], statuses)
            # The same checks find a document that the server does not keep.
            wrong = json.loads(DOCUMENT.read_text())
            wrong["components"]["schemas"]["Log"]["properties"]["publishedSize"] = {"type": "integer"}
            (self.folder / "wrong.json").write_text(json.dumps(wrong))
            code, said, _ = self.hold_against(self.folder / "wrong.json", url, "wrong",
                                              '[parameters]\nlog = "default"\n')
            self.assertEqual(code, 1, said)
            self.assertIn("publishedSize", said)
            self.assertEqual(server.stop(), 0)
        done = serving.run("verify", "--data", server.data)
        self.assertIn("OK", done.stdout)


if __name__ == "__main__":
    OpenApi.bin = tools()
    if OpenApi.bin is None:
        sys.exit(SKIP)
    unittest.main()
