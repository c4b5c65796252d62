/** The form of a notebook's parameters: fill in, run, add to runs.yaml; several values of one make a grid. */
import { DocumentRegistry } from '@jupyterlab/docregistry';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { ask, ICatalogue, IForm, IFormField, IRuns } from './ask';
import { element, refusal } from './dom';

const EVERY = 1000; // milliseconds, while a run that was started here is followed
const ENDED = ['ok', 'error', 'killed', 'timeout', 'cancelled', 'unknown'];

export interface IFormOptions {
  settings: ServerConnection.ISettings;
  trans: TranslationBundle;
  tracker: INotebookTracker;
  path: (panel: NotebookPanel) => string;
}

export class FormPanel extends Widget {
  constructor(private _options: IFormOptions) {
    super();
    this.addClass('jp-paillasse-panel');
    this._body = element('div', { className: 'jp-paillasse-form', tabIndex: -1 });
    const title = element('h2', {}, _options.trans.__('Run this notebook with …'));
    this.node.append(element('div', { className: 'jp-paillasse-head' }, title), this._body);
    _options.tracker.currentChanged.connect(() => this._follow());
    this._follow();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this.refresh();
  }

  protected onActivateRequest(): void {
    this._body.focus(); // the first field is the next stop, also where it is not yet there
  }

  /** Ask for the form of the current notebook, so that it is there when the panel is opened; what was filled in stays
   * while the parameters are the same. */
  async refresh(): Promise<void> {
    const { settings, trans, path } = this._options;
    const asked = ++this._asked;
    if (!this._panel) {
      this._told = '';
      this._body.replaceChildren(element('p', {}, trans.__('Open a notebook to see its parameters.')));
      return;
    }
    const place = { path: path(this._panel) };
    try {
      const [form, catalogue] = await Promise.all([
        ask<IForm>(settings, 'form', place),
        ask<ICatalogue>(settings, 'catalog', place).catch(() => null) // its own panel tells what is wrong
      ]);
      const told = JSON.stringify([form.notebook, form.fields]);
      if (asked === this._asked && told !== this._told) {
        this._told = told;
        this._show(form, catalogue);
      }
    } catch (error) {
      if (asked === this._asked) {
        this._told = '';
        this._body.replaceChildren(refusal(trans, error));
      }
    }
  }

  private _follow(): void {
    const now = this._options.tracker.currentWidget;
    if (now !== this._panel) {
      this._panel?.context.saveState.disconnect(this._onSave, this);
      this._panel = now;
      now?.context.saveState.connect(this._onSave, this);
      this._told = '';
      this._body.replaceChildren(); // another notebook's form must not be sent for this one
      void this.refresh();
    }
  }

  private _onSave(_: unknown, state: DocumentRegistry.SaveState): void {
    if (state.startsWith('completed') && this.isVisible) {
      void this.refresh();
    }
  }

  private _show(form: IForm, catalogue: ICatalogue | null): void {
    const { trans } = this._options;
    const columns = new Map((catalogue?.data_sets ?? []).map(each => [each.name, each.columns]));
    const ownData = form.fields.find(each => each.names_data_set)?.default;
    const ownColumns = columns.get(String(ownData)) ?? [];
    const offer = (data: string) => this._fields.forEach(field => field.offer(columns.get(data) ?? []));
    this._fields = form.fields.map(each => {
      const field = new FormField(each, trans, [...columns.keys()], namesColumns(each, ownColumns));
      if (each.names_data_set) {
        field.node.addEventListener('change', () => offer(String(field.values()[0])));
      }
      return field;
    });
    offer(String(ownData));
    this._name = element('input', { value: form.name, 'aria-label': trans.__('name of the run') });
    this._progress = element('div', { role: 'status' });
    const run = element('button', { className: 'jp-paillasse-button jp-mod-accept' }, trans.__('Run'));
    run.addEventListener('click', () => void this._send('form/start'));
    const add = element('button', { className: 'jp-paillasse-button' }, trans.__('Add to runs.yaml'));
    add.addEventListener('click', () => void this._send('form/add'));
    this._body.replaceChildren(
      element('label', { className: 'jp-paillasse-field' }, element('code', {}, trans.__('name of the run')), this._name),
      ...this._fields.map(field => field.node),
      element('div', { className: 'jp-paillasse-actions jp-mod-last' }, run, add, this._progress)
    );
  }

