// Keeps a page as it would be after a reload. Without this file all of it works, one reload later.
"use strict";

const TURN_MS = 1000; // one look at what changed, for a few requests
const MOST_CARDS = 4; // above this the page itself is fetched, once
const AGAIN_MS = 5000;
const AGES_MS = 10000;
const TOLD = ["succeeded", "failed", "unsaved", "unconfirmed"];

const jobs = document.getElementById("jobs");
const parameters = new URLSearchParams(location.search);
const changed = new Map();
let stale = false; // something may have been missed: the page is fetched anew
let busy = false;
let source = null;
let later = null;

// A message of what was just done is not true for ever: a reload shows the job alone.
if (parameters.has("done")) history.replaceState(null, "", location.pathname);

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

async function fetched(url) {
  const answer = await fetch(url);
  if (answer.status === 401) location.reload(); // logged out: the form is there
  return answer;
}

// What is the same stays as it is: it may be pressed, ticked or playing right now.
function same(before, after) {
  if (before.dataset.revision) return before.dataset.revision === after.dataset.revision;
  return before.outerHTML === after.outerHTML;
}

function replace(before, after) {
  if (same(before, after)) return;
  const held = before.contains(document.activeElement) ? document.activeElement : null;
  before.replaceWith(after);
  if (held) refocus(after, held);
}

function refocus(where, held) {
  const link = `a[href="${CSS.escape(held.getAttribute("href") ?? "")}"]`;
  const again = held.id ? document.getElementById(held.id) : where.querySelector(link);
  (again ?? where).focus({ preventScroll: true });
}

function remove(card) {
  if (card.contains(document.activeElement)) jobs.focus({ preventScroll: true });
  card.remove();
}

// Ids sort by age, so a card has its place whenever its news arrives.
function place(card) {
  const known = document.getElementById(card.id);
  if (known) return replace(known, card);
  if (parameters.has("cursor")) return;
  card.classList.add("fresh");
  jobs.insertBefore(card, [...jobs.children].find((other) => other.id < card.id) ?? null);
}

// As many cards as a reload would show; what is pushed out is on the next page.
function trim() {
  const older = document.getElementById("older");
  while (jobs.children.length > Number(jobs.dataset.shown)) {
    remove(jobs.lastElementChild);
    const next = new URL(older.href, location.href);
    if (older.hidden) next.search = location.search;
    next.searchParams.set("cursor", jobs.lastElementChild.id);
    older.href = next.href;
    older.hidden = false;
  }
  document.getElementById("empty").hidden = jobs.children.length > 0;
}

async function updateCard(id) {
  const answer = await fetched(`/jobs/${id}/card${location.search}`);
  const card = document.getElementById(id);
  if (answer.status === 200) place(parse(await answer.text()).querySelector(".card"));
  else if (card && (answer.status === 204 || answer.status === 404)) remove(card);
}

async function updateChips() {
  const answer = await fetched(`/chips${location.search}`);
  if (answer.ok) replace(document.getElementById("chips"), parse(await answer.text()).getElementById("chips"));
}

async function updatePage() {
  const answer = await fetched(location.href);
  if (!answer.ok) return;
  const fresh = parse(await answer.text());
  if (!jobs) return replace(document.getElementById("job"), fresh.getElementById("job"));
  const ids = new Set([...fresh.querySelectorAll(".card")].map((card) => card.id));
  for (const card of [...jobs.children]) if (!ids.has(card.id)) remove(card);
  for (const card of fresh.querySelectorAll(".card")) place(card);
  for (const id of ["chips", "older", "empty"]) replace(document.getElementById(id), fresh.getElementById(id));
}

// Only ends are read aloud, all of a turn in one sentence, and only of what is on the page.
function announce(states) {
  const shown = (id) => document.getElementById(jobs ? id : "job");
  const told = [...states].filter(([id, state]) => TOLD.includes(state) && shown(id));
  if (!told.length) return;
  const [[id, state]] = told;
  const title = shown(id).querySelector("h1, h2").textContent;
  const counts = TOLD.map((name) => [told.filter(([, each]) => each === name).length, name]).filter(([n]) => n);
  document.getElementById("news").textContent =
    told.length === 1 ? `${title}: ${state}` : counts.map(([n, name]) => `${n} jobs ${name}`).join(", ");
}

async function turn() {
  if (busy || document.hidden || !(stale || changed.size)) return;
  busy = true;
  const states = new Map(changed);
  const whole = stale || !jobs || states.size > MOST_CARDS;
  changed.clear();
  stale = false;
  let pause = TURN_MS;
  try {
    if (whole) await updatePage();
    else await Promise.all([...states.keys()].map(updateCard).concat(updateChips()));
    if (jobs) trim();
    announce(states);
    age();
  } catch {
    stale = true; // the server is away
    pause = AGAIN_MS;
  }
  setTimeout(() => { busy = false; turn(); }, pause);
}

// In the words of words.py, from the server's clock.
const skew = Date.parse(document.body.dataset.now) - Date.now();

function age() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const seconds = (Date.now() + skew - Date.parse(time.dateTime)) / 1000;
    const unit = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([length]) => seconds >= length);
    time.textContent = unit ? `${Math.floor(seconds / unit[0])} ${unit[1]} ago` : "now";
  }
}

function say(words) {
  const stream = document.getElementById("stream");
  stream.textContent = words;
  stream.hidden = false;
}

function missed() {
  stale = true;
  turn();
}

function connect() {
  disconnect();
  source = new EventSource("/v1/events");
  // What happened before the stream stood is in nobody's news: look once.
  source.onopen = () => { say("live"); missed(); };
  source.onmessage = (event) => {
    const { job, state } = JSON.parse(event.data);
    if (!jobs && document.getElementById("job").dataset.job !== job) return;
    changed.set(job, state);
    turn();
  };
  source.onerror = () => {
    say("connecting …");
    if (source.readyState !== EventSource.CLOSED) return; // the browser itself tries again
    later = setTimeout(() => { missed(); connect(); }, AGAIN_MS);
  };
}

function disconnect() {
  clearTimeout(later);
  source?.close();
}

// A hidden tab holds no connection: a browser has six for a server. It catches up when it is seen.
function wake() {
  if (document.hidden) disconnect();
  else connect();
}

document.addEventListener("visibilitychange", wake);
addEventListener("pagehide", disconnect);
addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
setInterval(age, AGES_MS);
wake();
