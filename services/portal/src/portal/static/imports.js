// Follows an import while it is worked on; at its end the page is shown anew. Without a script the page reloads itself.
"use strict";

const AGAIN_MS = 3_000;
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
// A browser asks again where a line broke, and gives up for good where it was refused: by a portal that is full or restarts, or
// after the session ended. So the page is shown anew, as soon as there is one.
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) setTimeout(showAnew, AGAIN_MS);
});

async function showAnew() {
  const page = await fetch(location.href).catch(() => null);
  if (page && page.status < 500) location.reload();
  else setTimeout(showAnew, AGAIN_MS);
}
