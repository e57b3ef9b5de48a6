"""The picture: for each case a bar for each server, as long as its CPU time a request beside the reference's; memory below it."""
from html import escape

from speed import median

COLOURS = {"ours": "#2563eb", "reference": "#94a3b8", "floor": "#f59e0b"}
WIDTH, LEFT, RIGHT = 1000, 400, 90
BAR, GAP, HEAD = 10, 8, 46
FONT = 'font-family="system-ui, sans-serif"'


def text(x, y, words, size=12, anchor="start", weight="normal", fill="#111827"):
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style} {FONT}>{escape(words)}</text>'


def bar(y, length, colour, words):
    label = text(LEFT + length + 5, y + BAR - 1, words, 10, fill="#374151")
    return f'<rect x="{LEFT}" y="{y:.1f}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>{label}'


def legend(labels, y):
    parts, x = [], LEFT
    for role, label in labels:
        parts.append(f'<rect x="{x}" y="{y - 10}" width="11" height="11" fill="{COLOURS[role]}"/>')
        parts.append(text(x + 16, y, label))
        x += 40 + 7.5 * len(label)
    return parts


def panel(y, title, rows, digits):
    """Rows of a name and pairs of role and value; the longest bar of a row is the reference's, or the longest one there is."""
    parts = [text(20, y + 18, title, 15, weight="bold")]
    y += HEAD - 10
    top, longest = y, 1.0
    scaled = []
    for name, values in rows:
        values = [(role, value) for role, value in values if value is not None]
        whole = dict(values).get("reference") or max(value for _, value in values) or 1
        scaled.append((name, [(role, value, value / whole) for role, value in values]))
        longest = max([longest, *(share for _, _, share in scaled[-1][1])])
    unit = (WIDTH - LEFT - RIGHT) / longest
    for name, values in scaled:
        parts.append(text(LEFT - 10, y + BAR * len(values) / 2 + 4, name, 11, "end"))
        for role, value, share in values:
            parts.append(bar(y, share * unit, COLOURS[role], f"{value:.{digits}f}"))
            y += BAR
        y += GAP
    line = f'<line x1="{LEFT + unit:.1f}" x2="{LEFT + unit:.1f}" y1="{top - 4}" y2="{y}" stroke="#475569" stroke-dasharray="3 3"/>'
    return [*parts, line], y + 14


def speed_rows(report):
    roles = ["ours", "reference"][: len(report.labels)]
    for case in report.cases:
        *servers, floor = case["samples"]
        values = [(role, median(column, "cpu")) for role, column in zip(roles, servers)]
        yield case["name"], [*values, ("floor", median(floor, "cpu"))]


def memory_rows(report):
    roles = ["ours", "reference"][: len(report.labels)]
    for section, name, values, _ in report.lines:
        if section in ("memory", "idle") and name.endswith("used_memory"):
            name = name.removeprefix("bytes ").removesuffix(", used_memory")
            yield name, list(zip(roles, values))


def draw(report):
    """The whole picture."""
    labels = [("ours", report.labels[0])]
    if report.has_reference:
        labels.append(("reference", report.labels[1]))
    labels.append(("floor", "floor: the same loop, nothing parsed"))
    parts, y = legend(labels, 26), 40
    beside = f"; bars beside {report.labels[1]}'s" if report.has_reference else ""
    panels = [
        (f"Server CPU time a request, us{beside}", list(speed_rows(report)), 2),
        (f"Bytes by used_memory{beside}", list(memory_rows(report)), 1),
    ]
    for title, rows, digits in panels:
        if rows:
            drawn, y = panel(y, title, rows, digits)
            parts += drawn
    y += 6
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" height="{y:.0f}">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y:.0f}" fill="#ffffff"/>', *parts, "</svg>"]) + "\n"
