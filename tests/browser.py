"""A page as headless Chromium shows it, measured by a script of ours in a page around it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 600

# The page lies in a frame of the width that is asked for (Chromium's own windows are 500 pixels wide or more).
# Text is compared with the nearest ground behind it, as WCAG 2.2 has it: 4.5 to 1, for large text 3 to 1.
INSPECTOR = """
const number = text => text.match(/[\\d.]+/g).map(Number);
const light = rgb => {
  const [r, g, b] = rgb.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
};
const over = (top, alpha, below) => top.map((v, i) => v * alpha + below[i] * (1 - alpha));
function inspect(view) {
  const page = view.document, root = page.documentElement;
  const dark = view.matchMedia('(prefers-color-scheme: dark)').matches;
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, a = 1] = number(view.getComputedStyle(e).backgroundColor);
      if (a > 0) return over([r, g, b], a, a < 1 && e.parentElement ? ground(e.parentElement) : [0, 0, 0]);
    }
    return dark ? [18, 18, 18] : [255, 255, 255];
  };
  for (const details of page.querySelectorAll('details')) details.open = true;
  const texts = [], walker = page.createTreeWalker(page.body, 4);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    const box = element.getBoundingClientRect();
    if (!text || element.closest('style, script, .none') || !box.width || !box.height) continue;
    const style = view.getComputedStyle(element), svg = element.closest('svg'), behind = ground(element);
    const [r, g, b, a = 1] = number(svg ? style.fill : style.color);
    let clear = a;
    for (let e = element; e; e = e.parentElement) clear *= Number(view.getComputedStyle(e).opacity);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = contrast(over([r, g, b], clear, behind), behind);
    texts.push({text: text.slice(0, 40), ratio, need: large ? 3 : 4.5});
  }
  const images = [...page.images].map(
    i => ({alt: i.alt, width: i.naturalWidth, shown: i.getBoundingClientRect().width}));
  const tables = [...page.querySelectorAll('table')].map(t => [...t.querySelectorAll('tbody tr')].map(
    r => [...r.querySelectorAll('th, td')].reduce((count, cell) => count + cell.colSpan, 0)));
  const charts = [...page.querySelectorAll('svg[role=img]')].map(s => s.getBoundingClientRect().width);
  return {dark, width: view.innerWidth, scroll: root.scrollWidth, texts, images, charts, tables};
}
addEventListener('load', () => {
  document.getElementById('measured').textContent = JSON.stringify(Array.from(frames, view => inspect(view)));
});
"""


@dataclass(frozen=True)
class View:
    """A page ``width`` pixels wide; one that is not ``alone`` finds the files beside it."""

    page: Path
    width: int
    alone: bool = True

    def frame(self) -> str:
        text = self.page.read_text(encoding="utf-8") if self.alone else ""
        source = f'srcdoc="{html.escape(text)}"' if self.alone else f'src="{self.page.as_uri()}"'
        return f'<iframe style="width:{self.width}px;height:900px;border:0" {source}></iframe>'


@dataclass(frozen=True)
class Seen:
    """What one view shows.

    ``texts`` with their contrast, ``images``, the widths of ``charts``, ``tables`` as the columns that each row
    fills. ``console``: of all views that were opened together.
    """

    dark: bool
    width: int
    scroll: int
    texts: list[dict[str, Any]]
    images: list[dict[str, Any]]
    charts: list[float]
    tables: list[list[int]]
    console: list[str]


def look(views: Sequence[View], dark: bool, folder: Path) -> list[Seen]:
    """Open pages in one browser, by day or by night; ``folder`` receives what the browser leaves behind."""
    around = folder / "around.html"
    around.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f"{''.join(view.frame() for view in views)}"
        f'<pre id="measured"></pre><script>{INSPECTOR}</script>',
        encoding="utf-8",
    )
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--enable-logging=stderr", f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    command += [] if all(view.alone for view in views) else ["--allow-file-access-from-files"]
    done = subprocess.run(
        [*command, "--window-size=1400,1000", "--dump-dom", around.as_uri()],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    measured = re.search(r'<pre id="measured">(.+?)</pre>', done.stdout, re.DOTALL)
    assert measured, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    every = json.loads(html.unescape(measured[1]))
    assert len(every) == len(views)
    return [Seen(**one, console=console) for one in every]
