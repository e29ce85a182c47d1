"use strict";
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const isDark = matchMedia("(prefers-color-scheme: dark)");
const charts = read("charts"), themes = read("themes");

async function load() {
  const packed = Uint8Array.from(atob(document.getElementById("library").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

async function draw(place) {
  place.dataset.state = "drawing";
  const { spec, renderer } = charts[place.dataset.chart];
  const config = { ...themes[isDark.matches ? "dark" : "light"], background: "transparent" };
  const actions = { export: true, source: false, compiled: false, editor: false };
  await vegaEmbed(place, spec, { mode: "vega-lite", config, actions, renderer, tooltip: { theme: isDark.matches ? "dark" : "light" } });
  place.dataset.state = "drawn";
}

const places = [...document.querySelectorAll("[data-chart]")];
const ready = load().then(() => {
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) { seen.unobserve(target); draw(target); }
    }
  }, { rootMargin: "600px" });
  places.forEach((place) => seen.observe(place));
});
isDark.addEventListener("change", () => places.filter((place) => place.dataset.state).forEach(draw));
addEventListener("beforeprint", () => places.filter((place) => !place.dataset.state).forEach(draw));

const filter = document.getElementById("filter");
filter?.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const card of document.querySelectorAll("[data-column]")) {
    card.hidden = !card.dataset.column.toLowerCase().includes(wanted);
  }
});
