// The settings: a form, filled from the page's own address (`?url=…&model=…&keywords=…`).

const form = document.getElementById("settings");

/** Fills the form in: from the page's address, and the server's own address where that says nothing. */
export function fillIn(server) {
  form.elements.url.placeholder = server;
  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(name);
    if (field instanceof HTMLInputElement && field.type !== "checkbox") {
      field.value = value;
    }
  }
  // Enter in a field would load the page anew.
  form.addEventListener("submit", (event) => event.preventDefault());
}

/** What the form asks for: texts by name. Throws an Error that says what helps. */
export function asked() {
  if (!form.reportValidity()) {
    throw new Error("A setting has a value that it cannot have; correct it and try again.");
  }
  const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
  const keywords = values.keywords.split(",").map((keyword) => keyword.trim()).filter(Boolean).join(",");
  return { ...values, keywords };
}
