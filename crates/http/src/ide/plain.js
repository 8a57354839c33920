// The plain page: sends the query to the /graphql beside it and shows the response.

const element = (id) => document.getElementById(id);

async function sendQuery() {
  const body = { query: element('query').value };
  const variables = element('variables').value.trim();
  if (variables) {
    body.variables = JSON.parse(variables);
  }
  const response = await fetch('graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json, application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return `${response.status} ${text}`;
  }
}

async function run() {
  element('run').disabled = true;
  try {
    element('result').textContent = await sendQuery();
  } catch (error) {
    element('result').textContent = String(error);
  } finally {
    element('run').disabled = false;
  }
}

async function tellOfIde() {
  const { pages } = await (await fetch('site.json')).json();
  element(pages.includes('/') ? 'ide' : 'no-ide').hidden = false;
}

tellOfIde();
element('run').addEventListener('click', run);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});
