// @ts-check
// The points of the map as they come from the server (app/embeddings/map_points.py), and which lies nearest to a place.

/**
 * @typedef {object} Points
 * @property {number} count
 * @property {number} layout
 * @property {string[]} states
 * @property {string[]} origins
 * @property {Record<string, string>} classes
 * @property {Float64Array} id
 * @property {Float64Array} cls class, 0 for none
 * @property {Float32Array} x
 * @property {Float32Array} y
 * @property {Uint8Array} state
 * @property {Uint8Array} origin
 */

/** @param {string} address */
async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  let at = 4 + length;
  /** @param {any} kind */
  const take = (kind) => {
    const made = new kind(bytes, at, head.count);
    at += made.byteLength;
    return made;
  };
  return { head, take };
}

/** @param {string} address @returns {Promise<Points>} */
export async function fetchPoints(address) {
  const { head, take } = await fetched(address);
  const [id, cls, x, y] = [take(Float64Array), take(Float64Array), take(Float32Array), take(Float32Array)];
  return { ...head, id, cls, x, y, state: take(Uint8Array), origin: take(Uint8Array) };
}

/** @param {string} address @returns {Promise<Map<number, number>>} */
export async function fetchConfidences(address) {
  const { head, take } = await fetched(address);
  const [id, confidence] = [take(Float64Array), take(Float32Array)];
  const found = new Map();
  for (let i = 0; i < head.count; i += 1) found.set(id[i], confidence[i]);
  return found;
}

const CELLS = 128;

/** Finds the point nearest to a place by a grid over the map. */
export class Nearby {
  /** @param {Points} points */
  constructor(points) {
    this.points = points;
    /** @type {Map<number, number[]>} */
    this.cells = new Map();
    for (let i = 0; i < points.count; i += 1) {
      const key = this.key(points.x[i], points.y[i]);
      const cell = this.cells.get(key);
      if (cell) cell.push(i);
      else this.cells.set(key, [i]);
    }
  }

  /** @param {number} x @param {number} y */
  key(x, y) {
    const [column, row] = [x, y].map((value) => Math.min(CELLS - 1, Math.max(0, Math.floor(value * CELLS))));
    return row * CELLS + column;
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} within
   * @returns {number} the point's index, -1 if none is within that distance
   */
  find(x, y, within) {
    let [best, nearest] = [-1, within * within];
    const reach = Math.min(6, Math.ceil(within * CELLS));
    for (let row = -reach; row <= reach; row += 1) {
      for (let column = -reach; column <= reach; column += 1) {
        const cell = this.cells.get(this.key(x, y) + row * CELLS + column) ?? [];
        for (const i of cell) {
          const distance = (this.points.x[i] - x) ** 2 + (this.points.y[i] - y) ** 2;
          if (distance < nearest) [best, nearest] = [i, distance];
        }
      }
    }
    return best;
  }
}
