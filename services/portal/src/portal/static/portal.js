// Small comforts. Every page works without them.

// --- Sending a form ---
// Without leaving the page, so that what was typed is still there when the line breaks in the middle. The key in the form makes it
// one fact however often it is sent, and a second click finds the button asleep.
const ANSWER_MS_MAX = 30_000; // longer than the portal waits for any service

document.addEventListener("submit", (event) => {
  const form = event.target;
  // The page stays when a file comes, and may be asked for it again. An old browser sends the form itself.
  // Attributes are asked for by name: `form.method` may be a field of that name.
  if (form.getAttribute("method") !== "post" || "download" in form.dataset || !AbortSignal.timeout) return;
  event.preventDefault();
  if (!form.dataset.sent) send(form, event.submitter);
});

async function send(form, submitter) {
  form.dataset.sent = "true";
  form.setAttribute("aria-busy", "true");
  const answer = await answerTo(form, submitter);
  if (answer.leadsTo) return window.location.assign(answer.leadsTo);
  wake(form);
  if (answer.page) takeIn(answer.page, answer.place);
  else tell(answer.trouble);
}

function wake(form) {
  delete form.dataset.sent;
  form.removeAttribute("aria-busy");
}
// Back from another page, a form can be sent again.
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(wake));

// What became of it: another page, this page with something said, or a trouble that leaves the form as it is.
async function answerTo(form, submitter) {
  const fields = new FormData(form);
  if (submitter?.name) fields.append(submitter.name, submitter.value);
  const body = form.getAttribute("enctype") === "multipart/form-data" ? fields : new URLSearchParams(fields);
  const address = submitter && submitter.hasAttribute("formaction") ? submitter.formAction : form.getAttribute("action");
  try {
    const response = await fetch(address, { method: "POST", body, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const reached = new URL(response.url);
    const isSentToLogin = reached.searchParams.has("ended") && reached.pathname !== window.location.pathname;
    if (isSentToLogin) return { trouble: "ended" };
    if (response.redirected) return { leadsTo: response.url };
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const keepsForm = page.querySelector("#content form[method=post]");
    if (keepsForm || (page.getElementById("content") && response.status !== 403 && response.status < 500)) {
      return { page, place: new URL(address, window.location).hash.slice(1) };
    }
    return { trouble: response.status === 403 ? "ended" : "silent" };
  } catch {
    return { trouble: navigator.onLine ? "silent" : "offline" };
  }
}

function takeIn(page, place) {
  document.title = page.title;
  document.getElementById("content").replaceWith(page.getElementById("content"));
  window.htmx?.process(document.getElementById("content"));
  offerPrinting();
  window.scrollTo(0, 0);
  const told = document.getElementById("errors") || document.getElementById("declaration") || document.getElementById(place);
  if (told) told.tabIndex = -1;
  (told || document.getElementById("content")).focus();
}

// From the summary to the field; of a group, to its first box.
document.addEventListener("click", (event) => {
  const link = event.target.closest(".summary a");
  const field = link && document.getElementById(link.hash.slice(1));
  if (!field) return;
  event.preventDefault();
  (field.matches("input, select, textarea") ? field : field.querySelector("input"))?.focus();
});

function tell(trouble) {
  document.getElementById("trouble")?.remove();
  document.getElementById("content").prepend(document.getElementById(`trouble-${trouble}`).content.cloneNode(true));
  document.getElementById("trouble").focus();
}

// 无上述异常症状 excludes all others.
document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.type !== "checkbox" || !box.checked || !box.closest("[data-one-or-none]")) return;
  for (const other of box.closest("[data-one-or-none]").querySelectorAll("input[type=checkbox]")) {
    if (other !== box && (box.value === "none" || other.value === "none")) other.checked = false;
  }
});

// In the morning round, Enter goes to the next temperature, as on a calculator.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.closest(".round")) return;
  const fields = [...document.querySelectorAll(".round input")];
  const next = fields[fields.indexOf(event.target) + 1] || document.getElementById("all_normal");
  if (event.target.tagName === "INPUT" && next) {
    event.preventDefault();
    next.focus();
  }
});

// 打印 needs a script, so without one there is no button.
function offerPrinting() {
  for (const button of document.querySelectorAll("[data-print]")) button.hidden = false;
}
offerPrinting();
document.addEventListener("click", (event) => event.target.closest("[data-print]") && window.print());

// --- A part of a page that is asked for again by itself ---
// Left alone while somebody is in it or reads another page, and where what came has no such part: then the old one stays, with
// its time, and whoever's session has ended is told so without being taken anywhere.
const keptFresh = (event) => event.detail.elt.closest("[data-kept-fresh]");
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = keptFresh(event);
  if (!part) return;
  const selected = document.getSelection();
  const isInUse = part.contains(document.activeElement) || (!selected.isCollapsed && part.contains(selected.anchorNode));
  if (document.hidden || isInUse) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const part = keptFresh(event);
  if (!part) return;
  const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  event.detail.shouldSwap = Boolean(page.getElementById(part.id)) && !part.contains(document.activeElement);
  const hasEnded = new URL(event.detail.xhr.responseURL).searchParams.has("ended");
  if (hasEnded && !document.getElementById("trouble")) {
    document.getElementById("content").prepend(document.getElementById("trouble-ended").content.cloneNode(true));
  }
});

// What was wrong is told first.
const errors = document.getElementById("errors");
if (errors) errors.focus();
