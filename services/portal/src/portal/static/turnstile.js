// The gate's tablet: asks without leaving the page, and never shows the last person's answer for the next.
// Without this script each answer is a page of its own, which goes back by itself.
const ANSWER_MS_MAX = 12_000; // longer than the portal itself waits for the gate
const form = document.getElementById("turnstile");
const place = document.getElementById("answer");
const number = form.elements.document_number;
const type = form.elements.document_type;
let asking = null; // the question that is under way: an answer to an older one is thrown away
let fading = null;
let unanswered = null; // the document that the key in the form stands for

const prepared = (state) => document.getElementById(`answer-${state}`).content.cloneNode(true);

function show(answer) {
  place.replaceChildren(answer);
  clearTimeout(fading);
  const seconds = Number(place.firstElementChild.dataset.seconds);
  if (seconds) fading = setTimeout(waitForNext, seconds * 1000);
}

// Of whoever was there nothing is left: nearly everybody has the first type.
function forget() {
  number.value = "";
  type.selectedIndex = 0;
}

function waitForNext() {
  takeAnswerAway();
  unanswered = null;
  forget();
  number.focus();
}

async function answerTo(question) {
  const timeout = setTimeout(() => question.abort(), ANSWER_MS_MAX);
  try {
    const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), signal: question.signal });
    if (response.redirected) return prepared("ended");
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const answer = page.querySelector("#answer > *");
    if (!answer) return prepared(response.status === 403 || response.status === 404 ? "ended" : "silent");
    return answer;
  } catch {
    return prepared(navigator.onLine ? "silent" : "offline");
  } finally {
    clearTimeout(timeout);
  }
}

async function ask() {
  if (!number.value.trim()) return;
  if (asking) asking.abort();
  // The same key only for the same document of which nobody heard: then it is one attempt, however often it is sent.
  const asked = `${type.value} ${number.value}`;
  if (asked !== unanswered) form.elements.key.value = crypto.randomUUID();
  unanswered = asked;
  const question = (asking = new AbortController());
  show(prepared("asking"));
  number.select(); // the next scan takes its place
  const answer = await answerTo(question);
  if (asking !== question) return; // somebody else stands there now
  asking = null;
  show(answer);
  // The gate may have answered that it cannot know: that answer is kept under its key, and asked anew it may know again.
  const { state, answered } = place.firstElementChild.dataset;
  if (state === "good" || state === "bad") forget();
  if (answered !== undefined) unanswered = null;
  number.focus();
  number.select();
}

// On the form itself, before portal.js hears of it: here a second click asks again.
form.addEventListener("submit", (event) => {
  event.preventDefault();
  event.stopPropagation();
  ask();
});

function takeAnswerAway() {
  if (asking) asking.abort();
  asking = null;
  show(prepared("waiting"));
}

// The first character of the next number takes the last answer away, and the last one's type of document; another type too.
number.addEventListener("input", () => {
  if (place.firstElementChild.dataset.state === "waiting") return;
  type.selectedIndex = 0;
  takeAnswerAway();
});
type.addEventListener("change", takeAnswerAway);

// A scanner types wherever the focus is.
document.addEventListener("keydown", (event) => {
  const isTyped = event.key.length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey && event.key !== " ";
  if (isTyped && !event.target.closest("input, select")) number.focus();
});

window.addEventListener("offline", () => show(prepared("offline")));
window.addEventListener("online", waitForNext);
window.addEventListener("pageshow", (event) => event.persisted && waitForNext());

const first = Number(place.firstElementChild.dataset.seconds);
if (first) fading = setTimeout(waitForNext, first * 1000);
number.focus();
