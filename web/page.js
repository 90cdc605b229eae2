// The page: the user chooses an image, the worker enlarges it, and the page shows and saves the result.

const TILE_PX = 128;
const MAX_PX = 4_000_000;

const element = (id) => document.getElementById(id);
const worker = new Worker("./worker.js", { type: "module" });
const models = await (await fetch("./models/models.json")).json();
let name = "image";

for (const model of models) {
  const label = `${model.name}: ${model.card.scale} times as wide and high`;
  element("model").add(new Option(label, model.name, false, model.name === "srpn-lite-x2"));
}

element("file").onchange = () => choose(element("file").files[0]);
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => {
  event.preventDefault();
  if (!element("file").disabled && event.dataTransfer.files.length > 0) choose(event.dataTransfer.files[0]);
};
element("split").oninput = () => element("after").style.setProperty("--split", `${element("split").value}%`);

async function choose(file) {
  if (file === undefined) return;
  element("compared").hidden = element("save").hidden = element("start").disabled = true;
  try {
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    if (bitmap.width * bitmap.height > MAX_PX) {
      throw new Error(`${bitmap.width} x ${bitmap.height} px are too many for a tab; use an image of at most ${MAX_PX / 1e6} million pixels`);
    }
    const canvas = element("before");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(bitmap, 0, 0);
    name = file.name.replace(/\.[^.]*$/, "");
    element("state").textContent = `${bitmap.width} x ${bitmap.height} px`;
    element("start").disabled = false;
  } catch (error) {
    element("state").textContent = `The browser cannot show this image (${error.message}).`;
  }
}

element("start").onclick = () => {
  const model = models.find((row) => row.name === element("model").value);
  const before = element("before");
  const { width, height, data } = before.getContext("2d").getImageData(0, 0, before.width, before.height);
  setWorking(true);
  element("save").hidden = true;
  element("state").textContent = "Working";
  element("progress").hidden = false;
  element("progress").removeAttribute("value");
  worker.postMessage({ model, picture: { width, height, data }, tilePx: TILE_PX }, [data.buffer]);
};

worker.onerror = (event) => finish(`The worker failed: ${event.message}. Reload the page.`);
worker.onmessage = ({ data: message }) => {
  if (message.kind === "progress") {
    element("progress").max = message.total;
    element("progress").value = message.done;
  } else if (message.kind === "error") {
    finish(`The model failed: ${message.message}`);
  } else {
    show(message.result);
    const { width, height } = message.result;
    finish(`${width} x ${height} px in ${message.seconds.toFixed(1)} s`);
  }
};

function show(result) {
  const after = element("after");
  [after.width, after.height] = [result.width, result.height];
  after.getContext("2d").putImageData(new ImageData(result.data, result.width, result.height), 0, 0);
  element("compared").style.width = element("before").style.width = `${result.width}px`;
  element("before").style.height = `${result.height}px`;
  element("compared").hidden = false;
  element("save").download = `${name}-${element("model").value}.png`;
  after.toBlob((blob) => {
    URL.revokeObjectURL(element("save").href);
    element("save").href = URL.createObjectURL(blob);
    element("save").hidden = false;
  });
}

function finish(state) {
  element("state").textContent = state;
  element("progress").hidden = true;
  setWorking(false);
}

function setWorking(isWorking) {
  for (const id of ["start", "file", "model"]) element(id).disabled = isWorking;
}
