// Views of the replay page. Each has draw, which lays it out, and update, which shows the current
// step and layer. A view without data stays empty.

const NARROWEST = 3; // pixels of a bar in a distribution
const DECADES = 12; // of a logarithmic colour scale
const HALF = 1020; // bins of negative finite values
const PALE_TO_DARK = ["#fcfdbf", "#fec287", "#fb8761", "#de4968", "#8c2981", "#3b0f70", "#000004"];
const DEPTHS = ["#440154", "#3b528b", "#21918c", "#5ec962", "#d8c520"]; // of the first to the last layer
const DEPTHS_ON_DARK = ["#c9a0ff", "#8fb1ff", "#45cfc6", "#90e283", "#f3e45c"];
const UNITS = ["#e8f1fa", "#6fa8dc", "#0b2f5b"];
const COLUMNS = [
  { title: "Before the activation", kind: "y" },
  { title: "After the activation", kind: "y" },
  { title: "Gradient dy", kind: "dy" },
];

let width, left, right, x; // pixels, and the scale of steps that all views share

function measure(available) {
  width = Math.max(available, 280);
  left = clamp(width * 0.14, 66, 130);
  right = width - clamp(width * 0.06, 14, 64);
  x = d3.scaleLinear([first - 0.5, last + 0.5], [left, right]);
}

// Parts of several views.

function heading(id, text, note) {
  const root = d3.select(`#${id}`).text("");
  root.append("h2").text(`${text} `).append("small").text(note);
  return root;
}

function addText(svg, text, px, py, name = "") {
  return svg.append("text").attr("class", name).attr("x", px).attr("y", py).text(text);
}

// The name of a layer in the margin, shortened at its beginning.
function addName(svg, name, px, py, kind) {
  const letters = Math.floor((left - 10) / 6.8);
  const text = name.length > letters ? `\u2026${name.slice(1 - letters)}` : name;
  const shown = addText(svg, text, px, py, kind);
  shown.append("title").text(name);
  return shown;
}

// An svg over the steps. A click or drag selects a step and what pick returns for its height.
function stepPlot(root, high, label, pick = () => ({})) {
  const svg = root.append("svg").attr("viewBox", [0, 0, width, high + 22])
    .attr("class", "steps").attr("role", "img").attr("aria-label", label);
  const ticks = x.ticks(clamp(width / 110, 2, 10)).filter(Number.isInteger);
  svg.append("g").attr("class", "axis").attr("transform", `translate(0,${high})`)
    .call(d3.axisBottom(x).tickValues(ticks).tickFormat(d3.format("d")).tickSizeOuter(0));
  const select = (event) => {
    const [px, py] = d3.pointer(event, svg.node());
    set({ step: x.invert(px), ...pick(py) });
  };
  svg.on("pointerdown", (event) => { pause(); select(event); })
    .on("pointermove", (event) => event.buttons && select(event));
  return svg;
}

function addCursor(svg, top, bottom) {
  const group = svg.append("g").attr("class", "moving");
  for (const name of ["halo", "cursor"]) {
    group.append("line").attr("class", name).attr("y1", top).attr("y2", bottom);
  }
}

function addLeftAxis(svg, axis) {
  svg.append("g").attr("class", "axis").attr("transform", `translate(${left},0)`).call(axis);
}

// An image of rows, stretched to the given pixels; color(row, column) is undefined for none.
function addImage(svg, columns, rows, color, [px, py, wide, high]) {
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = canvas.getContext("2d"), pixels = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const shown = color(row, column);
      if (shown) pixels.data.set([shown.r, shown.g, shown.b, 255], 4 * (row * columns + column));
    }
  }
  context.putImageData(pixels, 0, 0);
  svg.append("image").attr("href", canvas.toDataURL()).attr("preserveAspectRatio", "none")
    .attr("x", px).attr("y", py).attr("width", wide).attr("height", high);
}

// The step in each column of pixels of an image over all steps.
function columnSteps() {
  return d3.range(Math.round(left) + 0.5, right).map((px) => Math.round(x.invert(px)));
}

// The steps of a slot in words.
function span({ steps, ends }, slot) {
  return steps[slot] === ends[slot] ? `at step ${steps[slot]}`
    : `in steps ${steps[slot]} to ${ends[slot]}`;
}

// 256 colours from the background's to the opposite one, so that large values stand out.
function colorTable(stops) {
  const color = d3.interpolateRgbBasis(isDark() ? stops.toReversed() : stops);
  return d3.range(256).map((k) => d3.rgb(color(k / 255)));
}

