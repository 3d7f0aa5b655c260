"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = id => document.getElementById(id);
const list = byId("rows"), search = byId("search"), sort = byId("sort"), player = byId("player");
const NOT_READ = "not read", DUPLICATE = "duplicate", AROUND = 4;
const flagsOf = row => [...(row.flags || []), ...(row.problem ? [NOT_READ] : []), ...(row.duplicate ? [DUPLICATE] : [])];
const number = cell => Array.isArray(cell) ? cell[0] : cell;
const chosen = new Set();
let shown = data.rows;

function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function draw(row) {
  const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg");
  if (!row.curve) return svg;
  const values = row.curve.match(/../g).map(pair => parseInt(pair, 16));
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", row.caption || "curve");
  const add = (kind, attributes, text) => {
    const element = document.createElementNS(ns, kind);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) element.append(text);
    svg.append(element);
  };
  for (const [name, item] of row.marks || []) {
    const x = 100 * item / Math.max(1, row.items - 1);
    const line = {x1: x, x2: x, y1: 0, y2: 100};
    add("line", line);
    const title = document.createElementNS(ns, "title");
    title.append(`${name} ${item}`);
    svg.lastChild.append(title);
  }
  const step = 100 / Math.max(1, values.length - 1);
  add("polyline", {points: values.map((value, index) => `${index * step},${100 - value / 2.55}`).join(" ")});
  return svg;
}

function cell(value) {
  const dd = make("dd", {}, String(number(value) ?? "–"));
  if (Array.isArray(value)) dd.append(make("small", {}, ` ${value[1]} to ${value[2]}`));
  return dd;
}

function build(row) {
  const picture = make("button", {className: "picture", type: "button", disabled: !row.moving});
  picture.setAttribute("aria-label", `Play ${row.name}`);
  if (row.picture) picture.append(make("img", {src: row.picture, alt: "", decoding: "async"}));
  picture.addEventListener("click", () => show(row, media(row)));
  const slash = row.name.lastIndexOf("/");
  const name = make("button", {type: "button"}, make("b", {}, row.name.slice(slash + 1)));
  const more = make("button", {type: "button", className: "more"}, "more");
  for (const button of [name, more]) button.addEventListener("click", () => show(row));
  const what = make("div", {className: "what", title: row.name}, make("div", {className: "name"}, name, more));
  // What comes last is cut off where there is no room for all of it: what to look at comes first.
  for (const flag of row.flags || []) what.append(chip(flag));
  if (row.problem) what.append(make("small", {className: "problem"}, row.problem));
  if (slash > 0) what.append(make("small", {className: "folder"}, row.name.slice(0, slash)));
  for (const line of remarks(row)) what.append(make("small", {className: "note", title: line}, line));
  const curve = make("div", {className: "curve", title: row.caption || ""}, draw(row));
  if (row.caption) curve.append(make("small", {}, row.caption));
  return make("li", {}, picture, what, curve, values(row));
}

const chip = flag => make("span", {className: "flag", title: data.flags[flag] || ""}, flag);
const remarks = row => [...(row.duplicate ? [`the same content as ${row.duplicate}`] : []), ...(row.notes || [])];

function values(row) {
  const pairs = make("dl", {});
  (row.cells || []).forEach((value, index) =>
    pairs.append(make("div", {}, make("dt", {title: data.columns[index]}, data.columns[index]), cell(value))));
  return pairs;
}

// Whether something of a row is cut off, which has a fixed height.
const isCut = element =>
  [...element.querySelectorAll(".what, dl")].some(part => part.scrollHeight > part.clientHeight + 1) ||
  [...element.querySelectorAll("b, dt, dd, small")].some(part => part.scrollWidth > part.clientWidth + 1);

function facts(row) {
  const marks = (row.marks || []).map(([name, item]) => `${name} ${item}`).join(", ");
  const lines = [row.problem, ...remarks(row), row.caption, marks].filter(Boolean);
  const flags = (row.flags || []).map(flag => make("li", {}, chip(flag), ` ${data.flags[flag] || ""}`));
  return [make("ul", {}, ...flags), ...lines.map(line => make("p", {}, line)), values(row)];
}

function media(row) {
  const video = /\.(mp4|webm)$/i.test(row.moving);
  return video
    ? make("video", {src: row.moving, controls: true, autoplay: true, loop: true, muted: true})
    : make("img", {src: row.moving, alt: row.name});
}

function show(row, ...pictures) {
  byId("shown").textContent = row.name;
  byId("stage").replaceChildren(...pictures);
  byId("facts").replaceChildren(...facts(row));
  player.showModal();
}
player.addEventListener("close", () => byId("stage").replaceChildren());
player.addEventListener("click", event => { if (event.target === player) player.close(); });

// The rows in sight, and a few around them, by their place in the list.
const built = new Map();
function paint() {
  const height = parseFloat(getComputedStyle(list.parentElement).fontSize) *
    parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
  list.style.height = `${shown.length * height}px`;
  const top = -list.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / height) - AROUND);
  const last = Math.min(shown.length, Math.ceil((top + innerHeight) / height) + AROUND);
  for (const [place, element] of built) {
    if (place < first || place >= last) { element.remove(); built.delete(place); }
  }
  for (let place = first; place < last; place++) {
    if (!built.has(place)) {
      const element = build(shown[place]);
      element.setAttribute("aria-setsize", shown.length);
      element.setAttribute("aria-posinset", place + 1);
      built.set(place, element);
      list.append(element);
    }
    built.get(place).style.top = `${place * height}px`;
  }
  const cut = [...built.values()].map(isCut);  // all are measured before one is changed
  [...built.values()].forEach((element, index) => element.classList.toggle("cut", cut[index]));
}

function compare(a, b, key, sign) {
  const [x, y] = [a, b].map(row => number((row.cells || [])[key]));
  const missing = value => value === undefined || value === null || value === "";
  if (missing(x) || missing(y)) return missing(x) - missing(y);
  return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
}

function update() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = data.rows.filter(row =>
    words.every(word => row.name.toLowerCase().includes(word)) &&
    (!chosen.size || flagsOf(row).some(flag => chosen.has(flag))));
  const [kind, key] = sort.value.split(" ");
  if (kind === "name") shown.sort((a, b) => a.name.localeCompare(b.name, undefined, {numeric: true}));
  if (kind === "up" || kind === "down") shown.sort((a, b) => compare(a, b, Number(key), kind === "up" ? 1 : -1));
  byId("count").textContent = `${shown.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} shown`;
  for (const element of built.values()) element.remove();
  built.clear();
  paint();
}

function counts() {
  const count = new Map();
  for (const row of data.rows) for (const flag of flagsOf(row)) count.set(flag, (count.get(flag) || 0) + 1);
  return [...count].sort((a, b) => b[1] - a[1]);
}

for (const [flag, count] of counts()) {
  const button = make("button", {type: "button", title: data.flags[flag] || ""}, `${flag} ${count}`);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    chosen.has(flag) ? chosen.delete(flag) : chosen.add(flag);
    button.setAttribute("aria-pressed", String(chosen.has(flag)));
    update();
  });
  byId("filters").append(button);
}
sort.append(new Option("doubt", "doubt"), new Option("name", "name"));
data.columns.forEach((column, index) =>
  sort.append(new Option(`${column} ↑`, `up ${index}`), new Option(`${column} ↓`, `down ${index}`)));
search.addEventListener("input", update);
sort.addEventListener("change", update);
addEventListener("scroll", () => requestAnimationFrame(paint), {passive: true});
addEventListener("resize", paint);
update();
