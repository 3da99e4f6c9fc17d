// Shows the stored ECG of the record that is chosen on the map.
"use strict";

(() => {
  const texts = JSON.parse(document.getElementById("patient-map-texts")?.textContent ?? "{}");
  const _ = (text) => texts[text] ?? text;

  // a report holds the drawings of its records; the service draws each when it is chosen
  async function drawingOf(record, map, source) {
    if (map.ecgs) return map.ecgs[record];
    try {
      const answer = await fetch(source + encodeURIComponent(record));
      return answer.ok ? await answer.text() : undefined;
    } catch {
      return undefined;
    }
  }

  document.addEventListener("map-record", async ({ target, detail: { map, node } }) => {
    const source = target.closest("[data-ecgs]")?.dataset.ecgs;
    if (!source && map.ecgs === undefined) return; // no ECG is stored
    const place = document.createElement("div");
    place.className = "map-ecg";
    target.querySelector("h3").after(place);
    const say = (text) => { place.textContent = text; };
    if (map.part[node] > 0) return say(_("ECGs of reference records only are stored."));
    if (!source && !map.ecgs) return say(_("These are too many ECGs for a report; the patient graph of the service shows them."));
    const drawing = await drawingOf(map.records[node], map, source);
    if (!drawing) return say(_("No ECG of this record is stored."));
    place.append(document.importNode(new DOMParser().parseFromString(drawing, "image/svg+xml").documentElement, true));
    const scale = document.createElement("p");
    scale.textContent = _("25 mm/s, 10 mm/mV; a square is 0.2 s by 0.5 mV.");
    place.append(scale);
    return undefined;
  });
})();
