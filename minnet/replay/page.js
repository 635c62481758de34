"use strict";
// Data, state, keys and start of the replay page. The views are in views.js. The names in the data
// are those of minnet/replay/data.py.

const MAPS = {
  rms: { text: "RMS of the gradient dy", log: true },
  std: { text: "standard deviation of y", log: true },
  zeros: { text: "share of zeros in y", log: false },
  ratio: { text: "update ratio, RMS \u0394W / RMS W", log: true },
};
const AXES = ["auto", "linear", "symlog"];
const LAYERS = 64; // layers shown at a time
const PLAY = 12000; // milliseconds in which a whole training is played
const TYPES = { u1: Uint8Array, i4: Int32Array, f4: Float32Array };
const PAPER = { width: 733, height: 1062 }; // pixels of A4 within its margins

const $ = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const state = { step: 0, layer: 0, axis: "auto", map: "", front: 0 };
let runs, first, last, playing;
const front = () => runs[state.front];
const layerName = () => front().layers[state.layer].name;
const firstShown = () => LAYERS * Math.floor(state.layer / LAYERS);

// Data.

async function unpack() {
  const bytes = Uint8Array.from(atob($("data").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const text = $("text").textContent;
  const arrays = JSON.parse(text).arrays.map(
    ([code, offset, size]) => new TYPES[code](buffer, offset, size));
  return JSON.parse(text, (_, value) => (value?.array >= 0 ? arrays[value.array] : value)).value;
}

function prepare(run, number) {
  run.number = number;
  run.table = {}; // name of a quantity, kind of a distribution or "units" -> layer -> series
  for (const series of run.series) (run.table[series.name] ??= {})[series.layer] = series;
  const all = [...run.series, ...Object.values(run.curves)];
  run.first = d3.min(all, (one) => one.steps[0]);
  run.last = Math.max(d3.max(all, (one) => (one.ends ?? one.steps).at(-1)), run.failure?.step ?? 0);
  const broken = all.filter((one) => one.broken?.includes(1)).map((one) => (
    { step: one.steps[one.broken.indexOf(1)], layer: run.layers[one.layer].name }));
  if (run.failure) broken.push(run.failure);
  run.broken = broken.sort((one, two) => one.step - two.step)[0];
}

// The last recorded step of a series up to this step, as an index.
const index = (series, step) => Math.max(d3.bisectRight(series.steps, step) - 1, 0);

function value(run, name, layer, step) {
  const series = run.table[name]?.[layer];
  return series && series.values[index(series, step)];
}

// The layer of a run that corresponds to a layer of the run in front: the one of the same name, or
// else the one at the same place in the rows of the distributions; -1 if there is none.
function counterpart(run, layer) {
  const same = run.layers.findIndex(({ name }) => name === front().layers[layer].name);
  if (same >= 0) return same;
  const row = front().rows.findIndex((layers) => layers.includes(layer));
  return run.rows[row]?.[front().rows[row].indexOf(layer)] ?? -1;
}

// Text.

function number(value) {
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  const text = size && (size < 1e-3 || size >= 1e5) ? value.toExponential(2)
    : String(Number(value.toPrecision(3)));
  return text.replaceAll("-", "\u2212").replace("+", "");
}

function percent(share) {
  return `${Number((100 * share).toPrecision(share < 0.995 ? 2 : 3))}%`;
}

function sentence() {
  const run = front(), { step, layer } = state, parts = [];
  const read = (name) => value(run, name, layer, step);
  const source = (run.table.rms ?? run.table.std ?? {})[layer] ?? run.table.y?.[layer];
  const recorded = source ? source.steps[index(source, step)] : step;
  const { loss } = run.curves;
  if (read("rms") !== undefined) {
    const { broken } = run.table.rms[layer];
    parts.push(`RMS of the gradient ${number(read("rms"))}` +
      (broken[index(run.table.rms[layer], step)] ? " without its NaN and infinities" : ""));
  }
  if (read("zeros") >= 0) parts.push(`${percent(read("zeros"))} of the outputs are zero`);
  if (loss) parts.push(`loss ${number(loss.values[index(loss, step)])}`);
  if (read("dead") >= 0) {
    const dead = `${read("dead")} of ${run.layers[layer].units} units are dead`;
    parts.push(`${dead} (same output in all recent steps)`);
  }
  const when = step > run.last ? ` (this training ended at step ${run.last})`
    : recorded !== step ? ` (recorded at step ${recorded})` : "";
  const name = runs.length > 1 ? `${run.label}, step` : "Step";
  return `${name} ${step} of ${last}${when}, layer ${layerName()}: ${parts.join("; ")}.`;
}

// State and address.

function set(changes) {
  const before = { ...state, shown: firstShown() };
  Object.assign(state, changes);
  state.step = clamp(Math.round(state.step) || 0, first, last);
  state.layer = clamp(state.layer, 0, front().layers.length - 1);
  const redraw = ["axis", "map", "front"].some((name) => state[name] !== before[name]);
  if (redraw || firstShown() !== before.shown) draw();
  else update();
  clearTimeout(set.timer);
  set.timer = setTimeout(writeAddress, 300); // browsers limit how often an address may change
}

function writeAddress() {
  const { step, axis, map } = state;
  const address = new URLSearchParams({ step, layer: layerName(), axis, map });
  try {
    history.replaceState(null, "", `#${address}`);
  } catch { /* a sandbox does not allow it */ }
}

function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1)), changes = {};
  if (/^\d+$/.test(address.get("step"))) changes.step = Number(address.get("step"));
  const layer = front().layers.findIndex(({ name }) => name === address.get("layer"));
  if (layer >= 0) changes.layer = layer;
  if (AXES.includes(address.get("axis"))) changes.axis = address.get("axis");
  if (d3.select(`#map [value="${CSS.escape(address.get("map") ?? "")}"]`).size()) {
    changes.map = address.get("map");
  }
  set(changes);
}

