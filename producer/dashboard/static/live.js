// Keeps a page up to date without a reload. Without this file the page works, but needs reloads.
"use strict";

const UPDATE_EVERY_MS = 1000; // changes are collected, so that many of them cost few requests
const MAX_CARDS = 4; // for more changed cards the whole page is fetched once
const RETRY_AFTER_MS = 5000;
const AGES_EVERY_MS = 10000;
const POSITIONS_EVERY_MS = 15000;
const COUNTS = ["chips", "matching"];
const ANNOUNCED = ["succeeded", "failed", "unsaved", "unconfirmed"];

const jobs = document.getElementById("jobs");
const parameters = new URLSearchParams(location.search);
const changed = new Map();
let stale = false; // a change may have been missed: the whole page is fetched
let busy = false;
let source = null;
let reconnect = null;

// On a phone the filters are one row, which may begin left of the chosen one.
const chosen = document.querySelector("#chips li:not(:first-child) [aria-current]");
if (chosen) chosen.closest("nav").scrollLeft = chosen.offsetLeft - 48;

// The message about the last action is shown once: a reload omits it.
if (parameters.has("done")) {
  parameters.delete("done");
  history.replaceState(null, "", `${location.pathname}${parameters.size ? `?${parameters}` : ""}`);
}

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

async function fetchOrLogIn(url) {
  const response = await fetch(url);
  if (response.status === 401) location.reload(); // shows the login form
  return response;
}

// Unchanged elements stay: the user may be pressing, ticking or playing one.
function isSame(before, after) {
  if (before.dataset.revision) return before.dataset.revision === after.dataset.revision;
  return before.outerHTML === after.outerHTML;
}

function replace(before, after) {
  if (isSame(before, after)) return replacePosition(before, after);
  const focused = before.contains(document.activeElement) ? document.activeElement : null;
  const { scrollLeft } = before;
  localizeTimes(after);
  before.replaceWith(after);
  after.scrollLeft = scrollLeft;
  if (focused) refocus(after, focused);
}

function refocus(container, focused) {
  const link = `a[href="${CSS.escape(focused.getAttribute("href") ?? "")}"]`;
  const target = focused.id ? document.getElementById(focused.id) : container.querySelector(link);
  (target ?? container).focus({ preventScroll: true });
}

function removeCard(card) {
  if (card.contains(document.activeElement)) jobs.focus({ preventScroll: true });
  card.remove();
}

// Ids sort by age, so a card has a fixed place, whenever its change arrives.
function placeCard(card) {
  const known = document.getElementById(card.id);
  if (known) return replace(known, card);
  if (parameters.has("cursor")) return;
  card.classList.add("fresh");
  jobs.insertBefore(card, [...jobs.children].find((other) => other.id < card.id) ?? null);
}

// Keep as many cards as a reload would show; the next page has the others.
function trimCards() {
  const older = document.getElementById("older");
  while (jobs.children.length > Number(jobs.dataset.shown)) {
    removeCard(jobs.lastElementChild);
    const next = new URL(older.href, location.href);
    if (older.hidden) next.search = location.search;
    next.searchParams.set("cursor", jobs.lastElementChild.id);
    older.href = next.href;
    older.hidden = false;
  }
  document.getElementById("empty").hidden = jobs.children.length > 0;
}

// A job's position changes without the job: its text is replaced, and the rest stays.
function replacePosition(before, after) {
  const [old, fresh] = [before, after].map((each) => each.querySelector("[data-position]"));
  if (old && fresh) old.textContent = fresh.textContent;
}

async function updateCard(id) {
  const response = await fetchOrLogIn(`/jobs/${id}/card${location.search}`);
  const card = document.getElementById(id);
  if (response.status === 200) placeCard(parse(await response.text()).querySelector(".card"));
  else if (card && (response.status === 204 || response.status === 404)) removeCard(card);
}

async function updateChips() {
  const response = await fetchOrLogIn(`/chips${location.search}`);
  if (response.ok) replaceEach(COUNTS, parse(await response.text()));
}

function replaceEach(ids, fresh) {
  for (const id of ids) replace(document.getElementById(id), fresh.getElementById(id));
}

