// What the pages need beside htmx and Tabler. Nothing here is needed to read or to send a form.
"use strict";

// Dark or light as the person's system prefers, also when that changes while the page is open.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
dark.addEventListener("change", paint);
paint();

document.addEventListener("DOMContentLoaded", () => {
  // An invitation's code travels behind the #, which no server and no log ever sees.
  const code = document.querySelector("input[data-from-fragment]");
  if (code && location.hash.length > 1) {
    code.value = location.hash.slice(1); // letters and digits alone
    history.replaceState(null, "", location.pathname);
  }
  if (matchMedia("(max-width: 767.98px)").matches && !location.search) {
    for (const filters of document.querySelectorAll(".filters")) filters.open = false;
  }
  // The first field at fault is where the person has to go on.
  document.querySelector(".is-invalid")?.focus();
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// A second click on what is under way is no second wish.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (event.timeStamp - Number(form.dataset.sentAt ?? -9999) < 3000) event.preventDefault();
  else form.dataset.sentAt = event.timeStamp;
});

// htmx leaves the page as it is when a call fails: say so, once.
for (const name of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(name, (event) => {
    const place = document.getElementById("trouble");
    if (!place) return;
    const status = event.detail.xhr?.status;
    place.textContent =
      status === 403 ? "That is not allowed any more; load the page again." : "That did not work; load the page again.";
    place.hidden = false;
  });
}

// "Copy" says what it did.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const place = document.querySelector(button.dataset.copy);
  // Without TLS browsers lend no clipboard: then it is marked, to be copied by hand.
  getSelection().selectAllChildren(place);
  await navigator.clipboard?.writeText(place.textContent.trim());
  button.lastElementChild.textContent = navigator.clipboard ? "Copied" : "Marked: press Ctrl+C";
});

// A box that ticks all boxes of a name, and how many are ticked.
document.addEventListener("change", (event) => {
  const all = event.target.dataset?.all;
  if (all) for (const box of document.querySelectorAll(`input[name="${all}"]`)) box.checked = event.target.checked;
  const form = event.target.closest("form");
  const place = form?.querySelector("[data-count]");
  if (place) place.textContent = form.querySelectorAll(`input[name="${place.dataset.count}"]:checked`).length;
});

// Rows of a list are dragged by their handle, with a mouse or a finger; letting go sends the new order.
document.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest("[data-drag]");
  if (!handle || event.button !== 0) return;
  event.preventDefault();
  const row = handle.closest("[data-row]");
  const list = row.closest("[data-list]");
  const rows = () => [...list.querySelectorAll("[data-row]")];
  const before = rows().indexOf(row);
  const move = (at) => {
    const others = rows().filter((one) => one !== row);
    const next = others.find((one) => at.clientY < one.getBoundingClientRect().top + one.offsetHeight / 2);
    list.insertBefore(row, next ?? null);
  };
  const end = (at) => {
    document.removeEventListener("pointermove", move);
    document.removeEventListener("pointerup", end);
    document.removeEventListener("pointercancel", end);
    row.classList.remove("is-dragged");
    if (at.type === "pointerup" && rows().indexOf(row) !== before) row.closest("form[data-reorder]").requestSubmit();
  };
  row.classList.add("is-dragged");
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", end);
});

// A list that refreshes by itself waits while boxes in it are ticked.
document.addEventListener("htmx:beforeRequest", (event) => {
  const list = event.target.closest?.("[data-hold-while-ticked]");
  if (list?.querySelector("input:checked")) event.preventDefault();
});

// On a phone a row of a table is a card: each cell says which column it is of.
document.addEventListener("htmx:load", (event) => {
  for (const table of event.detail.elt.querySelectorAll("table.rows")) {
    const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent);
    for (const row of table.tBodies[0].rows) {
      [...row.cells].forEach((cell, place) => {
        cell.dataset.label = heads[place];
        if (!cell.textContent.trim() && !cell.childElementCount) cell.classList.add("says-nothing");
      });
    }
  }
});
