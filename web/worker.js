// Runs a network on an image, window by window, in a thread of its own. No data leaves the browser.

import * as ort from "./ort.wasm.min.mjs";
import { plan, sample } from "./tiling.js";

ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;

let loaded = { name: null, session: null };

self.onmessage = async ({ data: { model, picture, tilePx } }) => {
  try {
    const start = performance.now();
    const session = await loadSession(model.name);
    const result = await enlarge(session, model, picture, tilePx);
    const seconds = (performance.now() - start) / 1000;
    self.postMessage({ kind: "result", result, seconds }, [result.data.buffer]);
  } catch (error) {
    self.postMessage({ kind: "error", message: String(error?.message ?? error) });
  }
};

async function loadSession(name) {
  if (loaded.name !== name) {
    await loaded.session?.release();
    loaded = { name: null, session: null };
    const session = await ort.InferenceSession.create(new URL(`./models/${name}.onnx`, import.meta.url).href, {
      executionProviders: ["wasm"],
      enableMemPattern: false,
    });
    loaded = { name, session };
  }
  return loaded.session;
}

/** Upscale an image; takes and returns {width, height, data: RGBA}. */
async function enlarge(session, model, picture, tilePx) {
  const { card } = model;
  const windows = plan(
    picture.height, picture.width, tilePx, card.halo_8bit_px ?? card.halo_px, card.multiple_of_px, card.min_size_px,
  );
  const { rows, columns } = windows;
  const total = rows.length * columns.length;
  const averages = total > 1 ? await computeSharedAverages(session, card, picture, windows) : makeOwnAverages(session);
  const width = picture.width * card.scale;
  const height = picture.height * card.scale;
  const result = { width, height, data: new Uint8ClampedArray(4 * width * height) };
  let done = 0;
  for (const row of rows) {
    for (const column of columns) {
      const { sr } = await session.run({ lr: planes(picture, row, column, card.value_range), ...averages }, ["sr"]);
      copyKeptPart(sr, row, column, card, result);
      sr.dispose();
      self.postMessage({ kind: "progress", done: ++done, total });
    }
  }
  enlargeAlpha(picture, result);
  return result;
}

/** Make the inputs that let an attention network average over each window; returns none for other networks. */
function makeOwnAverages(session) {
  const shape = session.inputMetadata.find((input) => input.name === "pooled")?.shape;
  if (shape === undefined) return {};
  return { pooled: new ort.Tensor("float32", new Float32Array(shape[1]), shape), use_pooled: boolean(false) };
}

/** Average over patches of the image, so that all windows use the same averages. */
async function computeSharedAverages(session, card, picture, windows) {
  const own = makeOwnAverages(session);
  if (own.pooled === undefined) return own;
  const { rows, columns } = sample(picture.height, picture.width, windows, card.multiple_of_px, card.min_size_px);
  const sums = new Float64Array(own.pooled.data.length);
  for (const row of rows) {
    for (const column of columns) {
      const lr = planes(picture, row, column, card.value_range);
      const { pooled_out: pooled } = await session.run({ lr, ...own }, ["pooled_out"]);
      pooled.data.forEach((value, i) => { sums[i] += value; });
      pooled.dispose();
    }
  }
  const means = Float32Array.from(sums, (sum) => sum / (rows.length * columns.length));
  return { pooled: new ort.Tensor("float32", means, own.pooled.dims), use_pooled: boolean(true) };
}

const boolean = (value) => new ort.Tensor("bool", [value], []);

/** Read a window as (1, 3, H, W); the edge of the image is repeated outside of it. */
function planes(picture, row, column, valueRange) {
  const height = row.stop - row.start;
  const width = column.stop - column.start;
  const values = new Float32Array(3 * height * width);
  const gain = Math.fround(1 / 255);
  for (let y = 0; y < height; y++) {
    const line = Math.min(row.start + y, picture.height - 1) * picture.width;
    for (let x = 0; x < width; x++) {
      const from = 4 * (line + Math.min(column.start + x, picture.width - 1));
      for (let channel = 0; channel < 3; channel++) {
        values[(channel * height + y) * width + x] = Math.fround(picture.data[from + channel] * gain) * valueRange;
      }
    }
  }
  return new ort.Tensor("float32", values, [1, 3, height, width]);
}

/** Copy the kept part of a window's result. Uint8ClampedArray clips, and rounds as numpy does. */
function copyKeptPart(sr, row, column, { scale, value_range: valueRange }, result) {
  const [, , height, width] = sr.dims;
  const gain = 255 / valueRange;
  for (let y = row.keepStart * scale; y < row.keepStop * scale; y++) {
    for (let x = column.keepStart * scale; x < column.keepStop * scale; x++) {
      const from = (y - row.start * scale) * width + x - column.start * scale;
      const to = 4 * (y * result.width + x);
      for (let channel = 0; channel < 3; channel++) {
        result.data[to + channel] = sr.data[channel * height * width + from] * gain;
      }
    }
  }
}

/** Enlarge transparency by the browser's own resizing. */
function enlargeAlpha(picture, result) {
  const small = new OffscreenCanvas(picture.width, picture.height);
  const grey = new ImageData(picture.width, picture.height);
  for (let i = 0; i < grey.data.length; i += 4) {
    grey.data[i] = picture.data[i + 3];
    grey.data[i + 3] = 255;
  }
  small.getContext("2d").putImageData(grey, 0, 0);
  const large = new OffscreenCanvas(result.width, result.height).getContext("2d");
  large.imageSmoothingQuality = "high";
  large.drawImage(small, 0, 0, result.width, result.height);
  const { data } = large.getImageData(0, 0, result.width, result.height);
  for (let i = 0; i < data.length; i += 4) result.data[i + 3] = data[i];
}
