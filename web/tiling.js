// The windows of an image for a network, and the kept part of each result; the same geometry as sr_infer/tiling/geometry.py.

const ceilDiv = (a, b) => Math.ceil(a / b);

/** Plan windows along both axes; returns {rows, columns}, each a list of {start, stop, keepStart, keepStop} in LR px. */
export function plan(height, width, tilePx, haloPx, multiple, minSize) {
  return {
    rows: spans(height, tilePx, haloPx, multiple, minSize),
    columns: spans(width, tilePx, haloPx, multiple, minSize),
  };
}

function spans(length, tilePx, haloPx, multiple, minSize) {
  const padded = ceilDiv(Math.max(length, minSize), multiple);
  const halo = ceilDiv(haloPx, multiple);
  const least = ceilDiv(minSize, multiple);
  const tile = Math.max(ceilDiv(tilePx, multiple), least - 2 * halo);
  const inner = padded - 2 * halo;
  if (inner <= tile) return [{ start: 0, stop: padded * multiple, keepStart: 0, keepStop: length }];
  const count = ceilDiv(inner, tile);
  const size = Math.max(ceilDiv(inner, count) + 2 * halo, least);
  const starts = Array.from({ length: count }, (_, i) => Math.floor((i * (padded - size)) / (count - 1)) * multiple);
  const stops = starts.map((start) => start + size * multiple);
  const seams = starts.slice(1).map((start, i) => Math.floor((stops[i] + start) / 2));
  return starts.map((start, i) => ({ start, stop: stops[i], keepStart: seams[i - 1] ?? 0, keepStop: seams[i] ?? length }));
}

const SAMPLE_SHARE = 0.1;
const MIN_PATCH_PX = 64;
const MAX_PATCH_PX = 128;
const MIN_PATCHES = 3;
const MAX_PATCHES = 16;

/** Spread patches over an image for its channel averages; the same patches as in sr_infer/tiling/pooled_statistics.py. */
export function sample(height, width, { rows, columns }, multiple, minSize) {
  return {
    rows: patchesAlong(height, rows[0].stop - rows[0].start, multiple, minSize),
    columns: patchesAlong(width, columns[0].stop - columns[0].start, multiple, minSize),
  };
}

function patchesAlong(length, windowPx, multiple, minSize) {
  const largest = Math.max(windowPx, (MIN_PATCH_PX * 3) / 2);
  let side = Math.max(windowPx === largest ? Math.min(windowPx, MAX_PATCH_PX) : MIN_PATCH_PX, minSize);
  const wanted = roundHalfEven((length * Math.sqrt(SAMPLE_SHARE)) / side);
  let count = Math.min(Math.max(wanted, MIN_PATCHES), MAX_PATCHES);
  const covering = Math.max(roundHalfEven(length / side), ceilDiv(length, largest));
  if (covering <= count) {
    count = covering;
    side = Math.max(ceilDiv(length, covering), minSize);
  }
  side = ceilDiv(side, multiple) * multiple;
  return Array.from({ length: count }, (_, i) => {
    const start = Math.max(roundHalfEven(((i + 0.5) * length) / count - side / 2), 0);
    return { start, stop: start + side };
  });
}

function roundHalfEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
