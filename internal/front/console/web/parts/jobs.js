// Redrives and purges that run on the server, with their progress.
import { html } from './dom.js';
import { t } from './i18n.js';
import { seg, send } from './api.js';
import { useLive } from './live.js';
import { Badge, Fault, Panel, Ago } from './show.js';
import { Table } from './table.js';
import { notice } from './dialog.js';
import { number, span } from './format.js';

const kinds = { running: 'accent', done: 'ok', failed: 'bad', stopped: 'warn' };

// Jobs lists them, of one group or all; nothing is drawn while there are none.
export function Jobs({ group }) {
  const live = useLive('/jobs', {}, 2000);
  const rows = live.data?.items.filter((j) => !group || j.target === group) ?? [];
  const stop = async (j) => {
    try {
      await send('DELETE', `/jobs/${seg(j.id)}`);
      notice(t('job.stopped'));
      live.reload();
    } catch (error) {
      notice(`${error.message} ${error.fix ?? ''}`, 'bad');
    }
  };
  if (!rows.length) return null;
  return html`<${Panel} title=${t('jobs')} flush><${Table} label=${t('jobs')} id=${(j) => j.id} rows=${rows} columns=${[
    { name: 'kind', label: t('job'), kind: 'main', cell: (j) => html`${t('job.' + j.kind)} ${j.target} ${j.dry_run && html`<${Badge}>${t('dryrun')}<//>`}` },
    { name: 'state', label: t('state'), cell: (j) => html`<${Badge} kind=${kinds[j.state]}>${t('job.' + j.state)}<//>` },
    { name: 'progress', label: t('job.progress'), cell: (j) => html`<${Progress} job=${j} />` },
    { name: 'started', label: t('overview.started'), kind: 'tight', cell: (j) => html`<${Ago} at=${j.started} />` },
    { name: 'do', label: '', kind: 'actions', cell: (j) => j.state === 'running' && html`<button type="button" class="small-button" onClick=${() => stop(j)}>${t('job.stop')}</button>` },
  ]} /><//>`;
}

// Progress is how far a job is, in a bar and in words.
export function Progress({ job: j }) {
  const words = [
    j.kind === 'purge' ? t('job.purgedof', { n: j.purged }) : j.dry_run ? t('job.found', { n: j.found }) : t('job.sentof', { n: j.sent }),
    j.busy > 0 && t('job.busy', { n: j.busy }),
    t('job.looked', { n: j.looked, of: j.of }),
    j.state === 'running' && j.left_seconds !== undefined && t('job.left', { span: span(j.left_seconds * 1000) }),
  ].filter(Boolean).join(' · ');
  return html`<div class="stack tight">${j.state === 'running' && html`<progress max=${Math.max(1, j.of)} value=${j.looked} aria-label=${words}></progress>`}<small>${words}</small>
    ${j.error && html`<${Fault} error=${{ message: j.error, fix: j.fix }} />`}</div>`;
}