// Draw all views, or show another step or layer in them.

function draw() {
  measure($("sentence").clientWidth);
  for (const view of VIEWS) view.draw();
  update();
}

function update() {
  for (const view of VIEWS) view.update();
  d3.selectAll(".moving").attr("transform", `translate(${x(state.step)},0)`);
  for (const name of ["step", "axis", "map"]) $(name).value = state[name];
  $("shown").textContent = `${state.step} of ${last}`;
  $("sentence").textContent = sentence();
}

const isDark = () => document.documentElement.dataset.theme === "dark";

function theme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").textContent = dark ? "Light" : "Dark";
}

// Play and keys.

function pause() {
  cancelAnimationFrame(playing);
  playing = 0;
  $("play").textContent = "Play";
  $("sentence").setAttribute("aria-live", "polite");
}

function play() {
  if (playing) return pause();
  const start = state.step >= last ? first : state.step, began = performance.now();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const stride = still ? tenth() : 1; // ten pictures instead of motion
  const next = (now) => {
    const steps = (Math.max(now - began, 0) / PLAY) * (last - first);
    const step = Math.min(start + stride * Math.floor(steps / stride), last);
    if (step !== state.step) set({ step });
    if (step === last) pause();
    else playing = requestAnimationFrame(next);
  };
  $("play").textContent = "Pause";
  $("sentence").setAttribute("aria-live", "off");
  playing = requestAnimationFrame(next);
}

function move(steps) {
  pause();
  set({ step: state.step + steps });
}

function swap() {
  if (runs.length < 2) return;
  const other = 1 - state.front;
  set({ front: other, layer: Math.max(counterpart(runs[other], state.layer), 0) });
}

const tenth = () => Math.max(Math.round((last - first) / 10), 1);
const KEYS = {
  ArrowLeft: (event) => move(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => move(event.shiftKey ? 10 : 1),
  PageUp: () => move(-tenth()),
  PageDown: () => move(tenth()),
  Home: () => move(first - state.step),
  End: () => move(last - state.step),
  ArrowUp: () => set({ layer: state.layer - 1 }),
  ArrowDown: () => set({ layer: state.layer + 1 }),
  " ": play,
  l: () => set({ axis: AXES[(AXES.indexOf(state.axis) + 1) % AXES.length] }),
  d: () => { theme(!isDark()); draw(); },
  c: swap,
  "?": () => $("help").open ? $("help").close() : $("help").showModal(),
};

function onKey(event) {
  const key = event.key.length > 1 ? event.key : event.key.toLowerCase();
  const used = event.target.matches("select") || (key === " " && event.target.matches("button, a"));
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (used || modified || ($("help").open && key !== "?") || !KEYS[key]) return;
  event.preventDefault();
  KEYS[key](event);
}

// Print everything in light colours on one page. The page is laid out so much wider than the paper
// that it has the proportions of the paper, and then scaled down.
function preparePrint() {
  preparePrint.dark = isDark();
  theme(false);
  const { body } = document, { width, height } = PAPER;
  body.classList.add("printed");
  for (let wide = width, k = 0; k < 3; k++) {
    Object.assign(body.style, { width: `${wide}px`, zoom: "" });
    draw();
    body.style.zoom = Math.min(width / wide, height / body.offsetHeight);
    wide = width / body.style.zoom;
  }
}

function endPrint() {
  theme(preparePrint.dark);
  document.body.classList.remove("printed");
  Object.assign(document.body.style, { width: "", zoom: "" });
  draw();
}

async function start() {
  theme(matchMedia("(prefers-color-scheme: dark)").matches);
  ({ runs } = await unpack());
  runs.forEach(prepare);
  first = d3.min(runs, (run) => run.first);
  last = d3.max(runs, (run) => run.last);
  const names = Object.keys(MAPS).filter((name) => runs.some((run) => run.table[name]));
  d3.select("#map").selectAll("option").data(names).join("option")
    .attr("value", (name) => name).text((name) => MAPS[name].text);
  $("map").parentNode.hidden = !names.length;
  Object.assign($("step"), { min: first, max: last });
  $("swap").hidden = runs.length < 2;
  const [layer] = Object.keys(runs[0].table.units ?? { 0: 0 }); // of the first activation
  Object.assign(state, { step: first, layer: Number(layer), map: names[0] ?? "" });
  draw();
  readAddress();
  $("step").oninput = (event) => { pause(); set({ step: Number(event.target.value) }); };
  for (const name of ["map", "axis"]) {
    $(name).onchange = (event) => set({ [name]: event.target.value });
  }
  const clicks = { play, swap, theme: KEYS.d, keys: KEYS["?"] };
  for (const [name, action] of Object.entries(clicks)) $(name).onclick = action;
  addEventListener("keydown", onKey);
  addEventListener("hashchange", readAddress);
  addEventListener("beforeprint", preparePrint);
  addEventListener("afterprint", endPrint);
  let wide = innerWidth;
  addEventListener("resize", () => innerWidth !== wide && draw((wide = innerWidth)));
  document.body.dataset.ready = "true";
}

