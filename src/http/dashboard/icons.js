// The page's marks: each status has a shape of its own, so that nobody has to tell colours apart.

const SVG = 'http://www.w3.org/2000/svg';

// Lines in a box of 16; a mark's `fill` parts are filled, its `line` parts drawn.
const MARKS = {
  queued: { line: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11z' },
  processing: { line: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11z', fill: 'M8 4.5a3.5 3.5 0 0 1 0 7z' },
  completed: { fill: 'M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z', cut: 'M5 8.2l2.1 2.1L11 6.2' },
  failed: { fill: 'M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3z', cut: 'M5.8 5.8l4.4 4.4m0-4.4l-4.4 4.4' },
  cancelled: { line: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM4.2 11.8l7.6-7.6' },
  warning: { fill: 'M8 1.8l6.8 12H1.2z', cut: 'M8 6.2v3.6m0 1.9v.1' },
  waiting: { line: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3.2l2.2 1.4' },
  money: { line: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM9.8 6.3C9.4 5.7 8.8 5.4 8 5.4c-1 0-1.8.5-1.8 1.3S7 7.9 8 8s1.8.5 1.8 1.3-.8 1.3-1.8 1.3c-.8 0-1.4-.3-1.8-.9M8 4.4v7.2' },
  sent: { line: 'M2 8h9m0 0L7.5 4.5M11 8l-3.5 3.5M14 3v10' },
  again: { line: 'M13 8a5 5 0 1 1-1.5-3.5M13 2.5v3h-3' },
  overview: { line: 'M2.5 13.5v-5m3.7 5v-8m3.6 8v-4m3.7 4v-11' },
  jobs: { line: 'M2.5 4h11M2.5 8h11M2.5 12h7' },
  letters: { line: 'M2 4h12v8.5H2zM2 4l6 5 6-5' },
  audit: { line: 'M4 1.8h8v12.4H4zM6 5h4M6 8h4M6 11h2' },
  search: { line: 'M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.3 10.3l3.4 3.4' },
  key: { line: 'M5.5 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8.5 8h5.5v2.5M11.5 8v2' },
  copy: { line: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3' },
  away: { line: 'M2 8.5a8.5 8.5 0 0 1 12 0M4.3 11a5.2 5.2 0 0 1 7.4 0M8 13.4v.1M2.5 2.5l11 11' },
};

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', `icon ${name}`);
  for (const [kind, d] of Object.entries(MARKS[name] ?? MARKS.queued)) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('class', kind);
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}
