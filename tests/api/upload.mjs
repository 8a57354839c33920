// Sends requests with Node's `http`, and with `fetch` where possible. Prints the status of each response on a line.
//
// Standard input is JSON, as for upload.py.

import { request as begin } from "node:http";
import { text } from "node:stream/consumers";

const { url, times, requests } = JSON.parse(await text(process.stdin));

function byHttp({ method, target, headers, bytes, chunked }) {
  return new Promise((resolve) => {
    const length = chunked ? { "transfer-encoding": "chunked" } : { "content-length": bytes };
    const request = begin(new URL(target, url), { method, headers: { ...headers, ...length }, agent: false });
    request.setTimeout(60_000, () => request.destroy(new Error("timeout")));
    request.on("error", (error) => resolve(String(error)));
    request.on("response", (response) => {
      response.on("error", (error) => resolve(String(error)));
      response.on("end", () => resolve(response.statusCode));
      response.resume();
    });
    request.end(Buffer.alloc(bytes, "x"));
  });
}

async function byFetch({ method, target, headers, bytes }) {
  try {
    const signal = AbortSignal.timeout(60_000);
    const response = await fetch(new URL(target, url), { method, headers, body: Buffer.alloc(bytes, "x"), signal });
    await response.text();
    return response.status;
  } catch (error) {
    return `${error} ${error.cause}`;
  }
}

for (const request of requests) {
  for (let time = 0; time < times; time++) {
    console.log(await byHttp(request));
    if (request.method !== "GET" && !request.chunked) console.log(await byFetch(request));
  }
}
