"""The static read tree as `graven serve --http` serves it: read back and recomputed from HTTP alone."""
import gzip
import http.client
import json
import os
import shutil
import time
import unittest
import urllib.parse

import oracle
import serving
from tiles import append, recompute, tile_path

# The long form fills a log that reaches the third level of tiles.
LONG = os.environ.get("GRAVEN_LONG") == "1"


class Reader:
    """Keeps one connection; every answer must be whole."""

    def __init__(self, url, path):
        self.where = urllib.parse.urlsplit(url)
        self.path = path
        self.connection = http.client.HTTPConnection(self.where.netloc, timeout=60)

    def answer(self, path, method="GET", **headers):
        self.connection.request(method, f"{self.where.path}{self.path}{path}",
                                headers={key.replace("_", "-"): value for key, value in headers.items()})
        response = self.connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()

    def __call__(self, path):
        status, _, body = self.answer(path)
        assert status == 200, (path, status, body)
        return body


class HttpTiles(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("http-tiles")

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_published(self, read, size):
        end = time.monotonic() + 60
        while oracle.parse_checkpoint(read("checkpoint").decode())[1] < size:
            self.assertLess(time.monotonic(), end, "not published")

    def test_trees_of_every_shape_are_recomputed_from_http_alone(self):
        sizes = [0, 1, 255, 256, 257, 65_535, 65_536, 65_537] + ([1_000_003] if LONG else [])
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            read = Reader(server.ready["http"][0], "/logs/default/")
            before = 0
            for size in sizes:
                if size > before:
                    append(server.address, size - before, f"to-{size}")
                self.wait_published(read, size)
                note = read("checkpoint").decode()
                oracle.verify_note(note, server.ready["logs"]["default"]["vkey"])
                found, entries = recompute(read)
                self.assertEqual(found, size)
                if entries:
                    self.assertIn(f"to-{size}-{size - before - 1}".encode(), entries[-1])
                self.check_nothing_beyond(read, size)
                before = size
            self.assertEqual(server.stop(), 0)
        # From segments and what recovery found, too.
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            read = Reader(server.ready["http"][0], "/logs/default/")
            self.assertEqual(recompute(read)[0], sizes[-1])

    def check_nothing_beyond(self, read, size):
        paths = [tile_path("entries", size // 256, size % 256 + 1) if size % 256 < 255
                 else tile_path("entries", size // 256, 256)]
        for level in range(5):
            count = size >> 8 * level
            width = count % 256 + 1
            paths.append(tile_path(level, count // 256, width))
        paths += [tile_path(0, size // 256 + 1, 256), "tile/8/000", "tile/63/000.p/1"]
        for path in paths:
            self.assertEqual(read.answer(path)[0], 404, (size, path))

    def test_partial_tiles_stay_when_the_full_one_is_there(self):
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            append(server.address, 256, "e")
            read = Reader(server.ready["http"][0], "/logs/default/")
            self.wait_published(read, 256)
            full, bundle = read("tile/0/000"), read("tile/entries/000")
            for width in (1, 2, 100, 255):
                self.assertEqual(read(f"tile/0/000.p/{width}"), full[:32 * width])
                part = read(f"tile/entries/000.p/{width}")
                self.assertEqual(part, bundle[:len(part)])

    def test_only_canonical_paths_of_logs_that_are_there_are_served(self):
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            append(server.address, 300, "e")
            read = Reader(server.ready["http"][0], "/logs/default/")
            self.wait_published(read, 300)
            for path in ("tile/0/0", "tile/0/0000", "tile/0/x000/000", "tile/00/000", "tile/0/000/",
                         "tile/0/001.p/0", "tile/0/001.p/01", "tile/0/001.p/256", "tile/0/000.p/256",
                         "tile/0/001.p/+1", "tile/0/001.p", "tile/0/001.p/44/", "tile/64/000", "tile/-1/000",
                         "tile/data/000", "tile/entries/001", "tile/entries/000.P/1", "tile/0/999999999999999999",
                         "tile/0/x999/x999/x999/x999/x999/x999/x999/999", "tile/", "tile", "checkpoint/", "",
                         "../default/checkpoint", "%2e%2e/default/checkpoint", "tile/0/%30%30%30"):
                status, _, body = read.answer(path)
                self.assertIn(status, (400, 404), path)
                self.assertIn("reason", json.loads(body), path)
            for log in ("nothere", "Default", "default%00", "..", "", "default%2Fcheckpoint"):
                other = Reader(server.ready["http"][0], f"/logs/{log}/")
                self.assertIn(other.answer("checkpoint")[0], (400, 404), log)

    def test_caching_types_and_codings(self):
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            append(server.address, 300, "e")
            read = Reader(server.ready["http"][0], "/logs/default/")
            self.wait_published(read, 300)
            immutable = "public, max-age=31536000, immutable"
            for path, content, cache in (
                    ("checkpoint", "text/plain; charset=utf-8", "no-cache"),
                    ("tile/0/000", "application/octet-stream", immutable),
                    ("tile/0/001.p/44", "application/octet-stream", "no-cache"),
                    ("tile/0/000.p/7", "application/octet-stream", "no-cache"),
                    ("tile/entries/000", "application/octet-stream", immutable),
                    ("tile/entries/001.p/44", "application/octet-stream", "no-cache")):
                status, headers, body = read.answer(path)
                self.assertEqual((status, headers["Content-Type"], headers["Cache-Control"]),
                                 (200, content, cache), path)
                self.assertNotIn("Content-Encoding", headers)
                # HEAD says the same and sends nothing.
                head = read.answer(path, method="HEAD")
                self.assertEqual((head[0], head[1]["Content-Length"], head[1]["ETag"], head[2]),
                                 (200, str(len(body)), headers["ETag"], b""))
                # What is known is not sent again.
                known = read.answer(path, If_None_Match=headers["ETag"])
                self.assertEqual((known[0], known[2]), (304, b""))
                packed = read.answer(path, Accept_Encoding="gzip")
                if "entries" in path:
                    self.assertEqual(packed[1]["Content-Encoding"], "gzip")
                    self.assertEqual(gzip.decompress(packed[2]), body)
                    self.assertNotEqual(packed[1]["ETag"], headers["ETag"])
                    self.assertLess(len(packed[2]), len(body) // 2)
                else:
                    self.assertNotIn("Content-Encoding", packed[1])
            status, headers, _ = read.answer("checkpoint", method="DELETE")
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))
            # An error is nobody's to keep.
            status, headers, _ = read.answer("tile/0/009")
            self.assertEqual((status, headers["Cache-Control"]), (404, "no-store"))

    def test_what_is_read_while_the_log_grows_fits_its_checkpoint(self):
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            read = Reader(server.ready["http"][0], "/logs/default/")
            done = 0
            while done < 3000:
                append(server.address, 500, f"b{done}")
                done += 500
                size, _ = recompute(read)
                self.assertLessEqual(size, done)
            self.wait_published(read, done)
            self.assertEqual(recompute(read)[0], done)

    def test_many_logs_and_a_prefix(self):
        config = self.folder / "graven.toml"
        config.write_text('[http]\nlisten = ["127.0.0.1:0"]\npath_prefix = "/audit/v1"\n')
        with serving.Server(self.folder, "--config", config) as server:
            url = server.ready["http"][0]
            self.assertTrue(url.endswith("/audit/v1"), url)
            serving.run("logs", "create", "invoices", "--origin", "example.org/audit/invoices", "--server",
                        server.address)
            read = Reader(url, "/logs/invoices/")
            self.assertEqual(recompute(read)[0], 0)
            self.assertEqual(oracle.parse_checkpoint(read("checkpoint").decode())[0],
                             "example.org/audit/invoices")
            bare = Reader(url.removesuffix("/audit/v1"), "/logs/invoices/")
            self.assertEqual(bare.answer("checkpoint", X_Forwarded_Prefix="/audit/v1")[0], 404)

    def test_health_and_readiness(self):
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            read = Reader(server.ready["http"][0], "/")
            self.assertEqual(read("healthz"), b"ok\n")
            self.assertEqual(read("readyz"), b"ok\n")
            self.assertIn(b"<title>Graven</title>", read(""))
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            append(server.address, 10, "e")
            self.assertEqual(server.stop(), 0)
        # Damage makes the log read-only: alive, and not ready.
        file = next(file for file in sorted((server.data / "journal").iterdir())
                    if b"alice" in file.read_bytes())
        raw = bytearray(file.read_bytes())
        raw[raw.index(b"alice")] ^= 1
        file.write_bytes(raw)
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            read = Reader(server.ready["http"][0], "/")
            self.assertEqual(read("healthz"), b"ok\n")
            self.assertEqual(read.answer("readyz")[0], 503)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
