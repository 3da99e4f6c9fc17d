// Shows the map of the patient graph: a canvas with pan and zoom, the chosen record with its neighbours, and a table.
"use strict";

(() => {
  const CLASSES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b8a800", "#6b7280"];
  const RAMP = [[0, 32, 81], [64, 77, 107], [124, 123, 120], [187, 174, 111], [253, 234, 69]]; // cividis
  const MISSING = "#9aa3af";
  const NEW = 3; // part of a new patient

  // the page may hold translations; the report is English
  const texts = JSON.parse(document.getElementById("patient-map-texts")?.textContent ?? "{}");
  const translated = (text) => texts[text] ?? text;
  const _ = (text, values = {}) => translated(text).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
  const PARTS = [_("training (reference)"), _("validation"), _("test"), _("new patient")];
  const ROWS = 50;
  const MANY_RECORDS = 3000; // from here on, records are drawn as squares, pixel by pixel
  const MANY_LINKS = 15000; // from here on, all links are drawn only while the map rests

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function ramp(share) {
    const place = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
    const low = Math.min(Math.floor(place), RAMP.length - 2);
    const mixed = RAMP[low].map((from, i) => Math.round(from + (RAMP[low + 1][i] - from) * (place - low)));
    return `rgb(${mixed.join(",")})`;
  }

  const language = document.documentElement.lang || "en";
  const short = (value) => value.toLocaleString(language, { maximumSignificantDigits: 4, useGrouping: false });

  function start(root, map) {
    const part = (name) => root.querySelector(`[data-map=${name}]`);
    const canvas = part("canvas");
    const context = canvas.getContext("2d");
    const count = map.records.length;
    const columns = [...map.columns, { title: _("Part of the split"), unit: "", words: PARTS, values: map.part }];
    const called = (node) => (map.part[node] === NEW ? translated(map.records[node]) : map.records[node]);
    const places = new Map(map.records.map((name, node) => [name, node]));
    const backwards = map.records.map(() => []);
    map.neighbours.forEach((row, node) => row.forEach((other) => backwards[other].push(node)));
    const view = { x: 0, y: 0, zoom: 1 };
    const links = map.neighbours.reduce((sum, row) => sum + row.length, 0);
    let colours = [], chosen = -1, column = columns[0], page = 0, waiting = false, rest = 0, width = 0, height = 0;

    const size = () => Math.min(width, height) * 0.47 * view.zoom;
    const toScreen = (node) => [
      width / 2 + (map.x[node] - view.x) * size(), height / 2 - (map.y[node] - view.y) * size(),
    ];

    function spoken(found, node) {
      const value = found.values[node];
      if (value === null || value === undefined) return _("not known");
      if (found.words.length) return translated(found.words[value] ?? short(value));
      return `${short(value)}${found.unit ? ` ${translated(found.unit)}` : ""}`;
    }

    function recolour() {
      column = columns[Number(part("colour").value)];
      const known = column.values.filter((value) => value !== null);
      const low = known.reduce((a, b) => Math.min(a, b), Infinity), high = known.reduce((a, b) => Math.max(a, b), -Infinity);
      const legend = part("legend");
      legend.replaceChildren();
      const entry = (colour, text) => {
        const item = element("span");
        const dot = element("i");
        dot.style.background = colour;
        item.append(dot, text);
        legend.append(item);
      };
      if (column.words.length) {
        colours = column.values.map((value) => value === null ? MISSING : CLASSES[value % CLASSES.length]);
        column.words.forEach((word, place) => {
          const members = column.values.filter((value) => value === place).length;
          if (members) entry(CLASSES[place % CLASSES.length], `${translated(word)} (${members})`);
        });
      } else {
        colours = column.values.map((value) => value === null ? MISSING : ramp(high > low ? (value - low) / (high - low) : 0.5));
        if (known.length) {
          const bar = element("i", null, { class: "ramp" });
          bar.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(ramp).join(",")})`;
          legend.append(short(low), bar, `${short(high)} ${translated(column.unit)}`);
        }
      }
      const missing = column.values.length - known.length;
      if (missing) entry(MISSING, `${_("not known")} (${missing})`);
      if (count <= MANY_RECORDS) entry("transparent", _("Filled: reference record. Hollow: validation or test record, never a neighbour itself."));
      redraw();
    }

    function redraw() {
      if (waiting) return;
      waiting = true;
      clearTimeout(rest);
      const heavy = part("links").value === "all" && links > MANY_LINKS;
      requestAnimationFrame(() => { waiting = false; draw(!heavy); });
      if (heavy) rest = setTimeout(() => draw(true), 300);
    }

    // the red, green and blue of a colour, as the canvas understands it
    const known = new Map();
    function bytes(colour) {
      if (!known.has(colour)) {
        context.fillStyle = colour;
        const hex = context.fillStyle; // browsers give colours as #rrggbb
        known.set(colour, [1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16)));
      }
      return known.get(colour);
    }

    function squares(scale, radius) {
      const wide = canvas.width, high = canvas.height, image = context.getImageData(0, 0, wide, high);
      const pixels = new Uint32Array(image.data.buffer);
      const half = Math.max(1, Math.round(radius * scale)), reach = size() * scale;
      const left = wide / 2 - view.x * reach, top = high / 2 + view.y * reach;
      for (let node = 0; node < count; node += 1) {
        const x = Math.round(left + map.x[node] * reach), y = Math.round(top - map.y[node] * reach);
        if (x < -half || y < -half || x >= wide + half || y >= high + half) continue;
        const [red, green, blue] = bytes(colours[node]);
        const value = (255 << 24) | (blue << 16) | (green << 8) | red;
        for (let row = Math.max(0, y - half); row <= Math.min(high - 1, y + half); row += 1) {
          pixels.fill(value, row * wide + Math.max(0, x - half), row * wide + Math.min(wide, x + half + 1));
        }
      }
      context.putImageData(image, 0, 0);
    }

    function dot(node, radius, paper, ink) {
      const [x, y] = toScreen(node), query = map.part[node] > 0;
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) return;
      context.beginPath();
      context.arc(x, y, node === chosen ? radius + 3 : radius, 0, 7);
      context.fillStyle = query ? paper : colours[node];
      context.fill();
      context.lineWidth = node === chosen ? 3 : query ? 1.8 : 0.6;
      context.strokeStyle = node === chosen ? ink : query ? colours[node] : paper;
      context.stroke();
    }

    function lines(pairs, colour, width) {
      context.beginPath();
      for (const [from, to] of pairs) {
        context.moveTo(...toScreen(from));
        context.lineTo(...toScreen(to));
      }
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    }

    function draw(withLinks) {
      if (!canvas.clientWidth) return; // in a closed section; it is drawn when the section opens
      const scale = window.devicePixelRatio || 1;
      [width, height] = [canvas.clientWidth, canvas.clientHeight];
      if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
        canvas.width = Math.round(width * scale);
        canvas.height = Math.round(height * scale);
      }
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.clearRect(0, 0, width, height);
      const style = getComputedStyle(root);
      const paper = style.getPropertyValue("--paper") || "#fff", ink = style.getPropertyValue("--ink") || "#000";
      const shownLinks = part("links").value;
      if (shownLinks === "all" && withLinks) {
        const pairs = [];
        map.neighbours.forEach((row, node) => row.forEach((other) => pairs.push([node, other])));
        for (let from = 0; from < pairs.length; from += 2000) lines(pairs.slice(from, from + 2000), "rgba(139,148,161,.3)", 0.6);
      }
      const radius = Math.min(9, Math.max(1.6, 110 / Math.sqrt(count)) * Math.sqrt(view.zoom));
      if (count > MANY_RECORDS) squares(scale, radius);
      if (chosen >= 0 && shownLinks !== "none") {
        lines(backwards[chosen].map((other) => [other, chosen]), "rgba(139,148,161,.8)", 1);
        lines(map.neighbours[chosen].map((other) => [chosen, other]), ink, 1.8);
      }
      if (count <= MANY_RECORDS) for (let node = 0; node < count; node += 1) dot(node, radius, paper, ink);
      else if (chosen >= 0) [...map.neighbours[chosen], chosen].forEach((node) => dot(node, radius + 2, paper, ink));
    }

    function nearest(event) {
      const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      let best = -1, closest = 14 * 14;
      for (let node = 0; node < count; node += 1) {
        const [a, b] = toScreen(node), apart = (a - x) ** 2 + (b - y) ** 2;
        if (apart < closest) [best, closest] = [node, apart];
      }
      return best;
    }

    function button(node) {
      const made = element("button", called(node), { type: "button" });
      made.addEventListener("click", () => choose(node));
      return made;
    }

    function table(heads, rows) {
      const made = element("table"), head = element("tr"), body = element("tbody");
      heads.forEach((text) => head.append(element("th", text, { scope: "col" })));
      rows.forEach((cells) => {
        const line = element("tr");
        cells.forEach((cell) => { const box = element("td"); box.append(cell); line.append(box); });
        body.append(line);
      });
      const top = element("thead");
      top.append(head);
      if (heads.length) made.append(top);
      made.append(body);
      return made;
    }

    function choose(node) {
      chosen = node;
      const panel = part("record");
      panel.replaceChildren();
      if (node < 0) {
        panel.append(element("p", _("Choose a record on the map, or find it by its name, to see its values and its neighbours.")));
        redraw();
        return;
      }
      panel.append(element("h3", called(node)));
      panel.append(table([], columns.map((found) => [translated(found.title), spoken(found, node)])));
      const first = columns[0];
      panel.append(element("h4", _("Neighbours on the map, nearest first: {count}", { count: map.neighbours[node].length })));
      panel.append(table([_("Record"), translated(first.title), _("Distance")], map.neighbours[node].map((other, rank) => [
        button(other), spoken(first, other), short(map.distances[node][rank])])));
      if (backwards[node].length) {
        panel.append(element("h4", _("Records of which it is a neighbour: {count}", { count: backwards[node].length })));
        const list = element("p");
        backwards[node].slice(0, 12).forEach((other) => list.append(button(other), " "));
        if (backwards[node].length > 12) list.append(_("and {count} more", { count: backwards[node].length - 12 }));
        panel.append(list);
      }
      panel.dispatchEvent(new CustomEvent("map-record", { bubbles: true, detail: { map, node } })); // its ECG is added
      redraw();
    }

    // shows a record with all its neighbours
    function centre(node) {
      const near = [node, ...map.neighbours[node]];
      const reach = Math.max(0.04, ...near.map((each) => Math.max(Math.abs(map.x[each] - map.x[node]), Math.abs(map.y[each] - map.y[node]))));
      Object.assign(view, { x: map.x[node], y: map.y[node], zoom: Math.min(Math.max(0.9 / reach, 1), 20) });
    }

    function zoom(factor, event) {
      const before = size();
      view.zoom = Math.min(Math.max(view.zoom * factor, 0.5), 200);
      if (event) {
        const box = canvas.getBoundingClientRect();
        const x = event.clientX - box.left - box.width / 2, y = event.clientY - box.top - box.height / 2;
        view.x += x / before - x / size();
        view.y -= y / before - y / size();
      }
      redraw();
    }

    function listed() {
      if (!part("table").open) return;
      const wanted = part("find").value.trim().toLowerCase();
      const found = [];
      for (let node = 0; node < count; node += 1) if (map.records[node].toLowerCase().includes(wanted)) found.push(node);
      page = Math.min(page, Math.max(0, Math.ceil(found.length / ROWS) - 1));
      const rows = found.slice(page * ROWS, (page + 1) * ROWS).map((node) => [
        button(node), ...columns.map((each) => spoken(each, node)), String(map.neighbours[node].length)]);
      const turn = element("div", null, { class: "map-pages" });
      const step = (text, by) => {
        const made = element("button", text, { type: "button" });
        made.addEventListener("click", () => { page = Math.max(0, page + by); listed(); });
        return made;
      };
      turn.append(step(_("Previous"), -1), _("{first} to {last} of {all}", {
        first: found.length ? page * ROWS + 1 : 0, last: Math.min(found.length, (page + 1) * ROWS), all: found.length,
      }), step(_("Next"), 1));
      const wide = element("div", null, { class: "scroll", tabindex: "0", role: "region", "aria-label": _("Records") });
      wide.append(table([_("Record"), ...columns.map((each) => translated(each.title)), _("Neighbours")], rows));
      part("rows").replaceChildren(turn, wide);
    }

    function save(name, text, kind) {
      const address = URL.createObjectURL(new Blob([text], { type: kind }));
      element("a", null, { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    }

    const xml = (text) => String(text).replace(/[<>&"]/g, (mark) => `&#${mark.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "");
    const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

    function graphml() {
      const keys = columns.map((each, i) => `<key id="v${i}" for="node" attr.name="${xml(each.title)}" attr.type="${each.words.length ? "string" : "double"}"/>`);
      const nodes = map.records.map((name, node) => {
        const values = columns.map((each, i) => each.values[node] === null ? "" : `<data key="v${i}">${xml(each.words[each.values[node]] ?? each.values[node])}</data>`);
        return `<node id="${xml(name)}">${values.join("")}</node>`;
      });
      const edges = [];
      map.neighbours.forEach((row, node) => row.forEach((other, rank) => edges.push(
        `<edge source="${xml(map.records[other])}" target="${xml(map.records[node])}"><data key="distance">${map.distances[node][rank]}</data></edge>`)));
      return `<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n${keys.join("\n")}\n<key id="distance" for="edge" attr.name="distance" attr.type="double"/>\n<graph edgedefault="directed">\n${nodes.join("\n")}\n${edges.join("\n")}\n</graph>\n</graphml>\n`;
    }

    function csv() {
      const rows = ["record,rank,neighbour,distance"];
      map.neighbours.forEach((row, node) => row.forEach((other, rank) => rows.push(
        [quoted(map.records[node]), rank + 1, quoted(map.records[other]), map.distances[node][rank]].join(","))));
      return `${rows.join("\n")}\n`;
    }

    columns.forEach((each, place) => part("colour").append(element("option", translated(each.title), { value: place })));
    const note = [_("{count} records. A link joins a record to one of its {k} nearest reference records ({metric} distance of the fused features). The map keeps similar records close together; larger distances have no meaning.", { count, k: map.k, metric: translated(map.metric) })];
    if (count < map.of) note.push(_("A random sample of {count} of {all} records is shown; neighbours outside it are left out.", { count, all: map.of }));
    part("note").textContent = note.join(" ");

    const fingers = new Map();
    let moved = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = fingers.get(event.pointerId);
      const tip = part("tip");
      if (!last) {
        const node = nearest(event);
        tip.hidden = node < 0;
        if (node >= 0) {
          const [x, y] = toScreen(node);
          tip.textContent = `${called(node)}: ${translated(column.title)} ${spoken(column, node)}`;
          tip.style.left = `${Math.min(x + 12, width - 180)}px`;
          tip.style.top = `${Math.max(0, y - 30)}px`;
        }
        return;
      }
      tip.hidden = true;
      const dx = event.clientX - last[0], dy = event.clientY - last[1];
      moved += Math.abs(dx) + Math.abs(dy);
      if (fingers.size === 2) {
        const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
        const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
        zoom(apart([event.clientX, event.clientY]) / apart(last));
      } else {
        view.x -= dx / size();
        view.y += dy / size();
        redraw();
      }
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    canvas.addEventListener("pointerup", (event) => {
      fingers.delete(event.pointerId);
      if (moved < 5) choose(nearest(event));
    });
    canvas.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => { part("tip").hidden = true; });
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 400), event); }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const step = 0.15 / view.zoom;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
      if (moves[event.key]) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; redraw(); }
      else if (event.key === "+" || event.key === "=") zoom(1.3);
      else if (event.key === "-") zoom(1 / 1.3);
      else return;
      event.preventDefault();
    });
    part("colour").addEventListener("change", recolour);
    part("links").addEventListener("change", redraw);
    part("find").addEventListener("input", () => {
      const text = part("find").value.trim();
      const node = places.get(text) ?? (text ? map.records.findIndex((name) => name.startsWith(text)) : -1);
      if (node >= 0) { centre(node); choose(node); }
      page = 0;
      listed();
    });
    part("in").addEventListener("click", () => zoom(1.5));
    part("out").addEventListener("click", () => zoom(1 / 1.5));
    part("reset").addEventListener("click", () => { Object.assign(view, { x: 0, y: 0, zoom: 1 }); redraw(); });
    part("graphml").addEventListener("click", () => save("patients.graphml", graphml(), "application/xml"));
    part("csv").addEventListener("click", () => save("links.csv", csv(), "text/csv"));
    part("table").addEventListener("toggle", listed);
    new ResizeObserver(redraw).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    recolour();
    choose(places.get(map.chosen) ?? -1);
    if (chosen >= 0) centre(chosen);
    root.dataset.ready = "";
  }

  async function load(root) {
    const held = document.getElementById("patient-map-content");
    if (held) return start(root, JSON.parse(held.textContent));
    const answer = await fetch(root.closest("[data-source]").dataset.source);
    if (!answer.ok) {
      root.replaceChildren(element("p", _("The map could not be loaded (status {status}).", { status: answer.status })));
      return undefined;
    }
    return start(root, await answer.json());
  }

  for (const root of document.querySelectorAll("[data-patient-map]")) load(root);
})();
