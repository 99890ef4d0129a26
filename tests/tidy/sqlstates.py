#!/usr/bin/env python3
"""sqlstates.py errcodes.txt: writes driver/include/lido/driver/sqlstate.hpp's list of names, from the server's own table (PostgreSQL's
src/backend/utils/errcodes.txt, as Debian's postgresql-NN ships it)."""
import re
import sys
from collections import Counter


def rows(path):
    for line in open(path, encoding="utf-8"):
        match = re.match(r"^([0-9A-Z]{5})\s+([EWS])\s+(ERRCODE_\w+)(?:\s+(\w+))?\s*$", line)
        if match:
            yield match.groups()


def main():
    table = list(rows(sys.argv[1]))
    spelt = Counter(name for _, _, _, name in table if name)
    seen = set()
    for code, _, macro, name in table:
        if code == "00000" or code in seen:
            continue
        # The standard has the same words in several classes; there the server's macro tells them apart.
        word = name if name and spelt[name] == 1 else macro.removeprefix("ERRCODE_").lower()
        seen.add(code)
        print(f'  {word} = detail::sqlstate_value("{code}"),')


main()
