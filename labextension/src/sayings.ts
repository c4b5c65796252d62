/** What the library says in ordinary use, in the user's language. A mistake's message stays as in the terminal. */
import { TranslationBundle } from '@jupyterlab/translation';

// As the library says them, with %1, %2, … for the names and numbers in them; a test compares.
const SAYINGS = [
  'This server has no Paillasse. Start JupyterLab in the project: make lab',
  'There is no %1 and no %2 here or in a folder above. Open a notebook of a project, or its folder in the file browser.',
  "There is no %1 in the project's folder %2.",
  "There is no %1 in %2 yet. Fill in a notebook's form and add it there.",
  "This notebook has no cell tagged 'parameters', so there is nothing to fill in. Tag its first code cell: Property Inspector (the cogs on the right), Common Tools, Cell Tags.",
  'Runs that were started here are still being executed. Wait for them, or stop them.',
  '%1 has a run %2 already. Choose another name, or run that one there.',
  'There is a notebook %1 already. Choose another name.',
  'The pseudonyms of %1 could not be read, so none of them was looked for.',
  'new',
  'its last run was not ok (%1)',
  'changed: %1',
  "the notebook's code",
  'the parameters',
  'the profile',
  'the shared library',
  "the project's code",
  'the environment',
  'the data set %1',
  'cell %1',
  'output %1',
  'yes, everybody',
  "yes, a stand-in: made up, nobody's data. The real data are read in the profile secure, with an approval",
  'yes, %1, until %2 (approval %3); every read is recorded',
  'the project %1, for %2',
  'no. %1',
  'the same in all',
  'never missing',
  'unique',
  'at least %1',
  'at most %1',
  'one of %1',
  '%1 to %2',
  'today'
];

const PATTERNS = SAYINGS.map((saying): [string, RegExp] => {
  const parts = saying.split(/%\d/).map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const value = saying === '%1 to %2' ? '(\\S+)' : '(.+)'; // many a sentence has a “to”
  return [saying, new RegExp(`^${parts.join(value)}$`)];
});

/** A saying of the library in the user's language, its values as they are or as `word` tells them; other texts as they are. */
export function said(trans: TranslationBundle, text: string, word = (value: string) => value): string {
  for (const [saying, pattern] of PATTERNS) {
    const values = pattern.exec(text);
    if (values) {
      return trans.__(saying, ...values.slice(1).map(word));
    }
  }
  return text;
}

/** The same of each part of a list. */
export function saidOfEach(trans: TranslationBundle, list: string): string {
  return list
    .split(', ')
    .map(each => said(trans, trans.__(each)))
    .join(', ');
}
