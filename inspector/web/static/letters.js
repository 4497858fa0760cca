// Whether letters, digits and signs are keys of a page, in this browser: a barcode scanner or speech input types them too.

const KEPT = "inspector.letters";
const box = document.getElementById("letters");

function off() {
  return localStorage.getItem(KEPT) === "off";
}

/** Whether a key is to do nothing here: it types a character, and such keys are switched off. A blank presses buttons. */
export function silent({ key }) {
  return off() && key !== " " && [...key].length === 1;
}

/** The box, and whether buttons show their keys. style.css has the class. */
function show() {
  document.body.classList.toggle("no-letters", off());
  if (box) box.checked = !off();
}

box?.addEventListener("change", () => {
  try {
    localStorage.setItem(KEPT, box.checked ? "on" : "off");
  } finally {
    show();
  }
});
addEventListener("storage", show); // another tab's
show();
