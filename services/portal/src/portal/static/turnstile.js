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
let firstAskedAt = 0; // under that key, as the browser counts: a tablet's clock may be set. The page itself was asked for at 0.

const prepared = (state) => document.getElementById(`answer-${state}`).content.firstElementChild.cloneNode(true);

// A grant counts from the moment in which it was first asked for: how slow the line is makes none longer. All else counts from now.
function msLeft({ dataset }) {
  return Number(dataset.seconds) * 1000 - (dataset.state === "good" ? performance.now() - firstAskedAt : 0);
}
const isOver = (answer) => answer.dataset.state === "good" && msLeft(answer) <= 0;

function show(answer) {
  place.replaceChildren(answer);
  letFade(answer);
}

function letFade(answer) {
  clearTimeout(fading);
  if (Number(answer.dataset.seconds)) fading = setTimeout(waitForNext, msLeft(answer));
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
  const isRepeated = asked === unanswered;
  if (!isRepeated) {
    form.elements.key.value = crypto.randomUUID();
    firstAskedAt = performance.now();
  }
  unanswered = asked;
  const question = (asking = new AbortController());
  show(prepared("asking"));
  number.select(); // the next scan takes its place
  let answer = await answerTo(question);
  if (asking !== question) return; // somebody else stands there now
  asking = null;
  if (isOver(answer)) {
    unanswered = null;
    if (isRepeated) return ask(); // it may have been granted long ago, when the answer got lost: now under a key of its own
    answer = prepared("late");
  }
  show(answer);
  // The gate may have answered that it cannot know: that answer is kept under its key, and asked anew it may know again.
  const { state, answered } = answer.dataset;
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
document.addEventListener("visibilitychange", () => document.hidden && waitForNext()); // in a tablet that sleeps no time passes

// What came with the page. One that is loaded again was asked for before, nobody knows when.
const arrived = place.firstElementChild;
if (arrived.dataset.state === "good" && performance.getEntriesByType("navigation")[0].type !== "navigate") waitForNext();
else letFade(arrived);
number.focus();