  /** Send what differs from the notebook's own values; the notebook's file is what is executed, so it is saved before. */
  private async _send(route: string): Promise<void> {
    const { settings, trans, path } = this._options;
    const panel = this._panel;
    if (!panel) {
      return;
    }
    const parameters: { [name: string]: unknown } = {};
    const grid: { [name: string]: unknown[] } = {};
    try {
      for (const field of this._fields) {
        const values = field.values();
        if (values.length > 1) {
          grid[field.name] = values;
        } else if (field.isChanged(values[0])) {
          parameters[field.name] = values[0];
        }
      }
      if (panel.context.model.dirty) {
        await panel.context.save();
      }
      const body = { path: path(panel), name: this._name.value.trim(), parameters, grid };
      const answer = await ask<{ started?: string[]; added?: string[] }>(settings, route, {}, body);
      if (answer.started) {
        this._progress.textContent = trans.__('starting …');
        this._watch(answer.started, body.path);
      } else {
        this._progress.textContent = trans.__('added to runs.yaml');
      }
    } catch (error) {
      this._progress.replaceChildren(refusal(trans, error));
    }
  }

  /** Show where the runs are until all have ended; while nobody looks nothing is asked. */
  private _watch(names: string[], path: string): void {
    const { settings, trans } = this._options;
    const progress = this._progress;
    const later = () => {
      window.clearTimeout(this._timer);
      this._timer = window.setTimeout(() => void look(), EVERY);
    };
    const look = async () => {
      if (!progress.isConnected) {
        return;
      }
      if (document.hidden || !this.isVisible) {
        return later();
      }
      try {
        const answer = await ask<IRuns>(settings, 'runs', { path });
        const runs = answer.runs.filter(run => names.includes(run.name));
        const lines = runs.map(run => {
          const cell = run.progress?.[0] ? ` · ${trans.__('cell %1 of %2', ...run.progress)}` : '';
          return `${run.name}: ${trans.__(run.state)}${cell}${run.headline ? ` · ${run.headline}` : ''}`;
        });
        progress.textContent = [...lines, answer.message].filter(Boolean).join('\n') || trans.__('starting …');
        const done = runs.length === names.length && runs.every(run => ENDED.includes(run.state));
        if (!done && !answer.message) {
          later();
        }
      } catch (error) {
        progress.replaceChildren(refusal(trans, error));
      }
    };
    later();
  }

  private _panel: NotebookPanel | null = null;
  private _body: HTMLElement;
  private _fields: FormField[] = [];
  private _name = element('input');
  private _progress = element('div');
  private _told = '';
  private _timer = 0;
  private _asked = 0;
}

/** Whether a parameter's own value is a column of its own data set, or some of them. */
function namesColumns({ kind, default: own }: IFormField, columns: string[]): boolean {
  const named = kind === 'text' ? [own] : kind === 'list' && Array.isArray(own) && own.length ? own : [null];
  return named.every(each => columns.includes(each as string));
}

/** One parameter: an input for its value, more of them for a grid. */
class FormField {
  readonly node: HTMLElement;

  constructor(
    private _field: IFormField,
    private _trans: TranslationBundle,
    private _dataSets: string[],
    private _namesColumns: boolean
  ) {
    const more = element('button', { className: 'jp-paillasse-button', type: 'button' }, '+');
    more.title = _trans.__('Another value of %1: a run for each', _field.name);
    more.setAttribute('aria-label', more.title);
    more.addEventListener('click', () => this._add());
    this.node = element(
      'div',
      { className: 'jp-paillasse-field', role: 'group', 'aria-label': _field.name },
      element('code', {}, _field.name),
      element('small', {}, _field.help),
      this._inputs,
      more
    );
    more.hidden = _field.kind === 'boolean';
    this._add();
  }

