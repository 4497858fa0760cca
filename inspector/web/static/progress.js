// Follows work that goes on at the server, which is asked again where it is away.

import { ask } from "./ask.js";

const EVERY_MS = 1000;

/** Asks how far it is, again and again, until `take`, which is given each answer, says that it is over: true. */
export async function follow(address, take) {
  let over = false;
  while (!over) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    const said = await ask(address, "application/json");
    if (said !== null) over = await take(JSON.parse(said));
  }
}
