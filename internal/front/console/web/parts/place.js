// Where something new is made.
import { get } from './api.js';
import { t } from './i18n.js';

// place is a field that asks for a cluster; false where there is only one.
export async function place() {
  const { clusters } = await get('/overview').catch(() => ({ clusters: [] }));
  if (clusters.length < 2) return false;
  return { name: 'cluster', label: t('cluster'), kind: 'select', value: clusters[0].name, options: clusters.map((c) => [c.name, c.name]), wide: true };
}
