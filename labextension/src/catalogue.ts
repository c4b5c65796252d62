/** The catalogue's panel: find a data set, see what it is, put the cell that reads it into the notebook. */
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { ask, ICard, ICatalogue, IDataSet, IPreview } from './ask';
import { element, refusal } from './dom';
import { Profile, ProfileMark } from './profile';
import { said } from './sayings';

const LONGEST_LINE = 100;
const IN_OUR_WORDS = ['May I read it?', 'Period', 'Profiles']; // the other facts are told in the steward's

export interface ICatalogueOptions {
  settings: ServerConnection.ISettings;
  trans: TranslationBundle;
  profile: Profile;
  /** The notebook or folder that the user is in. */
  where: () => string;
  /** Put code into the notebook; false where none is open. */
  insert: (source: (notebook: string) => string) => boolean;
}

/** The code that reads columns of a data set; it opens the catalogue where the notebook has not. */
export function reading(name: string, columns: string[], notebook: string): string {
  const opened = /^catalog\s*=/m.test(notebook);
  const head = opened ? '' : 'from paillasse import open_catalog\n\ncatalog = open_catalog()\n';
  const quoted = columns.map(column => JSON.stringify(column));
  const line = `${name} = catalog["${name}"].read(columns=[${quoted.join(', ')}])`;
  if (line.length <= LONGEST_LINE) {
    return head + line;
  }
  const lines = [''];
  for (const each of quoted) {
    const longer = `${lines[lines.length - 1]}${lines[lines.length - 1] ? ' ' : ''}${each},`;
    longer.length > LONGEST_LINE - 4 ? lines.push(`${each},`) : (lines[lines.length - 1] = longer);
  }
  return `${head}${name} = catalog["${name}"].read(columns=[\n${lines.map(each => `    ${each}`).join('\n')}\n])`;
}

export class CataloguePanel extends Widget {
  constructor(private _options: ICatalogueOptions) {
    super();
    const trans = _options.trans;
    this.addClass('jp-paillasse-panel');
    this._search = element('input', {
      type: 'search',
      className: 'jp-paillasse-search',
      placeholder: trans.__('Search: names, titles, columns, keywords'),
      'aria-label': trans.__('Search the catalogue')
    });
    this._sensitivity = this._select(trans.__('Sensitivity'), {
      '': trans.__('every sensitivity'),
      public: trans.__('public'),
      synthetic: trans.__('synthetic'),
      pseudonymised: trans.__('pseudonymised')
    });
    this._inProfile = this._select(trans.__('Profile'), {
      '': trans.__('every profile'),
      public: trans.__('readable in public'),
      synthetic: trans.__('readable in synthetic'),
      secure: trans.__('readable in secure')
    });
    this._search.addEventListener('input', () => this._filter());
    const again = element('button', { className: 'jp-paillasse-button', title: trans.__('Read the catalogue again') });
    again.textContent = trans.__('Refresh');
    again.addEventListener('click', () => void this.refresh());
    this._count = element('span', { className: 'jp-paillasse-count', role: 'status' });
    this._list = element('ul', { className: 'jp-paillasse-list', 'aria-label': trans.__('Data sets') });
    const mark = new ProfileMark(_options.profile, trans);
    this.node.append(
      element('div', { className: 'jp-paillasse-head' }, element('h2', {}, trans.__('Data catalogue')), mark.node, again),
      element('div', { className: 'jp-paillasse-filters' }, this._search, this._sensitivity, this._inProfile, this._count),
      this._list
    );
  }

  /** Ask for the catalogue of where the user is; what is shown stays until the answer is there. */
  async refresh(): Promise<void> {
    const { settings, trans } = this._options;
    const asked = ++this._asked;
    try {
      const catalogue = await ask<ICatalogue>(settings, 'catalog', this._place());
      if (asked === this._asked) {
        this._show(catalogue);
      }
    } catch (error) {
      if (asked === this._asked) {
        this._told = '';
        this._rows = [];
        this._count.textContent = '';
        this._options.profile.value = '';
        this._list.replaceChildren(element('li', {}, refusal(trans, error)));
      }
    }
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this.refresh();
  }

  protected onActivateRequest(): void {
    this._search.focus();
  }

  private _place(): { path: string } {
    return { path: this._options.where() };
  }

  private _select(label: string, choices: { [value: string]: string }): HTMLSelectElement {
    const options = Object.entries(choices).map(([value, text]) => element('option', { value }, text));
    const select = element('select', { className: 'jp-paillasse-select', 'aria-label': label }, ...options);
    select.addEventListener('change', () => this._filter());
    return select;
  }

  private _show(catalogue: ICatalogue): void {
    this._options.profile.value = catalogue.profile;
    const told = JSON.stringify(catalogue);
    if (told === this._told) {
      return; // cards that are open stay open
    }
    this._told = told;
    this._rows = catalogue.data_sets.map(each => this._row(each));
    this._list.replaceChildren(...this._rows.map(row => row.node));
    this._filter();
  }

  private _row(data: IDataSet): IRow {
    const { trans } = this._options;
    const button = element(
      'button',
      { className: 'jp-paillasse-row', 'aria-expanded': 'false' },
      element('span', { className: 'jp-paillasse-name' }, data.name),
      element('span', { className: 'jp-paillasse-tag', 'data-kind': data.sensitivity }, trans.__(data.sensitivity)),
      element('span', { className: 'jp-paillasse-title' }, data.title)
    );
    const node = element('li', {}, button);
    button.addEventListener('click', () => {
      const open = button.getAttribute('aria-expanded') === 'true';
      button.setAttribute('aria-expanded', String(!open));
      open ? node.lastElementChild?.remove() : node.append(this._card(data.name));
    });
    const { name, title, description, keywords, steward, columns } = data;
    const text = [name, title, description, ...keywords, steward, ...columns].join('\n').toLowerCase();
    return { node, text, data };
  }

