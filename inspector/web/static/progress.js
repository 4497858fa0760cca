// Follows work that goes on at the server. That the server is away is told in the strip, and it is asked again.

import { stale } from "./notice.js";
import { BY_ITSELF, get } from "./request.js";

const EVERY_MS = 1000;

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

/** Asks how far it is, again and again, until `take`, which is given each answer, says that it is over: true. */
export async function follow(address, take) {
  let over = false;
  while (!over) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    const said = await ask(address, "application/json");
    if (said !== null) over = await take(JSON.parse(said));
  }
}
