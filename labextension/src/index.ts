/** The extension: its plugins, each with its widgets and commands. */
import { ILabShell, ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry, MainAreaWidget } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import { IRun } from './ask';
import { CataloguePanel } from './catalogue';
import { Comparison } from './compare';
import { DOCTOR } from './doctor';
import { FormPanel } from './form';
import { Analyses, BEGIN } from './launcher';
import { LeakBadge } from './leaks';
import { Profile, ProfileMark } from './profile';
import { RunsPanel } from './runs';

const CATEGORY = 'Paillasse';

const catalogueIcon = new LabIcon({
  name: 'paillasse:catalogue',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16" height="16"><g class="jp-icon3"
    fill="#616161"><path d="M12 2C7 2 4 3.6 4 5.5v13C4 20.4 7 22 12 22s8-1.6 8-3.5v-13C20 3.6 17 2 12 2zm0 2c4 0 6 1 6
    1.5S16 7 12 7 6 6 6 5.5 8 4 12 4zm6 14.5c0 .5-2 1.5-6 1.5s-6-1-6-1.5v-3c1.4.6 3.5 1 6 1s4.6-.4 6-1zm0-5.5c0
    .5-2 1.5-6 1.5s-6-1-6-1.5V9.9c1.4.7 3.5 1.1 6 1.1s4.6-.4 6-1.1z"/></g></svg>`
});

const runsIcon = new LabIcon({
  name: 'paillasse:runs',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16" height="16"><g class="jp-icon3"
    fill="#616161"><path d="M7 2h10v2h-1v5l4.5 9c1 2-.5 4-2.5 4H6c-2 0-3.5-2-2.5-4L8 9V4H7zm3 2v5.5L8 14h8l-2-4.5V4z"/></g></svg>`
});

const formIcon = new LabIcon({
  name: 'paillasse:form',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16" height="16"><g class="jp-icon3"
    fill="#616161"><path d="M5 3h14v18H5zm2 2v14h10V5zm2 2h6v2H9zm0 4h6v2H9zm0 4h4v2H9z"/></g></svg>`
});

/** Put code below the active cell, or into it where it is empty; false where there is no notebook. */
function insertInto(panel: NotebookPanel | null, source: (notebook: string) => string): boolean {
  const notebook = panel?.content;
  if (!notebook?.model) {
    return false;
  }
  const cells = notebook.widgets.map(cell => cell.model.sharedModel);
  const code = cells.filter(cell => cell.cell_type === 'code').map(cell => cell.getSource());
  const active = notebook.activeCell?.model;
  if (active?.type !== 'code' || active.sharedModel.getSource().trim() !== '') {
    NotebookActions.insertBelow(notebook);
  }
  notebook.activeCell?.model.sharedModel.setSource(source(code.join('\n')));
  notebook.activate();
  return true;
}

const catalogue: JupyterFrontEndPlugin<void> = {
  id: 'paillasse:catalogue',
  description: 'The data catalogue beside the notebook, and the profile in force.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator, ICommandPalette, ILayoutRestorer, IStatusBar, IDefaultFileBrowser, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    statusBar: IStatusBar | null,
    browser: IDefaultFileBrowser | null,
    labShell: ILabShell | null
  ) => {
    const trans = (translator ?? nullTranslator).load('paillasse');
    const { contents, serverSettings } = app.serviceManager;
    const profile = new Profile();
    const where = () => contents.localPath(tracker.currentWidget?.context.path ?? browser?.model.path ?? '');
    const panel = new CataloguePanel({
      settings: serverSettings,
      trans,
      profile,
      where,
      insert: source => insertInto(tracker.currentWidget, source)
    });
    panel.id = 'paillasse-catalogue';
    panel.title.icon = catalogueIcon;
    panel.title.caption = trans.__('Data catalogue');
    app.shell.add(panel, 'left', { rank: 150 });
    restorer?.add(panel, panel.id);

    // Another folder may be another project; the profile is to be seen while the panel is closed, too.
    let folder: string | null = null;
    const follow = () => {
      const now = where().replace(/[^/]*\.ipynb$/, '');
      if (now !== folder) {
        folder = now;
        void panel.refresh();
      }
    };
    tracker.currentChanged.connect(follow);
    browser?.model.pathChanged.connect(follow);
    void app.restored.then(follow);

    statusBar?.registerStatusItem('paillasse:profile', {
      item: new ProfileMark(profile, trans),
      align: 'left',
      rank: -1
    });
    const command = 'paillasse:catalogue';
    app.commands.addCommand(command, {
      label: trans.__('Data Catalogue'),
      caption: trans.__('Find data, and read them in this notebook'),
      icon: catalogueIcon,
      execute: () => {
        labShell?.expandLeft();
        app.shell.activateById(panel.id);
      },
      describedBy: { args: null }
    });
    palette?.addItem({ command, category: CATEGORY });
  }
};

