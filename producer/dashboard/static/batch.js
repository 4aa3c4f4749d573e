// Moves the progress of a batch without a reload. Without this file the page works, but needs reloads.
"use strict";

const EVERY_MS = 5000;

async function updateBatch() {
  const shown = document.getElementById("batch");
  if (document.hidden || shown.dataset.left === "0") return;
  const response = await fetch(location.href).catch(() => null); // the server is away for now
  if (response?.status === 401) location.reload(); // shows the login form
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("batch");
  // What is focused stays, until the focus is elsewhere.
  if (!shown.contains(document.activeElement) && shown.outerHTML !== fresh.outerHTML) shown.replaceWith(fresh);
}

setInterval(updateBatch, EVERY_MS);
