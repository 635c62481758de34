// The view of the distributions: a row for each layer and its activation, in three columns.

const MAGNITUDES = new Float32Array(Uint32Array.from({ length: HALF }, (_, k) => k << 21).buffer);
const magnitude = (k) => (k < HALF ? MAGNITUDES[k] : 2 ** 128);
const edge = (bin) => (bin < HALF ? -magnitude(HALF - bin) : magnitude(bin - HALF));

// The scale of values of a column, which is the same for its rows, both runs and all steps.
function valueScale(dists, symlog, range) {
  let low = d3.min(dists, (dist) => dist.low), high = d3.max(dists, (dist) => dist.high);
  if (!(high > low)) [low, high] = [low - (Math.abs(low) / 2 || 1), low + (Math.abs(low) / 2 || 1)];
  if (!symlog) return d3.scaleLinear([low, high], range);
  const largest = Math.max(-low, high);
  const small = d3.min(dists, (dist) => dist.small || largest);
  return d3.scaleSymlog([low, high], range).constant(clamp(small, largest * 1e-10, largest));
}

// Ticks that do not collide: on a symlog scale 0 and powers of 10, the largest first.
function valueTicks(scale) {
  if (!scale.constant) return scale.ticks(3);
  const [low, high] = scale.domain(), ticks = low <= 0 && high >= 0 ? [0] : [];
  for (let power = Math.floor(Math.log10(Math.max(-low, high))); power > -45; power--) {
    for (const tick of [10 ** power, -(10 ** power)]) {
      const apart = ticks.every((other) => Math.abs(scale(other) - scale(tick)) > 48);
      if (tick >= low && tick <= high && apart) ticks.push(tick);
    }
    if (10 ** power < scale.constant()) break;
  }
  return ticks;
}

function tickText(tick) {
  const size = Math.abs(tick);
  return d3.format(size && (size < 1e-3 || size >= 1e5) ? ".2~e" : ".3~g")(tick).replace("+", "");
}

// Bars of at least NARROWEST pixels: neighbouring bins from begin to end, where they lie, and which
// part of a bin lies on the axis.
function barsOf(dist, scale) {
  const [from, to] = scale.range(), bars = [];
  dist.bins.forEach((bin, k) => {
    const begin = scale(edge(bin)), end = scale(edge(bin + 1)), bar = bars.at(-1);
    if (end <= from || begin >= to) return;
    if (bar && begin < bar.left + NARROWEST) {
      bar.right = Math.max(bar.right, Math.min(end, to));
      bar.end = k + 1;
    } else {
      const left = Math.max(begin, from, bar?.right ?? from);
      const right = Math.max(Math.min(end, to), left + NARROWEST);
      bars.push({ left, right, begin: k, end: k + 1, part: Math.min((right - left) / (end - begin), 1) });
    }
  });
  return bars;
}

// The path of the bars of a slot, as high as the row, and its peak: the largest share of values in
// a hundredth of the axis.
function outline({ dist, bars, wide }, slot, high) {
  const { heights, largest } = dist, offset = slot * dist.bins.length;
  const densities = bars.map((bar) => {
    let sum = 0;
    for (let k = offset + bar.begin; k < offset + bar.end; k++) sum += heights[k] ** 2;
    return sum * bar.part / (bar.right - bar.left);
  });
  const most = d3.max(densities) || 1;
  const parts = bars.map((bar, k) => {
    const gap = !k || bar.left > bars[k - 1].right + 0.5 ? `V0H${bar.left.toFixed(1)}` : "";
    return `${gap}V${(-high * densities[k] / most).toFixed(1)}H${bar.right.toFixed(1)}`;
  });
  const peak = d3.max(densities) * (largest[slot] / 255 ** 2) * wide / 100;
  return { path: bars.length ? `M${bars[0].left.toFixed(1)},0${parts.join("")}V0` : "", peak };
}