  get name(): string {
    return this._field.name;
  }

  /** The values that were filled in. An input that cannot be read is an error with the parameter's name. */
  values(): unknown[] {
    return this._entries.map(entry => this._value(entry));
  }

  /** The columns from which may be picked: those of the data set that is chosen. */
  offer(columns: string[]): void {
    this._columns = columns;
    this._pickers.forEach(picker => this._fill(picker));
  }

  isChanged(value: unknown): boolean {
    return JSON.stringify(value) !== JSON.stringify(this._field.default);
  }

  private _add(): void {
    const { choices, default: own, kind, least, most, name, names_data_set } = this._field;
    const options: { [property: string]: unknown } = { 'aria-label': name };
    const listed = choices.length ? choices : names_data_set && kind === 'text' ? this._dataSets : [];
    if (listed.length) {
      const known = listed.includes(own as string) || own === null ? listed : [own as string, ...listed];
      const select = element('select', options, ...known.map(each => element('option', { value: String(each) }, String(each))));
      select.value = String(own);
      this._entries.push(select);
      this._inputs.append(select);
      return;
    }
    const input = element('input', options);
    if (kind === 'boolean') {
      Object.assign(input, { type: 'checkbox', checked: own === true });
    } else if (kind === 'number') {
      Object.assign(input, { type: 'number', step: 'any', min: least ?? '', max: most ?? '', value: String(own ?? '') });
    } else {
      input.value = kind === 'text' ? String(own ?? '') : own === null ? '' : JSON.stringify(own);
    }
    this._entries.push(input);
    this._inputs.append(this._namesColumns ? element('div', { className: 'jp-paillasse-pick' }, input, this._picker(input)) : input);
  }

  /** A list of columns beside an input: one takes the place of its text, or joins or leaves the list that it holds. */
  private _picker(input: HTMLInputElement): HTMLSelectElement {
    const title = this._trans.__('Choose a column for %1', this._field.name);
    const picker = element('select', { title, 'aria-label': title });
    this._fill(picker);
    this._pickers.push(picker);
    picker.addEventListener('change', () => {
      const column = picker.value;
      picker.value = '';
      if (this._field.kind === 'text') {
        input.value = column;
        return;
      }
      let listed: unknown;
      try {
        listed = JSON.parse(input.value);
      } catch {
        listed = [];
      }
      const others = Array.isArray(listed) ? listed.filter(each => each !== column) : [];
      const joins = !Array.isArray(listed) || others.length === listed.length;
      input.value = JSON.stringify(joins ? [...others, column] : others);
    });
    return picker;
  }

  private _fill(picker: HTMLSelectElement): void {
    picker.replaceChildren(...['', ...this._columns].map(value => element('option', { value }, value)));
  }

  private _value(input: HTMLInputElement | HTMLSelectElement): unknown {
    const { choices, default: own, kind, name } = this._field;
    if (input instanceof HTMLInputElement && input.type === 'checkbox') {
      return input.checked;
    }
    const text = input.value;
    if (choices.length) {
      return choices.find(each => String(each) === text) ?? text;
    }
    if (kind === 'text') {
      return text;
    }
    if (text.trim() === '') {
      return own;
    }
    try {
      return JSON.parse(text);
    } catch {
      const example = kind === 'list' ? '["age", "grade"]' : '1, true, "text", ["list"], {"key": 1}';
      throw new Error(this._trans.__('%1: this cannot be read; write it like %2', name, example));
    }
  }

  private _inputs = element('div', { className: 'jp-paillasse-inputs' });
  private _entries: (HTMLInputElement | HTMLSelectElement)[] = [];
  private _pickers: HTMLSelectElement[] = [];
  private _columns: string[] = [];
}
