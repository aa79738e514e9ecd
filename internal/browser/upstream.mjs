// An OpenID Connect provider of another maker, for the browser tests: anybody
// may sign in by name. It prints its issuer once it listens, and reads the
// redirect URI of its one client from a line of its input.
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const people = {
  grace: { name: "Grace Hopper", email: "grace@example.org", email_verified: true, preferred_username: "grace", fhir: "Practitioner/doc" },
  stranger: { name: "A Stranger", email: "doc@example.org", email_verified: false, preferred_username: "stranger" },
};

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
console.log(issuer);
const [redirect] = await once(createInterface({ input: process.stdin }), "line");

const provider = new Provider(issuer, {
  clients: [{ client_id: "tarn", client_secret: "of the tests", redirect_uris: [redirect] }],
  claims: { openid: ["sub"], profile: ["name", "preferred_username", "fhir"], email: ["email", "email_verified"] },
  cookies: { keys: ["of the tests"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
});

// interact is the page where people sign in, and what it posts to.
async function interact(request, response) {
  if (request.method == "GET") {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(`<!doctype html><html lang="en"><title>Upstream</title><link rel="icon" href="data:,"><h1>Upstream provider</h1>
<form method="post"><label>Name <input name="login" autofocus></label><button name="go" value="yes">Sign in upstream</button>
<button name="cancel" value="yes">Do not</button></form>`);
    return;
  }
  let body = "";
  for await (const part of request) body += part;
  const form = new URLSearchParams(body);
  if (form.get("cancel")) {
    await provider.interactionFinished(request, response, { error: "access_denied" });
    return;
  }
  const { params } = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId: form.get("login"), clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  await provider.interactionFinished(request, response, { login: { accountId: form.get("login") }, consent: { grantId: await grant.save() } });
}

const answer = provider.callback();
server.on("request", (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  interact(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
