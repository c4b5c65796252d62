/** What `paillasse doctor` says of the project: each finding with the command that mends it. */
import { Dialog } from '@jupyterlab/apputils';
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { ask } from './ask';
import { element, refusal } from './dom';

interface IFinding {
  state: 'ok' | 'note' | 'wrong';
  seen: string;
  mend: string | null;
  check: string;
}

export const DOCTOR = 'paillasse:doctor';

export async function showDoctor(
  settings: ServerConnection.ISettings,
  path: string,
  trans: TranslationBundle
): Promise<void> {
  const body = new Widget();
  body.addClass('jp-paillasse-findings');
  body.node.tabIndex = 0; // it may be longer than the dialog, and a keyboard scrolls what has the focus
  const dialog = new Dialog({
    title: trans.__('What is wrong with this project'),
    body,
    buttons: [Dialog.okButton({ label: trans.__('Close') })]
  });
  try {
    const findings = await ask<IFinding[]>(settings, 'doctor', { path });
    const wrong = findings.filter(each => each.state !== 'ok');
    if (wrong.length === 0) {
      body.node.append(element('p', {}, trans.__('Nothing is wrong.')));
    }
    for (const [title, listed] of [
      [trans.__('To be mended or known'), wrong],
      [trans.__('All is well with'), findings.filter(each => each.state === 'ok')]
    ] as [string, IFinding[]][]) {
      if (listed.length) {
        body.node.append(element('h3', {}, title), element('ul', {}, ...listed.map(each => element('li', {}, shown(each)))));
      }
    }
  } catch (error) {
    body.node.append(refusal(trans, error));
  }
  await dialog.launch();
}

function shown({ check, seen, mend }: IFinding): HTMLElement {
  const texts = [element('strong', {}, check), element('span', {}, seen)];
  return element('div', { className: 'jp-paillasse-finding' }, ...texts, ...(mend ? [element('code', {}, mend)] : []));
}
