// A SMART app without libraries: it launches itself (or is launched by an EHR),
// gets an access token, and shows the record of the patient in context.
// http://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"use strict";

const base = document.body.dataset.base;
const client = document.body.dataset.client;
const redirect = new URL("app", location.origin + location.pathname).href;
const element = id => document.getElementById(id);

// What the app remembers while the browser is at the authorization server.
const remembered = "tarn-demo-launch";

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function say(text, failed) {
  element("state").textContent = text;
  element("state").className = failed ? "failed" : "";
}

// ask sends a request and shows it in the list of requests.
async function ask(url, options) {
  const response = await fetch(url, options);
  const item = document.createElement("li");
  const code = document.createElement("code");
  code.textContent = (options?.method ?? "GET") + " " + url.replace(base, "[base]");
  item.append(code, " " + response.status);
  element("requests").append(item);
  element("log").hidden = false;
  const body = await response.json();
  if (!response.ok) {
    const why = body.error_description ?? body.issue?.[0]?.diagnostics ?? response.statusText;
    throw new Error(response.status + ": " + why);
  }
  return body;
}

// launch sends the browser to the authorization server. Without a launch token
// of an EHR it asks the server to let the user choose a patient.
async function launch(query) {
  const iss = query.get("iss") ?? base;
  if (iss !== base) {
    throw new Error("This app works with " + base + " only.");
  }
  const discovered = await ask(base + "/.well-known/smart-configuration");
  const verifier = random(), state = random();
  sessionStorage.setItem(remembered, JSON.stringify({verifier, state, endpoint: discovered.token_endpoint, issuer: discovered.issuer}));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const token = query.get("launch");
  const to = new URL(discovered.authorization_endpoint);
  to.search = new URLSearchParams({
    response_type: "code", client_id: client, redirect_uri: redirect, aud: base, state,
    scope: (token ? "launch" : "launch/patient") + " openid fhirUser patient/*.rs",
    code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: "S256",
    ...(token ? {launch: token} : {}),
  });
  location.assign(to);
}

// finish exchanges the code for a token and shows the record.
async function finish(query) {
  const kept = JSON.parse(sessionStorage.getItem(remembered) ?? "null");
  sessionStorage.removeItem(remembered);
  history.replaceState(null, "", redirect);
  if (!kept || kept.state !== query.get("state") || (query.get("iss") ?? kept.issuer) !== kept.issuer) {
    throw new Error("The answer does not belong to a launch of this browser tab.");
  }
  if (query.get("error")) {
    throw new Error(query.get("error_description") ?? query.get("error"));
  }
  const token = await ask(kept.endpoint, {method: "POST", body: new URLSearchParams({
    grant_type: "authorization_code", code: query.get("code"), redirect_uri: redirect, client_id: client, code_verifier: kept.verifier,
  })});
  await show(token);
}

const text = concept => concept?.text ?? concept?.coding?.[0]?.display ?? concept?.coding?.[0]?.code ?? "";
const day = time => (time ?? "").slice(0, 10);
const value = o => o.valueQuantity ? o.valueQuantity.value + " " + (o.valueQuantity.unit ?? "")
  : o.component ? o.component.map(c => text(c.code) + " " + value(c)).join(", ") : text(o.valueCodeableConcept) || (o.valueString ?? "");

const lists = [
  ["Conditions", "Condition?_sort=-onset-date&_count=10", r => [text(r.code), text(r.clinicalStatus), day(r.onsetDateTime)]],
  ["Medications", "MedicationRequest?_sort=-authoredon&_count=10", r => [text(r.medicationCodeableConcept), r.status, day(r.authoredOn)]],
  ["Allergies", "AllergyIntolerance?_count=10", r => [text(r.code), text(r.clinicalStatus), day(r.recordedDate)]],
  ["Latest observations", "Observation?_sort=-date&_count=15", r => [text(r.code), value(r), day(r.effectiveDateTime)]],
  ["Immunizations", "Immunization?_sort=-date&_count=10", r => [text(r.vaccineCode), r.status, day(r.occurrenceDateTime)]],
];

async function show(token) {
  const options = {headers: {Authorization: token.token_type + " " + token.access_token, Accept: "application/fhir+json"}};
  const patient = await ask(base + "/Patient/" + token.patient, options);
  const name = patient.name?.[0];
  element("name").textContent = [...(name?.given ?? []), name?.family].filter(Boolean).join(" ") || "Patient " + patient.id;
  for (const [term, fact] of [["Born", patient.birthDate], ["Gender", patient.gender], ["Id", patient.id], ["Granted", token.scope]]) {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = term;
    dd.textContent = fact ?? "not recorded";
    element("facts").append(dt, dd);
  }
  element("patient").hidden = false;
  for (const [title, search, cells] of lists) {
    const [type, query] = search.split("?");
    try {
      const bundle = await ask(`${base}/${type}?patient=${patient.id}&${query}`, options);
      list(title, (bundle.entry ?? []).filter(e => e.search?.mode !== "outcome").map(e => cells(e.resource)));
    } catch (e) {
      list(title, [["Not available: " + e.message, "", ""]]);
    }
  }
  say("Signed in. The token ends in " + Math.round(token.expires_in / 60) + " minutes.");
}

function list(title, rows) {
  const section = document.createElement("section"), heading = document.createElement("h2");
  heading.textContent = title;
  section.append(heading);
  if (rows.length === 0) {
    section.append("None recorded.");
  } else {
    const table = document.createElement("table");
    for (const row of rows) {
      const line = table.insertRow();
      for (const cell of row) line.insertCell().textContent = cell ?? "";
    }
    section.append(table);
  }
  element("lists").append(section);
}

async function start() {
  const query = new URLSearchParams(location.search);
  try {
    if (query.has("code") || query.has("error")) {
      await finish(query);
    } else if (location.pathname.endsWith("/launch")) {
      say("Going to the authorization server …");
      await launch(query);
      return;
    } else {
      say("Nothing is launched.");
    }
  } catch (e) {
    say(e.message, true);
  }
  element("again").hidden = false;
}

start();
