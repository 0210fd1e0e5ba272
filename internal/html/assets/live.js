// Shows new events as they come. Everything from an event becomes text, never markup.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const address = byId("address");
  if (address) {
    const url = location.origin + location.pathname;
    address.textContent = /^[\w:/.~%-]+$/.test(url) ? url : "'" + url.replaceAll("'", "%27") + "'";
  }

  const table = document.querySelector("table[data-stream]");
  if (!table || !window.EventSource) return;
  const body = table.tBodies[0];
  const state = byId("state");
  const mostRows = 50;
  const lineLength = 160;
  const longest = 8 * lineLength;
  const every = 5000; // milliseconds between two announcements at least

  // BigInt: a position may be beyond what a number holds exactly.
  let last = BigInt(table.dataset.last);
  let waiting = []; // rows to come, oldest first
  let announced = last;
  let newest = null;
  let flushing = 0;
  let announcing = 0;
  let source = null;
  let again = 0;
  let delay = 1000;

  function show(text, kind) {
    state.textContent = text;
    state.className = "state " + kind;
    state.hidden = false;
  }

  const clip = (text, n) => {
    const characters = Array.from(text.slice(0, 2 * n + 2));
    return characters.length > n ? characters.slice(0, n).join("") + "…" : text;
  };
  // What turns the direction of text or cannot be seen has no place in one line.
  const plain = (text) => text.replace(/[\p{Cf}\p{Cc}\u2028\u2029]/gu, "");

  function stringEnd(text, i) {
    for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++;
    return i + 1;
  }

  // The beginning of JSON without the white space between its tokens, as it is
  // written: numbers stay exact. A value ends before what follows it.
  function compact(text, i, value) {
    let depth = 0, out = "";
    for (; i < text.length && out.length < longest; i++) {
      const c = text[i];
      if (value && depth === 0 && out !== "" && ",}]".includes(c)) break;
      if (c === "{" || c === "[") depth++;
      if (c === "}" || c === "]") depth--;
      if (c === '"') {
        const end = stringEnd(text, i);
        out += text.slice(i, Math.min(end, i + longest));
        i = end - 1;
      } else if (!/\s/.test(c)) out += c;
    }
    return out;
  }

  // Where the value of the member "data" of a JSON object starts.
  function dataStart(text) {
    let depth = 0, key = "";
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (c === "{" || c === "[") depth++;
      if (c === "}" || c === "]") depth--;
      if (c === ":" && depth === 1 && key === '"data"') return i + 1;
      if (c === '"') {
        const end = stringEnd(text, i);
        if (depth === 1) key = text.slice(i, end);
        i = end - 1;
      }
    }
    return text.length;
  }

  const isJSON = (type) => /^\s*(text\/json|application\/json|[^;\s]+\+json)\s*(;|$)/i.test(type || "application/json");

  function textOf(base64) {
    try {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return null;
    }
  }

  function binary(bytes) {
    return "binary data, " + bytes.toLocaleString("en") + (bytes === 1 ? " byte" : " bytes");
  }

  function dataLine(event, message) {
    const json = isJSON(event.datacontenttype);
    let text, line;
    if (event.data_base64 !== undefined) {
      const code = event.data_base64;
      text = textOf(code);
      if (text === null || text.includes("\0")) return binary(code.length / 4 * 3 - (code.match(/=*$/)[0].length));
      if (json) line = compact(text, 0, false);
    } else if (event.data === undefined) {
      return "";
    } else if (json) {
      line = compact(message, dataStart(message), true);
    } else {
      text = String(event.data);
      if (text.includes("\0")) return binary(new TextEncoder().encode(text).length);
    }
    if (line === undefined) line = text.slice(0, longest).replaceAll("\ufeff", "").replace(/[\s\u0085]+/g, " ").trim();
    const cut = line.length >= longest || (text !== undefined && text.length > longest);
    line = plain(line);
    return cut && Array.from(line).length <= lineLength ? line + "…" : clip(line, lineLength);
  }

  function eventReference(event) {
    const query = "source=" + encodeURIComponent(event.source);
    const id = String(event.id);
    if (/^[A-Za-z0-9_-][A-Za-z0-9._~-]*$/.test(id)) return table.dataset.folder + id + "?" + query;
    return table.dataset.folder + "?id=" + encodeURIComponent(id) + "&" + query;
  }

  // The history of a subject, or the events that match it in a feed without entities.
  function subjectReference(text) {
    const folder = table.dataset.entities;
    if (folder && /^[A-Za-z0-9_-][A-Za-z0-9._~-]*$/.test(text)) return folder + text;
    return (folder || table.dataset.self) + "?subject=" + encodeURIComponent(text);
  }

  function cell(kind, child) {
    const td = document.createElement("td");
    td.setAttribute("role", "cell");
    td.className = kind;
    td.append(child);
    return td;
  }

  function isolated(text) {
    const bdi = document.createElement("bdi");
    bdi.textContent = text;
    return bdi;
  }

  // Lines break after commas.
  function breakable(text) {
    const bdi = document.createElement("bdi");
    text.split(/(?<=,)/).forEach((piece, i) => bdi.append(...(i ? [document.createElement("wbr"), piece] : [piece])));
    return bdi;
  }

  function timeOf(text, zone) {
    const time = document.createElement("time");
    time.dateTime = text;
    time.textContent = text.slice(0, 19).replace("T", " ") + zone;
    return time;
  }

  function unit(text) {
    const span = document.createElement("span");
    span.className = "unit";
    span.textContent = text;
    return span;
  }

  // A time with what a phone shows beside it, where no heading tells.
  function timeCell(kind, text) {
    const td = cell("time " + kind, unit(kind + " "));
    td.append(timeOf(text, ""), unit(" UTC"));
    return td;
  }

  function subject(text) {
    const bdi = isolated(clip(text, 160));
    if (text === "") return bdi;
    const a = document.createElement("a");
    if (!table.dataset.entities) a.rel = "nofollow";
    a.href = subjectReference(text);
    a.append(bdi.textContent);
    bdi.replaceChildren(a);
    return bdi;
  }

  function row(position, event, text) {
    const tr = document.createElement("tr");
    tr.setAttribute("role", "row");
    tr.className = "new";
    tr.id = "p" + position;
    const th = document.createElement("th");
    th.scope = "row";
    th.setAttribute("role", "rowheader");
    th.className = "position";
    const a = document.createElement("a");
    a.href = eventReference(event);
    const label = document.createElement("span");
    label.className = "hidden";
    label.textContent = "Event ";
    a.append(label, String(position));
    th.append(a);
    tr.append(th, cell("type", isolated(clip(event.type, 160))), cell("subject", subject(event.subject || "")),
      timeCell("happened", event.time), timeCell("recorded", event.efrecorded), cell("data", breakable(dataLine(event, text))));
    return tr;
  }

  // All that came within a moment is shown at once, however many they are.
  function flush() {
    flushing = 0;
    const rows = document.createDocumentFragment();
    for (const next of waiting.slice(-mostRows)) rows.prepend(next);
    waiting = [];
    body.prepend(rows);
    while (body.rows.length > mostRows) body.lastElementChild.remove();
    leadOn();
    byId("empty").hidden = true;
    byId("count").textContent = last.toLocaleString("en");
    const shown = byId("newest");
    if (shown) shown.replaceWith(Object.assign(timeOf(newest.efrecorded, " UTC"), { id: "newest" }));
    if (!announcing) announce();
  }

  // The link to older events goes on where the rows end.
  function leadOn() {
    const oldest = body.lastElementChild.id.slice(1);
    const older = byId("older");
    older.querySelector("[rel=prev]").href = table.dataset.self + "?before=" + oldest;
    older.hidden = oldest === "1";
  }

  // One sentence for all of them, and not more often than one can listen.
  function announce() {
    announcing = 0;
    if (announced === last) return;
    const n = last - announced;
    announced = last;
    byId("news").textContent = n === 1n
      ? "New event " + last + ": " + plain(clip(newest.type + " " + (newest.subject || ""), 160))
      : n.toLocaleString("en") + " new events, the newest at position " + last;
    announcing = setTimeout(announce, every);
  }

  function receive(message) {
    if (!/^\d+$/.test(message.lastEventId) || BigInt(message.lastEventId) <= last) return;
    const event = JSON.parse(message.data);
    last = BigInt(message.lastEventId);
    newest = event;
    waiting.push(row(last, event, message.data));
    if (waiting.length > 2 * mostRows) waiting = waiting.slice(-mostRows);
    if (!flushing) flushing = setTimeout(flush, 100);
  }

  function connect() {
    disconnect();
    source = new EventSource(table.dataset.stream + "?lastEventId=" + last);
    source.onmessage = receive;
    source.onopen = () => {
      delay = 1000;
      show("Live", "live");
    };
    source.onerror = () => {
      show("Connection lost, retrying", "lost");
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      again = setTimeout(connect, delay);
      delay = Math.min(2 * delay, 60000);
    };
  }

  function disconnect() {
    clearTimeout(again);
    if (source) source.close();
    source = null;
  }

  // A browser has few connections to one server: pages that nobody sees let go of theirs.
  function whileVisible() {
    if (document.visibilityState === "hidden") disconnect();
    else if (!source) connect();
  }
  document.addEventListener("visibilitychange", whileVisible);
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", whileVisible);
  show("Connecting", "");
  whileVisible();
})();
