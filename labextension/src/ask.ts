/** What is asked of the server's part, and what it answers. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

export type Sensitivity = 'public' | 'synthetic' | 'pseudonymised';

export interface IDataSet {
  name: string;
  title: string;
  description: string;
  sensitivity: Sensitivity;
  keywords: string[];
  steward: string;
  columns: string[];
  profiles: string[];
}

export interface ICatalogue {
  project: string;
  profile: string;
  data_sets: IDataSet[];
}

export interface IField {
  name: string;
  type: string;
  description: string;
  unit: string;
  codes: [string, string][];
  rules: string[];
  role: string;
}

export interface ICard {
  name: string;
  title: string;
  description: string;
  sensitivity: Sensitivity;
  keywords: string[];
  caveats: string[];
  facts: [string, string[]][];
  fields: IField[];
}

export interface IPreview {
  kind: 'public' | 'synthetic';
  columns: string[];
  rows: string[][];
}

export interface IFinding {
  cell: number | null;
  place: string;
  what: string;
  to_do: string;
  patients: number | null;
  status: 'leak' | 'public' | 'synthetic' | 'allowed';
  data_set: string | null;
  note: string;
}

export interface IVerdict {
  findings: IFinding[];
  notes: string[];
  saved_without_outputs: boolean;
}

/** Ask the server; an error's message is for the user, as the library words it. */
export async function ask<Answer>(
  settings: ServerConnection.ISettings,
  route: string,
  query: { [name: string]: string },
  body?: object
): Promise<Answer> {
  const place = URLExt.join(settings.baseUrl, 'paillasse', 'api', route);
  const request = body ? { method: 'POST', body: JSON.stringify(body) } : {};
  const response = await ServerConnection.makeRequest(place + URLExt.objectToQueryString(query), request, settings);
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) {
    return answer;
  }
  if (response.status === 404) {
    throw new Error('This server has no Paillasse. Start JupyterLab in the project: make lab');
  }
  throw new Error(answer?.message ?? `${response.status} ${response.statusText}`);
}

export interface IRun {
  name: string;
  /** The newest result's folder; null where there is none. */
  result: string | null;
  state: string;
  headline: string;
  started: string;
  seconds: number | null;
  /** Code cells executed, of how many. */
  progress: [number, number] | null;
  declared: boolean;
  /** Paths by which JupyterLab opens them; null where it cannot. */
  notebook: string | null;
  executed: string | null;
}

export interface IRuns {
  runs: IRun[];
  /** How many more there are. */
  more: number;
  message: string;
}

export interface IResult {
  name: string;
  state: string;
  headline: string;
  started: string;
  profile: string | null;
  parameters: { [name: string]: unknown };
  tables: { [name: string]: string[][] };
  figures: { [mime: string]: never }[];
}

export type Kind = 'text' | 'number' | 'boolean' | 'list' | 'mapping' | 'any';

export interface IFormField {
  name: string;
  help: string;
  kind: Kind;
  /** Null where it is an expression, or null itself. */
  default: unknown;
  choices: (string | number)[];
  least: number | null;
  most: number | null;
  names_data_set: boolean;
}

export interface IForm {
  /** Its path in the project. */
  notebook: string;
  /** A name that no run has. */
  name: string;
  fields: IFormField[];
}
