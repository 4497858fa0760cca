// What a tab keeps from page to page, where the browser allows it: lists.

/** The list under a key; an empty one where nothing is kept. */
export function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "[]");
  } catch {
    return []; // what this page makes is enough
  }
}

export function write(key, list) {
  try {
    sessionStorage.setItem(key, JSON.stringify(list));
  } catch {
    // The page has it as long as it is open.
  }
}
