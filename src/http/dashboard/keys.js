// What the keyboard does beside the browser's own: `/` to the search, arrows from row to row, Escape one step back.

export function press(event, go) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  const writing = event.target.closest?.('input:not([type=checkbox]), select, textarea');
  const search = document.getElementById('search');
  if (event.key === '/' && !writing && search) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === 'Escape') {
    if (writing) writing.blur();
    else document.querySelector('a[data-back]')?.click();
  } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && (!writing || writing === search)) {
    move(event, writing === search, event.key === 'ArrowDown' ? 1 : -1);
  }
}

function move(event, searching, by) {
  const rows = [...document.querySelectorAll('a.open')];
  const at = rows.findIndex((row) => row.closest('[data-key]')?.contains(document.activeElement));
  // From the search, or from nowhere, down leads to the first.
  const loose = document.activeElement === document.body || document.activeElement?.id === 'main';
  if (at < 0 && !((searching || loose) && by > 0)) return;
  const next = rows[at + by];
  if (next) {
    event.preventDefault();
    next.focus();
  } else if (at === 0 && by < 0) {
    event.preventDefault();
    document.getElementById('search')?.focus();
  }
}
