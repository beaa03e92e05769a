"""Puts the logs of nano's stages together: a table of means, and their curve as a picture.

    python scripts/nano_log.py STAGE/log.jsonl... [--every 50] [-o crates/nano/recipe]

Each log is one stage's, in their order. Writes log.tsv (stage, step, loss of answers and of words, rate, pictures and
hours since the first, all of them means or ends of `--every` steps) and losses.svg.
"""

import argparse
import json
from pathlib import Path

WIDTH, HEIGHT, EDGE = 900, 320, 44
COLOURS = ["#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("-o", "--output", type=Path, default=Path("crates/nano/recipe"))
    return parser.parse_args()


def steps(log):
    """A stage's steps; of one that was done twice, after a run was killed, the last."""
    lines = map(json.loads, log.read_text().splitlines())
    return list({line["step"]: line for line in lines if line["kind"] == "step"}.values())


def mean(part, key):
    return sum(step.get(key) or 0 for step in part) / len(part)


def rows(logs, every):
    pictures = seconds = 0
    for log in logs:
        done = steps(log)
        for at in range(0, len(done), every):
            part = done[at : at + every]
            pictures += sum(step["pictures"] for step in part)
            seconds += sum(step["seconds"] for step in part)
            yield (log.parent.name, part[-1]["step"], mean(part, "loss"), mean(part, "words"), mean(part, "lr"),
                   pictures, seconds / 3600)


def curve(table):
    """Losses over pictures, a line for each stage."""
    most, high = table[-1][5], 2.5
    x = lambda pictures: EDGE + (WIDTH - 2 * EDGE) * pictures / most
    y = lambda loss: HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * min(loss, high) / high
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for loss in (0, 0.5, 1, 1.5, 2, 2.5):
        parts.append(f'<path d="M{EDGE} {y(loss):.1f}H{WIDTH - EDGE}" stroke="#ddd"/>'
                     f'<text x="{EDGE - 6}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:g}</text>')
    for nth, stage in enumerate(dict.fromkeys(row[0] for row in table)):
        points = [(x(row[5]), y(row[2])) for row in table if row[0] == stage]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        colour = COLOURS[nth % len(COLOURS)]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
                     f'<text x="{points[0][0]:.1f}" y="{EDGE - 14 + 13 * (nth % 2)}" fill="{colour}">{stage}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">loss of answers by pictures seen, '
                 f'{most:,} in all; a line for each stage</text></svg>')
    return "\n".join(parts) + "\n"


def main():
    args = arguments()
    table = list(rows(args.logs, args.every))
    lines = ["stage\tstep\tloss\twords\trate\tpictures\thours"]
    lines += [f"{s}\t{n}\t{loss:.4f}\t{words:.4f}\t{lr:.2e}\t{pictures}\t{hours:.3f}"
              for s, n, loss, words, lr, pictures, hours in table]
    (args.output / "log.tsv").write_text("\n".join(lines) + "\n")
    (args.output / "losses.svg").write_text(curve(table))


if __name__ == "__main__":
    main()
