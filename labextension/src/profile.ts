/** The profile in force, always visible: which form of the data is read. */
import { ISignal, Signal } from '@lumino/signaling';
import { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { element } from './dom';

/** The profile that the server last told. */
export class Profile {
  get value(): string {
    return this._value;
  }

  set value(value: string) {
    if (value !== this._value) {
      this._value = value;
      this._changed.emit(value);
    }
  }

  get changed(): ISignal<this, string> {
    return this._changed;
  }

  private _value = '';
  private _changed = new Signal<this, string>(this);
}

/** The profile as a mark, `secure` in a colour of its own. */
export class ProfileMark extends Widget {
  constructor(profile: Profile, trans: TranslationBundle) {
    super();
    this.addClass('jp-paillasse-profileMark');
    this.node.append(this._mark);
    this._trans = trans;
    this._show(profile.value);
    profile.changed.connect((_, value) => this._show(value));
  }

  private _show(value: string): void {
    const meaning: { [profile: string]: string } = {
      public: this._trans.__('Only public data are read'),
      synthetic: this._trans.__('Stand-ins are read: made up, nobody’s data'),
      secure: this._trans.__('Patients’ data are read; every read is recorded, notebooks are saved without outputs')
    };
    this._mark.textContent = value ? this._trans.__('profile: %1', value) : this._trans.__('no catalogue');
    this._mark.dataset.profile = value;
    this._mark.title = meaning[value] ?? this._trans.__('There is no catalogue here');
  }

  private _mark = element('span', { className: 'jp-paillasse-profile' });
  private _trans: TranslationBundle;
}
