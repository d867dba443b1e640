// What somebody without a mouse meets in a part of a page: the stops on his way, and what keys do there.
(selector) => {
  const FRAMES_MAX = 60; // that it takes to scroll to where he is
  const JUMP_PX_MAX = 4;
  const root = document.querySelector(selector);
  const ids = new WeakMap();
  const used = new Set();
  let count = 0;
  let last = null;

  // The boxes of one question are one stop.
  const asked = (box) => [...root.querySelectorAll("input[type=radio]")].filter((one) => one.name === box.name && one.form === box.form);
  const stopOf = (each) => (each.type === "radio" ? asked(each)[0] || each : each);
  function idOf(each) {
    const stop = stopOf(each);
    if (!ids.has(stop)) ids.set(stop, ++count);
    return ids.get(stop);
  }

  for (const happened of ["input", "click", "toggle"]) {
    addEventListener(happened, ({ target }) => target instanceof Element && used.add(idOf(target.closest("summary, button") || target)), true);
  }

  function told(each) {
    const words = each.getAttribute("aria-label") || each.labels?.[0]?.textContent || each.textContent || "";
    return `${words.trim().replace(/\s+/g, " ").slice(0, 40)} <${each.localName} ${each.getAttribute("name") || each.getAttribute("href") || ""}>`;
  }

  function kindOf(each) {
    switch (each.localName) {
      case "button": return each.form && each.type === "submit" ? "send" : "press";
      case "summary": return each.parentElement.open ? "pass" : "press";
      case "select": return each.options.length < 2 ? "pass" : "pick";
      case "textarea": return each.readOnly ? "pass" : "type";
      case "input": break;
      default: return "pass";
    }
    if (each.readOnly) return "pass";
    if (each.type === "radio" && each.checked) return asked(each).length < 2 ? "pass" : "choose";
    const kinds = { radio: "tick", checkbox: "tick", file: "file", date: "date", "datetime-local": "date", time: "date" };
    return kinds[each.type] || "type";
  }

  // A ring, around something on the screen that nothing covers.
  function isSeen(each) {
    const style = getComputedStyle(each);
    const box = each.getClientRects()[0];
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2 || !box || box.width < 2 || box.height < 2) return false;
    const [left, right] = [Math.max(box.left, 0), Math.min(box.right, innerWidth)];
    const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
    const there = left < right && top < bottom && document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return Boolean(there) && (each.contains(there) || there.contains(each));
  }

  // Forward means down, or to the right.
  function isAfter(box, before) {
    return !before || box.bottom > before.top + JUMP_PX_MAX || box.left > before.right - JUMP_PX_MAX;
  }

  function formOf({ form, formAction, attributes }) {
    if (!form) return null;
    const isSent = (each) => each.name && each.localName !== "button" && !(["checkbox", "radio"].includes(each.type) && !each.checked);
    const names = [...form.elements].filter((each) => isSent(each) && used.has(ids.get(stopOf(each)))).map((each) => each.name);
    const action = attributes.formaction ? formAction : new URL(form.getAttribute("action"), location).href;
    return { action, method: form.getAttribute("method").toUpperCase(), names: [...new Set(names)] };
  }

  window.walk = {
    // Where he is; null outside. Whoever looks waits until he sees it.
    async at(looks) {
      const at = document.activeElement;
      if (!root.contains(at) || at === root || at === document.body) return null;
      const id = idOf(at);
      const isNew = looks && last?.id !== id;
      for (let frame = 0; frame < FRAMES_MAX && isNew && !isSeen(at); frame += 1) await new Promise(requestAnimationFrame);
      const { left, right, top, bottom } = at.getBoundingClientRect();
      const box = { id, left, right, top: top + scrollY, bottom: bottom + scrollY };
      const found = { id, told: told(at), kind: kindOf(at), isSeen: !isNew || isSeen(at), isAfter: !isNew || isAfter(box, last), form: formOf(at) };
      found.isLast = at.localName === "select" && at.selectedIndex === at.options.length - 1;
      last = box;
      return found;
    },
    // Where he should come by, in this order: whatever can be used, but for what is there for a key alone.
    stops() {
      const isThere = (each) => each.tabIndex >= 0 || (each.matches("button, input, select, textarea") && !each.closest("[aria-hidden=true]"));
      const found = [...root.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
        .filter((each) => isThere(each) && !each.matches(":disabled, [type=hidden]"))
        .filter((each) => each.checkVisibility({ visibilityProperty: true }));
      return [...new Map(found.map((each) => [idOf(each), told(each)]))];
    },
    used: () => [...used],
    forms: () => [...root.querySelectorAll("form")].map((each) => new URL(each.getAttribute("action"), location).pathname),
  };
}
