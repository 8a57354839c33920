// A client in one function. The types of variables and results come from the documents, by schema.graphql.

import { randomUUID } from 'node:crypto';
import { initGraphQLTada, type TadaDocumentNode } from 'gql.tada';
import { print } from 'graphql';
import type { introspection } from './graphql-env.js';

export const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { BigInt: string; Date: string; DateTime: string; Decimal: string; UUID: string };
}>();

/** What is wrong with a request as a whole; what is wrong with an input is data of the payload. */
export class RequestFailed extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(`${code}: ${message}`);
  }
}

interface Answer<Result> {
  data?: Result | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

/** How often a request is sent whose answer does not come. */
const TRIES_MAX = 3;

export class Client {
  constructor(
    private readonly url: string,
    public token?: string,
  ) {}

  /** Asks the server. A mutation is sent with a key, so that it can be sent again: it is done once. */
  async ask<Result, Variables>(document: TadaDocumentNode<Result, Variables>, variables: Variables): Promise<Result> {
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      'idempotency-key': randomUUID(),
    };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    const body = JSON.stringify({ query: print(document), variables });
    for (let tries = 1; ; tries += 1) {
      try {
        const response = await fetch(this.url, { method: 'POST', headers, body });
        const { data, errors } = (await response.json()) as Answer<Result>;
        const error = errors?.[0];
        if (error) throw new RequestFailed(error.extensions?.code ?? 'UNKNOWN', error.message);
        return data as Result;
      } catch (error) {
        // Nobody knows whether it was done when the connection broke.
        const again = !(error instanceof RequestFailed) || error.code === 'UNAVAILABLE';
        if (!again || tries === TRIES_MAX) throw error;
        await new Promise((resume) => setTimeout(resume, 100 * 2 ** tries * Math.random()));
      }
    }
  }
}