const ridges = {
  draw() {
    this.cells = [];
    const { rows, table } = front(), from = firstShown();
    const columns = COLUMNS.filter(({ kind }) => runs.some((run) => run.table[kind]));
    if (!columns.length) return;
    const shown = d3.range(rows.length).filter((row) => Math.floor(Math.max(...rows[row]) / LAYERS) ===
      from / LAYERS);
    const root = heading("ridges", "Distributions", ""), narrow = width < 560;
    this.note = root.append("p");
    const high = clamp(Math.floor(380 / shown.length), 20, 46), block = 22 + shown.length * (high + 8) + 26;
    const svg = root.append("svg").attr("role", "img").attr("aria-label", "Distributions")
      .attr("viewBox", [0, 0, width, block * (narrow ? columns.length : 1)]);
    const wide = narrow ? width - left : (width - left) / columns.length, gap = 76;
    columns.forEach((column, k) => {
      const start = left + (narrow ? 0 : k * wide), range = [start, start + wide - gap];
      const group = svg.append("g").attr("transform", `translate(0,${narrow ? k * block : 0})`);
      if (narrow || !k) this.addNames(group, shown, high);
      this.drawColumn(group, column, shown, range, high);
    });
  },
  addNames(svg, shown, high) {
    const { rows, layers } = front();
    shown.forEach((row, k) => {
      const names = [...new Set(rows[row].slice(0, 2))].filter((layer) => layer >= 0).reverse();
      names.slice(0, high > 26 ? 2 : 1).forEach((layer, line) => addName(svg, layers[layer].name, 0,
        22 + (k + 1) * (high + 8) - 3 - 14 * line, `layer${layer}`));
    });
  },
  drawColumn(svg, column, shown, range, high) {
    const role = COLUMNS.indexOf(column), { rows } = front();
    addText(svg, column.title, range[0], 14);
    const cells = shown.map((row, k) => {
      const layer = rows[row][role];
      const dists = runs.map((run) => layer >= 0 && run.table[column.kind]?.[counterpart(run, layer)]);
      return { layer, dists, base: 22 + (k + 1) * (high + 8), high };
    }).filter(({ dists }) => dists[state.front]);
    const dists = cells.flatMap((cell) => cell.dists).filter(Boolean);
    if (!dists.length) return;
    const symlog = state.axis === "symlog" || (state.axis === "auto" && column.kind === "dy");
    const scale = valueScale(dists, symlog, range);
    for (const cell of cells) this.drawCell(svg, cell, scale);
    svg.append("g").attr("class", "axis")
      .attr("transform", `translate(0,${22 + shown.length * (high + 8) + 3})`)
      .call(d3.axisBottom(scale).tickValues(valueTicks(scale)).tickFormat(tickText).tickSizeOuter(0));
  },
  drawCell(svg, cell, scale) {
    const [from, to] = scale.range(), { base, high } = cell, zero = clamp(scale(0), from, to);
    const group = svg.append("g").attr("transform", `translate(0,${base})`);
    cell.parts = cell.dists.map((dist, number) => ({ dist, number, front: number === state.front }))
      .filter(({ dist }) => dist).sort((one, two) => two.front - one.front);
    for (const part of cell.parts) {
      const { number, dist } = part, px = zero + (part.front ? 0 : 5);
      Object.assign(part, { bars: barsOf(dist, scale), wide: to - from });
      part.path = group.append("path").attr("class", part.front ? `area${number}` : `outline run${number}`);
      part.stem = group.append("line")
        .attr("class", `stem run${number}`).classed("front", part.front).attr("x1", px).attr("x2", px);
    }
    group.append("path").attr("class", "first").attr("d", outline(cell.parts[0], 0, high).path);
    group.append("line").attr("class", "base").attr("x1", from).attr("x2", to);
    cell.notes = [-3, -16].map((py) => addText(group, "", to + 7, py, "small"));
    group.append("rect").attr("class", "hit").attr("x", from).attr("y", -high)
      .attr("width", to - from).attr("height", high).on("click", () => set({ layer: cell.layer }));
    this.cells.push(cell);
  },
  update() {
    if (!this.cells.length) return;
    for (const cell of this.cells) this.updateCell(cell);
    d3.selectAll("#ridges .chosen").classed("chosen", false);
    d3.selectAll(`#ridges .layer${state.layer}`).classed("chosen", true);
    const { dist } = this.cells[0].parts[0], slot = index(dist, state.step);
    const other = runs.length > 1 ? ` Solid line: ${runs[1 - state.front].label}.` : "";
    const of = other && ` of ${front().label}`;
    const text = `Filled: values ${span(dist, slot)}${of}. Dotted: the first step.${other} Each curve is ` +
      "scaled to the height of its row; its peak is the largest share of values in a hundredth of the " +
      "axis. The stem at 0 is the share of exact zeros, of which 100% is the height of the row. The " +
      "gradient is that of the output after the activation. The axes cover the inner 98% of the values of " +
      "the whole training. A symlog axis is linear near 0 and logarithmic farther out, so that a normal " +
      "distribution has two humps on it.";
    if (this.note.text() !== text) this.note.text(text);
  },
  updateCell({ parts, notes, high }) {
    for (const part of parts) {
      const { dist } = part, slot = index(dist, state.step);
      if (slot === part.slot) continue;
      part.slot = slot;
      const { path, peak } = outline(part, slot, high);
      part.path.attr("d", path);
      part.stem.attr("y2", -high * dist.zeros[slot]);
      if (!part.front) continue;
      const broken = dist.nonfinite[slot] > 0;
      notes[0].text(peak ? `peak ${percent(peak)}` : "");
      notes[1].classed("bad", broken).text(broken ? `${percent(dist.nonfinite[slot])} NaN`
        : dist.zeros[slot] ? `${percent(dist.zeros[slot])} zero` : "");
    }
  },
};

const VIEWS = [network, findings, maps, loss, accuracy, ridges, ratio, units];

start();
