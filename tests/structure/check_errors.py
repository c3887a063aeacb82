#!/usr/bin/env python3
"""Checks that docs/errors.md names exactly the error reasons that the sources use.

usage: check_errors.py REPOSITORY
"""
import pathlib
import re
import sys

REASON = re.compile(r'"([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)"')
# Those of one word look like much else; they count where an error is made.
SHORT_REASON = re.compile(
    r'(?:MakeError\(\s*absl::StatusCode::k\w+,\s*|\breason\s*=\s*)"([A-Z][A-Z0-9]+)"')
# Environment variables look like reasons.
NOT_REASONS = re.compile(r"^LATENT_(?!SPACE_MISMATCH$)")


def main():
    repository = pathlib.Path(sys.argv[1])
    used = set()
    for top in ("core", "server"):
        for path in (repository / top).rglob("*"):
            if path.suffix in (".cc", ".h"):
                text = path.read_text(encoding="utf-8")
                used |= set(REASON.findall(text)) | set(SHORT_REASON.findall(text))
    used = {reason for reason in used if not NOT_REASONS.match(reason)}
    page = (repository / "docs/errors.md").read_text(encoding="utf-8")
    # The first cell of each row.
    cells = "".join(re.findall(r"(?m)^\|([^|]*)\|", page))
    named = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", cells))
    for reason in sorted(used - named):
        print(f"docs/errors.md does not name {reason}")
    for reason in sorted(named - used):
        print(f"docs/errors.md names {reason}, which no source uses")
    return 1 if used != named else 0


if __name__ == "__main__":
    sys.exit(main())
