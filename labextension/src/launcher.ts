/** The launcher's tiles: the project's notebooks by the question that each answers, a new one from another, the doctor. */
import { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog, showErrorMessage } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import { DisposableSet } from '@lumino/disposable';
import { ask } from './ask';
import { DOCTOR, showDoctor } from './doctor';
import { said } from './sayings';

interface IAnalysis {
  path: string;
  question: string;
}

export const OPEN = 'paillasse:open-analysis';
export const BEGIN = 'paillasse:new-analysis';

export class Analyses {
  constructor(
    private _app: JupyterFrontEnd,
    private _launcher: ILauncher | null,
    private _where: () => string,
    private _trans: TranslationBundle,
    icon: LabIcon
  ) {
    const { commands } = _app;
    commands.addCommand(OPEN, {
      label: args => String(args.question ?? _trans.__('Open an Analysis')),
      caption: args => String(args.path ?? ''),
      icon,
      execute: args => commands.execute('docmanager:open', { path: String(args.path) }),
      describedBy: { args: null }
    });
    commands.addCommand(BEGIN, {
      label: _trans.__('New Analysis from …'),
      caption: _trans.__('A copy of a notebook of this project, without its outputs'),
      icon,
      execute: () => this.begin(),
      describedBy: { args: null }
    });
    commands.addCommand(DOCTOR, {
      label: _trans.__('Doctor'),
      caption: _trans.__('What is wrong with this project, and the command that mends it'),
      icon,
      execute: () => showDoctor(_app.serviceManager.serverSettings, this._where(), _trans),
      describedBy: { args: null }
    });
  }

  /** Make the tiles of the project that the user is in; none where there is no project. */
  async refresh(): Promise<void> {
    const path = this._where();
    const found = await ask<IAnalysis[]>(this._app.serviceManager.serverSettings, 'analyses', { path }).catch(() => []);
    if (path !== this._where()) {
      return;
    }
    this._found = found;
    this._tiles.dispose();
    this._tiles = new DisposableSet();
    if (this._launcher && found.length) {
      const tiles = found.map(({ path, question }) => ({ command: OPEN, args: { path, question } }));
      const category = this._trans.__('Analyses of this project');
      for (const [rank, tile] of [...tiles, { command: BEGIN }, { command: DOCTOR }].entries()) {
        this._tiles.add(this._launcher.add({ ...tile, category, rank }));
      }
    }
  }

  /** Ask from which notebook, and for a name; make it, and open it. */
  async begin(): Promise<void> {
    const trans = this._trans;
    await this.refresh();
    const title = trans.__('New Analysis from …');
    if (this._found.length === 0) {
      return showErrorMessage(title, trans.__('There is no notebook in this project.'));
    }
    const items = this._found.map(each => `${each.question} (${each.path})`);
    const from = await InputDialog.getItem({ title, items, label: trans.__('Which notebook comes nearest?') });
    if (!from.button.accept || from.value === null) {
      return;
    }
    const label = trans.__('Its name: letters, digits, - and _');
    const name = await InputDialog.getText({ title, label, pattern: '[A-Za-z0-9][A-Za-z0-9_\\-]{0,63}', required: true });
    if (!name.button.accept || !name.value) {
      return;
    }
    try {
      const body = { path: this._found[items.indexOf(from.value)].path, name: name.value };
      const made = await ask<{ path: string }>(this._app.serviceManager.serverSettings, 'analyses/new', {}, body);
      await this._app.commands.execute('docmanager:open', made);
      await this.refresh();
    } catch (error) {
      await showErrorMessage(title, said(trans, (error as Error).message));
    }
  }

  private _found: IAnalysis[] = [];
  private _tiles = new DisposableSet();
}
