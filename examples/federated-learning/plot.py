"""Draws the accuracy of each round, and that of training on all data at once, as SVG."""

WIDTH, HEIGHT, MARGIN = 640, 360, 48
GRID = 5  # percent

_HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"
 font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="{WIDTH / 2}" y="24" text-anchor="middle" font-size="15">Accuracy on images that nobody has trained with</text>
<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">round</text>"""


def svg(accuracy, central):
    """The picture. The accuracies are fractions, the first that of round 1."""
    low = int(min(*accuracy, central) * 100) // GRID * GRID

    def x(round):
        return MARGIN + (WIDTH - 2 * MARGIN) * (round - 1) / max(1, len(accuracy) - 1)

    def y(percent):
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (percent - low) / (100 - low)

    lines = [_HEAD]
    for percent in range(low, 101, GRID):
        lines.append(f'<path d="M{MARGIN} {y(percent):.1f}H{WIDTH - MARGIN}" stroke="#ddd"/>')
        lines.append(f'<text x="{MARGIN - 6}" y="{y(percent) + 4:.1f}" text-anchor="end">{percent} %</text>')
    for round in sorted({1, *range(10, len(accuracy), 10), len(accuracy)}):
        lines.append(f'<text x="{x(round):.1f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{round}</text>')
    level = y(central * 100)
    lines.append(f'<path d="M{MARGIN} {level:.1f}H{WIDTH - MARGIN}" stroke="#c33" stroke-dasharray="6 4"/>')
    lines.append(f'<text x="{WIDTH - MARGIN}" y="{level - 6:.1f}" text-anchor="end" fill="#c33">all at once</text>')
    points = " ".join(f"{x(round):.1f},{y(value * 100):.1f}" for round, value in enumerate(accuracy, 1))
    lines.append(f'<polyline points="{points}" fill="none" stroke="#26c" stroke-width="2"/>')
    return "\n".join([*lines, "</svg>", ""])
