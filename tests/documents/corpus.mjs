// Reads the cases of this folder. See README.md for the format.
import { readFileSync, readdirSync } from "node:fs";

const here = new URL("./", import.meta.url);

/** The text of a file of this folder. */
export function read(path) {
  return readFileSync(new URL(path, here), "utf8");
}

/** The cases of a folder: `{ name, document }`, for variables and execution with `inputs: [{ name, variables }]`. */
export function cases(folder) {
  const found = [];
  for (const file of readdirSync(new URL(folder + "/", here)).sort()) {
    if (!file.endsWith(".txt")) continue;
    const topic = `${folder}/${file.slice(0, -".txt".length)}`;
    const names = new Set();
    for (const { name, text } of parts(read(`${folder}/${file}`), "=== ")) {
      if (names.has(name)) throw new Error(`${topic}: two cases are named "${name}"`);
      names.add(name);
      const [document, ...inputs] = parts("--- \n" + text, "--- ");
      found.push({
        name: `${topic}/${name}`,
        document: characters(document.text),
        inputs: inputs.map((input) => ({ name: input.name, variables: JSON.parse(input.text) })),
      });
    }
  }
  return found;
}

/** What stands between the lines that begin with `mark`; the last line end is not part of it. */
function parts(text, mark) {
  const found = [];
  for (const line of text.replace(/\n$/, "").split("\n")) {
    if (line.startsWith(mark)) found.push({ name: line.slice(mark.length), lines: [] });
    else if (found.length > 0) found.at(-1).lines.push(line);
    else throw new Error(`a file must begin with "${mark}", not with "${line}"`);
  }
  return found.map(({ name, lines }) => ({ name, text: lines.join("\n") }));
}

/** Replaces `<U+FEFF>` by the character of that number. */
function characters(text) {
  return text.replace(/<U\+([0-9A-F]{4,6})>/g, (_, digits) => String.fromCodePoint(Number.parseInt(digits, 16)));
}
