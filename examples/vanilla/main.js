// A chat in one room, by the public interface of harbor-wasm alone.
import { connect, isHarborError } from "harbor-wasm";

const $ = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const rows = new Map();
let oldest;

/** What a person can do about an error. */
function explain(error) {
  if (isHarborError(error, "insecure_context")) return "Open this page by https or on localhost.";
  if (isHarborError(error, "storage_lost")) return "This browser erased what was kept here.";
  if (isHarborError(error, "quota_exceeded")) return "The disk is full: free some space and try again.";
  if (isHarborError(error, "invite_used")) return "This invite was used already: ask for a new one.";
  if (isHarborError(error, "invite_expired")) return "This invite is too old: ask for a new one.";
  if (isHarborError(error, "bad_invite")) return "This is not a whole invite link.";
  if (isHarborError(error, "offline")) return "The node cannot be reached.";
  return `Something went wrong: ${error.message}`;
}

function words({ state, nodes, path, mine }) {
  const how = path ? `, ${path}` : "";
  if (!mine) return path ?? "";
  return state === "stored" ? `on ${nodes} node${nodes === 1 ? "" : "s"}${how}` : `${state}${how}`;
}

/** A message's row; showing it twice is harmless. */
function show(message, place = "end") {
  if (rows.has(message.cursor)) return;
  const row = document.createElement("li");
  const small = document.createElement("small");
  row.append(`${message.authorName}: ${message.data} `, small);
  small.textContent = words(message);
  rows.set(message.cursor, { row, small });
  if (place === "end") $("log").append(row);
  else $("log").prepend(row);
}

async function showPage(room) {
  const page = await room.history({ limit: 50, ...(oldest ? { before: oldest } : {}) });
  for (const message of page.items.reverse()) show(message, "start");
  oldest = page.cursor;
  $("older").hidden = !page.hasMore;
}

async function showMembers(room) {
  const members = await room.members();
  $("members").textContent = members.map((m) => (m.me ? `${m.name} (you)` : `${m.name}: ${m.path}`)).join(", ");
}

function showStatus({ state, queued }) {
  $("status").textContent = queued > 0 ? `${state}, ${queued} waiting` : state;
}

async function main() {
  const harbor = await connect({
    node: parameters.get("node") ?? "http://localhost:8080/",
    displayName: parameters.get("name") ?? "Somebody",
    name: parameters.get("identity") ?? "default",
  });
  showStatus(harbor.status);
  harbor.addEventListener("status", (event) => showStatus(event.detail));
  harbor.addEventListener("state", ({ detail }) => {
    const shown = rows.get(detail.cursor);
    if (shown) shown.small.textContent = words({ ...detail, mine: true });
  });

  if (location.hash.length > 1) $("status").textContent = "Waiting for a member to let you in …";
  const room = location.hash.length > 1 ? await harbor.accept(location.hash) : await harbor.topic("Plain room");
  history.replaceState(null, "", location.pathname + location.search);
  showStatus(harbor.status);

  room.subscribe((message) => show(message));
  await showPage(room);
  await showMembers(room);
  harbor.addEventListener("topic", ({ detail }) => detail.id === room.id && showMembers(room));

  $("older").onclick = () => showPage(room);
  $("compose").onsubmit = async (event) => {
    event.preventDefault();
    const text = $("text").value;
    $("text").value = "";
    await room.send(text).catch((error) => ($("status").textContent = explain(error)));
  };
  $("invite").onclick = async () => {
    try {
      const { url } = await room.invite();
      $("link").textContent = url;
    } catch (error) {
      $("status").textContent = explain(error);
    }
  };
  document.body.dataset.ready = "true";
}

main().catch((error) => ($("status").textContent = explain(error)));
