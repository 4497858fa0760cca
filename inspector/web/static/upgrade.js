// A page that stays open takes over what an upgrade of the server brings: it is loaded again.

function styles(page) {
  return page.querySelector('link[rel="stylesheet"]')?.getAttribute("href");
}

/** Whether this page, as the server gives it now, is another version than the one that is open. */
export function upgraded(page) {
  return Boolean(styles(page)) && styles(page) !== styles(document);
}
