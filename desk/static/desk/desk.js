// What the desk's pages can do better with a script; all of them work without. Drafts are kept, and the seconds to an undo counted.
"use strict";

const PAUSE_MS = 1500;

for (const form of document.querySelectorAll("form[data-draft]")) {
  const told = form.querySelector("[data-saved]");
  let timer = 0;
  let underWay = null;
  const tell = (words) => { if (told) told.textContent = words; };
  const save = async () => {
    const value = (name) => form.elements[name]?.value ?? "";
    const body = { kind: form.dataset.kind, body: value("body"), seen_state: value("seen") };
    if (form.dataset.kind === "reply") {
      for (const name of ["to", "cc", "bcc"]) body[name] = addresses(value(name));
      body.thread_id = value("thread") ? Number(value("thread")) : null;
      body.attachments = [...form.querySelectorAll("input[name=uploads]:checked")].map((box) => Number(box.value));
    }
    try {
      underWay = new AbortController();
      const answer = await fetch(form.dataset.draft, {
        signal: underWay.signal,
        method: "PUT",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json", "X-CSRFToken": value("csrfmiddlewaretoken") },
        body: JSON.stringify(body),
      });
      tell(answer.ok ? form.dataset.savedWords : "");
    } catch {
      tell("");
    }
  };
  form.addEventListener("input", (event) => {
    if (event.target.type === "file") return;
    window.clearTimeout(timer);
    timer = window.setTimeout(save, PAUSE_MS);
  });
  // What is being sent must not come back as a draft.
  form.addEventListener("submit", () => {
    window.clearTimeout(timer);
    underWay?.abort();
  });
}

for (const clock of document.querySelectorAll("[data-goes-at]")) {
  const end = Date.parse(clock.dataset.goesAt);
  const count = () => {
    const seconds = Math.ceil((end - Date.now()) / 1000);
    if (seconds <= 0) {
      window.location.replace(window.location.pathname);
      return;
    }
    clock.textContent = clock.dataset.words.replace("{}", String(seconds));
    window.setTimeout(count, 250);
  };
  if (end - Date.now() < 120000) count();
}

function addresses(text) {
  return text.split(/[,;\n]/).map((part) => part.trim()).filter(Boolean).map((part) => {
    const found = part.match(/^(.*)<([^<>]+)>$/);
    return found ? { name: found[1].trim().replace(/^"|"$/g, ""), email: found[2].trim() } : { name: "", email: part };
  });
}
