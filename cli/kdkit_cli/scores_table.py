"""The table at the end of a run."""

from __future__ import annotations

from typing import Any

from rich.table import Table


def scores_table(scores: dict[str, Any], models: dict[str, Any], item: str) -> Table:
    """Metrics down, models across: value and half the width of its 95 % interval; then size and speed."""
    table = Table(title_justify="left", padding=(0, 1))
    table.add_column("")
    for model in scores:
        table.add_column(model if model != "control" else "control (noise)", justify="right")
    for metric in next(iter(scores.values())):
        unit = next(iter(scores.values()))[metric]["unit"]
        cells = (score_text(by_name[metric]) for by_name in scores.values())
        table.add_row(f"{metric} [dim]{unit}[/]".rstrip(), *cells)
    table.add_section()
    rows = {
        "weights": lambda m: compact(m["weights"]) if m["weights"] else "–",
        "size on disk": lambda m: f"{m['bytes'] / 1e6:.1f} MB" if m.get("bytes") else "–",
        f"{item}s a second": lambda m: f"{m['items_per_second']:.0f}" if m["items_per_second"] else "–",
    }
    for label, shown in rows.items():
        table.add_row(label, *(shown(models[model]) if model in models else "" for model in scores))
    return table


def compact(number: int) -> str:
    """195 k, 39.6 M: three significant digits."""
    for size, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{suffix}"
    return str(number)


def score_text(score: dict[str, Any]) -> str:
    """The value and half the width of its interval; a dash where nothing could be measured."""
    value, low, high = score["value"], score["ci_low"], score["ci_high"]
    if value is None:
        return "–"
    digits = 3 if abs(value) < 10 else 1
    interval = f" ±{(high - low) / 2:.{digits}f}" if low is not None else ""
    return f"{value:.{digits}f}{interval}"
