// GraphiQL at /: asks the /graphql beside it, opens with the examples.

import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './ide.css';

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';

import { examples } from './examples.js';

const fetcher = createGraphiQLFetcher({ url: new URL('graphql', document.baseURI).href });

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
