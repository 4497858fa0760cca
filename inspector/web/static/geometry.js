// Polygons over a picture: corners are [x, y] in its pixels. What can be a region is said by the server; this says it
// while somebody draws, by the same rules.

/** Twice the area that the corners go around, above 0 clockwise. */
function around(corners) {
  return corners.reduce((sum, [x, y], at) => {
    const [nextX, nextY] = corners[(at + 1) % corners.length];
    return sum + x * nextY - y * nextX;
  }, 0);
}

function turn([ax, ay], [bx, by]) {
  return ax * by - ay * bx;
}

function from([ax, ay], [bx, by]) {
  return [bx - ax, by - ay];
}

/** Whether the line through an edge separates the ends of another one, or touches one. */
function straddles([start, end], [first, second]) {
  const along = from(start, end);
  return turn(along, from(start, first)) * turn(along, from(start, second)) <= 0;
}

function near([a, b], [c, d]) {
  return [0, 1].every((axis) => Math.min(a[axis], b[axis]) <= Math.max(c[axis], d[axis]) && Math.min(c[axis], d[axis]) <= Math.max(a[axis], b[axis]));
}

/** Two edges that meet and are no neighbours, each as [start, end]; null: the polygon does not cross itself. */
function crossing(corners) {
  const edges = corners.map((start, at) => [start, corners[(at + 1) % corners.length]]).filter(([a, b]) => a[0] !== b[0] || a[1] !== b[1]);
  for (let i = 0; i < edges.length; i++) {
    for (let j = i + 2; j < edges.length && j - i < edges.length - 1; j++) {
      if (near(edges[i], edges[j]) && straddles(edges[i], edges[j]) && straddles(edges[j], edges[i])) return [edges[i], edges[j]];
    }
  }
  return null;
}

/** What is wrong with a polygon, in words; null: nothing. */
export function wrong(corners) {
  const met = crossing(corners);
  if (met) return `its edges from (${met[0][0].join(", ")}) and from (${met[1][0].join(", ")}) cross`;
  return Math.abs(around(corners)) < 2 ? "it has no area: its corners lie on one line" : null;
}

/** Whether a place lies inside a polygon. */
export function within([x, y], corners) {
  let inside = false;
  for (let at = 0, before = corners.length - 1; at < corners.length; before = at++) {
    const [ax, ay] = corners[at];
    const [bx, by] = corners[before];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

export function distance([ax, ay], [bx, by]) {
  return Math.hypot(ax - bx, ay - by);
}

/** Number of the nearest of some places that is at most `reach` away; -1: there is none. */
export function nearest(place, places, reach) {
  let found = -1;
  let least = reach;
  for (const [at, one] of places.entries()) {
    if (one && distance(place, one) <= least) {
      found = at;
      least = distance(place, one);
    }
  }
  return found;
}

/** The middle of each edge that is at least so long; null for a shorter one. */
export function middles(corners, shortest) {
  return corners.map((start, at) => {
    const end = corners[(at + 1) % corners.length];
    return distance(start, end) < shortest ? null : [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2];
  });
}

/** On a whole pixel of a picture of this size. */
export function clamped([x, y], [width, height]) {
  return [Math.min(width, Math.max(0, Math.round(x))), Math.min(height, Math.max(0, Math.round(y)))];
}

/** All corners moved alike, as far as the picture reaches. */
export function moved(corners, [byX, byY], [width, height]) {
  const across = corners.map(([x]) => x);
  const down = corners.map(([, y]) => y);
  const x = Math.min(width - Math.max(...across), Math.max(-Math.min(...across), Math.round(byX)));
  const y = Math.min(height - Math.max(...down), Math.max(-Math.min(...down), Math.round(byY)));
  return corners.map(([ax, ay]) => [ax + x, ay + y]);
}

/** The corners of the rectangle between two places. */
export function rectangle([ax, ay], [bx, by]) {
  return [[ax, ay], [bx, ay], [bx, by], [ax, by]];
}
