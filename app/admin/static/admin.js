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
    code.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname);
  }
  // The first field at fault is where the person has to go on.
  document.querySelector(".is-invalid")?.focus();
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
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
