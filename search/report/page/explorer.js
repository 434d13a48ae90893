// The front, with all architectures in the background: colours, filters, the tooltip, and the comparison.
"use strict";

const LETTERS = "ABCDEFGH";
const formats = [...Array(5).keys()].map(digits =>
  new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const number = (value, digits = 0) => formats[digits].format(value);

const TYPES = { f8: Float64Array, i4: Int32Array, u1: Uint8Array };

function decode(column) {
  const text = atob(column.base64), bytes = new Uint8Array(text.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at);
  return new TYPES[column.type](bytes.buffer);
}

class Explorer {
  constructor(front) {
    this.origins = front.origins;
    this.sources = front.sources;
    this.runs = front.runs.map(run => ({
      ...run, ...Object.fromEntries(Object.entries(run.columns).map(([name, column]) => [name, decode(column)])),
    }));
    this.plot = document.getElementById("plot");
    this.tooltip = document.getElementById("tooltip");
    this.kind = webgl() ? "scattergl" : "scatter";
    this.zoomed = false;
    this.build();
    this.reset();
  }

  reset() {
    this.run = this.runs[0];
    this.resetGenes();
    this.pinned = this.run.chosen.map(row => ({ run: this.run, row }));
    for (const id of ["origin", "run"]) document.getElementById(id).value = "0";
    this.listFront();
    this.zoom(false);
  }

  // The run whose architectures are shown. Colour and filters by gene are kept only within a space.
  select(run) {
    const same = JSON.stringify(run.space) === JSON.stringify(this.run.space);
    this.run = run;
    if (!same) this.resetGenes();
    this.listFront();
    this.show();
  }

  // Genes of the selected run.
  get genes() { return this.run.space; }

  resetGenes() {
    this.gene = this.run.gene;
    this.off = this.genes.map(() => new Set());
    const find = document.getElementById("find");
    find.value = "";
    find.placeholder = "2" + "·".repeat(this.genes.length - 1);
    document.getElementById("gene-options").replaceChildren(...this.genes.map((gene, index) => element("div", { className: "gene" },
      element("button", { type: "button", title: `Colour by ${gene.name}: ${gene.place}`, onclick: () => { this.gene = index; this.show(); } }, gene.name),
      element("div", { className: "options" }, ...gene.options.map((text, option) => element("button",
        { type: "button", title: `Show or hide ${gene.name} ${text}`, onclick: () => this.toggle(index, option) },
        element("i"), text))))));
  }

  // --- controls ---

  build() {
    const on = (id, event, action) => document.getElementById(id).addEventListener(event, action);
    document.getElementById("find").title = "Digits of an architecture; a dot matches any digit";
    on("find", "input", () => this.show());
    on("filters", "submit", event => event.preventDefault());
    const origins = ["all", "on the front", ...this.origins, "compiled"];
    document.getElementById("origin").append(...origins.map((text, value) => element("option", { value }, text)));
    on("origin", "change", () => this.show());
    const runs = document.getElementById("run");
    runs.append(...this.runs.map((run, value) => element("option", { value }, `architectures of ${run.name}`)));
    runs.hidden = this.runs.length < 2;
    on("run", "change", () => this.select(this.runs[runs.value]));
    on("zoom", "click", () => this.zoom(!this.zoomed));
    on("reset", "click", () => this.reset());
  }

  toggle(gene, option) {
    if (!this.off[gene].delete(option)) this.off[gene].add(option);
    this.show();
  }

  zoom(zoomed) {
    this.zoomed = zoomed;
    document.getElementById("zoom").setAttribute("aria-pressed", zoomed);
    this.range = zoomed ? this.frontRange() : null;
    this.revision = (this.revision || 0) + 1;
    this.show();
  }

  frontRange() {
    const rows = this.runs.flatMap(run => indices(run.front).map(row => [run.fps[row], run.epe[row]]));
    if (!rows.length) return null;
    return [0, 1].map(axis => {
      const values = rows.map(row => row[axis]), low = Math.min(...values), high = Math.max(...values);
      const room = 0.06 * (high - low) || 0.01 * high;
      return [low - room, high + room];
    });
  }

  updateControls(shown) {
    [...document.getElementById("gene-options").children].forEach((place, gene) => {
      place.firstChild.setAttribute("aria-pressed", gene === this.gene);
      [...place.lastChild.children].forEach((button, option) => {
        button.setAttribute("aria-pressed", !this.off[gene].has(option));
        button.firstChild.style.background = gene === this.gene ? colour(this.role(option)) : "transparent";
        button.firstChild.hidden = gene !== this.gene;
      });
    });
    document.getElementById("count").textContent =
      `${number(shown)} of ${number(this.run.epe.length)} architectures shown, coloured by ${this.genes[this.gene].name}`;
  }

  // --- the plot ---

  role(option) { return `option ${option}/${this.genes[this.gene].options.length}`; }

  visible() {
    const run = this.run, count = this.genes.length, origin = Number(document.getElementById("origin").value);
    const digits = [...document.getElementById("find").value.trim()].slice(0, count);
    const pattern = digits.map(digit => (/[0-9]/.test(digit) ? Number(digit) : null));
    const tests = [
      () => true, row => run.front[row], ...this.origins.map((_, index) => row => run.origin[row] === index),
      row => this.sources[run.cost_source[row]] === "compiled",
    ];
    const groups = this.genes[this.gene].options.map(() => []);
    for (let row = 0; row < run.epe.length; row++) {
      if (!tests[origin](row)) continue;
      let matches = true;
      for (let gene = 0; gene < count && matches; gene++) {
        const option = run.genes[row * count + gene];
        matches = !this.off[gene].has(option) && (pattern[gene] === undefined || pattern[gene] === null || pattern[gene] === option);
      }
      if (matches) groups[run.genes[row * count + this.gene]].push(row);
    }
    return groups;
  }

  show() {
    const run = this.run, groups = this.visible(), shown = groups.reduce((sum, rows) => sum + rows.length, 0);
    this.rows = [];
    const size = shown > 2000 ? 4 : shown > 200 ? 6 : 8;
    const traces = groups.map((rows, option) => {
      this.rows.push({ run, rows });
      return {
        type: this.kind, mode: "markers", name: escapeText(`${this.genes[this.gene].name}: ${this.genes[this.gene].options[option]}`),
        x: rows.map(row => run.fps[row]), y: rows.map(row => run.epe[row]), hoverinfo: "none",
        marker: { color: colour(this.role(option)), size, opacity: shown > 2000 ? 0.5 : 0.8 },
      };
    });
    this.runs.forEach(other => {
      const rows = sortByFps(other, indices(other.front));
      this.line(traces, other, rows, { name: this.runs.length > 1 ? `front of ${other.name}` : "front", role: `run ${other.number}` });
      const exact = sortByFps(other, indices(other.exact));
      if (other === run && exact.length && String(exact) !== String(rows)) this.line(traces, other, exact, { name: "exact front", role: "exact", dash: "dash" });
    });
    this.markPinned(traces);
    const limits = this.range || [undefined, undefined];
    Plotly.react(this.plot, traces, layout({
      xaxis: this.axis("FPS (higher is better; the axis does not start at 0)", limits[0]),
      yaxis: this.axis("EPE, px (lower is better; the axis does not start at 0)", limits[1]),
      shapes: run.fps_limits.map(({ fps, text }) => ({
        type: "line", x0: fps, x1: fps, y0: 0, y1: 1, yref: "paper", line: { color: css("--ink"), width: 1, dash: "dot" },
        label: { text, textposition: "end", textangle: 0, xanchor: "left", yanchor: "top", font: { size: 11 } },
      })),
      hovermode: "closest", dragmode: "zoom", uirevision: this.revision, margin: { l: 8, r: 12, t: 8, b: 8 },
      legend: { orientation: "h", y: 1.01, yanchor: "bottom", x: 0, font: { size: 11 }, itemsizing: "constant" },
    }), config);
    this.updateControls(shown);
    this.compare();
  }

  // Without a grid, which would be in front of the points: see report.css.
  axis(title, range) {
    return axis(title, { showgrid: false, ticks: "outside", tickcolor: css("--line"), ...(range ? { range } : { autorange: true }) });
  }

  line(traces, run, rows, { name, role, dash = "solid" }) {
    this.rows.push({ run, rows });
    traces.push({
      type: "scatter", mode: dash === "solid" ? "lines+markers" : "lines", name: escapeText(name), hoverinfo: "none",
      x: rows.map(row => run.fps[row]), y: rows.map(row => run.epe[row]),
      line: { color: colour(role), width: 2, shape: "vh", dash }, marker: { color: colour(role), size: 7, line: { color: css("--panel"), width: 1 } },
    });
  }

  markPinned(traces) {
    this.rows.push({ pins: this.pinned });
    traces.push({
      type: "scatter", mode: "markers+text", name: "compared", showlegend: false, hoverinfo: "none",
      x: this.pinned.map(pin => pin.run.fps[pin.row]), y: this.pinned.map(pin => pin.run.epe[pin.row]),
      text: this.pinned.map((_, index) => `<b>${LETTERS[index]}</b>`), textposition: "middle center", textfont: { size: 11, color: css("--panel") },
      marker: { size: 19, color: css("--ink"), line: { color: css("--panel"), width: 2 } },
    });
  }

  // --- hovering and clicking ---

  listen() {
    this.plot.on("plotly_hover", event => this.showTooltip(event));
    this.plot.on("plotly_unhover", () => { this.tooltip.hidden = true; });
    this.plot.on("plotly_click", event => this.pin(this.at(event.points[0])));
    this.plot.on("plotly_doubleclick", () => this.zoom(false));
    dark.addEventListener("change", () => this.show());
  }

  at(point) {
    const curve = this.rows[point.curveNumber];
    return curve.pins ? curve.pins[point.pointNumber] : { run: curve.run, row: curve.rows[point.pointNumber] };
  }

  showTooltip(event) {
    const { run, row } = this.at(event.points[0]);
    const rows = this.figures.map(([name, value]) => element("tr", {}, element("td", {}, name), element("td", {}, value(run, row))));
    const genes = run.space.map(gene => `${gene.name} ${this.option(run, row, gene.name)}`).join(" · ");
    this.tooltip.replaceChildren(element("b", {}, this.name(run, row)), element("table", {}, ...rows), element("p", {}, genes));
    this.tooltip.hidden = false;
    const box = this.tooltip.getBoundingClientRect(), { clientX, clientY } = event.event;
    const left = clientX + 18 + box.width > innerWidth ? clientX - box.width - 18 : clientX + 18;
    const top = Math.min(Math.max(clientY - box.height / 2, 8), innerHeight - box.height - 8);
    Object.assign(this.tooltip.style, { left: `${Math.max(left, 8)}px`, top: `${top}px` });
  }

  pin({ run, row }) {
    const index = this.pinned.findIndex(pin => pin.run === run && pin.row === row);
    if (index >= 0) this.pinned.splice(index, 1);
    else this.pinned = [...this.pinned, { run, row }].slice(-LETTERS.length);
    this.show();
  }

  // --- figures and the comparison ---

  name(run, row) {
    const count = run.space.length;
    return Array.from(run.genes.subarray(row * count, (row + 1) * count)).join("");
  }

  // The option of a gene; empty if the run's space has no such gene.
  option(run, row, name) {
    const gene = run.space.findIndex(candidate => candidate.name === name);
    return gene < 0 ? "" : run.space[gene].options[run.genes[row * run.space.length + gene]];
  }

  // MACs and parameters are sums over the stages.
  size(run, row, name) {
    const { fixed, more } = run.sizes[name], first = row * run.space.length;
    return more.reduce((sum, options, gene) => sum + options[run.genes[first + gene]], fixed);
  }

  get figures() {
    return [
      ["EPE", (run, row) => `${number(run.epe[row], 4)} px`], ["FPS", (run, row) => number(run.fps[row], 2)],
      ["latency", (run, row) => `${number(run.latency_ms[row], 3)} ms`],
      ["SRAM peak", (run, row) => `${number(run.sram_kib[row], 1)} KiB of ${number(run.arena_kib, 1)}`],
      ["NPU cycles", (run, row) => number(run.npu_cycles[row])],
      ["MACs", (run, row) => `${number(this.size(run, row, "MACs") / 1e6, 1)} million`],
      ["parameters", (run, row) => number(this.size(run, row, "parameters"))], ["cost source", (run, row) => this.sources[run.cost_source[row]]],
      ["origin", (run, row) => this.origins[run.origin[row]] + (run.generation[row] < 0 ? "" : `, generation ${run.generation[row]}`)],
    ];
  }

  compare() {
    const place = document.getElementById("comparison");
    if (!this.pinned.length) {
      place.replaceChildren(element("p", { className: "hint" }, "No architectures selected: click some above to compare them."));
      return;
    }
    const head = element("tr", {}, element("th"), ...this.pinned.map((pin, index) => element("th", { scope: "col" },
      element("span", { className: "letter" }, LETTERS[index]), element("span", { className: "digits" }, this.name(pin.run, pin.row)),
      element("button", { type: "button", title: "Remove from the comparison", ariaLabel: `Remove ${LETTERS[index]} from the comparison`, onclick: () => this.pin(pin) }, "×"),
      this.runs.length > 1 ? element("small", {}, pin.run.name) : null)));
    const rows = this.figures.map(([name, value]) => this.row(name, this.pinned.map(pin => value(pin.run, pin.row))));
    ["epe", "fps", "latency_ms", "sram_kib", "npu_cycles"].forEach((column, index) => this.relative(rows[index], column));
    const genes = new Set(this.pinned.flatMap(pin => pin.run.space.map(gene => gene.name)));
    rows.push(this.group("Genes"), ...[...genes].map(name => {
      const row = this.row(name, this.pinned.map(pin => this.option(pin.run, pin.row, name)));
      const texts = new Set([...row.cells].slice(1).map(cell => cell.textContent));
      row.classList.toggle("differs", texts.size > 1);
      return row;
    }), ...this.parts());
    place.replaceChildren(element("table", {}, element("caption", {}, "Comparison"), element("thead", {}, head), element("tbody", {}, ...rows)), ...this.pinned.map((pin, index) => this.command(pin, index)));
  }

  command({ run, row }, index) {
    const text = `${run.export} ${this.name(run, row)}`;
    const copy = event => navigator.clipboard.writeText(text).then(() => { event.target.textContent = "copied"; });
    return element("p", { className: "command" }, element("span", { className: "letter" }, LETTERS[index]), element("code", {}, text),
      navigator.clipboard ? element("button", { type: "button", title: "Copy the command that exports this architecture", onclick: copy }, "copy") : null);
  }

  // The front as a table, which can be used without a pointer.
  listFront() {
    const place = document.getElementById("front-table");
    const run = this.run, rows = sortByFps(run, indices(run.front));
    const heads = ["architecture", "EPE, px", "FPS", "SRAM, KiB", "NPU cycles", "cost source", ""];
    const lines = rows.map(row => element("tr", {},
      element("th", { scope: "row", className: "digits" }, this.name(run, row)), ...[
        number(run.epe[row], 4), number(run.fps[row], 2), number(run.sram_kib[row], 1), number(run.npu_cycles[row]),
      ].map(text => element("td", { className: "number" }, text)), element("td", {}, this.sources[run.cost_source[row]]),
      element("td", {}, element("button", { type: "button", onclick: () => this.pin({ run, row }) }, "compare"))));
    place.replaceChildren(element("summary", {}, `The front as a table: ${rows.length} architecture${rows.length === 1 ? "" : "s"}`),
      element("div", { className: "scroll" }, element("table", {},
        element("thead", {}, element("tr", {}, ...heads.map((text, at) => element("th", { scope: "col", className: at > 0 && at < 5 ? "number" : "" }, text)))),
        element("tbody", {}, ...lines))));
  }

  row(name, cells) {
    return element("tr", {}, element("th", { scope: "row" }, name), ...cells.map(cell => element("td", {}, cell)));
  }

  group(name) { return element("tr", { className: "group" }, element("th", { scope: "row" }, name), element("td", { colSpan: this.pinned.length })); }

  relative(row, column) {
    const first = this.pinned[0];
    this.pinned.slice(1).forEach((pin, index) => {
      const percent = 100 * (pin.run[column][pin.row] / first.run[column][first.row] - 1);
      row.cells[index + 2].append(element("small", {}, `${percent < 0 ? "−" : "+"}${number(Math.abs(percent), 1)} %`));
    });
  }

  // The NPU cycles of a part depend only on its own option; the rest of the time the NPU waits for memory.
  parts() {
    const names = [...new Set(this.pinned.flatMap(pin => (pin.run.parts || []).map(part => part.name)))];
    if (!names.length) return [];
    const columns = this.pinned.map(({ run, row }) => {
      const cycles = Object.fromEntries((run.parts || []).map(part => {
        const gene = run.space.findIndex(candidate => candidate.name === part.name);
        return [part.name, part.cycles[gene < 0 ? 0 : run.genes[row * run.space.length + gene]]];
      }));
      const all = Math.round(run.latency_ms[row] * run.clock_khz);
      return { cycles, all, waiting: run.parts ? Math.max(all - Object.values(cycles).reduce((sum, value) => sum + value, 0), 0) : null };
    });
    const most = Math.max(...columns.flatMap(column => [...Object.values(column.cycles), column.waiting || 0]));
    const line = (name, values, bars) => {
      const row = this.row(name, values.map(value => (value === undefined || value === null ? "" : number(value))));
      values.forEach((value, index) => {
        if (!bars || !value) return;
        row.cells[index + 1].className = "part";
        row.cells[index + 1].style.setProperty("--share", `${(100 * value) / most}%`);
      });
      return row;
    };
    return [
      this.group("Cycles by part"), ...names.map(name => line(name, columns.map(column => column.cycles[name]), true)),
      line("waiting for memory", columns.map(column => column.waiting), true), line("total", columns.map(column => column.all), false),
    ];
  }
}

const indices = flags => Array.from(flags.keys()).filter(row => flags[row]);
const sortByFps = (run, rows) => rows.sort((a, b) => run.fps[a] - run.fps[b] || run.epe[a] - run.epe[b]);

function webgl() {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl") || canvas.getContext("experimental-webgl"));
}

const explorer = data.front ? new Explorer(data.front) : null;
if (explorer) explorer.listen();

// The front is drawn first: the other charts wait until it is on the screen.
requestAnimationFrame(() => setTimeout(() => {
  performance.mark("interactive");
  places.forEach(place => observer.observe(place));
  idle(drawRest);
}));
