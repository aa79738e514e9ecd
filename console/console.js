// What the pages of the console do beside what they do without this script: they
// show how far an upload is, and what runs as it goes on.
"use strict";

// replace puts the part of a page that came into the place of this page's own.
function replace(text, selector) {
  const came = new DOMParser().parseFromString(text, "text/html");
  const from = came.querySelector(selector), to = document.querySelector(selector);
  if (!from || !to) return false;
  to.replaceWith(document.adoptNode(from));
  return came.title;
}

// say tells screen readers what became of what ran.
function say() {
  const said = document.getElementById("said"), news = document.querySelector("#live .note, #live .problems");
  if (said && news && said.textContent !== news.innerText) said.textContent = news.innerText;
}

// A page with something that runs is asked again until nothing does. What is
// being read or typed elsewhere on it stays.
const pause = 1500;
async function follow() {
  const live = document.getElementById("live");
  if (!live || !live.hasAttribute("data-running")) return;
  if (!document.hidden && !live.contains(document.activeElement)) {
    try {
      const came = await fetch(location.pathname, { credentials: "same-origin", redirect: "error" });
      if (came.ok) {
        replace(await came.text(), "#live");
        say();
      }
    } catch {
      // The server may be away for a moment, or the session over: the link tells.
    }
  }
  setTimeout(follow, pause);
}
setTimeout(follow, pause);

// complain shows what is wrong with the file, at its field.
function complain(text) {
  const error = document.getElementById("e-file"), field = document.getElementById("f-file");
  error.textContent = text;
  error.hidden = !text;
  field.toggleAttribute("aria-invalid", !!text);
  if (text) field.focus();
}

document.addEventListener("submit", (event) => {
  const upload = event.target;
  if (upload.id !== "upload") return;
  const file = document.getElementById("f-file").files[0];
  complain("");
  if (file && file.size > Number(upload.dataset.max)) {
    event.preventDefault();
    complain(upload.dataset.large);
    return;
  }
  event.preventDefault();
  const sending = document.getElementById("sending"), bar = document.getElementById("sent");
  const button = upload.querySelector("button");
  const request = new XMLHttpRequest();
  const end = () => {
    sending.hidden = true;
    button.disabled = false;
  };
  request.upload.addEventListener("progress", (sent) => {
    if (sent.lengthComputable) bar.value = 100 * sent.loaded / sent.total;
  });
  request.addEventListener("load", () => {
    end();
    if (request.status < 400) {
      location.assign(request.responseURL);
      return;
    }
    const title = replace(request.responseText, "main");
    if (title) document.title = title;
    document.getElementById("main").focus();
  });
  request.addEventListener("error", () => {
    end();
    upload.submit(); // as without this script: the browser says what is wrong
  });
  request.open("POST", upload.action);
  request.send(new FormData(upload));
  sending.hidden = false;
  bar.value = 0;
  button.disabled = true;
});
