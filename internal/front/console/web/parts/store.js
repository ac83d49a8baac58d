// What the browser remembers for this console. Storage may be forbidden or
// full; then a choice holds for this page only.
const memory = new Map();

export function recall(name) {
  if (memory.has(name)) return memory.get(name);
  try {
    return localStorage.getItem('goddard.' + name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  memory.set(name, value);
  try {
    if (value === null) localStorage.removeItem('goddard.' + name);
    else localStorage.setItem('goddard.' + name, value);
  } catch { /* as above */ }
}
