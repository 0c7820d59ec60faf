"""Writes the settings reference from the schema and conf/: `python -m hybrid_rl.tools.reference DOCS` (`make docs`)."""

import argparse
from pathlib import Path

from hybrid_rl.tools.reference.page import pages


def main() -> None:
    """Writes DOCS/settings.md, and the tables of settings in the pages of methods."""
    parser = argparse.ArgumentParser(prog="hybrid_rl.tools.reference", description=main.__doc__)
    parser.add_argument("docs", type=Path, help="the folder of the documents")
    for path, text in pages(parser.parse_args().docs).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
