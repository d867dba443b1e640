// Follows an import while it is worked on; at its end the page is shown anew. Without a script the page reloads itself.
"use strict";

const bar = document.getElementById("progress");
const source = new EventSource(bar.dataset.progress);
source.addEventListener("progress", (event) => {
  const { done, rows, finished } = JSON.parse(event.data);
  bar.max = rows || 1;
  bar.value = done;
  document.getElementById("progress-text").textContent = `${done}/${rows}`;
  if (finished) {
    source.close();
    location.reload();
  }
});
