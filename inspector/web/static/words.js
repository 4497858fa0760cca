// What this page's scripts say, in the language of the page: looked up by the English text, which is taken where there is
// no other. `%(name)s` in a text is where a value goes.

const { plural = "", texts = {}, plant = {} } = JSON.parse(document.getElementById("words")?.textContent ?? "{}");

/** A text with its values. */
export function t(text, values = {}) {
  return filled(texts[text] ?? text, values);
}

/** A text that a number decides on, with `%(number)s` and other values. */
export function n(one, many, number, values = {}) {
  const at = number < 100 ? number : 100 + (number % 100);
  const text = texts[one]?.[plural[at]] ?? (number === 1 ? one : many);
  return filled(text, { number, ...values });
}

function filled(text, values) {
  return text.replace(/%\((\w+)\)s/g, (place, name) => values[name] ?? place);
}

/** A defect type as it is shown: a default one in the language of the page, the plant's own as it is. */
export function plantWord(word) {
  return plant[word] ?? word;
}

const DECIDED = { defect: t("defect"), false_alarm: t("false alarm"), unsure: t("unsure"), escape: t("escape") };

/** What was decided of a frame, or of several; passed: the line said ok of it, or of all, so that nothing alarmed. */
export function answer(to, passed) {
  return passed && to === "false_alarm" ? t("good") : DECIDED[to];
}
