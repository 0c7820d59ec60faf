"""Makes a picture of a page for the documents: `python -m tests.pictures PAGE OUT.png --width 390 --theme dark`.

PAGE is the file of a comparison, such as runs/studies/methods/report.html, or the address of a tracker's page that is
served here. Chromium is needed.
"""

import argparse
import base64
import io
import json
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.fakes.browser import CHROMIUM, Browser

_COLOURS = 256  # a page has few, and a picture of so many is a third as large

_CHOOSE = """
let chosen = 0;
for (const list of document.querySelectorAll("select"))
  for (const option of list.options)
    if (option.text === %s) {
      list.value = option.value;
      list.dispatchEvent(new Event("change", { bubbles: true }));
      chosen += 1;
    }
chosen
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page")
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1400)
    parser.add_argument("--height", type=int, default=2400)
    parser.add_argument("--scale", type=float, default=0.8)
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--seconds", type=float, default=2.0, help="that the page may take to draw")
    parser.add_argument(
        "--choose", default="", help="an option, chosen wherever the page offers it"
    )
    given = parser.parse_args()
    if CHROMIUM is None:
        parser.error("Chromium is not on PATH; install it")
    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as browser:
        if given.page.startswith(("http://", "https://")):
            browser.send("Page.navigate", url=given.page)
        else:
            browser.open(Path(given.page).resolve(), given.width, given.height, given.theme)
        time.sleep(given.seconds)
        if given.choose:
            if not browser.run(_CHOOSE % json.dumps(given.choose)):
                parser.error(f"--choose {given.choose}: the page offers no such option")
            time.sleep(given.seconds)
        clip = {"x": 0, "y": 0, "width": given.width, "height": given.height, "scale": given.scale}
        shot = browser.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(given.out, optimize=True)


if __name__ == "__main__":
    main()
