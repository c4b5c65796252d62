/** The runs' panel: what stands, what would run again and why; run, stop, open, compare. */
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { ask, IRun, IRuns } from './ask';
import { element, refusal } from './dom';
import { said, saidOfEach } from './sayings';

const EVERY = 2000; // milliseconds; runs that a terminal has started are followed too

export interface IRunsOptions {
  settings: ServerConnection.ISettings;
  trans: TranslationBundle;
  where: () => string;
  open: (path: string) => void;
  compare: (one: IRun, other: IRun) => void;
}

export class RunsPanel extends Widget {
  constructor(private _options: IRunsOptions) {
    super();
    const { trans } = _options;
    this.addClass('jp-paillasse-panel');
    this._all = this._button(trans.__('Run what is not done'), () => this._start([], false));
    this._all.title = trans.__('As the command paillasse run does: what nothing has changed for is kept');
    this._compare = this._button(trans.__('Compare'), async () => {
      const [one, other] = this._runs.filter(run => this._chosen.has(run.name));
      this._options.compare(one, other);
    });
    this._compare.title = trans.__('Compare two runs that are ticked');
    this._list = element('ul', { className: 'jp-paillasse-list', 'aria-label': trans.__('Runs') });
    this._told = element('div', { role: 'status', className: 'jp-paillasse-count' });
    this.node.append(
      element('div', { className: 'jp-paillasse-head' }, element('h2', {}, trans.__('Runs'))),
      element('div', { className: 'jp-paillasse-actions' }, this._all, this._compare, this._told),
      this._list
    );
  }

  /** Ask for the runs' states; for why they would run again only when a state has changed. */
  async refresh(): Promise<void> {
    const { settings, trans, where } = this._options;
    const path = where();
    const asked = ++this._asked;
    try {
      const answer = await ask<IRuns>(settings, 'runs', { path });
      if (asked !== this._asked) {
        return;
      }
      const states = JSON.stringify([path, answer.runs.map(run => [run.name, run.result, run.state])]);
      if (states !== this._states) {
        this._states = states;
        void this._askWhy(path);
      }
      this._runs = answer.runs;
      const results = answer.runs.filter(run => run.result !== null && this._chosen.has(run.name));
      this._chosen = new Set(results.map(run => run.name)); // a result may have been deleted
      this._show(answer);
    } catch (error) {
      if (asked === this._asked) {
        this._states = this._shown = '';
        this._list.replaceChildren(element('li', {}, refusal(trans, error)));
      }
    }
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._states = '';
    void this._follow();
  }

  protected onActivateRequest(): void {
    this._all.focus();
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    window.clearTimeout(this._timer);
  }

  private async _follow(): Promise<void> {
    window.clearTimeout(this._timer);
    if (!document.hidden) {
      await this.refresh();
    }
    if (this.isVisible) {
      window.clearTimeout(this._timer);
      this._timer = window.setTimeout(() => void this._follow(), EVERY);
    }
  }

  private async _askWhy(path: string): Promise<void> {
    try {
      this._why = await ask<{ [name: string]: string | null }>(this._options.settings, 'runs/reasons', { path });
      this._shown = '';
    } catch {
      this._why = {}; // the list itself tells what is wrong
    }
  }

  private _show(answer: IRuns): void {
    const { trans } = this._options;
    const counts = new Map<string, number>();
    answer.runs.forEach(run => counts.set(run.state, (counts.get(run.state) ?? 0) + 1));
    const told = [...counts].map(([state, count]) => `${count} ${trans.__(state)}`).join(', ');
    const text = [told, answer.more ? trans.__('and %1 more', answer.more) : '', answer.message].filter(Boolean).join('\n');
    if (this._told.textContent !== text) {
      this._told.textContent = text;
    }
    const shown = JSON.stringify([answer.runs, this._why, [...this._chosen]]);
    if (shown === this._shown) {
      return; // what has the focus keeps it
    }
    this._shown = shown;
    const focused = document.activeElement?.getAttribute('data-key');
    this._list.replaceChildren(...answer.runs.map(run => this._row(run)));
    this._compare.disabled = this._chosen.size !== 2;
    if (focused) {
      this._list.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    }
  }

  private _row(run: IRun): HTMLElement {
    const { trans, open } = this._options;
    const tick = element('input', {
      type: 'checkbox',
      checked: this._chosen.has(run.name),
      disabled: run.result === null,
      'aria-label': trans.__('compare %1', run.name),
      'data-key': `tick ${run.name}`
    });
    tick.addEventListener('change', () => {
      tick.checked ? this._chosen.add(run.name) : this._chosen.delete(run.name);
      this._compare.disabled = this._chosen.size !== 2;
    });
    const actions: HTMLElement[] = [];
    const act = (label: string, what: () => Promise<void>) => {
      const button = this._button(label, what);
      button.setAttribute('aria-label', `${label}: ${run.name}`);
      button.setAttribute('data-key', `${label} ${run.name}`);
      actions.push(button);
    };
    if (run.state === 'running') {
      act(trans.__('Stop'), () => this._post('runs/stop', { name: run.name }));
    } else if (run.declared) {
      act(trans.__('Run'), () => this._start([run.name], true));
    }
    const { executed, notebook } = run;
    if (executed) {
      act(trans.__('Open'), async () => open(executed));
    } else if (notebook) {
      act(trans.__('Notebook'), async () => open(notebook));
    }
    const took = run.seconds === null ? '' : trans.__('%1 s', run.seconds.toFixed(1));
    const [cell, cells] = run.progress ?? [0, 0];
    const progress = cell ? trans.__('cell %1 of %2', cell, cells) : '';
    const reason = run.state === 'running' ? null : this._why[run.name];
    const why = reason ? trans.__('would run: %1', said(trans, reason, value => saidOfEach(trans, value))) : '';
    return element(
      'li',
      { className: 'jp-paillasse-run' },
      element(
        'div',
        { className: 'jp-paillasse-runHead' },
        tick,
        element('span', { className: 'jp-paillasse-name' }, run.name),
        element('span', { className: 'jp-paillasse-tag', 'data-kind': run.state }, trans.__(run.state))
      ),
      ...[run.headline, [run.started, took, progress].filter(Boolean).join(' · '), why]
        .filter(Boolean)
        .map(text => element('div', { className: 'jp-paillasse-detail' }, text)),
      element('div', { className: 'jp-paillasse-actions' }, ...actions)
    );
  }

  private _button(label: string, act: () => Promise<void>): HTMLButtonElement {
    const button = element('button', { className: 'jp-paillasse-button' }, label);
    button.addEventListener('click', () => void act());
    return button;
  }

  private _start(names: string[], fresh: boolean): Promise<void> {
    return this._post('runs/start', { names, fresh });
  }

  private async _post(route: string, body: object): Promise<void> {
    const { settings, trans, where } = this._options;
    try {
      await ask(settings, route, {}, { path: where(), ...body });
      await this.refresh();
    } catch (error) {
      this._told.replaceChildren(refusal(trans, error));
    }
  }

  private _all: HTMLButtonElement;
  private _compare: HTMLButtonElement;
  private _list: HTMLElement;
  private _told: HTMLElement;
  private _runs: IRun[] = [];
  private _why: { [name: string]: string | null } = {};
  private _chosen = new Set<string>();
  private _states = '';
  private _shown = '';
  private _timer = 0;
  private _asked = 0;
}
