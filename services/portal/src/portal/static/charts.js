// Draws what stands in a table: a line for each column after the first. The table stays beside it, for everybody.
"use strict";

const COLOURS = ["#1f4e9c", "#17692f", "#b3261e", "#7a4d00"]; // as in portal.css
const SHAPES = ["circle", "rect", "triangle", "diamond"]; // so that colour is not all that tells them apart
const SIGNS = ["●", "■", "▲", "◆"];

for (const place of document.querySelectorAll("[data-chart]")) {
  const table = document.getElementById(place.dataset.chart);
  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim())).reverse();
  place.hidden = false;
  const font = { fontFamily: "inherit", color: "#1c2430" };
  const chart = echarts.init(place, null, { renderer: "canvas" });
  chart.setOption({
    animation: false,
    textStyle: font,
    color: COLOURS,
    grid: { left: 8, right: 16, top: 12, bottom: 8, containLabel: true },
    xAxis: { type: "category", data: rows.map((row) => row[0].slice(5)) },
    yAxis: { type: "value", minInterval: 1 },
    series: headings.slice(1).map((name, n) => ({
      name,
      type: "line",
      symbol: SHAPES[n],
      symbolSize: 7,
      data: rows.map((row) => Number(row[n + 1])),
    })),
  });
  // The build that is vendored has no legend.
  const legend = document.getElementById(`${table.id}-legend`);
  for (const [n, name] of headings.slice(1).entries()) {
    const item = document.createElement("li");
    item.textContent = `${SIGNS[n]} ${name}`;
    item.style.color = COLOURS[n];
    legend.append(item);
  }
  new ResizeObserver(() => chart.resize()).observe(place);
}
