/** The badge in a notebook's toolbar: what a scan finds in it, as it is on screen. Never the value. */
import { Dialog } from '@jupyterlab/apputils';
import { DocumentRegistry } from '@jupyterlab/docregistry';
import { NotebookPanel } from '@jupyterlab/notebook';
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { ask, IFinding, IVerdict } from './ask';
import { element, refusal } from './dom';
import { said, saidOfEach } from './sayings';

export interface IBadgeOptions {
  settings: ServerConnection.ISettings;
  trans: TranslationBundle;
  /** The path that the server knows the notebook by. */
  path: (panel: NotebookPanel) => string;
}

type State = 'waiting' | 'clean' | 'leak' | 'unknown';

export class LeakBadge extends Widget {
  constructor(
    private _panel: NotebookPanel,
    private _options: IBadgeOptions
  ) {
    super();
    this.addClass('jp-paillasse-leaks');
    this._button = element('button', { className: 'jp-paillasse-badge' });
    this._button.addEventListener('click', () => void this.list());
    this.node.append(this._button);
    this._tell('waiting', _options.trans.__('scan …'), _options.trans.__('The notebook is being looked at'));
    _panel.context.saveState.connect(this._onSave, this);
    void _panel.context.ready.then(() => this.check());
  }

  /** Ask for a verdict on the notebook as it is now. */
  async check(): Promise<void> {
    const { settings, trans, path } = this._options;
    const asked = ++this._asked;
    const model = this._panel.content.model;
    if (this.isDisposed || !model) {
      return;
    }
    try {
      const body = { path: path(this._panel), notebook: model.toJSON() as object };
      const verdict = await ask<IVerdict>(settings, 'scan', {}, body);
      if (asked === this._asked && !this.isDisposed) {
        this._show(verdict);
      }
    } catch (error) {
      if (asked === this._asked && !this.isDisposed) {
        this._verdict = null;
        this._error = error;
        this._tell('unknown', trans.__('not scanned'), trans.__('This notebook could not be judged. Click for the reason'));
      }
    }
  }

  /** List the findings; a click on one goes to its cell. */
  async list(): Promise<void> {
    const trans = this._options.trans;
    const body = new Widget();
    body.addClass('jp-paillasse-findings');
    const dialog = new Dialog({
      title: trans.__('What a scan of this notebook says'),
      body,
      buttons: [Dialog.okButton({ label: trans.__('Close') })]
    });
    if (this._verdict) {
      body.node.append(...this._listed(this._verdict, () => dialog.resolve(0)));
    } else if (this._error) {
      body.node.append(refusal(trans, this._error));
    } else {
      body.node.append(trans.__('The notebook is being looked at'));
    }
    await dialog.launch();
    if (this._goTo !== null) {
      this._jump(this._goTo);
      this._goTo = null;
    }
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._panel.context.saveState.disconnect(this._onSave, this);
      super.dispose();
    }
  }

  private _onSave(_: unknown, state: DocumentRegistry.SaveState): void {
    if (state.startsWith('completed')) {
      void this.check();
    }
  }

  private _show(verdict: IVerdict): void {
    const trans = this._options.trans;
    this._verdict = verdict;
    const leaks = verdict.findings.filter(each => each.status === 'leak').length;
    if (leaks === 0) {
      this._tell('clean', trans.__('nothing of a patient'), trans.__('A scan has found nothing of a patient here'));
    } else {
      const label = trans._n('%1 leak', '%1 leaks', leaks);
      this._tell('leak', label, trans.__('A scan has found patients’ data here. Click for the list'));
    }
  }

  private _tell(state: State, text: string, title: string): void {
    this._button.dataset.state = state;
    this._button.textContent = text;
    this._button.title = title;
    this._button.setAttribute('aria-label', `${text}: ${title}`);
  }

  private _listed(verdict: IVerdict, close: () => void): HTMLElement[] {
    const trans = this._options.trans;
    const leaks = verdict.findings.filter(each => each.status === 'leak');
    const others = verdict.findings.filter(each => each.status !== 'leak');
    const listed: HTMLElement[] = [];
    if (leaks.length === 0) {
      listed.push(element('p', {}, trans.__('A scan has found nothing of a patient here')));
    }
    for (const [title, findings] of [
      [trans.__('This must not leave'), leaks],
      [trans.__('Public, made up or allowed'), others]
    ] as [string, IFinding[]][]) {
      if (findings.length) {
        const items = findings.map(each => element('li', {}, this._finding(each, close)));
        listed.push(element('h3', {}, title), element('ul', {}, ...items));
      }
    }
    listed.push(...verdict.notes.map(note => element('p', {}, said(trans, note))));
    if (verdict.saved_without_outputs) {
      const told = trans.__('In the profile secure the notebook is saved without outputs: they are on this screen only.');
      listed.push(element('p', {}, told));
    }
    return listed;
  }

  private _finding(finding: IFinding, close: () => void): HTMLElement {
    const trans = this._options.trans;
    const patients = finding.patients ? ` (${trans.__('%1 patients at least', finding.patients)})` : '';
    const detail = finding.status === 'leak' ? finding.to_do : finding.note || finding.data_set || '';
    const texts = [
      element('strong', {}, saidOfEach(trans, finding.place) || trans.__('the whole notebook')),
      element('span', {}, `${trans.__(finding.what)}${patients}`),
      element('small', {}, [trans.__(detail), finding.status === 'leak' ? finding.note : ''].filter(Boolean).join('. '))
    ];
    if (finding.cell === null) {
      return element('div', { className: 'jp-paillasse-finding' }, ...texts);
    }
    const button = element('button', { className: 'jp-paillasse-finding', title: trans.__('Go to the cell') }, ...texts);
    button.addEventListener('click', () => {
      this._goTo = finding.cell;
      close();
    });
    return button;
  }

  /** Go to a cell, counted from 1. */
  private _jump(cell: number): void {
    const notebook = this._panel.content;
    if (cell <= notebook.widgets.length) {
      notebook.activeCellIndex = cell - 1;
      void notebook.scrollToItem(cell - 1, 'center');
      notebook.activate();
    }
  }

  private _button: HTMLButtonElement;
  private _verdict: IVerdict | null = null;
  private _error: unknown = null;
  private _goTo: number | null = null;
  private _asked = 0;
}
