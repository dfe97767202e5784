"""Reads a test runner's log and prints `PASSED FAILED`: cargo test, Vitest and pytest all end with a summary line."""

import re
import sys

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# Each runner's summary line, and how its two counts are written there. cargo prints one such line per test binary.
CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed;")
VITEST = re.compile(r"^\s*Tests\s+(?=\d+ )(.*)$")
PYTEST = re.compile(r"^=*\s*((?:\d+ \w+,? ?)+) in [\d.]+s")


def count(log: str) -> tuple[int, int]:
    passed = failed = 0
    for line in ANSI.sub("", log).splitlines():
        if found := CARGO.match(line):
            passed += int(found[1])
            failed += int(found[2])
        elif found := VITEST.match(line) or PYTEST.match(line):
            passed += amount(found[1], "passed")
            failed += amount(found[1], "failed") + amount(found[1], "errors?")
    return passed, failed


def amount(summary: str, word: str) -> int:
    return sum(int(number) for number in re.findall(rf"(\d+) {word}\b", summary))


def check(log: str, expected: tuple[int, int]) -> None:
    assert count(log) == expected, f"{log!r} gives {count(log)}, not {expected}"


def self_test() -> None:
    check("", (0, 0))
    check("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s", (3, 0))
    check("test result: ok. 2 passed; 0 failed; 0 ignored\ntest result: FAILED. 3 passed; 1 failed; 0 ignored", (5, 1))
    check(" Test Files  1 passed (1)\n\x1b[2m      Tests \x1b[22m \x1b[31m2 failed\x1b[39m | 10 passed (12)", (10, 2))
    check(" Test Files  2 passed (2)\n      Tests  7 passed (7)", (7, 0))
    check("======= 1 failed, 12 passed, 2 warnings in 3.45s =======", (12, 1))
    check("============ 12 passed in 63.45s (0:01:03) ============", (12, 0))
    check("12 passed, 1 error in 0.45s", (12, 1))


if __name__ == "__main__":
    self_test()
    print(*count(sys.stdin.read()))
