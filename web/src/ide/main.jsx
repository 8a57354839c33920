// GraphiQL at /: asks the /graphql beside it, opens with the examples.

import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './ide.css';

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createClient } from 'graphql-ws';
import { createRoot } from 'react-dom/client';

import { examples } from './examples.js';

// GraphiQL 5.4 loads its editor by these when it is on the screen already, and then shows the
// first tab's query under whichever tab was clicked meanwhile. Here they come first.
await Promise.all([import('monaco-graphql/esm/monaco-editor.js'), import('monaco-graphql/esm/lite.js')]);

const url = new URL('graphql', document.baseURI).href;
const wsClient = createClient({ url: url.replace(/^http/, 'ws') });
const fetcher = createGraphiQLFetcher({ url, wsClient });

createRoot(document.getElementById('ide')).render(
  <GraphiQL
    fetcher={fetcher}
    defaultTabs={examples}
    defaultQuery={'# Ctrl+Space completes, Ctrl+Enter runs. The book on the left explains the schema.\n'}
    defaultEditorToolsVisibility="variables"
  >
    <GraphiQL.Logo>Kinoteka</GraphiQL.Logo>
  </GraphiQL>,
);
