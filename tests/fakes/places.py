"""Where tests find the checkout, its configuration, the golden files, and real data beside the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
GOLDEN = ROOT / "tests" / "golden"
SHARED_DATA = ROOT.parent / "shared" / "data"
"""Real data sets; tests that need them skip, with a reason, where they are absent."""
