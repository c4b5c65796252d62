/** Two results side by side: parameters, recorded tables, figures. */
import { IRenderMimeRegistry, MimeModel } from '@jupyterlab/rendermime';
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { ask, IResult, IRun } from './ask';
import { element, refusal } from './dom';

export interface IComparisonOptions {
  settings: ServerConnection.ISettings;
  trans: TranslationBundle;
  rendermime: IRenderMimeRegistry;
  where: () => string;
}

export class Comparison extends Widget {
  constructor(
    runs: [IRun, IRun],
    private _options: IComparisonOptions
  ) {
    super();
    this.addClass('jp-paillasse-comparison');
    this.node.tabIndex = 0;
    const { settings, trans } = _options;
    this.node.textContent = trans.__('Reading …');
    const path = _options.where();
    const results = runs.map(run => ask<IResult>(settings, `runs/${run.name}/${run.result}`, { path }));
    Promise.all(results).then(
      both => this._show(both),
      error => this.node.replaceChildren(refusal(trans, error))
    );
  }

  private _show(both: IResult[]): void {
    const { trans } = this._options;
    const head = both.map(each => element('th', { scope: 'col' }, each.name));
    const facts: [string, (result: IResult) => string][] = [
      [trans.__('state'), each => trans.__(each.state)],
      [trans.__('result'), each => each.headline],
      [trans.__('profile'), each => each.profile ?? ''],
      [trans.__('started'), each => each.started]
    ];
    const names = [...new Set(both.flatMap(each => Object.keys(each.parameters)))];
    const parameter = (name: string) => (each: IResult) =>
      name in each.parameters ? JSON.stringify(each.parameters[name]) : trans.__('the notebook’s own');
    const rows = [...facts, ...names.map(name => [name, parameter(name)] as [string, (result: IResult) => string])];
    const body = rows.map(([label, value]) => {
      const values = both.map(value);
      const cells = values.map(text => element('td', {}, text));
      const differs = values[0] !== values[1];
      return element('tr', { className: differs ? 'jp-mod-differs' : '' }, element('th', { scope: 'row' }, label), ...cells);
    });
    this.node.replaceChildren(
      element(
        'table',
        {},
        element('thead', {}, element('tr', {}, element('td', {}), ...head)),
        element('tbody', {}, ...body)
      ),
      ...this._pairs(both)
    );
    for (const [renderer, node] of this._figures) {
      Widget.attach(renderer, node);
    }
  }

  dispose(): void {
    for (const [renderer] of this._figures) {
      renderer.dispose();
    }
    super.dispose();
  }

  /** The tables of the same name, then the figures in their order, in two columns. */
  private _pairs(both: IResult[]): HTMLElement[] {
    const { trans } = this._options;
    const tables = [...new Set(both.flatMap(each => Object.keys(each.tables)))];
    const figures = Math.max(...both.map(each => each.figures.length));
    const none = () => element('p', {}, trans.__('none'));
    const pair = (title: string, of: (result: IResult) => HTMLElement | null) =>
      element(
        'section',
        {},
        element('h3', {}, title),
        element('div', { className: 'jp-paillasse-pair' }, ...both.map(each => element('div', {}, of(each) ?? none())))
      );
    return [
      ...tables.map(name => pair(name, each => (each.tables[name] ? this._table(each.tables[name]) : null))),
      ...Array.from({ length: figures }, (_, i) =>
        pair(trans.__('Figure %1', i + 1), each => (each.figures[i] ? this._figure(each.figures[i]) : null))
      )
    ];
  }

  private _table([head, ...rows]: string[][]): HTMLElement {
    const titles = (head ?? []).map(text => element('th', { scope: 'col' }, text));
    const body = rows.map(row => element('tr', {}, ...row.map(text => element('td', {}, text))));
    return element('table', {}, element('thead', {}, element('tr', {}, ...titles)), element('tbody', {}, ...body));
  }

  private _figure(data: IResult['figures'][number]): HTMLElement {
    const { rendermime, trans } = this._options;
    const mime = rendermime.preferredMimeType(data, 'any');
    if (!mime) {
      return element('p', {}, trans.__('This server cannot show it.'));
    }
    const renderer = rendermime.createRenderer(mime);
    const node = element('div', { className: 'jp-paillasse-figure' });
    this._figures.push([renderer, node]);
    void renderer.renderModel(new MimeModel({ data, trusted: false }));
    return node;
  }

  private _figures: [Widget, HTMLElement][] = [];
}
