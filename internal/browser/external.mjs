// An authorization server of another maker, for the tests of data stores that
// have one: services get tokens by their secret, as JWTs for resources that end
// in /r4 and opaque ones for others. It prints its issuer once it listens. A line
// of its input is a command: rotate (sign with a new key), down, up.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

let keys = 0;

// provide makes the server anew, with a key of its own.
function provide() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { ...privateKey.export({ format: "jwk" }), kid: `k${++keys}`, alg: "ES256", use: "sig" };
  return new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [
      { client_id: "service", client_secret: "of the tests", id_token_signed_response_alg: "ES256", grant_types: ["client_credentials"], redirect_uris: [], response_types: [], scope: "system/*.rs system/Patient.read" },
      { client_id: "tarn", client_secret: "asks", id_token_signed_response_alg: "ES256", grant_types: [], redirect_uris: [], response_types: [] },
    ],
    scopes: ["system/*.rs", "system/Patient.read"],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: "system/*.rs system/Patient.read",
          audience: resource.replace(/\/$/, ""),
          accessTokenTTL: 600,
          accessTokenFormat: resource.endsWith("/r4") ? "jwt" : "opaque",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
}

let answer = provide().callback();
let down = false;
server.on("request", (request, response) => {
  if (down) {
    response.statusCode = 503;
    response.end();
    return;
  }
  answer(request, response);
});
console.log(issuer);
for await (const command of createInterface({ input: process.stdin })) {
  if (command == "rotate") answer = provide().callback();
  if (command == "down" || command == "up") down = command == "down";
  console.log(command);
}
