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
import { Widget } from '@lumino/widgets';
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

/** The notebook or the folder that the user is in. */
function place(app: JupyterFrontEnd, tracker: INotebookTracker | null, browser: IDefaultFileBrowser | null): string {
  return app.serviceManager.contents.localPath(tracker?.currentWidget?.context.path ?? browser?.model.path ?? '');
}

interface IPanelPlace {
  name: string;
  area: 'left' | 'right';
  rank: number;
  icon: LabIcon;
  title: string;
  /** Of the command that shows the panel, and puts the cursor into it. */
  label: string;
  caption: string;
}

/** Put a panel at a side, and the command that shows it into the palette. */
function addPanel(
  app: JupyterFrontEnd,
  panel: Widget,
  { name, area, rank, icon, title, label, caption }: IPanelPlace,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null
): void {
  panel.id = `paillasse-${name}`;
  panel.title.icon = icon;
  panel.title.caption = title;
  app.shell.add(panel, area, { rank });
  restorer?.add(panel, panel.id);
  const command = `paillasse:${name}`;
  app.commands.addCommand(command, {
    label,
    caption,
    icon,
    execute: () => {
      app.shell.activateById(panel.id);
      window.setTimeout(() => panel.activate()); // Notebook 7 only shows it, and a palette gives the focus back
    },
    describedBy: { args: null }
  });
  palette?.addItem({ command, category: CATEGORY });
}

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
  optional: [ITranslator, ICommandPalette, ILayoutRestorer, IStatusBar, IDefaultFileBrowser],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    statusBar: IStatusBar | null,
    browser: IDefaultFileBrowser | null
  ) => {
    const trans = (translator ?? nullTranslator).load('paillasse');
    const profile = new Profile();
    const where = () => place(app, tracker, browser);
    const panel = new CataloguePanel({
      settings: app.serviceManager.serverSettings,
      trans,
      profile,
      where,
      insert: source => insertInto(tracker.currentWidget, source)
    });
    const shown = {
      name: 'catalogue',
      area: 'left' as const,
      rank: 150,
      icon: catalogueIcon,
      title: trans.__('Data catalogue'),
      label: trans.__('Data Catalogue'),
      caption: trans.__('Find data, and read them in this notebook')
    };
    addPanel(app, panel, shown, palette, restorer);

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

    const mark = new ProfileMark(profile, trans);
    if (statusBar) {
      statusBar.registerStatusItem('paillasse:profile', { item: mark, align: 'left', rank: -1 });
    } else {
      mark.id = 'paillasse-profile';
      app.shell.add(mark, 'menu', { rank: 950 }); // Notebook 7 has no status bar
    }
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
  optional: [ITranslator, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load('paillasse');
    const { contents, serverSettings: settings } = app.serviceManager;
    const path = (panel: NotebookPanel) => contents.localPath(panel.context.path);
    const shown = {
      name: 'form',
      area: 'right' as const,
      rank: 140,
      icon: formIcon,
      title: trans.__('Run with other parameters'),
      label: trans.__('Run with other Parameters'),
      caption: trans.__('A form of this notebook’s parameters')
    };
    addPanel(app, new FormPanel({ settings, trans, tracker, path }), shown, palette, restorer);
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
    const settings = app.serviceManager.serverSettings;
    const where = () => place(app, tracker, browser);
    const compare = (one: IRun, other: IRun) => {
      const content = new Comparison([one, other], { settings, trans, rendermime, where });
      const widget = new MainAreaWidget({ content });
      widget.title.label = `${one.name} · ${other.name}`;
      widget.title.icon = runsIcon;
      app.shell.add(widget, labShell ? 'main' : 'down'); // Notebook 7 has one document in a page
      app.shell.activateById(widget.id);
    };
    const open = (path: string) => void app.commands.execute('docmanager:open', { path });
    const shown = {
      name: 'runs',
      area: 'right' as const,
      rank: 150,
      icon: runsIcon,
      title: trans.__('Runs'),
      label: trans.__('Runs'),
      caption: trans.__('What stands of runs.yaml, and what would run again')
    };
    addPanel(app, new RunsPanel({ settings, trans, where, open, compare }), shown, palette, restorer);
  }
};

const launcher: JupyterFrontEndPlugin<void> = {
  id: 'paillasse:launcher',
  description: 'The project’s notebooks in the launcher, by their questions.',
  autoStart: true,
  optional: [ILauncher, ITranslator, ICommandPalette, INotebookTracker, IDefaultFileBrowser],
  activate: (
    app: JupyterFrontEnd,
    launcher: ILauncher | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    tracker: INotebookTracker | null,
    browser: IDefaultFileBrowser | null
  ) => {
    const trans = (translator ?? nullTranslator).load('paillasse');
    // A launcher is of the file browser's folder; in Notebook 7, which has none, a page is of its notebook.
    const where = () => place(app, launcher ? null : tracker, browser);
    const analyses = new Analyses(app, launcher, where, trans, formIcon);
    if (launcher) {
      browser?.model.pathChanged.connect(() => void analyses.refresh());
      void app.restored.then(() => analyses.refresh());
    }
    for (const command of [BEGIN, DOCTOR]) {
      palette?.addItem({ command, category: CATEGORY });
    }
  }
};

export default [catalogue, leaks, form, runs, launcher];
