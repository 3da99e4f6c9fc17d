// Folding sections, enlarged figures and values on hover. Without this script, a report folds by hand and browsers show
// the values of a figure by themselves.
(() => {
  const folds = [...document.querySelectorAll("details.fold")];
  const all = document.querySelector("[data-fold-all]");
  const setAll = (open) => folds.forEach((fold) => { fold.open = open; });
  const anyClosed = () => folds.some((fold) => !fold.open);

  function label() {
    all.textContent = anyClosed() ? "Open all sections" : "Close all sections";
  }

  // opens the section of an address such as #calibration, and scrolls to it
  function reveal(hash) {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (!target) return;
    const fold = target.querySelector(":scope > details.fold") || target.closest("details.fold");
    if (fold) fold.open = true;
    target.scrollIntoView();
  }

  if (folds.length) {
    all.hidden = false;
    label();
    all.addEventListener("click", () => setAll(anyClosed()));
    folds.forEach((fold) => fold.addEventListener("toggle", label));
  }
  document.querySelectorAll('a[href^="#"]').forEach((link) => link.addEventListener("click", () => {
    setTimeout(() => reveal(link.hash));
  }));
  addEventListener("hashchange", () => reveal(location.hash));
  reveal(location.hash);

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter((fold) => !fold.open);
    setAll(true);
  });
  addEventListener("afterprint", () => closed.forEach((fold) => { fold.open = false; }));

  const tip = document.createElement("p");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  document.querySelectorAll(".spot").forEach((spot) => {
    spot.dataset.value = spot.textContent; // browsers show a title late, and it would cover the tip
    spot.replaceChildren();
  });

  function showValue(event) {
    const spot = event.target.closest(".spot");
    tip.hidden = !spot;
    if (!spot) return;
    tip.textContent = spot.dataset.value;
    (spot.closest("dialog") || document.body).append(tip);
    const box = spot.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.x + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
    const above = box.y - tip.offsetHeight - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above < 4 ? box.bottom + 8 : above}px`;
  }

  const dialog = document.querySelector("dialog.enlarged");
  document.addEventListener("pointerover", showValue);
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  document.querySelectorAll("figure").forEach((figure) => {
    const chart = figure.querySelector(".chart"), button = figure.querySelector("[data-enlarge]");
    if (!chart || !button) return;
    const enlarge = () => {
      dialog.querySelector("[data-enlarged]").replaceChildren(chart.cloneNode(true));
      dialog.querySelector("[data-caption]").textContent = figure.querySelector("figcaption").textContent;
      dialog.showModal();
    };
    button.hidden = false;
    button.addEventListener("click", enlarge);
    chart.addEventListener("click", enlarge);
    chart.classList.add("can-enlarge");
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { tip.hidden = true; });
})();
