// A client in one function. The types of variables and results come from the documents, by schema.graphql.
import { randomUUID } from 'node:crypto';
import { initGraphQLTada } from 'gql.tada';
import { print } from 'graphql';
export const graphql = initGraphQLTada();
/** What is wrong with a request as a whole; what is wrong with an input is data of the payload. */
export class RequestFailed extends Error {
    code;
    constructor(code, message) {
        super(`${code}: ${message}`);
        this.code = code;
    }
}
/** How often a request is sent whose answer does not come. */
const TRIES_MAX = 3;
export class Client {
    url;
    token;
    constructor(url, token) {
        this.url = url;
        this.token = token;
    }
    /** Asks the server. A mutation is sent with a key, so that it can be sent again: it is done once. */
    async ask(document, variables) {
        const headers = {
            'content-type': 'application/json',
            accept: 'application/graphql-response+json',
            'idempotency-key': randomUUID(),
        };
        if (this.token)
            headers.authorization = `Bearer ${this.token}`;
        const body = JSON.stringify({ query: print(document), variables });
        for (let tries = 1;; tries += 1) {
            try {
                const response = await fetch(this.url, { method: 'POST', headers, body });
                const { data, errors } = (await response.json());
                const error = errors?.[0];
                if (error)
                    throw new RequestFailed(error.extensions?.code ?? 'UNKNOWN', error.message);
                return data;
            }
            catch (error) {
                // Nobody knows whether it was done when the connection broke.
                const again = !(error instanceof RequestFailed) || error.code === 'UNAVAILABLE';
                if (!again || tries === TRIES_MAX)
                    throw error;
                await new Promise((resume) => setTimeout(resume, 100 * 2 ** tries * Math.random()));
            }
        }
    }
}
