#!/usr/bin/env python3
"""Checks that docs/errors.md names exactly the error reasons that the sources use.

usage: check_errors.py REPOSITORY
"""
import pathlib
import re
import sys

REASON = re.compile(r'"([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)"')
# Environment variables look like reasons.
NOT_REASONS = re.compile(r"^LATENT_(?!SPACE_MISMATCH$)")


def main():
    repository = pathlib.Path(sys.argv[1])
    used = set()
    for top in ("core", "server"):
        for path in (repository / top).rglob("*"):
            if path.suffix in (".cc", ".h"):
                used |= set(REASON.findall(path.read_text(encoding="utf-8")))
    used = {reason for reason in used if not NOT_REASONS.match(reason)}
    page = (repository / "docs/errors.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)`", page))
    for reason in sorted(used - named):
        print(f"docs/errors.md does not name {reason}")
    for reason in sorted(named - used):
        print(f"docs/errors.md names {reason}, which no source uses")
    return 1 if used != named else 0


if __name__ == "__main__":
    sys.exit(main())
