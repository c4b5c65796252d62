// Draw each figure from the JSON beside it, as wide as the page.
for (const data of document.querySelectorAll("script.figure-data")) {
  const figure = JSON.parse(data.textContent);
  const layout = { ...figure.layout, autosize: true };
  delete layout.width;
  // plotly.js otherwise offers a button that sends the chart, with its data, to its maker's cloud.
  const local = { showSendToCloud: false, plotlyServerURL: "" };
  const config = { ...figure.config, ...local, responsive: true, displaylogo: false };
  Plotly.newPlot(data.previousElementSibling, figure.data, layout, config);
}
