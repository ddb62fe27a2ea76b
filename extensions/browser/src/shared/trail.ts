/** A pointer's way, without the points that a straight line already tells. */

export interface Point {
  t: number;
  x: number;
  y: number;
}

/** Keeps the points that lie more than `tolerance` pixels off the line between those kept (Douglas and Peucker). */
export function simplify(points: readonly Point[], tolerance: number): Point[] {
  if (points.length <= 2) return [...points];
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const open: [number, number][] = [[0, points.length - 1]];
  for (let span = open.pop(); span !== undefined; span = open.pop()) {
    const [from, to] = span;
    const [at, off] = farthest(points, from, to);
    if (off <= tolerance) continue;
    keep[at] = 1;
    open.push([from, at], [at, to]);
  }
  return points.filter((_, at) => keep[at] === 1);
}

function farthest(points: readonly Point[], from: number, to: number): [number, number] {
  const one = points[from];
  const two = points[to];
  let best: [number, number] = [from, -1];
  if (one === undefined || two === undefined) return best;
  const width = two.x - one.x;
  const height = two.y - one.y;
  const length = Math.hypot(width, height);
  for (let at = from + 1; at < to; at += 1) {
    const point = points[at];
    if (point === undefined) continue;
    const [x, y] = [point.x - one.x, point.y - one.y];
    const off = length === 0 ? Math.hypot(x, y) : Math.abs(x * height - y * width) / length;
    if (off > best[1]) best = [at, off];
  }
  return best;
}

/** Writes a trail as the wire has it: milliseconds since the point before, x, y. */
export function asSteps(points: readonly Point[]): [number, number, number][] {
  return points.map((point, at) => [
    Math.max(0, Math.round(point.t - (points[at - 1]?.t ?? point.t))),
    Math.round(point.x),
    Math.round(point.y),
  ]);
}
