// GraphiQL at /. It sends requests to /graphql as the logged-in user, and opens with the examples.

import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import '../bar.js';
import './ide.css';

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { createRoot } from 'react-dom/client';

import { adopt, connectionParams, endpoint, fetchSignedIn, isLoggedIn, noticeClosed, onSession } from '../session.js';
import { Habits, NEW_TAB } from './habits.jsx';
import { examples } from './examples.js';

// GraphiQL 5.4 loads these modules after it is on the screen. If a tab is clicked meanwhile, it shows the
// first tab's query there. So they are loaded first.
const [{ editor }] = await Promise.all([
  import('monaco-graphql/esm/monaco-editor.js'),
  import('monaco-graphql/esm/lite.js'),
]);
// GraphiQL has no option for this. Texts here are Cyrillic, so Monaco's warnings about ambiguous letters do not apply.
// (`includeStrings` is the default only if no other option is set.)
const { create, defineTheme } = editor;
const unicodeHighlight = { allowedLocales: { ru: true }, includeStrings: true };
editor.create = (element, options, ...others) => create(element, { unicodeHighlight, ...options }, ...others);
// GraphiQL's themes with more contrast where Monaco has too little.
editor.defineTheme = (name, theme) => {
  const isDark = theme.base === 'vs-dark';
  const colors = { ...theme.colors, 'editorLineNumber.foreground': isDark ? '#aeb6c4' : '#5c6370' };
  const rules = [
    ...theme.rules,
    { token: 'comment', foreground: isDark ? '#8fbf7a' : '#00700a' },
    ...(isDark ? [] : [{ token: 'number', foreground: '#006b45' }]),
  ];
  defineTheme(name, { ...theme, colors, rules });
};

const wsClient = createClient({
  url: endpoint.replace(/^http/, 'ws'),
  connectionParams,
  on: { closed: noticeClosed },
  retryWait: () => new Promise((done) => setTimeout(done, 200 + Math.random() * 800)),
});
// Running subscriptions continue as the new user.
onSession(({ isOther }) => isOther && wsClient.terminate());

/** Logs the page in after a `logIn` or `signUp` mutation, unless a user is already logged in. */
async function fetchAndLogIn(url, request) {
  const response = await fetchSignedIn(url, request);
  if (!isLoggedIn()) {
    const adoptToken = ({ data }) => {
      const { token } = data?.logIn ?? data?.signUp ?? {};
      if (typeof token === 'string') adopt(token);
    };
    response.clone().json().then(adoptToken, () => {});
  }
  return response;
}

const send = createGraphiQLFetcher({ url: endpoint, wsClient, fetch: fetchAndLogIn });

/** GraphiQL 5.4 reads a document 100 ms after its last change. Until then it passes the operation that was there before. */
function fetcher(params, options) {
  let documentAST;
  try {
    documentAST = parse(params.query);
  } catch {
    // The server reports the syntax error.
    return send({ ...params, operationName: undefined }, { ...options, documentAST });
  }
  const names = documentAST.definitions.filter(({ kind }) => kind === 'OperationDefinition').map(({ name }) => name?.value);
  const operationName = names.includes(params.operationName) || names.length !== 1 ? params.operationName : names[0];
  return send({ ...params, operationName }, { ...options, documentAST });
}

createRoot(document.getElementById('ide')).render(
  <GraphiQL fetcher={fetcher} defaultTabs={examples} defaultQuery={NEW_TAB} defaultEditorToolsVisibility="variables">
    <GraphiQL.Logo>
      <Habits />
    </GraphiQL.Logo>
  </GraphiQL>,
);
