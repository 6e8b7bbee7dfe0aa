#!/usr/bin/env python3
"""Counts the tests of a run: tools/tally.py RESULTS-FOLDER

The folder holds ctest.xml (JUnit) and one XML file of each GoogleTest program. A program's own cases
count instead of its one ctest entry. The last line is `N passed, N failed, N skipped`.
"""

import pathlib
import sys
import xml.etree.ElementTree as ET


def cases(path):
    """(failed, skipped) for each test case of a JUnit or GoogleTest file."""
    for case in ET.parse(path).getroot().iter("testcase"):
        failed = case.find("failure") is not None or case.get("status") == "fail"
        skipped = case.find("skipped") is not None or case.get("result") == "skipped" \
            or case.get("status") in ("notrun", "disabled")
        yield case, failed, skipped


def main():
    folder = pathlib.Path(sys.argv[1])
    passed = failed = skipped = 0
    reasons = []

    def count(case, is_failed, is_skipped):
        nonlocal passed, failed, skipped
        failed += is_failed
        skipped += is_skipped and not is_failed
        passed += not is_failed and not is_skipped
        if is_failed:
            reasons.append(f"failed: {case.get('classname')}.{case.get('name')}")

    for entry, is_failed, is_skipped in cases(folder / "ctest.xml"):
        program = folder / f"{entry.get('name')}_test.xml"
        inner = []
        if program.exists():
            try:
                inner = list(cases(program))
            except ET.ParseError:
                pass  # the program died while it wrote: its ctest entry says so
        if inner and any(case_failed for _, case_failed, _ in inner) == is_failed:
            for case in inner:
                count(*case)
        else:
            count(entry, is_failed, is_skipped)
    for line in reasons:
        print(line)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")


if __name__ == "__main__":
    main()
