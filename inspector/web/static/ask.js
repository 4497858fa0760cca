// What the page asks by itself. That the server is away is told in the strip.

import { stale } from "./notice.js";
import { BY_ITSELF, get } from "./request.js";

/** What an address answers; null where nothing came. Where the session has ended the page is loaded again. */
export async function ask(address, accept) {
  let answer;
  let text;
  try {
    answer = await get(address, { accept, ...BY_ITSELF });
    text = await answer.text();
  } catch {
    stale("offline");
    return null;
  }
  if (answer.status === 401 || answer.redirected) {
    location.reload();
    return null;
  }
  stale(answer.ok ? null : "away");
  return answer.ok ? text : null;
}

/** This page as the server gives it now; null where it did not come. */
export async function askPage() {
  const text = await ask(location.href, "text/html");
  return text === null ? null : new DOMParser().parseFromString(text, "text/html");
}
