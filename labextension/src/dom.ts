/** Elements of a page, in one expression each. */
import { TranslationBundle } from '@jupyterlab/translation';
import { said } from './sayings';

type Child = Node | string;

/** An element with properties, attributes (`aria-label`, `role`, …) and children; text is never taken for markup. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: { [name: string]: unknown } = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role' || name === 'for') {
      made.setAttribute(name, String(value));
    } else {
      (made as unknown as { [name: string]: unknown })[name] = value;
    }
  }
  made.append(...children);
  return made;
}

/** An error in a panel: it is read out, and keeps the lines that the library gave it. */
export function refusal(trans: TranslationBundle, error: unknown): HTMLElement {
  const text = error instanceof Error ? error.message : String(error);
  return element('pre', { className: 'jp-paillasse-error', role: 'alert' }, said(trans, text));
}
