// Requests to our own server: JSON, the session's CSRF token, a time limit.

const LIMIT_MS = 15000;
const SHOWN_LIMIT_MS = 60000; // of what is computed to be shown: figures of a large ledger, a map
const FILE_LIMIT_MS = 150000; // the server waits for two minutes

function meta(name) {
  return document.querySelector(`meta[name="${name}"]`)?.content ?? "";
}

export const user = meta("user");
let csrf = meta("csrf");

/** Of a request that an open page makes while nobody need be there: it does not keep the session alive. */
export const BY_ITSELF = { "x-by-itself": "yes" };

/** The answer of a GET whose answer is shown; rejects where it does not come in time. */
export function get(path, headers) {
  return fetch(path, { headers, signal: AbortSignal.timeout(SHOWN_LIMIT_MS) });
}

/** The answer of a GET or, with a body, of a POST; rejects where the server cannot be reached. */
export function request(path, body) {
  return twice(path, body === undefined ? undefined : JSON.stringify(body), "application/json", LIMIT_MS);
}

/** The answer of a POST of a file as it is; rejects where the server cannot be reached. */
export function sendFile(path, file) {
  return twice(path, file, "application/octet-stream", FILE_LIMIT_MS);
}

async function twice(path, body, type, limit) {
  const answer = await once(path, body, type, limit);
  if (answer.status !== 403 || body === undefined || !(await renewToken())) return answer;
  return once(path, body, type, limit);
}

function once(path, body, type, limit) {
  const headers = { accept: "application/json" };
  const options = { headers, signal: AbortSignal.timeout(limit), credentials: "same-origin" };
  if (body !== undefined) {
    headers["content-type"] = type;
    headers["x-csrf-token"] = csrf;
    Object.assign(options, { method: "POST", body });
  }
  return fetch(path, options);
}

// Another tab may have logged in again: the token of this page is then an old one.
async function renewToken() {
  const answer = await once("/api/v1/me", undefined, "", LIMIT_MS);
  if (!answer.ok) return false;
  const me = await answer.json();
  if (me.name !== user || me.csrf === csrf) return false;
  csrf = me.csrf;
  return true;
}
