// Requests to our own server: JSON, the session's CSRF token, a time limit.

const LIMIT_MS = 15000;
const SHOWN_LIMIT_MS = 60000; // of what is computed to be shown: figures of a large ledger, a map

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
export async function request(path, body) {
  let answer = await once(path, body);
  if (answer.status === 403 && body !== undefined && (await renewToken())) answer = await once(path, body);
  return answer;
}

function once(path, body) {
  const headers = { accept: "application/json" };
  const options = { headers, signal: AbortSignal.timeout(LIMIT_MS), credentials: "same-origin" };
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    headers["x-csrf-token"] = csrf;
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  return fetch(path, options);
}

// Another tab may have logged in again: the token of this page is then an old one.
async function renewToken() {
  const answer = await once("/api/v1/me");
  if (!answer.ok) return false;
  const me = await answer.json();
  if (me.name !== user || me.csrf === csrf) return false;
  csrf = me.csrf;
  return true;
}
