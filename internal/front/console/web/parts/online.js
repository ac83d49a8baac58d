import { html } from './dom.js';
import { t } from './i18n.js';

// Online says whether anybody of a group is connected.
export const Online = ({ on }) => html`<span class=${'health ' + (on ? 'ok' : '')}><i class="dot"></i>${t(on ? 'online' : 'offline')}</span>`;
