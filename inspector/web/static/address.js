// The answer to a form has the form's address: whatever loads it again, a person or a script, would send the form again.
// It is given the address of its page instead.

history.replaceState(history.state, "", document.querySelector("meta[name=page-at]").content);
