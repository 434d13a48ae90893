// The page's data, its colours, and all charts except the front. Nothing here or in explorer.js makes HTML from data:
// elements are created, and text is set as text content.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = role => data.colours[dark.matches ? "dark" : "light"][role];
const faded = (role, alpha) => {
  const parts = [1, 3, 5].map(at => parseInt(colour(role).slice(at, at + 2), 16));
  return `rgba(${parts.join(",")},${alpha})`;
};
const config = { displaylogo: false, responsive: true, displayModeBar: false };
const SHAPES = { steps: "hv", front: "vh", line: "linear" };

function element(tag, attributes = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in created && name !== "style") created[name] = value;
    else created.setAttribute(name, value);
  }
  created.append(...children.filter(child => child !== null));
  return created;
}

function axis(title, more = {}) {
  return {
    title: { text: title, standoff: 8, font: { size: 12 } }, gridcolor: css("--grid"), linecolor: css("--line"),
    zeroline: false, automargin: true, tickfont: { size: 11 }, ...more,
  };
}

function layout(more) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 10, t: 8, b: 8 },
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: css("--quiet") },
    hoverlabel: { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--ink"), size: 12 } },
    ...more,
  };
}

// Plotly interprets text as a kind of HTML.
const escapeText = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function trace(series, chart) {
  const paint = colour(series.role);
  const result = { name: escapeText(series.name), x: series.x, y: series.y, hovertemplate: hoverTemplate(series, chart) };
  if (series.labels.length) result.text = series.labels.map(escapeText);
  if (series.mark === "bars") return { ...result, type: "bar", textposition: "none", marker: { color: paint }, error_y: interval(series) };
  result.type = "scatter";
  if (series.mark === "points") return { ...result, mode: "markers", marker: { color: paint, size: 9 } };
  result.error_y = interval(series);
  result.mode = series.x.length < 60 && !series.dashed ? "lines+markers" : "lines";
  result.line = { color: paint, width: 2, dash: series.dashed ? "dash" : "solid", shape: SHAPES[series.mark] };
  result.marker = { color: paint, size: 5 };
  if (series.mark === "area") {
    Object.assign(result, { stackgroup: "one", mode: "lines", fillcolor: faded(series.role, 0.85) });
    result.line = { color: paint, width: 0.5 };
  }
  return result;
}

function interval(series) {
  if (!series.low.length) return {};
  const gaps = (more, less) => more.map((value, at) => Math.max(0, value - less[at]));
  return {
    type: "data", symmetric: false, array: gaps(series.high, series.y), arrayminus: gaps(series.y, series.low),
    color: series.mark === "bars" ? css("--quiet") : colour(series.role), thickness: 1, width: 3,
  };
}

function hoverTemplate(series, chart) {
  const label = series.labels.length ? "<b>%{text}</b><br>" : "";
  const y = chart.share ? "%{y:.0%}" : "%{y:,.6~g}";
  const x = hasTextValues(series) ? "%{x}" : "%{x:,.5~g}";
  return `${label}${escapeText(chart.x)}: ${x}<br>${escapeText(chart.y)}: ${y}`;
}

const hasTextValues = series => series.x.some(value => typeof value === "string");

function draw(place) {
  const chart = data.charts[place.dataset.chart];
  const whole = ["generation", "epoch"].some(word => chart.x.startsWith(word)) ? { tickformat: ",d" } : {};
  if (whole.tickformat && Math.max(...chart.series.flatMap(series => series.x)) < 6) whole.dtick = 1;
  const small = place.clientHeight < 220;
  const fromZero = isZero => (isZero ? { rangemode: "tozero" } : {});
  const y = chart.share ? { range: [0, 1], tickformat: ".0%", nticks: 3 } : { tickformat: ",.6~g", ...fromZero(chart.y_zero) };
  return Plotly.react(place, chart.series.map(series => trace(series, chart)), layout({
    xaxis: axis(small ? "" : chart.x_title, chart.series.some(hasTextValues) ? {} : { ...whole, nticks: small ? 4 : 7, tickangle: 0, ...fromZero(chart.x_zero) }),
    yaxis: axis(small ? "" : chart.y_title, y),
    showlegend: chart.series.length > 1 && chart.series.length <= 12 && !small, barmode: "group", bargap: 0.25, hovermode: "closest",
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } },
  }), config);
}

const places = [...document.querySelectorAll("[data-chart]")];

// A chart is drawn when it comes near the screen, or earlier if the browser is idle.
const observer = new IntersectionObserver(entries => {
  for (const entry of entries.filter(candidate => candidate.isIntersecting)) {
    observer.unobserve(entry.target);
    drawOnce(entry.target);
  }
}, { rootMargin: "400px" });
const drawn = new Set();
function drawOnce(place) {
  if (drawn.has(place)) return;
  drawn.add(place);
  draw(place);
}
const idle = window.requestIdleCallback || (work => setTimeout(work, 50));
function drawRest() {
  const next = places.find(place => !drawn.has(place));
  if (!next) return;
  drawOnce(next);
  idle(drawRest);
}
dark.addEventListener("change", () => drawn.forEach(draw));
addEventListener("beforeprint", () => places.forEach(drawOnce));
