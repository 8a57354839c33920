// Additions to GraphiQL: the default query in new tabs, documentation at /#docs, and accessible tabs.

import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useLayoutEffect } from 'react';

/** The query of a new tab. */
export const NEW_TAB = `# Ctrl+Space completes, Ctrl+Enter runs.
# The book on the left explains the schema.
`;

/** Renders nothing. */
export function Habits() {
  const { tabs, activeTabIndex, queryEditor, referencePlugin } = useGraphiQL(
    pick('tabs', 'activeTabIndex', 'queryEditor', 'referencePlugin'),
  );
  const { setVisiblePlugin } = useGraphiQLActions();
  const tab = tabs[activeTabIndex];

  useEffect(() => {
    // GraphiQL 5.4 uses `defaultQuery` only for its first tab. New tabs have no query.
    if (tab?.query === null) queryEditor?.setValue(NEW_TAB);
  }, [tab?.id, queryEditor]);

  useEffect(() => {
    const follow = () => {
      if (location.hash !== '#docs') return;
      setVisiblePlugin(referencePlugin);
      // Without the hash, the link works again.
      history.replaceState(null, '', location.pathname + location.search);
    };
    follow();
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);

  // GraphiQL 5.4 puts buttons inside tabs, where screen readers cannot reach them. This makes the tabs a list of buttons.
  useLayoutEffect(() => {
    document.querySelectorAll('.graphiql-tab').forEach((item, index) => {
      item.parentElement.removeAttribute('role');
      item.removeAttribute('role');
      item.removeAttribute('aria-selected');
      item.querySelector('.graphiql-tab-button').setAttribute('aria-current', index === activeTabIndex);
      item.querySelector('.graphiql-tab-close')?.setAttribute('aria-label', `Close ${tabs[index]?.title}`);
    });
  });
  return null;
}