  private _filter(): void {
    const words = this._search.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const { node, text, data } of this._rows) {
      const hidden =
        (this._sensitivity.value !== '' && data.sensitivity !== this._sensitivity.value) ||
        (this._inProfile.value !== '' && !data.profiles.includes(this._inProfile.value)) ||
        !words.every(word => text.includes(word));
      node.hidden = hidden;
      shown += hidden ? 0 : 1;
    }
    const total = this._rows.length;
    this._count.textContent = this._options.trans.__('%1 of %2 data sets', shown, total);
  }

  private _card(name: string): HTMLElement {
    const { settings, trans } = this._options;
    const node = element('div', { className: 'jp-paillasse-card', role: 'region', 'aria-label': name });
    node.textContent = trans.__('Reading …');
    ask<ICard>(settings, `catalog/${name}`, this._place()).then(
      card => node.replaceChildren(...this._contents(card)),
      error => node.replaceChildren(refusal(trans, error))
    );
    return node;
  }

  private _contents(card: ICard): HTMLElement[] {
    const { trans } = this._options;
    const ours = (text: string): string => said(trans, text, value => (value === text ? value : ours(value)));
    const facts = card.facts.flatMap(([label, values]) => [
      element('dt', {}, trans.__(label)),
      ...values.map(value => element('dd', {}, IN_OUR_WORDS.includes(label) ? ours(value) : value))
    ]);
    const boxes = card.fields.map(field =>
      element('input', {
        type: 'checkbox',
        value: field.name,
        checked: field.role !== 'identifier',
        'aria-label': trans.__('read the column %1', field.name)
      })
    );
    const insert = element('button', { className: 'jp-paillasse-button jp-mod-accept' }, trans.__('Insert'));
    const told = element('span', { role: 'status' });
    insert.title = trans.__('Put a cell that reads the chosen columns below the cursor’s');
    insert.addEventListener('click', () => {
      const columns = boxes.filter(box => box.checked).map(box => box.value);
      if (columns.length === 0) {
        told.textContent = trans.__('Choose a column first.');
      } else if (this._options.insert(notebook => reading(card.name, columns, notebook))) {
        told.textContent = '';
      } else {
        told.textContent = trans.__('Open a notebook first.');
      }
    });
    const all = element('input', { type: 'checkbox', 'aria-label': trans.__('all columns') });
    all.addEventListener('change', () => boxes.forEach(box => (box.checked = all.checked)));
    const rows = card.fields.map((field, i) =>
      element(
        'tr',
        {},
        element('td', {}, boxes[i]),
        element(
          'td',
          {},
          element('code', {}, element('strong', {}, field.name)),
          element('div', {}, `${field.description}${field.unit ? ` (${field.unit})` : ''}`),
          ...this._details(field)
        )
      )
    );
    const head = [all, trans.__('Columns')].map(content => element('th', { scope: 'col' }, content));
    const beware = card.caveats.map(text => element('li', {}, text));
    return [
      element('div', { className: 'jp-paillasse-actions' }, insert, told),
      element('p', {}, card.description),
      ...(beware.length ? [element('strong', {}, trans.__('Beware')), element('ul', {}, ...beware)] : []),
      element('dl', {}, ...facts),
      element(
        'table',
        { className: 'jp-paillasse-fields' },
        element('thead', {}, element('tr', {}, ...head)),
        element('tbody', {}, ...rows)
      ),
      this._preview(card.name)
    ];
  }

  private _details(field: ICard['fields'][number]): HTMLElement[] {
    const { trans } = this._options;
    const kept = field.rules.map(rule => said(trans, rule)).join(', ');
    const rules = [trans.__(field.type), kept, field.role && trans.__(field.role)].filter(Boolean).join(' · ');
    const codes = field.codes.map(([value, label]) => element('li', {}, element('code', {}, value), ` ${label}`));
    const details = [element('div', { className: 'jp-paillasse-detail' }, rules)];
    return codes.length ? [...details, element('ul', { className: 'jp-paillasse-codes' }, ...codes)] : details;
  }

  private _preview(name: string): HTMLElement {
    const { settings, trans } = this._options;
    const inner = element('div', { className: 'jp-paillasse-preview', tabIndex: 0 });
    inner.setAttribute('role', 'region');
    inner.setAttribute('aria-label', trans.__('first rows'));
    const node = element('details', {}, element('summary', {}, trans.__('First rows')), inner);
    node.addEventListener(
      'toggle',
      () => {
        inner.textContent = trans.__('Reading …');
        ask<IPreview>(settings, `catalog/${name}/preview`, this._place()).then(
          preview => inner.replaceChildren(...this._rowsOf(preview)),
          error => inner.replaceChildren(refusal(trans, error))
        );
      },
      { once: true }
    );
    return node;
  }

  private _rowsOf(preview: IPreview): HTMLElement[] {
    const { trans } = this._options;
    const head = preview.columns.map(name => element('th', { scope: 'col' }, name));
    const rows = preview.rows.map(row => element('tr', {}, ...row.map(value => element('td', {}, value))));
    const told =
      preview.kind === 'public'
        ? trans.__('Public data, as published.')
        : trans.__('Of the synthetic stand-in: made up, nobody’s data.');
    return [
      element('p', {}, told),
      element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows))
    ];
  }

  private _search: HTMLInputElement;
  private _sensitivity: HTMLSelectElement;
  private _inProfile: HTMLSelectElement;
  private _count: HTMLElement;
  private _list: HTMLElement;
  private _rows: IRow[] = [];
  private _told = '';
  private _asked = 0;
}

interface IRow {
  node: HTMLElement;
  text: string;
  data: IDataSet;
}
