(() => {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const texts = JSON.parse($("data").textContent);
  const tip = $("tip");
  const layers = [...document.querySelectorAll(".layer")];
  const edges = [...document.querySelectorAll(".edge")];
  const dots = [...document.querySelectorAll(".dot")];
  // The page's own card takes the place of the browser's tooltips.
  document.querySelectorAll(".layer > title, .dot > title").forEach((title) => title.remove());

  const show = (index, x, y) => {
    tip.textContent = texts[index];
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(8, Math.min(x + 16, innerWidth - box.width - 8)) + "px";
    tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(8, y - box.height - 12) : y + 18) + "px";
  };
  const light = (index) => {
    layers.forEach((l) => l.classList.toggle("on", l.dataset.i === index));
    dots.forEach((d) => d.classList.toggle("on", d.dataset.i === index));
    const at = layers.find((l) => l.dataset.i === index);
    const box = at ? at.parentNode.dataset.box : null;
    edges.forEach((e) => e.classList.toggle("on", box !== null && (e.dataset.a === box || e.dataset.b === box)));
  };
  const off = () => { tip.hidden = true; light(null); };
  const go = (index) => {
    const at = $("L" + index);
    if (!at) return;
    at.scrollIntoView({ block: "center", inline: "center", behavior: "smooth" });
    at.focus({ preventScroll: true });
    light(index);
  };
  for (const item of [...layers, ...dots]) {
    item.addEventListener("mousemove", (e) => { show(item.dataset.i, e.clientX, e.clientY); light(item.dataset.i); });
    item.addEventListener("mouseleave", off);
  }
  for (const layer of layers) {
    layer.addEventListener("focus", () => {
      const r = layer.getBoundingClientRect();
      if (r.bottom > 0 && r.top < innerHeight) show(layer.dataset.i, r.right - 40, r.top + 4);
      light(layer.dataset.i);
    });
    layer.addEventListener("blur", off);
  }
  for (const dot of dots) dot.addEventListener("click", () => go(dot.dataset.i));
  for (const link of document.querySelectorAll('a[href^="#L"]')) {
    link.addEventListener("click", (e) => { e.preventDefault(); go(link.getAttribute("href").slice(2)); });
  }
  $("find").addEventListener("input", (e) => {
    const wanted = e.target.value.trim().toLowerCase();
    let first = null;
    for (const layer of layers) {
      const hit = !wanted || texts[layer.dataset.i].split("\n")[0].toLowerCase().includes(wanted);
      layer.classList.toggle("dim", !hit);
      if (hit && wanted && first === null) first = layer;
    }
    edges.forEach((edge) => edge.classList.toggle("dim", Boolean(wanted)));
    if (first) first.scrollIntoView({ block: "center", inline: "center" });
    e.target.focus({ preventScroll: true });
  });
  $("fit").addEventListener("click", () => $("canvas").classList.remove("full"));
  $("full").addEventListener("click", () => $("canvas").classList.add("full"));
  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
})();