// The colour of a value of a quantity, the same in both runs, and texts of both ends.
function colorScale(name) {
  const { log } = MAPS[name], table = colorTable(PALE_TO_DARK);
  const transform = log ? Math.log10 : Number;
  const values = runs.flatMap((run) => Object.values(run.table[name] ?? {}))
    .flatMap((series) => Array.from(series.values)).filter((v) => v > 0 && v < Infinity);
  let [low, high] = log ? d3.extent(values, transform) : [0, 1];
  if (low === undefined) [low, high] = [-1, 0];
  low = Math.max(low, high - DECADES);
  if (high - low < 0.1) [low, high] = [low - 0.5, high + 0.5];
  const place = (v) => clamp((transform(v) - low) / (high - low), 0, 1);
  const text = log ? (end) => number(10 ** end) : percent;
  return {
    table, low: text(low), high: text(high), ends: isDark() ? ["dark", "pale"] : ["pale", "dark"],
    color: (v) => (v >= 0 ? table[Math.round(255 * place(v))] : undefined),
  };
}

// Black or white, whichever has the higher contrast by the formula of WCAG 2.
function textColor({ r, g, b }) {
  const [red, green, blue] = [r, g, b].map((v) => (v <= 10 ? v / 3295 : ((v + 14) / 269) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
}

// Views.

const network = {
  draw() {
    const { layers, label, table } = front(), from = firstShown();
    const to = Math.min(from + LAYERS, layers.length);
    this.scale = colorScale("rms");
    const { low, high, ends } = this.scale;
    const root = heading("network", runs.length > 1 ? `Network, ${label}` : "Network", table.rms
      ? `Colour: RMS of the gradient dy on a logarithmic scale, from ${low} or less (${ends[0]}) to ` +
        `${high} (${ends[1]}).` : "");
    this.boxes = root.append("div").attr("class", "boxes").selectAll("button")
      .data(d3.range(from, to)).join("button").attr("type", "button")
      .attr("title", (layer) => layers[layer].name).on("click", (_, layer) => set({ layer }));
    this.boxes.append("span").text((layer) => layers[layer].name);
    this.boxes.append("span");
    if (layers.length <= LAYERS) return;
    const line = root.append("p").text(`Layers ${from + 1} to ${to} of ${layers.length}. `);
    for (const [text, layer] of [["Previous", from - 1], ["Next", to]]) {
      line.append("button").attr("type", "button").text(text).on("click", () => set({ layer }))
        .property("disabled", layer < 0 || layer >= layers.length);
    }
  },
  update() {
    this.boxes.each((layer, k, boxes) => {
      const box = boxes[k], rms = value(front(), "rms", layer, state.step);
      const shown = this.scale.color(rms);
      box.setAttribute("aria-pressed", layer === state.layer);
      box.style.backgroundColor = shown ? shown.formatHex() : "";
      box.style.color = shown ? textColor(shown) : "";
      box.lastChild.textContent = rms === undefined ? "" : number(rms);
    });
  },
};

const findings = {
  draw() {
    const all = runs.flatMap((run) => run.findings.map((finding, k) => ({ ...finding, run, k })));
    if (!all.length) return;
    const root = heading("findings", "Findings of the diagnosis", "Each link opens its step and layer.");
    const items = root.append("ol").selectAll("li").data(all).join("li").attr("value", ({ k }) => k + 1);
    const place = ({ run, layer, step }) => [runs.length > 1 ? run.label : "", layer,
      step === null ? "" : `step ${step}`].filter(Boolean).map((text) => `, ${text}`).join("");
    items.append("a").text((finding) => finding.cause.replaceAll("_", " ") + place(finding))
      .attr("href", ({ step, layer }) => `#${new URLSearchParams({
        ...(step === null ? {} : { step }), ...(layer === null ? {} : { layer }) })}`)
      .on("click", this.open);
    items.append("span").text(({ confidence, explanation }) =>
      ` (confidence ${percent(confidence)}): ${explanation}`);
  },
  // A frame in a notebook cannot follow links to its own parts, so a click is handled here.
  open(event, finding) {
    event.preventDefault();
    const { run, step } = finding, layer = run.layers.findIndex(({ name }) => name === finding.layer);
    pause();
    set({ front: run.number, step: step ?? state.step, layer: layer < 0 ? state.layer : layer });
  },
  update() {},
};

const maps = {
  draw() {
    this.frames = [];
    if (!state.map) return;
    const scale = colorScale(state.map);
    const root = heading("maps", `Map: ${MAPS[state.map].text}`, `${MAPS[state.map].log
      ? "The colours are logarithmic. " : ""}Click or drag to select a step and a layer. ` +
      "NaN and infinity are hatched.");
    for (const run of runs.filter(({ table }) => table[state.map])) this.drawRun(root, run, scale);
  },
  drawRun(root, run, scale) {
    const from = firstShown(), layers = run.layers.slice(from, from + LAYERS), top = 26;
    const high = clamp(Math.floor(170 / layers.length), 8, 17), bottom = top + high * layers.length;
    const pick = (py) => (py < top || py > bottom ? {} : { front: run.number,
      layer: from + clamp(Math.floor((py - top) / high), 0, layers.length - 1) });
    const svg = stepPlot(root, bottom, `Map of layers and steps ${run.label}`, pick);
    const steps = columnSteps(), series = layers.map((_, k) => run.table[state.map][from + k]);
    addImage(svg, steps.length, layers.length, (row, column) => {
      const one = series[row], step = steps[column];
      if (one && step <= run.last) return scale.color(one.values[index(one, step)]);
    }, [left, top, right - left, bottom - top]);
    series.forEach((one, row) => one && this.hatch(svg, one, run, top + row * high, high));
    layers.forEach(({ name }, row) => row % Math.ceil(12 / high) || addName(
      svg, name, left - 6, top + (row + 0.5) * high + 4, "small").attr("text-anchor", "end"));
    if (runs.length > 1) addText(svg, run.label, 0, 14, `run${run.number}`);
    this.addBar(svg, scale);
    if (run.broken) this.markBroken(svg, run);
    const frames = ["frame halo", "frame"].map((kind) => svg.append("rect").attr("class", kind)
      .attr("x", left).attr("width", right - left).attr("height", high));
    this.frames.push({ run, from, top, high, frames });
    addCursor(svg, top, bottom);
    run.findings.forEach(({ layer, step, cause }, k) => {
      const row = layers.findIndex(({ name }) => name === layer);
      if (row < 0 || step === null) return;
      const py = top + (row + 0.5) * high;
      svg.append("circle").attr("class", "pin").attr("cx", x(step)).attr("cy", py).attr("r", 7)
        .append("title").text(cause.replaceAll("_", " "));
      addText(svg, k + 1, x(step), py + 3.5, "pinned");
    });
  },
  hatch(svg, { steps, broken, layer }, run, py, high) {
    const add = (begin, end) => svg.append("rect").attr("class", "hatched").attr("y", py)
      .attr("x", Math.min(x(begin - 0.5), right - 4)).attr("height", high)
      .attr("width", Math.max(x(end - 0.5) - x(begin - 0.5), 4));
    for (let k = broken.indexOf(1); k >= 0; k = broken.indexOf(1, k)) {
      const end = broken.indexOf(0, k);
      add(steps[k], end < 0 ? run.last + 1 : steps[end]);
      if (end < 0) break;
      k = end;
    }
    const { failure } = run;
    if (failure?.layer === run.layers[layer].name) add(failure.step, failure.step + 1);
  },
  markBroken(svg, { broken }) {
    const px = x(broken.step), ends = px > (left + right) / 2;
    const words = `NaN or infinity from step ${broken.step}`;
    addText(svg, ends ? `${words} \u25bc` : `\u25bc ${words}`, px + (ends ? 5 : -5), 23, "bad")
      .attr("text-anchor", ends ? "end" : "start");
  },
  addBar(svg, { table, low, high }) {
    const wide = clamp(width / 7, 50, 150), px = left + 60;
    addImage(svg, 256, 1, (_, column) => table[column], [px, 4, wide, 10]);
    addText(svg, low, px - 5, 13, "small").attr("text-anchor", "end");
    addText(svg, high, px + wide + 5, 13, "small");
  },
  update() {
    for (const { run, from, top, high, frames } of this.frames) {
      const layer = counterpart(run, state.layer);
      for (const frame of frames) {
        frame.attr("y", top + (layer - from) * high)
          .attr("visibility", layer >= from && layer < from + LAYERS ? "visible" : "hidden");
      }
    }
  },
};

// Two curves of each run over the steps.
function curveView(id, title, note, [thin, thick], scaleOf) {
  return {
    draw() {
      const all = runs.flatMap(({ curves, number }) => [[curves[thin], "thin"], [curves[thick], "thick"]]
        .map(([curve, kind]) => ({ curve, kind: `${kind} run${number}` }))).filter(({ curve }) => curve);
      if (!all.length) return;
      const high = 105, values = all.flatMap(({ curve }) => Array.from(curve.values));
      const scale = scaleOf(values.filter(Number.isFinite)).range([high, 8]);
      const names = runs.length > 1 ? ` Blue: ${runs[0].label}. Orange: ${runs[1].label}.` : "";
      const root = heading(id, title, note + names + (scale.base ? " The axis is logarithmic." : ""));
      const svg = stepPlot(root, high, title);
      addLeftAxis(svg, d3.axisLeft(scale).ticks(4, scale.base ? "~g" : undefined));
      addCursor(svg, 4, high);
      for (const { curve, kind } of all) {
        const line = d3.line((_, k) => x(curve.steps[k]), scale)
          .defined((v) => Number.isFinite(v) && (v > 0 || !scale.base));
        svg.append("path").attr("class", kind).attr("d", line(curve.values));
        if (curve.values.length === 1) { // of which a line shows nothing
          svg.append("circle").attr("class", kind).attr("r", 5)
            .attr("cx", x(curve.steps[0])).attr("cy", scale(curve.values[0]));
        }
      }
    },
    update() {},
  };
}

function lossScale(values) {
  const [low, high] = d3.extent(values);
  if (low > 0 && high > 1000 * low) return d3.scaleLog().domain([low, high]).nice();
  return d3.scaleLinear().domain([Math.min(0, low), high > low ? high : low + 1]).nice(4);
}

const loss = curveView("loss", "Loss", "Thin: training batches. Thick: validation rows.",
  ["loss", "val_loss"], lossScale);
const accuracy = curveView("accuracy", "Accuracy", "Thin: training batches. Thick: validation rows.",
  ["accuracy", "val_accuracy"], () => d3.scaleLinear());

const ratio = {
  draw() {
    const series = Object.values(front().table.ratio ?? {});
    this.lines = d3.select(null);
    if (!series.length) return;
    const usable = (v) => v > 1e-12 && v < Infinity;
    const values = series.flatMap((one) => Array.from(one.values)).filter(usable);
    const [low, high] = d3.extent([...values, 1e-5, 1e-1]);
    const root = heading("ratio", `Update ratio${runs.length > 1 ? `, ${front().label}` : ""}`, "RMS of " +
      "the update divided by RMS of the weight. A line for each layer, from purple (first) to yellow " +
      "(last). Band: usual ratios, 1e\u22124 to 1e\u22122. The last update is not recorded.");
    const bottom = 115, scale = d3.scaleLog([low, high], [bottom, 8]);
    const svg = stepPlot(root, bottom, "Update ratio");
    svg.insert("rect", "*").attr("class", "band").attr("x", left).attr("width", right - left)
      .attr("y", scale(1e-2)).attr("height", scale(1e-4) - scale(1e-2));
    const powers = d3.range(Math.ceil(Math.log10(low)), Math.log10(high) + 1e-9);
    const every = Math.ceil(powers.length / 5);
    addLeftAxis(svg, d3.axisLeft(scale).tickFormat(tickText)
      .tickValues(powers.filter((power) => power % every === 0).map((power) => 10 ** power)));
    const line = ({ steps, values: own }) => d3.line((_, k) => x(steps[k]), scale).defined(usable)(own);
    const color = d3.interpolateRgbBasis(isDark() ? DEPTHS_ON_DARK : DEPTHS);
    this.lines = svg.append("g").selectAll("path").data(series).join("path").attr("class", "thick")
      .style("stroke", (_, k) => color(k / Math.max(series.length - 1, 1))).attr("d", line);
    addCursor(svg, 4, bottom);
  },
  update() {
    this.lines.style("stroke-width", ({ layer }) => (layer === state.layer ? 4 : 1.5));
  },
};

const units = {
  draw() {
    this.shown = undefined;
  },
  update() {
    const { layers, rows, table } = front(), row = rows.find((one) => one.includes(state.layer));
    const series = table.units?.[state.layer] ?? table.units?.[row?.[1]];
    if (series !== this.shown || !series) this.drawLayer(series);
    if (!series) return;
    const slot = index(series, state.step), { name } = layers[series.layer];
    this.note.text(`${series.off[slot]} of ${series.units} units of ${name} are inactive for all rows ` +
      `${span(series, slot)}.`);
  },
  drawLayer(series) {
    this.shown = series;
    d3.select("#units").text("");
    if (!series) return;
    const number = series.shares.length / series.steps.length, every = Math.ceil(series.units / number);
    const root = heading("units", `Units of ${front().layers[series.layer].name}`, "A line for " +
      `${every > 1 ? `one unit in ${every}` : "each unit"}. The ${isDark() ? "brighter" : "darker"}, the ` +
      "larger the share of rows with y > 0. Red: inactive for all rows of the batch.");
    this.note = root.append("p");
    const high = clamp(number * 3, 60, 190), svg = stepPlot(root, high + 4, "Activity of units");
    const steps = columnSteps(), table = colorTable(UNITS);
    table[0] = d3.rgb("#d62728");
    const slots = steps.map((step) => (step <= front().last ? index(series, step) : -1));
    addImage(svg, steps.length, number, (row, column) => slots[column] < 0 ? undefined
      : table[Math.round(255 * series.shares[slots[column] * number + row] / series.levels)],
    [left, 4, right - left, high]);
    addCursor(svg, 4, high + 4);
    d3.select("#units .moving").attr("transform", `translate(${x(state.step)},0)`);
  },
};
