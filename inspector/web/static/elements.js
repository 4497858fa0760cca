// Elements that scripts put into pages.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, text = "") {
  const made = given(document.createElement(name), attributes);
  made.textContent = text;
  return made;
}

export function shape(name, attributes) {
  return given(document.createElementNS(SVG, name), attributes);
}

function given(made, attributes) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
