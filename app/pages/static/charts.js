// Draws <canvas data-chart="{labels, series, unit}"> with Chart.js. The same figures stand in a table beside it, so
// nothing here is needed to read them.
"use strict";

(() => {
  // Okabe and Ito: told apart by people who see few colours, on light and on dark; dashes and marks tell them apart too.
  const colours = { light: ["#0072b2", "#b35900", "#a3005c", "#006b4f"], dark: ["#56b4e9", "#e69f00", "#f0a3cc", "#33c49a"] };
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
  const marks = ["circle", "triangle", "rect", "star"];
  const isDark = () => document.documentElement.getAttribute("data-bs-theme") === "dark";

  const draw = (canvas) => {
    const data = JSON.parse(canvas.dataset.chart);
    const theme = isDark() ? "dark" : "light";
    const ink = getComputedStyle(canvas).color;
    Chart.getChart(canvas)?.destroy();
    new Chart(canvas, {
      type: "line",
      data: {
        labels: data.labels,
        datasets: data.series.map((one, number) => ({
          label: one.name,
          data: one.values.map(Number),
          borderColor: colours[theme][number % 4],
          backgroundColor: colours[theme][number % 4],
          borderDash: dashes[number % 4],
          pointStyle: marks[number % 4],
          pointRadius: 3,
          borderWidth: 2,
          tension: 0.2,
        })),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        plugins: { legend: { position: "bottom", labels: { usePointStyle: true, color: ink } } },
        scales: {
          x: { ticks: { color: ink, maxRotation: 0, autoSkip: true } },
          y: { beginAtZero: true, ticks: { color: ink, precision: data.unit ? undefined : 0 } },
        },
      },
    });
  };
  const all = (root) => root.querySelectorAll("canvas[data-chart]").forEach(draw);

  document.addEventListener("DOMContentLoaded", () => all(document));
  // What a refresh takes away is let go, and what it brings is drawn.
  document.addEventListener("htmx:beforeSwap", (event) =>
    event.target.querySelectorAll("canvas[data-chart]").forEach((canvas) => Chart.getChart(canvas)?.destroy()));
  document.addEventListener("htmx:load", (event) => all(event.target));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(() => all(document)));
})();