async function updatePage() {
  const response = await fetchOrLogIn(location.href);
  if (!response.ok) return;
  const fresh = parse(await response.text());
  // A page that no worker changes is not live, even if its stream is open.
  const { live } = fresh.getElementById("stream").dataset;
  if (stream.textContent === stream.dataset.live) showStatus(live);
  stream.dataset.live = live;
  if (!jobs) return replace(document.getElementById("job"), fresh.getElementById("job"));
  const ids = new Set([...fresh.querySelectorAll(".card")].map((card) => card.id));
  for (const card of [...jobs.children]) if (!ids.has(card.id)) removeCard(card);
  for (const card of fresh.querySelectorAll(".card")) placeCard(card);
  replaceEach([...COUNTS, "older", "empty"], fresh);
}

// Screen readers hear only results, in one sentence per update, of jobs on this page.
function announce(states) {
  const shown = (id) => document.getElementById(jobs ? id : "job");
  const announced = [...states].filter(([id, state]) => ANNOUNCED.includes(state) && shown(id));
  if (!announced.length) return;
  const [[id, state]] = announced;
  const title = shown(id).querySelector("h1, h2").textContent;
  const counts = ANNOUNCED.map((name) => [announced.filter(([, each]) => each === name).length, name]).filter(([n]) => n);
  document.getElementById("news").textContent =
    announced.length === 1 ? `${title}: ${state}` : counts.map(([n, name]) => `${n} jobs ${name}`).join(", ");
}

async function update() {
  if (busy || document.hidden || !(stale || changed.size)) return;
  busy = true;
  const states = new Map(changed);
  const whole = stale || !jobs || states.size > MAX_CARDS;
  changed.clear();
  stale = false;
  let pauseMs = UPDATE_EVERY_MS;
  try {
    if (whole) await updatePage();
    else await Promise.all([...states.keys()].map(updateCard).concat(updateChips()));
    if (jobs) trimCards();
    announce(states);
    updateAges();
  } catch {
    stale = true; // the server is unreachable
    pauseMs = RETRY_AFTER_MS;
  }
  setTimeout(() => { busy = false; update(); }, pauseMs);
}

// The same format as `age` in formatting.py, by the server's clock.
const skew = Date.parse(document.body.dataset.now) - Date.now();

function updateAges() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const seconds = (Date.now() + skew - Date.parse(time.dateTime)) / 1000;
    const unit = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([length]) => seconds >= length);
    time.textContent = unit ? `${Math.floor(seconds / unit[0])} ${unit[1]} ago` : "now";
  }
}

const stream = document.getElementById("stream");

function showStatus(text) {
  stream.textContent = text;
  stream.hidden = false;
}

function refresh() {
  stale = true;
  update();
}

function connect() {
  disconnect();
  source = new EventSource("/v1/events");
  // Changes before the stream opened are not in it, so the page is fetched once.
  source.onopen = () => { showStatus(stream.dataset.live); refresh(); };
  source.onmessage = (event) => {
    const { job, state } = JSON.parse(event.data);
    if (!jobs && document.getElementById("job").dataset.job !== job) return;
    changed.set(job, state);
    update();
  };
  source.onerror = () => {
    showStatus("connecting …");
    if (source.readyState !== EventSource.CLOSED) return; // the browser reconnects by itself
    reconnect = setTimeout(() => { refresh(); connect(); }, RETRY_AFTER_MS);
  };
}

function disconnect() {
  clearTimeout(reconnect);
  source?.close();
}

// A hidden tab is disconnected, because browsers allow six connections per server.
function connectIfVisible() {
  if (document.hidden) disconnect();
  else connect();
}

document.addEventListener("visibilitychange", connectIfVisible);
addEventListener("pagehide", disconnect);
addEventListener("pageshow", (event) => { if (event.persisted) connectIfVisible(); });
setInterval(updateAges, AGES_EVERY_MS);
setInterval(() => { if (document.querySelector("[data-position]:not(:empty)")) refresh(); }, POSITIONS_EVERY_MS);
connectIfVisible();
