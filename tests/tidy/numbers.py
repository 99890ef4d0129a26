#!/usr/bin/env python3
"""numbers.py ROOT [--strict]: which numbers of the catalogues behind docs/reliability.md have no test whose name starts with them.

C: attacks on clients, B: hostile bytes, S: secrets and policy. A number counts as proven by a test, or a parameter of one, with the number among
those that begin its name (B4_B5_...), and by a row of docs/reliability.md that names tests of another number; house_rules.py checks that those exist. With
--strict it exits 1 when there are any.
"""
import re
import sys
from pathlib import Path

# A number that is not here is not in use.
CATALOGUE = {
    "B": [*range(1, 12), *range(13, 35), *range(36, 49), *range(50, 66), *range(67, 89), *range(90, 95), *range(96, 104)],
    "C": list(range(1, 46)),
    "S": list(range(1, 19)),
}
# What there is nothing to test of, each with a reason in docs/reliability.md.
BY_CONSTRUCTION = {"C4", "C7", "C15", "C27", "C29", "C30", "S16"}
NAME = re.compile(r"""(?:TEST(?:_F|_P)?\s*\(\s*(?P<suite>\w+)\s*,\s*|["'{]\s*"?)(?P<name>(?:[A-Z]\d+_)+\w+)|TEST(?:_F|_P)?\s*\(\s*(?P<front>(?:[A-Z]\d+_)+\w+)""")


def numbers_of(name):
    return re.match(r"(?:[A-Z]\d+_)+", name).group(0).strip("_").split("_")


def proven(root):
    found = set(BY_CONSTRUCTION)
    for path in (root / "tests").rglob("*.cpp"):
        for match in NAME.finditer(path.read_text()):
            found.update(numbers_of(match.group("name") or match.group("front")))
    page = root / "docs/reliability.md"
    for line in page.read_text().splitlines() if page.exists() else []:
        row = re.match(r"^\| ((?:[BCS]\d+(?:, )?)+) \|.*`[^`]+` \|$", line)
        if row:
            found.update(row.group(1).split(", "))
    return found


def main():
    root = Path(sys.argv[1]).resolve()
    found = proven(root)
    missing = 0
    for letter, numbers in CATALOGUE.items():
        without = [f"{letter}{n}" for n in numbers if f"{letter}{n}" not in found]
        missing += len(without)
        print(f"{letter}: {len(numbers) - len(without)} of {len(numbers)} have a test" + ("; without: " + ", ".join(without) if without else ""))
    return 1 if missing and "--strict" in sys.argv[2:] else 0


if __name__ == "__main__":
    sys.exit(main())
