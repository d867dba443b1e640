// Small comforts. Every page works without them.
"use strict";

// A form is sent once: a second click finds the button asleep. (The key in the form would make it one fact anyway.)
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.dataset.sent) {
    if (form.dataset.sent) event.preventDefault();
    return;
  }
  if ("download" in form.dataset) return; // The page stays, and may be asked for the file again.
  form.dataset.sent = "true";
  form.setAttribute("aria-busy", "true");
});
// Back from another page, a form can be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});

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
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

// What was wrong is told first.
const errors = document.getElementById("errors");
if (errors) errors.focus();
