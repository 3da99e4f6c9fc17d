// Optional: adds drag and drop, a preview of the ECG page, and announcements for screen readers.
"use strict";

const previewed = new WeakMap();

function preview(drop) {
  const input = drop.querySelector("input[type=file]");
  const files = [...input.files]; // several are the files of one record
  const image = drop.querySelector("[data-chosen]");
  const fault = drop.querySelector("[data-page-fault]");
  URL.revokeObjectURL(previewed.get(image));
  image.hidden = true;
  const limit = Number(drop.closest("form").dataset.limit);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const large = size > limit;
  const text = files.length > 1 ? fault.dataset.tooLargeFiles : fault.dataset.tooLargeFile;
  const places = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  fault.textContent = large ? text.replace("{size}", (size / 1048576).toLocaleString(document.documentElement.lang, places)) : "";
  fault.hidden = !large;
  input.dataset.tooLarge = large ? "1" : "";
  if (files.length !== 1 || large) return;
  const address = URL.createObjectURL(files[0]);
  previewed.set(image, address);
  image.onload = () => { image.hidden = false; };
  image.src = address; // a TIFF that the browser cannot show stays hidden and is sent nevertheless
}

function dropped(event, drop) {
  if (!event.dataTransfer.files.length) return;
  const files = new DataTransfer();
  for (const file of event.dataTransfer.files) files.items.add(file);
  const input = drop.querySelector("input[type=file]");
  input.files = files.files;
  preview(drop);
  input.focus();
}

function enhance(root) {
  for (const drop of root.querySelectorAll("[data-drop]:not([data-enhanced])")) {
    drop.dataset.enhanced = "";
    drop.querySelector("[data-by-drop]").hidden = false;
    drop.querySelector("input[type=file]").addEventListener("change", () => preview(drop));
    drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); dropped(event, drop); });
  }
  for (const slider of root.querySelectorAll("[data-slider]")) {
    slider.hidden = false;
    slider.querySelector("input").addEventListener("input", (event) => {
      document.getElementById("heat").setAttribute("opacity", event.target.value / 100);
    });
  }
}

function announce(element) {
  if (element?.dataset.announcement) document.getElementById("status").textContent = element.dataset.announcement;
}

function arrived(event) {
  const element = event.target;
  enhance(document);
  if (element.id === "why") {
    announce(element);
    return;
  }
  const faults = document.getElementById("faults");
  (faults ?? document.getElementById("answer-title") ?? document.getElementById("work")).focus();
  announce(document.getElementById("answer"));
}

// the switch of the language sends the form and gets a whole document, which htmx would take apart
document.addEventListener("submit", (event) => { if (event.submitter?.name === "show") event.stopPropagation(); }, true);
// without its ECG the patient would be another one: a file that is too large is not left out in silence
document.addEventListener("submit", (event) => {
  const input = event.target.querySelector('input[type=file][data-too-large="1"]');
  if (!input) return;
  event.preventDefault();
  event.stopPropagation();
  input.focus();
}, true);
// a file dropped outside the zone must not replace this document
for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
document.addEventListener("htmx:afterSettle", arrived);
for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => {
  const status = document.getElementById("status");
  status.textContent = status.dataset.noResponse;
  status.classList.add("seen");
});
document.addEventListener("htmx:beforeRequest", () => document.getElementById("status").classList.remove("seen"));
enhance(document);
document.getElementById("faults")?.focus();