const leaks: JupyterFrontEndPlugin<void> = {
  id: 'paillasse:leaks',
  description: 'The verdict of a scan in each notebook’s toolbar.',
  autoStart: true,
  requires: [INotebookTracker, IToolbarWidgetRegistry, ISettingRegistry],
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    toolbars: IToolbarWidgetRegistry,
    _settings: ISettingRegistry,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load('paillasse');
    const { contents, serverSettings } = app.serviceManager;
    const badges = new WeakMap<NotebookPanel, LeakBadge>();
    const path = (panel: NotebookPanel) => contents.localPath(panel.context.path);
    toolbars.addFactory<NotebookPanel>('Notebook', 'paillasse-leaks', panel => {
      const badge = new LeakBadge(panel, { settings: serverSettings, trans, path });
      badges.set(panel, badge);
      return badge;
    });
    const current = () => (tracker.currentWidget ? badges.get(tracker.currentWidget) : undefined);
    const commands: [string, string, (badge: LeakBadge) => Promise<void>][] = [
      ['paillasse:scan', trans.__('Scan this Notebook for Patients’ Data'), badge => badge.check()],
      ['paillasse:findings', trans.__('List what the Scan has Found'), badge => badge.list()]
    ];
    for (const [command, label, act] of commands) {
      app.commands.addCommand(command, {
        label,
        isEnabled: () => current() !== undefined,
        execute: async () => {
          const badge = current();
          return badge ? act(badge) : undefined;
        },
        describedBy: { args: null }
      });
      palette?.addItem({ command, category: CATEGORY });
    }
  }
};

const form: JupyterFrontEndPlugin<void> = {
  id: 'paillasse:form',
  description: 'A form of the notebook’s parameters, from which it is run.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator, ICommandPalette, ILayoutRestorer, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    labShell: ILabShell | null
  ) => {
    const trans = (translator ?? nullTranslator).load('paillasse');
    const { contents, serverSettings: settings } = app.serviceManager;
    const path = (panel: NotebookPanel) => contents.localPath(panel.context.path);
    const panel = new FormPanel({ settings, trans, tracker, path });
    panel.id = 'paillasse-form';
    panel.title.icon = formIcon;
    panel.title.caption = trans.__('Run with other parameters');
    app.shell.add(panel, 'right', { rank: 140 });
    restorer?.add(panel, panel.id);
    const command = 'paillasse:form';
    app.commands.addCommand(command, {
      label: trans.__('Run with other Parameters'),
      caption: trans.__('A form of this notebook’s parameters'),
      icon: formIcon,
      execute: () => {
        labShell?.expandRight();
        app.shell.activateById(panel.id);
      },
      describedBy: { args: null }
    });
    palette?.addItem({ command, category: CATEGORY });
  }
};

const runs: JupyterFrontEndPlugin<void> = {
  id: 'paillasse:runs',
  description: 'The runs of runs.yaml, with their true states.',
  autoStart: true,
  requires: [INotebookTracker, IRenderMimeRegistry],
  optional: [ITranslator, ICommandPalette, ILayoutRestorer, IDefaultFileBrowser, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    browser: IDefaultFileBrowser | null,
    labShell: ILabShell | null
  ) => {
    const trans = (translator ?? nullTranslator).load('paillasse');
    const { contents, serverSettings: settings } = app.serviceManager;
    const where = () => contents.localPath(tracker.currentWidget?.context.path ?? browser?.model.path ?? '');
    const compare = (one: IRun, other: IRun) => {
      const content = new Comparison([one, other], { settings, trans, rendermime, where });
      const widget = new MainAreaWidget({ content });
      widget.title.label = `${one.name} · ${other.name}`;
      widget.title.icon = runsIcon;
      app.shell.add(widget, 'main');
      app.shell.activateById(widget.id);
    };
    const open = (path: string) => void app.commands.execute('docmanager:open', { path });
    const panel = new RunsPanel({ settings, trans, where, open, compare });
    panel.id = 'paillasse-runs';
    panel.title.icon = runsIcon;
    panel.title.caption = trans.__('Runs');
    app.shell.add(panel, 'right', { rank: 150 });
    restorer?.add(panel, panel.id);
    const command = 'paillasse:runs';
    app.commands.addCommand(command, {
      label: trans.__('Runs'),
      caption: trans.__('What stands of runs.yaml, and what would run again'),
      icon: runsIcon,
      execute: () => {
        labShell?.expandRight();
        app.shell.activateById(panel.id);
      },
      describedBy: { args: null }
    });
    palette?.addItem({ command, category: CATEGORY });
  }
};

const launcher: JupyterFrontEndPlugin<void> = {
  id: 'paillasse:launcher',
  description: 'The project’s notebooks in the launcher, by their questions.',
  autoStart: true,
  requires: [ILauncher],
  optional: [ITranslator, ICommandPalette, IDefaultFileBrowser],
  activate: (
    app: JupyterFrontEnd,
    launcher: ILauncher,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    browser: IDefaultFileBrowser | null
  ) => {
    const trans = (translator ?? nullTranslator).load('paillasse');
    const where = () => app.serviceManager.contents.localPath(browser?.model.path ?? '');
    const analyses = new Analyses(app, launcher, where, trans, formIcon);
    browser?.model.pathChanged.connect(() => void analyses.refresh());
    void app.restored.then(() => analyses.refresh());
    for (const command of [BEGIN, DOCTOR]) {
      palette?.addItem({ command, category: CATEGORY });
    }
  }
};

export default [catalogue, leaks, form, runs, launcher];
